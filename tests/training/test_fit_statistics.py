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

from omsn.config import Config, FisherConfig, StatisticsConfig, TrainingConfig
from omsn.data.padded import PaddedSet, pad
from omsn.data.speakers import Speakers
from omsn.errors import CheckpointError, ConfigError
from omsn.features.normalise import SampleStatistics
from omsn.models.batch import Batch
from omsn.models.checkpoint import WEIGHTS_NAME, Checkpoint, load_checkpoint, save_checkpoint
from omsn.models.network import Network, Sizes, count_parameters
from omsn.models.statistics import StatisticsClassifier, anova_kernel, gaussian_kernel
from omsn.training import statistics, views
from omsn.training.calibration import fit_temperature
from omsn.training.loop import fit
from omsn.training.parts import people_of, targets_of
from omsn.types import LabelledSample

FISHER = FisherConfig(gaussians=2, dimensions=3, window=3)
STATISTICS = StatisticsConfig(enabled=True, components=4, ridge=0.5, audio=FISHER, video=FISHER)
WITH = replace(NETWORK, statistics=STATISTICS)
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
    """Between the clips that it knows."""
    audio, video = machine.audio.known.double(), machine.video.known.double()
    return anova_kernel(gaussian_kernel(audio, audio), gaussian_kernel(video, video)).numpy()


def test_it_is_kernel_ridge_regression_at_the_temperature_of_other_speakers() -> None:
    train = part(samples(tuple("123456"), repetitions=6))
    machine, wanted = fitted(train), np.eye(3)[train.targets]
    assert train.speakers is not None
    owner, unheard = train.speakers.own.numpy(), torch.zeros(len(wanted), 3)
    assert sorted(set(owner.tolist())) == [0, 1, 2, 3, 4, 5]
    for out in (np.isin(owner, (0, 5)), *(owner == one for one in (1, 2, 3, 4))):
        unheard[torch.from_numpy(out)] = by_others(machine, train, torch.from_numpy(out))
    sharpness = 10 / fit_temperature(softmax(10 * unheard.numpy(), axis=1), train.targets.numpy())
    alike, usual = kernel_of(machine), wanted.mean(axis=0)
    whole = KernelRidge(alpha=0.5, kernel="precomputed").fit(alike, wanted - usual)
    expected = sharpness * (whole.predict(alike) + usual)
    as_known = machine.answer(machine.audio.known.float(), machine.video.known.float())
    np.testing.assert_allclose(as_known, expected, rtol=1e-3, atol=2e-3)
    np.testing.assert_allclose(asked(machine, train) / sharpness, expected / sharpness, atol=1e-3)  # not rounded
    assert (asked(machine, train).argmax(dim=1) == train.targets).float().mean() > 0.9


def with_copies(made: Sequence[LabelledSample], known: bool) -> PaddedSet:
    """Clips, and copies of all but the first, in another order and of another speaker each."""
    copied = range(len(made) - 1, 0, -1)
    others = [replace(made[row], clip=replace(made[row].clip, speaker=made[row].clip.speaker + "'")) for row in copied]
    return replace(part((*made, *others), known), originals=torch.tensor([*range(len(made)), *copied]))


def parts_of(train: PaddedSet, monkeypatch: pytest.MonkeyPatch) -> tuple[Tensor, StatisticsClassifier]:
    """The part of each clip that is learnt from, and what is fitted."""
    parts = list[Tensor]()
    unheard = statistics._unheard

    def spied(net: Network, clips: statistics._Clips, out: Tensor) -> Tensor:
        parts.append(out)
        return unheard(net, clips, out)

    with monkeypatch.context() as patch:
        patch.setattr(statistics, "_unheard", spied)
        machine = fitted(train)
    return parts[0], machine


