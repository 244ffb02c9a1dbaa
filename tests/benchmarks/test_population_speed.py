from __future__ import annotations

import re
import sys

import population
import pytest
import torch


def test_one_step_of_few_candidates_prints_every_measurement(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = ["--steps", "1", "--validation", "4", "--rounds", "1", "--recipes", "demo", "--populations", "1", "3"]
    monkeypatch.setattr(sys, "argv", ["population.py", *tiny])
    population.main()
    told = capsys.readouterr().out
    assert "demo: maps (" in told
    rows = [line.split() for line in told.splitlines() if re.match(r" +\d+ +\d+\.\d", line)]
    assert [row[0] for row in rows] == ["1", "3"]
    for _, alone, together, ratio, reached, machine, bound in (map(float, row) for row in rows):
        assert alone > 0
        assert ratio == pytest.approx(alone / together, rel=0.1)
        assert 0 < reached < machine
        assert bound > ratio
    shares = [float(share) for share in re.findall(r"^ *([0-9.]+)%  \S", told, re.MULTILINE)]
    assert "share of the time by operator, P = 3; products " in told
    assert len(shares) == population.OPERATORS_SHOWN
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 100.1


def test_operators_share_the_whole_time() -> None:
    square = torch.randn(256, 256)
    shares = population.operator_shares(lambda: square @ square)
    assert sum(shares.values()) == pytest.approx(1)
    assert next(iter(shares)) == "aten::mm"
