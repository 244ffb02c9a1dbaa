"""Leak check: does the test part hold what training has seen, though the protocol says it does not?"""

from __future__ import annotations

import math
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple

from omsn.data.splits import Attribute, Fold
from omsn.errors import LeakError
from omsn.types import Clip

Kind = Literal["clip", "file", "trial", "copy", "speaker", "statement"]

Fact = tuple[Kind, tuple[str, ...]]

Content = tuple[str, str]
"""What a clip holds, "sound" or "face", and a digest of it."""

_SHOWN = 3
"""Leaks of each kind that a message shows."""


class _Part(NamedTuple):
    name: str
    clips: Sequence[Clip]
    contents: Sequence[Collection[Content]]


@dataclass(frozen=True)
class Leak:
    """Something that stands on both sides of a cut.

    Attributes:
        kind: what is shared.
        what: the clip, file, trial, speaker or statement shared; of a copy, "sound" or "face".
        sides: the two parts, such as ("train", "test").
        clips: for each side the first clip that has it.
        forbidden: False where the protocol shares it openly, so that it is a warning only.
    """

    kind: Kind
    what: str
    sides: tuple[str, str]
    clips: tuple[str, str]
    forbidden: bool = True

    def __str__(self) -> str:
        here, there = self.sides
        return f"{self.kind} {self.what} is in {here} ({self.clips[0]}) and in {there} ({self.clips[1]})"


def find_leaks(
    clips: Sequence[Clip],
    fold: Fold,
    disjoint_by: Collection[Attribute],
    contents: Sequence[Collection[Content]] | None = None,
) -> tuple[Leak, ...]:
    """Compare the three parts of a fold with each other.

    No two parts may share a clip, overlapping stretches of one file, or a trial: clips of one corpus, speaker,
    emotion, intensity, statement and repetition, such as the audio-only and the video-only copy of a performance
    (only where speaker, statement and repetition are known). Where ``contents`` tells what clips hold, copies count
    too: the very same sound or face under two names. They are forbidden where ``disjoint_by`` keeps anything apart and
    a warning elsewhere, for RAVDESS itself has some. A shared speaker is forbidden where ``disjoint_by`` says so and a
    warning elsewhere. A shared statement counts only where ``disjoint_by`` says so, and only in the test part:
    validation may speak what training speaks.
    """
    held = [()] * len(clips) if contents is None else contents
    parts = [
        _Part(name, [clips[i] for i in indices], [held[i] for i in indices])
        for name, indices in (("train", fold.train), ("validation", fold.validation), ("test", fold.test))
    ]
    leaks: list[Leak] = []
    for here, there in combinations(parts, 2):
        leaks += _shared_facts(here, there, _forbidden_kinds(here, there, disjoint_by))
        leaks += _shared_files(here, there)
    return tuple(leaks)


def check_leaks(
    clips: Sequence[Clip],
    fold: Fold,
    disjoint_by: Collection[Attribute],
    allow: bool = False,
    contents: Sequence[Collection[Content]] | None = None,
) -> tuple[Leak, ...]:
    """Refuse a fold with forbidden leaks.

    Args:
        clips: the corpus.
        fold: positions in ``clips``.
        disjoint_by: what the protocol claims to keep apart.
        allow: return forbidden leaks too instead of raising.
        contents: digests of what each clip holds; None looks for no copies under other names.

    Returns:
        All leaks that were let pass, for the report to print.

    Raises:
        LeakError: there are forbidden leaks; the message counts them and shows the first of each kind.
    """
    leaks = find_leaks(clips, fold, disjoint_by, contents)
    forbidden = [leak for leak in leaks if leak.forbidden]
    if forbidden and not allow:
        counts = ", ".join(f"{count} x {kind}" for kind, count in Counter(leak.kind for leak in forbidden).items())
        kinds = dict.fromkeys(leak.kind for leak in forbidden)
        shown = [leak for kind in kinds for leak in [leak for leak in forbidden if leak.kind == kind][:_SHOWN]]
        lines = "".join(f"\n  {leak}" for leak in shown)
        raise LeakError(
            f"{fold.name}: parts share what the protocol keeps apart ({counts}){lines}\n"
            "  remove the copies, correct the speakers, take another protocol, or allow leaks (--allow-leaks)"
        )
    return leaks


def _forbidden_kinds(here: _Part, there: _Part, disjoint_by: Collection[Attribute]) -> set[Kind]:
    kinds: set[Kind] = {"clip", "file", "trial", *disjoint_by, *(("copy",) if disjoint_by else ())}
    return kinds if "test" in (here.name, there.name) else kinds - {"statement"}


def _shared_facts(here: _Part, there: _Part, forbidden: Collection[Kind]) -> Iterator[Leak]:
    """One leak for each clip, trial, copy, speaker or statement of both; statements only where they are forbidden."""
    first, other = _first_with(here), _first_with(there)
    for fact in other:
        kind, values = fact
        if fact in first and (kind != "statement" or kind in forbidden):
            what = values[0] if kind == "copy" else "/".join(value for value in values if value)
            pair = (first[fact].clip, other[fact].clip)
            yield Leak(kind, what, (here.name, there.name), pair, kind in forbidden)


def _first_with(part: _Part) -> dict[Fact, Clip]:
    """Every fact of a part's clips and the first that has it."""
    first: dict[Fact, Clip] = {}
    for clip, contents in zip(part.clips, part.contents, strict=True):
        for fact in (*_facts(clip), *(("copy", content) for content in contents)):
            first.setdefault(fact, clip)
    return first


def _facts(clip: Clip) -> Iterator[Fact]:
    """What is known of a clip, its files apart."""
    yield "clip", (clip.clip,)
    if clip.speaker and clip.statement and clip.repetition:
        yield "trial", (clip.corpus, clip.speaker, clip.emotion, clip.intensity, clip.statement, clip.repetition)
    if clip.speaker:
        yield "speaker", (clip.corpus, clip.speaker)
    if clip.statement:
        yield "statement", (clip.corpus, clip.statement)


def _shared_files(here: _Part, there: _Part) -> Iterator[Leak]:
    """One leak for each file of which both parts use the same stretch of time."""
    users: dict[str, list[Clip]] = defaultdict(list)
    for clip in here.clips:
        for file in _files(clip):
            users[file].append(clip)
    shared: dict[str, tuple[str, str]] = {}
    for clip in there.clips:
        for file in _files(clip) & users.keys() - shared.keys():
            others = [user for user in users[file] if _overlap(user, clip)]
            if others:
                shared[file] = (others[0].clip, clip.clip)
    for file, pair in sorted(shared.items()):
        yield Leak("file", file, (here.name, there.name), pair)


def _files(clip: Clip) -> set[str]:
    return {os.path.normpath(file) for file in (clip.audio, clip.video, clip.landmarks) if file}


def _overlap(one: Clip, other: Clip) -> bool:
    ends = [math.inf if clip.end_s is None else clip.end_s for clip in (one, other)]
    return max(one.start_s, other.start_s) < min(ends)
