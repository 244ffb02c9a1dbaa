"""Small media files that the tests of omsn.media write for themselves."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from omsn.media.video import Image
from omsn.types import Floats

RATE_HZ = 48000


def tone(seconds: float, hz: float = 440.0, rate_hz: int = RATE_HZ) -> Floats:
    samples: Floats = (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)
    return samples


def grey_levels(n_frames: int, height: int = 48, width: int = 64) -> list[Image]:
    """Pictures whose level tells their number: 10 for the first, 2 more for each."""
    return [np.full((height, width, 3), 10 + 2 * number, np.uint8) for number in range(n_frames)]


def corner_mark(height: int = 48, width: int = 64) -> Image:
    """A black picture with a white top left quarter."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = 255
    return image


def write_media(
    path: Path,
    samples: Floats | None = None,
    images: list[Image] | None = None,
    *,
    codec: str = "aac",
    frame_rate: Fraction = Fraction(25),
    sound_start_s: float = 0.0,
    rate_hz: int = RATE_HZ,
    options: dict[str, str] | None = None,
) -> Path:
    """Write sound, (n,) or (channels, n), and pictures with PyAV; packets are interleaved by time."""
    with av.open(str(path), "w", options=options or {}) as container:
        sound = container.add_stream(codec, rate=rate_hz) if samples is not None else None
        picture = container.add_stream("mpeg4", rate=frame_rate) if images else None
        packets: list[av.Packet[av.stream.Stream]] = []
        if picture is not None and images is not None:
            assert isinstance(picture, av.VideoStream)
            picture.height, picture.width = images[0].shape[:2]
            picture.pix_fmt = "yuv420p"
            picture.codec_context.gop_size = 5
            for number, image in enumerate(images):
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = number, 1 / frame_rate
                packets += picture.encode(frame)
            packets += picture.encode(None)
        if sound is not None and samples is not None:
            assert isinstance(sound, av.AudioStream)
            packets += sound_packets(sound, np.atleast_2d(samples), rate_hz, sound_start_s)
        for packet in sorted(packets, key=lambda packet: float((packet.dts or 0) * packet.time_base)):
            container.mux(packet)
    return path


def sound_packets(
    stream: av.AudioStream, channels: Floats, rate_hz: int, start_s: float
) -> list[av.Packet[av.stream.Stream]]:
    """Encoded sound of (channels, n) samples that begins at ``start_s``."""
    layout = "mono" if len(channels) == 1 else "stereo"
    stream.layout = layout
    stream.codec_context.open()
    if not channels.size:
        return []
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout=layout)
    frame.rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
    resampler = av.AudioResampler(stream.format.name, layout, rate_hz, stream.frame_size or 1024)
    packets: list[av.Packet[av.stream.Stream]] = []
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        assert piece.pts is not None
        piece.pts += round(start_s * rate_hz)
        packets += stream.encode(piece)
    return packets + stream.encode(None)


def shifted(source: Path, target: Path, kind: str, by_s: float, from_s: float = 0.0) -> Path:
    """Copy a file with the packets of one track, from a time on, that much later."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        copies = {stream.index: writer.add_stream_from_template(stream) for stream in reader.streams}
        for packet in reader.demux():
            if packet.dts is None or packet.pts is None:
                continue
            if packet.stream.type == kind and packet.pts * packet.time_base >= from_s:
                packet.pts, packet.dts = (stamp + round(by_s / packet.time_base) for stamp in (packet.pts, packet.dts))
            packet.stream = copies[packet.stream.index]
            writer.mux(packet)
    return target


def cut_short(path: Path, share: float = 0.6) -> Path:
    """Keep the first part of a file, as a broken copy does."""
    contents = path.read_bytes()
    short = path.with_name(f"cut_{path.name}")
    short.write_bytes(contents[: int(len(contents) * share)])
    return short
