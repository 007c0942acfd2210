"""The named graph: a checked edge table, and which of its nodes are fed and read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_choice
from edge2torch._core.messages import listing, warn
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.graph._adjacency import Adjacency, adjacency
from edge2torch.graph._cycles import refuse_cycles
from edge2torch.graph._table import EdgeTable, named_rows

Unused = Literal["keep", "prune", "error"]


@dataclass(frozen=True)
class EdgeGraph:
    """A graph by name and by number.

    Parameters
    ----------
    metadata : DataFrame
        The user's edge table without ``source`` and ``target``, in its own row order.
    columns : tuple
        Its columns, these two at their places.
    node_names : ndarray of object, shape (n,)
        Every node once, sorted; a node's number is its position here.
    source, target : ndarray of int64, shape (e,)
        Node numbers, row by row.
    initial_weight : ndarray of float64, shape (e,)
        NaN where none was given.
    constraint : ndarray of int8, shape (e,)
        0 unconstrained, 1 positive, -1 negative, 2 fixed.
    inputs, outputs : ndarray of int64
        Node numbers in the order of the model's columns.
    is_active : ndarray of bool, shape (e,)
        False for edges that no model computes along: edges into a fed node, whose value is the
        data's, and edges of pruned nodes.

    Examples
    --------
    >>> import pandas as pd
    >>> from edge2torch.graph import build_edge_graph, read_edge_table
    >>> graph = build_edge_graph(read_edge_table(
    ...     pd.DataFrame({"source": ["g1", "g2"], "target": ["tf", "tf"]})))
    >>> graph
    EdgeGraph(3 nodes, 2 edges, 2 inputs, 1 output)
    >>> graph.names(graph.inputs)
    ['g1', 'g2']
    """

    metadata: pd.DataFrame = field(repr=False)
    columns: tuple[Hashable, ...] = field(repr=False)
    node_names: NDArray[np.object_]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    initial_weight: NDArray[np.float64] = field(repr=False)
    constraint: NDArray[np.int8] = field(repr=False)
    inputs: NDArray[np.int64]
    outputs: NDArray[np.int64]
    is_active: NDArray[np.bool_] = field(repr=False)

    @property
    def edges(self) -> pd.DataFrame:
        """The user's edge table, in its own row order, names as text; made anew each time."""
        return named_rows(self.metadata, self.columns, self.node_names, self.source, self.target)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.node_names)

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.source)

    @cached_property
    def active_rows(self) -> NDArray[np.int64]:
        """Rows of the edge table that a model computes along."""
        return np.flatnonzero(self.is_active)

    @cached_property
    def adjacency(self) -> Adjacency:
        """The edges that a model computes along, by source, then target."""
        return adjacency(self.source, self.target, self.n_nodes).keep(self.is_active)

    @property
    def is_input(self) -> NDArray[np.bool_]:
        """Whether each node is fed, (n,)."""
        found = np.zeros(self.n_nodes, bool)
        found[self.inputs] = True
        return found

    def names(self, nodes: NDArray[Any]) -> list[str]:
        """Return the names of node numbers."""
        return list(self.node_names[nodes].tolist())

    def numbers(self, names: Iterable[str], argument: str) -> NDArray[np.int64]:
        """Return node numbers of names; unknown ones are an error that offers the nearest."""
        return _numbers(self.node_names, names, argument)

    def __repr__(self) -> str:
        counts = ((self.n_nodes, "node"), (self.n_edges, "edge"))
        ends = ((len(self.inputs), "input"), (len(self.outputs), "output"))
        parts = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts + ends]
        return f"EdgeGraph({', '.join(parts)})"


