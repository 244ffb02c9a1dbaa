"""From a real file to an answer, and what happens where there is nothing to answer from."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from made_checkpoint import write_checkpoint, write_hum
from made_films import beside_a_still_face, without_movement

import omsn
from omsn.config import Normalisation
from omsn.data.padded import pad_batch
from omsn.data.synthetic import render_corpus
from omsn.errors import CheckpointError, InputError, MediaError
from omsn.features.neutral import RestingFace
from omsn.features.normalise import SampleStatistics, leave_out
from omsn.labels import RAVDESS_EMOTIONS
from omsn.models.answers import probabilities_of
from omsn.models.checkpoint import load_checkpoint, save_checkpoint
from omsn.pipeline import make_sample
from omsn.recognizer import Recognizer
from omsn.types import Clip, Modality, Sample
from omsn.windows import HOP_S, WINDOW_S, View


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def enrolling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that was trained with normalisation enrolled."""
    return write_checkpoint(tmp_path_factory.mktemp("enrolling"), normalisation="enrolled")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """Four films of one person."""
    root = tmp_path_factory.mktemp("films")
    return render_corpus(root, speakers=1, clips_per_emotion=1, seconds=1.0, size=(240, 180))[:4]


@pytest.fixture(scope="module")
def film(films: Sequence[Path]) -> Path:
    return films[0]


def described(path: Path, checkpoint: Path) -> Sample:
    return make_sample(
        Clip(str(path), "", "", audio=str(path), video=str(path)), load_checkpoint(checkpoint).config.pipeline
    )


def answer_to(standardised: Sample, checkpoint: Path) -> tuple[float, ...]:
    """What the network says of features that are standardised already."""
    trained = load_checkpoint(checkpoint)
    with torch.no_grad():
        logits = trained.networks[0](pad_batch([standardised], trained.config.training.modality)[0])
    said = probabilities_of(logits, trained.config.training.loss)
    return tuple(torch.softmax(said.log().mean(dim=0), dim=0).tolist())


def test_a_short_film_is_one_window_of_both_modalities(checkpoint: Path, film: Path) -> None:
    prediction = omsn.Recognizer(checkpoint).predict(film)
    assert len(prediction.windows) == 1
    assert prediction.windows[0].modalities == ("audio", "video")
    assert sum(prediction.windows[0].probabilities) == pytest.approx(1, abs=1e-5)
    assert prediction.emotion() in RAVDESS_EMOTIONS.names


def test_the_same_file_gives_the_same_answer(checkpoint: Path, film: Path) -> None:
    recognizer = Recognizer(checkpoint)
    assert recognizer.predict(film) == recognizer.predict(film)
    assert recognizer.predict(film) == Recognizer(checkpoint, decoder_threads=1).predict(film)


def test_threads_that_share_a_recognizer_get_the_answers_of_one_alone(
    checkpoint: Path, films: Sequence[Path], tmp_path: Path
) -> None:
    recognizer = Recognizer(checkpoint)
    paths = [*films[:2], write_hum(tmp_path / "long.wav", 9.0)]
    alone = [recognizer.predict(path) for path in paths]
    with ThreadPoolExecutor(max_workers=4) as threads:
        together = list(threads.map(recognizer.predict, paths * 2))
    assert together == alone * 2


@pytest.mark.parametrize("normalisation", ["none", "enrolled"])
def test_a_clip_is_asked_about_at_each_speed(
    films: Sequence[Path], tmp_path: Path, normalisation: Normalisation
) -> None:
    """With ``enrolled``, by what is known of the person at that speed."""
    usual, folder = (
        write_checkpoint(tmp_path / name, normalisation=normalisation, speeds=speeds)
        for name, speeds in (("usual", ()), ("speeds", (0.8, 1.25)))
    )
    enrolment = films[1:3] if normalisation == "enrolled" else ()
    samples = [described(path, folder) for path in (*enrolment, films[0])]
    assert [len(sample.copies) for sample in samples] == [2] * len(samples)
    trained = SampleStatistics.from_arrays(load_checkpoint(folder).statistics)
    statistics = SampleStatistics.of(samples) if enrolment else trained
    scaled = statistics.standardise(samples[-1])
    scaled = scaled if enrolment else leave_out(scaled, ("position",))
    (window,) = Recognizer(folder, enrolment=enrolment).predict(films[0]).windows
    (other,) = Recognizer(usual, enrolment=enrolment).predict(films[0]).windows
    assert window.probabilities == pytest.approx(answer_to(scaled, folder), abs=1e-6)
    assert window.probabilities != pytest.approx(other.probabilities, abs=1e-6)


