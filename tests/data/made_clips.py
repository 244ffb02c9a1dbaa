"""Clips for the tests of prepare and dataset: WAV files and landmark archives that the tests write themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from omsn.types import Clip, Floats

RATE_HZ = 16000
LANDMARK_HZ = 30000 / 1001
EMOTIONS = ("neutral", "happy", "sad")


def voice(seconds: float, seed: int) -> Floats:
    """Ten harmonics of a wavering pitch over a little noise."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(120 + 10 * seed % 60 + 20 * np.sin(5 * times_s)) / RATE_HZ
    harmonics = sum(np.sin(order * phase) / order for order in range(1, 11))
    samples: Floats = (0.1 * harmonics + 1e-3 * rng.standard_normal(len(times_s))).astype(np.float32)
    return samples


def face(seconds: float, seed: int) -> Floats:
    """Landmarks (T, 68, 2) of an oval whose points wander by a pixel; whole numbers."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = np.stack([320 + 80 * np.cos(angles), 240 + 100 * np.sin(angles)], axis=1)
    points[36:42], points[42:48] = points[36:42] * 0 + (290, 220), points[42:48] * 0 + (350, 220)
    n_frames = round(seconds * LANDMARK_HZ)
    return np.rint(points + rng.normal(size=(n_frames, 68, 2))).astype(np.float32)


def write_clip(folder: Path, number: int, seconds: float = 0.5) -> Clip:
    """A clip with sound and landmarks, of the speaker and emotion that its number gives."""
    sound, landmarks = folder / f"clip_{number:02d}.wav", folder / f"clip_{number:02d}.npz"
    soundfile.write(sound, voice(seconds, number), RATE_HZ, subtype="PCM_16")
    np.savez(landmarks, face=face(seconds, number).astype(np.int16))
    return Clip(
        f"clip_{number:02d}",
        speaker=f"{number % 4 + 1:02d}",
        emotion=EMOTIONS[number % 3],
        audio=str(sound),
        landmarks=f"{landmarks}#face",
        corpus="made",
    )


def write_clips(folder: Path, count: int, seconds: float = 0.5) -> list[Clip]:
    folder.mkdir(parents=True, exist_ok=True)
    return [write_clip(folder, number, seconds) for number in range(count)]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, half-written ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
