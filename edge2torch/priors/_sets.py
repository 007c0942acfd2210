"""Gene sets: too small, too large, passed up the hierarchy, the same twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_count
from edge2torch._core.edges import EdgesLike
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import longest_path_layers
from edge2torch.priors._edges import Graph, Int, join_rows, numbered
from edge2torch.priors._reach import appended, bypass, gene_counts, genes_above, node_names
from edge2torch.priors._report import StepReport, counted, lost, step_report

_SEED = 0


def filter_sets(
    edges: EdgesLike, min_genes: int = 1, max_genes: int | None = None, *, keep: Any = ()
) -> tuple[pd.DataFrame, StepReport]:
    """Leave out sets with too few or too many genes.

    A set's genes are the inputs that reach it, directly or through other sets. What led to a set
    that is left out leads on to where it led, so that no gene loses its way up the hierarchy.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``. Genes are the nodes without incoming edges: run
        :func:`keep_between` first, so that the measured ones are counted.
    min_genes, max_genes : int
        Fewest and most genes of a set.
    keep : list of names
        Nodes to keep whatever their size, such as outputs.

    Returns
    -------
    edges : DataFrame
    report : StepReport
        Its ``table`` lists the sets left out, with their number of genes.

    Raises
    ------
    Edge2TorchError
        When no set is left.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["g1", "g2", "p", "g3"], "target": ["p", "q", "q", "q"]})
    >>> kept, report = filter_sets(edges, min_genes=2)
    >>> kept.values.tolist()
    [['g2', 'q'], ['g3', 'q'], ['g1', 'q']]
    >>> report
    filter_sets: 5 -> 4 nodes, 4 -> 3 edges
      1 set(s) with fewer than 2 gene(s) were bypassed: 'p'.
    """
    least = check_count("min_genes", min_genes)
    most = None if max_genes is None else check_count("max_genes", max_genes)
    if most is not None and most < least:
        raise Edge2TorchError(
            f"min_genes={least} is above max_genes={most}, so no set can be kept. Exchange them."
        )
    graph = numbered(edges)
    size = gene_counts(graph, np.flatnonzero(graph.is_input))
    free = ~graph.is_input & ~graph.known(keep, "keep")
    small = free & (size < least)
    large = free & (size > most) if most is not None else np.zeros_like(free)
    kept = bypass(graph, small | large)
    if kept.empty:
        asked = f"min_genes={least}" + ("" if most is None else f" and max_genes={most}")
        raise Edge2TorchError(
            f"no set has as many genes as {asked} {'asks' if most is None else 'ask'} for; "
            f"sets here have {size[free].min():,} to {size[free].max():,}."
        )
    notes = counted(graph.named(small), f"set(s) with fewer than {least:,} gene(s) were bypassed")
    if most is not None:
        notes += counted(
            graph.named(large), f"set(s) with more than {most:,} gene(s) were bypassed"
        )
    gone = np.flatnonzero(small | large)
    notes += lost(graph.names, kept, graph.named(gone))
    table = pd.DataFrame({"set": graph.names[gone], "genes": size[gone]})
    return kept, step_report("filter_sets", graph.frame, kept, notes, table)


def propagate_memberships(edges: EdgesLike) -> tuple[pd.DataFrame, StepReport]:
    """Make every gene a direct member of all sets above its own.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``. Genes are the nodes without incoming edges.

    Returns
    -------
    edges : DataFrame
        The same edges, and those from genes to sets above; ``relation``, where the table has it,
        is ``propagated``.
    report : StepReport

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["g", "p"], "target": ["p", "q"]})
    >>> propagate_memberships(edges)[0].values.tolist()
    [['g', 'p'], ['p', 'q'], ['g', 'q']]
    """
    graph = numbered(edges)
    genes = np.flatnonzero(graph.is_input)
    reached = genes_above(graph, genes).tocoo()
    source, target = genes[reached.row], reached.col.astype(np.int64)
    # an edge as one number, so that all pairs are looked up in one go
    there = graph.source * graph.n_nodes + graph.target
    new = (source != target) & ~np.isin(source * graph.n_nodes + target, there)
    frame = appended(
        graph, graph.rows(np.arange(graph.n_edges)), source[new], target[new], "propagated"
    )
    notes = (f"{int(new.sum()):,} membership(s) were passed on to sets above.",)
    return frame, step_report("propagate_memberships", graph.frame, frame, notes)


def merge_identical(edges: EdgesLike, *, keep: Any = ()) -> tuple[pd.DataFrame, StepReport]:
    """Make one node of sets that have the same genes.

    A set's genes are the inputs that reach it. The lowest set of a group stays, of equally low
    ones the first by name. A group with one of ``keep`` takes its name; with several it is left
    as it is.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``. Genes are the nodes without incoming edges.
    keep : list of names
        Nodes that stay whatever their genes, such as outputs.

    Returns
    -------
    edges : DataFrame
    report : StepReport
        Its ``table`` has a row per node that went into another: ``node``, ``into``.

    Examples
    --------
    >>> edges = pd.DataFrame({
    ...     "source": ["g1", "g2", "g1", "g2", "p", "q", "g3"],
    ...     "target": ["p", "p", "q", "q", "r", "r", "r"]})
    >>> kept, report = merge_identical(edges)
    >>> kept.values.tolist()
    [['g1', 'p'], ['g2', 'p'], ['p', 'r'], ['g3', 'r']]
    >>> report.table
      node into
    0    q    p
    """
    graph = numbered(edges)
    genes = np.flatnonzero(graph.is_input)
    group = _same_genes(graph, genes)
    protected = graph.known(keep, "keep")
    several = np.bincount(group, weights=protected)[group] > 1
    # inputs and disputed nodes get groups of their own, numbered past all others
    alone = np.arange(graph.n_nodes) + group.max() + 1
    group = np.where(several | graph.is_input, alone, group)
    level = longest_path_layers(graph.source, graph.target, graph.is_input)
    # of a group first what is to be kept, then the lowest, then the first by name: it stays
    order = np.lexsort((np.arange(graph.n_nodes), level, ~protected, group))
    first = np.ones(graph.n_nodes, bool)
    first[1:] = group[order][1:] != group[order][:-1]
    representative = np.empty(graph.n_nodes, np.int64)
    representative[order] = order[first][np.cumsum(first) - 1]
    frame, gone = renamed(graph, representative)
    table = pd.DataFrame({"node": graph.names[gone], "into": graph.names[representative[gone]]})
    pairs = [f"{node} into {into}" for node, into in table.head(6).itertuples(index=False)]
    notes = counted(pairs + [""] * (len(gone) - len(pairs)), "node(s) have the genes of another")
    return frame, step_report("merge_identical", graph.frame, frame, notes, table)


def renamed(graph: Graph, representative: Int) -> tuple[pd.DataFrame, Int]:
    """Let every node be another one; return the table, and the nodes that are gone."""
    source, target = representative[graph.source], representative[graph.target]
    frame = graph.frame.assign(source=graph.names[source], target=graph.names[target])
    moved = {"source": source != graph.source, "target": target != graph.target}
    for side, is_moved in moved.items():
        if f"{side}_name" in frame and is_moved.any():
            names = frame[side].map(node_names(graph.frame))
            frame[f"{side}_name"] = frame[f"{side}_name"].where(~is_moved, names)
    # edges within a group of merged nodes would be self loops
    joined = join_rows(frame[source != target])
    return joined.frame, np.flatnonzero(representative != np.arange(graph.n_nodes))


def _same_genes(graph: Graph, genes: Int) -> Int:
    """Return a group per node: nodes of one group are reached by the same genes.

    Genes carry two random 63-bit numbers, and sets their sums: sets of the same sums and size are
    the same but for a chance of one in 10^30.
    """
    reached = genes_above(graph, genes)
    codes = np.random.default_rng(_SEED).integers(0, 2**63, (len(genes), 2), dtype=np.uint64)
    sums = reached.T.astype(np.uint64) @ codes
    size = np.bincount(reached.indices, minlength=graph.n_nodes).astype(np.uint64)
    _, group = np.unique(np.column_stack([sums, size]), axis=0, return_inverse=True)
    return group.reshape(-1).astype(np.int64)
