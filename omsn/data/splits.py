"""Evaluation protocols: which clips train, which choose (validation), which are scored (test).

The test part chooses nothing. Validation comes out of the training part: whole speakers where the protocol keeps
speakers apart, a stratified share where it does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit

from omsn.errors import InputError
from omsn.types import Clip

Attribute = Literal["speaker", "statement"]

RANDOM_TEST_SHARE = 0.2
GROUP_SIZE = 4
N_ACTORS = 24

LUNA_GROUPS = ({2, 5, 14, 15, 16}, {3, 6, 7, 13, 18}, {10, 11, 12, 19, 20}, {8, 17, 21, 23, 24}, {1, 4, 9, 22})
"""Test actors of folds 0 to 4 in Luna-Jimenez et al. 2022, section 3.1 (doi 10.3390/app12010327)."""
EMOBOX_GROUPS = (
    {1, 11, 20, 21},
    {4, 10, 12, 14},
    {8, 9, 19, 23},
    {3, 5, 7, 24},
    {2, 15, 16, 18},
    {6, 13, 17, 22},
)
"""Test actors of each fold in EmoBox (Ma et al. 2024, arXiv 2406.07162)."""


@dataclass(frozen=True)
class Fold:
    """One round of an evaluation: positions in the sequence of clips, rising; no position is in two parts."""

    name: str
    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


class Cut(NamedTuple):
    """A fold before validation is taken out of its training part."""

    name: str
    train: Sequence[int]
    test: Sequence[int]


@dataclass(frozen=True)
class Protocol:
    """A named way to cut a corpus.

    Attributes:
        name: what the user types.
        title: what it is, for reports.
        disjoint_by: what the test part shares with no other part.
        cut: (clips, seed) -> folds, still without validation.
    """

    name: str
    title: str
    disjoint_by: frozenset[Attribute]
    cut: Callable[[Sequence[Clip], int], Iterable[Cut]]


def make_folds(clips: Sequence[Clip], protocol: str, seed: int, validation_share: float = 0.15) -> tuple[Fold, ...]:
    """Cut clips into folds; the same arguments give the same folds.

    Args:
        clips: the corpus; speakers of one name in two corpora are two people.
        protocol: a name of ``PROTOCOLS``.
        seed: chooses validation, and the test part of ``random-80-20``.
        validation_share: part of the training speakers (or clips, where speakers are shared), 0 to below 1; where it
            is above 0, at least one speaker, or as many clips as there are emotions.

    Raises:
        InputError: the protocol is unknown or does not fit the clips; the message names those that do.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"unknown protocol {protocol!r}; expected one of {', '.join(PROTOCOLS)}")
    if not 0 <= validation_share < 1:
        raise InputError(f"validation_share: got {validation_share}, expected 0 to below 1")
    if seed < 0:
        raise InputError(f"seed: got {seed}, expected 0 or more")
    if not clips:
        raise InputError(f"protocol {protocol}: no clips to cut")
    try:
        return _folds(clips, PROTOCOLS[protocol], seed, validation_share)
    except InputError as error:
        fitting = [name for name in PROTOCOLS if name != protocol and _fits(clips, name, seed, validation_share)]
        hint = f"protocols that fit these clips: {', '.join(fitting) or 'none'}"
        raise InputError(f"protocol {protocol}: {error}; {hint}") from error


def hold_out(clips: Sequence[Clip], share: float, seed: int) -> Fold:
    """One fold: a share of the speakers (of the clips, where speakers are unknown) is its test part.

    Raises:
        InputError: nothing is left to train on, or nothing is held out.
    """
    everything, generator = range(len(clips)), np.random.default_rng(seed)
    known = all(clip.speaker for clip in clips)
    test = (_speakers_out if known else _stratified_out)(clips, everything, share, generator)
    train = tuple(sorted(set(everything) - test))
    if not (train and test):
        raise InputError(
            f"held-out share {share} of {len(clips)} clips: got {len(train)} to train on, {len(test)} held out"
        )
    return Fold("held-out", train, (), tuple(sorted(test)))


