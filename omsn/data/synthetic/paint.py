"""Soft shapes painted on a picture of floats, in face units.

One face unit is the distance between the pupils; the origin lies midway between them, x to the picture's right, y down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from omsn.types import Floats

Points = NDArray[np.float64]

_SUBPIXEL_BITS = 4
_UNSEEN = 0.02
_SHARPEST_PX = 0.3

_CIRCLE = np.linspace(0, 2 * np.pi, 24, endpoint=False)


@dataclass(frozen=True, eq=False)
class Canvas:
    """A picture that shapes are painted on, in place.

    Attributes:
        pixels: (H, W, 4) float32, 0 to 255: RGB and alpha, premultiplied.
        unit_px: pixels of one face unit.
        origin_px: x and y of the face's origin.
    """

    pixels: Floats
    unit_px: float
    origin_px: tuple[float, float]

    def copy(self) -> Canvas:
        """A canvas with its own pixels."""
        return Canvas(self.pixels.copy(), self.unit_px, self.origin_px)

    def to_pixels(self, points: Points) -> Points:
        """Face units to pixels: (n, 2) -> (n, 2)."""
        pixels: Points = points * self.unit_px + np.array(self.origin_px)
        return pixels

    def grid(self) -> tuple[Floats, Floats]:
        """Face-unit coordinates of the pixel centres: x (1, W) and y (H, 1)."""
        height, width = self.pixels.shape[:2]
        x = (np.arange(width, dtype=np.float32) - self.origin_px[0]) / self.unit_px
        y = (np.arange(height, dtype=np.float32) - self.origin_px[1]) / self.unit_px
        return x[None, :].astype(np.float32), y[:, None].astype(np.float32)


@dataclass(frozen=True, eq=False)
class Stencil:
    """Where and how much paint goes: a mask of 0 to 1 over a window of a canvas."""

    mask: Floats
    left: int
    top: int

    def paint(self, canvas: Canvas, rgb: tuple[float, float, float], opacity: float = 1.0) -> None:
        """Blend a colour into the canvas where the mask says so; the canvas becomes opaque there."""
        window, share = self.window(canvas), self.mask * np.float32(opacity)
        window += (np.array((*rgb, 255), np.float32) - window) * cv2.merge([share] * 4)

    def darken(self, canvas: Canvas, factor: float) -> None:
        """Multiply the canvas by ``factor`` where the mask is 1; above 1 it lightens."""
        if abs(factor - 1) < _UNSEEN:
            return
        gain = 1 + np.float32(factor - 1) * self.mask
        window = self.window(canvas)
        window *= cv2.merge([gain, gain, gain, np.ones_like(gain)])

    def window(self, canvas: Canvas) -> Floats:
        """The part of the canvas that the mask covers, (h, w, 4); a view."""
        height, width = self.mask.shape
        return canvas.pixels[self.top : self.top + height, self.left : self.left + width]

    def within(self, other: Stencil) -> Stencil:
        """This stencil where the other one lets it through."""
        clipped = np.zeros_like(self.mask)
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom = min(self.top + self.mask.shape[0], other.top + other.mask.shape[0])
        right = min(self.left + self.mask.shape[1], other.left + other.mask.shape[1])
        if bottom > top and right > left:
            mine = np.s_[top - self.top : bottom - self.top, left - self.left : right - self.left]
            theirs = np.s_[top - other.top : bottom - other.top, left - other.left : right - other.left]
            clipped[mine] = self.mask[mine] * other.mask[theirs]
        return Stencil(clipped, self.left, self.top)


def stencil(canvas: Canvas, outline: Points, soft: float = 0.0) -> Stencil:
    """A filled polygon, blurred by a Gaussian.

    Args:
        canvas: where it will be painted.
        outline: (n, 2) corners in face units.
        soft: standard deviation of the blur in face units.
    """
    corners = canvas.to_pixels(outline)
    sigma = soft * canvas.unit_px
    margin = 2 + int(2.5 * sigma)
    height, width = canvas.pixels.shape[:2]
    (low_x, low_y), (high_x, high_y) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    left, top = (min(max(int(low) - margin, 0), most - 1) for low, most in ((low_x, width), (low_y, height)))
    right, bottom = (
        min(max(int(high_x) + margin + 2, left + 1), width),
        min(max(int(high_y) + margin + 2, top + 1), height),
    )
    mask = np.zeros((bottom - top, right - left), np.uint8)
    fixed = np.round((corners - (left, top)) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    if sigma > _SHARPEST_PX:
        cv2.GaussianBlur(mask, (0, 0), sigma, dst=mask)
    return Stencil(mask * np.float32(1 / 255), left, top)


def ellipse(centre: tuple[float, float], radius: tuple[float, float], tilt_deg: float = 0.0) -> Points:
    """Outline of an ellipse, (24, 2)."""
    x, y = radius[0] * np.cos(_CIRCLE), radius[1] * np.sin(_CIRCLE)
    turn = np.radians(tilt_deg)
    return np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=1) + centre


def arc(start: tuple[float, float], middle: tuple[float, float], end: tuple[float, float], n: int = 13) -> Points:
    """The parabola through three points of rising x, (n, 2) (Lagrange's formula)."""
    (x0, y0), (x1, y1), (x2, y2) = start, middle, end
    x = x0 + (x2 - x0) * np.arange(n) / (n - 1)
    y = (
        y0 * (x - x1) * (x - x2) / ((x0 - x1) * (x0 - x2))
        + y1 * (x - x0) * (x - x2) / ((x1 - x0) * (x1 - x2))
        + y2 * (x - x0) * (x - x1) / ((x2 - x0) * (x2 - x1))
    )
    return np.stack([x, y], axis=1)


def symmetric_curves(x: Sequence[float], heights: Sequence[Sequence[float]], n: int = 13) -> list[Points]:
    """Smooth lines from cheek to cheek, each (2 n - 1, 2), through knots given for the side of positive x.

    Args:
        x: k rising positions, the first 0; all lines share them.
        heights: y at these positions, k for each line.
        n: points of half a line.
    """
    along = np.linspace(0, x[-1], n)
    y = PchipInterpolator(x, heights, axis=1)(along)
    mirrored = np.concatenate([-along[:0:-1], along])
    return [np.stack([mirrored, np.concatenate([line[:0:-1], line])], axis=1) for line in y]


def band(upper: Points, lower: Points) -> Points:
    """The outline between two lines that run the same way."""
    return np.concatenate([upper, lower[::-1]])


def ribbon(line: Points, width: Points | NDArray[np.float64] | float) -> Points:
    """The outline of a line of this width, which may taper: a number or (n,)."""
    half = np.zeros_like(line)
    half[:, 1] = np.asarray(width) / 2
    return band(line - half, line + half)
