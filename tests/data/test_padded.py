from dataclasses import replace

import numpy as np
import pytest
import torch

from omsn.data.padded import pad, pad_batch
from omsn.errors import InputError
from omsn.types import Modality, Sample, Stream

AUDIO, VIDEO = ("pitch", "energy"), ("mouth",)


def stream(columns: tuple[str, ...], n_frames: int, *, start: float = 1, lost: tuple[int, ...] = ()) -> Stream:
    values = np.arange(start, start + n_frames * len(columns), dtype=np.float32).reshape(n_frames, len(columns))
    mask = ~np.isin(np.arange(n_frames), lost)
    return Stream(values * mask[:, None], mask, np.arange(n_frames, dtype=np.float64), columns)


SAMPLES = (
    Sample("a", stream(AUDIO, 3), stream(VIDEO, 1)),
    Sample("b", stream(AUDIO, 1, start=10), Stream.absent(VIDEO)),
    Sample("c", Stream.absent(AUDIO), stream(VIDEO, 4, lost=(1, 3))),
)


def test_no_clips_are_refused() -> None:
    for make in (lambda: pad([], []), lambda: pad_batch([])):
        with pytest.raises(InputError, match="no clips to make a batch of; got 0, expected at least 1"):
            make()


def test_other_columns_are_refused() -> None:
    other = Sample("d", stream(("pitch", "loudness"), 2), Stream.absent(VIDEO))
    with pytest.raises(InputError, match="clips with different feature columns cannot be one batch; prepare them"):
        pad_batch([*SAMPLES, other])


def test_clips_are_padded_to_the_longest_of_each_modality() -> None:
    batch, originals = pad_batch(SAMPLES)
    assert originals.tolist() == [0, 1, 2]
    assert len(batch) == 3
    assert batch.audio.tolist() == [[[1, 2], [3, 4], [5, 6]], [[10, 11], [0, 0], [0, 0]], [[0, 0]] * 3]
    assert batch.audio_mask.tolist() == [[True] * 3, [True, False, False], [False] * 3]
    assert batch.video[..., 0].tolist() == [[1, 0, 0, 0], [0] * 4, [1, 0, 3, 0]]
    assert batch.video_mask.tolist() == [[True] + [False] * 3, [False] * 4, [True, False, True, False]]
    assert (batch.audio.dtype, batch.audio_mask.dtype) == (torch.float32, torch.bool)


@pytest.mark.parametrize(("modality", "kept", "dropped"), [("audio", "audio", "video"), ("video", "video", "audio")])
def test_a_modality_that_is_not_wanted_is_masked_out(modality: Modality, kept: str, dropped: str) -> None:
    (batch, _), (both, _) = pad_batch(SAMPLES, modality), pad_batch(SAMPLES)
    assert not getattr(batch, f"{dropped}_mask").any()
    assert not getattr(batch, dropped).any()
    assert getattr(batch, dropped).shape == (3, 1, getattr(both, dropped).shape[2])
    assert torch.equal(getattr(batch, kept), getattr(both, kept))
    assert torch.equal(getattr(batch, f"{kept}_mask"), getattr(both, f"{kept}_mask"))


def test_copies_at_other_speeds_stand_behind_all_clips_one_speed_after_the_other() -> None:
    silent = Stream.absent(AUDIO)
    copies = [(stream(AUDIO, 2), stream(AUDIO, 4)), (silent, stream(AUDIO, 5)), (silent, silent)]
    samples = [replace(sample, copies=own) for sample, own in zip(SAMPLES, copies, strict=True)]
    padded = pad(samples, [2, 0, 1], "both", ["anna", "bob", "anna"])
    assert padded.originals.tolist() == [0, 1, 2, 0, 0, 1]
    assert padded.names == ("a", "b", "c", "a", "a", "b")
    assert padded.targets.tolist() == [2, 0, 1, 2, 2, 0]
    assert padded.whole.audio_mask.sum(dim=1).tolist() == [3, 1, 0, 2, 4, 5]
    assert torch.equal(padded.whole.video[3:], padded.whole.video[[0, 0, 1]])
    assert padded.speakers is not None
    assert padded.speakers.own.tolist() == [0, 1, 0, 2, 3, 4]  # whose sound is slower is somebody else
    assert len(pad(samples, [2, 0, 1], "video")) == 3


def test_what_has_no_sound_has_none_at_another_speed() -> None:
    heard = replace(SAMPLES[0], audio=Stream.absent(AUDIO), copies=(stream(AUDIO, 2), Stream.absent(AUDIO)))
    assert heard.at_other_speeds() == ()
    assert len(pad([heard], [0])) == 1


def test_targets_and_names_stay_beside_the_clips() -> None:
    padded = pad(SAMPLES, [2, 0, 1])
    assert len(padded) == 3
    assert (padded.targets.tolist(), padded.names) == ([2, 0, 1], ("a", "b", "c"))


@pytest.mark.parametrize(
    ("rows", "audio_frames", "video_frames"),
    [([0, 1, 2], 3, 3), ([1], 1, 1), ([2], 1, 3), ([1, 2], 1, 3), ([0, 0], 3, 1), ([2, 0], 3, 3)],
)
def test_a_batch_is_cut_to_its_longest_clip(rows: list[int], audio_frames: int, video_frames: int) -> None:
    padded = pad(SAMPLES, [2, 0, 1])
    batch = padded.batch(torch.tensor(rows))
    assert batch.audio.shape == (len(rows), audio_frames, 2)
    assert batch.video.shape == (len(rows), video_frames, 1)
    assert torch.equal(batch.audio, padded.whole.audio[rows, :audio_frames])
    assert torch.equal(batch.video_mask, padded.whole.video_mask[rows, :video_frames])
    assert batch.audio_mask.sum() == padded.whole.audio_mask[rows].sum()
    assert batch.video_mask.sum() == padded.whole.video_mask[rows].sum()


def test_samples_are_not_changed() -> None:
    sample = Sample("a", stream(AUDIO, 3), stream(VIDEO, 2))
    batch, _ = pad_batch([sample])
    batch.audio.zero_()
    batch.video_mask.zero_()
    assert sample.audio.values[0].tolist() == [1, 2]
    assert sample.video.mask.all()
