"""Split samples, and scale features by what the training part says."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import listing, require
from edge2torch.errors import Edge2TorchError
from edge2torch.study._settings import StudySettings
from edge2torch.study._task import Task

_CLIP = 10.0  # standard deviations; a single outlier cell does not drive a weight
_FEWEST = 12
# A mean log loss over fewer samples scatters by more than what a choice is made by (of a coin, by
# about 0.1 of its 0.69): below this the parts take turns instead.
_ENOUGH = 100

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]  # rows to fit, rows to judge the fit by


@dataclass(frozen=True)
class Split:
    """Rows to fit, rows held out for the test, and how the first are divided to make choices.

    Each of ``folds`` is a training and a validation part of ``fit``: one, or, where that one would
    be too small to choose by, as many as make every row of ``fit`` a validation row once.
    """

    fit: NDArray[np.int64]
    test: NDArray[np.int64]
    folds: tuple[Fold, ...]


def split_samples(task: Task, settings: StudySettings, seed: int) -> Split:
    """Hold samples out at random, classes in equal shares."""
    n = len(task.values)
    if n < _FEWEST:
        raise Edge2TorchError(
            f"--data: {n} samples with a label are too few to train and hold out some; "
            f"{_FEWEST} are the least."
        )
    classes = task.values if task.kind == "classification" else None
    rest, test = _divide(np.arange(n), classes, settings.test_fraction, seed, "testing")
    train, validation = _divide(
        rest, classes, settings.validation_fraction, seed, "validation, after those for testing"
    )
    folds: tuple[Fold, ...] = ((train, validation),)
    if len(validation) < _ENOUGH:
        turns = round(1 / settings.validation_fraction)
        folds = tuple(inner_folds(task, rest, min(max(turns, 2), 10), seed))
    # The order of rows decides which of them meet in a batch: the same one whatever the folds.
    return Split(np.concatenate([train, validation]), test, folds)


def inner_folds(
    task: Task, rows: NDArray[np.int64], n: int, seed: int, repeats: int = 1
) -> list[Fold]:
    """Divide rows n times into a part to fit and one to judge by, classes in equal shares.

    Every row is judged once, or once in each of the repeats.
    """
    selection = require("sklearn.model_selection", extra="cli")
    if task.kind == "regression":
        maker = selection.RepeatedKFold(n_splits=n, n_repeats=repeats, random_state=seed)
    else:
        n = max(min(n, int(np.bincount(task.values[rows]).min())), 2)
        maker = selection.RepeatedStratifiedKFold(n_splits=n, n_repeats=repeats, random_state=seed)
    with warnings.catch_warnings():  # a class of one row: some part has to do without it
        warnings.filterwarnings("ignore", message="The least populated class")
        return [(rows[a], rows[b]) for a, b in maker.split(rows, task.values[rows])]


def _divide(
    rows: NDArray[np.int64],
    classes: NDArray[np.int64] | None,
    fraction: float,
    seed: int,
    purpose: str,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    selection = require("sklearn.model_selection", extra="cli")
    stratify = None if classes is None else classes[rows]
    n_classes = 1 if stratify is None else len(np.unique(stratify))
    aside = max(round(fraction * len(rows)), n_classes)
    if len(rows) - aside < n_classes:
        raise Edge2TorchError(
            f"--data: {len(rows)} samples of {n_classes} classes are too few to hold {aside} of them "
            f"out for {purpose}. Raise --min-class-size to leave small classes out, or lower "
            "--test-fraction."
        )
    first, second = selection.train_test_split(
        rows, test_size=aside, stratify=stratify, random_state=seed
    )
    return first, second


@dataclass(frozen=True)
class Scaler:
    """Fill, centre and scale features, as fitted on some rows; ``g`` features.

    Parameters
    ----------
    names : Index
        Features.
    fill, mean, scale : ndarray of float64, shape (g,)
        What stands for a missing value (the median), what is taken off, what divides.
    """

    names: pd.Index
    fill: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return samples × features in standard deviations from the training mean."""
        values = table[self.names].to_numpy(np.float64)
        values = np.where(np.isnan(values), self.fill, values)
        scaled = np.clip((values - self.mean) / self.scale, -_CLIP, _CLIP)
        return pd.DataFrame(scaled.astype(np.float32), index=table.index, columns=self.names)

    def as_frame(self) -> pd.DataFrame:
        """Return a row per feature."""
        columns = {"fill": self.fill, "mean": self.mean, "scale": self.scale}
        return pd.DataFrame(columns, index=pd.Index(self.names, name="feature"))


def fit_scaler(table: pd.DataFrame, rows: NDArray[np.int64]) -> Scaler:
    """Learn the scaling from the given rows only."""
    values = table.to_numpy(np.float64)[rows]
    missing = np.isnan(values)
    values[:, missing.all(axis=0)] = 0.0  # a feature that these rows never have says nothing
    fill = np.nanmedian(values, axis=0)
    values = np.where(missing, fill, values)
    scale = values.std(axis=0)
    constant = ~(scale > 1e-8 * (1 + np.abs(values).max(axis=0)))
    return Scaler(table.columns, fill, values.mean(axis=0), np.where(constant, 1.0, scale))


def check_complete(table: pd.DataFrame, *, impute: bool) -> list[str]:
    """Refuse missing values unless they are to be filled in; return what was said about them."""
    missing = table.isna()
    if not missing.to_numpy().any():
        return []
    bad = missing.columns[missing.any()].tolist()
    share = f"{100 * missing.to_numpy().mean():.1f} % of the values"
    if not impute:
        raise Edge2TorchError(
            f"--data: {len(bad)} feature(s) have missing values ({share}): {listing(bad)}. Fill "
            "them first, or use --impute, which takes each feature's median of the training part."
        )
    note = (
        f"Missing values ({share}) were replaced by the feature's median among the training "
        f"samples; {len(bad)} feature(s) had some."
    )
    return [note]
