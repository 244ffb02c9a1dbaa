"""What calling the command line leaves behind in the program that calls it."""

from __future__ import annotations

import signal
import sys

import pytest

from omsn.cli import main


@pytest.mark.parametrize("argument", ["--version", ""])
def test_a_program_that_calls_the_command_line_is_told_to_end_as_before(
    argument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys, "argv", ["omsn", argument])
    with pytest.raises(SystemExit):
        main()
    assert signal.getsignal(signal.SIGTERM) is before
