"""Recipes: named settings as TOML files that hold the differences from the defaults, and a reason.

Anything a recipe may set, ``--set pipeline.audio.n_mels=64`` may set too.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from omsn.config import Config
from omsn.errors import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

T = TypeVar("T")


def recipe_names() -> tuple[str, ...]:
    """Recipes that the package carries."""
    files = resources.files("omsn.recipes").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def load_config(recipe: str = "default", settings: Sequence[str] = ()) -> Config:
    """Settings of a recipe, then each ``a.b=value`` on top.

    Args:
        recipe: a name of ``recipe_names()``, or a TOML file.
        settings: such as "training.epochs=20"; values are read as TOML, or as text where that fails.

    Raises:
        ConfigError: unknown recipe or setting, a value of the wrong type or out of range; all are listed.
    """
    return _on_top(_read_recipe(recipe), settings)


def with_settings(config: Config, settings: Sequence[str]) -> Config:
    """A copy of the settings with each ``a.b=value`` on top; a number written by ``json.dumps`` comes back unchanged.

    Raises:
        ConfigError: unknown setting, a value of the wrong type or out of range; all are listed.
    """
    return _on_top(to_dict(config), settings)


def from_dict(kind: type[T], values: Mapping[str, Any]) -> T:
    """A settings dataclass from plain values, as JSON or TOML hold them; what they leave out is as in ``kind()``.

    Raises:
        ConfigError: unknown names, wrong types, values out of range; all are listed.
    """
    from pydantic import TypeAdapter, ValidationError  # loaded here: the command line must start fast

    problems = _unknown(kind, values, "")
    try:
        config = TypeAdapter(kind).validate_python(_laid_over(asdict(kind()), values))  # type: ignore[call-overload]
    except ValidationError as error:
        problems += [problem for item in error.errors() if (problem := _problem(item))]
    if problems:
        raise ConfigError("; ".join(problems))
    return config


def to_dict(config: object) -> dict[str, Any]:
    """Plain values of a settings dataclass, as JSON holds them and ``from_dict`` reads them."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config)))  # type: ignore[call-overload]
    return plain


def flat_settings(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings under the dotted names that ``--set`` takes, in their order.

    >>> flat_settings({"training": {"epochs": 20, "augment": {"noise": 0.2}}})
    {'training.epochs': 20, 'training.augment.noise': 0.2}
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flat_settings(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that a run was recorded with, and the defaults of those that were not there yet.

    Raises:
        ConfigError: some are no settings any more, or out of range.
    """
    return to_dict(from_dict(Config, config))


def differing_settings(run: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """One line for each setting that a run has otherwise than is wanted; nested settings, as JSON holds them."""
    there, here = flat_settings(run), flat_settings(wanted)
    return [
        f"{name} is {there.get(name)}, not {here.get(name)}"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    ]


def to_json(config: object) -> str:
    """A settings dataclass as JSON with sorted names: equal settings give equal text."""
    return json.dumps(to_dict(config), sort_keys=True)


def _laid_over(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults with values in their place, section by section.

    A section's defaults are those of the setting that holds it: two settings of one kind may have different ones.
    """
    laid = {**defaults, **values}
    for name, default in defaults.items():
        if isinstance(default, Mapping) and isinstance(own := laid[name], Mapping):
            laid[name] = _laid_over(default, own)
    return laid


def _read_recipe(recipe: str) -> dict[str, Any]:
    if recipe in recipe_names():
        text = resources.files("omsn.recipes").joinpath(f"{recipe}.toml").read_text(encoding="utf-8")
    elif recipe.endswith(".toml"):
        try:
            text = Path(recipe).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"recipe {recipe}: cannot read the file ({error})") from error
    else:
        raise ConfigError(f"unknown recipe {recipe!r}; expected one of {', '.join(recipe_names())}, or a .toml file")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"recipe {recipe}: not valid TOML ({error})") from error


def _on_top(values: dict[str, Any], settings: Sequence[str]) -> Config:
    for setting in settings:
        _put(values, setting)
    return from_dict(Config, values)


def _put(values: dict[str, Any], setting: str) -> None:
    """Set one ``a.b.c=value`` in nested dicts."""
    path, equals, text = setting.partition("=")
    *sections, name = path.strip().split(".")
    if not equals or not all((*sections, name)):
        raise ConfigError(f"setting {setting!r}: expected section.name=value, for instance training.epochs=20")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"setting {setting!r}: {section} is a value, not a section")
    try:
        values[name] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        values[name] = text.strip()


def _problem(found: ErrorDetails) -> str:
    """A line for one of pydantic's findings; empty where ``_unknown`` has said it."""
    place = ".".join(map(str, found["loc"]))
    if found["type"] == "dataclass_type":
        return ""
    if found["type"] == "value_error":  # raised by the settings themselves, and says all
        return f"{place}: {found['ctx']['error']}".removeprefix(": ")
    return f"{place}: got {found['input']!r}: {found['msg']}"


def _unknown(kind: Any, values: Mapping[str, Any], prefix: str) -> list[str]:
    """A line for each name that the dataclass does not have, with those that it has."""
    specs = {spec.name: spec for spec in fields(kind)}
    problems = []
    for name, value in values.items():
        if name not in specs:
            problems.append(f"unknown setting {prefix}{name}; expected one of {', '.join(specs)}")
        elif is_dataclass(specs[name].default):
            if isinstance(value, Mapping):
                problems += _unknown(type(specs[name].default), value, f"{prefix}{name}.")
            else:
                problems.append(f"{prefix}{name}: got {value!r}, expected a section")
    return problems
