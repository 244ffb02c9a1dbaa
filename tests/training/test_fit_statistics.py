"""The kernel machine that is fitted on statistics of clips, against refits by scikit-learn."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.special import softmax
from sklearn.kernel_ridge import KernelRidge
from tiny_corpus import AUDIO, LABELS, NETWORK, PLAIN, VIDEO, labelled, network, samples
from torch import Tensor

from omsn.config import Config, StatisticsConfig, TrainingConfig
from omsn.data.padded import PaddedSet, pad
from omsn.data.speakers import Speakers
from omsn.errors import CheckpointError, ConfigError
from omsn.features.mirror import Mirror
from omsn.features.normalise import SampleStatistics
from omsn.models.batch import Batch
from omsn.models.checkpoint import WEIGHTS_NAME, Checkpoint, load_checkpoint, save_checkpoint
from omsn.models.network import Network, Sizes, count_parameters
from omsn.models.statistics import StatisticsClassifier, anova_kernel, gaussian_kernel
from omsn.training import statistics
from omsn.training.calibration import fit_temperature
from omsn.training.loop import fit
from omsn.training.parts import people_of, targets_of
from omsn.types import LabelledSample

WITH = replace(NETWORK, statistics=StatisticsConfig(enabled=True, components=4, ridge=0.5))
MANY = samples(repetitions=6)


def part(made: Sequence[LabelledSample] = MANY, known: bool = True) -> PaddedSet:
    people = people_of(made) if known else None
    return pad([one.sample for one in made], targets_of(made, LABELS), "both", people)


def fitted(train: PaddedSet) -> StatisticsClassifier:
    net = network(0, WITH)
    statistics.fit_statistics(net, train)
    assert net.statistics is not None
    return net.statistics


def asked(machine: StatisticsClassifier, train: PaddedSet) -> Tensor:
    whole = train.whole
    said: Tensor = machine(whole.audio, whole.audio_mask, whole.video, whole.video_mask)
    return said


def kernel_of(machine: StatisticsClassifier) -> np.ndarray:
    """Between the clips that it knows, each twice."""
    audio, video = machine.audio.known.repeat(2, 1).double(), machine.video.known.double()
    return anova_kernel(gaussian_kernel(audio, audio), gaussian_kernel(video, video)).numpy()


def test_it_is_kernel_ridge_regression_at_the_temperature_of_speakers_left_out() -> None:
    train = part()
    machine, wanted = fitted(train), np.eye(3)[train.targets.repeat(2)]
    alike, usual = kernel_of(machine), wanted.mean(axis=0)
    assert train.speakers is not None
    owner, unheard = train.speakers.own.repeat(2).numpy(), np.zeros((len(wanted), 3))
    for one in set(owner.tolist()):
        out = owner == one
        model = KernelRidge(alpha=0.5, kernel="precomputed").fit(alike[~out][:, ~out], (wanted - usual)[~out])
        unheard[out] = model.predict(alike[out][:, ~out]) + usual
    sharpness = 10 / fit_temperature(softmax(10 * unheard[: len(train)], axis=1), train.targets.numpy())
    whole = KernelRidge(alpha=0.5, kernel="precomputed").fit(alike, wanted - usual)
    expected = sharpness * (whole.predict(alike) + usual)
    np.testing.assert_allclose(asked(machine, train), expected[: len(train)], rtol=1e-3, atol=2e-3)
    assert (asked(machine, train).argmax(dim=1) == train.targets).float().mean() > 0.9


def test_clips_that_choose_the_temperature_took_no_part_in_what_is_said_of_them() -> None:
    """Emotions drawn at random cannot be told. Whitened with a clip's own class in mind, they seem to be."""
    generator = torch.Generator().manual_seed(0)
    frames, mask = torch.randn(240, 6, 40, generator=generator), torch.ones(240, 6, dtype=torch.bool)
    batch = Batch(frames, mask, torch.randn(240, 6, 40, generator=generator), mask)
    drawn, owner = torch.randint(3, (240,), generator=generator), torch.arange(240) % 20
    train = PaddedSet(batch, drawn, tuple(map(str, range(240))), None, Speakers.of(batch, owner.tolist()))
    config = replace(WITH, statistics=StatisticsConfig(enabled=True, components=150, ridge=0.1))
    net, rows = Network(Sizes(40, 40, 3), config), torch.arange(240)
    whole = statistics._fitted(net, train, rows)
    assert whole is not None
    unheard = statistics._of_other_clips(net, train, rows, whole[0])
    assert (unheard.argmax(dim=1) == drawn).float().mean() < 0.42
    heard = statistics._of_other_speakers(whole[0], drawn, whole[1], rows)  # left out of the regression alone
    assert (heard.argmax(dim=1) == drawn).float().mean() > 0.44


