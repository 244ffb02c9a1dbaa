from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from omsn.errors import InputError
from omsn.tuning.sampler import share_of, value_at


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (FloatDistribution(-1, 3), [-1.0, 0.2, 1.4, 3.0]),
        (FloatDistribution(1e-5, 1e-1, log=True), [1e-5, 10**-3.8, 10**-2.6, 1e-1]),
        (FloatDistribution(0, 1, step=0.5), [0.0, 0.0, 0.5, 1.0]),
        (IntDistribution(1, 4), [1, 2, 3, 4]),
        (IntDistribution(3, 9, step=2), [3, 5, 7, 9]),
        (IntDistribution(1, 1000, log=True), [1, 5, 48, 1000]),
        (CategoricalDistribution(["a", None, 2.5]), ["a", "a", None, 2.5]),
        (CategoricalDistribution([True]), [True] * 4),
        (FloatDistribution(2, 2), [2.0] * 4),
    ],
)
def test_values_along_a_range(distribution: BaseDistribution, values: list[Any]) -> None:
    got = [value_at(share, distribution) for share in (0.0, 0.3, 0.6, 1.0)]
    assert got == (pytest.approx(values) if isinstance(distribution, FloatDistribution) else values)
    assert [type(value) for value in got] == [type(value) for value in values]


DISTRIBUTIONS = st.one_of(
    st.builds(
        lambda one, other: FloatDistribution(min(one, other), max(one, other)),
        st.floats(-1e300, 1e300),
        st.floats(-1e300, 1e300),
    ),
    st.builds(
        lambda one, other: FloatDistribution(min(one, other), max(one, other), log=True),
        st.floats(1e-300, 1e300),
        st.floats(1e-300, 1e300),
    ),
    st.builds(
        lambda low, steps, step: IntDistribution(low, low + steps * step, step=step),
        st.integers(-99, 99),
        st.integers(0, 99),
        st.integers(1, 9),
    ),
    st.builds(lambda low, more: IntDistribution(low, low + more, log=True), st.integers(1, 9), st.integers(0, 9999)),
    st.builds(
        lambda low, steps: FloatDistribution(low, low + steps / 2, step=0.5), st.integers(-9, 9), st.integers(0, 50)
    ),
    st.builds(CategoricalDistribution, st.lists(st.text(), min_size=1, max_size=5, unique=True)),
)


@settings(max_examples=80)
@example(distribution=FloatDistribution(0.0, 5e-324), share=0.0)
@example(distribution=FloatDistribution(0.0, 5e-324), share=1.0)
@given(distribution=DISTRIBUTIONS, share=st.floats(0, 1))
def test_every_share_is_a_value_in_range_and_leads_back_to_it(distribution: BaseDistribution, share: float) -> None:
    value = value_at(share, distribution)
    assert distribution._contains(distribution.to_internal_repr(value))
    if not distribution.single():
        back = share_of(value, distribution)
        assert 0 <= back <= 1
        if isinstance(distribution, FloatDistribution) and distribution.step is None:
            assert value_at(back, distribution) == pytest.approx(value, rel=1e-9, abs=1e-9 * abs(distribution.high))
        else:
            assert value_at(back, distribution) == value


def test_whole_numbers_and_categories_get_equal_shares() -> None:
    shares = np.linspace(0, 1, 3001)
    for distribution in (IntDistribution(1, 3), CategoricalDistribution([1, 2, 3]), FloatDistribution(1, 3, step=1)):
        _, counts = np.unique([value_at(share, distribution) for share in shares], return_counts=True)
        assert_allclose(counts, 1000, atol=2)


def test_an_unknown_distribution_is_refused() -> None:
    class Other(BaseDistribution):
        def to_internal_repr(self, param_value_in_external_repr: Any) -> float:
            return 0.0

        def single(self) -> bool:
            return False

        def _contains(self, param_value_in_internal_repr: float) -> bool:
            return True

    with pytest.raises(InputError, match=r"got Other\(\), expected a float, int or categorical distribution"):
        value_at(0.5, Other())
