"""How good predictions are."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from edge2torch._core.messages import listing, require
from edge2torch.errors import Edge2TorchError

_SMALLEST = 1e-7  # keeps the log loss of a confident mistake finite, and comparable to others
_ROUNDING = 1e-3  # of probabilities that were computed in half precision


def score_predictions(truth: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Score predictions of held-out samples.

    Parameters
    ----------
    truth : array, shape (b,)
        Class numbers (integers), or values (floating-point numbers).
    predicted : array, shape (b, classes), (b, 1) or (b,)
        Class probabilities, or values.

    Returns
    -------
    dict of str to float
        Of classes ``accuracy``, ``balanced_accuracy``, ``macro_f1``, ``roc_auc`` (each class against
        the rest) and ``log_loss``, over the classes that are there; of values ``r2``, ``pearson_r``
        and ``rmse``. NaN where the samples do not tell, such as R² of equal values.

    Raises
    ------
    Edge2TorchError
        For predictions that are NaN or infinite; for class numbers that no column stands for, labels that
        are no numbers, and rows of class probabilities that do not add up to 1, as logits.

    Examples
    --------
    >>> score_predictions([0, 1], [[0.9, 0.1], [0.2, 0.8]])["accuracy"]
    1.0
    >>> score_predictions([0.0, 2.0], [0.0, 2.0])["rmse"]
    0.0
    """
    true, found = _checked(truth, predicted)
    is_known = np.isfinite(found.reshape(len(found), -1).astype(np.float64)).all(axis=1)
    if len(lost := np.flatnonzero(~is_known)):
        raise Edge2TorchError(
            f"predicted: {len(lost)} of {len(found)} samples have NaN or infinity "
            f"({listing(lost.tolist())}). A network that diverged predicts so: look at its "
            "loss, and lower the learning rate."
        )
    if true.dtype.kind == "f":
        return _of_values(true, found.reshape(-1))
    return _of_classes(true, found)


def sample_losses(truth: ArrayLike, predicted: ArrayLike) -> NDArray[np.float64]:
    """Return the log loss, or the squared error, of each sample (b,); arguments of `score_predictions`."""
    true, found = np.asarray(truth), np.asarray(predicted, np.float64)
    if true.dtype.kind == "f":
        squared: NDArray[np.float64] = (true - found.reshape(-1)) ** 2
        return squared
    own = found[np.arange(len(true)), true]
    return np.asarray(-np.log(np.maximum(own, _SMALLEST)), np.float64)


def _checked(truth: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return true classes or values and what was predicted of them, which has to be of their kind."""
    true, found = np.asarray(truth), np.asarray(predicted, np.float64)
    if true.ndim != 1 or found.ndim not in (1, 2) or len(true) != len(found):
        raise Edge2TorchError(
            f"truth has shape {true.shape}, and predicted {found.shape}: give an entry of truth for each row."
        )
    if true.dtype.kind == "f":
        if found.size != len(true):
            raise Edge2TorchError(
                f"truth holds values, and predicted {found.shape[1]} columns. Give one of values; classes are whole "
                "numbers."
            )
        return true, found
    if true.dtype.kind not in "iub":
        raise Edge2TorchError(
            f"truth holds no numbers (such as {true[0]!r}). Give each sample the number of its class's column in "
            "predicted, from 0 on: numpy.searchsorted(classes, labels) where the columns are of sorted classes."
        )
    true = true.astype(np.int64)
    columns = found.shape[1] if found.ndim == 2 else 1
    if columns < 2:
        raise Edge2TorchError(
            "predicted: probabilities of classes have a column for each class. Of two classes give [1 - p, p], "
            "for example by numpy.column_stack; of values truth holds floating-point numbers."
        )
    if true.min(initial=0) < 0 or true.max(initial=0) >= columns:
        raise Edge2TorchError(
            f"truth holds the class numbers {listing(np.unique(true).tolist())}, and predicted has {columns} columns: "
            f"0 to {columns - 1}."
        )
    off = (found < -_ROUNDING).any(axis=1) | (np.abs(found.sum(axis=1) - 1) > _ROUNDING)
    off &= np.isfinite(found).all(axis=1)  # which has an error of its own
    if off.any():
        raise Edge2TorchError(
            f"predicted: {np.count_nonzero(off)} of {len(found)} rows are no probabilities, as they do not add up "
            f"to 1 ({listing(np.flatnonzero(off).tolist())}). What a network puts out for CrossEntropyLoss takes "
            "a softmax over columns first, for BCEWithLogitsLoss p = sigmoid() and [1 - p, p]."
        )
    return true, found


def _of_values(truth: NDArray[np.float64], value: NDArray[np.float64]) -> dict[str, float]:
    metrics = require("sklearn.metrics", extra="train")
    known = np.ptp(truth) > 0
    return {
        "r2": float(metrics.r2_score(truth, value)) if known else float("nan"),
        "pearson_r": float(np.corrcoef(truth, value)[0, 1])
        if known and np.ptp(value) > 0
        else float("nan"),
        "rmse": float(metrics.root_mean_squared_error(truth, value)),
    }


def _of_classes(truth: NDArray[np.int64], probability: NDArray[np.float64]) -> dict[str, float]:
    metrics = require("sklearn.metrics", extra="train")
    chosen = probability.argmax(axis=1)
    present = np.unique(truth)  # a class without samples has no recall, and would count as 0
    over = {"labels": present, "average": "macro", "zero_division": 0}
    area = np.nan
    if len(present) > 1:
        area = _areas(truth, probability[:, present], present).mean()
    return {
        "accuracy": float(metrics.accuracy_score(truth, chosen)),
        "balanced_accuracy": float(metrics.recall_score(truth, chosen, **over)),
        "macro_f1": float(metrics.f1_score(truth, chosen, **over)),
        "roc_auc": float(area),
        "log_loss": float(sample_losses(truth, probability).mean()),
    }


def _areas(
    truth: NDArray[np.int64], score: NDArray[np.float64], classes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Area under the ROC curve of each class against the rest, of scores (b, classes): by ranks.

    scikit-learn draws a curve for each class first, in twenty times the time.
    """
    is_class = truth[:, None] == classes
    inside = is_class.sum(axis=0)
    ranks = scipy.stats.rankdata(score, axis=0)
    above = (ranks * is_class).sum(axis=0) - inside * (inside + 1) / 2
    areas: NDArray[np.float64] = above / (inside * (len(truth) - inside))
    return areas
