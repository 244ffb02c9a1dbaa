"""What is around the head: a soft wall, neck and shoulders; and the noise of a camera."""

from __future__ import annotations

import cv2
import numpy as np

from omsn.data.synthetic.face import Picture
from omsn.data.synthetic.paint import Canvas, stencil
from omsn.data.synthetic.speakers import Looks

UNIT_SHARE = 0.165
"""One face unit as a share of the picture's height."""
EYE_HEIGHT = 0.42
"""Height of the eyes as a share of the picture's height."""

_N_NOISES = 7
_NOISE = 2.2
_NOISE_SHIFT = 101
_LENS_BLUR = 0.55


def eyes_at(size: tuple[int, int]) -> tuple[float, float]:
    """The point between the eyes at rest for a picture of this width and height, in pixels."""
    return size[0] / 2, EYE_HEIGHT * size[1]


def paint_backdrop(looks: Looks, size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """The picture without the head, (H, W, 3) RGB; ``size`` is width and height in pixels."""
    width, height = size
    x, y = np.linspace(-1, 1, width)[None, :], np.linspace(-1, 1, height)[:, None]
    light = 1 - 0.12 * (x - np.sign(looks.light_x) * 0.5) ** 2 - 0.1 * y
    for _ in range(5):  # things on the wall, far out of focus
        centre, spread = rng.uniform(-1, 1, 2), rng.uniform(0.15, 0.5)
        light = light + rng.uniform(-0.1, 0.06) * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / spread**2)
    wall = np.array((*looks.backdrop, 255)) * light[..., None]
    canvas = Canvas(wall.astype(np.float32), UNIT_SHARE * height, eyes_at(size))
    _paint_body(canvas, looks)
    return np.clip(canvas.pixels[..., :3], 0, 255).astype(np.uint8)


def _paint_body(canvas: Canvas, looks: Looks) -> None:
    red, green, blue = (0.72 * np.array(looks.skin)).tolist()
    neck = np.array([(-0.62, 0.9), (0.62, 0.9), (0.66, 2.0), (1.1, 2.5), (-1.1, 2.5), (-0.66, 2.0)])
    stencil(canvas, neck * (looks.face_width, 1), 0.05).paint(canvas, (red, green, blue))
    chin_shadow = np.array([(-0.7, 1.4), (0.7, 1.4), (0.5, 2.0), (0.0, 2.12), (-0.5, 2.0)])
    stencil(canvas, chin_shadow * (looks.face_width, 1), 0.12).darken(canvas, 0.62)
    half = [(0.62, 2.02), (1.0, 2.28), (1.9, 2.5), (2.35, 2.85), (2.5, 4.2)]
    shirt = np.array([(-x, y) for x, y in half[::-1]] + [(0.0, 2.6)] + half)
    stencil(canvas, shirt, 0.02).paint(canvas, looks.shirt)
    collar = np.array([(-0.62, 2.02), (0.0, 2.6), (0.62, 2.02), (0.72, 2.1), (0.0, 2.74), (-0.72, 2.1)])
    stencil(canvas, collar, 0.02).darken(canvas, 0.75)


class Camera:
    """Blurs a little, and adds the noise of a sensor: a few noise pictures in turn, shifted anew for every frame."""

    def __init__(self, size: tuple[int, int], rng: np.random.Generator) -> None:
        width, height = size
        grain = rng.normal(0, _NOISE, (_N_NOISES, height, width, 1)) + rng.normal(0, 0.8, (_N_NOISES, height, width, 3))
        self._brighter = np.clip(np.round(grain), 0, 255).astype(np.uint8)
        self._darker = np.clip(np.round(-grain), 0, 255).astype(np.uint8)

    def take(self, picture: Picture, number: int) -> Picture:
        """The picture as the camera sees it, (H, W, 3); ``number`` counts the frames of the clip."""
        row = number * _NOISE_SHIFT % len(picture)
        brighter, darker = (np.roll(grain[number % _N_NOISES], row, axis=0) for grain in (self._brighter, self._darker))
        blurred = cv2.GaussianBlur(picture, (3, 3), _LENS_BLUR)
        return cv2.subtract(cv2.add(blurred, brighter), darker).astype(np.uint8, copy=False)
