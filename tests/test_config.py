import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest

from omsn.config import (
    AudioFeatures,
    Config,
    EncoderConfig,
    FusionConfig,
    NetworkConfig,
    PipelineConfig,
    TrainingConfig,
    VideoFeatures,
    check_ranges,
    tunable,
)
from omsn.errors import ConfigError


def sections(section: Any) -> Iterator[Any]:
    """A section and all below it."""
    yield section
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield from sections(value)


def ranged_fields() -> list[tuple[Any, dataclasses.Field[Any]]]:
    kinds = {type(section) for section in sections(Config())}
    return [
        (kind, field)
        for kind in sorted(kinds, key=lambda kind: kind.__name__)
        for field in dataclasses.fields(kind)
        if "low" in field.metadata
    ]


def field_id(value: object) -> str | None:
    return value.name if isinstance(value, dataclasses.Field) else getattr(value, "__name__", None)


@pytest.mark.parametrize(("kind", "field"), ranged_fields(), ids=field_id)
def test_every_range_is_checked_on_both_sides(kind: Callable[..., object], field: dataclasses.Field[Any]) -> None:
    low, high = field.metadata["low"], field.metadata["high"]
    assert field.default is None or low <= field.default <= high
    for value in (low - 1, high + 1, float("nan")):
        with pytest.raises(ConfigError, match=rf"\.{field.name}: got .*, expected {low} to {high}"):
            kind(**{field.name: value})


def test_all_settings_are_frozen_and_have_defaults() -> None:
    for section in sections(Config()):
        assert type(section)() == type(section)()
        name = dataclasses.fields(section)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(section, name, None)


def test_all_problems_of_a_section_are_listed() -> None:
    with pytest.raises(ConfigError, match=r"TrainingConfig.epochs: got 0, .*; TrainingConfig.batch_size: got -1, "):
        TrainingConfig(epochs=0, batch_size=-1)


def test_a_field_without_a_range_may_be_anything() -> None:
    @dataclasses.dataclass(frozen=True)
    class Section:
        free: float = 1e9
        rate: float = tunable(0.1, 0.0, 1.0)

    check_ranges(Section())
    with pytest.raises(ConfigError, match=r"Section.rate: got 2, expected 0.0 to 1.0"):
        check_ranges(Section(rate=2))


def test_more_mfccs_than_mel_bands_are_refused() -> None:
    assert AudioFeatures(n_mels=20, n_mfcc=20).n_mfcc == 20
    with pytest.raises(ConfigError, match=r"AudioFeatures.n_mfcc: got 21, expected at most n_mels = 20"):
        AudioFeatures(n_mels=20, n_mfcc=21)


@pytest.mark.parametrize("speeds", [(1.0,), (0.4,), (2.1,), (0.9, 1.1, 0.9), (0.9, 0.901), (0.9049, 0.9051), (1.004,)])
def test_other_speeds_are_others_and_none_stands_twice(speeds: tuple[float, ...]) -> None:
    assert AudioFeatures(speeds=(0.5, 0.9, 2)).speeds == (0.5, 0.9, 2)
    with pytest.raises(
        ConfigError, match=r"AudioFeatures.speeds: got \[.*\], expected speeds from 0.5 to 2, not 1, 0.01 apart"
    ):
        AudioFeatures(speeds=speeds)


@pytest.mark.parametrize("rate", ["", "fast", "30/0", "0", "-25", "nan"])
def test_a_landmark_rate_that_is_no_positive_fraction_is_refused(rate: str) -> None:
    with pytest.raises(ConfigError, match=r"VideoFeatures.landmark_rate: got .*, expected a fraction such as"):
        VideoFeatures(landmark_rate=rate)


@pytest.mark.parametrize("rate", ["25", "30000/1001", "29.97"])
def test_landmark_rates(rate: str) -> None:
    assert VideoFeatures(landmark_rate=rate).landmark_rate == rate


def test_a_face_without_features_is_refused() -> None:
    with pytest.raises(ConfigError, match="geometry and hog are both off; turn one on"):
        VideoFeatures(geometry=False, hog=False)


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"EncoderConfig.conv_kernel: got 4, expected an odd number of frames"):
        EncoderConfig(conv_kernel=4)


def test_attention_heads_divide_the_channels() -> None:
    with pytest.raises(
        ConfigError, match=r"EncoderConfig.attention_heads: got 3, expected 0 or a divisor of channels = 64"
    ):
        EncoderConfig(attention_heads=3)


def test_a_cardinality_that_does_not_divide_the_width_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"FusionConfig.cardinality: got 5, expected a divisor of width = 32"):
        FusionConfig(width=32, cardinality=5)


def test_matrices_of_two_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"audio matrix \(10, 64\) and video matrix \(12, 64\) must be of one size"):
        NetworkConfig(audio=EncoderConfig(channels=64), video=EncoderConfig(steps=12, channels=64))


def test_maps_that_do_not_divide_the_channels_are_refused() -> None:
    encoder = EncoderConfig(channels=10, attention_heads=2)
    with pytest.raises(ConfigError, match=r"NetworkConfig.fusion.maps: got 4, expected a divisor of channels = 10"):
        NetworkConfig(audio=encoder, video=encoder, fusion=FusionConfig(maps=4))


def test_late_fusion_has_no_classifier_to_train_at_a_rate_of_its_own() -> None:
    late, fast = NetworkConfig(fusion=FusionConfig(kind="late")), TrainingConfig(classifier_learning_rate=1e-3)
    with pytest.raises(
        ConfigError, match=r"classifier_learning_rate: got 0.001, but network.fusion.kind = late has no"
    ):
        Config(network=late, training=fast)
    assert Config(network=late).training.classifier_learning_rate is None


@pytest.mark.parametrize("kind", ["mpdrf", "concatenation"])
def test_a_fusion_that_would_learn_nothing_is_refused(kind: Literal["mpdrf", "concatenation"]) -> None:
    alone = TrainingConfig(joint=0.0)
    with pytest.raises(ConfigError, match=rf"joint: got 0, but network\.fusion\.kind = {kind} would learn nothing"):
        Config(network=NetworkConfig(fusion=FusionConfig(kind=kind)), training=alone)
    assert Config(network=NetworkConfig(fusion=FusionConfig(kind="late")), training=alone)


def test_known_speakers_are_not_heard_at_other_speeds() -> None:
    heard = PipelineConfig(audio=AudioFeatures(speeds=(0.9,)))
    with pytest.raises(
        ConfigError, match=r"known_speakers: got true with pipeline\.audio\.speeds = \[0\.9\], whose copies"
    ):
        Config(pipeline=heard, network=NetworkConfig(known_speakers=True))
    assert Config(pipeline=heard).pipeline.audio.speeds == (0.9,)


def test_known_speakers_are_not_enrolled_too() -> None:
    known = NetworkConfig(known_speakers=True)
    with pytest.raises(ConfigError, match=r"known_speakers: got true with training\.normalisation = enrolled"):
        Config(network=known, training=TrainingConfig(normalisation="enrolled"))
    assert Config(network=known).network.known_speakers


def test_something_must_be_learnt() -> None:
    with pytest.raises(ConfigError, match="joint and auxiliary are both 0"):
        TrainingConfig(joint=0.0, auxiliary=0.0)


@pytest.mark.parametrize("choosing", [{"keep": "best"}, {"patience": 3}])
def test_a_choice_needs_something_to_choose_by(choosing: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"TrainingConfig.validation_share: got 0, but keep = best and patience"):
        TrainingConfig(**choosing)
    assert TrainingConfig(**choosing, validation_share=0.1).chooses
    assert not TrainingConfig().chooses