def _fits(clips: Sequence[Clip], protocol: str, seed: int, validation_share: float) -> bool:
    try:
        return bool(_folds(clips, PROTOCOLS[protocol], seed, validation_share))
    except InputError:
        return False


def _folds(clips: Sequence[Clip], protocol: Protocol, seed: int, validation_share: float) -> tuple[Fold, ...]:
    folds = []
    for number, cut in enumerate(cut for cut in protocol.cut(clips, seed) if cut.test):
        if not cut.train:
            raise InputError(f"{cut.name} leaves no clips to train on; the speakers or statements are too few")
        generator = np.random.default_rng([seed, number])
        if "speaker" in protocol.disjoint_by:
            validation = _speakers_out(clips, cut.train, validation_share, generator)
        else:
            validation = _stratified_out(clips, cut.train, validation_share, generator)
        train = set(cut.train) - validation
        folds.append(Fold(cut.name, tuple(sorted(train)), tuple(sorted(validation)), tuple(sorted(cut.test))))
    return tuple(folds)


# ---------------------------------------------------------------- validation out of the training part


def _speakers_out(
    clips: Sequence[Clip], train: Sequence[int], share: float, generator: np.random.Generator
) -> set[int]:
    """Clips of a share of the training speakers, as many of each sex as can be."""
    speakers = _values(clips, "speaker")
    sexes = {speakers[i]: clips[i].sex for i in train}
    if share == 0:
        return set()
    if len(sexes) < 2:
        raise InputError("validation needs a speaker of its own; only one speaker is left to train on")
    count = min(max(1, round(share * len(sexes))), len(sexes) - 1)
    chosen = set(_in_turns(sexes, generator)[:count])
    return {i for i in train if speakers[i] in chosen}


def _in_turns(sexes: Mapping[str, str], generator: np.random.Generator) -> list[str]:
    """All speakers in random order, the sexes taking turns."""
    order = generator.permutation(sorted(sexes)).tolist()
    turns = {sex: turn for turn, sex in enumerate(generator.permutation(sorted(set(sexes.values()))).tolist())}
    before = {speaker: sum(sexes[other] == sexes[speaker] for other in order[:i]) for i, speaker in enumerate(order)}
    return sorted(order, key=lambda speaker: (before[speaker], turns[sexes[speaker]]))


def _stratified_out(
    clips: Sequence[Clip], pool: Sequence[int], share: float, generator: np.random.Generator
) -> set[int]:
    """A share of the pool with the emotions in the pool's proportions; at least as many clips as emotions."""
    if share == 0:
        return set()
    emotions = [clips[i].emotion for i in pool]
    names = sorted(set(emotions))
    scarce = [name for name in names if emotions.count(name) < 2]
    if scarce:
        raise InputError(f"one clip only of {', '.join(map(repr, scarce))}; each emotion needs one in each part")
    count = max(math.ceil(share * len(pool)), len(names))
    if len(pool) - count < len(names):
        raise InputError(f"taking {count} of {len(pool)} clips leaves too few for {len(names)} emotions")
    splitter = StratifiedShuffleSplit(n_splits=1, test_size=count, random_state=int(generator.integers(2**31)))
    _, taken = next(splitter.split(emotions, emotions))
    return {pool[i] for i in taken}


# ---------------------------------------------------------------- cuts


def _values(clips: Sequence[Clip], attribute: Attribute) -> list[str]:
    """Each clip's speaker or statement, told apart between corpora.

    Raises:
        InputError: some clips have none.
    """
    missing = [clip.clip for clip in clips if not getattr(clip, attribute)]
    if missing:
        raise InputError(f"{len(missing)} of {len(clips)} clips have no {attribute}, the first is {missing[0]!r}")
    several = len({clip.corpus for clip in clips}) > 1
    return [f"{clip.corpus}-{getattr(clip, attribute)}" if several else getattr(clip, attribute) for clip in clips]


def _without(clips: Sequence[Clip], test: Sequence[int]) -> list[int]:
    return sorted(set(range(len(clips))) - set(test))


