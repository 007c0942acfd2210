"""How modules follow the traits of the samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from edge2torch._core.statistics import benjamini_hochberg

_FEW = 10
_COLUMNS = ["module_id", "trait", "kind", "effect", "statistic", "pvalue", "qvalue", "n"]


def trait_table(eigengenes: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Every module against every trait; q-values over all rows (Benjamini and Hochberg)."""
    rows: list[dict[str, Any]] = []
    values = eigengenes.to_numpy()
    for trait in samples.columns:
        rows += [
            {"module_id": module, "trait": str(trait), **found}
            for module, found in zip(
                eigengenes.index, _test_all(values, samples[trait]), strict=True
            )
        ]
    table = pd.DataFrame(rows, columns=[c for c in _COLUMNS if c != "qvalue"])
    table.insert(6, "qvalue", benjamini_hochberg(table["pvalue"].to_numpy(dtype=float)))
    return table[_COLUMNS]


def _test_all(values: NDArray[np.float64], trait: pd.Series) -> list[dict[str, Any]]:
    """One test per eigengene; none where the trait does not allow one."""
    if pd.api.types.is_numeric_dtype(trait) and not pd.api.types.is_bool_dtype(trait):
        x = trait.to_numpy(dtype=float)
        there = np.isfinite(x)
        if there.sum() >= _FEW and np.ptp(x[there]) > 0:
            return [_pearson(row[there], x[there]) for row in values]
        return [_nothing("pearson", there)] * len(values)
    there = trait.notna().to_numpy()
    text = trait[there].astype(str)
    levels = [level for level in sorted(text.unique()) if (text == level).sum() >= 2]
    kind = "welch" if len(levels) <= 2 else "anova"
    if len(levels) < 2:
        return [_nothing(kind, there)] * len(values)
    groups = [(text == level).to_numpy() for level in levels]
    test = _welch if kind == "welch" else _anova
    return [test([row[there][group] for group in groups]) for row in values]


def _pearson(y: NDArray[np.float64], x: NDArray[np.float64]) -> dict[str, Any]:
    r, p = stats.pearsonr(x, y)
    freedom = len(x) - 2
    t = r * np.sqrt(freedom / max(1 - r**2, 1e-300))
    return _found("pearson", r, t, p, len(x))


def _welch(groups: list[NDArray[np.float64]]) -> dict[str, Any]:
    """Effect: mean of the second level minus mean of the first, levels in alphabetical order."""
    first, second = groups
    t, p = stats.ttest_ind(second, first, equal_var=False)
    return _found("welch", second.mean() - first.mean(), t, p, len(first) + len(second))


def _anova(groups: list[NDArray[np.float64]]) -> dict[str, Any]:
    """Effect: eta squared, the share of the variance that lies between the groups."""
    f, p = stats.f_oneway(*groups)
    every = np.concatenate(groups)
    between = sum(len(g) * (g.mean() - every.mean()) ** 2 for g in groups)
    return _found("anova", between / ((every - every.mean()) ** 2).sum(), f, p, len(every))


def _found(kind: str, effect: Any, statistic: Any, pvalue: Any, n: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "effect": float(effect),
        "statistic": float(statistic),
        "pvalue": float(pvalue),
        "n": n,
    }


def _nothing(kind: str, there: NDArray[np.bool_]) -> dict[str, Any]:
    return _found(kind, np.nan, np.nan, np.nan, int(there.sum()))
