"""Human names beside the nodes of an edge table, from a file that the user has."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from edge2torch._core.messages import plural
from edge2torch._core.packed import plain_suffix
from edge2torch._core.tables import existing_file, read_table
from edge2torch.errors import Edge2TorchError
from edge2torch.priors import add_names

_TABLES = (".csv", ".tsv", ".parquet")  # .txt: Reactome's names, which have no header


def with_names(edges: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, str]:
    """Return edges with names, and a sentence on how many nodes have one now.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``.
    path : Path
        CSV, TSV or Parquet whose first two columns are node and name; of any other ending, text
        with tabs and no header.
    """
    nodes = pd.Index(pd.concat([edges["source"], edges["target"]]).astype(str).unique())
    is_table = plain_suffix(existing_file(path, "names")) in _TABLES
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
