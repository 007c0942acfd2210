"""Columns of the sample table that look like groups, such as donors, and were not named as such."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.columns import codes_by_name
from edge2torch._core.messages import plural
from edge2torch.study._outcomes._outcome import Task

_MOST_SAMPLES, _MOST_FEATURES = 1000, 2000  # of which, and by which, neighbours are looked for
_PERMUTATIONS = 50
_FAR = (
    5.0  # standard deviations above what permuted values give; ten columns are looked at, or fifty
)
_MORE = 0.1  # share of neighbours beyond that, below which a leak is too small to speak of
# Made from the features themselves, so that neighbours share them by construction
_CLUSTERS = re.compile(r".*(leiden|louvain|cluster|cell_?type|annotation|phase).*", re.IGNORECASE)


def group_warnings(
    columns: pd.DataFrame, features: pd.DataFrame, task: Task, groups: NDArray[np.str_] | None
) -> list[str]:
    """Warn of columns (samples × columns) whose values neighbours by the features share.

    Neighbours are of the same class, so that a column is not found for going with the label, and
    values are permuted within classes.
    """
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(features))[:_MOST_SAMPLES]
    stratum = task.values[rows] if task.outcome.by_class else np.zeros(len(rows), np.int64)
    named = {str(name): column for name, column in columns.items()}
    candidates = {
        name: codes[rows]
        for name, column in named.items()
        if (codes := _codes(name, column, task, groups)) is not None
    }
    if not candidates:
        return []
    chosen = rng.permutation(features.shape[1])[:_MOST_FEATURES]
    nearest = _nearest(features.iloc[rows, chosen].to_numpy(np.float64), stratum)
    known = nearest >= 0
    said = []
    for name, codes in candidates.items():
        same = float((codes == codes[nearest])[known].mean())
        chance = []
        for _ in range(_PERMUTATIONS):
            mixed = codes.copy()
            for k in np.unique(stratum):
                mixed[stratum == k] = rng.permutation(mixed[stratum == k])
            chance.append((mixed == mixed[nearest])[known].mean())
        usual, spread = float(np.mean(chance)), float(np.std(chance))
        if same - usual > max(_FAR * spread, _MORE):
            said.append(
                f"WARNING: the column {name!r} looks like a group: {plural('sample', len(features))} share "
                f"{named[name].nunique()} values, and the sample most alike by its features has the same "
                f"one in {same:.0%} (by chance {usual:.0%}). Where both are in different parts of a split, "
                f"scores flatter: groups={name!r} keeps them together, covariates=[{name!r}] adjusts for it."
            )
    return said


def _codes(
    name: str, column: pd.Series, task: Task, groups: NDArray[np.str_] | None
) -> NDArray[np.int64] | None:
    """Numbers of a column's values, where it can be a group; others have None."""
    if column.isna().any() or _CLUSTERS.fullmatch(name):
        return None
    numeric = pd.api.types.is_numeric_dtype(column.dtype)
    if numeric and not codes_by_name(name):
        return None
    codes = pd.factorize(column.astype(str))[0].astype(np.int64)
    n_values = int(codes.max()) + 1
    if not 3 <= n_values <= len(codes) // 2:  # three groups are the least that can be split
        return None
    table = pd.DataFrame({"code": codes})
    if groups is not None and (table.groupby(groups)["code"].nunique() == 1).all():
        return None  # all samples of a group have one value: no split parts them
    if task.outcome.by_class and (table.groupby(task.values)["code"].nunique() == 1).all():
        return None  # another name of the label
    return codes


def _nearest(x: NDArray[np.float64], stratum: NDArray[np.int64]) -> NDArray[np.int64]:
    """The most alike other sample of the same stratum; -1 where there is none."""
    x = x[:, ~np.isnan(x).all(axis=0)]  # a mean of nothing is a warning of NumPy's
    x = np.nan_to_num((x - np.nanmean(x, axis=0)) / (np.nanstd(x, axis=0) + 1e-9))
    length = (x**2).sum(axis=1)
    apart = length[:, None] + length - 2 * x @ x.T
    apart[stratum[:, None] != stratum] = np.inf
    np.fill_diagonal(apart, np.inf)
    nearest = apart.argmin(axis=1)
    return np.where(np.isfinite(apart.min(axis=1)), nearest, -1)
