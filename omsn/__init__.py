"""OMSN recognises emotion from a person's face and voice in a video.

from omsn import Recognizer
print(Recognizer("run/checkpoint").predict("clip.mp4").emotion())
"""

from typing import TYPE_CHECKING, Any

from omsn.version import __version__

if TYPE_CHECKING:
    from omsn.recognizer import Recognizer

__all__ = ["Recognizer", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the recognizer, and with it torch, when it is first asked for."""
    if name == "Recognizer":
        from omsn.recognizer import Recognizer

        return Recognizer
    raise AttributeError(f"module 'omsn' has no attribute {name!r}")
