"""Corpora: from a folder of recordings to clips. To add one, write a ``find`` and enter it in ``CORPORA``."""

from collections.abc import Callable, Mapping

from omsn.data.corpora import folder, pattern, ravdess
from omsn.data.corpora.corpus import Corpus, Skipped

CORPORA: Mapping[str, Callable[..., Corpus]] = {
    "ravdess": ravdess.find,
    "folder": folder.find,
    "pattern": pattern.find,
}
"""Name -> ``find(root, ...)``; ravdess also takes ``channel``, pattern takes ``template`` and ``labels``."""

__all__ = ["CORPORA", "Corpus", "Skipped"]
