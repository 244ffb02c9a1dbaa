"""Speakers that a network learns from, known again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny_corpus import AUDIO, LABELS, NETWORK, PLAIN, VIDEO, features, labelled, network, samples, write_cache

from omsn.config import Config, StatisticsConfig
from omsn.data.padded import PaddedSet, pad
from omsn.errors import TrainingError
from omsn.features.normalise import SampleStatistics
from omsn.models.checkpoint import Checkpoint, load_checkpoint, mode_for, save_checkpoint
from omsn.models.known_speakers import described
from omsn.models.transfer import Meaning, start_from
from omsn.training.known_speakers import standardised_by_speaker
from omsn.training.loop import fit
from omsn.training.parts import people_of, targets_of
from omsn.training.plan import Plan, plan_rounds
from omsn.training.single import train
from omsn.types import LabelledSample

KNOWN = replace(NETWORK, known_speakers=True, statistics=StatisticsConfig(enabled=True, components=4))
SPEAKERS = ("1", "22", "333")  # the longer the name, the higher their voices
MANY = samples(SPEAKERS, repetitions=8)


def part(made: Sequence[LabelledSample] = MANY, known: bool = True) -> PaddedSet:
    people = people_of(made) if known else None
    return pad([one.sample for one in made], targets_of(made, LABELS), "both", people)


@pytest.mark.parametrize("speakers", [SPEAKERS, ("1", "22222")], ids=["three", "two"])
def test_speakers_are_told_apart_as_by_scikit_learn(speakers: Sequence[str]) -> None:
    net, train = network(0, KNOWN), part(samples(speakers, repetitions=8))
    standardised_by_speaker(net, train)
    assert net.speakers is not None
    assert train.speakers is not None
    statistics, own = described(train.whole).double().numpy(), train.speakers.own.numpy()
    apart = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    reference = make_pipeline(StandardScaler(), PCA(len(VIDEO + AUDIO) * 6), apart).fit(statistics, own)
    said = net.speakers.identified(train.whole).numpy()
    assert (said == reference.predict(statistics)).mean() > 0.95  # in float32 here
    assert (said == own).mean() > 0.7


def test_what_is_learnt_from_is_each_speaker_standardised_by_all_clips_of_the_part() -> None:
    net, train = network(0, KNOWN), part()
    learnt = standardised_by_speaker(net, train)
    for speaker in SPEAKERS:
        rows = [row for row, one in enumerate(MANY) if one.clip.speaker == speaker]
        own = SampleStatistics.of([MANY[row].sample for row in rows])
        for row in rows:
            expected = own.standardise(MANY[row].sample)
            seen = learnt.whole.audio[row, : len(expected.audio)]
            np.testing.assert_allclose(seen, expected.audio.values, atol=1e-4)
    assert learnt.speakers is not None
    torch.testing.assert_close(learnt.speakers.audio.mean, torch.zeros(3, len(AUDIO)), atol=1e-4, rtol=0)
    assert torch.equal(train.whole.audio, part().whole.audio)


def test_whoever_is_not_to_know_speakers_learns_as_before() -> None:
    train = part()
    assert standardised_by_speaker(network(), train) is train


@pytest.mark.parametrize(
    ("train", "known"), [(part(known=False), 0), (part(samples(("1",))), 1)], ids=["unknown", "one"]
)
def test_fewer_than_two_speakers(train: PaddedSet, known: int) -> None:
    with pytest.raises(TrainingError, match=rf"but {known} of the \d+ clips' speakers are known; name two"):
        standardised_by_speaker(network(0, KNOWN), train)


def test_it_goes_into_a_checkpoint_and_comes_back(tmp_path: Path) -> None:
    train, nets = part(), [network(seed, KNOWN) for seed in (1, 2)]
    for seed, net in enumerate(nets):
        fit(net, train, None, replace(PLAIN, epochs=2), seed=seed)
        net.eval()
    whole = SampleStatistics.of([one.sample for one in MANY]).to_arrays()
    config = Config(network=KNOWN, training=PLAIN)
    save_checkpoint(tmp_path, Checkpoint(tuple(nets), config, LABELS, AUDIO, VIDEO, whole, SPEAKERS))
    read = load_checkpoint(tmp_path)
    for net, again in zip(nets, read.networks, strict=True):
        assert torch.equal(net(train.whole), again(train.whole))
    fresh = network(3, KNOWN)
    start_from(fresh, read, Meaning(AUDIO, VIDEO, LABELS.names))
    assert fresh.speakers is not None
    assert not fresh.speakers.fitted
    assert torch.equal(fresh.audio_head.weight, nets[0].audio_head.weight)


def test_an_interrupted_training_goes_on(tmp_path: Path) -> None:
    train, settings = part(), replace(PLAIN, epochs=2)
    whole, halves = network(1, KNOWN), network(2, KNOWN)
    fit(whole, train, None, settings, seed=0)
    interrupted = network(1, KNOWN)

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(interrupted, train, None, settings, seed=0, state_path=tmp_path / "state", on_epoch=stop)
    fit(halves, train, None, settings, seed=0, state_path=tmp_path / "state")
    assert torch.equal(whole.eval()(train.whole), halves.eval()(train.whole))


def test_a_speaker_with_one_clip_each() -> None:
    with pytest.raises(TrainingError, match="tells 2 speakers apart by 2 clips; expected more clips than speakers"):
        standardised_by_speaker(network(0, KNOWN), part([labelled("1", "sad", 1), labelled("22", "sad", 1)]))


def test_a_stranger_is_standardised_by_whoever_is_most_alike() -> None:
    net = network(0, KNOWN)
    fit(net, part(), None, replace(PLAIN, epochs=1), seed=0)
    assert net.speakers is not None
    stranger = part([labelled("7777", emotion, 1) for emotion in LABELS.names]).whole
    seen = net.speakers(stranger)
    nearest = net.speakers.identified(stranger)
    torch.testing.assert_close(seen.audio, net.speakers.standardised(stranger, nearest).audio)
    assert not torch.equal(seen.audio, stranger.audio)


@pytest.mark.parametrize(("protocol", "told"), [("actors-4", True), ("random-80-20", False)])
def test_strangers_among_the_known_are_warned_of(protocol: str, told: bool, caplog: pytest.LogCaptureFixture) -> None:
    corpus = features(samples([f"{number:02}" for number in range(1, 21)]))
    plan = Plan(Path("cache"), protocol, (0,), "network", Config(network=KNOWN, training=PLAIN), "made up")
    with caplog.at_level(logging.WARNING):
        plan_rounds(plan, corpus)
    assert ("takes everyone for somebody it learnt from" in caplog.text) == told


def test_a_checkpoint_that_knows_speakers_warns_whoever_asks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    corpus, settings = write_cache(tmp_path / "cache", MANY), replace(PLAIN, epochs=1, validation_share=0.34)
    plan = Plan(corpus, "random-80-20", (0,), "network", Config(network=KNOWN, training=settings), "made up")
    with caplog.at_level(logging.WARNING):
        train(plan, tmp_path / "run")
        assert "training.validation_share keeps speakers apart, but network.known_speakers takes" in caplog.text
        caplog.clear()
        mode_for(load_checkpoint(tmp_path / "run" / "checkpoint"), None)
    assert "takes everyone for one of the 2 speakers that trained it" in caplog.text
