"""Memory at a hundred thousand edges, within the bounds that docs/reliability.md states."""

import pytest

from tests.reliability.scale import measure, per_unit

BOUNDS = {
    "feedforward": {"compile": 2_000, "save": 2_000, "load": 2_000, "train step": 200},
    "recurrent": {"compile": 2_000, "save": 2_000, "load": 2_000, "train step": 200},
    "gnn": {"compile": 4_000, "save": 4_000, "load": 4_000, "train step": 4_000},
}


@pytest.mark.parametrize("backend", BOUNDS)
def test_memory_follows_the_edges(backend):
    found = measure(100_000, backend)
    for step, bound in BOUNDS[backend].items():
        assert per_unit(found, step) <= bound, (step, found)