def test_an_enrolment_standardises_by_all_files_of_the_person(enrolling: Path, films: Sequence[Path]) -> None:
    samples = [described(path, enrolling) for path in films]
    expected = answer_to(SampleStatistics.of(samples).standardise(samples[0]), enrolling)
    alone = answer_to(SampleStatistics.of(samples[:1]).standardise(samples[0]), enrolling)
    with_others = Recognizer(enrolling, enrolment=films[1:]).predict(films[0])
    assert with_others.windows[0].probabilities == pytest.approx(expected, abs=1e-6)
    assert expected != pytest.approx(alone, abs=1e-4)


def test_a_file_of_the_enrolment_counts_once(enrolling: Path, films: Sequence[Path]) -> None:
    others, everything = Recognizer(enrolling, enrolment=films[1:]), Recognizer(enrolling, enrolment=list(films) * 2)
    answers = [recognizer.predict(films[0]).windows[0].probabilities for recognizer in (others, everything)]
    assert answers[0] == pytest.approx(answers[1], abs=1e-6)


def test_a_short_file_alone_is_standardised_by_itself_with_a_warning(
    enrolling: Path, films: Sequence[Path], caplog: pytest.LogCaptureFixture
) -> None:
    sample = described(films[0], enrolling)
    expected = answer_to(SampleStatistics.of([sample]).standardise(sample), enrolling)
    for recognizer in (Recognizer(enrolling), Recognizer(enrolling, enrolment=films[:1])):
        caplog.clear()
        assert recognizer.predict(films[0]).windows[0].probabilities == pytest.approx(expected, abs=1e-6)
        assert "enrolled normalisation from this file alone (1.0 s) takes out much" in caplog.text
        assert str(films[0]) in caplog.text


