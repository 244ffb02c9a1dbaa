from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.polynomial import Polynomial

from omsn.data.synthetic.expressions import TARGETS
from omsn.data.synthetic.face import FaceFrame, FacePainter, Picture
from omsn.data.synthetic.paint import Canvas, Stencil, arc, ellipse, ribbon, stencil, symmetric_curves
from omsn.data.synthetic.render import Take, Trial, cast_speaker, perform
from omsn.data.synthetic.voice import RATE_HZ
from omsn.labels import RAVDESS_EMOTIONS

UNIT_PX, EYES_AT = 40.0, (100.0, 100.0)


@pytest.fixture
def canvas() -> Canvas:
    return Canvas(np.full((100, 120, 4), 100, np.float32), 10.0, (60.0, 50.0))


@pytest.fixture(scope="module")
def painter() -> FacePainter:
    backdrop = np.full((240, 200, 3), 180, np.uint8)
    return FacePainter(cast_speaker(1).looks, backdrop, UNIT_PX, EYES_AT, np.random.default_rng(0))


def window(picture: Picture, x: tuple[float, float], y: tuple[float, float]) -> Picture:
    """Part of a picture between these face units."""
    (left, right), (top, bottom) = (
        tuple(round(centre + UNIT_PX * value) for value in span) for centre, span in zip(EYES_AT, (x, y), strict=True)
    )
    return picture[top:bottom, left:right]


def test_a_stencil_covers_its_outline() -> None:
    canvas = Canvas(np.zeros((240, 280, 4), np.float32), 50.0, (140.0, 120.0))
    for soft in (0.0, 0.02, 0.2):
        area = float(stencil(canvas, ellipse((0, 0), (2.0, 1.0)), soft).mask.sum())
        assert area == pytest.approx(np.pi * 2 * 1 * 50**2, rel=0.03)


def test_a_stencil_may_reach_beyond_the_canvas(canvas: Canvas) -> None:
    for centre in ((-6.0, 0.0), (6.0, 5.0), (40.0, 40.0), (-40.0, 0.0)):
        stencil(canvas, ellipse(centre, (1.0, 1.0)), 0.1).paint(canvas, (0, 0, 0))
    assert canvas.pixels[50, 60, 0] == 100
    assert canvas.pixels[50, 1, 0] < 1


def test_paint_and_darken_change_only_what_the_mask_covers(canvas: Canvas) -> None:
    mask = Stencil(np.array([[1.0, 0.5, 0.0]], np.float32), 10, 20)
    mask.paint(canvas, (200, 100, 0))
    np.testing.assert_allclose(canvas.pixels[20, 10:13, :3], [(200, 100, 0), (150, 100, 50), (100, 100, 100)])
    mask.darken(canvas, 0.5)
    np.testing.assert_allclose(canvas.pixels[20, 10:13, 0], (100, 112.5, 100))
    assert canvas.pixels[20, 10, 3] == 255  # alpha is no colour


def test_within_cuts_one_stencil_by_another() -> None:
    row = Stencil(np.ones((1, 4), np.float32), 2, 0)
    column = Stencil(np.full((3, 1), 0.5, np.float32), 3, -1)
    np.testing.assert_array_equal(row.within(column).mask, [[0, 0.5, 0, 0]])
    far = Stencil(np.ones((2, 2), np.float32), 50, 50)
    assert not row.within(far).mask.any()


def test_arc_is_the_parabola_through_its_points() -> None:
    points = ((0.1, 0.5), (0.4, -0.2), (0.9, 0.3))
    line = arc(*points, n=21)
    x, y = np.array(points).T
    np.testing.assert_allclose(line[:, 1], Polynomial.fit(x, y, 2)(line[:, 0]), atol=1e-12)


def test_symmetric_curves_mirror_and_meet_their_knots() -> None:
    (line,) = symmetric_curves((0.0, 0.5, 1.0), [(1.0, 2.0, 0.0)], n=11)
    np.testing.assert_allclose(line[:, 1], line[::-1, 1])
    np.testing.assert_allclose(line[[0, 5, 10, 15, 20]], [(-1, 0), (-0.5, 2), (0, 1), (0.5, 2), (1, 0)])


