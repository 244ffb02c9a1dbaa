"""OMSN recognises emotion from a person's face and voice in a video."""

from omsn.version import __version__

__all__ = ["__version__"]
