"""What a search may vary: settings whose range stands beside them in ``omsn/config/``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass

from omsn.config import Config
from omsn.errors import ConfigError


@dataclass(frozen=True)
class Dimension:
    """One setting as an axis of a search.

    Attributes:
        setting: its name as ``--set`` takes it, such as "training.classifier_learning_rate".
        low: smallest value.
        high: largest value.
        log: the axis is log10 of the value.
    """

    setting: str
    low: float
    high: float
    log: bool

    @property
    def bounds(self) -> tuple[float, float]:
        """Of the axis: log10 of the range where it is logarithmic."""
        return (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)

    def value(self, position: float) -> float:
        """The setting's value at a position of the axis, held within its range."""
        value = 10.0**position if self.log else position
        return min(max(value, self.low), self.high)


def dimensions(settings: Sequence[str]) -> tuple[Dimension, ...]:
    """The axes of a search over these settings; spaces around their names do not matter.

    Raises:
        ConfigError: none or one twice is named, or one that has no range to vary in; the message names those that do.
    """
    known = {dimension.setting: dimension for dimension in tunable_settings()}
    names = [setting.strip() for setting in settings]
    unknown = [name for name in names if name not in known]
    if unknown or not names or len(set(names)) < len(names):
        problem = (
            f"cannot search over {', '.join(map(repr, unknown))}" if unknown else f"got {', '.join(names) or 'none'}"
        )
        raise ConfigError(f"search: {problem}; expected one or more different ones of {', '.join(known)}")
    return tuple(known[name] for name in names)


def tunable_settings() -> Iterator[Dimension]:
    """Every setting that declares a range for searches, in the order of ``omsn/config/``."""
    return _of(Config(), "")


def _of(section: object, prefix: str) -> Iterator[Dimension]:
    for spec in fields(section):  # type: ignore[arg-type]
        value, facts = getattr(section, spec.name), spec.metadata
        if is_dataclass(value):
            yield from _of(value, f"{prefix}{spec.name}.")
        elif "low" in facts and not facts.get("fixed"):
            yield Dimension(f"{prefix}{spec.name}", facts["low"], facts["high"], facts["log"])