@pytest.mark.parametrize("speakers", ["12", "1", ""], ids=["two speakers", "one speaker", "nobody knows who speaks"])
def test_copies_at_another_speed_are_learnt_from_and_left_out_with_their_clips(
    speakers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = samples(tuple(speakers or "12"), repetitions=6)
    train = with_copies(made, known=bool(speakers))
    usual, _ = parts_of(part(made, bool(speakers)), monkeypatch)
    parts, machine = parts_of(train, monkeypatch)
    assert len(machine.audio.known) == len(train) == 2 * len(made) - 1
    assert torch.equal(parts[: len(made)], usual)
    assert torch.equal(parts[len(made) :], usual[1:].flip(0))


def test_the_face_alone_is_not_learnt_from_again_for_each_speed() -> None:
    net = network(0, replace(WITH, statistics=replace(STATISTICS, modality="video")))
    statistics.fit_statistics(net, with_copies(MANY, known=True))
    assert net.statistics is not None
    assert len(net.statistics.coefficients) == len(MANY)


def test_where_clips_are_too_many_copies_go_first_and_parts_still_hold_every_emotion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = sorted(samples(tuple("123456789"), repetitions=5), key=lambda one: one.clip.emotion)[:131]
    n = len(made)
    monkeypatch.setattr(statistics, "MAX_CLIPS", n + 4)
    _, machine = parts_of(with_copies(made, known=False), monkeypatch)
    assert len(machine.coefficients) == n + 4
    every_fifth = n // 5 + 1  # from the first to the last, exactly: in step with clips cut into five parts in turn
    monkeypatch.setattr(statistics, "MAX_CLIPS", every_fifth)
    parts, machine = parts_of(with_copies(made, known=False), monkeypatch)
    assert len(machine.coefficients) == len(parts) == every_fifth
    kept = torch.linspace(0, n - 1, every_fifth).round().long().tolist()
    for number in range(5):
        found = {made[row].clip.emotion for row, own in zip(kept, parts.tolist(), strict=True) if own == number}
        assert found == set(LABELS.names)


def by_others(machine: StatisticsClassifier, train: PaddedSet, out: Tensor) -> Tensor:
    """Scores of some clips by the regression of scikit-learn on the views of the others."""
    whole, own = train.whole, train.speakers
    assert own is not None
    classes = train.targets + 3 * own.own
    learner = StatisticsClassifier((3,), (2,), 3, int((~out).sum()), STATISTICS)
    rows = {}
    for name, frames, mask in (("audio", whole.audio, whole.audio_mask), ("video", whole.video, whole.video_mask)):
        module = getattr(learner, name)
        module.fisher = getattr(machine, name).fisher
        seen, present = views.described(module, frames, mask), mask.any(dim=1)
        assert views.fit_known(module, [view[~out] for view in seen], present[~out], classes[~out], STATISTICS)
        rows[name] = module.embed(seen, present)[out], module.known.float()
    across = [gaussian_kernel(asked_of, known).double() for asked_of, known in rows.values()]
    wanted = np.eye(3)[train.targets[~out]]
    usual = wanted.mean(axis=0)
    model = KernelRidge(alpha=0.5, kernel="precomputed").fit(kernel_of(learner), wanted - usual)
    return torch.from_numpy(model.predict(anova_kernel(*across).numpy()) + usual).float()


@pytest.mark.parametrize("known", [True, False])
def test_clips_that_choose_the_temperature_took_no_part_in_what_is_said_of_them(known: bool) -> None:
    """Emotions drawn at random cannot be told. Whitened with a clip's own class in mind, they seem to be."""
    generator = torch.Generator().manual_seed(0)
    frames, mask = torch.randn(240, 6, 40, generator=generator), torch.ones(240, 6, dtype=torch.bool)
    batch = Batch(frames, mask, torch.randn(240, 6, 40, generator=generator), mask)
    drawn, owner = torch.randint(3, (240,), generator=generator), torch.arange(240) % 20
    speakers, names = Speakers.of(batch, owner.tolist()), tuple(map(str, range(240)))
    train = PaddedSet(batch, drawn, names, None, speakers, torch.arange(240))
    config = replace(WITH, statistics=replace(STATISTICS, components=150, ridge=0.1))
    net = Network(Sizes((40,), (40,), 3), config)
    machine = statistics._unfitted(net, 240)
    clips = statistics._seen_by(machine, train, torch.arange(240))
    unheard = statistics._unheard(net, clips, statistics._parts(drawn, owner if known else None))
    assert (unheard.argmax(dim=1) == drawn).float().mean() < 0.42
    assert statistics._fit(machine, clips, config.statistics)
    rows = machine.audio.known.float(), machine.video.known.float()
    assert (machine.answer(*rows).argmax(dim=1) == drawn).float().mean() > 0.9  # learnt by heart


def test_parts_are_of_whole_speakers_or_hold_every_emotion() -> None:
    targets = torch.arange(60) % 5
    speakers = torch.tensor([3, 7, 8, 9, 11, 12]).repeat_interleave(10)
    parts = statistics._parts(targets, speakers)
    assert parts.tolist() == [part for part in (0, 1, 2, 3, 4, 0) for _ in range(10)]
    for unknown in (None, torch.full((60,), 4)):
        parts = statistics._parts(targets, unknown)
        assert all(set(targets[parts == one].tolist()) == {0, 1, 2, 3, 4} for one in range(5))


def test_who_knows_its_speakers_takes_the_temperature_of_their_other_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    parts_of = statistics._parts

    def told(targets: Tensor, own: Tensor | None) -> Tensor:
        given.append(own)
        return parts_of(targets, own)

    monkeypatch.setattr(statistics, "_parts", told)
    for knows in (False, True):
        statistics.fit_statistics(network(0, replace(WITH, known_speakers=knows)), part())
    assert given[0] is not None
    assert given[1] is None


def test_one_speaker_is_enough() -> None:
    assert fitted(part(samples(("1",), repetitions=6))).fitted


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
    assert fitted(part()).coefficients.shape == (30, 3)


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
    assert len(stored) == len(list(StatisticsClassifier((3,), (2,), 3, 1, STATISTICS).parameters()))
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


def test_a_training_that_stops_saves_no_kernel_machine_and_leaves_it_in_place(tmp_path: Path) -> None:
    net, path = network(0, WITH), tmp_path / "state"

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(net, part(), None, PLAIN, seed=0, state_path=path, on_epoch=stop)
    assert net.statistics is not None
    assert not any("statistics" in name for name in load_file(path))
    fit(net, part(), None, PLAIN, seed=0, state_path=path)
    assert net.statistics.fitted
