from __future__ import annotations

import pytest

from omsn.errors import ConfigError
from omsn.recipes import load_config
from omsn.tuning.fitness import SEARCHABLE
from omsn.tuning.space import Dimension, dimensions, tunable_settings

KNOWN = [axis.setting for axis in tunable_settings()]
RATE, DECAY = "training.classifier_learning_rate", "training.weight_decay"


def test_a_logarithmic_axis() -> None:
    (rate,) = dimensions([RATE])
    assert rate == Dimension(RATE, 1e-5, 1e-1, log=True)
    assert rate.bounds == pytest.approx((-5, -1))
    assert rate.value(-3) == pytest.approx(1e-3)


def test_a_plain_axis() -> None:
    (decay,) = dimensions([DECAY])
    assert decay.bounds == (0.0, 1.0)
    assert decay.value(0.25) == 0.25


@pytest.mark.parametrize("dimension", [*tunable_settings()], ids=lambda one: one.setting)
def test_every_axis_leads_to_settings_that_are_allowed(dimension: Dimension) -> None:
    for end in dimension.bounds:
        for position in (end, end + 1e-9, end - 1e-9):  # rounding must not leave the range
            load_config("default", [f"{dimension.setting}={dimension.value(position)}"])


def test_spaces_around_a_name_do_not_matter() -> None:
    assert dimensions([f" {DECAY}", f"{RATE} "]) == dimensions([DECAY, RATE])


def test_only_what_the_search_can_judge_has_a_range_to_vary_in() -> None:
    assert {axis.setting for axis in tunable_settings()} == set(SEARCHABLE)


def test_axes_keep_the_order_that_was_asked_for() -> None:
    assert [axis.setting for axis in dimensions([DECAY, RATE])] == [DECAY, RATE]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ([], "got none"),
        ([RATE, f" {RATE}"], f"got {RATE}, {RATE}"),
        (["training.epochs"], "cannot search over 'training.epochs'"),
        (["training.learning_rat", RATE], "cannot search over 'training.learning_rat'"),
        (["training.augment.mixup"], "cannot search over 'training.augment.mixup'"),
        ([RATE, ""], "cannot search over ''"),
    ],
)
def test_settings_that_cannot_be_searched(settings: list[str], problem: str) -> None:
    with pytest.raises(ConfigError, match=rf"search: {problem}; expected .* ones of {', '.join(KNOWN)}$"):
        dimensions(settings)
