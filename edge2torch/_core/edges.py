"""What may be given as a table of edges: the table, or what carries one."""

from __future__ import annotations

from typing import Any, Protocol

import pandas as pd


class HasEdges(Protocol):
    """A prior, or anything else whose ``edges`` are a table."""

    @property
    def edges(self) -> pd.DataFrame: ...


EdgesLike = pd.DataFrame | HasEdges


def edge_frame(edges: Any) -> Any:
    """Return the table of what carries one, and anything else as it is, for others to check."""
    if isinstance(edges, pd.DataFrame):  # first, because a table may have a column "edges"
        return edges
    carried = getattr(edges, "edges", None)
    return carried if isinstance(carried, pd.DataFrame) else edges
