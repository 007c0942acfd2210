"""The shape of a hierarchy: which way up, how deep, how many layers, without chains of one."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_choice, check_count
from edge2torch._core.edges import EdgesLike, edge_frame
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import distances, longest_path_layers
from edge2torch.priors._between import keep_between
from edge2torch.priors._edges import as_names, numbered
from edge2torch.priors._reach import bypass
from edge2torch.priors._report import StepReport, counted, lost, step_report
from edge2torch.priors._sets import renamed


def mirror(edges: EdgesLike) -> pd.DataFrame:
    """Return the same edges, turned around.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``, and perhaps ``source_name`` and ``target_name``.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> mirror(pd.DataFrame({"source": ["gene"], "target": ["pathway"]})).values.tolist()
    [['pathway', 'gene']]
    """
    turned = {"source": "target", "target": "source"}
    turned |= {f"{side}_name": f"{other}_name" for side, other in list(turned.items())}
    frame = edge_frame(edges)
    order = [turned.get(name, name) for name in frame.columns]
    renamed = frame.rename(columns=turned)
    return renamed[sorted(order, key=lambda name: (name != "source", name != "target"))]


def cut_depth(
    edges: EdgesLike, depth: int, *, outputs: Any | None = None
) -> tuple[pd.DataFrame, StepReport]:
    """Keep the nodes that are at most so many edges below an output.

    What lies deeper is left out; what led to it leads on to the nearest nodes that stay, so that
    no gene is lost.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``.
    depth : int
        Fewest edges to an output, which is itself at depth 0. Nodes without incoming edges stay.
    outputs : list of names, optional
        By default the nodes without outgoing edges.

    Returns
    -------
    edges : DataFrame
    report : StepReport

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["g", "p", "q"], "target": ["p", "q", "top"]})
    >>> cut_depth(edges, 1)[0].values.tolist()
    [['q', 'top'], ['g', 'q']]
    """
    graph = numbered(edges)
    limit = check_count("depth", depth, least=0)
    ends = np.flatnonzero(graph.known(outputs, "outputs", otherwise=graph.is_end))
    # walked against the edges, from the outputs down
    deep = distances(graph.target, graph.source, graph.n_nodes, ends) > limit
    gone = deep & ~graph.is_input
    frame = bypass(graph, gone)
    notes = counted(graph.named(gone), f"node(s) deeper than {limit} were bypassed")
    notes += lost(graph.names, frame, graph.named(gone))
    return frame, step_report("cut_depth", graph.frame, frame, notes)


def limit_layers(
    edges: EdgesLike, layers: int, *, skips: Literal["keep", "drop"] = "keep"
) -> tuple[pd.DataFrame, StepReport]:
    """Keep the upper nodes of a hierarchy, so that it computes in at most so many layers.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``, without cycles.
    layers : int
        Most layers after the inputs. A node stays when its longest path to an end has fewer
        edges; what led to the others leads on to those that stay.
    skips : {"keep", "drop"}
        What becomes of edges that skip a layer, and then of nodes that have lost all their way.

    Returns
    -------
    edges : DataFrame
    report : StepReport

    Raises
    ------
    Edge2TorchError
        For graphs with cycles.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["g", "p", "q"], "target": ["p", "q", "top"]})
    >>> limit_layers(edges, 2)[0].values.tolist()
    [['q', 'top'], ['g', 'q']]
    """
    check_choice("skips", skips, ("keep", "drop"))
    limit = check_count("layers", layers)
    graph = numbered(edges)
    # by the longest way to an end, by which every edge leads to a nearer node
    height = longest_path_layers(graph.target, graph.source, graph.is_end)
    if (height < 0).any():
        raise Edge2TorchError("edges have a cycle, so they have no layers. Run break_cycles first.")
    gone = (height >= limit) & ~graph.is_input
    frame = bypass(graph, gone)
    notes = counted(graph.named(gone), f"node(s) below the upper {limit} layer(s) were bypassed")
    notes += lost(graph.names, frame, graph.named(gone))
    if skips == "drop":
        frame, words = _without_skips(frame)
        notes += words
    return frame, step_report("limit_layers", graph.frame, frame, notes)


def _without_skips(edges: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    graph = numbered(edges)
    level = longest_path_layers(graph.source, graph.target, graph.is_input)
    is_skip = level[graph.target] > level[graph.source] + 1
    if not is_skip.any():
        return edges, ()
    rest = numbered(graph.rows(~is_skip))
    inputs, ends = set(graph.named(graph.is_input)), set(graph.named(graph.is_end))
    there = set(rest.names.tolist())
    frame, _ = keep_between(
        rest.frame, sorted(inputs & there), outputs=sorted(ends & there), into_features="keep"
    )
    dropped = sorted(set(graph.names.tolist()) - set(frame["source"]) - set(frame["target"]))
    notes = (f"{int(is_skip.sum()):,} edge(s) that skip a layer were dropped.",)
    return frame, notes + counted(dropped, "node(s) had no other way up and were dropped")


def collapse_chains(edges: EdgesLike, *, keep: Any = ()) -> tuple[pd.DataFrame, StepReport]:
    """Leave out nodes that have a single child and so can only repeat it.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``.
    keep : list of names
        Nodes that stay. So do nodes without outgoing edges, nodes whose only child is an input,
        and nodes whose only incoming edge has a sign, a constraint or a weight, which the
        chain's ends could not show.

    Returns
    -------
    edges : DataFrame
    report : StepReport
        Its ``table`` has a row per node left out: ``node``, and the child that stands ``for`` it.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["g1", "g2", "p", "q"], "target": ["p", "p", "q", "top"]})
    >>> collapse_chains(edges)[0].values.tolist()
    [['g1', 'p'], ['g2', 'p'], ['p', 'top']]
    """
    graph = numbered(edges)
    graph.known(keep, "keep")
    frame = graph.frame
    stands_for: dict[str, str] = {}
    while True:  # a node may be left with a single child by the collapse of others
        frame, more = _collapse_once(frame, as_names(keep))
        stands_for = {node: more.get(child, child) for node, child in stands_for.items()} | more
        if not more:
            break
    table = pd.DataFrame(sorted(stands_for.items()), columns=["node", "for"])
    notes = counted(table["node"].tolist(), "node(s) with a single child were left out")
    return frame, step_report("collapse_chains", graph.frame, frame, notes, table)


def _collapse_once(edges: pd.DataFrame, keep: list[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the table without the nodes that have a single child now, and who stands for them."""
    graph = numbered(edges)
    free = np.bincount(graph.target, minlength=graph.n_nodes) == 1
    free &= ~graph.is_end & ~graph.mask(keep)
    child = np.arange(graph.n_nodes)
    child[graph.target] = graph.source  # of several children one; such nodes are not free
    free &= ~graph.is_input[child]
    free[graph.target[_is_annotated(graph.frame)]] = False
    representative = np.where(free, child, np.arange(graph.n_nodes))
    # each round doubles how far a node points down its chain, so log2 of its length are enough
    for _ in range(int(np.ceil(np.log2(max(graph.n_nodes, 2)))) + 1):
        representative = representative[representative]
    # a ring of such nodes ends in none that stays, so it stays as a whole
    in_ring = free[representative]
    representative = np.where(in_ring, np.arange(graph.n_nodes), representative)
    frame, gone = renamed(graph, representative)
    return frame, dict(zip(graph.named(gone), graph.named(representative[gone]), strict=True))


def _is_annotated(frame: pd.DataFrame) -> np.ndarray:
    """Mark edges that carry a sign, a constraint or a weight."""
    marked = np.zeros(len(frame), bool)
    if "sign" in frame:
        marked |= frame["sign"].fillna(0).to_numpy() != 0
    for column in ("constraint", "initial_weight"):
        if column in frame:
            marked |= frame[column].notna().to_numpy()
    return marked
