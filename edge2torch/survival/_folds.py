"""Folds in which events, early and late, have equal shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_count, check_seed
from edge2torch.errors import Edge2TorchError
from edge2torch.survival._outcome import Outcome, require_outcome
from edge2torch.train import repeated_folds

_FEWEST = 5  # events in a fold that is judged

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def survival_folds(
    outcome: Outcome, n_folds: int = 5, *, repeats: int = 1, groups: Any = None, seed: int = 0
) -> list[Fold]:
    """Divide patients so that each fold has its share of events, of early and late times, of strata.

    Parameters
    ----------
    outcome : Outcome
        Of n patients.
    n_folds : int
        Parts.
    repeats : int
        How often the parts are drawn anew.
    groups : array, shape (n,), optional
        What patients share, such as their donor: all of one are in the same part.
    seed : int
        Fixes the draws.

    Returns
    -------
    list of (ndarray, ndarray)
        Row numbers to fit, and to judge by.

    Raises
    ------
    Edge2TorchError
        Where a part would have fewer than 5 events, with the most parts that would not.

    Examples
    --------
    >>> import numpy as np
    >>> from edge2torch.survival import simulate
    >>> folds = survival_folds(simulate(np.zeros(100), seed=0), 5)
    >>> len(folds), len(folds[0][1])
    (5, 20)
    """
    require_outcome(outcome)
    check_count("n_folds", n_folds, 2)
    check_count("repeats", repeats)
    check_seed("seed", seed)
    most = outcome.n_events // _FEWEST
    if most < n_folds:
        can = f"The most are {most}." if most > 1 else "They are too few to be divided."
        raise Edge2TorchError(
            f"n_folds={n_folds}: {outcome.n_events} events, of {len(outcome)} patients, give a fold "
            f"fewer than {_FEWEST}. {can}"
        )
    classes = fold_classes(outcome, n_folds)
    folds = repeated_folds(classes, n_folds=n_folds, repeats=repeats, groups=groups, seed=seed)
    if fewest := [int(n) for _, rows in folds if (n := outcome.event[rows].sum()) < _FEWEST]:
        raise Edge2TorchError(
            f"n_folds={n_folds}: a fold has {min(fewest)} events, fewer than {_FEWEST}, for groups "
            "are not divided. Take fewer folds, or another seed."
        )
    return folds


def fold_classes(outcome: Outcome, n_folds: int) -> NDArray[np.str_]:
    """What is to have equal shares: event × third of the time × stratum, as far as it goes."""
    event = pd.Series(outcome.event.astype(int).astype(str))
    rank = pd.Series(outcome.time).rank(method="average", pct=True)
    third = np.ceil(rank * 3).astype(int).astype(str)
    by_time = event + " " + third
    stratum = pd.Series(np.full(len(event), "") if outcome.strata is None else outcome.strata)
    # Fewer patients of a class than folds would lower the number of folds: those go with a coarser
    # class, and what is then left over with the largest class of their event, or of all.
    classes = event
    for finer in (event + " " + stratum, by_time + " " + stratum):
        classes = finer.where(finer.map(finer.value_counts()) >= n_folds, classes)
    sizes = classes.value_counts()
    small = classes.map(sizes) < n_folds
    for flag in event[small].unique():
        alike = classes[~small & (event == flag)]
        largest = alike.value_counts() if len(alike) else classes[~small].value_counts()
        if len(largest):
            classes = classes.mask(small & (event == flag), largest.index[0])
    return classes.to_numpy(str)
