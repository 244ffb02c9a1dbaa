"""The odd films: how each is made, and what must be read from it or told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from odd_films import PLAIN, Take, TimedImage, Writing, stamp, stamped, timed, write_film

from omsn.media.video import Image

SIZE = (240, 180)
Shown = tuple[tuple[float, int], ...]
"""Times in seconds and numbers of pictures."""
STEADY: Shown = tuple((number / 25, number) for number in range(25))
LATE_S = 0.4
FAST = {"preset": "ultrafast"}
B_FRAMES = {"preset": "medium"}
VP9 = {"deadline": "realtime", "cpu-used": "8"}


@dataclass(frozen=True)
class GoodFilm:
    """A film that must be answered.

    Attributes:
        name: what is odd about it.
        write: writes it into a folder.
        shown: what its pictures are; empty where it has none.
        sound_s: when the voice begins on the file's clock; None where there is none.
        modalities: what the answer is made of.
        end_s: when the last window ends.
        size: width and height of its pictures, upright.
    """

    name: str
    write: Callable[[Path, Take], Path]
    shown: Shown = STEADY
    sound_s: float | None = 0.0
    modalities: tuple[str, ...] = ("audio", "video")
    end_s: float = 1.0
    size: tuple[int, int] = SIZE


@dataclass(frozen=True)
class BadFilm:
    """A film that cannot be answered, and what the reason says."""

    name: str
    write: Callable[[Path, Take], Path]
    reason: str


def film(
    name: str,
    writing: Writing = PLAIN,
    pictures: Callable[[Take], list[TimedImage] | None] = lambda take: timed(take.images),
    sound: float | None = 1.0,
) -> Callable[[Path, Take], Path]:
    """A writer of a film; ``sound`` is the loudness of the voice, None for no track."""

    def write(folder: Path, take: Take) -> Path:
        samples = None if sound is None else (sound * take.samples).astype(np.float32)
        return write_film(folder / name, pictures(take), samples, writing)

    return write


def at(rate_hz: int) -> Shown:
    """The pictures of a film at another rate."""
    return tuple((number / rate_hz, int(number * 25 / rate_hz)) for number in range(rate_hz))


def showing(shown: Shown) -> Callable[[Take], list[TimedImage]]:
    return lambda take: [(time_s, take.images[number]) for time_s, number in shown]


def after(by_s: float, shown: Shown) -> Shown:
    """The same pictures later."""
    return tuple((by_s + time_s, number) for time_s, number in shown)


def later(by_s: float) -> Callable[[Take], list[TimedImage]]:
    return lambda take: timed(take.images, start_s=by_s)


def changed(change: Callable[[Image], Image], numbers: range = range(25)) -> Callable[[Take], list[TimedImage]]:
    """Some of the pictures changed, all stamped anew."""

    def pictures(take: Take) -> list[TimedImage]:
        return timed(stamped(change(image) if n in numbers else image for n, image in enumerate(take.images)))

    return pictures


def resized(width: int, height: int, step: int = 1) -> Callable[[Take], list[TimedImage]]:
    """Every so manieth picture at another size, with crisp numbers."""

    def pictures(take: Take) -> list[TimedImage]:
        numbers = range(0, len(take.images), step)
        images = (cv2.resize(take.images[number], (width, height)) for number in numbers)
        return timed(
            [stamp(np.asarray(image, np.uint8), n) for n, image in zip(numbers, images, strict=True)], 25 / step
        )

    return pictures


def empty(image: Image) -> Image:
    return np.full_like(image, 90)


def interlaced(take: Take) -> list[TimedImage]:
    """Every second line is of the next picture, but in the strip of the numbers."""
    odd = (np.arange(SIZE[1]) % 2 == 1)[:, None, None]
    images = [np.where(odd, after, before) for before, after in zip(take.images, take.images[1:], strict=False)]
    return timed(stamped(images))


def on_its_side(take: Take) -> list[TimedImage]:
    return timed([np.rot90(image) for image in take.images])


def turned(name: str) -> Callable[[Path, Take], Path]:
    """A phone's film: it lies on its side, and its display matrix turns it clockwise by a quarter."""

    def write(folder: Path, take: Take) -> Path:
        path = film(name, pictures=on_its_side)(folder, take)
        content = bytearray(path.read_bytes())
        matrix = content.index(b"tkhd") + 4 + 40
        rows = (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)  # 16.16 fixed point a, b, u, c, d, v, x, y, w
        content[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in rows)
        path.write_bytes(content)
        return path

    return write


