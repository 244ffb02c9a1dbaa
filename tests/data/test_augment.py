from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from omsn.config import AugmentConfig
from omsn.data.augment import augment, drop_modalities, mirror_faces, mix
from omsn.features.mirror import Mirror
from omsn.models.batch import Batch

OFF = AugmentConfig(noise=0, speaker_swap=0, mirror=0, time_masks=0, mixup=0, modality_dropout=0)
CONFIGS = [
    AugmentConfig(),
    OFF,
    replace(OFF, noise=1.0),
    replace(OFF, time_masks=10, time_mask_share=0.5),
    replace(OFF, mixup=0.3),
    replace(OFF, mixup=2.0),
    replace(OFF, modality_dropout=0.5),
]


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def make_batch(n_clips: int = 12, *, seed: int = 7) -> Batch:
    """Clips of different lengths; a third has no sound, another third no face."""
    source = generator(seed)
    audio_frames, video_frames = 20, 9
    audio_length = torch.randint(1, audio_frames + 1, (n_clips, 1), generator=source)
    video_length = torch.randint(1, video_frames + 1, (n_clips, 1), generator=source)
    kind = torch.arange(n_clips)[:, None] % 3
    audio_mask = (torch.arange(audio_frames) < audio_length) & (kind != 1)
    video_mask = (torch.arange(video_frames) < video_length) & (kind != 2)
    audio = torch.randn(n_clips, audio_frames, 4, generator=source) * audio_mask.unsqueeze(2)
    video = torch.randn(n_clips, video_frames, 3, generator=source) * video_mask.unsqueeze(2)
    return Batch(audio, audio_mask, video, video_mask)


def targets_of(n_clips: int, n_classes: int = 5) -> Tensor:
    return torch.nn.functional.one_hot(torch.arange(n_clips) % n_classes, n_classes).float()


def tensors(batch: Batch) -> tuple[Tensor, ...]:
    return batch.audio, batch.audio_mask, batch.video, batch.video_mask


