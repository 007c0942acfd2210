"""Which samples are trained on, which decide when to stop, and which are held out for the test."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge2torch._core.checks import check_count, check_number, check_seed, row_numbers
from edge2torch._core.messages import listing, require
from edge2torch.errors import Edge2TorchError

_SEEDS = 2**32  # as many as scikit-learn knows
_FEWEST = 12
# A mean log loss over fewer samples scatters by more than what a choice is made by (of a coin, by
# about 0.1 of its 0.69): below this the parts take turns instead.
_ENOUGH = 100

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]  # rows to fit, rows to judge the fit by


@dataclass(frozen=True)
class Split:
    """Rows to fit, rows held out for the test, and how the first are divided to make choices.

    Parameters
    ----------
    fit, test : ndarray of int64
        Row numbers; every row is in one of them.
    folds : tuple of (ndarray, ndarray)
        Each a training and a validation part of ``fit``: one, or, where that one would be too small
        to choose by, as many as make every row of ``fit`` a validation row once.

    Examples
    --------
    >>> split = split_samples(["a", "b"] * 20)
    >>> len(split.train), len(split.validation), len(split.test)
    (24, 6, 10)
    """

    fit: NDArray[np.int64]
    test: NDArray[np.int64]
    folds: tuple[Fold, ...]

    @property
    def train(self) -> NDArray[np.int64]:
        """Rows to train with, of the first fold."""
        return self.folds[0][0]

    @property
    def validation(self) -> NDArray[np.int64]:
        """Rows that decide when to stop, of the first fold."""
        return self.folds[0][1]


def split_samples(
    labels: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    test: ArrayLike | None = None,
    test_fraction: float = 0.25,
    validation_fraction: float = 0.2,
    seed: int = 0,
) -> Split:
    """Hold samples out at random, classes in equal shares, groups as a whole.

    Parameters
    ----------
    labels : array, shape (n,)
        Classes of the samples; floating-point numbers are taken for values, which have no shares.
    groups : array, shape (n,), optional
        What a sample shares with others, such as its donor. No group is on both sides of a split:
        samples of one donor are alike, and a model that has seen one knows the others.
    test : array of bool, shape (n,), optional
        Samples that are the test part, such as those of another cohort; none is drawn then.
    test_fraction : float
        Held out for the test, about.
    validation_fraction : float
        Of the rest, about: held out to decide when to stop.
    seed : int
        Fixes the draw.

    Returns
    -------
    Split
        A class of which one sample is left, after those for the test or from the start, is only
        trained with.

    Raises
    ------
    Edge2TorchError
        For too few samples or groups, labels or groups that are missing, and shares out of range.

    Examples
    --------
    >>> donors = np.repeat(["d1", "d2", "d3", "d4", "d5", "d6"], 10)
    >>> split = split_samples(["a", "b"] * 30, groups=donors, test_fraction=1 / 3)
    >>> set(donors[split.fit]) & set(donors[split.test])
    set()
    """
    values = _labels(labels)
    groups = _groups(groups, len(values))
    seed = check_seed("seed", seed) % _SEEDS
    check_number("test_fraction", test_fraction, above=0, below=1)
    check_number("validation_fraction", validation_fraction, above=0, below=1)
    if len(values) < _FEWEST:
        raise Edge2TorchError(
            f"labels: {len(values)} samples are too few to train and hold out some; {_FEWEST} are the "
            "least."
        )
    every = np.arange(len(values))
    if test is None:
        rest, held_out = _divide(every, values, groups, test_fraction, seed, "testing")
    else:
        is_test = np.asarray(test, bool)
        if is_test.shape != values.shape or is_test.all() or not is_test.any():
            raise Edge2TorchError(
                f"test must say True or False for each of {len(values)} samples, and both of some; found "
                f"shape {is_test.shape} with {int(is_test.sum())} True."
            )
        rest, held_out = every[~is_test], every[is_test]
    train, validation = _divide(
        rest, values, groups, validation_fraction, seed, "validation, after those for testing"
    )
    folds: tuple[Fold, ...] = ((train, validation),)
    if len(validation) < _ENOUGH:
        turns = min(max(round(1 / validation_fraction), 2), 10)
        several, alone = (rest, rest[:0]) if groups is not None else _alone(rest, values)
        parts = repeated_folds(values, several, turns, groups=groups, seed=seed)
        folds = tuple((np.concatenate([first, alone]), second) for first, second in parts)
    # The order of rows decides which of them meet in a batch: the same one whatever the folds.
    return Split(np.concatenate([train, validation]), held_out, folds)


def repeated_folds(
    labels: ArrayLike,
    rows: ArrayLike | None = None,
    n_folds: int = 5,
    *,
    repeats: int = 1,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> list[Fold]:
    """Divide rows several times into a part to fit and one to judge by.

    Every row is judged once, or once in each of the repeats; classes in equal shares, groups as a
    whole.

    Parameters
    ----------
    labels, groups, seed
        As in :func:`split_samples`; of all samples.
    rows : array of int, optional
        Which samples are divided; all by default.
    n_folds : int
        Parts; at most as many as there are groups, or samples in the smallest class.
    repeats : int
        How often the parts are drawn anew.

    Returns
    -------
    list of (ndarray, ndarray)
        Row numbers to fit and to judge by.

    Examples
    --------
    >>> folds = repeated_folds(["a", "b"] * 10, n_folds=4, repeats=2)
    >>> len(folds), [len(part) for part in folds[0]]
    (8, [15, 5])
    """
    values = _labels(labels)
    groups = _groups(groups, len(values))
    seed = check_seed("seed", seed) % _SEEDS
    check_count("n_folds", n_folds, least=2)
    check_count("repeats", repeats)
    chosen = np.arange(len(values)) if rows is None else row_numbers(rows, len(values))
    if len(chosen) < 2:
        raise Edge2TorchError(f"labels: {len(chosen)} sample cannot be divided into parts.")
    with warnings.catch_warnings():  # a class of one row: some part has to do without it
        warnings.filterwarnings("ignore", message="The least populated class")
        return [
            (chosen[a], chosen[b])
            for a, b in _folds(values, groups, chosen, n_folds, repeats, seed)
        ]


def _folds(
    values: NDArray[Any],
    groups: NDArray[Any] | None,
    rows: NDArray[np.int64],
    n_folds: int,
    repeats: int,
    seed: int,
) -> Iterator[Fold]:
    """Yield positions among the rows."""
    selection = require("sklearn.model_selection", extra="train")
    is_number = values.dtype.kind == "f"
    own = values[rows]
    if groups is not None:
        # of numbers all are of one class: then folds are about equally large, and that is all
        classes = np.zeros(len(rows), np.int64) if is_number else own
        n_groups = len(np.unique(groups[rows]))
        if n_groups < 2:
            raise Edge2TorchError(
                f"groups: all {len(rows)} samples are of one group, and a group is held out as a whole. "
                "Two groups are the least."
            )
        n_folds = max(min(n_folds, n_groups), 2)
        known, sizes = np.unique(classes, return_counts=True)
        if n_folds > sizes.max():
            raise Edge2TorchError(
                f"labels: with groups, some class needs a sample for each of {n_folds} folds, and the largest, "
                f"{known[sizes.argmax()].item()!r}, has {sizes.max()}. Take {sizes.max()} folds or fewer, or join classes."
            )
        # before scikit-learn 1.8 its shuffle loses which group is which, and divides alike each time
        version = require("sklearn", extra="train").__version__
        shuffles = tuple(map(int, version.split(".")[:2])) >= (1, 8)
        for repeat in range(repeats):
            state = seed + repeat
            maker = selection.StratifiedGroupKFold(
                n_folds, shuffle=shuffles, random_state=state if shuffles else None
            )
            order = np.arange(groups.max() + 1)
            if not shuffles:
                np.random.default_rng(state).shuffle(order)
            yield from maker.split(rows, classes, order[groups[rows]])
    elif is_number:
        if n_folds > len(rows):
            raise Edge2TorchError(
                f"folds: {len(rows)} samples cannot be divided into {n_folds} parts."
            )
        maker = selection.RepeatedKFold(n_splits=n_folds, n_repeats=repeats, random_state=seed)
        yield from maker.split(rows)
    else:
        n_folds = max(min(n_folds, int(np.unique(own, return_counts=True)[1].min())), 2)
        maker = selection.RepeatedStratifiedKFold(
            n_splits=n_folds, n_repeats=repeats, random_state=seed
        )
        yield from maker.split(rows, own)


def _divide(
    rows: NDArray[np.int64],
    values: NDArray[Any],
    groups: NDArray[Any] | None,
    fraction: float,
    seed: int,
    purpose: str,
) -> Fold:
    if groups is not None:
        return _divide_groups(rows, values, groups, fraction, seed, purpose)
    selection = require("sklearn.model_selection", extra="train")
    several, alone = _alone(rows, values)
    stratify = None if values.dtype.kind == "f" else values[several]
    n_classes = 1 if stratify is None else len(np.unique(stratify))
    aside = max(round(fraction * len(rows)), n_classes)
    if len(several) - aside < n_classes:
        known, sizes = np.unique(values[rows], return_counts=True)
        raise Edge2TorchError(
            f"labels: {len(rows)} samples of {len(known)} classes are too few to hold {aside} of them "
            f"out for {purpose}; the smallest class, {known[sizes.argmin()].item()!r}, has {sizes.min()}. "
            "Leave small classes out, or lower test_fraction."
            if stratify is not None
            else f"labels: {len(rows)} samples are too few to hold {aside} of them out for {purpose}. "
            "Lower test_fraction."
        )
    first, second = selection.train_test_split(
        several, test_size=aside, stratify=stratify, random_state=seed
    )
    return np.concatenate([first, alone]), second


def _alone(
    rows: NDArray[np.int64], values: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Part the rows from those that are the only one of their class.

    These cannot be shared out, and a model that is fitted without them does not know the class.
    """
    if values.dtype.kind == "f":
        return rows, rows[:0]
    _, of_class, sizes = np.unique(values[rows], return_inverse=True, return_counts=True)
    is_alone = sizes[of_class] == 1
    return rows[~is_alone], rows[is_alone]


