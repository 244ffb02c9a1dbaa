"""Label sets in a fixed order: the order of every probability, logit and confusion matrix."""

from collections.abc import Iterable
from dataclasses import dataclass

from omsn.errors import InputError


@dataclass(frozen=True)
class LabelSet:
    """Class names in the order in which every array of scores holds them."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise InputError("a label set needs at least one name; got none")
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise InputError(f"label names must differ; repeated: {', '.join(repeated)}")

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Position of ``name``.

        Raises:
            InputError: ``name`` is not in the set.
        """
        if name not in self.names:
            raise InputError(f"unknown emotion {name!r}; expected one of {', '.join(self.names)}")
        return self.names.index(name)


RAVDESS_EMOTIONS = LabelSet(("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"))
"""The eight RAVDESS emotions in the order of their file-name codes 01 to 08."""


def label_set_for(emotions: Iterable[str]) -> LabelSet:
    """The emotions given, in RAVDESS's order where all are of its eight, otherwise in alphabetical order.

    Raises:
        InputError: no emotion is given.
    """
    found = set(emotions)
    if found <= set(RAVDESS_EMOTIONS.names):
        return LabelSet(tuple(name for name in RAVDESS_EMOTIONS.names if name in found))
    return LabelSet(tuple(sorted(found)))
