"""The film with its answers in it: a box around each face, its emotion, and a bar as long as the probability."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from omsn.export.fonts import lettering
from omsn.export.palette import colours_of
from omsn.media.encode import write_film
from omsn.media.probe import probe
from omsn.media.sound import sound_blocks
from omsn.media.video import Frame, Image, read_frames
from omsn.segments import Segment
from omsn.types import FacePath, Floats, Prediction

NEAR_S = 0.3
"""A face is shown up to this long from where it was seen."""
WIDER, HIGHER = 0.12, 0.35
"""The box around the landmarks grows by these shares of its size, sideways and to the top, to hold the whole face."""
BLANK_SIZE, BLANK_RATE_HZ = (640, 360), 10.0
"""Width, height and pictures per second where the file has only a sound."""
BLANK_GREY = 24
TEXT_SHARE = 1 / 28
"""Height of the letters as a share of the picture's short side."""
MIN_TEXT_PX = 11
LABEL_WIDTH = 8
"""Width of a label at least, in heights of its letters, so that bars can be compared."""
GROUND, UNFILLED = 20, 90
"""Grey levels behind the letters, and of the part of the bar that is not filled."""
BAR_MARGIN_PX = 4
"""Between the bar and the box, which are of one colour."""


def write_overlay(prediction: Prediction, path: Path) -> None:
    """Write the file's film with the prediction drawn into it, as MP4; it appears whole or not at all.

    It is read, drawn and written picture by picture. The sound is copied, or
    becomes AAC where MP4 cannot hold it. A file with a sound alone becomes a film
    of a dark picture with its answers. Where the answers end because the file broke off, the film ends with them.

    Raises:
        MediaError: the file that was predicted cannot be read any more.
        OSError: the disk is full or the folder cannot be written to.
    """
    info = probe(prediction.source)
    end_s = prediction.end_s if prediction.broke_off else None
    frames = (
        _blank_frames(prediction.source, info.audio_rate_hz, end_s)
        if info.audio_rate_hz is not None and not info.has_video
        else read_frames(prediction.source, end_s=end_s)
    )
    painter = Painter(prediction)
    painted = (replace(one, image=painter.paint(one.image, one.time_s)) for one in frames)
    write_film(path, prediction.source, painted, end_s=end_s)


def _blank_frames(sound: str, rate_hz: int, end_s: float | None) -> Iterator[Frame]:
    """Dark pictures for as long as a sound lasts, which only decoding tells of every file."""
    width, height = BLANK_SIZE
    number = 0
    for piece in sound_blocks(sound, rate_hz, end_s=end_s):
        while number / BLANK_RATE_HZ < piece.start_s + piece.duration_s:
            image = np.full((height, width, 3), BLANK_GREY, np.uint8)
            yield Frame(image, number / BLANK_RATE_HZ, 1 / BLANK_RATE_HZ)
            number += 1


