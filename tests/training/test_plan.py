from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from omsn.config import AudioFeatures, Config, PipelineConfig
from omsn.data.dataset import FeatureSet
from omsn.errors import ConfigError
from omsn.labels import RAVDESS_EMOTIONS
from omsn.training.plan import Plan, check_features

PLAN = Plan(Path("cache"), "loso", (0,), "network", Config(), "default")


def features(pipeline: PipelineConfig) -> FeatureSet:
    return FeatureSet((), RAVDESS_EMOTIONS, pipeline, "cache")


def test_features_of_other_settings_are_refused() -> None:
    made = replace(PipelineConfig(), audio=AudioFeatures(n_mels=64))
    with pytest.raises(ConfigError, match=r"than recipe .* asks for: pipeline\.audio\.n_mels is 64, not 40\. Prepare"):
        check_features(PLAN, features(made))
    check_features(PLAN, features(PipelineConfig()))
