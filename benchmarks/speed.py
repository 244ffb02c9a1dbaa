"""How long the main jobs take on this machine, one after the other in one run, beside what users would otherwise do.

    OMSN_DATA=... python benchmarks/speed.py [--clips 100] [--epochs 3]

Prints one row a job. Features stand beside librosa's MFCC + YIN on the same clips, both on one process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from omsn.data.corpora import CORPORA
from omsn.data.dataset import load_features
from omsn.data.prepare import prepare
from omsn.data.splits import Fold
from omsn.pipeline import audio_of
from omsn.recipes import load_config
from omsn.training.loop import fit
from omsn.training.parts import make_parts
from omsn.training.rounds import build_network
from omsn.types import Clip


def main() -> None:
    """Run every measurement and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100, help="clips for the comparison with librosa")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of the paper recipe to time")
    data = os.environ.get("OMSN_DATA")
    parser.add_argument("--data", type=Path, default=data, required=not data, help="holds ravdess; or set OMSN_DATA")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    clips = CORPORA["ravdess"](arguments.data / "ravdess").clips
    _row("omsn --help", _seconds(lambda: _run("-m", "omsn", "--help")))
    _row("import omsn", _seconds(lambda: _run("-c", "import omsn")))
    _compare_features(clips[: arguments.clips])
    with tempfile.TemporaryDirectory() as folder:
        cache, config = Path(folder), load_config("paper")
        _row(f"omsn prepare, {len(clips)} clips, cold, two processes", _seconds(lambda: _prepare(clips, cache)))
        _train(cache, arguments.epochs, config.training.epochs)


def _compare_features(clips: tuple[Clip, ...]) -> None:
    import librosa  # a test dependency, loaded only where it is compared with

    config = load_config("default").pipeline

    def ours() -> None:
        for clip in clips:
            audio_of(clip, config)

    def theirs() -> None:
        for clip in clips:
            samples, rate_hz = librosa.load(clip.audio, sr=config.audio.rate_hz)
            librosa.feature.mfcc(y=samples, sr=rate_hz, n_fft=512, hop_length=320, n_mels=40)
            librosa.yin(samples, fmin=65, fmax=600, sr=rate_hz, frame_length=1024, hop_length=320)

    theirs()  # the first call compiles
    ours_s, theirs_s = _seconds(ours), _seconds(theirs)
    _row(f"all audio features of {len(clips)} clips, one process", ours_s)
    _row("librosa: MFCC and YIN only, warm", theirs_s)
    print(f"{'ratio':58} {theirs_s / ours_s:8.2f} x")


def _prepare(clips: tuple[Clip, ...], cache: Path) -> None:
    prepare(clips, cache, load_config("paper").pipeline, jobs=2)


def _train(cache: Path, epochs: int, whole: int) -> None:
    """Time some epochs on 960 clips and say what the recipe's whole training would take."""
    config, features = load_config("paper"), load_features(cache)
    parts = make_parts(features, Fold("speed", tuple(range(960)), (), ()), config.training)
    network = build_network(config, features, seed=0)
    training = replace(config.training, epochs=epochs, keep="last")
    spent_s = _seconds(lambda: fit(network, parts.train, None, training, seed=0))
    _row(f"paper recipe, {epochs} epochs on 960 clips, one thread", spent_s)
    _row(f"  which makes for its {whole} epochs", spent_s / epochs * whole)


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def _seconds(job: Callable[[], object]) -> float:
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def _row(name: str, seconds: float) -> None:
    print(f"{name:58} {seconds:8.2f} s", flush=True)


if __name__ == "__main__":
    main()
