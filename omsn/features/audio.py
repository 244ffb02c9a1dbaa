"""Frame features of a sound: the paper's audio list (2.3), one row a frame.

Every column is on a scale of its own that the clip around the frame does not change (dB relative to full scale, kHz,
octaves, shares), so clips can be compared, and a stream gives the same numbers as a file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from omsn.config import AudioFeatures
from omsn.errors import InputError
from omsn.features import cepstral, pitch, spectral, waveform
from omsn.types import Seconds, Sound, Stream


def audio_columns(config: AudioFeatures) -> tuple[str, ...]:
    """Names of the feature columns that these settings give, in order."""
    n_bands = len(spectral.contrast_edges_khz(config.rate_hz)) - 1
    return (
        *(f"logmel_{band:02}" for band in range(config.n_mels)),
        *(f"mfcc_{order:02}" for order in range(config.n_mfcc)),
        *(f"mfcc_delta_{order:02}" for order in range(config.n_mfcc)),
        *("rms_db", "envelope_db", "zero_crossing_rate", "mean_crossing_rate"),
        *("f0_log2", "f0_delta", "voicing"),
        *("centroid_khz", "bandwidth_khz", "rolloff_khz", "flatness_db", "flux_db"),
        *(f"contrast_{band}" for band in range(n_bands)),
    )


def audio_stream(sound: Sound, config: AudioFeatures) -> Stream:
    """Features of each frame of a sound; frame i is centred on ``sound.start_s`` + i hops.

    A sound shorter than one frame, or of zeros only, gives an absent stream. Otherwise every frame is real.

    Args:
        sound: at ``config.rate_hz``.
        config: frame sizes and numbers of bands.

    Returns:
        (ceil((1 + n // hop) / config.frames_per_row), F) with the columns of ``audio_columns``.

    Raises:
        InputError: the sound has another rate.
    """
    rate_hz, columns = config.rate_hz, audio_columns(config)
    if sound.rate_hz != rate_hz:
        raise InputError(f"audio features: got a sound at {sound.rate_hz} Hz, expected {rate_hz} Hz; resample it first")
    length, hop = round(config.window_s * rate_hz), round(config.hop_s * rate_hz)
    if len(sound.samples) < length or not sound.samples.any():
        return Stream.absent(columns)

    frames = waveform.centred_frames(sound.samples, length, hop)  # (T, length)
    power = spectral.power_spectrum(frames)  # (T, n_bins)
    magnitude, khz = np.sqrt(power), spectral.bin_khz(power.shape[1], rate_hz)
    logmel = cepstral.log_mel(power, rate_hz, config.n_mels)  # (T, n_mels)
    mfcc = cepstral.cepstrum(logmel, config.n_mfcc)  # (T, n_mfcc)
    lags = pitch.Lags.of(rate_hz, config.pitch_low_hz, config.pitch_high_hz)
    f0_hz, voicing = pitch.pitch(waveform.centred_frames(sound.samples, lags.frame_length, hop), rate_hz, lags)
    f0_log2 = pitch.octaves(f0_hz, config.pitch_low_hz)
    values = np.column_stack(
        [
            *(logmel, mfcc, cepstral.delta(mfcc)),
            *(waveform.rms_db(frames), waveform.envelope_db(frames)),
            *(waveform.zero_crossing_rate(frames), waveform.mean_crossing_rate(frames)),
            *(f0_log2, pitch.octave_steps(f0_log2), voicing),
            *spectral.centroid_and_bandwidth_khz(magnitude, khz),
            spectral.rolloff_khz(magnitude, khz),
            *(spectral.flatness_db(power), spectral.flux_db(logmel), spectral.contrast_db(magnitude, rate_hz)),
        ]
    )  # (T, F)
    frame_times_s: Seconds = sound.start_s + np.arange(len(values), dtype=np.float64) * hop / rate_hz
    rows, times_s = (_means(array, config.frames_per_row) for array in (values, frame_times_s))
    return Stream(rows.astype(np.float32), np.ones(len(rows), np.bool_), times_s, columns)


def _means(frames: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Means over groups of ``size`` neighbours along the first axis; the last group may be smaller."""
    starts = np.arange(0, len(frames), size)
    counts = np.minimum(size, len(frames) - starts)
    sums: NDArray[np.float64] = np.add.reduceat(frames, starts, axis=0)
    return sums / counts.reshape(-1, *[1] * (frames.ndim - 1))