def half_of(writer: Callable[[Path, Take], Path]) -> Callable[[Path, Take], Path]:
    """The first half of a file."""

    def write(folder: Path, take: Take) -> Path:
        path = writer(folder, take)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return path

    return write


def text(name: str, content: str) -> Callable[[Path, Take], Path]:
    def write(folder: Path, take: Take) -> Path:
        (folder / name).write_text(content, encoding="utf-8")
        return folder / name

    return write


def folder_named(name: str) -> Callable[[Path, Take], Path]:
    def write(folder: Path, take: Take) -> Path:
        (folder / name).mkdir()
        return folder / name

    return write


UNEVEN: Shown = tuple((time_s, round(25 * time_s)) for time_s in (0, 0.04, 0.12, 0.2, 0.24, 0.52, 0.56, 0.6, 0.8, 0.96))
UNEVEN_CLOCK = Writing(coder=FAST, clock=Fraction(100))
AVI = Writing("mpeg4", coder={"bf": "0"}, sound_codec="pcm_s16le")
WEBM = Writing("libvpx-vp9", coder=VP9, sound_codec="libopus")
LATE_SOUND = replace(PLAIN, sound_start_s=LATE_S)
EARLY_BOTH = Writing(coder=B_FRAMES, sound_start_s=-LATE_S)
TRIMMED: Shown = tuple((number / 25, number + 10) for number in range(15))
FIVE: Shown = at(5)

LATE_SOUNDS = tuple(
    GoodFilm(f"{kind} with late sound", film(name, writing), sound_s=LATE_S, end_s=1.4)
    for kind, name, writing in (
        ("MOV", "late.mov", replace(LATE_SOUND, coder=B_FRAMES)),
        ("MP4", "late.mp4", LATE_SOUND),
        ("Matroska", "late.mkv", LATE_SOUND),
        ("transport stream", "late.ts", LATE_SOUND),
        ("WebM", "late.webm", replace(WEBM, sound_start_s=LATE_S)),
    )
)

LATE_PICTURES = tuple(
    GoodFilm(f"{kind} with late picture", film(name, writing, later(LATE_S)), after(LATE_S, STEADY), end_s=1.4)
    for kind, name, writing in (
        ("MOV", "early.mov", Writing(coder=B_FRAMES)),
        ("MP4", "early.mp4", PLAIN),
        ("Matroska", "early.mkv", PLAIN),
        ("uncompressed Matroska", "early_pcm.mkv", replace(PLAIN, sound_codec="pcm_s16le")),
        ("WebM", "early.webm", WEBM),
    )
)
"""Of which players show nothing while the voice begins."""

