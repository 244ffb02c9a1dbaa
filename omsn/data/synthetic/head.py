"""The still part of a face: a height map of a head, lit by two lamps, with hair and ears.

The skin is shaded as a Lambertian surface (Lambert 1760) with a weak Phong highlight, so that nose, eye sockets and
cheeks are made of the same soft gradients as in a photograph.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator

from omsn.data.synthetic.paint import Canvas, Points, Stencil, ellipse, ribbon, stencil, symmetric_curves
from omsn.data.synthetic.speakers import Looks
from omsn.types import Floats

LEFT, RIGHT, TOP, BOTTOM = -1.75, 1.75, -2.3, 2.45
"""Edges of the head's canvas in face units."""

_PROFILE_Y = (-1.78, -1.7, -1.5, -1.2, -0.8, -0.3, 0.2, 0.7, 1.1, 1.4, 1.65, 1.8, 1.86)
_PROFILE_X = (0.0, 0.3, 0.66, 0.92, 1.06, 1.11, 1.09, 1.01, 0.92, 0.77, 0.54, 0.3, 0.0)
_JAW_FROM = 0.2


def profile(looks: Looks) -> tuple[Points, Points]:
    """Half the width of the face (n,) at heights y (n,), in face units."""
    y = np.array(_PROFILE_Y)
    jaw = np.clip((y - _JAW_FROM) / 0.9, 0, 1)
    half = np.array(_PROFILE_X) * looks.face_width * (1 + jaw * (looks.jaw_width - 1))
    fine = np.linspace(y[0], y[-1], 200)
    return np.where(fine > 0, fine * looks.face_length, fine), np.clip(PchipInterpolator(y, half)(fine), 0, None)


def sculpt_head(looks: Looks, unit_px: float, rng: np.random.Generator) -> Canvas:
    """The head without brows, eyes and mouth, on a transparent canvas.

    Args:
        looks: the speaker's looks.
        unit_px: pixels of one face unit.
        rng: draws the grain of skin and hair.

    Returns:
        A canvas of RGBA, premultiplied; alpha runs from 0 to 255.
    """
    width, height = round((RIGHT - LEFT) * unit_px), round((BOTTOM - TOP) * unit_px)
    canvas = Canvas(np.zeros((height, width, 4), np.float32), unit_px, (-LEFT * unit_px, -TOP * unit_px))
    y, half = profile(looks)
    outline = np.concatenate([np.stack([half, y], axis=1), np.stack([-half, y], axis=1)[::-1]])
    _paint_back_hair(canvas, looks)
    _paint_ears(canvas, looks)
    skin = _skin(canvas, looks, rng)
    face = stencil(canvas, outline, 0.012)
    lit = np.dstack([skin, np.full(skin.shape[:2], 255, np.float32)])
    window = face.window(canvas)
    window += (face.window(Canvas(lit, unit_px, canvas.origin_px)) - window) * face.mask[..., None]
    _paint_fringe(canvas, looks)
    _comb(canvas, looks, rng)
    _paint_nose(canvas, looks)
    return canvas


def _bump(x: Floats, y: Floats, centre: tuple[float, float], spread: tuple[float, float]) -> Floats:
    bump: Floats = np.exp(-(((x - centre[0]) / spread[0]) ** 2) / 2 - ((y - centre[1]) / spread[1]) ** 2 / 2)
    return bump


