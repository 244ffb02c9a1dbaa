"""What a setting may be: ranges are declared beside the fields and checked when a section is made."""

from __future__ import annotations

from dataclasses import field, fields
from typing import Any, ClassVar

from omsn.errors import ConfigError


def tunable(default: float | None, low: float, high: float, *, log: bool = False) -> Any:
    """A field that a search may vary between ``low`` and ``high``; the range is checked as any setting is."""
    return field(default=default, metadata={"low": low, "high": high, "log": log})


def bounded(default: float, low: float, high: float) -> Any:
    """A field that must lie in [low, high]; no search varies it."""
    return field(default=default, metadata={"low": low, "high": high, "fixed": True})


def check_ranges(section: object) -> None:
    """Check each field of a settings dataclass against the range it declares.

    Raises:
        ConfigError: some fields are out of range; all are listed.
    """
    problems = []
    for spec in fields(section):  # type: ignore[arg-type]
        value, low, high = getattr(section, spec.name), spec.metadata.get("low"), spec.metadata.get("high")
        if None not in (low, high, value) and not low <= value <= high:
            problems.append(f"{type(section).__name__}.{spec.name}: got {value}, expected {low} to {high}")
    if problems:
        raise ConfigError("; ".join(problems))


class Checked:
    """Base of all settings sections: ranges are checked on creation."""

    __pydantic_config__: ClassVar[dict[str, bool]] = {"coerce_numbers_to_str": True}  # landmark_rate = 25 is "25"

    def __post_init__(self) -> None:
        check_ranges(self)
