"""One picture of a face from its parameters: brows, eyes and mouth painted on a still head, then turned and moved."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from omsn.data.synthetic.head import BOTTOM, LEFT, RIGHT, TOP, sculpt_head
from omsn.data.synthetic.paint import Canvas, Points, Stencil, arc, band, ellipse, ribbon, stencil, symmetric_curves
from omsn.data.synthetic.speakers import Looks
from omsn.types import Floats

Picture = NDArray[np.uint8]

SUPERSAMPLING = 2
"""The head is painted this many times larger than it is shown."""

_EYE_X, _EYE_HALF = 0.5, 0.26
_MOUTH_Y, _MOUTH_HALF = 1.1, 0.41
_JAW_DROP = 0.36
"""How far the lower lip and the chin sink at mouth_open = 1, in face units."""


class FaceFrame(NamedTuple):
    """What the face does at one moment.

    A value of 0 is rest and 1 a full expression, unless said otherwise.

    Attributes:
        brow_inner: inner ends of the brows up (below 0 down).
        brow_outer: outer ends of the brows up.
        furrow: brows drawn together.
        eye_open: 1 is the rest, 0 is shut, 1.5 is wide.
        gaze_x: eyes to the picture's right, -1 to 1.
        gaze_y: eyes down, -1 to 1.
        mouth_open: jaw down.
        corner_up: corners of the mouth up (below 0 down).
        mouth_wide: corners of the mouth outwards (below 0 inwards).
        lip_raise: upper lip up, which shows the teeth.
        lip_press: lips thin.
        nose_wrinkle: skin of the nose drawn up.
        cheek_raise: cheeks up.
        yaw: head to the picture's right, in radians.
        pitch: head down, in radians.
        roll: head clockwise, in radians.
        shift_x: head to the picture's right, in face units.
        shift_y: head down, in face units.
    """

    brow_inner: float = 0.0
    brow_outer: float = 0.0
    furrow: float = 0.0
    eye_open: float = 1.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    mouth_open: float = 0.0
    corner_up: float = 0.0
    mouth_wide: float = 0.0
    lip_raise: float = 0.0
    lip_press: float = 0.0
    nose_wrinkle: float = 0.0
    cheek_raise: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0


class FacePainter:
    """Paints one speaker's face in front of a still backdrop; all that does not move is made once.

    Args:
        looks: the speaker's looks.
        backdrop: (H, W, 3) uint8 picture behind the head.
        unit_px: pixels of one face unit in the picture.
        eyes_at: x and y of the point between the eyes at rest, in pixels.
        rng: draws the grain of skin and hair.
    """

    def __init__(
        self, looks: Looks, backdrop: Picture, unit_px: float, eyes_at: tuple[float, float], rng: np.random.Generator
    ) -> None:
        self._looks = looks
        self._backdrop = backdrop
        self._unit_px = unit_px
        self._eyes_at = np.array(eyes_at)
        self._head = sculpt_head(looks, unit_px * SUPERSAMPLING, rng)
        self._folds = _fold_stencils(self._head)
        self._left, self._top, right, bottom = self._reach()
        self._x = np.arange(self._left, right, dtype=np.float32)[None, :]  # (1, W_r)
        self._y = np.arange(self._top, bottom, dtype=np.float32)[:, None]  # (H_r, 1)
        self._behind = backdrop[self._top : bottom, self._left : right].astype(np.float32)
        self._depth = self._nearness()

    def paint(self, frame: FaceFrame) -> Picture:
        """The picture, (H, W, 3) uint8 RGB."""
        canvas = _drop_jaw(self._head, frame.mouth_open)
        _paint_folds(canvas, frame, self._folds)
        for side in (-1, 1):
            _paint_eye(canvas, frame, self._looks, side)
            _paint_brow(canvas, frame, self._looks, side)
        _paint_mouth(canvas, frame, self._looks)
        return self._place(canvas, frame)

    def _reach(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the part of the picture that the head may cover."""
        height, width = self._backdrop.shape[:2]
        corners = self._eyes_at + np.array([(LEFT, TOP), (RIGHT, BOTTOM)]) * self._unit_px
        low = np.clip(np.floor(corners[0] - 0.3 * self._unit_px), 0, (width, height)).astype(int)
        high = np.clip(np.ceil(corners[1] + 0.3 * self._unit_px), 0, (width, height)).astype(int)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    def _nearness(self) -> Floats:
        """How far each part of the head moves when it turns, 0 at its edge to 1 at its middle, (H_r, W_r)."""
        x = (self._x - self._eyes_at[0]) / (self._unit_px * 1.2 * self._looks.face_width)
        y = ((self._y - self._eyes_at[1]) / self._unit_px - 0.1) / 2
        nearness: Floats = np.sqrt(np.clip(1 - x**2, 0, 1)) * np.sqrt(np.clip(1 - y**2, 0, 1))
        return nearness.astype(np.float32)

    def _place(self, canvas: Canvas, frame: FaceFrame) -> Picture:
        """Turn the head, shrink it to its size in the picture and lay it over the backdrop."""
        scale = SUPERSAMPLING
        cos, sin = scale * np.cos(frame.roll), scale * np.sin(frame.roll)
        neck = np.array((0, 1.6))  # the head rolls about its joint with the neck
        shown = self._eyes_at + (neck + np.array((frame.shift_x, frame.shift_y))) * self._unit_px
        pivot = np.array(canvas.origin_px) + neck * canvas.unit_px
        swing = 0.9 * canvas.unit_px * np.sin((frame.yaw, frame.pitch))
        x, y = self._x - np.float32(shown[0]), self._y - np.float32(shown[1])
        from_x = np.float32(cos) * x + (np.float32(sin) * y + np.float32(pivot[0])) - np.float32(swing[0]) * self._depth
        from_y = np.float32(cos) * y - (np.float32(sin) * x - np.float32(pivot[1])) - np.float32(swing[1]) * self._depth
        head = cv2.remap(canvas.pixels, from_x, from_y, cv2.INTER_LINEAR)  # (H_r, W_r, 4)
        picture = self._backdrop.copy()
        window = picture[self._top : self._top + len(self._y), self._left : self._left + self._x.shape[1]]
        clear = 1 - head[..., 3] / np.float32(255)
        window[:] = self._behind * cv2.merge([clear] * 3) + cv2.cvtColor(head, cv2.COLOR_RGBA2RGB)
        return picture


