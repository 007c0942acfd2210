"""A DataFrame as plain JSON, and back without loss."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError


def frame_to_json(frame: pd.DataFrame) -> dict[str, Any]:
    """Return a JSON-ready form: per column its name, dtype and values; the index likewise."""
    index = None
    if not frame.index.equals(pd.RangeIndex(len(frame))):
        index = _columns(frame.index.to_frame(index=False), [*frame.index.names])
    return {"columns": _columns(frame, [*frame.columns]), "index": index}


def frame_from_json(form: dict[str, Any]) -> pd.DataFrame:
    """Return the DataFrame of :func:`frame_to_json`."""
    frame = pd.DataFrame(dict(enumerate(map(_series, form["columns"]))))
    frame.columns = pd.Index([column["name"] for column in form["columns"]])
    if form["index"] is not None:
        levels = [pd.Index(_series(level), name=level["name"]) for level in form["index"]]
        frame.index = levels[0] if len(levels) == 1 else pd.MultiIndex.from_arrays(levels)
    return frame


def _columns(frame: pd.DataFrame, names: list[Any]) -> list[dict[str, Any]]:
    return [_column(name, frame.iloc[:, place]) for place, name in enumerate(names)]


def _column(name: Any, values: pd.Series) -> dict[str, Any]:
    form: dict[str, Any] = {"name": _plain(name), "dtype": str(values.dtype)}
    if isinstance(values.dtype, pd.CategoricalDtype):
        form["categories"] = _listed(values.cat.categories.to_series())
        form["ordered"] = bool(values.cat.ordered)
    form["values"] = _listed(values)
    try:
        json.dumps(form, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Edge2TorchError(
            f"edge table column {name!r} cannot be saved as JSON ({error}). Drop it from the edge "
            "table, or convert it to text or finite numbers, and compile again."
        ) from error
    return form


def _listed(values: pd.Series) -> list[Any]:
    plain = values.astype(object).where(values.notna(), None)
    return [_plain(value) for value in plain]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _series(form: dict[str, Any]) -> pd.Series:
    values = pd.Series(form["values"], dtype=object)
    if "categories" in form:
        return values.astype(pd.CategoricalDtype(form["categories"], form["ordered"]))
    return values.astype(form["dtype"])
