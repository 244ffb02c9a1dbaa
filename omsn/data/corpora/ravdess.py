"""The RAVDESS corpus (Livingstone & Russo 2018, doi 10.1371/journal.pone.0196391), by its official file names.

A name such as ``03-01-05-02-01-01-07.wav`` is modality (01 audio-video, 02 video-only, 03 audio-only), channel
(01 speech, 02 song), emotion (01 to 08), intensity (01 normal, 02 strong), statement, repetition and actor (odd
male, even female). The three modalities are one performance: files that share the last six fields are one clip.
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from omsn.data.corpora.corpus import Corpus, Skipped, file_problem, to_corpus, walk
from omsn.errors import ManifestError
from omsn.labels import RAVDESS_EMOTIONS
from omsn.media.find import MEDIA_SUFFIXES
from omsn.media.openface import SUFFIX as TABLE_SUFFIX
from omsn.types import Clip

Channel = Literal["speech", "song", "both"]

CHANNELS: Mapping[str, frozenset[str]] = {
    "speech": frozenset({"01"}),
    "song": frozenset({"02"}),
    "both": frozenset({"01", "02"}),
}
N_ACTORS = 24

_HIGHEST: Mapping[str, int] = {
    "modality": 3,
    "channel": 2,
    "emotion": len(RAVDESS_EMOTIONS),
    "intensity": 2,
    "statement": 2,
    "repetition": 2,
    "actor": N_ACTORS,
}
"""The fields of a name in their order and the highest code of each; all start at 01."""

_SUFFIXES: Mapping[str, tuple[str, ...]] = {"01": (".mp4",), "02": (".mp4",), "03": (".wav", ".flac")}
_LANDMARK_SUFFIXES = frozenset({".npz", TABLE_SUFFIX})
_CODES = re.compile(r"\d+(-\d+)+")
"""What the name of a table of landmarks looks like; other tables are none of ours."""
_ACTOR_FOLDER = re.compile(r"Actor_(\d+)", re.IGNORECASE)
_EXPECTED = (
    "RAVDESS files such as Actor_07/03-01-05-02-01-01-07.wav, Actor_07/01-01-05-02-01-01-07.mp4 or "
    "landmarks/Actor_07.npz or 01-01-05-02-01-01-07.csv (OpenFace), at any depth"
)


@dataclass(frozen=True)
class Trial:
    """One performance: the codes of the last six fields of a name."""

    channel: str
    emotion: str
    intensity: str
    statement: str
    repetition: str
    actor: str

    @property
    def clip(self) -> str:
        """The clip's name, such as "01-05-02-01-01-07"."""
        return "-".join((self.channel, self.emotion, self.intensity, self.statement, self.repetition, self.actor))


def parse_name(name: str) -> tuple[str, Trial]:
    """Read a file name without its suffix.

    Returns:
        The modality ("01" to "03") and the trial.

    Raises:
        ManifestError: this is no RAVDESS name.
    """
    codes = name.split("-")
    if len(codes) != len(_HIGHEST):
        raise ManifestError(f"is no RAVDESS name: got {len(codes)} fields between dashes, expected {len(_HIGHEST)}")
    for code, (field, highest) in zip(codes, _HIGHEST.items(), strict=True):
        if not re.fullmatch("[0-9]{2}", code) or not 1 <= int(code) <= highest:
            raise ManifestError(f"is no RAVDESS name: {field} is {code!r}, expected 01 to {highest:02}")
    modality, trial = codes[0], Trial(*codes[1:])
    if (trial.emotion, trial.intensity) == ("01", "02"):
        raise ManifestError("is no RAVDESS name: emotion 01 (neutral) has no strong intensity (02)")
    return modality, trial


def find(root: Path, channel: Channel = "speech") -> Corpus:
    """Find RAVDESS clips anywhere below ``root``, one clip a trial.

    Sound comes from the audio-only file, else from the audio-video one; the picture from the audio-video file, else
    from the video-only one; landmarks from ``Actor_AA.npz`` (entries ``02-01-EE-II-SS-RR-AA``) or from a table of
    OpenFace's for each clip (``01-01-EE-II-SS-RR-AA.csv``, as the corpus' authors publish them). A sung trial's
    repetition reads "song-01": speech and song of the same codes are two performances.

    Args:
        root: a folder in any layout: the Zenodo archives unpacked, one actor, or audio, video and landmarks apart.
        channel: which recordings to take.

    Raises:
        ManifestError: the channel is unknown, the folder is missing, or no clip of this channel is in it.
    """
    if channel not in CHANNELS:
        raise ManifestError(f"channel: got {channel!r}, expected one of {', '.join(CHANNELS)}")
    root = Path(os.path.abspath(root))
    trials, skipped = _collect(root)
    wanted = {trial: parts for trial, parts in trials.items() if trial.channel in CHANNELS[channel]}
    others = f"; {len(trials)} trials of the other channel are there" if trials and not wanted else ""
    clips = [_to_clip(trial, parts) for trial, parts in wanted.items()]
    return to_corpus(root, clips, skipped, f"{channel} clips: {_EXPECTED}{others}")