GOOD_FILMS = (
    GoodFilm("plain", film("plain.mp4")),
    GoodFilm("picture alone", film("picture.mp4", sound=None), sound_s=None, modalities=("video",)),
    GoodFilm("sound alone", film("sound.m4a", pictures=lambda take: None), (), modalities=("audio",)),
    GoodFilm("no face", film("empty.mp4", pictures=changed(empty)), modalities=("audio",)),
    GoodFilm("face at first", film("half_face.mp4", pictures=changed(empty, range(12, 25)))),
    GoodFilm(
        "two faces",
        film("two.mp4", pictures=changed(lambda image: np.hstack([image, image[:, ::-1]]))),
        size=(480, 180),
    ),
    GoodFilm("silence with a face", film("silent.mp4", sound=0.0), sound_s=None, modalities=("video",)),
    GoodFilm("5 a second", film("5.mp4", replace(PLAIN, clock=Fraction(5)), showing(FIVE)), FIVE),
    GoodFilm("120 a second", film("120.mp4", replace(PLAIN, clock=Fraction(120)), showing(at(120))), at(120)),
    GoodFilm("uneven MP4", film("uneven.mp4", UNEVEN_CLOCK, showing(UNEVEN)), UNEVEN),
    GoodFilm("uneven Matroska", film("uneven.mkv", UNEVEN_CLOCK, showing(UNEVEN)), UNEVEN),
    GoodFilm("phone on its side", turned("phone.mp4")),
    GoodFilm(
        "interlaced H.264",
        film("fields.mp4", replace(PLAIN, coder=FAST | {"x264-params": "tff=1"}), interlaced),
        STEADY[:24],
    ),
    GoodFilm(
        "interlaced MPEG-2",
        film(
            "fields.mpg",
            Writing("mpeg2video", coder={"flags": "+ildct+ilme", "b": "2M"}, sound_codec="mp2"),
            interlaced,
        ),
        STEADY[:24],
    ),
    GoodFilm("4K", film("4k.mp4", replace(PLAIN, clock=Fraction(5)), resized(3840, 2160, 5)), FIVE, size=(3840, 2160)),
    GoodFilm("64 x 64", film("64.mp4", pictures=resized(64, 64)), size=(64, 64)),
    GoodFilm(
        "odd size",
        film("odd.mkv", Writing(pixel_format="yuv444p", coder=FAST), resized(201, 151)),
        size=(201, 151),
    ),
    GoodFilm(
        "10-bit HEVC",
        film("10bit.mp4", Writing("libx265", "yuv420p10le", FAST | {"x265-params": "log-level=none"})),
    ),
    GoodFilm("browser's WebM", film("live.webm", replace(WEBM, muxer={"live": "1"}))),
    GoodFilm(
        "half of a browser's WebM",
        half_of(film("half_live.webm", replace(WEBM, muxer={"live": "1"}))),
        (),
        None,
        end_s=0.38,
    ),
    GoodFilm(
        "fragmented MP4", film("pieces.mp4", replace(PLAIN, muxer={"movflags": "frag_keyframe+empty_moov+delay_moov"}))
    ),
    GoodFilm("ProRes", film("prores.mov", Writing("prores_ks", "yuv422p10le", {}, "pcm_s24le"))),
    GoodFilm("motion JPEG", film("jpeg.avi", Writing("mjpeg", "yuvj420p", {}, "pcm_u8"))),
    GoodFilm("AVI", film("plain.avi", AVI)),
    GoodFilm("AVI with B-frames", film("b.avi", Writing(coder=B_FRAMES, sound_codec="pcm_s16le"))),
    GoodFilm("DivX with B-frames", film("divx.avi", replace(AVI, coder={"bf": "2"}))),
    GoodFilm("Matroska with FLAC", film("flac.mkv", Writing(coder=B_FRAMES, sound_codec="flac"))),
    GoodFilm("transport stream", film("b.ts", Writing(coder=B_FRAMES))),
    GoodFilm("flash", film("b.flv", Writing(coder=B_FRAMES))),
    *LATE_SOUNDS,
    *LATE_PICTURES,
    GoodFilm("MOV trimmed by its edit lists", film("cut.mov", EARLY_BOTH, later(-LATE_S)), TRIMMED, -LATE_S, end_s=0.6),
)

BAD_FILMS = (
    BadFilm("silence alone", film("silence.m4a", pictures=lambda take: None, sound=0.0), "neither sound nor a face"),
    BadFilm("neither", film("neither.mp4", pictures=changed(empty), sound=None), "neither sound nor a face"),
    BadFilm("half of an MP4", half_of(film("half.mp4")), "cut short before its table of contents"),
    BadFilm("half of a MOV", half_of(film("half.mov")), "cut short before its table of contents"),
    BadFilm(
        "half of a streamable MP4",
        half_of(film("half_fast.mp4", replace(PLAIN, muxer={"movflags": "faststart"}))),
        "broke off; decoded 0.",
    ),
    BadFilm("half of a Matroska", half_of(film("half.mkv")), "broke off; decoded 0."),
    BadFilm("half of a WebM", half_of(film("half.webm", WEBM)), "broke off; decoded 0."),
    BadFilm(
        "half of an AVI",
        half_of(film("half.avi", Writing(coder=B_FRAMES, sound_codec="pcm_s16le"))),
        "broke off; 50% of it is there",
    ),
    BadFilm("text", text("text.mp4", "not a film\n" * 50), "not a media file"),
    BadFilm("one line of text", text("line.mp4", "x"), "not a media file"),
    BadFilm("subtitles", text("words.mp4", "1\n00:00:00,000 --> 00:00:01,000\nhello\n"), "neither sound nor a face"),
    BadFilm(
        "list of films", text("list.mp4", "ffconcat version 1.0\nfile plain.mp4\n"), "a list of other files (concat)"
    ),
    BadFilm("nothing", text("nothing.mp4", ""), "is empty (0 bytes)"),
    BadFilm("folder", folder_named("folder.mp4"), "no media file in this folder"),
)