def _height(x: Floats, y: Floats, looks: Looks) -> Floats:
    """Height of the skin towards the camera in face units, (H, W)."""
    profile_y, half = profile(looks)
    width = np.maximum(np.interp(y[:, 0], profile_y, half), 0.05)[:, None]
    across = np.clip(np.abs(x) / width, 0, 0.995)
    down = np.clip((y - 0.1) / 1.95, -0.98, 0.98)
    height = 0.95 * np.sqrt(1 - across**2.4) * (1 - np.abs(down) ** 3.5) ** 0.5
    broad = looks.nose_width
    for side in (-1, 1):
        height -= 0.17 * _bump(x, y, (side * 0.46, 0.0), (0.24, 0.15))  # eye socket
        height += 0.06 * _bump(x, y, (side * 0.5, -0.33), (0.34, 0.09))  # brow ridge
        height += 0.09 * _bump(x, y, (side * 0.68, 0.5), (0.24, 0.22))  # cheekbone
        height += 0.09 * _bump(x, y, (side * 0.19 * broad, 0.72), (0.075, 0.075))  # wing of the nose
        height -= 0.045 * _bump(x, y, (side * 0.33 * broad, 0.8), (0.06, 0.13))  # fold beside the nose
    ridge = np.exp(-((x / (0.105 * broad)) ** 2) / 2) * np.interp(
        y, (-0.4, -0.1, 0.35, 0.68, 0.84), (0, 0.1, 0.25, 0.3, 0)
    )
    height += ridge + 0.11 * _bump(x, y, (0, 0.66), (0.12 * broad, 0.1))
    height += 0.09 * _bump(x, y, (0, 1.1), (0.36, 0.2)) - 0.05 * _bump(
        x, y, (0, 1.4), (0.26, 0.06)
    )  # muzzle, chin crease
    height += 0.1 * _bump(x, y, (0, 1.62), (0.22, 0.14)) - 0.02 * _bump(x, y, (0, 0.9), (0.04, 0.07))  # chin, philtrum
    smooth: Floats = height.astype(np.float32)
    return smooth