def build_edge_graph(
    table: EdgeTable,
    *,
    inputs: Iterable[Any] | None = None,
    outputs: Iterable[Any] | None = None,
    unused: Unused = "keep",
    acyclic: bool = True,
) -> EdgeGraph:
    """Decide which nodes are fed and read, and check that data reaches what is read.

    Inputs and outputs come in the order wanted for the model's columns, by default the nodes without
    incoming and without outgoing edges, sorted by name; ``unused`` are nodes that influence no output.
    An ``acyclic`` graph without ends is refused for its cycle, by name.
    """
    check_choice("unused", unused, ("keep", "prune", "error"))
    n_nodes, names = len(table.node_names), table.node_names
    fed = _endpoints(table, inputs, "inputs", acyclic=acyclic)
    read = _endpoints(table, outputs, "outputs", acyclic=acyclic)
    is_input = np.zeros(n_nodes, bool)
    is_input[fed] = True
    active = ~is_input[table.target]
    if not active.all():
        rows = np.flatnonzero(~active)
        warn(
            f"{len(rows)} edge(s) lead into nodes named in inputs, whose values are the data's; "
            f"these edges carry nothing: {listing(table.edge_names(rows))}."
        )
    edges = table.adjacency.keep(active)
    reached = edges.reachable(fed)
    useful = edges.reachable(read, backward=True)
    if (starved := useful & ~reached).any():
        raise Edge2TorchError(
            f"{int(starved.sum())} node(s) influence an output but no input reaches them: "
            f"{listing(names[starved])}. Add them to inputs or drop their edges."
        )
    keep = _check_unused(names, ~useful, unused)
    if not keep.all():
        active &= keep[table.source] & keep[table.target]
    graph = EdgeGraph(
        metadata=table.metadata,
        columns=table.columns,
        node_names=names,
        source=table.source,
        target=table.target,
        initial_weight=table.initial_weight,
        constraint=table.constraint,
        inputs=fed,
        outputs=read,
        is_active=active,
    )
    vars(graph)["adjacency"] = edges if keep.all() else edges.keep(active)
    return graph


def _endpoints(
    table: EdgeTable, wanted: Iterable[Any] | None, argument: str, *, acyclic: bool
) -> NDArray[np.int64]:
    """Return the nodes that are fed or read: those named, or those at the graph's ends."""
    names = table.node_names
    if wanted is None:
        inner, direction = (
            (table.target, "incoming") if argument == "inputs" else (table.source, "outgoing")
        )
        found = np.flatnonzero(np.bincount(inner, minlength=len(names)) == 0)
        if len(found) == 0:
            missing = (
                f"The graph has no {argument[:-1]}: every node has {direction} edges. Name the "
                f"nodes with {argument}=[...]."
            )
            if acyclic:
                refuse_cycles(names, table.source, table.target, consequence=f" {missing}")
            raise Edge2TorchError(missing)
        return found
    if not isinstance(wanted, Iterable):
        raise Edge2TorchError(f"{argument} must be a list of node names, found {wanted!r}.")
    chosen = [str(name).strip() for name in ([wanted] if isinstance(wanted, str) else wanted)]
    if not chosen:
        raise Edge2TorchError(f"{argument} is empty. Name at least one node or leave it out.")
    if repeated := sorted(name for name, count in Counter(chosen).items() if count > 1):
        raise Edge2TorchError(f"{argument} names nodes twice: {listing(repeated)}. Name each once.")
    return _numbers(names, chosen, argument)


def _numbers(names: NDArray[np.object_], chosen: Iterable[str], argument: str) -> NDArray[np.int64]:
    wanted = list(chosen)
    found = pd.Index(names).get_indexer(pd.Index(wanted, dtype=object))
    unknown = [name for name, number in zip(wanted, found, strict=True) if number < 0]
    if unknown:
        hint = nearest(unknown[0], names)
        raise Edge2TorchError(
            f"{argument} names nodes that are not in the graph: {listing(unknown)}.{hint}"
        )
    return found.astype(np.int64)


def _check_unused(
    names: NDArray[np.object_], idle: NDArray[np.bool_], unused: Unused
) -> NDArray[np.bool_]:
    """Return which nodes stay in the model; say which nodes reach no output."""
    if not idle.any():
        return ~idle
    found = f"{int(idle.sum())} node(s) reach no output: {listing(names[idle])}."
    if unused == "error":
        raise Edge2TorchError(f"{found} Drop them, or name them in outputs.")
    did = "kept; unused='prune' leaves them out" if unused == "keep" else "left out"
    warn(f"{found} They are {did}.")
    return np.ones_like(idle) if unused == "keep" else ~idle
