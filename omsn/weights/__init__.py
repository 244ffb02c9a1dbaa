"""Weights that the package carries, for use without a checkpoint of one's own; scripts/ship_weights.py puts them in."""

from importlib import resources
from pathlib import Path


def shipped_folder() -> Path:
    """Where the checkpoint lies that is used where none is named; builds for development may carry none."""
    return Path(str(resources.files(__name__))) / "default"
