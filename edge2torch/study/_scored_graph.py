"""A graph and scores on its nodes, from files: those of a run, or anybody's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.console import Console
from edge2torch._core.edges import edges_called
from edge2torch._core.messages import listing, warn
from edge2torch._core.tables import read_table
from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import read_edge_table, shortest_cycle
from edge2torch.study._edges import read_edge_file
from edge2torch.study._node_table import node_table
from edge2torch.study._result import load_study
from edge2torch.study._saved import PAIRS, read_saved


def read_graph(path: Path, argument: str) -> tuple[CompileArtifact, pd.DataFrame | None]:
    """Return the names of a graph, and its weights where they are known."""
    if path.is_dir():
        saved = read_saved(path, argument)
        if saved.doubt:
            warn(f"{saved.doubt}: its weights are no finding.")
        return saved.artifact, saved.weights
    with Console(quiet=True).warnings_as_notes():  # of signs, which no picture shows
        edges = read_edge_file(path, argument)
    table = read_edge_table(edges, argument=argument)
    cyclic = shortest_cycle(table.source, table.target, len(table.node_names)) is not None
    backend = "recurrent" if cyclic else "feedforward"
    with edges_called(argument):
        return compile_graph(edges, backend=backend, quiet=True)[1], None


def own_scores(folder: Path, column: str | None = None) -> tuple[pd.DataFrame | None, str]:
    """Return what a run knows of its nodes, and its title; nothing of a folder that is not of a run.

    Of pairs ``score`` is the mean magnitude over all drugs, and each has its own ``score_<drug>``. A
    ``column`` that is asked for has to be among them.
    """
    found, title = _scores_and_title(folder)
    if found is not None and column is not None and column not in found:
        raise Edge2TorchError(
            f"column: the run has no score {column!r}. It has {listing(found.columns, 10)}."
        )
    return found, title


def _scores_and_title(folder: Path) -> tuple[pd.DataFrame | None, str]:
    if (folder / PAIRS).is_file():
        table = folder / "node_attribution.csv"
        if not table.is_file():
            return None, ""
        found = read_table(table, "scores", text=(0, 1))
        own = found.pivot(index="node", columns=found.columns[0], values="mean").add_prefix(
            "score_"
        )
        own.insert(0, "score", found.groupby("node")["mean_abs"].mean())
        return own.rename_axis(columns=None), ""
    if not (folder / "study").exists():
        return None, ""
    study = load_study(folder)
    return node_table(study.results) if study.learned else None, study.text.title


def read_rows(
    path: Path, where: Iterable[str] | None, argument: str, text: Sequence[str | int]
) -> pd.DataFrame:
    """Read the rows of a table in which columns have the given values, as ``output=B``."""
    conditions = [condition.partition("=") for condition in where or []]
    columns = list(read_table(path, argument, n_rows=1).columns)
    named = [c for c in columns if c in text] or [c for k, c in enumerate(columns) if k in text]
    asked = [name for name, _, _ in conditions]  # as they are written: 007 is not 7
    table = read_table(path, argument, text=(*named, *asked))
    for name, equals, value in conditions:
        if not equals or name not in table.columns:
            what = f"{argument}= has no column {name!r}; it has"
            if not equals:
                what = f"write COLUMN=VALUE; {argument}= has the columns"
            raise Edge2TorchError(
                f"where {name + equals + value!r}: {what} {listing(table.columns, 10)}."
            )
        kept = table[table[name].astype(str) == value]
        if kept.empty and (number := pd.to_numeric(value, errors="coerce")) == number:
            kept = table[pd.to_numeric(table[name], errors="coerce") == number]
        if kept.empty:
            there: list[Any] = table[name].unique().tolist()
            raise Edge2TorchError(
                f"where {name + equals + value!r}: no such row. {name} is {listing(there, 10)}."
            )
        table = kept
    return table


def read_scores(
    path: Path,
    column: str | None,
    where: Iterable[str] | None,
    nodes: Iterable[str],
    console: Console,
) -> tuple[pd.DataFrame, str]:
    """Rows of a table that name nodes, by node, and which of its columns is the score."""
    table = read_rows(path, where, "scores", (0, "node", "feature"))
    names = next((c for c in ("node", "feature") if c in table.columns), table.columns[0])
    numeric = [c for c in table.columns if c != names and pd.api.types.is_numeric_dtype(table[c])]
    if column is not None and column not in numeric:
        raise Edge2TorchError(
            f"column: {path.name!r} has no column of numbers {column!r}. It has "
            f"{listing(numeric, 10) or 'none'}."
        )
    if not numeric:
        raise Edge2TorchError(f"scores: {path.name!r} has no column of numbers.")
    by_node = table.drop(columns=names).set_axis(table[names].astype(str), axis=0)
    if twice := by_node.index[by_node.index.duplicated()].unique().tolist():
        raise Edge2TorchError(
            f"scores: {path.name!r} names nodes more than once: {listing(twice)}. Choose rows "
            "with where=, such as where='output=B'."
        )
    is_node = by_node.index.isin(list(nodes))
    found, unknown = by_node[is_node], by_node.index[~is_node]
    if found.empty:
        raise Edge2TorchError(
            f"scores: no name in column {names!r} is a node of the graph: {listing(by_node.index)}."
        )
    shown = column or ("score" if "score" in numeric else numeric[0])
    infinite = found.index[np.isinf(found[shown].to_numpy(float, na_value=np.nan))]
    if len(infinite):
        raise Edge2TorchError(
            f"scores: {shown!r} of {path.name!r} is infinite for {listing(infinite)}. Leave these "
            "rows out, or choose another column=."
        )
    if len(unknown):
        console.say(
            f"{path.name}: {len(unknown):,} name(s) are not nodes of the graph and left out: "
            f"{listing(unknown)}."
        )
    if column is None and shown != "score" and len(numeric) > 1:
        console.say(f"Coloured by {shown!r} of {path.name}; column= chooses another.")
    return found, shown
