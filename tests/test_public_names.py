"""What a program may take from ``omsn``, and when torch is loaded for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import omsn


def test_every_public_name_is_there_and_offered() -> None:
    assert set(omsn.__all__) <= set(dir(omsn))
    for name in omsn.__all__:
        assert getattr(omsn, name) is not None
    assert issubclass(omsn.MediaError, omsn.InputError)
    assert issubclass(omsn.InputError, omsn.OmsnError)


def test_any_other_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="module 'omsn' has no attribute 'Recogniser'"):
        omsn.Recogniser  # noqa: B018


def test_torch_is_loaded_for_the_recognizer_alone() -> None:
    program = "import sys, omsn; dir(omsn); omsn.Window, omsn.OmsnError; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
