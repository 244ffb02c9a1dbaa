from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from omsn.config import AugmentConfig
from omsn.data.augment import augment
from omsn.data.speakers import MIN_STD, Columns, Speakers
from omsn.models.batch import Batch

N_SPEAKERS = 3
PEOPLE = [("corpus", f"{number % N_SPEAKERS:02}") for number in range(60)]
OFF = AugmentConfig(noise=0, speaker_swap=0, mirror=0, time_masks=0, mixup=0, modality_dropout=0)


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def make_batch() -> Batch:
    """Clips whose level and spread are their speaker's own: speaker k around 2k, k + 1 wide."""
    source = generator(3)
    own = torch.tensor([int(name) for _, name in PEOPLE]).float()[:, None, None]
    mask = torch.arange(20) < torch.randint(8, 21, (60, 1), generator=source)
    audio = (2 * own + (own + 1) * torch.randn(60, 20, 4, generator=source)) * mask.unsqueeze(2)
    video = (torch.randn(60, 20, 3, generator=source) - own) * mask.unsqueeze(2)
    return Batch(audio, mask, video, mask)


def of_speaker(frames: Tensor, mask: Tensor, number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rows = torch.tensor([name == f"{number:02}" for _, name in PEOPLE])
    return frames[rows][mask[rows]].double().numpy()


def test_each_speakers_columns_agree_with_numpy() -> None:
    batch = make_batch()
    speakers = Speakers.of(batch, PEOPLE)
    for number in range(N_SPEAKERS):
        real = of_speaker(batch.audio, batch.audio_mask, number)
        np.testing.assert_allclose(speakers.audio.mean[number], real.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(speakers.audio.std[number], real.std(axis=0), rtol=1e-5)


def test_a_column_that_does_not_vary_and_a_speaker_without_a_frame() -> None:
    frames, own = torch.ones(2, 5, 1), torch.tensor([0, 1])
    mask = torch.tensor([[True] * 5, [False] * 5])
    columns = Columns.of(frames, mask, own, 2)
    assert columns.mean.flatten().tolist() == [1, 0]
    assert columns.std.flatten().tolist() == pytest.approx([MIN_STD, MIN_STD])
    assert columns.known.tolist() == [True, False]


def test_nobody_is_given_the_columns_of_a_speaker_without_a_frame() -> None:
    batch = make_batch()
    unseen = torch.tensor([name == "02" for _, name in PEOPLE])
    mask = batch.video_mask & ~unseen[:, None]
    batch = Batch(batch.audio, batch.audio_mask, batch.video * mask.unsqueeze(2), mask)
    speakers = Speakers.of(batch, PEOPLE)
    moved = speakers.video.moved(batch.video, mask, speakers.own, torch.full((60,), 2))
    torch.testing.assert_close(moved, batch.video)
    heard = speakers.audio.moved(batch.audio, batch.audio_mask, speakers.own, torch.full((60,), 2))
    assert not torch.allclose(heard, batch.audio, atol=0.1)


def test_a_swapped_clip_has_the_columns_of_another_and_keeps_its_course() -> None:
    batch = make_batch()
    speakers = Speakers.of(batch, PEOPLE)
    to = torch.full((60,), 2)
    moved = speakers.audio.moved(batch.audio, batch.audio_mask, speakers.own, to)
    for number in range(N_SPEAKERS):
        real = of_speaker(moved, batch.audio_mask, number)
        np.testing.assert_allclose(real.mean(axis=0), speakers.audio.mean[2], atol=1e-4)
        np.testing.assert_allclose(real.std(axis=0), speakers.audio.std[2], rtol=1e-4)
        was = of_speaker(batch.audio, batch.audio_mask, number)
        assert np.corrcoef(real[:, 0], was[:, 0])[0, 1] == pytest.approx(1)
    assert not moved[~batch.audio_mask].any()


def test_a_share_of_the_clips_is_swapped_and_the_rest_stays() -> None:
    batch = make_batch()
    changed, _ = augment(
        batch, torch.zeros(60, 2), replace(OFF, speaker_swap=0.6), generator(), speakers=Speakers.of(batch, PEOPLE)
    )
    same = torch.isclose(changed.audio, batch.audio, atol=1e-5).all(dim=2).all(dim=1)
    assert 20 < int(same.sum()) < 50  # 0.4 + 0.6 / 3 of 60 keep their speaker
    face = torch.isclose(changed.video, batch.video, atol=1e-5).all(dim=2).all(dim=1)
    assert torch.equal(same, face)  # sound and face go to one speaker together


def test_rows_bring_their_own_speakers() -> None:
    batch = make_batch()
    rows = torch.tensor([4, 0, 2])
    chosen = Speakers.of(batch, PEOPLE).at(rows)
    assert chosen.own.tolist() == [1, 0, 2]


def test_one_speaker_alone_changes_nothing() -> None:
    batch = make_batch()
    speakers = Speakers.of(batch, ["same"] * 60)
    torch.testing.assert_close(speakers.swap(batch, 1.0, generator()).audio, batch.audio)
