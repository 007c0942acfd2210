"""What each backend must compute, by an independent route.

A new row in the registry of backends fails ``test_every_backend_has_a_reference`` until it is
given one here; from then on it is held to every contract.
"""

from tests.contracts.gnn_reference import gnn_reference
from tests.strategies import reference

REFERENCES = {"feedforward": reference, "recurrent": reference, "gnn": gnn_reference}

# A backend that computes by two engines is held to every contract with both.
REFERENCES["feedforward in one pass"] = reference

# Options with which the contracts hold in full: enough layers for every path of a test's graph.
OPTIONS = {
    "feedforward": {"engine": "layers"},
    "feedforward in one pass": {"engine": "graph"},
    "recurrent": {"steps": 8},
    "gnn": {"steps": 8, "channels": 3},
}

# Options that let through whatever has a path: a norm that undoes the scale of a node's only input
# leaves a derivative of the size of epsilon, which rounding may turn to zero.
CONDUCTING = {"gnn": {"norm": "none"}}

# Backends whose edges carry several numbers: no table can give these.
WITH_CHANNELS = {"gnn"}


def compiled(case, backend, **options):
    """Compile a test's graph in float64 with the backend's options."""
    name = backend.split()[0]
    return case.compile(backend=name, **{**OPTIONS.get(backend, {}), **options})