class Painter:
    """Draws a prediction into pictures that come in order of time."""

    def __init__(self, prediction: Prediction) -> None:
        """Nothing drawn yet."""
        self._several = len({window.track for window in prediction.windows}) > 1
        self._colours = {name: _bgr(code) for name, code in colours_of(prediction.labels.names).items()}
        self._to_come = deque(prediction.segments())
        self._shown: dict[int, Segment] = {}
        self._paths = {track: _whole_path(prediction, track) for track in {one.track for one in prediction.windows}}

    def paint(self, image: Image, time_s: float) -> Image:
        """The picture (H, W, 3) with what holds at a time."""
        while self._to_come and self._to_come[0].start_ms <= 1000 * time_s:
            segment = self._to_come.popleft()
            self._shown[segment.track] = segment
        picture, place = image.copy(), 0
        for track, segment in sorted(self._shown.items()):
            box = self._box_at(track, time_s)
            if box is not None:
                self._paint_face(picture, segment, box)
            elif 1000 * time_s < segment.end_ms:
                self._paint_corner(picture, segment, place)
                place += 1
        return picture

    def _box_at(self, track: int, time_s: float) -> Floats | None:
        """Left, top, right and bottom of the whole face, between the places where it was seen; None away from them."""
        path = self._paths[track]
        if not len(path.times_s) or np.abs(path.times_s - time_s).min() > NEAR_S:
            return None
        left, top, right, bottom = (float(np.interp(time_s, path.times_s, side)) for side in path.xyxy.T)
        width, height = right - left, bottom - top
        return np.array(
            [left - WIDER * width, top - HIGHER * height, right + WIDER * width, bottom + WIDER * height], np.float32
        )

    def _paint_face(self, picture: Image, segment: Segment, box: Floats) -> None:
        """A box, and the label on top of it, or within where there is no room above."""
        text_px, colour = _text_px(picture), self._colours[segment.emotion]
        left, top, right, bottom = (round(float(side)) for side in box)
        cv2.rectangle(picture, (left, top), (right, bottom), colour, max(2, text_px // 8), cv2.LINE_AA)
        label = self._label(segment, text_px)
        _paste(picture, label, left, top - len(label) if top >= len(label) else max(0, top))

    def _paint_corner(self, picture: Image, segment: Segment, place: int) -> None:
        """Without a face in sight, the label in the lower left corner, one above the other."""
        label = self._label(segment, _text_px(picture))
        _paste(picture, label, 0, len(picture) - (place + 1) * len(label))

    def _label(self, segment: Segment, text_px: int) -> Image:
        """Text on dark ground over a bar as long as the probability, (h, w, 3)."""
        face = f"face {segment.track}: " if self._several else ""
        speaks = ", speaks" if segment.speaking else ""
        letters = _letters(f"{face}{segment.emotion} {100 * segment.probability:.0f} %{speaks}", text_px)  # (h, w)
        colour, bar_px = self._colours[segment.emotion], max(3, text_px // 4)
        width = max(letters.shape[1], LABEL_WIDTH * text_px)
        label = np.full((len(letters) + bar_px + BAR_MARGIN_PX, width, 3), GROUND, np.uint8)
        share = letters[..., None] / 255  # (h, w, 1)
        label[: len(letters), : letters.shape[1]] = np.round(GROUND + share * (255 - GROUND))
        label[len(letters) : -BAR_MARGIN_PX] = UNFILLED
        label[len(letters) : -BAR_MARGIN_PX, : round(width * segment.probability)] = colour
        return label


def _whole_path(prediction: Prediction, track: int) -> FacePath:
    """The places of a face in all its windows; those that two windows share once."""
    paths = [one.path for one in prediction.windows if one.track == track and one.path is not None]
    times_s, first = np.unique(np.concatenate([[], *(path.times_s for path in paths)]), return_index=True)
    xyxy = np.concatenate([np.zeros((0, 4), np.float32), *(path.xyxy for path in paths)])
    return FacePath(times_s, xyxy[first])


def _text_px(picture: Image) -> int:
    height, width = map(int, picture.shape[:2])
    return max(MIN_TEXT_PX, round(min(height, width) * TEXT_SHARE))


@lru_cache(maxsize=512)
def _letters(text: str, text_px: int) -> NDArray[np.uint8]:
    """How much of each pixel letters cover, 0 to 255: (h, w), with a margin. Any script that a font has."""
    inch = 100
    figure = Figure(figsize=(len(text) * text_px / inch + 1, 2.2 * text_px / inch), dpi=inch)
    canvas = FigureCanvasAgg(figure)
    left = 0.5 * text_px / (inch * figure.get_figwidth())
    with lettering():
        figure.text(left, 0.5, text, va="center", fontsize=0.72 * text_px, parse_math=False)
        canvas.draw()  # type: ignore[no-untyped-call]
    grey: NDArray[np.uint8] = 255 - np.asarray(canvas.buffer_rgba(), np.uint8)[..., 0]  # type: ignore[no-untyped-call]
    inked = np.flatnonzero(grey.any(axis=0))
    return grey[:, : (int(inked[-1]) if len(inked) else 0) + text_px // 2]


def _paste(picture: Image, label: Image, left: int, top: int) -> None:
    """Put a label into a picture, moved so that it is inside as far as it fits."""
    height, width = picture.shape[:2]
    top, left = max(0, min(top, height - len(label))), max(0, min(left, width - label.shape[1]))
    inside = label[: height - top, : width - left]
    picture[top : top + len(inside), left : left + inside.shape[1]] = inside


def _bgr(code: str) -> tuple[int, int, int]:
    """Blue, green and red of #rrggbb."""
    red, green, blue = bytes.fromhex(code[1:])
    return blue, green, red
