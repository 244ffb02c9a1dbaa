"""A checkpoint on a cache: whom it may score, in which mode, from which columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_corpus import AUDIO, LABELS, TRAINING, VIDEO, config, network, quicker, samples, write_cache

from omsn.config import Normalisation
from omsn.data.dataset import load_features
from omsn.data.padded import pad
from omsn.errors import CheckpointError, LeakError
from omsn.features.normalise import SampleStatistics, Statistics, leave_out
from omsn.labels import LabelSet
from omsn.models.checkpoint import Checkpoint, save_checkpoint
from omsn.training.calibration import tempered
from omsn.training.evaluation import evaluate_checkpoint
from omsn.training.loop import predict_probabilities
from omsn.training.parts import normalised, targets_of
from omsn.types import LabelledSample, Stream

TRAINED_ON = SampleStatistics.of([one.sample for one in samples(("9",))])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cache(tmp_path_factory.mktemp("cache"))


def write(folder: Path, normalisation: Normalisation = "none", **changed: object) -> Path:
    """A checkpoint of speaker 9 that leaves out the first column of each modality."""
    settings = config(normalisation=normalisation, identity_columns=(AUDIO[0], VIDEO[0]))
    made = Checkpoint((network().eval(),), settings, LABELS, AUDIO, VIDEO, TRAINED_ON.to_arrays(), ("9",))
    save_checkpoint(folder, replace(made, **changed))  # type: ignore[arg-type]
    return folder


@pytest.mark.parametrize("asked", ["none", "enrolled"])
@pytest.mark.parametrize("trained", ["none", "enrolled"])
def test_columns_that_training_left_out_stay_out_whatever_the_mode(
    trained: Normalisation, asked: Normalisation, cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics, answers = evaluate_checkpoint(write(tmp_path, trained), cache, normalisation=asked)
    features = load_features(cache)
    scaled = normalised(features.samples, TRAINED_ON, replace(TRAINING, normalisation=asked, identity_columns=()))
    if trained == "none":
        scaled = [leave_out(sample, (AUDIO[0], VIDEO[0])) for sample in scaled]
    part = pad(scaled, targets_of(features.samples, LABELS))
    expected = predict_probabilities([network()], part, TRAINING).numpy()
    np.testing.assert_allclose(answers.probabilities, expected, atol=1e-6)
    assert (metrics["normalisation"], metrics["leaks"]) == (asked, [])
    told = f"normalisation {asked} for a checkpoint that was trained with {trained}"
    assert (told in caplog.text) == (asked != trained)


def test_answers_are_scaled_by_the_temperature(cache: Path, tmp_path: Path) -> None:
    (plain, as_it_is), (told, scaled) = (
        evaluate_checkpoint(write(tmp_path / str(temperature), temperature=temperature), cache)
        for temperature in (1.0, 2.5)
    )
    np.testing.assert_allclose(scaled.probabilities, tempered(as_it_is.probabilities, 2.5), atol=1e-9)
    assert (plain["temperature"], told["temperature"]) == (1.0, 2.5)
    assert told["scores"]["war"] == plain["scores"]["war"]


def test_no_mode_is_that_of_training(cache: Path, tmp_path: Path) -> None:
    folder = write(tmp_path, "enrolled")
    mine, (metrics, _) = (
        evaluate_checkpoint(folder, cache, normalisation="enrolled"),
        evaluate_checkpoint(folder, cache),
    )
    assert metrics == mine[0]
    assert metrics["normalisation"] == "enrolled"


def test_speakers_that_trained_it_are_refused_or_told(cache: Path, tmp_path: Path) -> None:
    corpora = sorted({clip.corpus for clip in load_features(cache).clips})
    folder = write(tmp_path, speakers=("1", "3", "9"), facts={"corpus": corpora})
    with pytest.raises(LeakError, match=r"2 of its speakers trained .*: 1, 3; leave them out"):
        evaluate_checkpoint(folder, cache)
    metrics, _ = evaluate_checkpoint(folder, cache, allow_leaks=True)
    assert metrics["speakers_that_trained_it"] == ["1", "3"]
    assert metrics["leaks"] == [f"2 speakers of {cache} trained {folder}: 1, 3"]


def renamed_cache(folder: Path, corpus: str = "copy", speakers: tuple[str, ...] = ("1", "2", "3", "4")) -> Path:
    """The corpus of ``cache`` as ``omsn prepare --name`` leaves it."""
    made = [replace(one, clip=replace(one.clip, corpus=corpus)) for one in samples(speakers)]
    return write_cache(folder, made)


def trained_on(folder: Path, *speakers: str) -> Path:
    """A checkpoint of these speakers, with the statistics of their clips, of a corpus that has no name."""
    statistics = SampleStatistics.of([one.sample for one in samples(speakers)]).to_arrays()
    return write(folder, speakers=speakers, statistics=statistics, facts={"corpus": [""]})


def test_the_same_recordings_under_another_name_are_refused(tmp_path: Path) -> None:
    folder, copy = trained_on(tmp_path / "checkpoint", "1", "3"), renamed_cache(tmp_path / "copy")
    with pytest.raises(LeakError, match=r"2 of its speakers trained .*: 1, 3 \(the same recordings, under other names"):
        evaluate_checkpoint(folder, copy)
    metrics, _ = evaluate_checkpoint(folder, copy, allow_leaks=True)
    assert metrics["speakers_that_trained_it"] == ["1", "3"]
    assert metrics["speakers_of_the_same_name"] == []


def test_recordings_of_the_same_mean_but_another_spread_are_no_copies(tmp_path: Path) -> None:
    mean = SampleStatistics.of([one.sample for one in samples(("1", "3"))])

    def wider(stream: Stream, middle: Statistics) -> Stream:
        return replace(stream, values=(middle.mean + 2 * (stream.values - middle.mean)).astype(np.float32))

    made = [
        LabelledSample(
            replace(one.sample, audio=wider(one.sample.audio, mean.audio), video=wider(one.sample.video, mean.video)),
            replace(one.clip, corpus="copy"),
        )
        for one in samples(("1", "3"))
    ]
    metrics, _ = evaluate_checkpoint(trained_on(tmp_path / "checkpoint", "1", "3"), write_cache(tmp_path / "c", made))
    assert (metrics["speakers_that_trained_it"], metrics["speakers_of_the_same_name"]) == ([], ["1", "3"])


def test_so_are_they_in_another_order_beside_the_first_copy(tmp_path: Path) -> None:
    both = [*samples(("4", "3", "2", "1"))]
    both += [replace(one, clip=replace(one.clip, corpus="copy", clip=f"copy-{one.clip.clip}")) for one in samples()]
    both = [replace(one, sample=replace(one.sample, clip=one.clip.clip)) for one in both]
    cache = write_cache(tmp_path / "both", both)
    with pytest.raises(LeakError, match="the same recordings, under other names"):
        evaluate_checkpoint(trained_on(tmp_path / "checkpoint", "1", "3"), cache)


def test_the_same_names_in_another_corpus_are_told_as_a_possible_leak(tmp_path: Path) -> None:
    """Speaker 3 of the training part is not there: that the others are its people can be neither shown nor denied."""
    folder, part = trained_on(tmp_path / "checkpoint", "1", "3"), renamed_cache(tmp_path / "part", speakers=("1", "2"))
    metrics, _ = evaluate_checkpoint(folder, part)
    assert metrics["speakers_that_trained_it"] == []
    assert metrics["speakers_of_the_same_name"] == ["1"]
    (told,) = metrics["leaks"]
    assert told.startswith(
        f"possibly: speakers of {part} are called as those of another corpus that trained {folder}: 1;"
    )
    assert "where they are the same people, these scores flatter" in told


def test_speakers_without_a_name_are_nobodys_namesakes(tmp_path: Path) -> None:
    folder = write(tmp_path / "checkpoint", speakers=("", "9"), facts={"corpus": ["other"]})
    metrics, _ = evaluate_checkpoint(folder, renamed_cache(tmp_path / "nobody", speakers=("",)))
    assert (metrics["speakers_of_the_same_name"], metrics["leaks"]) == ([], [])


def test_speakers_without_a_name_are_refused_with_the_very_recordings_that_trained_it(tmp_path: Path) -> None:
    folder = trained_on(tmp_path / "checkpoint", "")
    with pytest.raises(LeakError, match=r"trained .*: somebody unknown \(the same recordings, under other"):
        evaluate_checkpoint(folder, renamed_cache(tmp_path / "copy", speakers=("",)))
    other = renamed_cache(tmp_path / "other", corpus="", speakers=("", "2"))
    metrics, _ = evaluate_checkpoint(write(tmp_path / "elsewhere", speakers=("",), facts={"corpus": [""]}), other)
    assert (metrics["speakers_that_trained_it"], metrics["leaks"]) == ([], [])


def test_other_emotions_are_refused(cache: Path, tmp_path: Path) -> None:
    folder = write(tmp_path, labels=LabelSet(("bored", "glad", "wild")))
    with pytest.raises(CheckpointError, match=r"emotions sad; the checkpoint names bored, glad, wild\. Rename"):
        evaluate_checkpoint(folder, cache)


def test_a_corpus_may_lack_an_emotion_that_the_checkpoint_names(cache: Path, tmp_path: Path) -> None:
    made = tuple(one for one in samples() if one.clip.emotion != LABELS.names[1])
    fewer = write_cache(tmp_path / "fewer", made)
    metrics, answers = evaluate_checkpoint(write(tmp_path / "checkpoint"), fewer)
    _, of_all = evaluate_checkpoint(tmp_path / "checkpoint", cache)
    assert answers.labels == LABELS
    assert set(answers.truth) == {0, 2}
    np.testing.assert_allclose(answers.probabilities, of_all.probabilities[of_all.truth != 1], atol=1e-6)
    war = (answers.probabilities.argmax(axis=1) == answers.truth).mean()
    assert metrics["scores"]["war"]["pooled"] == pytest.approx(war)


def test_other_preparation_is_refused(cache: Path, tmp_path: Path) -> None:
    settings = config()
    other = replace(
        settings.pipeline, audio=replace(settings.pipeline.audio, n_mels=settings.pipeline.audio.n_mels + 1)
    )
    folder = write(tmp_path, config=replace(settings, pipeline=other))
    with pytest.raises(CheckpointError, match="prepared with other settings than the checkpoint was trained on"):
        evaluate_checkpoint(folder, cache)


def test_a_cache_without_the_speeds_that_clips_are_asked_about_at_is_refused(cache: Path, tmp_path: Path) -> None:
    settings = config()
    other = replace(settings.pipeline, audio=replace(settings.pipeline.audio, speeds=(0.9, 1.1)))
    folder = write(tmp_path / "a", config=replace(settings, pipeline=other))
    with pytest.raises(CheckpointError, match="prepared with other settings than the checkpoint was trained on"):
        evaluate_checkpoint(folder, cache)


@pytest.mark.parametrize("normalisation", ["none", "enrolled"])
def test_clips_are_asked_about_at_the_speeds_of_the_checkpoint(normalisation: Normalisation, tmp_path: Path) -> None:
    settings = config(normalisation=normalisation, identity_columns=())
    pipeline = replace(settings.pipeline, audio=replace(settings.pipeline.audio, speeds=(0.9, 1.1)))
    made = quicker(samples(("1", "2")))
    folder = write(tmp_path / "made", config=replace(settings, pipeline=pipeline))
    _, answers = evaluate_checkpoint(folder, write_cache(tmp_path / "cache", made, pipeline))
    assert len(answers) == len(made)
    statistics = TRAINED_ON if normalisation == "none" else None
    own = {speaker: [one.sample for one in made if one.clip.speaker == speaker] for speaker in ("1", "2")}
    for row, one in enumerate(made):
        by = statistics or SampleStatistics.of(own[one.clip.speaker])
        sample = by.standardise(one.sample)
        heard = [sound for sound in (sample.audio, *sample.copies) if sound.present] or [sample.audio]
        with torch.no_grad():
            said = [
                network().eval()(pad([replace(sample, audio=sound, copies=())], [0]).whole).softmax(dim=1)[0]
                for sound in heard
            ]
        expected = torch.stack(said).log().mean(dim=0).softmax(dim=0)
        assert len(said) == (3 if one.sample.audio.present else 1)
        np.testing.assert_allclose(answers.probabilities[row], expected, atol=1e-5)
