"""Gene sets: too small, too large, passed up the hierarchy, the same twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.edges import EdgesLike
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import longest_path_layers
from edge2torch.priors._edges import Edges, Int, check_count, join_rows, known_names, numbered
from edge2torch.priors._reach import appended, bypass, gene_counts, genes_above
from edge2torch.priors._report import StepReport, counted, lost, step_report

_SEED = 0


def filter_sets(
    edges: EdgesLike,
    min_genes: int = 1,
    max_genes: int | None = None,
    *,
    keep: Any = (),
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
    least = check_count(min_genes, "min_genes")
    most = None if max_genes is None else check_count(max_genes, "max_genes", least=least)
    own = numbered(edges)
    size = gene_counts(own, np.flatnonzero(own.is_input))
    free = ~own.is_input
    free[known_names(own, keep, "keep")] = False
    small = free & (size < least)
    large = free & (size > most) if most is not None else np.zeros_like(free)
    kept = bypass(own, small | large)
    if kept.empty:
        raise Edge2TorchError(
            f"no set has as many genes as min_genes={min_genes} and max_genes={max_genes} ask for; "
            f"sets here have {size[free].min():,} to {size[free].max():,}."
        )
    notes = counted(own.named(small), f"set(s) with fewer than {least:,} gene(s) were bypassed")
    if most is not None:
        notes += counted(own.named(large), f"set(s) with more than {most:,} gene(s) were bypassed")
    gone = np.flatnonzero(small | large)
    notes += lost(own.names, kept, own.named(gone))
    table = pd.DataFrame({"set": own.names[gone], "genes": size[gone]})
    return kept, step_report("filter_sets", own.frame, kept, notes, table)


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
    own = numbered(edges)
    genes = np.flatnonzero(own.is_input)
    reached = genes_above(own, genes).tocoo()
    source, target = genes[reached.row], reached.col.astype(np.int64)
    there = own.source * own.n_nodes + own.target
    new = (source != target) & ~np.isin(source * own.n_nodes + target, there)
    frame = appended(own, own.rows(np.arange(own.n_edges)), source[new], target[new], "propagated")
    notes = (f"{int(new.sum()):,} membership(s) were passed on to sets above.",)
    return frame, step_report("propagate_memberships", own.frame, frame, notes)


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
    own = numbered(edges)
    genes = np.flatnonzero(own.is_input)
    group = _same_genes(own, genes)
    protected = np.zeros(own.n_nodes, bool)
    protected[known_names(own, keep, "keep")] = True
    several = np.bincount(group, weights=protected)[group] > 1
    alone = np.arange(own.n_nodes) + group.max() + 1
    group = np.where(several | own.is_input, alone, group)
    level = longest_path_layers(own.source, own.target, own.is_input)
    order = np.lexsort((np.arange(own.n_nodes), level, ~protected, group))
    first = np.ones(own.n_nodes, bool)
    first[1:] = group[order][1:] != group[order][:-1]
    chief = np.empty(own.n_nodes, np.int64)
    chief[order] = order[first][np.cumsum(first) - 1]
    frame, gone = renamed(own, chief)
    table = pd.DataFrame({"node": own.names[gone], "into": own.names[chief[gone]]})
    pairs = [f"{node} into {into}" for node, into in table.head(6).itertuples(index=False)]
    notes = counted(pairs + [""] * (len(gone) - len(pairs)), "node(s) have the genes of another")
    return frame, step_report("merge_identical", own.frame, frame, notes, table)


def renamed(own: Edges, chief: Int) -> tuple[pd.DataFrame, Int]:
    """Let every node be another one; return the table, and the nodes that are no more."""
    source, target = chief[own.source], chief[own.target]
    frame = own.frame.assign(source=own.names[source], target=own.names[target])
    moved = {"source": source != own.source, "target": target != own.target}
    for side, is_moved in moved.items():
        if f"{side}_name" in frame and is_moved.any():
            names = _chief_names(own, frame[side])
            frame[f"{side}_name"] = frame[f"{side}_name"].where(~is_moved, names)
    joined = join_rows(frame[source != target])
    return joined.frame, np.flatnonzero(chief != np.arange(own.n_nodes))


def _chief_names(own: Edges, ids: pd.Series) -> pd.Series:
    from edge2torch.priors._reach import node_names

    return ids.map(node_names(own.frame))


def _same_genes(own: Edges, genes: Int) -> Int:
    """Return a group per node: nodes of one group are reached by the same genes.

    Genes carry two random 63-bit numbers, and sets their sums: sets of the same sums and size are
    the same but for a chance of one in 10^30.
    """
    reached = genes_above(own, genes)
    codes = np.random.default_rng(_SEED).integers(0, 2**63, (len(genes), 2), dtype=np.uint64)
    sums = reached.T.astype(np.uint64) @ codes
    size = np.bincount(reached.indices, minlength=own.n_nodes).astype(np.uint64)
    _, group = np.unique(np.column_stack([sums, size]), axis=0, return_inverse=True)
    return group.reshape(-1).astype(np.int64)
