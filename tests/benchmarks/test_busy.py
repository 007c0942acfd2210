from __future__ import annotations

import pytest

from benchmarks.busy import beside_neighbours
from edge2torch.simulate import layered_graph


def test_a_row_of_a_small_graph() -> None:
    edges = layered_graph([6, 4, 1], [12, 4], seed=0)
    row = beside_neighbours(edges, count=1, batch=8, threads=1, rounds=2, seconds=0.02)
    assert row["ratio"] * row["quiet ms"] == pytest.approx(row["beside 1 ms"])
    assert row["fair"] >= 1