def _cut_random(clips: Sequence[Clip], seed: int) -> Iterator[Cut]:
    everything = range(len(clips))
    test = sorted(_stratified_out(clips, everything, RANDOM_TEST_SHARE, np.random.default_rng(seed)))
    yield Cut("random", _without(clips, test), test)


def _cut_each(attribute: Attribute) -> Callable[[Sequence[Clip], int], Iterator[Cut]]:
    """One fold for each speaker or statement."""

    def cut(clips: Sequence[Clip], seed: int) -> Iterator[Cut]:
        values = _values(clips, attribute)
        for value in sorted(set(values), key=_by_number):
            test = [i for i, other in enumerate(values) if other == value]
            yield Cut(f"{attribute}-{value}", _without(clips, test), test)

    return cut


def _cut_groups(groups: Sequence[set[int]]) -> Callable[[Sequence[Clip], int], Iterator[Cut]]:
    """One fold for each published group of RAVDESS actors."""

    def cut(clips: Sequence[Clip], seed: int) -> Iterator[Cut]:
        if not _is_ravdess(clips):
            raise InputError("its groups are RAVDESS actors; these clips are not all of corpus 'ravdess', actors 1-24")
        for number, group in enumerate(groups, start=1):
            test = [i for i, clip in enumerate(clips) if int(clip.speaker) in group]
            yield Cut(f"fold-{number}", _without(clips, test), test)

    return cut


def _cut_fours(clips: Sequence[Clip], seed: int) -> Iterator[Cut]:
    """Consecutive groups of four speakers: by their number in RAVDESS, elsewhere by their order."""
    values = _values(clips, "speaker")
    if _is_ravdess(clips):
        groups = {value: (int(value) - 1) // GROUP_SIZE for value in values}
    else:
        groups = {value: place // GROUP_SIZE for place, value in enumerate(sorted(set(values), key=_by_number))}
    for group in sorted(set(groups.values())):
        test = [i for i, value in enumerate(values) if groups[value] == group]
        yield Cut(f"fold-{group + 1}", _without(clips, test), test)


def _cut_both(clips: Sequence[Clip], seed: int) -> Iterator[Cut]:
    """A group of four speakers with one statement, against the other speakers with the other statements."""
    statements = _values(clips, "statement")
    for group in _cut_fours(clips, seed):
        for statement in sorted(set(statements), key=_by_number):
            test = [i for i in group.test if statements[i] == statement]
            train = [i for i in group.train if statements[i] != statement]
            yield Cut(f"{group.name}-statement-{statement}", train, test)


def _is_ravdess(clips: Sequence[Clip]) -> bool:
    return all(
        clip.corpus == "ravdess" and clip.speaker.isdecimal() and 1 <= int(clip.speaker) <= N_ACTORS for clip in clips
    )


def _by_number(name: str) -> tuple[bool, int, str]:
    """Sort key: "2" before "10"; names that are no numbers come last, by letters."""
    number = name.isdecimal()
    return not number, int(name) if number else 0, name


_SPEAKER: frozenset[Attribute] = frozenset({"speaker"})
_STATEMENT: frozenset[Attribute] = frozenset({"statement"})

PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("random-80-20", "random 80/20, stratified, speakers shared", frozenset(), _cut_random),
        Protocol("actors-4", "unseen speakers, consecutive groups of four", _SPEAKER, _cut_fours),
        Protocol("actors-luna", "unseen speakers, groups of Luna-Jimenez et al.", _SPEAKER, _cut_groups(LUNA_GROUPS)),
        Protocol("actors-emobox", "unseen speakers, groups of EmoBox", _SPEAKER, _cut_groups(EMOBOX_GROUPS)),
        Protocol("loso", "unseen speakers, leave one speaker out", _SPEAKER, _cut_each("speaker")),
        Protocol("statement", "unseen statement, speakers shared", _STATEMENT, _cut_each("statement")),
        Protocol("speaker+statement", "unseen speakers and unseen statement", _SPEAKER | _STATEMENT, _cut_both),
    )
}
