"""Human names beside identifiers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from edge2torch._core.edges import EdgesLike, edge_frame
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._rows import Pairs, read_pairs


def add_names(edges: EdgesLike, names: Pairs) -> pd.DataFrame:
    """Put human names beside the identifiers of an edge table.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source`` and ``target``.
    names : dict, Series, DataFrame or path
        Name by identifier; or a table, or the path of one separated by tabs, whose first two
        columns are identifier and name. Nodes without a name keep what they have.

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
    frame = edge_frame(edges)
    pairs = read_pairs(names, "names", "identifier and name", distinct=True)
    known = pairs.set_index("old")["new"]
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
