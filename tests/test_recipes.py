import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omsn.config import Config, PipelineConfig, TrainingConfig, VideoFeatures
from omsn.errors import ConfigError
from omsn.models.checkpoint import load_checkpoint, shipped_checkpoint
from omsn.recipes import (
    differing_settings,
    flat_settings,
    from_dict,
    load_config,
    recipe_names,
    to_dict,
    to_json,
    with_settings,
)


def test_the_package_carries_the_default_and_the_papers_settings() -> None:
    assert {"default", "paper"} <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_gives_settings_that_come_back_from_json(name: str) -> None:
    config = load_config(name)
    assert from_dict(Config, json.loads(to_json(config))) == config


def test_no_values_give_the_defaults() -> None:
    assert from_dict(Config, {}) == Config()


def test_a_section_that_is_partly_given_keeps_the_rest_of_the_settings_own_default() -> None:
    default = Config().network.statistics
    assert default.audio.step != type(default.audio)().step  # what the section's class would have by itself

    changed = from_dict(Config, {"network": {"statistics": {"audio": {"gaussians": 5}}}}).network.statistics

    assert changed == replace(default, audio=replace(default.audio, gaussians=5))


def test_sound_alone_sees_stretches_whose_frames_lie_80_ms_apart() -> None:
    """As they were measured (docs/decisions.md, 2026-11-30)."""
    config = load_config("audio")
    assert config.network.statistics.audio.step * config.pipeline.audio.frames_per_row == 4  # frames of 20 ms


def test_settings_stand_on_top_of_the_recipe_in_order() -> None:
    config = load_config(
        settings=[
            "pipeline.audio.n_mels=64",
            " training.epochs = 7",
            "training.epochs=9",
            "pipeline.video.landmark_rate=25",
            'training.loss="binary_cross_entropy"',
            "network.fusion.kind=concatenation",
            "pipeline.noise_gate.enabled=true",
        ]
    )
    assert (config.pipeline.audio.n_mels, config.training.epochs) == (64, 9)
    assert (config.training.loss, config.network.fusion.kind) == ("binary_cross_entropy", "concatenation")
    assert config.pipeline.noise_gate.enabled


def test_a_recipe_file(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text("[training]\nepochs = 3\n[pipeline.audio]\nhop_s = 0.01\n", encoding="utf-8")
    config = load_config(str(recipe), ["training.batch_size=8"])
    assert (config.training.epochs, config.training.batch_size, config.pipeline.audio.hop_s) == (3, 8, 0.01)


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown recipe 'fast'; expected one of .*default, .*, or a .toml file"):
        load_config("fast")


def test_a_missing_recipe_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone.toml: cannot read the file .*No such file"):
        load_config(str(tmp_path / "gone.toml"))


@pytest.mark.parametrize(("content", "message"), [(b"a = [", "not valid TOML"), (b"\xff\xfe", "cannot read the file")])
def test_a_recipe_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    recipe = tmp_path / "bad.toml"
    recipe.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_config(str(recipe))


@pytest.mark.parametrize("setting", ["", "=", "training.epochs", ".epochs=3", "training.=3", "training..epochs=3"])
def test_a_setting_of_another_form_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"expected section.name=value, for instance training.epochs=20"):
        load_config(settings=[setting])


