"""Scores of nodes in any of the shapes that attributions come in, as one number per node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError


def node_scores(scores: Any, argument: str = "scores") -> pd.Series:
    """Return one float per node name.

    Takes a Series or dict by node name, a frame of samples × nodes, or a dict of such frames by
    layer, as ``interpret_model`` returns them; frames are averaged over their samples.
    """
    if isinstance(scores, pd.DataFrame):
        series = _mean(scores, argument)
    elif isinstance(scores, Mapping) and any(isinstance(v, pd.DataFrame) for v in scores.values()):
        if not all(isinstance(value, pd.DataFrame) for value in scores.values()):
            raise Edge2TorchError(f"{argument} mixes data frames with other values.")
        series = pd.concat([_mean(frame, argument) for frame in scores.values()])
    elif isinstance(scores, pd.Series | Mapping):
        series = pd.Series(scores)
    else:
        raise Edge2TorchError(
            f"{argument} must be a Series or dict by node name, a DataFrame with a column per "
            f"node, or the dict that interpret_model returns; found {type(scores).__name__}."
        )
    series = _numeric(series, argument)
    if series.empty:
        raise Edge2TorchError(f"{argument} holds no number. Give one value per node.")
    return series


def score_table(table: Any, argument: str = "table") -> pd.DataFrame:
    """Return a frame of floats, nodes × classes, that is neither empty nor ambiguous."""
    if not isinstance(table, pd.DataFrame):
        raise Edge2TorchError(
            f"{argument} must be a DataFrame with a row per node and a column per class, found "
            f"{type(table).__name__}."
        )
    if table.empty:
        raise Edge2TorchError(
            f"{argument} is empty: it has {table.shape[0]} row(s) and {table.shape[1]} column(s)."
        )
    columns = [_numeric(table[name], argument, drop=False) for name in _unique(table, argument)]
    return pd.concat(columns, axis=1)


def _unique(table: pd.DataFrame, argument: str) -> pd.Index:
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise Edge2TorchError(f"{argument} has columns of the same name: {listing(twice)}.")
    return table.columns


def _mean(frame: pd.DataFrame, argument: str) -> pd.Series:
    text = [name for name in _unique(frame, argument) if not _is_numeric(frame[name])]
    if text:
        raise Edge2TorchError(f"{argument} has columns that are not numbers: {listing(text)}.")
    return frame.mean(axis=0)


def _is_numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column.dtype))


def _numeric(series: pd.Series, argument: str, *, drop: bool = True) -> pd.Series:
    try:
        values = series.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise Edge2TorchError(f"{argument} holds values that are not numbers: {error}.") from error
    infinite = values.index[np.isinf(values)]
    if len(infinite):
        raise Edge2TorchError(f"{argument} is infinite for {listing(infinite)}.")
    values.index = values.index.map(str)
    if not values.index.is_unique:
        twice = values.index[values.index.duplicated()].unique()
        raise Edge2TorchError(f"{argument} names nodes twice: {listing(twice)}. Keep one of each.")
    return values.dropna() if drop else values
