"""File to Sample on one screen (paper figure 1, left half)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from omsn.config import PipelineConfig, VideoFeatures
from omsn.errors import MediaError
from omsn.features.audio import audio_columns, audio_stream
from omsn.features.face import face_columns, hog_stream, side_by_side
from omsn.features.geometry import geometry_stream
from omsn.media.landmark_file import read_landmarks
from omsn.media.probe import probe
from omsn.media.sound import read_sound
from omsn.media.video import read_frames
from omsn.preprocess.face_track import track_main_face
from omsn.preprocess.keyframes import select_keyframes
from omsn.preprocess.noise_gate import gate_noise
from omsn.preprocess.speech import trim_silence
from omsn.types import Clip, LandmarkTrack, Sample, Sound, Stream

MAX_DRIFT_S = 0.5
"""Sound and landmarks of one trial that differ more than this in length do not belong together."""


def make_sample(clip: Clip, config: PipelineConfig) -> Sample:
    """Decode, clean and describe one clip.

    Raises:
        MediaError: a file that the clip names is missing, damaged, or does not belong with the others.
    """
    video = select_keyframes(video_of(clip, config), config.video.keyframes)
    copies = tuple(audio_of(clip, config, speed) for speed in config.audio.speeds)
    return Sample(clip.clip, audio_of(clip, config), video, copies)


def audio_of(clip: Clip, config: PipelineConfig, speed: float = 1.0) -> Stream:
    """Sound -> noise gate -> speech -> frame features; absent where the clip has no sound.

    At another speed, pitch and formants move with it, as if the samples were played at another rate.
    """
    if not _has_sound(clip):
        return Stream.absent(audio_columns(config.audio))
    sound = read_sound(clip.audio, rate_at(speed, config), clip.start_s, clip.end_s)
    return audio_stream(clean_sound(as_played(sound, config), config), config.audio)


def rate_at(speed: float, config: PipelineConfig) -> int:
    """The rate that a sound is read at, to have this speed as it is played."""
    return round(config.audio.rate_hz / speed)


def as_played(sound: Sound, config: PipelineConfig) -> Sound:
    """The same samples at the rate of all sounds: slower or faster, where they were read at another one."""
    return replace(sound, rate_hz=config.audio.rate_hz)


def clean_sound(sound: Sound, config: PipelineConfig, loudest: float = 0.0) -> Sound:
    """Noise gate, then speech without the silence around it; ``loudest`` as in ``trim_silence``."""
    gated = gate_noise(sound, config.noise_gate) if config.noise_gate.enabled else sound
    return trim_silence(gated, config.speech, loudest) if config.speech.trim else gated


def video_of(clip: Clip, config: PipelineConfig) -> Stream:
    """Landmarks (given, or found in the picture) -> geometry and HOG; absent where the clip has no face."""
    if not (clip.landmarks or _has_picture(clip)):
        return Stream.absent(face_columns(config.video))
    track = face_of(clip, config)
    if not config.video.hog:
        return geometry_stream(track, config.video)
    if not _has_picture(clip):
        raise MediaError(f"{clip.clip}: HOG needs the picture; got landmarks only. Name a video or turn video.hog off")
    frames = read_frames(clip.video, config.video.rate_hz, clip.start_s, clip.end_s)
    return face_stream(track, hog_stream(frames, track, bilateral=config.faces.bilateral), config.video)


def face_stream(track: LandmarkTrack, hog: Stream, config: VideoFeatures) -> Stream:
    """Geometry of a face, its HOG, or both side by side, as the settings say."""
    if not config.hog:
        return geometry_stream(track, config)
    return side_by_side(geometry_stream(track, config), hog) if config.geometry else hog


def face_of(clip: Clip, config: PipelineConfig) -> LandmarkTrack:
    """The landmarks of the clip's face: those given, or found in the picture."""
    if clip.landmarks:
        rate = Fraction(config.video.landmark_rate)
        given = read_landmarks(clip.landmarks, rate)
        start_s = _picture_start_s(clip)
        _check_together(clip, given, rate, start_s)
        return given.later(start_s).between(clip.start_s, clip.end_s)
    return track_main_face(read_frames(clip.video, config.video.rate_hz, clip.start_s, clip.end_s), config.faces)


def _has_sound(clip: Clip) -> bool:
    """True when the clip names a sound; a file that is named for the picture too may turn out to have none."""
    return bool(clip.audio) and (clip.audio != clip.video or probe(clip.audio).has_audio)


def _has_picture(clip: Clip) -> bool:
    """True when the clip names a picture; a file that is named for the sound too may turn out to have none."""
    return bool(clip.video) and (clip.audio != clip.video or probe(clip.video).has_video)


def _picture_start_s(clip: Clip) -> float:
    """When the first picture is shown that given landmarks are of, on the clock of the clip's film."""
    film = clip.video or clip.audio
    return probe(film).picture_start_s if film else 0.0


def _check_together(clip: Clip, track: LandmarkTrack, rate: Fraction, start_s: float) -> None:
    """Raise where given landmarks, from ``start_s`` on, end long before or after the sound or the video."""
    end_s = start_s + float(len(track) / rate)
    for path in filter(None, (clip.audio, clip.video)):
        media_s = probe(path).duration_s
        if media_s is not None and abs(media_s - end_s) > MAX_DRIFT_S:
            raise MediaError(
                f"{clip.landmarks}: {len(track)} frames of landmarks end at {end_s:.2f} s, but {path} lasts "
                f"{media_s:.2f} s; check that both are of one trial and that video.landmark_rate is right"
            )
