"""How many units each node has: what a user says, checked against the graph and the memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_count, is_whole, shown
from edge2torch._core.constraints import FIXED
from edge2torch._core.memory import free_memory
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import EdgeGraph, UnitGraph, expand_units, inputs_below

Int = NDArray[np.int64]
Units: TypeAlias = int | Mapping[str, int] | Callable[[int], int]

_MOST_WEIGHTS = 2**31 - 1  # positions of weights are 32-bit numbers
# As measured with 1 to 4 million weights: 140 at the peak of compiling, 150 to 190 of a step of Adam.
_BYTES_OF_A_WEIGHT = 200


def read_units(graph: EdgeGraph, units: Any) -> dict[str, int] | None:
    """Return the units of every node that has more than one; None where none has."""
    if units is None:
        return None
    counts = np.ones(graph.n_nodes, np.int64)
    hidden = np.ones(graph.n_nodes, bool)
    hidden[graph.inputs] = hidden[graph.outputs] = False
    if isinstance(units, pd.Series):
        units = _by_node(units)
    if isinstance(units, Mapping):
        counts[graph.numbers(map(str, units), "units")] = [
            check_count(f"units[{name!r}]", count) for name, count in units.items()
        ]
    elif callable(units):
        counts[hidden] = _called(units, inputs_below(graph)[hidden])
    else:
        counts[hidden] = check_count("units (or a mapping or function)", units)
    if len(wide := graph.inputs[counts[graph.inputs] > 1]):
        raise Edge2TorchError(
            f"units: {listing(graph.names(wide))} are inputs, and the data hold an input as one "
            "column. Give every kind of measurement an input of its own, with an edge to the node "
            "that is to have several units."
        )
    several = np.flatnonzero(counts > 1)
    return dict(zip(graph.names(several), counts[several].tolist(), strict=True)) or None


def _by_node(units: pd.Series[Any]) -> dict[Any, Any]:
    if twice := units.index[units.index.duplicated()].unique().tolist():
        raise Edge2TorchError(f"units names {listing(twice)} more than once.")
    return dict(units.items())


def _called(units: Callable[[int], Any], below: Int) -> list[int]:
    """Ask a function once for every number of inputs."""
    numbers, place = np.unique(below, return_inverse=True)
    asked = [units(number) for number in numbers.tolist()]
    wrong = [(n, u) for n, u in zip(numbers.tolist(), asked, strict=True) if not _is_count(u)]
    if wrong:
        raise Edge2TorchError(
            f"units must return whole numbers >= 1; for {wrong[0][0]} input(s) below a node it "
            f"returned {shown(wrong[0][1])}. Round up with math.ceil, and take the max with 1."
        )
    return [int(asked[k]) for k in place]


def _is_count(value: Any) -> bool:
    return is_whole(value) and value >= 1


def unit_graph(graph: EdgeGraph, units: Mapping[str, int] | None) -> UnitGraph | None:
    """Return the graph of the units, after checking that it can be held; None for one unit each."""
    if not units:
        return None
    counts = np.ones(graph.n_nodes, np.int64)
    counts[graph.numbers(units, "units")] = list(units.values())
    size = counts[graph.source] * counts[graph.target]
    _check_memory(graph, counts)
    set_ = ~np.isnan(graph.initial_weight) | (graph.constraint == FIXED)
    if len(rows := np.flatnonzero(set_ & (size > 1))):
        ends = list(
            zip(graph.names(graph.source[rows]), graph.names(graph.target[rows]), strict=True)
        )
        first = counts[graph.source[rows[0]]], counts[graph.target[rows[0]]]
        raise Edge2TorchError(
            f"units: {len(rows)} edge(s) with a weight in the edge table are blocks of weights: "
            f"{listing(ends)}; the first has {first[0]} × {first[1]}. One number says nothing of a "
            "block: leave initial_weight out there, or give both ends one unit."
        )
    return expand_units(graph, counts)


def _check_memory(graph: EdgeGraph, counts: Int) -> None:
    """Refuse what cannot be held, before it is made."""
    rows = graph.active_rows

    def n_weights(most: int) -> float:
        own = np.minimum(counts, most).astype(float)  # no overflow, whatever is asked for
        return float((own[graph.source[rows]] * own[graph.target[rows]]).sum())

    most = int(counts.max())
    weights, free = n_weights(most), free_memory()
    if weights <= _MOST_WEIGHTS and weights * _BYTES_OF_A_WEIGHT <= free:
        return
    told = [
        f"{u} unit(s) {n_weights(u) * _BYTES_OF_A_WEIGHT / 2**30:,.1f} GiB"
        for u in dict.fromkeys((most, max(most // 2, 1), 1))
    ]
    limit = "2**31 is the limit" if weights > _MOST_WEIGHTS else f"{free / 2**30:,.1f} GiB are free"
    raise Edge2TorchError(
        f"units: up to {most} a node make {weights:,.0f} weights, and {limit}. Compiling and training take, at "
        f"most so many a node: {'; '.join(told)}. Give fewer units."
    )
