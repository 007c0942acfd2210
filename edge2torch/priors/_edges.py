"""What every step works on: an edge table by name and by number; joining rows of one edge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import read_edge_table

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

JOINED_BY = "|"
_SIGNED = ("sign",)


@dataclass(frozen=True)
class Graph:
    """A checked edge table with its nodes as numbers."""

    frame: pd.DataFrame
    names: NDArray[np.object_]
    source: Int
    target: Int
    is_input: Bool = field(repr=False)
    is_end: Bool = field(repr=False)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.names)

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.source)

    def numbers(self, names: Iterable[Any]) -> Int:
        """Return the numbers of those names that are in the graph, sorted."""
        found = pd.Index(self.names).get_indexer(pd.Index(as_names(names), dtype=object))
        return np.unique(found[found >= 0]).astype(np.int64)

    def mask(self, names: Iterable[Any]) -> Bool:
        """Mark the nodes of these names."""
        marked = np.zeros(self.n_nodes, bool)
        marked[self.numbers(names)] = True
        return marked

    def known(self, names: Any, argument: str, *, otherwise: Bool | None = None) -> Bool:
        """Mark the nodes of these names, an error where there are none; or others if names is None."""
        if names is None and otherwise is not None:
            return otherwise
        wanted = as_names(names, argument)
        if unknown := sorted(set(wanted) - set(self.names.tolist()), key=wanted.index):
            raise Edge2TorchError(
                f"{argument} names {len(unknown)} node(s) that are not in the graph: "
                f"{listing(unknown)}."
            )
        return self.mask(wanted)

    def named(self, nodes: NDArray[Any]) -> list[str]:
        """Return the names of node numbers, or of marked nodes."""
        return list(self.names[nodes].tolist())

    def rows(self, keep: NDArray[Any]) -> pd.DataFrame:
        """Return rows of the table, numbered afresh."""
        return self.frame.iloc[keep].reset_index(drop=True)


def numbered(edges: EdgesLike) -> Graph:
    """Check an edge table and number its nodes."""
    table = read_edge_table(edges)
    n_nodes = len(table.node_names)
    return Graph(
        frame=table.frame,
        names=table.node_names,
        source=table.source,
        target=table.target,
        is_input=np.bincount(table.target, minlength=n_nodes) == 0,
        is_end=np.bincount(table.source, minlength=n_nodes) == 0,
    )


def as_names(names: Any, argument: str = "names") -> list[str]:
    """Return names as text: of a list, of a table's columns, of an AnnData's var_names."""
    if isinstance(names, str):
        return [names]
    if isinstance(names, pd.DataFrame):
        names = names.columns
    names = getattr(names, "var_names", names)
    if not isinstance(names, Iterable):
        raise Edge2TorchError(f"{argument} must be a list of names, found {type(names).__name__}.")
    return [str(name).strip() for name in names]


def plain_edges(source: Any, target: Any, columns: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Return a new edge table."""
    ends = {"source": np.asarray(source, object), "target": np.asarray(target, object)}
    return pd.DataFrame({**ends, **(columns or {})})


def stacked(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put tables below each other; columns that one lacks are missing there."""
    filled = [table for table in tables if len(table)]  # pandas warns of types where one is empty
    return pd.concat(filled, ignore_index=True) if filled else plain_edges([], [])


@dataclass(frozen=True)
class Joined:
    """A table with one row per edge, how many rows went into others, and which signs clashed."""

    frame: pd.DataFrame
    n_joined: int = 0
    conflicts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def words(self) -> str:
        """Further parts of the sentence that says what was read."""
        words = f"; {self.n_joined:,} repeated row(s) were joined" if self.n_joined else ""
        if self.conflicts:
            words += f"; opposite signs, now 0, at {listing(self.conflicts)}"
        return words


def join_rows(frame: pd.DataFrame) -> Joined:
    """Make one row of the rows of an edge.

    Differing words are joined by ``|``; of differing numbers the first is kept; opposite signs
    become 0, which says nothing; what is true in one row is true.
    """
    ends = ["source", "target"]
    repeats = frame.duplicated(ends)
    if not repeats.any():
        return Joined(frame.reset_index(drop=True))
    several = frame.duplicated(ends, keep=False)
    group = frame[several].groupby(ends, sort=False).ngroup().to_numpy()
    first = frame[several & ~repeats].copy()
    conflicts: list[tuple[str, str]] = []
    for column in frame.columns.difference(ends, sort=False):
        values = frame.loc[several, column]
        # every value of an edge once, in the order of the rows
        present = pd.DataFrame({"group": group, "value": values.to_numpy()}).dropna()
        present = present.drop_duplicates()
        if column in _SIGNED:
            signs = present.groupby("group")["value"]
            least, most = signs.min(), signs.max()
            clash = least * most < 0
            # 1 beside 0 is 1, and -1 beside 0 is -1: no sign does not contradict one
            kept = most.where(most > 0, least).mask(clash, 0)
            at = clash.reindex(range(len(first)), fill_value=False).to_numpy(bool)
            conflicts = list(first.loc[at, ends].itertuples(index=False, name=None))
        elif frame[column].dtype == bool:
            kept = present.groupby("group")["value"].any()
        elif present["value"].map(lambda value: isinstance(value, str)).all():
            kept = present.groupby("group")["value"].agg(JOINED_BY.join)
        else:
            kept = present.groupby("group")["value"].first()
        first[column] = kept.reindex(range(len(first))).to_numpy()
    alone = frame[~several]
    joined = pd.concat([alone, first]).sort_index(kind="stable").reset_index(drop=True)
    return Joined(joined[list(frame.columns)], int(repeats.sum()), conflicts)
