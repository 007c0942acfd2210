"""Human names beside identifiers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.edges import EdgesLike, edge_frame
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._rows import FilePath, check_distinct, read_rows

Names = Mapping[str, str] | pd.Series | FilePath


def add_names(edges: EdgesLike, names: Names) -> pd.DataFrame:
    """Put human names beside the identifiers of an edge table.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``.
    names : dict, Series or path
        Name by identifier; or a table in text, separated by tabs, whose first two columns are
        identifier and name. Nodes without a name keep what they have.

    Returns
    -------
    DataFrame
        With columns ``source_name`` and ``target_name``, which ``CompileArtifact.labels`` reads.

    Raises
    ------
    Edge2TorchError
        With file and line for a table that cannot be read or names an identifier twice; and where
        no node of the edges is named.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["P04637"], "target": ["R-HSA-69473"]})
    >>> add_names(edges, {"R-HSA-69473": "G2/M DNA damage checkpoint"})
       source       target source_name                 target_name
    0  P04637  R-HSA-69473        None  G2/M DNA damage checkpoint
    """
    known, frame = read_names(names), edge_frame(edges)
    nodes = pd.concat([frame["source"], frame["target"]]).astype(str)
    if len(known) and not nodes.isin(known.index).any():
        raise Edge2TorchError(
            f"names has no node of the edges: it names {listing(known.index)}, the nodes are "
            f"{listing(nodes.unique())}. Are identifier and name the wrong way round?"
        )
    columns: dict[str, Any] = {}
    for side in ("source", "target"):
        found = frame[side].astype(str).map(known).astype(object)
        if f"{side}_name" in frame:
            found = found.where(found.notna(), frame[f"{side}_name"])
        columns[f"{side}_name"] = found.where(found.notna(), None)
    return frame.assign(**columns)


def read_names(names: Names) -> pd.Series:
    """Return names by identifier."""
    if isinstance(names, str | os.PathLike):
        rows = read_rows(names)
        short = [len(row) < 2 for row in rows.fields]
        rows.check(np.array(short), "an identifier and a name were expected.")
        table = pd.DataFrame([row[:2] for row in rows.fields], columns=["id", "name"])
        table["id"] = table["id"].str.strip()
        check_distinct(rows, table, ["id"], "")
        return pd.Series(table["name"].str.strip().to_numpy(object), index=table["id"])
    series = pd.Series(dict(names) if isinstance(names, Mapping) else names, dtype=object)
    series.index = series.index.map(str)
    if not series.index.is_unique:
        twice = series.index[series.index.duplicated()][0]
        raise Edge2TorchError(f"names has {twice!r} twice. Keep one.")
    return series
