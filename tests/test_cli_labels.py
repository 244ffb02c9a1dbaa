"""prepare --label: what the emotion codes of file names mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from called import omsn
from made_checkpoint import write_hum

from omsn.data.manifest import read_manifest
from omsn.errors import ConfigError, OmsnError

TEMPLATE = ["--corpus", "pattern", "--template", "{speaker}_{emotion}.wav"]


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    for name in ("1_ANG", "1_HAP", "1_NEU", "2_ANG", "2_JOY"):
        write_hum(tmp_path / "sounds" / f"{name}.wav", 1.0)
    return tmp_path / "sounds"


def prepared(sounds: Path, *arguments: str) -> tuple[dict[str, str], list[str]]:
    """Emotion of each clip, and the files that were passed over."""
    cache = sounds.with_name("cache")
    told = json.loads(omsn("prepare", sounds, "--out", cache, *TEMPLATE, *arguments, "--json"))
    clips = {clip.clip: clip.emotion for clip in read_manifest(cache / "manifest.csv", check_files=False)}
    return clips, [Path(item["path"]).name for item in told["skipped_files"]]


def test_codes_become_the_emotions_that_labels_say(sounds: Path) -> None:
    clips, skipped = prepared(sounds, "--label", "ANG=angry", "--label", " HAP = happy", "--label", "JOY=happy")
    assert clips == {"1_ANG": "angry", "1_HAP": "happy", "2_ANG": "angry", "2_JOY": "happy"}
    assert skipped == ["1_NEU.wav"]


def test_without_labels_codes_are_the_emotions(sounds: Path) -> None:
    clips, skipped = prepared(sounds)
    assert (set(clips.values()), skipped) == ({"ANG", "HAP", "NEU", "JOY"}, [])


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["ANG"], "--label: got 'ANG', expected a code of the names and its emotion, as ANG=angry"),
        (["=angry"], "--label: got '=angry'"),
        (["ANG= "], "--label: got 'ANG= '"),
        (["A=angry", "A=sad"], "--label: 'A' is given twice, 'angry' and 'sad'; keep one of them"),
    ],
)
def test_labels_that_say_nothing(sounds: Path, labels: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        prepared(sounds, *(word for label in labels for word in ("--label", label)))


def test_labels_that_no_file_has(sounds: Path) -> None:
    with pytest.raises(OmsnError, match="sounds"):
        prepared(sounds, "--label", "SAD=sad")


def test_labels_of_a_corpus_that_names_its_emotions(sounds: Path) -> None:
    with pytest.raises(ConfigError, match="--label belongs to --corpus pattern"):
        omsn("prepare", sounds, "--out", sounds.with_name("cache"), "--label", "01=happy")
