"""Who of several faces speaks: the one whose mouth moves as the sound does.

Mouth and sound of a speaker rise and fall together, the mouth 0.1 to 0.3 s ahead (Chandrasekaran et al. 2009, PLoS
Computational Biology 5:e1000436). The score is the covariance of the mouth's speed with the sound's amplitude, so that
the jitter of a still mouth counts little even where it happens to go with the sound. Of two people who speak at once
it cannot tell well whose voice is heard (docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from omsn.types import LEFT_EYE, RIGHT_EYE, LandmarkTrack, Seconds, Sound

INNER_LIPS = ((61, 67), (62, 66), (63, 65))
"""Upper and lower points whose mean distance is the mouth's opening."""
MOUTH_LEADS_S = (0.0, 0.1, 0.2)
"""How far the mouth may be ahead of the sound; the best is taken."""
HALF_WINDOW_S = 1 / 30
"""The sound's amplitude at a frame is taken from this far around it."""
MIN_FRAMES = 8
"""A face that is seen in fewer frames is not judged."""


def speaking_face(tracks: Sequence[LandmarkTrack], sound: Sound) -> int | None:
    """Which of the faces speaks.

    Returns:
        Position in ``tracks``; None where the sound is silent, or goes with no mouth.
    """
    scores = [speaking_score(track, sound) for track in tracks]
    best = max(range(len(scores)), key=scores.__getitem__, default=None)
    return best if best is not None and scores[best] > 0 else None


def speaking_score(track: LandmarkTrack, sound: Sound) -> float:
    """How much a mouth moves with a sound, in distances of the eyes per second; 0 where it does not, or below."""
    times_s, speed = mouth_speed(track)
    if len(times_s) < MIN_FRAMES:
        return 0.0
    return max(_covariance(speed, amplitude(sound, times_s + lead_s)) for lead_s in MOUTH_LEADS_S)


def mouth_speed(track: LandmarkTrack) -> tuple[Seconds, NDArray[np.float64]]:
    """How fast a mouth opens or closes in each frame that shows it, in distances of the eyes per second.

    Returns:
        Times in seconds (T,) and speeds (T,).
    """
    points, times_s = track.points[track.mask].astype(np.float64), track.times_s[track.mask]
    if len(points) < 2:
        return times_s, np.zeros(len(points))
    eyes = points[:, LEFT_EYE].mean(axis=1) - points[:, RIGHT_EYE].mean(axis=1)  # (T, 2)
    upper, lower = (points[:, list(lip)] for lip in zip(*INNER_LIPS, strict=True))  # (T, 3, 2)
    gaps = np.linalg.norm(upper - lower, axis=2).mean(axis=1)  # (T,)
    opening = gaps / max(float(np.median(np.linalg.norm(eyes, axis=1))), 1e-6)
    return times_s, np.abs(np.gradient(opening, times_s))


def amplitude(sound: Sound, times_s: Seconds) -> NDArray[np.float64]:
    """Root mean square of a sound around some times; 0 where there is none. (T,) -> (T,)."""
    energy = np.concatenate([[0.0], np.cumsum(sound.samples.astype(np.float64) ** 2)])
    edges_s = times_s[:, None] + np.array([-HALF_WINDOW_S, HALF_WINDOW_S]) - sound.start_s
    edges = np.clip(np.round(edges_s * sound.rate_hz), 0, len(sound.samples)).astype(int)  # (T, 2)
    samples = 2 * HALF_WINDOW_S * sound.rate_hz
    mean_square: NDArray[np.float64] = np.maximum(energy[edges[:, 1]] - energy[edges[:, 0]], 0) / samples
    return np.sqrt(mean_square)


def _covariance(speed: NDArray[np.float64], loudness: NDArray[np.float64]) -> float:
    """Of the speed with the loudness in its own standard deviations; 0 for a loudness that does not change."""
    spread = float(loudness.std())
    return float(((speed - speed.mean()) * (loudness - loudness.mean())).mean() / spread) if spread > 1e-9 else 0.0
