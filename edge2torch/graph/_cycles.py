"""Find a cycle to show to the user."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError

_WORK_LIMIT = 30_000_000
_SHOWN = 12  # nodes of a cycle that an error shows

_CYCLIC = "compile_graph(backend='recurrent') or 'gnn', which take cycles"


def shortest_cycle(
    source: NDArray[np.int64], target: NDArray[np.int64], n_nodes: int
) -> list[int] | None:
    """Return the nodes of a shortest directed cycle in order, or None for an acyclic graph; ends are (e,).

    The smallest number comes first and is not repeated at the end. In very large cyclic graphs the search
    stops after a bounded amount of work, and the cycle is the shortest found by then.
    """
    loops = source[source == target]
    if len(loops):
        return [int(loops[0])]
    graph = csr_array((np.ones(len(source), np.int8), (source, target)), (n_nodes, n_nodes))
    count, component = connected_components(graph, directed=True, connection="strong")
    if count == n_nodes:
        return None
    best: list[int] = []
    allowance = max(1, _WORK_LIMIT // max(len(source), 1))  # a search visits every edge once
    for start in _starts(source, target, component)[:allowance]:
        cycle = _cycle_through(graph, int(start))
        if not best or len(cycle) < len(best):
            best = cycle
        if len(best) == 2:  # nothing is shorter without self loops
            break
    first = best.index(min(best))
    return [*best[first:], *best[:first]]


def _starts(
    source: NDArray[np.int64], target: NDArray[np.int64], component: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return nodes of which every cycle has one.

    A cycle whose nodes all lead to one node only, within their component, is all of it: one node
    stands for that.
    """
    inside = source[component[source] == component[target]]
    forks = np.flatnonzero(np.bincount(inside, minlength=len(component)) > 1)
    cyclic = np.unique(inside)
    alone = cyclic[~np.isin(component[cyclic], component[forks])]
    _, first = np.unique(component[alone], return_index=True)
    return np.concatenate([alone[first], forks])


def cycle_words(names: NDArray[np.object_], cycle: list[int]) -> str:
    """Return a cycle as an error shows it, the middle of a long one left out."""
    shown = [repr(names[node]) for node in cycle[: _SHOWN if len(cycle) > _SHOWN else None]]
    if len(cycle) > _SHOWN:
        shown.append(f"({len(cycle) - _SHOWN:,} more)")
    return " -> ".join([*shown, repr(names[cycle[0]])])


def _cycle_through(graph: csr_array, start: int) -> list[int]:
    order, parent = breadth_first_order(graph, start, directed=True)
    back = set(graph[:, [start]].nonzero()[0].tolist())
    # breadth first: the first node met that leads back closes a shortest cycle through start
    node = next(int(node) for node in order if int(node) in back)
    path = [node]
    while path[-1] != start:
        path.append(int(parent[path[-1]]))
    return path[::-1]


def refuse_cycles(
    names: NDArray[np.object_],
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    *,
    consequence: str = "",
) -> None:
    """Raise an error that names the self loops, or else one shortest cycle, if there is any."""
    loops = np.unique(source[source == target])
    if len(loops):
        raise Edge2TorchError(
            "edgelist has self loop(s), which the feedforward backend cannot compute: "
            f"{listing(names[loops])}. Remove these rows, or use {_CYCLIC}.{consequence}"
        )
    cycle = shortest_cycle(source, target, len(names))
    if cycle is not None:
        raise Edge2TorchError(
            "edgelist has a cycle, which the feedforward backend cannot compute: "
            f"{cycle_words(names, cycle)}. Remove one of its edges, which priors.break_cycles (in a "
            f"shell: edge2torch prior --cycles break) does by a rule, or use {_CYCLIC}.{consequence}"
        )
