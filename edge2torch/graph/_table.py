"""Read and check the edge table a user hands in."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core import constraints
from edge2torch._core.columns import numbers_of
from edge2torch._core.edges import OWN_COLUMNS, EdgesLike, edge_frame, edges_called, nearly_ours
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.graph._adjacency import Adjacency, adjacency
from edge2torch.graph._node_names import number_nodes

_WEIGHT_HINT = (
    " Readers of files do so with weight='start' (in a shell: edge2torch prior --weight start), where "
    "training starts from it, or 'drop', which leaves it out; sign='weight' "
    "(in a shell: --sign weight) reads no more than its sign."
)


@dataclass(frozen=True)
class EdgeTable:
    """A checked edge table: names once, rows as integers.

    Parameters
    ----------
    metadata : DataFrame
        The user's table without ``source`` and ``target``.
    columns : tuple
        Its columns, these two at their places.
    node_names : ndarray of object, shape (n,)
        Every node once, sorted.
    source, target : ndarray of int64, shape (e,)
        Positions in ``node_names``, row by row.
    initial_weight : ndarray of float64, shape (e,)
        NaN where the table gives none.
    constraint : ndarray of int8, shape (e,)
        0 unconstrained, 1 positive, -1 negative, 2 fixed.
    """

    metadata: pd.DataFrame
    columns: tuple[Hashable, ...]
    node_names: NDArray[np.object_]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    initial_weight: NDArray[np.float64]
    constraint: NDArray[np.int8]

    @cached_property
    def adjacency(self) -> Adjacency:
        """The edges by source, then target, sorted once for all that read them so."""
        return adjacency(self.source, self.target, len(self.node_names))

    @property
    def frame(self) -> pd.DataFrame:
        """The user's table with ``source`` and ``target`` as text; every other column as given."""
        return named_rows(self.metadata, self.columns, self.node_names, self.source, self.target)

    def edge_names(self, rows: NDArray[Any]) -> list[tuple[str, str]]:
        """Return ``(source, target)`` of the given rows."""
        names = self.node_names
        return list(zip(names[self.source[rows]], names[self.target[rows]], strict=True))


def read_edge_table(
    edges: EdgesLike, *, sign_column: str | None = None, argument: str = "edges"
) -> EdgeTable:
    """Check an edge table, which the user's function calls ``argument``, and number its nodes.

    A ``sign_column`` of +1, -1, 0 or missing values is read as a constraint; columns without a meaning are
    kept as metadata.
    """
    with edges_called(argument):
        return _checked(edge_frame(edges, argument), sign_column)


def _checked(given: pd.DataFrame, sign_column: str | None) -> EdgeTable:
    _check_columns(given, sign_column)
    names, source, target = number_nodes(given)
    rest, columns = given.drop(columns=["source", "target"]), tuple(given.columns)
    blank = np.broadcast_to(np.nan, len(given))  # takes no room
    free = np.zeros(len(given), np.int8)
    table = EdgeTable(rest, columns, names, source, target, blank, free)
    _check_duplicates(table)
    weight = _read_weight(table)
    constraint = _read_constraint(table)
    if sign_column is not None:
        constraint = _merge_sign(table, constraint, sign_column)
    _check_weight_against_constraint(table, weight, constraint)
    checked = replace(table, initial_weight=weight, constraint=constraint)
    vars(checked)["adjacency"] = table.adjacency  # a copy would sort again
    return checked


def named_rows(
    metadata: pd.DataFrame,
    columns: Sequence[Hashable],
    names: NDArray[np.object_],
    source: NDArray[np.int64],
    target: NDArray[np.int64],
) -> pd.DataFrame:
    """Put both names into a row per edge, at their places among the columns.

    Made when asked for: to keep them would cost more per edge than a weight and its gradient.
    """
    return metadata.assign(source=names[source], target=names[target])[list(columns)]


def _check_columns(edgelist: pd.DataFrame, sign_column: str | None) -> None:
    columns = [str(column) for column in edgelist.columns]
    if repeated := sorted({column for column in columns if columns.count(column) > 1}):
        raise Edge2TorchError(
            f"edgelist has the same column name more than once: {listing(repeated)}. "
            "Rename or drop the repeated columns."
        )
    for wanted in ("source", "target"):
        if wanted in edgelist.index.names:
            raise Edge2TorchError(
                f"edgelist has {wanted!r} in its index, not among its columns. Pass edgelist.reset_index()."
            )
        if wanted not in columns:
            raise Edge2TorchError(
                f"edgelist has no column {wanted!r}; its columns are {listing(columns, 10)}. "
                f"Rename yours with edgelist.rename(columns={{...: {wanted!r}}})."
            )
    for column in set(columns) - {*OWN_COLUMNS, sign_column}:
        if meant := nearly_ours(column):
            raise Edge2TorchError(
                f"edgelist has a column {column!r}, which is nearly {meant!r}. Rename it to "
                f"{meant!r} if that is what it holds, or to something else to keep it as "
                f"edge metadata.{_WEIGHT_HINT if column == 'weight' else ''}"
            )
    if sign_column is not None and sign_column not in edgelist.columns:
        raise Edge2TorchError(
            f"sign_column={sign_column!r} is not a column of edgelist; its columns are "
            f"{listing(columns, 10)}."
        )
    if edgelist.empty:
        raise Edge2TorchError("edgelist has no rows. Give at least one edge.")


