"""Predictions as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.study._outcomes._outcome import Task


def predictions_frame(
    task: Task, index: pd.Index[Any], rows: NDArray[np.int64], predicted: NDArray[np.float64]
) -> pd.DataFrame:
    """Return a row per sample: what it is, what it was taken for, and with which probability."""
    outcome = task.outcome
    columns = {**outcome.truth(task, rows), **outcome.predicted(task, predicted)}
    return pd.DataFrame(columns, index=pd.Index(index[rows], name="sample"))


def answers_frame(task: Task, index: pd.Index[Any], predicted: NDArray[np.float64]) -> pd.DataFrame:
    """Return a row per sample: what it is taken for, and with which probability."""
    columns = task.outcome.predicted(task, predicted)
    return pd.DataFrame(columns, index=pd.Index(index, name="sample"))
