"""The parts of the benchmark of times to an event run, on little."""

from __future__ import annotations

import pytest

from benchmarks.survival import main


@pytest.mark.parametrize("part", ["coverage", "groups", "spoiled"])
def test_a_part_runs(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([part, "--runs", "2", "--inputs", "200"])
    said = capsys.readouterr().out
    assert f"## {part}:" in said
    assert "another error       0" in said or part != "spoiled"
