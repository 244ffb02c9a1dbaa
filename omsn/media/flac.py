"""Writing sound as FLAC: what a WAV file holds without loss, or what is decoded of any file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

from omsn.errors import MediaError
from omsn.media.probe import probe
from omsn.media.sound import sound_blocks
from omsn.types import Floats, Sound

LOSSLESS = {"PCM_16": "PCM_16", "PCM_24": "PCM_24", "PCM_U8": "PCM_S8"}
"""Kinds of samples in a WAV file that FLAC holds without loss, and what it calls them."""
MAX_CHANNELS = 8
ANY_RATE_HZ = 2**16 - 1
"""FLAC holds all rates up to this one, and above it those that are whole tens."""


def fits_flac(path: str | Path) -> bool:
    """True for a WAV file that FLAC holds without loss."""
    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError:
        return False
    in_flac = info.subtype in LOSSLESS and info.channels <= MAX_CHANNELS
    rate_fits = info.samplerate <= ANY_RATE_HZ or info.samplerate % 10 == 0
    return info.format.startswith("WAV") and in_flac and rate_fits and info.frames > 0  # it cannot be empty either


def wav_as_flac(path: str | Path) -> bytes:
    """All samples of a WAV file that ``fits_flac``, in less room and without loss."""
    content = BytesIO()
    with soundfile.SoundFile(path) as wav:
        subtype = LOSSLESS[wav.subtype]
        with soundfile.SoundFile(content, "w", wav.samplerate, wav.channels, subtype, format="FLAC") as file:
            for block in wav.blocks(wav.samplerate, dtype="int32"):
                file.write(block)
    return content.getvalue()


def part_as_flac(path: str | Path, start_s: float = 0.0, end_s: float | None = None) -> bytes:
    """The sound of any file from ``start_s`` to ``end_s``: mixed to one channel of 16 bits, at its own rate.

    Where the sound starts later than ``start_s``, silence comes first, so that the new file's clock starts there. Of a
    part without sound one sample of silence is left, as FLAC cannot be empty.

    Raises:
        MediaError: the file is missing, damaged, or has no sound.
    """
    rate_hz = probe(path).audio_rate_hz
    if rate_hz is None:
        raise MediaError(f"{path}: no sound to write; name a file with a sound track")
    content = BytesIO()
    with soundfile.SoundFile(content, "w", rate_hz, 1, "PCM_16", format="FLAC") as file:
        for samples in _after_silence(sound_blocks(path, rate_hz, start_s, end_s), start_s):
            file.write(samples)
        if not file.frames:
            file.write(np.zeros(1, np.float32))
    return content.getvalue()


def _after_silence(blocks: Iterable[Sound], start_s: float) -> Iterator[Floats]:
    """The samples of each block, and before them zeros from ``start_s`` until they start."""
    for number, block in enumerate(blocks):
        if number == 0:
            yield np.zeros(max(0, round((block.start_s - start_s) * block.rate_hz)), np.float32)
        yield block.samples
