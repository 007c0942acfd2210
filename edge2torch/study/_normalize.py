"""Counts and logarithms: what is done to values before anything else, and what is said of them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from edge2torch._core.messages import listing
from edge2torch._core.statistics import like_rounded_logs
from edge2torch.errors import Edge2TorchError

Normalize = Literal["none", "log1p", "counts"]
_FEW_FEATURES = 100  # below it single features move the sum of a sample
_MOST_OF_A_LOGARITHM = 25.0  # log2 of 33 million; the deepest sample has a gene of fewer reads
_ROUNDED_LOGS = (
    "WARNING: the values are whole numbers, most of them above 3 and none above 25: if they are "
    "logarithms without their fractions, use normalize='none'."
)


def few_features(n: int) -> list[str]:
    """Warn of sums that single features move."""
    if n >= _FEW_FEATURES:
        return []
    return [
        (
            f"WARNING: {n} features make up the sums: where a few of them rise, all others seem to fall. "
            "normalize='log1p' takes logarithms and leaves the sums as they are."
        )
    ]


def normalized(
    table: pd.DataFrame, normalize: Normalize, totals: np.ndarray[Any, np.dtype[np.float64]]
) -> tuple[pd.DataFrame, list[str]]:
    values = table.to_numpy()
    known = values[~np.isnan(values)]
    if not known.size:  # whatever lacks then is told where it is needed
        return table, []
    if normalize == "none":
        if known.min() >= 0 and known.max() > 50 and (known == known.round()).all():
            note = (
                "Values look like raw counts and were used as they are; normalize='counts' would "
                "bring samples to one depth and take logarithms."
            )
            return table, [note]
        return table, []
    if known.min() < 0:
        bad = table.columns[np.flatnonzero((values < 0).any(axis=0))]
        raise Edge2TorchError(
            f"normalize={normalize!r}: {len(bad)} feature(s) hold negative values ({listing(bad)}), so "
            "they are no counts. Use normalize='none', or metadata= for columns that are no features."
        )
    fractions = bool((known != known.round()).any())
    rounded = [_ROUNDED_LOGS] if not fractions and like_rounded_logs(known) else []
    if normalize == "log1p":
        notes = ["Values were replaced by log(1 + value)."]
        if fractions and known.max() < _MOST_OF_A_LOGARITHM:
            notes.append(
                f"Before, they had fractions and none was above {known.max():.3g}: if they were "
                "logarithms already, use normalize='none'."
            )
        return table.apply(np.log1p), notes + rounded
    if fractions and known.max() < _MOST_OF_A_LOGARITHM:
        raise Edge2TorchError(
            f"normalize='counts': the values have fractions and none is above {known.max():.3g}, so "
            "they look like logarithms or shares, not like counts. Use normalize='none'."
        )
    if not (totals > 0).all():
        lacking = table.columns[np.isnan(values).any(axis=0)]
        where = f" (of {listing(lacking)})" if len(lacking) else ""
        raise Edge2TorchError(
            f"normalize='counts': {int((~(totals > 0)).sum())} sample(s) have no counts at all or "
            f"missing ones{where}. Drop them first, or name columns that are no counts with metadata=."
        )
    scaled = table.mul(1e4 / totals, axis=0).astype(np.float32)
    notes = ["Counts of each sample were scaled to a sum of 10,000 and replaced by log(1 + value)."]
    if fractions:
        notes.append("Some counts have fractions: they were taken for estimated ones.")
    return scaled.apply(np.log1p), notes + rounded
