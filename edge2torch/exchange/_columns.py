"""Columns of one type and plain values: what every format can hold, and no NaN in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

_INT, _LONG = 2**31, 2**63


@dataclass(frozen=True)
class Column:
    """An attribute of all nodes or of all edges.

    Parameters
    ----------
    kind : str
        ``string``, ``integer`` (of 32 bits), ``long``, ``double``, ``boolean``, or ``list_of_`` one
        of them.
    values : list
        Plain Python values, None where there is none.
    n_infinite : int
        Numbers that were left out as no format has a word for them; those that are not a number are
        missing values and not counted.
    """

    kind: str
    values: list[Any]
    n_infinite: int = 0

    @property
    def is_number(self) -> bool:
        """Whether a colour or a width can follow it."""
        return self.kind in ("integer", "long", "double")

    @property
    def is_empty(self) -> bool:
        """Whether there is no value at all."""
        return all(value is None for value in self.values)

    def joined(self) -> list[Any]:
        """The values, lists joined by ``|``: for formats that have no lists."""
        if not self.kind.startswith("list_of_"):
            return self.values
        return [None if value is None else "|".join(map(_text, value)) for value in self.values]


def read_column(values: Iterable[Any]) -> Column:
    """Find the one type that all values have; where they differ in kind, all become text."""
    given = list(values)
    plain = [_plain(value) for value in given]
    infinite = sum(isinstance(v, float | np.floating) and math.isinf(v) for v in given)
    known = [value for value in plain if value is not None]
    if any(isinstance(value, list) for value in known):
        parts = [None if v is None else v if isinstance(v, list) else [v] for v in plain]
        kind = _kind([item for part in parts if part for item in part])
        lists = [None if part is None else [_as(kind, item) for item in part] for part in parts]
        return Column(f"list_of_{kind}", lists, infinite)
    kind = _kind(known)
    return Column(kind, [None if v is None else _as(kind, v) for v in plain], infinite)


def _plain(value: Any) -> Any:
    """Return a value that JSON has, None for what is missing or not finite."""
    if isinstance(value, np.ndarray | list | tuple):
        return [item for item in map(_plain, value) if item is not None]
    if isinstance(value, set | frozenset):
        return sorted(item for item in map(_text, value))
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    return str(value)


def _kind(values: Sequence[Any]) -> str:
    if not values or not all(isinstance(value, bool | int | float) for value in values):
        return "string"
    if all(isinstance(value, bool) for value in values):
        return "boolean"
    if any(isinstance(value, bool) for value in values):
        return "string"  # True is no number
    if any(isinstance(value, float) for value in values):
        return "double"
    largest = max(*values, *(-1 - value for value in values))
    # what no format holds as a number keeps its digits as text
    return "integer" if largest < _INT else "long" if largest < _LONG else "string"


def _as(kind: str, value: Any) -> Any:
    return float(value) if kind == "double" else _text(value) if kind == "string" else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
