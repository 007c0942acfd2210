"""Keep what lies between the data and what is wanted."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import listing
from edge2torch._core.names import case_hint, turned_hint
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import reachable
from edge2torch.priors._clean import fitting_names
from edge2torch.priors._edges import Bool, Graph, as_names, numbered
from edge2torch.priors._report import StepReport, counted, step_report


def keep_between(
    edges: EdgesLike,
    features: Any,
    outputs: Any | None = None,
    *,
    into_features: Literal["drop", "keep"] = "drop",
) -> tuple[pd.DataFrame, StepReport]:
    """Keep the nodes and edges on paths from measured features to wanted outputs.

    What is left is stable: every node has a feature below it and an output above it.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``.
    features : list of names, DataFrame or AnnData
        What the data measure; of a table its columns, of an AnnData its ``var_names``.
    outputs : list of names, optional
        By default the nodes without outgoing edges.
    into_features : {"drop", "keep"}
        Edges that lead into features carry nothing where the feature's value is the data's.
        ``"keep"`` is for features that are to be computed.

    Returns
    -------
    edges : DataFrame
    report : StepReport

    Raises
    ------
    Edge2TorchError
        When no feature is in the graph or none leads to an output, and for unknown outputs.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["g1", "g2", "p", "g1"], "target": ["p", "q", "out", "out"]})
    >>> kept, report = keep_between(edges, ["g1", "g7"], outputs=["out"])
    >>> kept.values.tolist()
    [['g1', 'p'], ['p', 'out'], ['g1', 'out']]
    >>> report
    keep_between: 5 -> 3 nodes, 4 -> 3 edges
      1 of 2 feature(s) are not in the graph: 'g7'.
      1 node(s) that no feature reaches were dropped: 'g2', with 1 of what they led to: 'q'.
    """
    check_choice("into_features", into_features, ("drop", "keep"))
    graph = numbered(edges)
    wanted = as_names(features, "features")
    is_feature = graph.mask(wanted)
    if not is_feature.any():
        raise Edge2TorchError(
            f"features and edges share no names: the data have {listing(wanted)}, the graph starts "
            f"from {listing(graph.named(graph.is_input))}. {_naming_hint(graph, features, wanted)}"
        )
    is_output = graph.known(outputs, "outputs", otherwise=graph.is_end)
    # a feature's value is the data's, so nothing is computed along edges into it
    into = is_feature[graph.target] if into_features == "drop" else np.zeros(graph.n_edges, bool)
    source, target = graph.source[~into], graph.target[~into]
    reached = reachable(source, target, graph.n_nodes, np.flatnonzero(is_feature))
    useful = reachable(target, source, graph.n_nodes, np.flatnonzero(is_output))
    keep = reached & useful
    rows = ~into & keep[graph.source] & keep[graph.target]
    if not rows.any():
        n_ends = 0 if (is_feature & ~graph.is_end).any() else int(is_feature.sum())
        raise Edge2TorchError(
            f"no feature leads to an output: {listing(graph.named(is_feature))} are in the graph, and "
            f"{listing(graph.named(is_output))} are wanted.{_direction_hint(int(into.sum()), n_ends)}"
        )
    kept = graph.rows(rows)
    named = outputs is not None
    notes = _notes(
        graph, wanted, is_feature, is_output, reached, useful, int(into.sum()), outputs_named=named
    )
    return kept, step_report("keep_between", graph.frame, kept, notes)


def _naming_hint(graph: Graph, features: Any, wanted: list[str]) -> str:
    known = set(graph.names.tolist())
    if isinstance(features, str):
        return "One text was given: read the file first, and pass the table or a list of names."
    if isinstance(features, pd.DataFrame) and known & set(features.index.map(str)):
        return "The table's rows carry such names: pass data.T."
    var = getattr(features, "var", None)
    table = var if isinstance(var, pd.DataFrame) else pd.DataFrame()
    for column in table:
        if known & set(table[column].map(str)):
            return f"The column {column!r} of var has such names: pass data.var[{column!r}]."
    for column in {"source_name", "target_name"} & set(graph.frame):
        if set(graph.frame[column].dropna().map(str)) & set(wanted):
            return (
                f"The data's names are the graph's {column!r}: read GraphML with identifier='name', CX2 "
                "and SBML-qual with names='name', GPML with names='label', or translate with "
                "map_identifiers (in a shell: --mapping)."
            )
    if hint := case_hint(graph.named(graph.is_input), wanted):
        return hint.strip()
    if found := fitting_names(graph.names.tolist(), wanted):
        return (
            f"{len(found):,} differ in how they are written alone, such as {listing(found, 2)}: use "
            "clean_names (in a shell: --clean-names)."
        )
    return (
        "Use the same naming in both: map_identifiers (in a shell: --mapping) translates a graph; of an "
        "AnnData give adata.var[column] (in a shell: --feature-names)."
    )


def _direction_hint(n_into: int, n_ends: int) -> str:
    if n_ends or not n_into:
        return (
            turned_hint(n_ends)
            or " Edges lead from source to target: are they the wrong way round?"
        )
    return (
        f" {n_into:,} edge(s) lead into features and count for nothing, because a feature's value "
        "is the data's. Leave out of features what is to be computed."
    )


def _notes(
    graph: Graph,
    wanted: list[str],
    is_feature: Bool,
    is_output: Bool,
    reached: Bool,
    useful: Bool,
    n_into: int,
    *,
    outputs_named: bool,
) -> tuple[str, ...]:
    there = set(graph.names.tolist())
    absent = [name for name in dict.fromkeys(wanted) if name not in there]
    notes = list(counted(absent, f"of {len(set(wanted)):,} feature(s) are not in the graph"))
    starved = ~reached
    if hint := case_hint(graph.named(graph.is_input & ~is_feature), absent):
        notes.append(f"Inputs of the graph are missing.{hint}")
    ends, inner = graph.named(starved & graph.is_input), graph.named(starved & ~graph.is_input)
    if ends and inner:
        tail = f", with {len(inner):,} of what they led to: {listing(inner)}."
        notes += counted(ends, "node(s) that no feature reaches were dropped", tail)
    else:
        notes += counted(ends + inner, "node(s) that no feature reaches were dropped")
    notes += counted(
        graph.named(reached & ~useful & is_feature),
        "feature(s) that lead to no output were dropped",
    )
    notes += counted(
        graph.named(reached & ~useful & ~is_feature), "node(s) that lead to no output were dropped"
    )
    if outputs_named:
        words = "wanted output(s) have no feature below them and were dropped"
        notes += counted(graph.named(is_output & ~reached), words)
    if n_into:
        notes.append(f"{n_into:,} edge(s) into features were dropped: their values are the data's.")
    return tuple(notes)