def _drop_jaw(head: Canvas, mouth_open: float) -> Canvas:
    """The head with its chin lower: rows below the mouth are stretched."""
    canvas = head.copy()
    _, y = head.grid()
    shown = y[:, 0]
    sunk = _JAW_DROP * max(mouth_open, 0.0)
    source = np.interp(shown, (TOP, 0.75, 1.3 + 0.75 * sunk, 1.86 + sunk, BOTTOM), (TOP, 0.75, 1.3, 1.86, BOTTOM))
    first = int(np.searchsorted(shown, 0.75))
    rows = (source[first:] * head.unit_px + head.origin_px[1]).astype(np.float32)
    width = head.pixels.shape[1]
    columns = np.arange(width, dtype=np.float32)
    map_x, map_y = np.broadcast_to(columns, (len(rows), width)), np.broadcast_to(rows[:, None], (len(rows), width))
    canvas.pixels[first:] = cv2.remap(
        head.pixels, np.ascontiguousarray(map_x), np.ascontiguousarray(map_y), cv2.INTER_LINEAR
    )
    return canvas


def _sided(points: Points, side: int) -> Points:
    return points * (side, 1.0)


def _paint_brow(canvas: Canvas, frame: FaceFrame, looks: Looks, side: int) -> None:
    rest = -0.37 + 0.1 * looks.brow_rest
    inner = rest + 0.02 - 0.17 * frame.brow_inner
    outer = rest + 0.01 - 0.15 * frame.brow_outer
    middle = rest - 0.055 - 0.15 * (0.45 * frame.brow_inner + 0.55 * frame.brow_outer)
    start = 0.21 - 0.06 * frame.furrow
    line = arc((start, inner), (0.5, middle), (0.88, outer + 0.04))
    along = np.linspace(0, 1, len(line))
    width = 0.1 * looks.brow_thickness * np.interp(along, (0, 0.15, 0.5, 1), (0.75, 1, 0.9, 0.2))
    shape = stencil(canvas, _sided(ribbon(line, width), side), 0.016)
    red, green, blue = (0.75 * np.array(looks.hair)).tolist()
    shape.paint(canvas, (red, green, blue), 0.85)


def _lids(frame: FaceFrame, looks: Looks) -> tuple[Points, Points]:
    """Edges of the upper and the lower lid of the eye on the picture's right, (17, 2) each."""
    half = _EYE_HALF * looks.eye_size
    inner, outer = _EYE_X - half, _EYE_X + half
    gap = max(frame.eye_open, 0.0) * looks.eye_size
    upper = 0.045 - 0.15 * gap
    lower = 0.045 + (0.055 + 0.02 * gap) - 0.045 * frame.cheek_raise
    upper = min(upper, lower - 0.008)
    return (
        arc((inner, 0.045), (_EYE_X - 0.02, upper), (outer, 0.02)),
        arc((inner, 0.045), (_EYE_X + 0.03, lower), (outer, 0.02)),
    )


