"""The two face networks: loading them, and running a picture through one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from omsn.errors import InputError
from omsn.media.video import Image
from omsn.types import Floats

MODEL_FOLDER = Path(__file__).parent / "face_models"

_ERROR_OUTPUT = 2
_LOADING = Lock()
_greeted = False


class FaceNet:
    """One TFLite network on one thread of the CPU. It keeps buffers, so each thread and process needs its own."""

    def __init__(self, path: Path) -> None:
        """Load the network.

        Raises:
            InputError: the file is not there.
        """
        if not path.is_file():
            raise InputError(f"{path}: the face model is missing; run `make setup` or scripts/fetch_face_models.py")
        with _without_greeting():
            self._net = Interpreter(str(path), num_threads=1)
            self._net.allocate_tensors()
        self._input = self._net.get_input_details()[0]["index"]
        self._outputs = {output["name"]: output["index"] for output in self._net.get_output_details()}

    def run(self, image: Image, scale: float, offset: float, outputs: tuple[str, ...]) -> list[Floats]:
        """Feed ``scale * image + offset`` in RGB; the named outputs, each flat."""
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB) * np.float32(scale) + np.float32(offset)  # (H, W, 3)
        self._net.set_tensor(self._input, rgb[None])
        self._net.invoke()
        return [self._net.get_tensor(self._outputs[name]).reshape(-1) for name in outputs]


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Keep a library's words from the terminal: LiteRT greets past ``sys.stderr``, and has no setting against it.

    It greets a process once, so only the first network is loaded in silence: what other threads write to the error
    output, which is the whole process', is lost for that moment.
    """
    global _greeted
    with _LOADING:
        if _greeted:
            yield
            return
        with _silence():
            yield
        _greeted = True


@contextmanager
def _silence() -> Iterator[None]:
    with open(os.devnull, "wb") as nowhere:
        terminal = os.dup(_ERROR_OUTPUT)
        os.dup2(nowhere.fileno(), _ERROR_OUTPUT)
        try:
            yield
        finally:
            os.dup2(terminal, _ERROR_OUTPUT)
            os.close(terminal)
