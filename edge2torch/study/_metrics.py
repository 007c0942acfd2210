"""The main score of each kind of task, and predictions as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.study._task import Task

MAIN = {"classification": "accuracy", "regression": "r2"}


def predictions_frame(
    task: Task, index: pd.Index[Any], rows: NDArray[np.int64], predicted: NDArray[np.float64]
) -> pd.DataFrame:
    """Return a row per sample: what it is, what it was taken for, and with which probability."""
    found, truth = answers_frame(task, index[rows], predicted), task.values[rows]
    names = np.array(task.classes, object)
    found.insert(0, "actual", names[truth] if task.kind == "classification" else truth)
    return found


def answers_frame(task: Task, index: pd.Index[Any], predicted: NDArray[np.float64]) -> pd.DataFrame:
    """Return a row per sample: what it is taken for, and with which probability."""
    if task.kind == "regression":
        columns: dict[str, Any] = {"predicted": predicted[:, 0]}
    else:
        columns = {"predicted": np.array(task.classes, object)[predicted.argmax(axis=1)]}
        for k, name in enumerate(task.classes):
            columns[f"probability {name}"] = predicted[:, k].round(6)
    return pd.DataFrame(columns, index=pd.Index(index, name="sample"))
