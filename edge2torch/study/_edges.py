"""Read the edges of a study."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from edge2torch._core.messages import listing
from edge2torch._core.tables import existing_file
from edge2torch.errors import Edge2TorchError
from edge2torch.priors import read_edges


def read_edge_file(path: Path, option: str) -> pd.DataFrame:
    """Read an edge table; an error says which option it is about."""
    existing_file(path, option)
    try:
        return read_edges(path, quiet=True)
    except Edge2TorchError as error:
        raise Edge2TorchError(f"{option}: {error}") from None


def edges_of(edges: Any) -> tuple[pd.DataFrame, str]:
    """Return the table of edges, and where they come from."""
    if isinstance(edges, str | os.PathLike):
        return read_edge_file(Path(edges), "edges"), f"Edges from {Path(edges).name}"
    table = edges if isinstance(edges, pd.DataFrame) else getattr(edges, "edges", None)
    if not isinstance(table, pd.DataFrame):
        raise Edge2TorchError(
            "edges must be a DataFrame with columns source and target, something that has one as its "
            f"'edges', or the path of a file, found a {type(edges).__name__}."
        )
    if lacking := [name for name in ("source", "target") if name not in table]:
        raise Edge2TorchError(
            f"edges: there is no column {listing(lacking)}. It has {listing(table.columns, 10)}."
        )
    return table, "Edges from a table"
