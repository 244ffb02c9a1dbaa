"""One real face for the tests of omsn.preprocess: an astronaut's portrait (NASA, public domain) out of scikit-image."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import skimage.data

from omsn.media.video import Frame, Image
from omsn.types import Floats

FACE_XYXY = (178.0, 81.0, 272.0, 175.0)
"""Where the face is in the portrait, to a few pixels."""


HEAD = (115, 30, 220)
"""Left, top and side of the square around the head."""


@cache
def portrait() -> Image:
    """(512, 512, 3) BGR."""
    load: Callable[[], Image] = skimage.data.astronaut
    image: Image = np.ascontiguousarray(np.asarray(load(), np.uint8)[:, :, ::-1])
    image.setflags(write=False)
    return image


def scene(*places: tuple[int, int], height: int = 360, width: int = 640, side: int = 320) -> Image:
    """A grey picture with the portrait's head, ``side`` pixels wide, put with its corner at each place (x, y)."""
    image = np.full((height, width, 3), 90, np.uint8)
    left, top, size = HEAD
    head = cv2.resize(portrait()[top : top + size, left : left + size], (side, side), interpolation=cv2.INTER_AREA)
    for x, y in places:
        image[y : y + side, x : x + side] = head[: height - y, : width - x]
    return image


def face_in_scene(place: tuple[int, int], side: int = 320) -> Floats:
    """The box of the face that ``scene`` puts at a place: left, top, right, bottom."""
    left, top, size = HEAD
    box = (np.array(FACE_XYXY) - (left, top, left, top)) * side / size + (*place, *place)
    return box.astype(np.float32)


def frames(images: list[Image], rate_hz: float = 10.0) -> list[Frame]:
    return [Frame(image, number / rate_hz) for number, image in enumerate(images)]