def test_a_setting_below_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"setting 'training.epochs.x=3': epochs is a value, not a section"):
        load_config(settings=["training.epochs=2", "training.epochs.x=3"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["training.epoch=3"], r"unknown setting training.epoch; expected one of epochs, batch_size"),
        (["trainin.epochs=3"], "unknown setting trainin; expected one of pipeline, network, training"),
        (["training=3"], "^training: got 3, expected a section$"),
        (["training.epochs=many"], r"^training.epochs: got 'many': Input should be a valid integer"),
        (["training.epochs=[1]"], r"^training.epochs: got \[1\]: Input should be a valid integer"),
        (["training.epochs=0"], r"^training: TrainingConfig.epochs: got 0, expected 1 to 10000$"),
        (["training.loss=mse"], r"^training.loss: got 'mse': Input should be 'cross_entropy' or"),
        (["pipeline.audio.n_mels=nan"], r"^pipeline.audio.n_mels: got nan"),
        (["pipeline.audio.hop_s=nan"], r"^pipeline.audio: AudioFeatures.hop_s: got nan, expected 0.005 to 0.05"),
    ],
)
def test_a_wrong_setting_is_refused(settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(settings=settings)


def test_all_problems_are_listed_at_once() -> None:
    wrong = ["nope=1", "training.epoch=2", "training.batch_size=0", "network.fusion.kind=sum", "pipeline.speech=1"]
    with pytest.raises(ConfigError) as caught:
        load_config(settings=wrong)
    problems = str(caught.value).split("; ")
    for start in (
        "unknown setting nope",
        "unknown setting training.epoch",
        "training: TrainingConfig.batch_size: got 0",
        "network.fusion.kind: got 'sum'",
        "pipeline.speech: got 1, expected a section",
    ):
        assert sum(problem.startswith(start) for problem in problems) == 1, start


def test_a_section_alone() -> None:
    assert from_dict(VideoFeatures, {"keyframes": 12}) == VideoFeatures(keyframes=12)
    with pytest.raises(ConfigError, match=r"^VideoFeatures.keyframes: got -1, expected 0 to 1000$"):
        from_dict(VideoFeatures, {"keyframes": -1})


@settings(max_examples=30)
@given(rate_hz=st.floats(5, 60), keyframes=st.integers(0, 1000), enabled=st.booleans())
def test_settings_come_back_from_json(rate_hz: float, keyframes: int, enabled: bool) -> None:
    values = {"video": {"rate_hz": rate_hz, "keyframes": keyframes}, "noise_gate": {"enabled": enabled}}
    config = from_dict(PipelineConfig, values)
    assert from_dict(PipelineConfig, json.loads(to_json(config))) == config
    assert to_dict(config)["video"]["keyframes"] == keyframes


def test_equal_settings_give_equal_text_and_others_another() -> None:
    text = to_json(PipelineConfig())
    assert text == to_json(from_dict(PipelineConfig, dict(reversed(to_dict(PipelineConfig()).items()))))
    assert text != to_json(PipelineConfig(video=VideoFeatures(keyframes=1)))


def test_no_settings_on_top_change_nothing() -> None:
    assert with_settings(load_config("paper"), []) == load_config("paper")


@pytest.mark.parametrize("setting", ["training.epoch=3", "training.epochs=0", "training.epochs"])
def test_wrong_settings_on_top_are_refused_as_those_of_a_recipe_are(setting: str) -> None:
    with pytest.raises(ConfigError) as of_recipe:
        load_config(settings=[setting])
    with pytest.raises(ConfigError, match=re.escape(str(of_recipe.value))):
        with_settings(load_config(), [setting])


@settings(max_examples=50)
@given(rate=st.floats(1e-5, 1e-1), decay=st.floats(0, 1))
def test_settings_on_top_keep_every_digit_and_the_original(rate: float, decay: float) -> None:
    texts = [f"training.learning_rate={json.dumps(rate)}", f"training.weight_decay={json.dumps(decay)}"]
    config = Config()
    assert with_settings(config, texts) == Config(training=TrainingConfig(learning_rate=rate, weight_decay=decay))
    assert config == Config()


def test_what_adapts_can_start_from_the_packages_weights() -> None:
    adapt, shipped = load_config("adapt"), load_checkpoint(shipped_checkpoint()).config
    assert (adapt.pipeline, adapt.network) == (shipped.pipeline, shipped.network)
    assert (adapt.training.joint, adapt.training.normalisation) == (shipped.training.joint, "none")
    assert adapt.training.learning_rate < shipped.training.learning_rate


def test_nothing_is_flat() -> None:
    assert flat_settings({}) == flat_settings({"training": {}}) == {}


@pytest.mark.parametrize("name", recipe_names())
def test_flat_settings_are_what_set_takes(name: str) -> None:
    flat = flat_settings(to_dict(load_config(name)))
    assert next(iter(flat)) == "pipeline.noise_gate.enabled"
    texts = [f"{setting}={json.dumps(value)}" for setting, value in flat.items() if value is not None]
    assert load_config("default", texts) == load_config(name)
    nested = flat_settings(to_dict(load_config(name).training), "training.")
    assert nested == {setting: value for setting, value in flat.items() if setting.startswith("training.")}


def test_settings_that_differ() -> None:
    assert differing_settings({}, {}) == []
    assert differing_settings({"a": {"b": 1}, "c": 2}, {"a": {"b": 2}, "c": 2, "d": 3}) == [
        "a.b is 1, not 2",
        "d is None, not 3",
    ]