def test_a_long_file_and_an_enrolled_one_come_without_a_warning(
    enrolling: Path, films: Sequence[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Recognizer(enrolling).predict(write_hum(tmp_path / "long.wav", 9.0))
    Recognizer(enrolling, enrolment=films[1:2]).predict(films[0])
    assert not caplog.records


@pytest.mark.parametrize("asked", ["none", "enrolled"])
@pytest.mark.parametrize("trained", ["none", "enrolled"])
def test_columns_that_training_left_out_stay_out_whatever_the_mode(
    trained: Normalisation,
    asked: Normalisation,
    checkpoint: Path,
    enrolling: Path,
    film: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = checkpoint if trained == "none" else enrolling
    sample, arrays = described(film, folder), load_checkpoint(folder).statistics
    statistics = SampleStatistics.from_arrays(arrays) if asked == "none" else SampleStatistics.of([sample])
    scaled = statistics.standardise(sample)
    scaled = leave_out(scaled, ("position",)) if trained == "none" else scaled
    with caplog.at_level(logging.WARNING, "omsn.models.checkpoint"):
        recognizer = Recognizer(folder, asked)
    told = f"normalisation {asked} for a checkpoint that was trained with {trained}"
    assert (told in caplog.text) == (asked != trained)
    expected = answer_to(scaled, folder)
    assert recognizer.predict(film).windows[0].probabilities == pytest.approx(expected, abs=1e-6)


def test_an_enrolment_that_is_of_no_use_is_refused(checkpoint: Path, film: Path) -> None:
    with pytest.raises(InputError, match="enrolment: normalisation none has no use for"):
        Recognizer(checkpoint, enrolment=[film])


def test_bad_files_in_an_enrolment_are_refused_by_name(enrolling: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"silent\.wav: neither sound nor a face"):
        Recognizer(enrolling, enrolment=[write_hum(tmp_path / "silent.wav", 1.0, level=0.0)])
    with pytest.raises(MediaError, match=r"missing\.wav"):
        Recognizer(enrolling, enrolment=[tmp_path / "missing.wav"])


def test_a_long_sound_is_cut_into_overlapping_windows(checkpoint: Path, tmp_path: Path) -> None:
    prediction = Recognizer(checkpoint).predict(write_hum(tmp_path / "long.wav", 9.0))
    assert prediction.windows[0].modalities == ("audio",)
    starts = [window.start_s for window in prediction.windows]
    assert np.diff(starts) == pytest.approx(HOP_S)
    assert all(window.end_s - window.start_s <= WINDOW_S + 1e-9 for window in prediction.windows)
    assert prediction.windows[-1].end_s == pytest.approx(9.0, abs=0.05)


def test_silence_without_a_picture_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    told = r"silent\.wav: neither sound nor a face in it: its sound is silent, and it has no picture; nothing to"
    with pytest.raises(InputError, match=told):
        Recognizer(checkpoint).predict(write_hum(tmp_path / "silent.wav", 1.0, level=0.0))


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_a_checkpoint_of_one_modality_uses_and_tells_that_one_alone(
    modality: Modality, film: Path, tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "one", modality=modality)
    (window,) = Recognizer(folder).predict(film).windows
    assert window.modalities == (modality,)
    sample = described(film, folder).only(modality)
    standardised = SampleStatistics.from_arrays(load_checkpoint(folder).statistics).standardise(sample)
    left_out = leave_out(standardised, load_checkpoint(folder).config.training.left_out)
    assert window.probabilities == pytest.approx(answer_to(left_out, folder), abs=1e-6)


def test_a_voice_that_goes_with_no_mouth_is_answered_where_only_voices_count(
    films: Sequence[Path], tmp_path: Path
) -> None:
    """Two still faces while somebody speaks: the picture says nothing of whose voice it is."""
    folder = write_checkpoint(tmp_path / "voices", modality="audio")
    still = without_movement(films[0], tmp_path / "still.mp4")
    film = beside_a_still_face(still, films[2], tmp_path / "two.mp4")
    (window,) = Recognizer(folder).predict(film).windows
    assert (window.modalities, window.track, window.speaking) == (("audio",), 0, False)
    (alone,) = Recognizer(folder).predict(still).windows
    assert window.probabilities == pytest.approx(alone.probabilities, abs=1e-3)


def test_a_file_without_the_one_modality_that_a_checkpoint_uses_is_refused(film: Path, tmp_path: Path) -> None:
    faces, voices = (write_checkpoint(tmp_path / each, modality=each) for each in ("video", "audio"))
    hum, silence = write_hum(tmp_path / "hum.wav", 1.0), write_hum(tmp_path / "silence.wav", 1.0, level=0.0)
    with pytest.raises(InputError, match=r"hum\.wav: it has no picture, and the checkpoint was trained on video alone"):
        Recognizer(faces).predict(hum)
    with pytest.raises(InputError, match=r"silence\.wav: its sound is silent, and the checkpoint .* audio alone"):
        Recognizer(voices).predict(silence)


def test_a_picture_without_a_face_or_a_sound_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "grey.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("mpeg4", rate=25)
        track.width, track.height = 64, 48
        frames = [av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="bgr24") for _ in range(5)]
        container.mux([packet for frame in (*frames, None) for packet in track.encode(frame)])
    with pytest.raises(InputError, match="in it: it has no sound, and no face is seen; nothing to"):
        Recognizer(checkpoint).predict(path)


def test_a_stream_gives_the_windows_of_a_prediction_one_by_one(checkpoint: Path, tmp_path: Path) -> None:
    recognizer, path = Recognizer(checkpoint), write_hum(tmp_path / "long.wav", 40.0)
    reached: list[float] = []
    windows = recognizer.stream(path, on_time=lambda reached_s, _: reached.append(reached_s))
    first = next(windows)
    assert reached[-1] < 30.0
    assert (first, *windows) == recognizer.predict(path).windows


def test_windows_that_are_asked_together_get_the_answers_of_each_alone(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_hum(tmp_path / "long.wav", 40.0)
    together = Recognizer(checkpoint).predict(path).windows
    monkeypatch.setattr("omsn.recognizer.TOGETHER", 1)
    alone = Recognizer(checkpoint).predict(path).windows
    assert [(one.start_s, one.end_s) for one in together] == [(one.start_s, one.end_s) for one in alone]
    for ours, theirs in zip(together, alone, strict=True):
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-6)


def test_a_neutral_clip_is_the_zero_of_changes(checkpoint: Path, films: Sequence[Path]) -> None:
    sample, neutral = (described(path, checkpoint) for path in (films[2], films[0]))
    resting = RestingFace.throughout([neutral.video])
    assert resting is not None
    moved = leave_out(replace(sample, video=resting.as_zero(sample.video)), ("position",))
    answer = Recognizer(checkpoint, baseline=films[0]).predict(films[2]).windows[0].probabilities
    statistics = SampleStatistics.from_arrays(load_checkpoint(checkpoint).statistics)
    assert answer == pytest.approx(answer_to(statistics.standardise(moved), checkpoint), abs=1e-6)
    assert answer != Recognizer(checkpoint).predict(films[2]).windows[0].probabilities


def test_enrolled_a_neutral_clip_is_one_more_file_of_the_person(enrolling: Path, films: Sequence[Path]) -> None:
    neutral, sample = (described(path, enrolling) for path in (films[0], films[2]))
    resting = RestingFace.throughout([neutral.video])
    assert resting is not None
    both = [replace(one, video=resting.as_zero(one.video)) for one in (neutral, sample)]
    expected = answer_to(SampleStatistics.of(both).standardise(both[1]), enrolling)
    answer = Recognizer(enrolling, baseline=films[0]).predict(films[2])
    assert answer.windows[0].probabilities == pytest.approx(expected, abs=1e-6)


def test_what_one_recognizer_knows_of_a_person_serves_another(enrolling: Path, films: Sequence[Path]) -> None:
    first = Recognizer(enrolling, enrolment=[films[1]], baseline=films[0])
    second = Recognizer(enrolling, enrolment=first.enrolment)
    assert second.predict(films[2]) == first.predict(films[2])


def test_a_known_person_is_refused_as_the_files_would_be(
    checkpoint: Path, enrolling: Path, films: Sequence[Path]
) -> None:
    known = Recognizer(enrolling, enrolment=[films[1]]).enrolment
    with pytest.raises(InputError, match="normalisation none has no use for files of the person"):
        Recognizer(enrolling, "none", known)


def test_other_faces_do_not_count_for_the_neutral_one(
    checkpoint: Path, films: Sequence[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    person, other = (described(path, checkpoint) for path in (films[0], films[2]))

    def windows(*_: object, **__: object) -> Iterator[tuple[View, ...]]:
        yield (View(0.0, 4.0, person),)
        yield (View(2.0, 6.0, other, track=1),)

    alone = Recognizer(checkpoint, baseline=films[0]).predict(films[3])
    with monkeypatch.context() as patched:
        patched.setattr("omsn.recognizer.views_of", windows)
        recognizer = Recognizer(checkpoint, baseline=films[0])
    assert recognizer.predict(films[3]) == alone


def test_a_baseline_that_is_of_no_use_is_refused(checkpoint: Path, enrolling: Path, tmp_path: Path) -> None:
    hum, silent = write_hum(tmp_path / "hum.wav", 1.0), write_hum(tmp_path / "silent.wav", 1.0, level=0.0)
    with pytest.raises(InputError, match=r"silent\.wav: neither sound nor a face"):
        Recognizer(enrolling, baseline=silent)
    with pytest.raises(InputError, match=r"hum\.wav: no face in it to measure changes from, and normalisation none"):
        Recognizer(checkpoint, baseline=hum)
    assert Recognizer(enrolling, baseline=hum).predict(hum).windows


def test_a_text_file_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("not a film")
    with pytest.raises(MediaError, match=r"text\.mp4"):
        Recognizer(checkpoint).predict(path)


def test_a_checkpoint_of_other_features_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    trained = load_checkpoint(checkpoint)
    renamed = replace(trained, audio_columns=("other", *trained.audio_columns[1:]))
    save_checkpoint(tmp_path, renamed)
    with pytest.raises(CheckpointError, match="column 0 is logmel_00, expected other"):
        Recognizer(tmp_path)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_answers_are_scaled_by_the_temperature(
    temperature: float, checkpoint: Path, film: Path, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path, replace(load_checkpoint(checkpoint), temperature=temperature))
    plain, scaled = (Recognizer(folder).predict(film) for folder in (checkpoint, tmp_path))
    odds = np.array(plain.windows[0].probabilities) ** (1 / temperature)
    assert scaled.windows[0].probabilities == pytest.approx(tuple(odds / odds.sum()), abs=1e-6)
    assert scaled.emotion() == plain.emotion()


def test_without_a_checkpoint_the_packages_own_answers(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hum = write_hum(tmp_path / "hum.wav", 1.0)
    monkeypatch.setattr("omsn.models.checkpoint.shipped_folder", lambda: checkpoint)
    assert Recognizer().predict(hum) == Recognizer(checkpoint).predict(hum)
    monkeypatch.setattr("omsn.models.checkpoint.shipped_folder", lambda: tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="carries no weights"):
        Recognizer()


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Recogniser'"):
        _ = omsn.Recogniser


def test_one_path_is_an_enrolment_too(enrolling: Path, films: Sequence[Path]) -> None:
    alone, listed = (Recognizer(enrolling, enrolment=given) for given in (str(films[0]), [films[0]]))
    assert alone.predict(films[1]) == listed.predict(films[1])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"normalisation": "foo"}, "normalisation: got 'foo', expected none or enrolled"),
        ({"decoder_threads": 0}, "decoder_threads: got 0, expected a whole number of at least 1"),
        ({"decoder_threads": "2"}, "decoder_threads: got '2'"),
    ],
)
def test_settings_that_there_are_not_are_refused(checkpoint: Path, given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Recognizer(checkpoint, **given)
