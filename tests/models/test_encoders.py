from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import ENCODER, frames_of, stir
from torch import Generator, Tensor

from omsn.config import EncoderConfig
from omsn.models.encoders import (
    MIN_WEIGHT,
    AttentivePooling,
    BiLSTMEncoder,
    ChannelDropout,
    MaskedConv,
    MeanPooling,
    frame_weights,
    group_means,
    segment_means,
    span,
)

N_FEATURES = 5
KINDS = {
    "whole": ENCODER,
    "paper": replace(ENCODER, conv_layers=0, frame_group=1),
    "no recurrent": replace(ENCODER, recurrent=False),
    "nothing": replace(ENCODER, conv_layers=0, frame_group=1, recurrent=False),
    "groups of three": replace(ENCODER, frame_group=3, conv_layers=3, conv_kernel=5),
    "two layers": replace(ENCODER, lstm_layers=2),
    "plain means": replace(ENCODER, attention_heads=0),
    "batch norm": replace(ENCODER, conv_norm="batch"),
}
kinds = pytest.mark.parametrize("config", KINDS.values(), ids=list(KINDS))


def built(config: EncoderConfig) -> BiLSTMEncoder:
    torch.manual_seed(0)
    encoder = BiLSTMEncoder(N_FEATURES, config).eval()
    stir(encoder)
    return encoder


def clips(*lengths: int) -> tuple[Tensor, Tensor]:
    return frames_of(lengths, N_FEATURES, Generator().manual_seed(1))


# ---------------------------------------------------------------- the encoder


@kinds
def test_a_clip_without_the_modality_gives_the_learned_matrix(config: EncoderConfig) -> None:
    encoder = built(config)
    torch.testing.assert_close(encoder(*clips(0)), encoder.absent[None], rtol=0, atol=0)
    torch.testing.assert_close(encoder(*clips(6, 0))[1], encoder.absent, rtol=0, atol=0)


@kinds
@pytest.mark.parametrize("length", [1, 2, 3, 5, 40])
def test_any_length_gives_one_matrix(config: EncoderConfig, length: int) -> None:
    matrix = built(config)(*clips(length, 1))
    assert matrix.shape == (2, ENCODER.steps, ENCODER.channels)
    assert matrix.isfinite().all()


@kinds
def test_padding_changes_nothing(config: EncoderConfig) -> None:
    encoder, (frames, mask) = built(config), clips(7, 12, 0, 1)
    padded = torch.cat([frames, torch.zeros(4, 5, N_FEATURES)], dim=1)
    padded_mask = torch.cat([mask, torch.zeros(4, 5, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(encoder(padded, padded_mask), encoder(frames, mask))


@kinds
def test_a_batch_is_its_clips_one_by_one(config: EncoderConfig) -> None:
    encoder, lengths, (frames, mask) = built(config), (7, 12, 0, 1), clips(7, 12, 0, 1)
    whole = encoder(frames, mask)
    for row, length in enumerate(lengths):
        kept = max(1, length)
        alone = encoder(frames[row : row + 1, :kept], mask[row : row + 1, :kept])
        torch.testing.assert_close(alone[0], whole[row])


def test_order_in_time_matters() -> None:
    encoder, (frames, mask) = built(ENCODER), clips(10)
    assert not torch.allclose(encoder(frames.flip(1), mask), encoder(frames, mask), atol=1e-3)


def test_a_hole_is_not_read() -> None:
    """What stands under a False mask inside a clip does not reach the matrix."""
    encoder, (frames, mask) = built(ENCODER), clips(10)
    mask[0, 3:5] = False
    other = frames.clone()
    other[0, 3:5] = 9.0
    torch.testing.assert_close(encoder(other, mask), encoder(frames, mask))


def test_inputs_stay_as_they_are() -> None:
    encoder, (frames, mask) = built(replace(ENCODER, input_dropout=0.5, dropout=0.5)).train(), clips(5, 8)
    frames_before, mask_before = frames.clone(), mask.clone()
    encoder(frames, mask)
    assert torch.equal(frames, frames_before)
    assert torch.equal(mask, mask_before)


@kinds
def test_every_parameter_learns(config: EncoderConfig) -> None:
    encoder = built(config)
    matrix = encoder(*clips(9, 4, 0))
    (matrix * torch.randn(matrix.shape, generator=Generator().manual_seed(2))).sum().backward()
    assert [name for name, weight in encoder.named_parameters() if weight.grad is None or not weight.grad.any()] == []


# ---------------------------------------------------------------- its parts


def test_masked_conv_is_0_under_the_mask() -> None:
    torch.manual_seed(0)
    frames, mask = clips(3, 6)
    convolved = MaskedConv(N_FEATURES, 4, 3, 0.0)(frames, mask)
    assert convolved.shape == (2, 6, 4)
    assert not convolved[0, 3:].any()
    assert convolved[0, :3].any()


def test_channel_dropout_drops_whole_columns_of_a_clip() -> None:
    torch.manual_seed(0)
    dropped = ChannelDropout(0.25).train()(torch.ones(50, 4, 20))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))  # one draw for all frames
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.05)
    assert torch.equal(ChannelDropout(0.25).eval()(dropped), dropped)


@pytest.mark.parametrize(
    ("mask", "frames"), [([0, 0, 0], 1), ([1, 0, 0], 1), ([1, 1, 0], 2), ([0, 0, 1], 3), ([1, 0, 1], 3)]
)
def test_span_counts_up_to_the_last_real_frame(mask: list[int], frames: int) -> None:
    assert span(torch.tensor([mask], dtype=torch.bool)).tolist() == [frames]


