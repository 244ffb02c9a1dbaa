"""WAV and FLAC files, through libsndfile: exact to the sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from omsn.errors import MediaError
from omsn.media.container import raise_broken_off
from omsn.types import Floats, Sound

UNKNOWN_RIFF_BYTES = 2**31 - 2**16
"""Programs that write WAV into a pipe cannot know its size: they fill in one from here up, or nearly 0."""


def is_pcm_file(path: Path) -> bool:
    """True for WAV and FLAC, whatever the file is called."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"fLaC" or (head[:4] == b"RIFF" and head[8:] == b"WAVE")


def read_pcm(path: Path, start_s: float, end_s: float | None) -> Sound:
    """Read [start_s, end_s) at the file's own rate, mixed to one channel.

    Raises:
        MediaError: the file cannot be read, breaks off, or holds samples that are no numbers.
    """
    try:
        with soundfile.SoundFile(path) as file:
            _check_riff_size(path, file.frames / file.samplerate)
            first = min(max(round(start_s * file.samplerate), 0), file.frames)
            last = file.frames if end_s is None else min(round(end_s * file.samplerate), file.frames)
            file.seek(first)
            samples = _read_mixed(file, last - first, path)
            rate_hz = file.samplerate
    except soundfile.LibsndfileError as error:
        raise MediaError(f"{path}: not a readable WAV or FLAC file ({error}); export it again") from error
    if not np.isfinite(samples).all():
        raise MediaError(f"{path}: holds samples that are NaN or infinite; export the sound again")
    return Sound(samples, rate_hz, first / rate_hz)


def _read_mixed(file: soundfile.SoundFile, n_samples: int, path: Path) -> Floats:
    """Read second by second, so that a damaged file can tell how far it got."""
    blocks = [np.zeros(0, np.float32)]
    got, first_s = 0, file.tell() / file.samplerate
    while got < n_samples:
        try:
            block = file.read(min(file.samplerate, n_samples - got), dtype="float32", always_2d=True)  # (n, channels)
        except soundfile.LibsndfileError:
            block = np.zeros((0, file.channels), np.float32)
        if not len(block):
            raise_broken_off(path, first_s + got / file.samplerate, file.frames / file.samplerate)
        blocks.append(block.mean(axis=1, dtype=np.float32))  # (n,)
        got += len(block)
    return np.concatenate(blocks)


def _check_riff_size(path: Path, readable_s: float) -> None:
    """Compare the size that a WAV header promises with the file's: libsndfile reads what there is and says nothing."""
    with path.open("rb") as file:
        head = file.read(8)
    promised, size = int.from_bytes(head[4:], "little"), path.stat().st_size
    if head[:4] == b"RIFF" and size < promised < UNKNOWN_RIFF_BYTES:
        raise_broken_off(path, readable_s, readable_s * promised / size)