def test_one_speaker_is_enough() -> None:
    assert fitted(part(samples(("1",), repetitions=6))).fitted


def test_mirrored_faces_are_learnt_from_too() -> None:
    train = part()
    mirror = Mirror(np.array([1, 0]), np.array([1.0, -1.0], np.float32))
    machine = fitted(replace(train, mirror=mirror))
    whole = train.whole
    turned = whole.video[:, :, [1, 0]] * torch.tensor([1.0, -1.0])
    known = machine.video(turned, whole.video_mask)  # (n, 2 n)
    present = whole.video_mask.any(dim=1)
    torch.testing.assert_close(known.diagonal(len(train))[present], torch.ones(int(present.sum())))
    plain = fitted(train)
    torch.testing.assert_close(plain.video.known[: len(train)], plain.video.known[len(train) :])


def test_a_modality_that_is_masked_out_says_nothing() -> None:
    made = MANY
    train = pad([one.sample for one in made], targets_of(made, LABELS), "audio", people_of(made))
    machine = fitted(train)
    assert machine.fitted
    assert not machine.video.known.any()


def test_too_little_to_learn_from_is_told(caplog: pytest.LogCaptureFixture) -> None:
    net = network(0, WITH)
    with caplog.at_level(logging.WARNING):
        statistics.fit_statistics(net, part([labelled("1", emotion, 1) for emotion in LABELS.names]))
    assert net.statistics is not None
    assert not net.statistics.fitted
    assert "statistics of 3 clips tell nothing: the encoders answer alone" in caplog.text


def test_a_large_part_is_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "MAX_CLIPS", 30)
    assert fitted(part()).coefficients.shape == (60, 3)


def test_training_ends_with_them_and_the_same_whatever_the_seed() -> None:
    train = part()
    nets = [network(seed, WITH) for seed in (1, 2)]
    for seed, net in enumerate(nets):
        fit(net, train, None, replace(PLAIN, epochs=1), seed=seed)
    one, other = (net.statistics for net in nets)
    assert one is not None
    assert other is not None
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(nets[0].audio_head.weight, nets[1].audio_head.weight)


def test_a_checkpoint_of_several_networks_holds_them_once(tmp_path: Path) -> None:
    train, nets = part(), [network(seed, WITH).eval() for seed in (1, 2)]
    for net in nets:
        statistics.fit_statistics(net, train)
    save_checkpoint(tmp_path / "two", checkpoint_of(nets))
    with safe_open(tmp_path / "two" / WEIGHTS_NAME, framework="pt") as file:
        names = list(file.keys())
    stored = [name for name in names if ".statistics." in name]
    assert len(stored) == len(list(StatisticsClassifier(1, 1, 1, 1, 1).parameters()))
    assert {name.split(".")[1] for name in names if ".statistics." in name} == {"0"}
    read = load_checkpoint(tmp_path / "two").networks
    assert count_parameters(read) == count_parameters(read[:1]) + count_parameters([network(0)])
    for net, again in zip(nets, read, strict=True):
        assert torch.equal(net(train.whole), again(train.whole))


def checkpoint_of(networks: Sequence[Network]) -> Checkpoint:
    whole = SampleStatistics.of([one.sample for one in MANY]).to_arrays()
    return Checkpoint(tuple(networks), Config(network=WITH, training=PLAIN), LABELS, AUDIO, VIDEO, whole, ("1",))


def test_a_checkpoint_keeps_statistics_that_differ(tmp_path: Path) -> None:
    nets = [network(seed, WITH).eval() for seed in (1, 2)]
    for net, made in zip(nets, (MANY, samples(("8", "9", "10", "11"), repetitions=6)), strict=True):
        statistics.fit_statistics(net, part(made))
    save_checkpoint(tmp_path, checkpoint_of(nets))
    whole = part().whole
    for net, again in zip(nets, load_checkpoint(tmp_path).networks, strict=True):
        assert torch.equal(net(whole), again(whole))


def test_damaged_statistics_are_refused(tmp_path: Path) -> None:
    net = network(1, WITH).eval()
    statistics.fit_statistics(net, part())
    save_checkpoint(tmp_path, checkpoint_of([net]))
    tensors = load_file(tmp_path / WEIGHTS_NAME)
    for damaged in (torch.tensor(1.0), torch.zeros(3)):
        save_file(tensors | {"networks.0.statistics.coefficients": damaged}, tmp_path / WEIGHTS_NAME)
        with pytest.raises(CheckpointError, match="weights of another network"):
            load_checkpoint(tmp_path)


def test_one_vs_rest_losses_do_not_go_with_them() -> None:
    with pytest.raises(ConfigError, match=r"got binary_cross_entropy, but network\.statistics answers with softmax"):
        Config(network=WITH, training=TrainingConfig(loss="binary_cross_entropy"))
