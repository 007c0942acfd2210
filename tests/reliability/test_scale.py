"""Memory at a hundred thousand edges, within the bounds that docs/reliability.md states."""

import pytest

from tests.reliability.scale import measure, per_unit

BOUNDS = {  # bytes per edge, and per activation
    "feedforward": {"compile": 600, "save": 500, "load": 1_000, "train step": 60},
    "recurrent": {"compile": 600, "save": 500, "load": 1_000, "train step": 200},
    "gnn": {"compile": 1_500, "save": 500, "load": 2_000, "train step": 2_400},
}


@pytest.mark.parametrize("backend", BOUNDS)
def test_memory_follows_the_edges(backend):
    found = measure(100_000, backend)
    for step, bound in BOUNDS[backend].items():
        assert per_unit(found, step) <= bound, (step, found)
