"""``prepare_prior``: all steps in one call, in the order in which they make sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._between import keep_between
from edge2torch.priors._cycles import break_cycles, on_cycles
from edge2torch.priors._edges import Edges, as_names, check_choice, numbered
from edge2torch.priors._ends import add_latent, add_root, connect_outputs
from edge2torch.priors._hierarchy import collapse_chains, cut_depth, limit_layers
from edge2torch.priors._nodes import Mapped, add_data_types, map_identifiers
from edge2torch.priors._report import PriorReport, StepReport
from edge2torch.priors._sets import filter_sets, merge_identical, propagate_memberships

Step = Callable[[pd.DataFrame], tuple[pd.DataFrame, StepReport]]


def prepare_prior(
    edges: pd.DataFrame,
    features: Any,
    outputs: Any | None = None,
    *,
    connect: bool = False,
    root: str | None = None,
    mapping: Mapped | None = None,
    unmapped: Literal["keep", "drop", "error"] = "keep",
    data_types: str | None = None,
    cycles: Literal["keep", "break", "error"] = "error",
    min_genes: int = 1,
    max_genes: int | None = None,
    depth: int | None = None,
    collapse: bool = False,
    merge: bool = False,
    propagate: bool = False,
    layers: int | None = None,
    skips: Literal["keep", "drop"] = "keep",
    latent: int = 0,
) -> tuple[pd.DataFrame, PriorReport]:
    """Fit a prior graph to the data; say what was kept and dropped, and why.

    The steps come in the order of the parameters below, each only if it is asked for;
    :func:`keep_between` opens, and closes where a step has left loose ends. Each is a function of its own.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``, in the direction of computation; every other column is
        kept.
    features : list of names, DataFrame or AnnData
        What the data measure; of a table its columns, of an AnnData its ``var_names``.
    outputs : list of names, optional
        Nodes to read; by default the nodes without outgoing edges.
    connect : bool
        ``outputs`` are new nodes, such as classes, that every end of the graph leads to.
    root : str, optional
        Name of a new node that every end leads to, and the only output.
    mapping, unmapped
        As in :func:`map_identifiers`.
    data_types : str, optional
        The separator of :func:`add_data_types`, such as ``"@"``.
    cycles : {"error", "break", "keep"}
        Whether cycles are refused, broken as in :func:`break_cycles`, or kept for the backends
        that take them. The steps from ``layers`` on need a graph without.
    min_genes, max_genes : int
        As in :func:`filter_sets`.
    depth : int, optional
        As in :func:`cut_depth`.
    collapse, merge, propagate : bool
        Whether to :func:`collapse_chains`, :func:`merge_identical`,
        :func:`propagate_memberships`.
    layers, skips
        As in :func:`limit_layers`.
    latent : int
        As in :func:`add_latent`.

    Returns
    -------
    edges : DataFrame
        Ready for ``compile_graph``: its nodes without incoming edges are the covered features.
    report : PriorReport
        Prints what every step did. ``report.inputs`` and ``report.outputs`` are what
        ``compile_graph`` takes, which matters where an output has outgoing edges.

    Raises
    ------
    Edge2TorchError
        When features and graph share no names, for unknown outputs, for cycles, and for what the
        single steps refuse.

    Examples
    --------
    >>> import edge2torch as e2t
    >>> sets = pd.DataFrame({"source": ["g1", "g2", "g3", "p"], "target": ["p", "p", "q", "q"]})
    >>> edges, report = prepare_prior(sets, ["g1", "g2", "g3", "g4"], ["B", "T"], connect=True)
    >>> report
    PriorReport: 7 nodes, 6 edges; 3 of 4 features covered (75 %), 2 outputs
    keep_between: 5 nodes, 4 edges
      1 of 4 feature(s) are not in the graph: 'g4'.
    connect_outputs: 5 -> 7 nodes, 4 -> 6 edges
      1 node(s) without outgoing edges now lead to 'B', 'T'.
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> artifact.feature_names, artifact.output_names
    (['g1', 'g2', 'g3'], ['B', 'T'])
    """
    check_choice(cycles, "cycles", ("keep", "break", "error"))
    wanted = as_names(features, "features")
    read = None if outputs is None else as_names(outputs, "outputs")
    if connect and not read:
        raise Edge2TorchError("connect=True needs outputs=, the names of the new nodes.")
    if root is not None and read:
        raise Edge2TorchError("root and outputs exclude each other: the root is the only output.")
    entities = features if data_types is None else _entities(wanted, data_types)
    there = None if connect else read
    if there and mapping is None:
        _check_outputs(edges, there)

    def left(table: pd.DataFrame) -> list[str]:
        """Outputs that the graph still has: one that no feature reaches is gone, and reported."""
        return _left(table, there or [])

    steps: list[tuple[bool, Step]] = [
        (mapping is not None, lambda t: map_identifiers(t, mapping, unmapped=unmapped)),  # type: ignore[arg-type]
        (True, lambda t: keep_between(t, entities, there)),
        (cycles == "break", break_cycles),
        (cycles == "error", _refuse_cycles),
        (cycles == "break", lambda t: keep_between(t, entities, there and left(t))),
        (
            min_genes != 1 or max_genes is not None,
            lambda t: filter_sets(t, min_genes, max_genes, keep=left(t)),
        ),
        (depth is not None, lambda t: cut_depth(t, depth, outputs=there and left(t))),  # type: ignore[arg-type]
        (collapse, lambda t: collapse_chains(t, keep=left(t))),
        (merge, lambda t: merge_identical(t, keep=left(t))),
        (propagate, propagate_memberships),
        (layers is not None, lambda t: limit_layers(t, layers, skips=skips)),  # type: ignore[arg-type]
        (latent != 0, lambda t: add_latent(t, latent, targets=left(t))),
        (root is not None, lambda t: add_root(t, str(root))),
        (connect, lambda t: connect_outputs(t, read)),
        (data_types is not None, lambda t: add_data_types(t, wanted, separator=str(data_types))),
    ]
    reports: list[StepReport] = []
    for is_wanted, step in steps:
        if is_wanted:
            edges, report = step(edges)
            reports.append(report)
    ends = [root] if root is not None else read and _left(edges, read)
    kept, report = keep_between(edges, wanted, ends)
    if len(kept) < len(edges):
        edges = kept
        reports.append(report)
    own = numbered(edges)
    final = own.named(own.is_end) if ends is None else own.named(own.numbers(ends))
    inputs = own.named(own.is_input)
    reports = [report for report in reports if report.step != _CHECKED]
    return edges, PriorReport(
        tuple(reports), tuple(dict.fromkeys(wanted)), tuple(inputs), tuple(final)
    )


def _check_outputs(edges: pd.DataFrame, names: list[str]) -> None:
    own = numbered(edges)
    if absent := sorted(set(names) - set(own.names.tolist())):
        raise Edge2TorchError(
            f"outputs names {len(absent)} node(s) that are not in the graph: {listing(absent)}; its "
            f"ends are {listing(own.named(own.is_end))}. connect=True adds outputs as new nodes."
        )


_CHECKED = "no cycles"


def _refuse_cycles(edges: pd.DataFrame) -> tuple[pd.DataFrame, StepReport]:
    own = numbered(edges)
    cyclic = on_cycles(own)
    if cyclic.any():
        raise Edge2TorchError(
            f"edges have cycles: {int(cyclic.sum()):,} edge(s) are on one, such as "
            f"{listing(_named(own, cyclic))}. Use cycles='break' for backend='feedforward', or "
            "cycles='keep' for a backend that takes them."
        )
    size = (own.n_nodes, own.n_edges)
    return edges, StepReport(_CHECKED, (size[0], size[0]), (size[1], size[1]))


def _left(edges: pd.DataFrame, names: list[str]) -> list[str]:
    there = set(edges["source"]) | set(edges["target"])
    return [name for name in names if name in there]


def _named(own: Edges, rows: np.ndarray) -> list[tuple[str, str]]:
    first = np.flatnonzero(rows)
    return [(str(own.names[own.source[k]]), str(own.names[own.target[k]])) for k in first]


def _entities(features: list[str], separator: str) -> list[str]:
    """Return what the features are measurements of, each once."""
    return list(dict.fromkeys(name.rsplit(separator, 1)[0] for name in features))
