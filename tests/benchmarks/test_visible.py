"""The parts of the benchmark of visible networks run, on little."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.visible import like_go, main, written_out


def test_a_graph_like_go_has_one_root_and_can_be_written_out() -> None:
    edges = like_go(60, 40, 5, 2.0, 0)
    assert set(edges["target"]) - set(edges["source"]) == {"t00000"}
    by_hand = written_out(edges, 3)
    assert isinstance(by_hand, pd.DataFrame)
    assert not by_hand.duplicated().any()


@pytest.mark.parametrize("part", ["rank", "noise"])
def test_a_part_runs(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([part, "--runs", "1", "--seeds", "1"])
    assert f"## {part}:" in capsys.readouterr().out