def _collect(root: Path) -> tuple[dict[Trial, dict[str, str]], list[Skipped]]:
    """All trials below ``root``: for each its parts ("01", "02", "03", "landmarks") and where they are."""
    trials: dict[Trial, dict[str, str]] = {}
    skipped: list[Skipped] = []
    for source in walk(root):
        try:
            names = list(_names(source))
        except ManifestError as error:
            skipped.append(Skipped(str(source), str(error)))
            continue
        for reference, name in names:
            try:
                part, trial = _place(source, root, name)
            except ManifestError as error:
                skipped.append(Skipped(reference, str(error)))
                continue
            first = trials.setdefault(trial, {}).setdefault(part, reference)
            if first != reference:
                skipped.append(Skipped(reference, f"is a duplicate of {first}"))
    return trials, skipped


def _names(source: Path) -> Iterator[tuple[str, str]]:
    """What a file holds: pairs of where it is and its RAVDESS name; nothing for files of other kinds."""
    suffix = source.suffix.lower()
    if suffix not in MEDIA_SUFFIXES | _LANDMARK_SUFFIXES or (
        suffix == TABLE_SUFFIX and not _CODES.fullmatch(source.stem)
    ):
        return
    if problem := file_problem(source):
        raise ManifestError(problem)
    if suffix != ".npz":
        yield str(source), source.stem
        return
    yield from ((f"{source}#{entry}", entry) for entry in _archive_entries(source))


def _archive_entries(source: Path) -> list[str]:
    """Names of the arrays in an ``.npz`` archive, after a check of every array's checksum."""
    try:
        with zipfile.ZipFile(source) as archive:
            damaged = archive.testzip()
            names = archive.namelist()
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError) as error:
        raise ManifestError(f"is a damaged archive: {error}") from error
    if damaged:
        raise ManifestError(f"is a damaged archive: the checksum of {damaged} is wrong")
    return [name.removesuffix(".npy") for name in names]


def _place(source: Path, root: Path, name: str) -> tuple[str, Trial]:
    """Which part of which trial this is, where name, suffix and folder agree."""
    modality, trial = parse_name(name)
    suffix = source.suffix.lower()
    if suffix in _LANDMARK_SUFFIXES:
        part, fitting = "landmarks", modality != "03"
    else:
        part, fitting = modality, suffix in _SUFFIXES[modality]
    if not fitting:
        raise ManifestError(f"has modality {modality}, which does not fit a {suffix} file")
    actor = _actor_of_folder(source, root)
    if actor is not None and actor != int(trial.actor):
        raise ManifestError(f"is of actor {trial.actor} by its name but stands under Actor_{actor:02}")
    return part, trial


def _actor_of_folder(source: Path, root: Path) -> int | None:
    """The number in the nearest ``Actor_AA`` among the archive's own name and the folders up to ``root``."""
    folders = (source.stem, *reversed(source.relative_to(root).parent.parts), root.name)
    matches = (_ACTOR_FOLDER.fullmatch(folder) for folder in folders)
    return next((int(match[1]) for match in matches if match), None)


def _to_clip(trial: Trial, parts: Mapping[str, str]) -> Clip:
    return Clip(
        clip=trial.clip,
        speaker=trial.actor,
        emotion=RAVDESS_EMOTIONS.names[int(trial.emotion) - 1],
        audio=parts.get("03") or parts.get("01", ""),
        video=parts.get("01") or parts.get("02", ""),
        landmarks=parts.get("landmarks", ""),
        intensity={"01": "normal", "02": "strong"}[trial.intensity],
        statement=trial.statement,
        repetition=trial.repetition if trial.channel == "01" else f"song-{trial.repetition}",
        sex="male" if int(trial.actor) % 2 else "female",
        corpus="ravdess",
    )
