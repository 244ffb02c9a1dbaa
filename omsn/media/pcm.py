"""WAV and FLAC files, through libsndfile: exact to the sample."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from omsn.errors import MediaError
from omsn.media.container import raise_broken_off, riff_share
from omsn.types import Floats, Sound


def is_pcm_file(path: Path) -> bool:
    """True for WAV and FLAC, whatever the file is called."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"fLaC" or (head[:4] == b"RIFF" and head[8:] == b"WAVE")


def pcm_blocks(path: Path, start_s: float, end_s: float | None) -> Iterator[Sound]:
    """Read [start_s, end_s) at the file's own rate, mixed to one channel, second by second.

    Yields:
        One piece at least; without samples where the file has none in the part asked for.

    Raises:
        MediaError: the file cannot be read, breaks off, or holds samples that are no numbers.
    """
    try:
        with soundfile.SoundFile(path) as file:
            if (share := riff_share(path)) < 1:
                raise_broken_off(path, file.frames / file.samplerate, file.frames / file.samplerate / share)
            first = min(max(round(start_s * file.samplerate), 0), file.frames)
            last = file.frames if end_s is None else min(round(end_s * file.samplerate), file.frames)
            file.seek(first)
            yield Sound(np.zeros(0, np.float32), file.samplerate, first / file.samplerate)
            for place in range(first, last, file.samplerate):
                samples = _read_mixed(file, path, place, min(file.samplerate, last - place))
                yield Sound(samples, file.samplerate, place / file.samplerate)
    except soundfile.LibsndfileError as error:
        raise MediaError(f"{path}: not a readable WAV or FLAC file ({error}); export it again") from error


def _read_mixed(file: soundfile.SoundFile, path: Path, place: int, n_samples: int) -> Floats:
    """The next samples (n,), the mean of all channels; ``place`` is where the file stands."""
    try:
        block = file.read(n_samples, dtype="float32", always_2d=True)  # (n, channels)
    except soundfile.LibsndfileError:
        block = np.zeros((0, file.channels), np.float32)
    if len(block) < n_samples:
        raise_broken_off(path, (place + len(block)) / file.samplerate, file.frames / file.samplerate)
    if not np.isfinite(block).all():
        raise MediaError(f"{path}: holds samples that are NaN or infinite; export the sound again")
    mixed: Floats = block.mean(axis=1, dtype=np.float32)  # (n,)
    return mixed
