"""Films in every shape that people have them, made of one rendered talking face for the tests of odd files.

Each picture carries its number in a strip along its lower edge, so that a reader can be asked which picture it showed
when; the voice tells by itself where in the sound a piece of it belongs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from made_media import sound_packets
from scipy.signal import correlate

from omsn.data.synthetic import render_corpus
from omsn.media.sound import read_sound
from omsn.media.video import Image, read_frames
from omsn.types import Floats

RATE_HZ = 48000
FRAME_RATE = Fraction(25)
N_BITS = 6
"""Blocks of the strip: numbers up to 63."""
STRIP = 12
"""The strip takes one part in so many of the height."""


@dataclass(frozen=True, eq=False)
class Take:
    """What is filmed.

    Attributes:
        images: (H, W, 3) uint8 BGR each, 25 a second, stamped with their numbers.
        samples: (n,) float32 of the voice at ``RATE_HZ``.
    """

    images: tuple[Image, ...]
    samples: Floats


@dataclass(frozen=True)
class Writing:
    """How a film is written; what is left out is what most files are: H.264 and AAC at a steady 25 pictures a second.

    Attributes:
        codec: encoder of the picture.
        pixel_format: what it is given.
        coder: its settings.
        sound_codec: encoder of the sound.
        sound_start_s: time of the first sample.
        clock: pictures' times are rounded to whole ticks of this many a second.
        muxer: settings of the container.
    """

    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    coder: Mapping[str, str] | None = None
    sound_codec: str = "aac"
    sound_start_s: float = 0.0
    clock: Fraction = FRAME_RATE
    muxer: Mapping[str, str] | None = None


PLAIN = Writing(coder={"preset": "ultrafast"})


def film_take(folder: Path) -> Take:
    """Render a talking face for one second."""
    path = render_corpus(folder, speakers=1, clips_per_emotion=1, seconds=1.0, size=(240, 180))[0]
    return Take(stamped(frame.image for frame in read_frames(path)), read_sound(path, RATE_HZ).samples)


def stamped(images: Iterable[Image]) -> tuple[Image, ...]:
    """The pictures, each with its number along its lower edge."""
    return tuple(stamp(image, number) for number, image in enumerate(images))


def stamp(image: Image, number: int) -> Image:
    """A picture with a number along its lower edge."""
    image = image.copy()
    height, width = image.shape[:2]
    for bit, columns in enumerate(np.array_split(np.arange(width), N_BITS)):
        image[height - height // STRIP :, columns] = 235 if number >> bit & 1 else 20
    return image


def number_of(image: Image) -> int:
    """The number that a picture carries."""
    height, width = image.shape[:2]
    strip = image[height - height // (2 * STRIP) - 1 : height - 1].mean(axis=(0, 2))  # (W,)
    blocks = [columns[len(columns) // 4 : -(len(columns) // 4)] for columns in np.array_split(np.arange(width), N_BITS)]
    return sum(1 << bit for bit, columns in enumerate(blocks) if strip[columns].mean() > 128)


def lag_s(samples: Floats, of: Floats, rate_hz: int = RATE_HZ) -> float:
    """By how much later sound is heard in ``samples`` than in ``of``."""
    likeness = correlate(samples.astype(np.float64), of.astype(np.float64), method="fft")
    return float(np.argmax(likeness) - (len(of) - 1)) / rate_hz


def timed(images: Sequence[Image], rate_hz: float = float(FRAME_RATE), start_s: float = 0.0) -> list[TimedImage]:
    """Pictures with their times, steadily from ``start_s``."""
    return [(start_s + number / rate_hz, image) for number, image in enumerate(images)]


TimedImage = tuple[float, Image]


def write_film(
    path: Path, pictures: Sequence[TimedImage] | None, samples: Floats | None, writing: Writing = PLAIN
) -> Path:
    """Encode and write a film, its packets in order of time; None leaves a track out."""
    with av.open(str(path), "w", options=dict(writing.muxer or {})) as container:
        # Both tracks are made before the first packet of either, as containers want it.
        video = _add_picture(container, pictures[0][1], writing) if pictures else None
        sound = container.add_stream(writing.sound_codec, rate=RATE_HZ, layout="mono") if samples is not None else None
        packets: list[av.Packet[av.stream.Stream]] = []
        if video is not None and pictures:
            packets += _picture_packets(video, pictures, writing)
        if sound is not None and samples is not None:
            assert isinstance(sound, av.AudioStream)
            packets += sound_packets(sound, np.atleast_2d(samples), RATE_HZ, writing.sound_start_s)
        for packet in sorted(packets, key=lambda packet: float((packet.dts or 0) * packet.time_base)):
            container.mux(packet)
    return path


def _add_picture(container: av.container.OutputContainer, first: Image, writing: Writing) -> av.VideoStream:
    video = container.add_stream(writing.codec, rate=writing.clock, options=dict(writing.coder or {}))
    assert isinstance(video, av.VideoStream)
    video.height, video.width = first.shape[:2]
    video.pix_fmt = writing.pixel_format
    video.codec_context.thread_count = 1
    return video


def _picture_packets(
    video: av.VideoStream, pictures: Sequence[TimedImage], writing: Writing
) -> list[av.Packet[av.stream.Stream]]:
    packets: list[av.Packet[av.stream.Stream]] = []
    for time_s, image in pictures:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        frame.pts, frame.time_base = round(time_s * writing.clock), 1 / writing.clock
        packets += video.encode(frame)
    return packets + video.encode(None)
