from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from made_views import NOBODY, view

from omsn.errors import MediaError
from omsn.features.normalise import SampleStatistics, SampleSums
from omsn.people import ENROL_S, Enrolment, enrolled, standardised
from omsn.windows import View

FILE, OTHER = Path("a.mp4"), Path("b.mp4")


def middles(windows: Iterator[tuple[View, ...]]) -> list[list[float]]:
    return [[float(one.sample.audio.values.mean()) for one in views] for views in windows]


def test_no_windows() -> None:
    assert list(enrolled([], FILE, NOBODY)) == []
    assert list(standardised([], NOBODY.sums.statistics())) == []


def test_all_alike_by_the_training_part() -> None:
    statistics = SampleStatistics.of([view(0, 5.0).sample])
    assert middles(standardised([(view(0, 5.0), view(0, 7.0, 1)), (view(1, 4.0),)], statistics)) == [[0, 2], [-1]]


def test_the_first_windows_wait_for_each_other_and_later_ones_for_none() -> None:
    n_waiting = round((ENROL_S - 4) / 2) + 1
    windows = [(view(number, float(number % 2)),) for number in range(n_waiting)] + [(view(n_waiting, 50.0),)]
    given = iter(windows)
    answers = enrolled(given, FILE, NOBODY)
    first = next(answers)[0].sample
    assert len(list(given)) == 1
    expected = SampleStatistics.of([one.sample for (one,) in windows[:n_waiting]]).standardise(windows[0][0].sample)
    np.testing.assert_array_equal(first.audio.values, expected.audio.values)


def test_windows_that_wait_are_answered_where_the_file_breaks_off() -> None:
    def windows() -> Iterator[tuple[View, ...]]:
        yield from [(view(number, 3.0),) for number in range(2)]
        raise MediaError("broke off")

    answers = enrolled(windows(), FILE, NOBODY)
    assert middles(islice(answers, 2)) == [[0], [0]]
    with pytest.raises(MediaError, match="broke off"):
        next(answers)


def test_each_face_is_standardised_by_its_own_windows() -> None:
    windows = [(view(number, 10.0), view(number, -10.0, 1)) for number in range(3)]
    assert middles(enrolled(windows, FILE, NOBODY)) == [[0, 0]] * 3


def test_an_enrolment_is_of_track_0_and_each_file_counts_once() -> None:
    known = NOBODY.plus(OTHER, [(view(0, 4.0), view(0, 99.0, 1))])
    assert known.sums.audio.count == 2
    assert known.plus(OTHER, [(view(0, 4.0),)]) is known
    both = SampleStatistics.of([view(0, 4.0).sample, view(0, 6.0).sample])
    ((answer, stranger),) = enrolled([(view(0, 6.0), view(0, -3.0, 1))], FILE, known)
    np.testing.assert_array_equal(answer.sample.audio.values, both.standardise(view(0, 6.0).sample).audio.values)
    assert stranger.sample.audio.values.mean() == 0
    with_file = known.plus(FILE, [(view(0, 6.0),)])
    ((again,),) = enrolled([(view(0, 6.0),)], FILE, with_file)
    np.testing.assert_array_equal(again.sample.audio.values, answer.sample.audio.values)


@pytest.mark.parametrize(("number", "others", "warned"), [(0, False, True), (0, True, False), (2, False, False)])
def test_a_short_file_alone_is_warned_of(
    number: int, others: bool, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    known = NOBODY.plus(OTHER, [(view(0, 4.0),)]) if others else NOBODY
    list(enrolled([(replace(view(number, 1.0)),)], FILE, known))
    assert ("from this file alone (4.0 s)" in caplog.text) == warned


def test_a_second_face_is_standardised_at_each_speed_by_its_own_windows() -> None:
    def heard(level: float, track: int) -> View:
        one = view(0, level, track)
        copies = view(0, level + 5).sample.audio, view(0, level - 7).sample.audio
        return replace(one, sample=replace(one.sample, copies=copies))

    known = Enrolment(SampleSums.none(1, 1, 2), "of no checkpoint")
    ((main, other),) = enrolled([(heard(10.0, 0), heard(-10.0, 1))], FILE, known)
    for sample in (main.sample, other.sample):
        assert [copy.values.mean() for copy in sample.copies] == [0, 0]
