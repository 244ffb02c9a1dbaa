"""The two face networks: loading them, and running a picture through one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from omsn.errors import InputError
from omsn.media.video import Image
from omsn.types import Floats

MODEL_FOLDER = Path(__file__).parent / "face_models"


class FaceNet:
    """One TFLite network on the CPU. It keeps buffers, so each thread and process needs its own."""

    def __init__(self, path: Path) -> None:
        """Load the network.

        Raises:
            InputError: the file is not there.
        """
        if not path.is_file():
            raise InputError(f"{path}: the face model is missing; run `make setup` or scripts/fetch_face_models.py")
        self._net = cv2.dnn.readNetFromTFLite(str(path))

    def run(self, image: Image, scale: float, offset: float, outputs: tuple[str, ...]) -> list[Floats]:
        """Feed ``scale * image + offset`` in RGB; the named outputs, each flat."""
        planes = image[None, :, :, ::-1].transpose(0, 3, 1, 2)  # (1, 3, H, W)
        self._net.setInput(np.ascontiguousarray(planes, np.float32) * np.float32(scale) + np.float32(offset))
        return [np.array(output, np.float32).reshape(-1) for output in self._net.forward(outputs)]
