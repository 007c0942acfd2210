"""Names that fit the data: identifiers translated, several data types per entity."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._edges import as_names, join_rows, numbered, plain_edges
from edge2torch.priors._ends import added
from edge2torch.priors._report import StepReport, counted, step_report
from edge2torch.priors._rows import Pairs, read_pairs


def map_identifiers(
    edges: EdgesLike, mapping: Pairs, *, unmapped: Literal["keep", "drop", "error"] = "keep"
) -> tuple[pd.DataFrame, StepReport]:
    """Rename nodes by a table, such as from UniProt accessions to gene symbols.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``.
    mapping : dict, Series, DataFrame or path
        New name by old name. The first two columns of a DataFrame, or of a file separated by
        tabs, are old and new name; an old name in several rows becomes several nodes, each with
        all its edges.
    unmapped : {"keep", "drop", "error"}
        What becomes of inputs, the nodes without incoming edges, that the table does not name.
        Other nodes, such as pathways, keep their names.

    Returns
    -------
    edges : DataFrame
    report : StepReport
        Its ``table`` has a row per renamed node: ``old``, ``new``.

    Raises
    ------
    Edge2TorchError
        When the table names no node, and for unmapped inputs if asked for.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["P1", "P2", "P3"], "target": ["p", "p", "p"]})
    >>> mapped, report = map_identifiers(edges, {"P1": "TP53", "P2": "TP53"})
    >>> mapped.values.tolist()
    [['TP53', 'p'], ['P3', 'p']]
    >>> report
    map_identifiers: 4 -> 3 nodes, 3 -> 2 edges
      2 node(s) were renamed; 1 new name(s) stand for several: 'TP53'.
      1 input(s) are not in the mapping and keep their names: 'P3'.
    """
    check_choice("unmapped", unmapped, ("keep", "drop", "error"))
    graph = numbered(edges)
    table = read_pairs(mapping, "mapping", "old and new name")
    table = table[table["old"].isin(graph.names)].reset_index(drop=True)
    if table.empty:
        raise Edge2TorchError(
            f"mapping names no node of the graph; its nodes are {listing(graph.names.tolist())}."
        )
    is_known = pd.Series(graph.names).isin(table["old"]).to_numpy(bool)
    strange = graph.is_input & ~is_known
    if unmapped == "error" and strange.any():
        raise Edge2TorchError(
            f"mapping lacks {int(strange.sum()):,} input(s): {listing(graph.named(strange))}."
        )
    frame = graph.frame if unmapped != "drop" else graph.rows(~strange[graph.source])
    for side in ("source", "target"):
        # a row per new name; merge and repeat both keep the order, so that they fit
        new = frame[[side]].merge(table, how="left", left_on=side, right_on="old", sort=False)
        repeat = frame[side].map(table["old"].value_counts()).fillna(1).astype(int).to_numpy()
        frame = frame.iloc[np.repeat(np.arange(len(frame)), repeat)].reset_index(drop=True)
        frame[side] = new["new"].where(new["new"].notna(), new[side]).to_numpy(object)
    loops = (frame["source"] == frame["target"]).to_numpy(bool)
    joined = join_rows(frame[~loops])
    shared = table.groupby("new")["old"].nunique()
    split = table.groupby("old")["new"].nunique()
    words = f"{table['old'].nunique():,} node(s) were renamed"
    for counts, what in (
        (shared, "new name(s) stand for several"),
        (split, "old name(s) became several"),
    ):
        if (counts > 1).any():
            words += f"; {int((counts > 1).sum()):,} {what}: {listing(counts.index[counts > 1])}"
    fate = "keep their names" if unmapped == "keep" else "were dropped"
    notes = (
        f"{words}.",
        *counted(graph.named(strange), f"input(s) are not in the mapping and {fate}"),
    )
    if loops.any():
        notes += (f"{int(loops.sum()):,} edge(s) between nodes that are now one were dropped.",)
    return joined.frame, step_report("map_identifiers", graph.frame, joined.frame, notes, table)


def add_data_types(
    edges: EdgesLike, features: Any, *, separator: str = "@"
) -> tuple[pd.DataFrame, StepReport]:
    """Let several measurements of one entity feed its node: ``TP53@rna`` and ``TP53@mut``.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``, where the entity is a node.
    features : list of names, DataFrame or AnnData
        The data's features; those with the separator are an entity and a data type.
    separator : str
        What stands between them; its last place counts.

    Returns
    -------
    edges : DataFrame
        With an edge from each such feature to its entity.
    report : StepReport

    Raises
    ------
    Edge2TorchError
        When no feature has the separator or none of their entities is in the graph, and for
        entities that are features themselves.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["TP53"], "target": ["repair"]})
    >>> typed, report = add_data_types(edges, ["TP53@rna", "TP53@mut", "ATM@rna"])
    >>> typed[["source", "target"]].values.tolist()
    [['TP53', 'repair'], ['TP53@rna', 'TP53'], ['TP53@mut', 'TP53']]
    >>> report
    add_data_types: 2 -> 4 nodes, 1 -> 3 edges
      2 feature(s) of 1 entities feed their nodes (rna: 1, mut: 1).
      1 feature(s) are of entities that the graph does not have: 'ATM@rna'.
    """
    graph = numbered(edges)
    wanted = as_names(features, "features")
    typed = pd.Series([name for name in dict.fromkeys(wanted) if separator in name], dtype=object)
    if typed.empty:
        raise Edge2TorchError(f"no feature has the separator {separator!r}: {listing(wanted)}.")
    parts = typed.str.rsplit(separator, n=1, expand=True)
    known = parts[0].isin(graph.names).to_numpy(bool)
    if not known.any():
        raise Edge2TorchError(
            f"features and edges share no entities: {listing(parts[0].unique())} are not in the graph."
        )
    if twice := sorted(set(parts.loc[known, 0]) & set(wanted)):
        raise Edge2TorchError(
            f"features have {listing(twice)} both plain and with a data type. Give the plain ones "
            f"a type too, such as {twice[0] + separator + 'rna'!r}."
        )
    new = plain_edges(typed[known], parts.loc[known, 0], {"relation": "measured"})
    frame = added(graph.frame, new)
    kinds = ", ".join(f"{kind}: {n:,}" for kind, n in parts.loc[known, 1].value_counts().items())
    n_entities = parts.loc[known, 0].nunique()
    notes = (
        f"{int(known.sum()):,} feature(s) of {n_entities:,} entities feed their nodes ({kinds}).",
        *counted(typed[~known].tolist(), "feature(s) are of entities that the graph does not have"),
    )
    return frame, step_report("add_data_types", graph.frame, frame, notes)
