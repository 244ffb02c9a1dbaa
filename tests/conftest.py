"""No test has a deadline; and sounds that audio feature tests share: a second each at 16 kHz, over a little noise."""

import numpy as np
import pytest
from hypothesis import settings

from omsn.types import Floats

settings.register_profile("any machine", deadline=None)  # speed is for benchmarks, and machines are busy at times
settings.load_profile("any machine")

RATE_HZ = 16000


def room_noise() -> Floats:
    return (1e-3 * np.random.default_rng(0).standard_normal(RATE_HZ)).astype(np.float32)


def tone() -> Floats:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.float32)


def chirp() -> Floats:
    seconds = np.arange(RATE_HZ) / RATE_HZ
    return (0.5 * np.sin(2 * np.pi * (100 * seconds + 2950 * seconds**2))).astype(np.float32)


def noise() -> Floats:
    return (0.1 * np.random.default_rng(1).standard_normal(RATE_HZ)).astype(np.float32)


def voice() -> Floats:
    """Twenty harmonics of a pitch that glides from 120 to 180 Hz."""
    phase = 2 * np.pi * np.cumsum(np.linspace(120, 180, RATE_HZ)) / RATE_HZ
    samples: Floats = 0.2 * np.sum([np.sin(k * phase) / k for k in range(1, 21)], axis=0).astype(np.float32)
    return samples


@pytest.fixture(params=[tone, chirp, noise, voice], ids=lambda make: make.__name__)
def sound_samples(request: pytest.FixtureRequest) -> Floats:
    samples: Floats = request.param() + room_noise()
    return samples


@pytest.fixture
def voice_samples() -> Floats:
    return voice() + room_noise()
