from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from omsn.config import AudioFeatures, Config, PipelineConfig
from omsn.data.dataset import FeatureSet
from omsn.labels import RAVDESS_EMOTIONS
from omsn.training.plan import Plan, on_features

PLAN = Plan(Path("cache"), "loso", (0,), "network", Config(), "default")


def features(pipeline: PipelineConfig) -> FeatureSet:
    return FeatureSet((), RAVDESS_EMOTIONS, pipeline, "cache")


def test_a_cache_of_the_recipes_settings_is_used_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    assert on_features(PLAN, features(PipelineConfig())) == PLAN
    assert not caplog.records


def test_a_cache_of_other_settings_is_used_as_it_is_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    made = replace(PipelineConfig(), audio=AudioFeatures(n_mels=64))
    with caplog.at_level(logging.WARNING):
        assert on_features(PLAN, features(made)).config.pipeline == made
    assert "pipeline.audio.n_mels is 64, not 40" in caplog.text
