from __future__ import annotations

from dataclasses import replace

import torch
from tiny_models import NETWORK, SIZES, awake, batch_of

from omsn.features import normalise
from omsn.models.known_speakers import LIMIT, KnownSpeakers, described
from omsn.models.network import Network

KNOWN = replace(NETWORK, known_speakers=True)


def acquainted() -> KnownSpeakers:
    """Knows three speakers, made up."""
    torch.manual_seed(0)
    module = KnownSpeakers(SIZES.audio_features, SIZES.video_features, 3)
    for weight in module.parameters():
        weight.copy_(torch.rand_like(weight) + 0.5)
    return module


def test_speakers_are_told_by_a_linear_discriminant_of_both_modalities() -> None:
    module, batch = acquainted(), batch_of()
    scores = described(batch) @ module.discriminant + module.bias
    assert module.identified(batch).tolist() == scores.argmax(dim=1).tolist()
    assert described(batch).shape == (4, 6 * 9)
    assert not described(batch)[1, : 6 * 5].any()  # no sound
    assert not described(batch)[2, 6 * 5 :].any()  # no face


def test_each_clip_is_standardised_by_its_speaker() -> None:
    module, batch = acquainted(), batch_of()
    said = module.standardised(batch, torch.tensor([2, 0, 1, 1]))
    for row, speaker in enumerate([2, 0, 1, 1]):
        real = batch.audio_mask[row]
        expected = (batch.audio[row, real] - module.audio.mean[speaker]) / module.audio.std[speaker]
        torch.testing.assert_close(said.audio[row, real], expected)
        assert not said.audio[row, ~real].any()
        assert not said.video[row, ~batch.video_mask[row]].any()


def test_far_values_are_cut_as_where_parts_are_standardised() -> None:
    module, batch = acquainted(), batch_of()
    far = replace(batch, audio=batch.audio * 1e6)
    assert module(far).audio.abs().max() == LIMIT == normalise.LIMIT


def test_whoever_knows_nobody_changes_nothing() -> None:
    torch.manual_seed(0)
    network, batch = Network(SIZES, KNOWN).eval(), batch_of()
    assert network.speakers is not None
    assert not network.speakers.fitted
    assert network.speakers(batch) is batch
    torch.manual_seed(0)
    assert torch.equal(network(batch), Network(SIZES, NETWORK).eval()(batch))


def test_a_network_that_knows_speakers_answers_for_standardised_clips() -> None:
    torch.manual_seed(0)
    network, batch = Network(replace(SIZES, n_speakers=3), KNOWN).eval(), batch_of()
    network.speakers = acquainted()
    own = {name: weight for name, weight in network.state_dict().items() if not name.startswith("speakers.")}
    plain = Network(SIZES, NETWORK).eval()
    plain.load_state_dict(own)
    torch.testing.assert_close(network(batch), plain(network.speakers(batch)))
    torch.testing.assert_close(network.train().logits(batch).audio, plain.train().logits(batch).audio)  # they come so
    assert awake().speakers is None
