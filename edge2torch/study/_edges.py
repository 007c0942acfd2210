"""Edges of a study, and human names beside their nodes, from files that the user has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from edge2torch._core.messages import kind_of, listing, plural
from edge2torch._core.packed import plain_suffix
from edge2torch._core.tables import existing_file, read_table
from edge2torch.errors import Edge2TorchError
from edge2torch.priors import add_names, read_edges


def read_edge_file(path: Path, option: str) -> pd.DataFrame:
    """Read an edge table; an error says which option it is about."""
    path = existing_file(path, option)
    try:
        return read_edges(path, quiet=True)
    except Edge2TorchError as error:
        raise Edge2TorchError(f"{option}: {error}") from None


def nodes_named(*tables: pd.DataFrame) -> set[str]:
    """Names in edge tables that are yet to be checked."""
    sides = [table[side].dropna() for table in tables for side in ("source", "target")]
    return {str(name).strip() for side in sides for name in side}


def edges_of(edges: Any) -> tuple[pd.DataFrame, str]:
    """Return the table of edges, and where they come from."""
    if isinstance(edges, str | os.PathLike):
        return read_edge_file(Path(edges), "edges"), f"Edges from {Path(edges).name}"
    table = edges if isinstance(edges, pd.DataFrame) else getattr(edges, "edges", None)
    if not isinstance(table, pd.DataFrame):
        raise Edge2TorchError(
            "edges must be a DataFrame with columns source and target, something that has one as its "
            f"'edges', or the path of a file, found a {kind_of(edges)}."
        )
    if lacking := [name for name in ("source", "target") if name not in table]:
        raise Edge2TorchError(
            f"edges: there is no column {listing(lacking)}. It has {listing(table.columns, 10)}."
        )
    return table, "Edges from a table"


_TABLES = (".csv", ".tsv", ".parquet")  # .txt: Reactome's names, which have no header


def with_names(edges: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, str]:
    """Return edges with names, and a sentence on how many nodes have one now.

    The first two columns of the file are node and name; of an unknown ending, it is text with tabs and no
    header.
    """
    nodes = pd.Index(pd.concat([edges["source"], edges["target"]]).astype(str).unique())
    path = existing_file(path, "names")
    is_table = plain_suffix(path) in _TABLES
    try:
        named = add_names(edges, _pairs(path, nodes) if is_table else path)
    except Edge2TorchError as error:
        raise Edge2TorchError(f"names: {error}") from error
    ends = [named.loc[named[f"{side}_name"].notna(), side] for side in ("source", "target")]
    known = pd.concat(ends).nunique()
    return named, f"Names of {known:,} of {plural('node', len(nodes))} from {path.name}."


def _pairs(path: Path, nodes: pd.Index[str]) -> pd.Series:
    """Name by node; a header that is a node itself is a row."""
    table = read_table(path, "names", text=(0, 1))
    if table.shape[1] < 2:
        raise Edge2TorchError(f"{path.name!r} has one column; node and name are needed.")
    pairs = table.iloc[:, :2].dropna().astype(str)
    names = pd.Series(pairs.iloc[:, 1].to_numpy(object), index=pairs.iloc[:, 0].str.strip())
    head, name = (str(column) for column in table.columns[:2])
    if head.strip() in nodes:
        names[head.strip()] = name
    return names.str.strip()