def _paint_eye(canvas: Canvas, frame: FaceFrame, looks: Looks, side: int) -> None:
    upper, lower = _lids(frame, looks)
    opening = stencil(canvas, _sided(band(upper, lower), side), 0.006)
    opening.paint(canvas, (226, 220, 214))
    _paint_iris(canvas, frame, looks, side, opening)
    shade = stencil(canvas, _sided(ribbon(np.add(upper, (0, 0.02)), 0.05), side), 0.025).within(opening)
    shade.darken(canvas, 0.55)
    crease = upper * (1, 0.55) + (0, -0.075 + 0.02 * frame.eye_open)
    stencil(canvas, _sided(ribbon(crease, 0.022), side), 0.018).darken(canvas, 0.68)
    stencil(canvas, _sided(ribbon(np.add(lower, (0, 0.012)), 0.014), side), 0.01).darken(canvas, 0.72)
    lash = 0.036 * np.interp(np.linspace(0, 1, len(upper)), (0, 0.3, 1), (0.4, 0.8, 1.1))
    stencil(canvas, _sided(ribbon(upper - (0, 0.008), lash), side), 0.008).paint(canvas, (34, 26, 24), 0.9)
    bag = np.add(lower, (0, 0.1 - 0.02 * frame.cheek_raise))
    stencil(canvas, _sided(ribbon(bag, 0.03), side), 0.03).darken(canvas, 0.9 - 0.12 * max(frame.cheek_raise, 0.0))


def _paint_iris(canvas: Canvas, frame: FaceFrame, looks: Looks, side: int, opening: Stencil) -> None:
    x = side * _EYE_X + 0.09 * frame.gaze_x
    y = 0.015 + 0.05 * frame.gaze_y
    radius = 0.118
    red, green, blue = (0.45 * np.array(looks.iris)).tolist()
    stencil(canvas, ellipse((x, y), (radius, radius)), 0.008).within(opening).paint(canvas, (red, green, blue))
    stencil(canvas, ellipse((x, y), (0.8 * radius,) * 2), 0.015).within(opening).paint(canvas, looks.iris)
    stencil(canvas, ellipse((x, y), (0.42 * radius,) * 2), 0.006).within(opening).paint(canvas, (14, 12, 12))
    glint = ellipse((x + 0.04 * np.sign(looks.light_x), y - 0.04), (0.024, 0.024))
    stencil(canvas, glint, 0.004).within(opening).paint(canvas, (250, 250, 250))


def _paint_mouth(canvas: Canvas, frame: FaceFrame, looks: Looks) -> None:
    stretch = 1 + 0.24 * frame.mouth_wide - 0.22 * max(frame.mouth_open, 0.0)
    half = _MOUTH_HALF * looks.mouth_width * stretch
    gap = _JAW_DROP * max(frame.mouth_open, 0.0)
    corner = _MOUTH_Y + 0.35 * gap - 0.15 * (frame.corner_up + looks.corner_rest)
    lift = 0.1 * frame.lip_raise + 0.03 * max(frame.corner_up, 0.0)
    full = looks.lip_fullness * (1 - 0.5 * frame.lip_press)
    top_inner = _MOUTH_Y - 0.02 * min(gap / 0.1, 1) - lift
    low_inner = _MOUTH_Y + 0.012 * (1 - frame.lip_press) + 0.85 * gap - 0.25 * lift
    low_inner = max(low_inner, top_inner + 0.006)
    top = top_inner - 0.095 * full
    bottom = low_inner + 0.135 * full

    upper_edge, lower_edge, inner_upper, inner_lower = _lip_lines(
        half, corner, ((top, 0.028 * full, 0.62), (bottom, 0.0, 0.72), (top_inner, 0.012, 0.72), (low_inner, 0.0, 0.78))
    )
    skin = np.array(looks.skin)
    lip = skin * (0.86, 0.60, 0.60)
    upper_rgb, lower_rgb = lip * 0.78, lip * 0.95
    stencil(canvas, ellipse((0, bottom + 0.06), (0.62 * half, 0.03)), 0.035).darken(canvas, 0.74)
    stencil(canvas, band(upper_edge, inner_upper), 0.014).paint(canvas, tuple(upper_rgb.tolist()), 0.95)
    stencil(canvas, band(inner_lower, lower_edge), 0.014).paint(canvas, tuple(lower_rgb.tolist()), 0.95)
    shine = ellipse((0.05 * np.sign(looks.light_x), low_inner + 0.05 * full), (0.4 * half, 0.02 * full))
    stencil(canvas, shine, 0.02).darken(canvas, 1.22)
    _paint_inside(canvas, inner_upper, inner_lower)
    for side in (-1, 1):
        dimple = ellipse((side * (half + 0.02), corner), (0.035, 0.028))
        stencil(canvas, dimple, 0.022).darken(canvas, 0.66)