def _divide_groups(
    rows: NDArray[np.int64],
    values: NDArray[Any],
    groups: NDArray[Any],
    fraction: float,
    seed: int,
    purpose: str,
) -> Fold:
    """Take one of as many folds as the fraction asks for."""
    n_groups = len(np.unique(groups[rows]))
    if n_groups < 2:
        n_all = len(np.unique(groups))
        found = "all samples are of one group" if n_all == 1 else f"1 group of {n_all} is left"
        raise Edge2TorchError(
            f"groups: {found}, and a group is held out as a whole for {purpose}. Three groups are the "
            "least; leave groups= out if samples depend on each other in no other way."
        )
    n_folds = min(max(round(1 / fraction), 2), n_groups)
    # scikit-learn deals groups out by how uneven they are, so the first fold is no fair sample
    rng = np.random.default_rng(seed)
    folds = repeated_folds(values, rows, n_folds, groups=groups, seed=seed)
    first, second = folds[rng.integers(len(folds))]
    if values.dtype.kind != "f" and (lost := {*values[rows].tolist()} - {*values[first].tolist()}):
        raise Edge2TorchError(
            f"groups: with one part held out for {purpose}, no sample of class {listing(sorted(lost))} "
            "is left to train with, for all are of few groups. Leave such classes out, or try "
            "another seed."
        )
    return rng.permutation(first), second  # folds keep the order of rows, and batches should not


def _labels(labels: ArrayLike) -> NDArray[Any]:
    """Return values as float64, and classes as what they are."""
    values = np.asarray(labels)
    if values.ndim != 1:
        raise Edge2TorchError(f"labels must have one dimension, found shape {values.shape}.")
    if values.dtype.kind == "f":
        missing = ~np.isfinite(values)
    else:
        missing = np.array([value is None or value != value for value in values.tolist()], bool)  # noqa: PLR0124
        values = values.astype(str) if values.dtype.kind == "O" else values
    if missing.any():
        raise Edge2TorchError(
            f"labels: sample(s) {listing(np.flatnonzero(missing).tolist())} have none. Leave them out."
        )
    return values


def _groups(groups: ArrayLike | None, n: int) -> NDArray[Any] | None:
    if groups is None:
        return None
    found = np.asarray(groups)
    if found.shape != (n,):
        raise Edge2TorchError(f"groups must have shape ({n},), as labels, found {found.shape}.")
    missing = [k for k, value in enumerate(found.tolist()) if value is None or value != value]  # noqa: PLR0124
    if missing:
        raise Edge2TorchError(f"groups: sample(s) {listing(missing)} have none. Name theirs.")
    return np.unique(found.astype(str), return_inverse=True)[1]
