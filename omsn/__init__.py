"""OMSN recognises emotion from a person's face and voice in a video.

from omsn import Recognizer
print(Recognizer("run/checkpoint").predict("clip.mp4").emotion())
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from omsn.version import __version__

if TYPE_CHECKING:
    from omsn.errors import InputError, MediaError, OmsnError
    from omsn.recognizer import Recognizer
    from omsn.segments import Segment
    from omsn.types import Prediction, Window

__all__ = ["InputError", "MediaError", "OmsnError", "Prediction", "Recognizer", "Segment", "Window", "__version__"]

_PLACES = {
    "InputError": "omsn.errors",
    "MediaError": "omsn.errors",
    "OmsnError": "omsn.errors",
    "Prediction": "omsn.types",
    "Recognizer": "omsn.recognizer",
    "Segment": "omsn.segments",
    "Window": "omsn.types",
}


def __getattr__(name: str) -> Any:
    """Load a public name, and with the recognizer torch, when it is first asked for."""
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'omsn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
