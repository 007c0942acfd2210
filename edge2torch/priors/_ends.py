"""What is added to a prior: a root, outputs, latent nodes, complete blocks, other graphs."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_count
from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._edges import as_names, join_rows, numbered, stacked
from edge2torch.priors._reach import tidy
from edge2torch.priors._report import StepReport, step_report


def dense_block(sources: Any, targets: Any, *, relation: str = "dense") -> pd.DataFrame:
    """Return edges from every source to every target.

    The compiler sees that such a block is complete and multiplies it as a dense matrix. It has a
    row per pair as any other edges: each pair has a weight and perhaps a constraint of its own.

    Parameters
    ----------
    sources, targets : list of names
        All different.
    relation : str
        Value of the column ``relation``.

    Returns
    -------
    DataFrame, one row per pair
        ``source``, ``target``, ``relation``, as categories: a pair costs two small numbers, and a
        name is held once. Join it to others with :func:`union_edges`.

    Raises
    ------
    Edge2TorchError
        For an empty list, and names that are there twice or on both sides.

    Examples
    --------
    >>> dense_block(["a", "b"], ["y"])[["source", "target"]].values.tolist()
    [['a', 'y'], ['b', 'y']]
    """
    first, second = as_names(sources, "sources"), as_names(targets, "targets")
    for argument, names in (("sources", first), ("targets", second)):
        if not names:
            raise Edge2TorchError(f"{argument} is empty. Name at least one node.")
        if len(set(names)) < len(names):
            twice = pd.Series(names)[pd.Series(names).duplicated()]
            raise Edge2TorchError(f"{argument} names nodes twice: {listing(twice)}.")
    if both := [name for name in first if name in set(second)]:
        raise Edge2TorchError(f"sources and targets both name {listing(both)}.")
    codes = np.repeat(_codes(first), len(second)), np.tile(_codes(second), len(first))
    kind = np.zeros(len(codes[0]), np.int8)
    columns = {
        "source": (codes[0], first),
        "target": (codes[1], second),
        "relation": (kind, [relation]),
    }
    return pd.DataFrame(
        {
            name: pd.Categorical.from_codes(own, categories=pd.Index(known, dtype=object))
            for name, (own, known) in columns.items()
        }
    )


def _codes(names: list[str]) -> NDArray[np.integer]:
    """Number names with the smallest type that holds them."""
    return np.arange(len(names), dtype=np.min_scalar_type(-len(names)))


def union_edges(*tables: EdgesLike) -> tuple[pd.DataFrame, StepReport]:
    """Make one graph of several edge tables.

    Parameters
    ----------
    *tables : DataFrame
        Columns that one lacks are missing there. Of an edge in several, differing words are
        joined by ``|``, of numbers the first is kept, opposite signs become 0.

    Returns
    -------
    edges : DataFrame
    report : StepReport

    Raises
    ------
    Edge2TorchError
        Without tables, and for tables without ``source`` and ``target``.

    Examples
    --------
    >>> one = pd.DataFrame({"source": ["g"], "target": ["p"], "relation": ["member"]})
    >>> two = pd.DataFrame({"source": ["g", "g"], "target": ["p", "q"], "relation": ["x", "x"]})
    >>> edges, report = union_edges(one, two)
    >>> edges.values.tolist()
    [['g', 'p', 'member|x'], ['g', 'q', 'x']]
    """
    if not tables:
        raise Edge2TorchError("union_edges needs at least one edge table.")
    checked = [numbered(table).frame for table in tables]
    both = stacked(checked)
    joined = join_rows(tidy(both, both))
    notes = [
        f"Table {k} shares no node with the others: {listing(nodes)}."
        for k, nodes in enumerate(_nodes_of_disconnected(checked), 1)
        if nodes
    ]
    if joined.n_joined:
        notes.append(f"{joined.n_joined:,} edge(s) are in several tables and were joined.")
    if joined.conflicts:
        notes.append(f"Opposite signs, now 0, at {listing(joined.conflicts)}.")
    return joined.frame, step_report("union_edges", both, joined.frame, tuple(notes))


def _nodes_of_disconnected(tables: list[pd.DataFrame]) -> list[list[str]]:
    """Return, of each of several tables, its nodes if no other table has any of them."""
    nodes = [set(table["source"]) | set(table["target"]) for table in tables]
    if len(nodes) == 1:
        return [[]]
    n_tables = Counter(chain.from_iterable(nodes))
    return [[] if any(n_tables[node] > 1 for node in of) else sorted(of) for of in nodes]


def add_root(edges: EdgesLike, root: str = "root") -> tuple[pd.DataFrame, StepReport]:
    """Let every node without outgoing edges lead to one root.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``.
    root : str
        Name of the new node.

    Returns
    -------
    edges : DataFrame
    report : StepReport

    Raises
    ------
    Edge2TorchError
        When the graph has a node of this name, or no node without outgoing edges.

    Examples
    --------
    >>> add_root(pd.DataFrame({"source": ["g", "g"], "target": ["p", "q"]}))[0].fillna("")
      source target relation
    0      g      p
    1      g      q
    2      p   root     root
    3      q   root     root
    """
    return _connected("add_root", edges, [root], "root", "root")


def connect_outputs(edges: EdgesLike, outputs: Any) -> tuple[pd.DataFrame, StepReport]:
    """Let every node without outgoing edges lead to every output.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``.
    outputs : list of names
        New nodes, such as the classes to tell apart.

    Returns
    -------
    edges : DataFrame
    report : StepReport

    Raises
    ------
    Edge2TorchError
        When the graph has nodes of these names, or no node without outgoing edges.

    Examples
    --------
    >>> edges, _ = connect_outputs(pd.DataFrame({"source": ["g"], "target": ["p"]}), ["B", "T"])
    >>> edges[["source", "target"]].values.tolist()
    [['g', 'p'], ['p', 'B'], ['p', 'T']]
    """
    return _connected("connect_outputs", edges, as_names(outputs, "outputs"), "output", "outputs")


def _connected(
    step: str, edges: EdgesLike, new: list[str], relation: str, argument: str
) -> tuple[pd.DataFrame, StepReport]:
    graph = numbered(edges)
    if there := [name for name in new if name in set(graph.names.tolist())]:
        raise Edge2TorchError(
            f"{argument}: the graph has nodes called {listing(there)} already. Choose other names."
        )
    ends = graph.named(graph.is_end)
    if not ends:
        raise Edge2TorchError(
            "every node of the graph has outgoing edges, so nothing leads to new outputs. "
            "Add edges to them, or name outputs of the graph."
        )
    frame = added(graph.frame, dense_block(ends, new, relation=relation).astype(object))
    notes = (f"{len(ends):,} node(s) without outgoing edges now lead to {listing(new)}.",)
    return frame, step_report(step, graph.frame, frame, notes)


def add_latent(
    edges: EdgesLike, n: int, *, name: str = "latent", sources: Any | None = None, targets: Any = ()
) -> tuple[pd.DataFrame, StepReport]:
    """Add free nodes that no set annotates, for what the prior does not know.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``.
    n : int
        How many; they are called ``latent_1`` and so on.
    name : str
        What their names begin with.
    sources : list of names, optional
        What leads to every latent node; by default the nodes without incoming edges.
    targets : list of names
        What every latent node leads to; by default nothing, so that latent nodes stand beside
        the graph's ends. :func:`add_root` and :func:`connect_outputs` then reach them too.

    Returns
    -------
    edges : DataFrame
    report : StepReport

    Raises
    ------
    Edge2TorchError
        For unknown sources and targets, and when the graph has nodes of the new names.

    References
    ----------
    Unannotated latent nodes beside gene sets: Seninge et al. 2021, doi:10.1038/s41467-021-26017-0.

    Examples
    --------
    >>> edges, _ = add_latent(pd.DataFrame({"source": ["g"], "target": ["p"]}), 1)
    >>> edges[["source", "target"]].values.tolist()
    [['g', 'p'], ['g', 'latent_1']]
    """
    graph = numbered(edges)
    new = [f"{name}_{k + 1}" for k in range(check_count("n", n))]
    if there := [latent for latent in new if latent in set(graph.names.tolist())]:
        raise Edge2TorchError(f"the graph has nodes called {listing(there)}. Choose another name=.")
    below = graph.known(sources, "sources", otherwise=graph.is_input)
    above = graph.known(targets, "targets")
    if not below.any():
        raise Edge2TorchError("every node has incoming edges. Name sources=.")
    blocks = [dense_block(graph.named(below), new, relation="latent")]
    if above.any():
        blocks.append(dense_block(new, graph.named(above), relation="latent"))
    frame = added(graph.frame, *(block.astype(object) for block in blocks))
    notes = (f"{len(new):,} latent node(s) were added: {listing(new)}.",)
    return frame, step_report("add_latent", graph.frame, frame, notes)


def added(frame: pd.DataFrame, *blocks: pd.DataFrame) -> pd.DataFrame:
    """Put blocks below a table; a sign is 0 where the table has signs."""
    signed = [block.assign(sign=0) if "sign" in frame else block for block in blocks]
    return tidy(stacked([frame, *signed]), frame)
