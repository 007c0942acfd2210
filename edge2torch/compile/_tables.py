"""A DataFrame as plain JSON, and back without loss."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError


def frame_to_json(frame: pd.DataFrame) -> dict[str, Any]:
    """Return a JSON-ready form: per column its name, dtype and values."""
    index = None if isinstance(frame.index, pd.RangeIndex) else _column(frame.index.to_series())
    columns = [{"name": str(name), **_column(frame[name])} for name in frame.columns]
    return {"columns": columns, "index": index}


def frame_from_json(form: dict[str, Any]) -> pd.DataFrame:
    """Return the DataFrame of :func:`frame_to_json`."""
    columns = {column["name"]: _series(column) for column in form["columns"]}
    frame = pd.DataFrame(columns)
    if form["index"] is not None:
        frame.index = pd.Index(_series(form["index"]))
    return frame


def _column(values: pd.Series) -> dict[str, Any]:
    plain = values.astype(object).where(values.notna(), None)
    listed = [value.item() if isinstance(value, np.generic) else value for value in plain]
    infinite = [value for value in listed if isinstance(value, float) and np.isinf(value)]
    try:
        if infinite:
            raise ValueError("infinite numbers")
        json.dumps(listed, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Edge2TorchError(
            f"edge table column {values.name!r} cannot be saved as JSON ({error}). Drop it from "
            "the edge table, or convert it to text or numbers, and compile again."
        ) from error
    return {"dtype": str(values.dtype), "values": listed}


def _series(column: dict[str, Any]) -> pd.Series:
    return pd.Series(column["values"], dtype=object).astype(column["dtype"])
