"""Small films with a real face in them, and the clips that name them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from made_media import tone, write_media
from portrait import scene

from omsn.media.video import Image
from omsn.types import Clip

RATE_HZ = 25
SIZE = {"height": 180, "width": 320, "side": 150}


def moving_face(n_frames: int = 10, x: int = 40, y: int = 10) -> list[Image]:
    """Pictures of a face that goes to the right."""
    return [scene((x + number, y), **SIZE) for number in range(n_frames)]


def nobody(n_frames: int = 10) -> list[Image]:
    return [np.full((SIZE["height"], SIZE["width"], 3), 90, np.uint8) for _ in range(n_frames)]


def write_face_film(path: Path, images: Sequence[Image] | None = None, **options: str) -> Clip:
    """A film with a sound that rises from start to end, so that its moments can be told apart; and its clip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = moving_face() if images is None else list(images)
    samples = tone(len(images) / RATE_HZ)
    rising = (samples * np.linspace(0.2, 1, len(samples))).astype(np.float32)
    write_media(path, rising, list(images), **options)  # type: ignore[arg-type]  # only codecs are given here
    return Clip(path.stem, "01", "sad", audio=str(path), video=str(path), corpus="made")
