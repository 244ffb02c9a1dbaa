"""A corpus whose file names tell speaker, emotion and the rest by a template."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from string import Formatter

from omsn.data.corpora.corpus import Corpus, Skipped, file_problem, one_clip, to_corpus, walk
from omsn.errors import ManifestError
from omsn.media.find import MEDIA_SUFFIXES
from omsn.types import Clip

FIELDS: Mapping[str, str] = {
    "clip": "clip",
    "speaker": "speaker",
    "emotion": "emotion",
    "intensity": "intensity",
    "statement": "statement",
    "repetition": "repetition",
    "take": "repetition",
    "sex": "sex",
}
"""Fields of a template and the column of the manifest that each fills."""


def compile_template(template: str) -> re.Pattern[str]:
    """Turn a template such as ``{speaker}/{emotion}_{take}.mp4`` into an expression with a group a column.

    A field that stands twice must have the same text both times. A template without a media suffix takes them all.

    Raises:
        ManifestError: the template has problems; all are listed.
    """
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise ManifestError(f"template {template!r}: {error}; write fields as {{emotion}}") from error
    problems = _problems(pieces)
    if problems:
        raise ManifestError(f"template {template!r}: {'; '.join(problems)}")
    expression, seen = "", set[str]()
    for literal, field, _, _ in pieces:
        expression += re.escape(literal)
        if field is not None:
            column = FIELDS[field]
            expression += f"(?P={column})" if column in seen else f"(?P<{column}>[^/]+?)"
            seen.add(column)
    if Path(template).suffix.lower() not in MEDIA_SUFFIXES:
        expression += r"\.[^./]+"
    return re.compile(expression)


def _problems(pieces: list[tuple[str, str | None, str | None, str | None]]) -> list[str]:
    fields = [field for _, field, _, _ in pieces if field is not None]
    unknown = sorted({field for field in fields if field not in FIELDS})
    problems = []
    if unknown:
        problems.append(f"unknown fields {', '.join(map(repr, unknown))}, expected some of {', '.join(FIELDS)}")
    if "emotion" not in fields:
        problems.append("has no {emotion}")
    if {"take", "repetition"} <= set(fields):
        problems.append("{take} and {repetition} fill the same column; use one of them")
    if any(spec or conversion for _, _, spec, conversion in pieces):
        problems.append("fields take no format; write {emotion}, not {emotion:02}")
    problems += [
        f"{{{before}}} and {{{field}}} are adjacent; put some text between them"
        for (_, before, _, _), (literal, field, _, _) in pairwise(pieces)
        if not literal and before is not None and field is not None
    ]
    return problems


def find(root: Path, template: str, labels: Mapping[str, str] | None = None) -> Corpus:
    """Find clips whose path ends as the template says.

    A template with n slashes is compared with the file's name and its n nearest folders. Without ``{clip}`` a clip's
    name is its path below ``root`` without the suffix. Files of one clip that differ in their suffix only are joined:
    sound from the sound file, picture from the video.

    Args:
        root: the folder to look through.
        template: such as ``{speaker}-{statement}-{emotion}_{take}.mp4``; see ``FIELDS``.
        labels: names for emotion codes, such as ``{"01": "class_1"}``; clips with a code not in it are passed over.

    Raises:
        ManifestError: the template has problems, or the folder is missing or holds no usable clip.
    """
    root, expression = Path(os.path.abspath(root)), compile_template(template)
    depth = template.count("/") + 1
    found: dict[tuple[str, Clip], list[Path]] = defaultdict(list)
    skipped: list[Skipped] = []
    for path in walk(root):
        if path.suffix.lower() not in MEDIA_SUFFIXES:
            continue
        try:
            clip = _read(path, root, expression, depth, labels)
        except ManifestError as error:
            skipped.append(Skipped(str(path), str(error)))
        else:
            found[str(path.with_suffix("")), clip].append(path)
    return to_corpus(root, _joined(found, skipped), skipped, f"files named as {template}")


def _joined(found: Mapping[tuple[str, Clip], list[Path]], skipped: list[Skipped]) -> list[Clip]:
    """Clips with their files; two clips of one name cannot be told apart, so the second is passed over."""
    clips: dict[str, Clip] = {}
    for (_, bare), paths in found.items():
        clip, copies = one_clip(bare, paths)
        first = clips.setdefault(clip.clip, clip)
        skipped.extend(copies)
        if first is not clip:
            skipped.extend(Skipped(str(path), f"has the clip name {clip.clip!r} of {first.audio}") for path in paths)
    return list(clips.values())


def _read(path: Path, root: Path, expression: re.Pattern[str], depth: int, labels: Mapping[str, str] | None) -> Clip:
    """The clip that a path tells of, still without files."""
    below = path.relative_to(root)
    match = expression.fullmatch("/".join(below.parts[-depth:]))
    if match is None:
        raise ManifestError("is not named as the template says")
    if problem := file_problem(path):
        raise ManifestError(problem)
    columns: dict[str, str] = {"clip": below.with_suffix("").as_posix(), "speaker": "", **match.groupdict()}
    if labels is not None:
        if columns["emotion"] not in labels:
            raise ManifestError(f"has emotion {columns['emotion']!r}, expected one of {', '.join(sorted(labels))}")
        columns["emotion"] = labels[columns["emotion"]]
    return Clip(
        clip=columns["clip"],
        speaker=columns["speaker"],
        emotion=columns["emotion"],
        intensity=columns.get("intensity", ""),
        statement=columns.get("statement", ""),
        repetition=columns.get("repetition", ""),
        sex=columns.get("sex", ""),
        corpus=root.name,
    )
