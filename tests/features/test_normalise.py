import numpy as np
import pytest

from omsn.errors import InputError
from omsn.features.normalise import LIMIT, MIN_STD, SampleStatistics, Statistics, leave_out, standardise
from omsn.types import Sample, Stream

COLUMNS = ("pitch", "energy")


def stream(rows: list[tuple[float, float]], mask: list[bool] | None = None) -> Stream:
    real = np.ones(len(rows), np.bool_) if mask is None else np.array(mask)
    return Stream(np.array(rows, np.float32).reshape(-1, 2), real, np.arange(len(rows), dtype=np.float64), COLUMNS)


@pytest.mark.parametrize("streams", [[], [Stream.absent(COLUMNS)], [stream([(5, 5)], [False]), stream([])]])
def test_without_real_frames_standardising_changes_nothing(streams: list[Stream]) -> None:
    statistics = Statistics.of(streams, 2)
    assert (statistics.mean.tolist(), statistics.std.tolist()) == ([0, 0], [1, 1])


def test_mean_and_deviation_by_hand() -> None:
    statistics = Statistics.of([stream([(1, 10), (2, 30)]), stream([(6, 20)])], 2)
    assert statistics.mean == pytest.approx([3, 20])
    assert statistics.std == pytest.approx([np.sqrt(14 / 3), np.sqrt(200 / 3)])  # over n, not n - 1
    assert statistics.mean.dtype == statistics.std.dtype == np.float32


def test_masked_frames_do_not_count() -> None:
    with_masked = stream([(1, 10), (999, -999), (3, 20)], [True, False, True])
    assert Statistics.of([with_masked], 2).mean == pytest.approx([2, 15])
    assert Statistics.of([with_masked, Stream.absent(COLUMNS)], 2).std == pytest.approx([1, 5])


def test_frames_count_alike_whatever_clip_they_are_of() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    clips = [stream([(a, b) for a, b in rows[:3]]), stream([(a, b) for a, b in rows[3:]])]
    statistics = Statistics.of(clips, 2)
    np.testing.assert_allclose(statistics.mean, rows.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(statistics.std, rows.std(axis=0), atol=1e-6)


def test_a_large_offset_does_not_eat_the_deviation() -> None:
    statistics = Statistics.of([stream([(1000.0, 0), (1000.5, 0)])], 2)
    assert statistics.std[0] == pytest.approx(0.25)


@pytest.mark.parametrize("wobble", [0.0, MIN_STD / 2])
def test_a_constant_column_is_centred_and_not_scaled(wobble: float) -> None:
    constant = stream([(7 - wobble, 0), (7 + wobble, 2)])
    statistics = Statistics.of([constant], 2)
    assert statistics.std.tolist() == [1, 1]
    assert standardise(constant, statistics).values[:, 0] == pytest.approx([0, 0], abs=MIN_STD)
    assert standardise(stream([(8, 0)]), statistics).values[0, 0] == pytest.approx(1, abs=1e-3)


def test_standardised_values_by_hand() -> None:
    statistics = Statistics(np.array([3, 20], np.float32), np.array([2, 5], np.float32))
    given = stream([(5, 10), (999, 999), (1, 20)], [True, False, True])
    standardised = standardise(given, statistics)
    assert standardised.values.tolist() == [[1, -2], [0, 0], [-1, 0]]
    assert standardised.mask.tolist() == given.mask.tolist()
    assert (standardised.times_s.tolist(), standardised.columns) == ([0, 1, 2], COLUMNS)
    assert given.values[0].tolist() == [5, 10]


def test_far_values_are_cut() -> None:
    statistics = Statistics(np.zeros(2, np.float32), np.ones(2, np.float32))
    assert standardise(stream([(1e30, -1e30)]), statistics).values.tolist() == [[LIMIT, -LIMIT]]


def test_a_stream_of_other_columns_is_refused() -> None:
    with pytest.raises(InputError, match="statistics: got a stream of 2 columns, expected 3"):
        Statistics.of([stream([(1, 2)])], 3)


def test_no_samples_are_refused() -> None:
    with pytest.raises(InputError, match="statistics: got no samples, expected at least 1"):
        SampleStatistics.of([])


def test_samples_of_other_columns_are_refused() -> None:
    one, other = Stream.absent(COLUMNS), Stream.absent(("pitch",))
    with pytest.raises(InputError, match="got a stream of 1 columns, expected 2"):
        SampleStatistics.of([Sample("a", one, one), Sample("b", one, other)])


def test_each_modality_has_its_own_statistics() -> None:
    sample = Sample("a", stream([(0, 0), (2, 4)]), stream([(10, 10), (30, 10)]))
    standardised = SampleStatistics.of([sample]).standardise(sample)
    assert standardised.clip == "a"
    assert standardised.audio.values.tolist() == [[-1, -1], [1, 1]]
    assert standardised.video.values.tolist() == [[-1, 0], [1, 0]]


def test_a_missing_modality_stays_missing() -> None:
    sample = Sample("a", stream([(0, 0), (2, 4)]), Stream.absent(COLUMNS))
    standardised = SampleStatistics.of([sample]).standardise(sample)
    assert not standardised.video.present
    assert not standardised.video.values.any()


def test_statistics_come_back_from_their_arrays() -> None:
    sample = Sample("a", stream([(0, 0), (2, 4)]), stream([(10, 10), (30, 10)]))
    statistics = SampleStatistics.of([sample])
    arrays = statistics.to_arrays()
    again = SampleStatistics.from_arrays(arrays)
    assert sorted(arrays) == ["audio.mean", "audio.std", "video.mean", "video.std"]
    for one, other in zip(again.to_arrays().values(), arrays.values(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.standardise(sample).video.values.tolist() == [[-1, 0], [1, 0]]


@pytest.mark.parametrize("missing", ["audio.mean", "audio.std", "video.mean", "video.std"])
def test_missing_arrays_are_a_key_error(missing: str) -> None:
    arrays = SampleStatistics.of([Sample("a", stream([]), stream([]))]).to_arrays()
    with pytest.raises(KeyError, match=missing):
        SampleStatistics.from_arrays({name: array for name, array in arrays.items() if name != missing})


def test_columns_are_left_out_by_how_their_names_begin() -> None:
    values, mask = np.array([[1.0, 2.0, 3.0]], np.float32), np.array([True])
    stream = Stream(values, mask, np.zeros(1), ("position_x17", "velocity_x17", "positive"))
    left = leave_out(Sample("clip", stream, stream), ("position",))
    np.testing.assert_array_equal(left.video.values, [[0, 2, 3]])
    np.testing.assert_array_equal(left.audio.values, [[0, 2, 3]])
    np.testing.assert_array_equal(leave_out(Sample("clip", stream, stream), ()).video.values, values)
    np.testing.assert_array_equal(values, [[1, 2, 3]])