def test_group_means_by_hand() -> None:
    frames = torch.tensor([[[2.0], [4.0], [9.0], [0.0], [7.0]]])
    mask = torch.tensor([[True, True, True, False, True]])
    means, real = group_means(frames, mask, 2)
    assert means.flatten().tolist() == [3.0, 9.0, 7.0]
    assert real.tolist() == [[True, True, True]]


def test_group_means_of_masked_frames() -> None:
    frames = torch.tensor([[[5.0], [5.0], [6.0]]])
    means, real = group_means(frames, torch.tensor([[False, False, True]]), 2)
    assert means.flatten().tolist() == [0.0, 6.0]
    assert real.tolist() == [[False, True]]


def test_a_group_longer_than_the_clip() -> None:
    means, real = group_means(torch.tensor([[[1.0], [3.0]]]), torch.ones(1, 2, dtype=torch.bool), 8)
    assert means.flatten().tolist() == [2.0]
    assert real.tolist() == [[True]]


def test_groups_of_one_are_the_frames() -> None:
    frames, mask = clips(4, 2)
    means, real = group_means(frames, mask, 1)
    assert torch.equal(means, frames)
    assert torch.equal(real, mask)


@pytest.mark.parametrize(
    ("values", "n_segments", "expected"),
    [
        ([1, 2, 3, 4], 2, [1.5, 3.5]),
        ([1, 2, 3, 4], 4, [1, 2, 3, 4]),
        ([6], 3, [6, 6, 6]),
        ([1, 2, 3], 2, [4 / 3, 8 / 3]),  # the middle frame counts half in each
        ([2, 8], 3, [2, 5, 8]),
        ([2, 8], 4, [2, 2, 8, 8]),
    ],
)
def test_segment_means_by_hand(values: list[float], n_segments: int, expected: list[float]) -> None:
    states = torch.tensor(values, dtype=torch.float32)[None, :, None]
    means = segment_means(states, torch.ones(1, len(values), dtype=torch.bool), n_segments)
    torch.testing.assert_close(means[0, :, 0], torch.tensor(expected, dtype=torch.float32))


def test_segment_means_leave_holes_out() -> None:
    states = torch.tensor([[[1.0], [50.0], [3.0], [4.0], [60.0], [60.0]]])
    mask = torch.tensor([[True, False, True, True, False, False]])
    assert segment_means(states, mask, 2).flatten().tolist() == [1.0, 3.5]  # the span is 4 frames


def test_a_segment_without_a_real_frame_is_0() -> None:
    mask = torch.tensor([[False, False, True, True]])
    assert segment_means(torch.full((1, 4, 1), 5.0), mask, 2).flatten().tolist() == [0.0, 5.0]
    assert (
        segment_means(torch.full((1, 4, 1), 5.0), torch.zeros(1, 4, dtype=torch.bool), 3).flatten().tolist() == [0] * 3
    )


@pytest.mark.parametrize("n_segments", [1, 3, 4, 10])
def test_segment_means_against_fine_slices(n_segments: int) -> None:
    """Each frame cut into slices so thin that every slice lies in one segment."""
    generator = Generator().manual_seed(n_segments)
    for length in (1, 2, 5, 7, 12, 31):
        states, mask = torch.randn(length, 3, generator=generator), torch.rand(length, generator=generator) > 0.3
        mask[-1] = True
        means = segment_means(states[None].double(), mask[None], n_segments)[0]
        slices = states.double().repeat_interleave(n_segments, 0)  # n_segments slices a frame, `length` a segment
        real = mask.repeat_interleave(n_segments)
        for segment, (start, end) in enumerate(pairwise(range(0, length * n_segments + 1, length))):
            inside = slices[start:end][real[start:end]]
            expected = inside.mean(dim=0) if len(inside) else torch.zeros(3, dtype=torch.float64)
            torch.testing.assert_close(means[segment], expected)


# ---------------------------------------------------------------- pooling by attention


def test_attentive_pooling_starts_as_means() -> None:
    attentive, plain = AttentivePooling(N_FEATURES, ENCODER), MeanPooling(N_FEATURES, ENCODER)
    plain.project.load_state_dict(attentive.project.state_dict())
    frames, mask = clips(7, 12, 2)
    torch.testing.assert_close(attentive(frames, mask), plain(frames, mask))


def test_an_attended_frame_outweighs_its_segment() -> None:
    config = replace(ENCODER, steps=2, channels=2, attention_heads=2)
    pooling = AttentivePooling(1, config)
    with torch.no_grad():
        pooling.project.weight.fill_(1.0)
        pooling.project.bias.zero_()
        pooling.score.weight.copy_(torch.tensor([[50.0], [0.0]]))  # the first head looks for high values
    frames = torch.tensor([[[0.0], [4.0], [1.0], [2.0]]])
    pooled = pooling(frames, torch.ones(1, 4, dtype=torch.bool))[0]
    assert pooled.tolist() == [[pytest.approx(4.0, abs=1e-4), 2.0], [pytest.approx(1.5), 1.5]]


@settings(max_examples=50)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=9), st.integers(0, 4))
def test_frame_weights_lie_between_bounds_and_forget_masked_frames(scores: list[float], n_masked: int) -> None:
    score = torch.tensor([*scores, *[3e6] * n_masked])[None, :, None]
    mask = torch.arange(len(scores) + n_masked)[None] < len(scores)
    weight = frame_weights(score, mask)
    assert weight.min() >= MIN_WEIGHT
    assert weight[0, : len(scores)].max() == 1
    torch.testing.assert_close(weight[:, : len(scores)], frame_weights(score[:, : len(scores)], mask[:, : len(scores)]))


def test_frame_weights_of_no_real_frame_are_finite() -> None:
    assert frame_weights(torch.ones(1, 3, 2), torch.zeros(1, 3, dtype=torch.bool)).isfinite().all()
