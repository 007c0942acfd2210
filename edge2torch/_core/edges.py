"""What may be given as a table of edges: the table, or what carries one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pandas as pd

from edge2torch._core.messages import kind_of
from edge2torch._core.names import nearest_names
from edge2torch.errors import Edge2TorchError

OWN_COLUMNS = ("source", "target", "initial_weight", "constraint")
_KNOWN_TYPOS = {"weight": "initial_weight", "weights": "initial_weight"}


class HasEdges(Protocol):
    """A prior, or anything else whose ``edges`` are a table."""

    @property
    def edges(self) -> pd.DataFrame: ...


EdgesLike = pd.DataFrame | HasEdges


def edge_frame(edges: Any, argument: str = "edges") -> pd.DataFrame:
    """Return the table that was given, or that is carried by what was given."""
    if isinstance(edges, pd.DataFrame):  # first, because a table may have a column "edges"
        return edges
    carried = getattr(edges, "edges", None)
    if isinstance(carried, pd.DataFrame):
        return carried
    raise Edge2TorchError(
        f"{argument} must be a pandas DataFrame with columns 'source' and 'target', found "
        f"{kind_of(edges)}. {_hint(edges)}"
    )


@contextmanager
def edges_called(argument: str) -> Iterator[None]:
    """Let errors about edges call them as the function does that the user called."""
    try:
        yield
    except Edge2TorchError as error:
        raise Edge2TorchError(str(error).replace("edgelist", argument)) from error


def nearly_ours(column: str) -> str | None:
    """Return the column of an edge table that another name looks like a slip for."""
    plain = column.strip().lower().replace(" ", "_").replace("-", "_")
    if plain in _KNOWN_TYPOS:
        return _KNOWN_TYPOS[plain]
    # "sources" beside "source" is a column of databases; without "source" a table is refused anyway
    return next(iter(nearest_names(plain, OWN_COLUMNS[2:], cutoff=0.85)), None)


def _hint(given: object) -> str:
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], pd.DataFrame):
        return (
            "It is a pair: take the table, edges, report = ..., or chain steps with Prior(edges)."
        )
    if isinstance(given, str | os.PathLike):
        return "Read a file first: read_edges takes a table, read_gmt gene sets."
    if isinstance(given, list | tuple) and given and isinstance(given[0], pd.DataFrame):
        return (
            "It holds several tables: union_edges(*tables) of edge2torch.priors makes one of them."
        )
    return "Build one with pd.DataFrame({'source': [...], 'target': [...]})."