def test_ribbon_has_its_width() -> None:
    outline = ribbon(np.array([(0.0, 0.0), (1.0, 1.0)]), 0.5)
    np.testing.assert_allclose(outline, [(0, -0.25), (1, 0.75), (1, 1.25), (0, 0.25)])


def test_painting_leaves_no_trace_in_the_painter(painter: FacePainter) -> None:
    before = painter.paint(FaceFrame())
    painter.paint(FaceFrame(mouth_open=1, brow_inner=1, yaw=0.2, corner_up=1))
    after = painter.paint(FaceFrame())
    assert before.dtype == np.uint8
    assert before.shape == (240, 200, 3)
    np.testing.assert_array_equal(before, after)


def test_the_backdrop_shows_beside_the_head(painter: FacePainter) -> None:
    picture = painter.paint(FaceFrame())
    assert (picture[:20, :20] == 180).all()
    assert not (window(picture, (-0.2, 0.2), (0.2, 0.6)) == 180).all()


MOUTH = ((-0.3, 0.3), (1.05, 1.5))
BETWEEN_BROWS = ((-0.12, 0.12), (-0.45, -0.2))


@pytest.mark.parametrize(
    ("expression", "place"),
    [
        (FaceFrame(mouth_open=1), MOUTH),
        (FaceFrame(furrow=1), BETWEEN_BROWS),
        (FaceFrame(eye_open=0), ((0.35, 0.65), (-0.1, 0.1))),
    ],
)
def test_an_open_mouth_and_a_frown_are_darker_and_shut_eyes_lose_their_white(
    painter: FacePainter, expression: FaceFrame, place: tuple[tuple[float, float], tuple[float, float]]
) -> None:
    measure: Callable[[Picture], float] = np.mean if expression.eye_open else np.ptp
    rest, moved = (float(measure(window(painter.paint(frame), *place))) for frame in (FaceFrame(), expression))
    assert moved < rest - 4


def test_the_head_moves_as_it_is_told(painter: FacePainter) -> None:
    inner_face = ((-0.6, 0.6), (-0.2, 1.0))
    rest = window(painter.paint(FaceFrame()), *inner_face).astype(float)

    def moved_px(frame: FaceFrame, axis: int) -> int:
        """Shift of the inner face along an axis of the picture (0 is y) that explains the picture best."""
        moved = window(painter.paint(frame), *inner_face)
        error = {px: float(np.abs(np.roll(rest, px, axis) - moved)[8:-8, 8:-8].mean()) for px in range(-8, 9)}
        return min(error, key=error.__getitem__)

    assert moved_px(FaceFrame(shift_x=0.1), 1) == round(0.1 * UNIT_PX)
    assert moved_px(FaceFrame(shift_y=-0.1), 0) == -round(0.1 * UNIT_PX)
    assert 2 <= moved_px(FaceFrame(yaw=0.15), 1) <= 7
    assert 2 <= moved_px(FaceFrame(pitch=0.15), 0) <= 7


def take(emotion: str, speaker: int = 1) -> Take:
    return perform(Trial(speaker, RAVDESS_EMOTIONS.index(emotion) + 1, 2 if emotion != "neutral" else 1, 1, 1))


def test_every_emotion_has_a_target_made_of_known_parameters() -> None:
    assert tuple(TARGETS) == RAVDESS_EMOTIONS.names
    assert {name for target in TARGETS.values() for name in target} <= set(FaceFrame._fields)


@pytest.mark.parametrize("emotion", RAVDESS_EMOTIONS.names[2:])
def test_clips_begin_near_rest_and_reach_the_expression(emotion: str) -> None:
    motion, rest = np.array(take(emotion).frames), np.array(FaceFrame())
    goal = np.array([TARGETS[emotion].get(name, 0.0) for name in FaceFrame._fields])
    shown = (motion - rest) @ goal / (goal @ goal)
    assert abs(shown[0]) < 0.3
    assert np.median(shown[25:40]) > 0.5
    assert np.isfinite(motion).all()


def test_the_mouth_moves_with_the_voice() -> None:
    acted = take("neutral")
    loud = [float(np.std(part)) for part in np.array_split(acted.utterance.samples, len(acted.frames))]
    assert len(acted.utterance.samples) == RATE_HZ * len(acted.frames) // 25
    assert np.corrcoef([frame.mouth_open for frame in acted.frames], loud)[0, 1] > 0.5
