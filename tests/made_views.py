"""Windows of a file that was never read, and nobody that is known before it."""

from __future__ import annotations

import numpy as np

from omsn.features.normalise import SampleSums
from omsn.people import Enrolment
from omsn.types import Sample, Stream
from omsn.windows import View

NOBODY = Enrolment(SampleSums.none(1, 1), "of no checkpoint")


def view(number: int, level: float, track: int = 0) -> View:
    """Window ``number`` of a file, with two frames of each modality around a level."""
    values = np.array([[level - 1], [level + 1]], np.float32)
    stream = Stream(values, np.ones(2, np.bool_), np.arange(2) / 10, ("x",))
    return View(2.0 * number, 2.0 * number + 4, Sample("a", stream, stream), track)