def _skin(canvas: Canvas, looks: Looks, rng: np.random.Generator) -> Floats:
    """Lit skin over the whole canvas, (H, W, 3)."""
    x, y = canvas.grid()
    height = cv2.GaussianBlur(_height(x, y, looks), (0, 0), 0.02 * canvas.unit_px)
    slope_y, slope_x = (g * canvas.unit_px for g in np.gradient(height))
    normal = np.stack([-slope_x, -slope_y, np.ones_like(height)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    key = np.array((looks.light_x, -0.55, 0.78))
    fill = np.array((-looks.light_x, 0.1, 0.9))
    half = key / np.linalg.norm(key) + (0, 0, 1)
    light = 0.34 + 0.52 * np.clip(normal @ (key / np.linalg.norm(key)), 0, 1) + 0.2 * np.clip(normal @ fill, 0, 1)
    shine = np.clip(normal @ (half / np.linalg.norm(half)), 0, 1) ** 24
    skin = _pigment(x, y, looks, rng) * light[..., None] + 16 * shine[..., None]
    clipped: Floats = np.clip(skin, 0, 255).astype(np.float32)
    return clipped


def _pigment(x: Floats, y: Floats, looks: Looks, rng: np.random.Generator) -> Floats:
    """Colour of the skin before light: redder cheeks and nose, darker lids, stubble, mottling, (H, W, 3)."""
    shape = (y.shape[0], x.shape[1])
    blood = 0.6 * _bump(x, y, (0, 0.68), (0.2, 0.12))
    shadow = np.zeros(shape, np.float32)
    for side in (-1, 1):
        blood = blood + _bump(x, y, (side * 0.68, 0.6), (0.25, 0.2))
        shadow = shadow + _bump(x, y, (side * 0.5, 0.02), (0.26, 0.16))
    beard = _bump(x, y, (0, 1.35), (0.75, 0.38)) * (1 - 0.5 * _bump(x, y, (0, 1.1), (0.35, 0.1)))
    mottle = cv2.GaussianBlur(rng.normal(0, 1, shape).astype(np.float32), (0, 0), 3) * 3
    pigment = np.array(looks.skin, np.float32) * (1 + 0.012 * mottle[..., None])
    pigment = pigment * (1 - blood[..., None] * np.array((0.0, 0.09, 0.08)))
    pigment = (
        pigment * (1 - 0.13 * shadow[..., None]) * (1 - looks.stubble * beard[..., None] * np.array((1.1, 1.0, 0.9)))
    )
    coloured: Floats = pigment.astype(np.float32)
    return coloured


def _paint_back_hair(canvas: Canvas, looks: Looks) -> None:
    reach = 2.05 if looks.long_hair else 0.1
    wide = 1.42 if looks.long_hair else 1.2
    y = np.linspace(-2.0, reach, 60)
    along = (y + 2.0) / (reach + 2.0)
    half = (
        looks.face_width
        * wide
        * np.clip(1 - (1 - along / (0.42 if looks.long_hair else 0.7)).clip(0) ** 2.3, 0, 1) ** 0.5
    )
    half *= 1 - 0.45 * np.clip((along - 0.8) / 0.2, 0, 1) ** 2
    outline = np.concatenate([np.stack([half, y], axis=1), np.stack([-half, y], axis=1)[::-1]])
    stencil(canvas, outline, 0.03).paint(canvas, looks.hair)


def _paint_ears(canvas: Canvas, looks: Looks) -> None:
    if looks.long_hair:
        return
    skin = np.array(looks.skin)
    for side in (-1, 1):
        centre = side * 1.13 * looks.face_width
        red, green, blue = (skin * 0.8).tolist()
        stencil(canvas, ellipse((centre, 0.22), (0.12, 0.3), side * 8), 0.01).paint(canvas, (red, green, blue))
        inner = stencil(canvas, ellipse((centre + side * 0.02, 0.2), (0.05, 0.18), side * 8), 0.03)
        inner.darken(canvas, 0.75)


def _paint_fringe(canvas: Canvas, looks: Looks) -> None:
    """Hair over the forehead, with the hairline's soft shadow beneath."""
    wide = 1.16 * looks.face_width
    drop = 0.35 if looks.long_hair else -0.1
    (line,) = symmetric_curves((0.0, 0.45, 0.78, 0.97, wide), [(-1.22, -1.2, -1.02, -0.62, drop)], n=25)
    crown = np.array([(wide, -2.2), (-wide, -2.2)])
    stencil(canvas, np.concatenate([np.add(line, (0, 0.06)), crown]), 0.09).darken(canvas, 0.8)
    stencil(canvas, np.concatenate([line, crown]), 0.035).within(_alpha(canvas)).paint(canvas, looks.hair)


def _alpha(canvas: Canvas) -> Stencil:
    return Stencil(canvas.pixels[..., 3] / np.float32(255), 0, 0)


def _comb(canvas: Canvas, looks: Looks, rng: np.random.Generator) -> None:
    """Strands and a sheen wherever the canvas shows the hair's colour."""
    pixels, alpha = canvas.pixels, canvas.pixels[..., 3:] / np.float32(255)
    hair = np.exp(-(((pixels[..., :3] - np.array(looks.hair, np.float32) * alpha) ** 2).sum(axis=-1)) / 200)
    strands = cv2.GaussianBlur(rng.normal(0, 1, hair.shape).astype(np.float32), (0, 0), sigmaX=1.2, sigmaY=14)
    _, y = canvas.grid()
    sheen = 1 + 0.35 * np.exp(-(((y + 1.55) / 0.2) ** 2)) - 0.25 * np.clip((y + 0.3) / 2, 0, 1)
    pixels[..., :3] *= (1 + hair * (sheen * (1 + 1.0 * strands) - 1))[..., None]
    np.clip(pixels[..., :3], 0, 255 * alpha, out=pixels[..., :3])


def _paint_nose(canvas: Canvas, looks: Looks) -> None:
    broad = looks.nose_width
    stencil(canvas, ellipse((0, 0.82), (0.24 * broad, 0.035)), 0.03).darken(canvas, 0.8)
    for side in (-1, 1):
        stencil(canvas, ellipse((side * 0.105 * broad, 0.785), (0.06 * broad, 0.026), side * 12), 0.014).darken(
            canvas, 0.32
        )
        wing = np.array([(0.235, 0.62), (0.275, 0.7), (0.255, 0.79), (0.19, 0.81)]) * (side * broad, 1)
        stencil(canvas, ribbon(wing, 0.02), 0.018).darken(canvas, 0.82)