def equal(one: Batch, other: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


def clip_lengths(mask: Tensor) -> Tensor:
    return mask.sum(dim=1, keepdim=True)


def test_nothing_asked_for_changes_nothing() -> None:
    batch, targets = make_batch(), targets_of(12)
    changed, changed_targets = augment(batch, targets, OFF, generator())
    assert equal(changed, batch)
    assert torch.equal(changed_targets, targets)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("n_clips", [1, 12])
def test_every_setting(config: AugmentConfig, n_clips: int) -> None:
    batch, targets = make_batch(n_clips), targets_of(n_clips)
    before = [tensor.clone() for tensor in (*tensors(batch), targets)]
    changed, changed_targets = augment(batch, targets, config, generator())
    again, again_targets = augment(batch, targets, config, generator())
    assert equal(changed, again)
    assert torch.equal(changed_targets, again_targets)
    assert all(torch.equal(a, b) for a, b in zip(before, (*tensors(batch), targets), strict=True))
    for now, was in zip(tensors(changed), tensors(batch), strict=True):
        assert (now.shape, now.dtype) == (was.shape, was.dtype)
    assert changed_targets.dtype == targets.dtype
    assert not changed.audio[~changed.audio_mask].any()
    assert not changed.video[~changed.video_mask].any()
    torch.testing.assert_close(changed_targets.sum(dim=1), torch.ones(n_clips))
    assert (changed_targets >= 0).all()


@pytest.mark.parametrize("config", CONFIGS[2:])
def test_another_seed_gives_another_result(config: AugmentConfig) -> None:
    one, other = (augment(make_batch(), targets_of(12), config, generator(seed))[0] for seed in (0, 1))
    assert not equal(one, other)


def test_noise_has_the_deviation_asked_for() -> None:
    batch = replace(make_batch(300), audio_mask=torch.ones(300, 20, dtype=torch.bool))
    changed, _ = augment(batch, targets_of(300), replace(OFF, noise=0.5), generator())
    noise = (changed.audio - batch.audio).flatten()
    assert noise.std().item() == pytest.approx(0.5, rel=0.03)
    assert noise.mean().item() == pytest.approx(0, abs=0.02)


def test_time_masks_blank_whole_frames_up_to_their_share() -> None:
    config = replace(OFF, time_masks=2, time_mask_share=0.25)
    batch = make_batch(600)
    changed, _ = augment(batch, targets_of(600), config, generator())
    assert torch.equal(changed.audio_mask, batch.audio_mask)
    blank = (changed.audio == 0).all(dim=2) & batch.audio_mask
    assert torch.equal(changed.audio[~blank], batch.audio[~blank])
    longest = torch.ceil(0.25 * clip_lengths(batch.audio_mask)) * 2
    assert (blank.sum(dim=1, keepdim=True) <= longest).all()
    assert blank.any(dim=1).float().mean() > 0.3
    assert blank.any(dim=0).sum() > 15  # anywhere in the clip


def test_mixup_by_hand() -> None:
    batch, targets = make_batch(), targets_of(12)
    order = torch.randperm(12, generator=generator())
    mixed, mixed_targets = mix(batch, targets, 0.3, generator())
    for row, partner in enumerate(order.tolist()):
        # the share of the first comes out of the targets, and must be that of the features
        share = 1.0 if targets[row].equal(targets[partner]) else float(mixed_targets[row] @ targets[row])
        assert 0.5 <= share <= 1
        if not targets[row].equal(targets[partner]):
            torch.testing.assert_close(mixed.audio[row], share * batch.audio[row] + (1 - share) * batch.audio[partner])
            torch.testing.assert_close(mixed.video[row], share * batch.video[row] + (1 - share) * batch.video[partner])
        assert torch.equal(mixed.audio_mask[row], batch.audio_mask[row] | batch.audio_mask[partner])
        assert torch.equal(mixed.video_mask[row], batch.video_mask[row] | batch.video_mask[partner])


def test_a_small_beta_mixes_little_and_a_large_one_much() -> None:
    targets = targets_of(500)
    little, much = (mix(make_batch(500), targets, alpha, generator())[1].amax(dim=1).mean() for alpha in (0.05, 2.0))
    assert little > 0.93
    assert 0.6 < much < 0.8


def test_modalities_drop_as_often_as_asked() -> None:
    full = replace(
        make_batch(4000),
        audio_mask=torch.ones(4000, 20, dtype=torch.bool),
        video_mask=torch.ones(4000, 9, dtype=torch.bool),
    )
    dropped = drop_modalities(full, 0.1, generator())
    audio, video = dropped.audio_mask.any(dim=1), dropped.video_mask.any(dim=1)
    assert (~audio).float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert (~video).float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert (audio | video).all()


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), share=st.floats(0, 0.5))
def test_modality_dropout_never_takes_what_is_left(seed: int, share: float) -> None:
    batch = make_batch(30, seed=seed)
    dropped = drop_modalities(batch, share, generator(seed))
    for row in range(30):
        had = batch.audio_mask[row].any(), batch.video_mask[row].any()
        has = dropped.audio_mask[row].any(), dropped.video_mask[row].any()
        if not all(had):
            assert has == had
        assert any(has)
    assert not (dropped.audio_mask & ~batch.audio_mask).any()


def test_mirrored_faces_by_hand() -> None:
    batch = make_batch()
    mirror = Mirror(np.array([1, 0, 2]), np.array([1.0, 1.0, -1.0], np.float32))
    mirrored = mirror_faces(batch, mirror, 1.0, generator())
    expected = torch.stack([batch.video[..., 1], batch.video[..., 0], -batch.video[..., 2]], dim=2)
    assert torch.equal(mirrored.video, expected)
    assert torch.equal(mirrored.audio, batch.audio)
    assert equal(mirror_faces(batch, mirror, 0.0, generator()), batch)


def test_faces_are_mirrored_as_often_as_asked() -> None:
    batch = make_batch(1000)
    mirror = Mirror(np.array([0, 1, 2]), np.array([-1.0, -1.0, -1.0], np.float32))
    changed, _ = augment(batch, targets_of(1000), replace(OFF, mirror=0.3), generator(), mirror=mirror)
    seen = batch.video_mask.any(dim=1)
    turned = (changed.video != batch.video).any(dim=2).any(dim=1)
    assert not turned[~seen].any()
    assert turned[seen].float().mean().item() == pytest.approx(0.3, abs=0.06)
