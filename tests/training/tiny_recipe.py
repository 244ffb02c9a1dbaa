"""Settings under which the corpus that never was trains in a moment."""

from __future__ import annotations

from pathlib import Path

RECIPE = """
[network.audio]
conv_layers = 1
conv_width = 4
lstm_width = 2
steps = 2
channels = 4
attention_heads = 2

[network.video]
conv_layers = 1
conv_width = 4
lstm_width = 2
steps = 2
channels = 4
attention_heads = 2

[network.fusion]
maps = 2
width = 4
stages = 2

[network.classifier]
width = 4
blocks = 0

[training]
epochs = 1
validation_share = 0.0
"""


def write_recipe(path: Path) -> Path:
    """The recipe's file; its features are those of the tests' corpus."""
    path.write_text(RECIPE, encoding="utf-8")
    return path
