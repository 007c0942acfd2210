"""Rows to fit and rows held out, labels and groups in the order of the samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edge2torch._core.checks import check_count
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._trust._target import Target
from edge2torch.train import repeated_folds

Ints = NDArray[np.int64]
Fold = tuple[Ints, Ints]  # rows to fit, rows held out
Folds = int | ArrayLike | Sequence[tuple[ArrayLike, ArrayLike]]


def read_folds(folds: Any, target: Target, groups: Any, seed: int) -> tuple[Fold, ...]:
    """Return rows to fit and rows held out of every fold, after checking that they are apart."""
    n = len(target.values)
    of_sample = None if groups is None else read_groups(groups, n)
    if isinstance(folds, int | np.integer) and not isinstance(folds, bool):
        count = check_count("folds", folds)
        if count < 2:
            raise Edge2TorchError("folds must be 2 or more, found 1: nothing would be held out.")
        found = repeated_folds(target.strata, None, count, groups=of_sample, seed=seed)
    else:
        found = _given_folds(folds, n)
    for k, (fitted, held_out) in enumerate(found):
        if set(fitted.tolist()) & set(held_out.tolist()):
            raise Edge2TorchError(f"folds: fold {k} holds samples out that it is fitted to.")
        if of_sample is not None and (
            both := set(of_sample[fitted].tolist()) & set(of_sample[held_out].tolist())
        ):
            raise Edge2TorchError(
                f"folds: group(s) {listing(sorted(both))} are on both sides of fold {k}. Hold "
                "groups out as a whole."
            )
        if target.classes and len(set(target.values[fitted].tolist())) < len(target.classes):
            gone = set(range(len(target.classes))) - set(target.values[fitted].tolist())
            raise Edge2TorchError(
                f"folds: no sample of class {listing([target.classes[c] for c in sorted(gone)])} is "
                f"left to fit in fold {k}. Leave such classes out, or take fewer folds."
            )
    return tuple((np.asarray(a, np.int64), np.asarray(b, np.int64)) for a, b in found)


def _given_folds(folds: Any, n: int) -> list[Fold]:
    pairs = isinstance(folds, list | tuple) and all(
        isinstance(one, list | tuple) and len(one) == 2 for one in folds
    )
    if pairs and len(folds):
        found = [(np.asarray(a, np.int64), np.asarray(b, np.int64)) for a, b in folds]
        rows = np.concatenate([part for pair in found for part in pair])
        if not len(rows) or rows.min() < 0 or rows.max() >= n:
            raise Edge2TorchError(f"folds must hold row numbers from 0 to {n - 1}.")
        return found
    labels = np.asarray(folds)
    if labels.shape != (n,) or len(np.unique(labels)) < 2:
        raise Edge2TorchError(
            f"folds must be a number, a label for each of {n} samples (two labels or more), or "
            f"pairs of (rows to fit, rows held out); found {type(folds).__name__} of shape "
            f"{labels.shape}."
        )
    return [
        (np.flatnonzero(labels != one), np.flatnonzero(labels == one)) for one in np.unique(labels)
    ]


def read_groups(groups: Any, n: int) -> NDArray[Any]:
    """Return the group of each sample."""
    found = np.asarray(groups)
    if found.shape != (n,):
        raise Edge2TorchError(f"groups must have shape ({n},), as target, found {found.shape}.")
    if lost := np.flatnonzero(pd.isna(found)).tolist():
        raise Edge2TorchError(f"groups: sample(s) {listing(lost)} have none. Name theirs.")
    return found.astype(str)