def _lip_lines(half: float, corner: float, lines: tuple[tuple[float, float, float], ...]) -> list[Points]:
    """Lines from corner to corner of the mouth, each (25, 2).

    Args:
        half: half the mouth's width.
        corner: height of its corners.
        lines: for each line the height at its middle, the dip of its middle (Cupid's bow), and how full it stays
            on its way to the corner, 0 to 1.
    """
    knots = [(middle + bow, middle, corner + (middle - corner) * full, corner) for middle, bow, full in lines]
    return symmetric_curves((0.0, 0.22 * half, 0.68 * half, half), knots)


def _paint_inside(canvas: Canvas, inner_upper: Points, inner_lower: Points) -> None:
    """The dark of the mouth with teeth and tongue; a thin dark line while it is shut."""
    seam = ribbon((inner_upper + inner_lower) / 2, 0.018)
    stencil(canvas, seam, 0.008).paint(canvas, (62, 26, 26), 0.8)
    opening = stencil(canvas, band(inner_upper, inner_lower), 0.007)
    opening.paint(canvas, (50, 18, 20))
    middle = len(inner_upper) // 2
    top, low = float(inner_upper[middle, 1]), float(inner_lower[middle, 1])
    tongue = ellipse((0, low + 0.02), (0.24, 0.35 * max(low - top, 0.01)))
    stencil(canvas, tongue, 0.03).within(opening).paint(canvas, (150, 72, 74), 0.8)
    half, bite = float(inner_upper[-1, 0]), top + min(0.085, 0.45 * (low - top))
    edge = arc((-0.8 * half, bite - 0.05), (0.0, bite), (0.8 * half, bite - 0.05))
    teeth = stencil(canvas, band(edge - (0, 0.3), edge), 0.012).within(opening)
    teeth.paint(canvas, (226, 218, 206), 0.92)
    shade = stencil(canvas, ribbon(inner_upper, 0.04), 0.018).within(opening)
    shade.darken(canvas, 0.6)


def _fold_stencils(canvas: Canvas) -> dict[str, list[Stencil]]:
    """The places where the skin may crease; they stay where they are."""
    frown = np.array([(0.07, -0.42), (0.085, -0.3), (0.07, -0.18)])
    shapes = {
        "smile": [(ribbon(arc((0.27, 0.72), (0.42, 0.92), (0.56, 1.18)), 0.03), 0.03)],
        "frown": [(band(frown, frown * (1.4, 1)), 0.02)],
        "nose": [(ribbon(arc((0.03, 0.2), (0.16, 0.12), (0.22, 0.2)), 0.03), 0.02)],
        "cheek": [(ellipse((0.66, 0.5), (0.2, 0.12)), 0.1)],
        "forehead": [(ribbon(arc((0.01, y), (0.3, y + 0.006), (0.55, y + 0.02)), 0.025), 0.02) for y in (-0.72, -0.86)],
    }
    return {
        name: [stencil(canvas, _sided(outline, side), soft) for outline, soft in outlines for side in (-1, 1)]
        for name, outlines in shapes.items()
    }


def _paint_folds(canvas: Canvas, frame: FaceFrame, folds: dict[str, list[Stencil]]) -> None:
    """Creases that the skin throws: smile folds, brow furrow, wrinkled nose, raised cheeks, forehead lines."""
    smile = 0.8 * max(frame.corner_up, 0.0) + 0.5 * max(frame.cheek_raise, 0.0) + 0.6 * max(frame.nose_wrinkle, 0.0)
    raised = 0.5 * (frame.brow_inner + frame.brow_outer)
    gains = {
        "smile": 0.9 - 0.22 * min(smile, 1.3),
        "frown": 1 - 0.4 * min(max(frame.furrow, 0.0), 1.2),
        "nose": 1 - 0.35 * min(max(frame.nose_wrinkle, 0.0), 1.2),
        "cheek": 1 + 0.1 * frame.cheek_raise,
        "forehead": 1 - 0.16 * min(max(raised, 0.0), 1.2),
    }
    for name, gain in gains.items():
        for fold in folds[name]:
            fold.darken(canvas, gain)
