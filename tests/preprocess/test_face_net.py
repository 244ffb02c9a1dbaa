from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from portrait import portrait

from omsn.errors import InputError
from omsn.media.video import Image
from omsn.preprocess.face_net import MODEL_FOLDER, FaceNet

MESH, DETECTOR = MODEL_FOLDER / "face_landmark.tflite", MODEL_FOLDER / "face_detection_short_range.tflite"
NETWORKS: dict[Path, tuple[int, float, float, tuple[str, ...]]] = {
    MESH: (192, 1 / 255, 0.0, ("conv2d_31", "conv2d_21")),
    DETECTOR: (128, 1 / 127.5, -1.0, ("classificators", "regressors")),
}


def picture(side: int) -> Image:
    return np.asarray(cv2.resize(portrait(), (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def test_a_missing_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.tflite: the face model is missing; run `make setup`"):
        FaceNet(tmp_path / "a.tflite")


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_networks_say_what_they_say_in_opencv(path: Path) -> None:
    """Against an engine of another family, on a face and on black: to a thousandth of a pixel, or of a logit."""
    side, scale, offset, outputs = NETWORKS[path]
    ours, reference = FaceNet(path), cv2.dnn.readNetFromTFLite(str(path))
    for image in (np.zeros((side, side, 3), np.uint8), picture(side)):
        planes = cv2.dnn.blobFromImage(image, scale, mean=(-offset / scale,) * 3, swapRB=True)
        reference.setInput(planes)
        for got, expected in zip(ours.run(image, scale, offset, outputs), reference.forward(outputs), strict=True):
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, np.asarray(expected).reshape(-1), rtol=1e-5, atol=1e-3)


def test_what_a_run_gave_outlives_the_next() -> None:
    net = FaceNet(MESH)
    first = net.run(picture(192), *NETWORKS[MESH][1:])
    kept = [output.copy() for output in first]
    net.run(np.zeros((192, 192, 3), np.uint8), *NETWORKS[MESH][1:])
    for output, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(output, copy)


def test_loading_says_nothing_and_leaves_the_terminal_as_it_was() -> None:
    """In a process of its own, as only the first load would speak; many threads load at once."""
    program = (
        "import sys; from pathlib import Path; from concurrent.futures import ThreadPoolExecutor\n"
        "from omsn.preprocess.face_net import FaceNet\n"
        "list(ThreadPoolExecutor(4).map(FaceNet, [Path(sys.argv[1])] * 8))\n"
        "print('heard', file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(MESH)], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "heard\n")


def test_networks_side_by_side_do_not_mix() -> None:
    image, (scale, offset, outputs) = picture(128), NETWORKS[DETECTOR][1:]
    alone = FaceNet(DETECTOR).run(image, scale, offset, outputs)

    def run(_: int) -> bool:
        beside = FaceNet(DETECTOR).run(image, scale, offset, outputs)
        return all(map(np.array_equal, beside, alone))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(run, range(8)))


def test_once_a_network_is_loaded_no_other_one_touches_the_error_output(monkeypatch: pytest.MonkeyPatch) -> None:
    FaceNet(MESH)
    with monkeypatch.context() as changed:
        changed.delattr(os, "dup2")
        FaceNet(DETECTOR)
