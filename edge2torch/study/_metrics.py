"""How good predictions are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import require
from edge2torch.study._task import Task

_SMALLEST = 1e-7  # keeps the log loss of a confident mistake finite

MAIN = {"classification": "accuracy", "regression": "r2"}


def score(task: Task, rows: NDArray[np.int64], predicted: NDArray[np.float64]) -> dict[str, float]:
    """Score predictions (b, classes) or (b, 1) of some rows; the main score comes first."""
    truth = task.values[rows]
    if task.kind == "regression":
        return _regression(truth, predicted[:, 0])
    return _classification(truth, predicted)


def losses(
    task: Task, rows: NDArray[np.int64], predicted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log loss, or squared error, of each of some rows, shape (b,)."""
    truth = task.values[rows]
    if task.kind == "regression":
        squared: NDArray[np.float64] = (truth - predicted[:, 0]) ** 2
        return squared
    return _log_losses(truth, predicted)


def _log_losses(truth: NDArray[Any], probability: NDArray[np.float64]) -> NDArray[np.float64]:
    own = probability[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.maximum(own, _SMALLEST)), np.float64)


def _regression(truth: NDArray[Any], value: NDArray[np.float64]) -> dict[str, float]:
    spread = float(((truth - truth.mean()) ** 2).sum())
    error = float(((truth - value) ** 2).sum())
    varied = np.ptp(value) > 0 and np.ptp(truth) > 0
    return {
        "r2": 1 - error / spread if spread > 0 else float("nan"),
        "pearson_r": float(np.corrcoef(truth, value)[0, 1]) if varied else float("nan"),
        "rmse": (error / len(truth)) ** 0.5,
    }


def _classification(truth: NDArray[Any], probability: NDArray[np.float64]) -> dict[str, float]:
    chosen = probability.argmax(axis=1)
    table = confusion(truth, chosen, probability.shape[1])
    hit, given, said = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    there = given > 0
    f1 = 2 * hit[there] / np.maximum(given[there] + said[there], 1)
    return {
        "accuracy": float((chosen == truth).mean()),
        "balanced_accuracy": float((hit[there] / given[there]).mean()),
        "macro_f1": float(f1.mean()),
        "roc_auc": _roc_auc(truth, probability),
        "log_loss": float(_log_losses(truth, probability).mean()),
    }


def _roc_auc(truth: NDArray[Any], probability: NDArray[np.float64]) -> float:
    """Mean over the classes that are there, each against the rest; of two classes it is either's."""
    area = require("sklearn.metrics", extra="cli").roc_auc_score
    there = [k for k in range(probability.shape[1]) if 0 < (truth == k).sum() < len(truth)]
    found = [area(truth == k, probability[:, k]) for k in there]
    return float(np.mean(found)) if found else float("nan")


def confusion(truth: NDArray[Any], chosen: NDArray[Any], n: int) -> NDArray[np.int64]:
    """Count samples of class (row) that were taken for class (column)."""
    return np.bincount(truth * n + chosen, minlength=n * n).reshape(n, n)


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