def _check_duplicates(table: EdgeTable) -> None:
    repeats = table.adjacency.repeated()
    if len(repeats):
        raise Edge2TorchError(
            f"edgelist has {len(repeats)} duplicated edge(s): "
            f"{listing(table.edge_names(repeats))}. Keep one row per source and "
            "target, for example edgelist.drop_duplicates(['source', 'target'])."
        )


def _read_weight(table: EdgeTable) -> NDArray[np.float64]:
    if "initial_weight" not in table.metadata:
        return table.initial_weight
    column = table.metadata["initial_weight"]
    no_number = _is_kind(column, (bool, np.bool_, complex, np.complexfloating))
    values = numbers_of(column.mask(no_number))
    unreadable = (np.isnan(values) & column.notna().to_numpy()) | np.isinf(values)
    if unreadable.any():
        rows = np.flatnonzero(unreadable)
        found = listing(column.iloc[rows[:5]].tolist())
        raise Edge2TorchError(
            f"edgelist column 'initial_weight' must hold finite numbers or be missing; found "
            f"{found} at edge(s) {listing(table.edge_names(rows))}."
        )
    return values


def _is_kind(column: pd.Series, kinds: tuple[type, ...]) -> NDArray[np.bool_]:
    """Mark values of Python types that pandas would take for numbers."""
    if column.dtype == object:
        return column.map(lambda value: isinstance(value, kinds)).to_numpy(bool)
    other = pd.api.types.is_bool_dtype(column) or pd.api.types.is_complex_dtype(column)
    return np.full(len(column), other)


def _read_constraint(table: EdgeTable) -> NDArray[np.int8]:
    if "constraint" not in table.metadata:
        return table.constraint
    column = table.metadata["constraint"]
    if column.dtype == object:
        column = column.map(str).where(column.notna(), None)
    codes, distinct = pd.factorize(column)
    known = np.zeros(len(distinct) + 1, np.int8)  # the last slot is read by code -1, missing
    for position, value in enumerate(distinct):
        code = constraints.BY_NAME.get(str(value).strip().lower())
        if code is None:
            rows = np.flatnonzero(codes == position)
            raise Edge2TorchError(
                f"edgelist column 'constraint' has the unknown value {value!r} at edge(s) "
                f"{listing(table.edge_names(rows))}. Use one of {listing(constraints.BY_NAME)} or leave "
                f"it missing.{_SIGN_HINT if str(value).strip() in _SIGNS else ''}"
            )
        known[position] = code
    return known[codes]


_SIGNS = ("+", "-", "1", "-1", "+1", "1.0", "-1.0")
_SIGN_HINT = " Signs as numbers, 1 and -1, go into a column of their own: pass sign_column=."


def _merge_sign(
    table: EdgeTable, constraint: NDArray[np.int8], sign_column: str
) -> NDArray[np.int8]:
    column = table.metadata[sign_column]
    numbers = numbers_of(column)
    sign = np.where(np.isnan(numbers), 0.0, numbers)
    wrong = np.flatnonzero(
        (np.isnan(numbers) & column.notna().to_numpy()) | ~np.isin(sign, (-1.0, 0.0, 1.0))
    )
    if len(wrong):
        raise Edge2TorchError(
            f"sign_column={sign_column!r} must hold +1, -1, 0 or missing values; found "
            f"{listing(column.iloc[wrong[:5]].tolist())} at edge(s) "
            f"{listing(table.edge_names(wrong))}."
        )
    opposed = np.flatnonzero(constraints.is_signed(constraint) & (constraint * sign < 0))
    if len(opposed):
        raise Edge2TorchError(
            f"column 'constraint' and sign_column={sign_column!r} contradict each other at "
            f"edge(s) {listing(table.edge_names(opposed))}. Correct one of them."
        )
    return np.where(constraint == constraints.FREE, sign.astype(np.int8), constraint)


def _check_weight_against_constraint(
    table: EdgeTable, weight: NDArray[np.float64], constraint: NDArray[np.int8]
) -> None:
    if not constraint.any():
        return
    unweighted = np.flatnonzero((constraint == constraints.FIXED) & np.isnan(weight))
    if len(unweighted):
        raise Edge2TorchError(
            "constraint 'fixed' needs an initial_weight, which is missing at edge(s) "
            f"{listing(table.edge_names(unweighted))}."
        )
    signed = constraints.is_signed(constraint) & ~np.isnan(weight)
    wrong = np.flatnonzero(signed & (np.nan_to_num(weight) * constraint <= 0))
    if len(wrong):
        raise Edge2TorchError(
            "edgelist column 'initial_weight' disagrees in sign with the constraint (zero has "
            f"no sign) at edge(s) {listing(table.edge_names(wrong))}: found "
            f"{listing(weight[wrong].tolist())}. Change the weight or the constraint."
        )
