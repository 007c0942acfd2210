"""Modules that may be no program of genes: they are a batch effect, or one odd sample.

The genes of a program follow it and others do not. A batch effect moves a large part of all genes,
of which the module holds only those that nothing else moves more. An eigengene that is more one
sample than all others together (two equal ones never are) says nothing about the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import warn
from edge2torch.netmodules._features import Features
from edge2torch.netmodules._refine import correlations, significant_r

_BROAD = 1 / 3  # of all genes
_FEWEST = 100  # genes, before a share of them says anything
_DEPTH = 0.5
_ONE_SAMPLE = 0.5  # of the eigengene's sum of squares
_CHANCE = 0.001
_SHOWN = 3


def module_checks(
    features: Features,
    labels: NDArray[np.int64],
    members: list[NDArray[np.int64]],
    eigengenes: pd.DataFrame,
    traits: pd.DataFrame,
) -> pd.DataFrame:
    """A row per module: its size, who follows it, what it rests on, and a warning or none."""
    count, n_genes = len(eigengenes), len(labels)
    values = eigengenes.to_numpy(dtype=float)
    tested = np.bincount(features.gene, minlength=n_genes) > 0
    n, rank = len(features.values), features.design.basis.shape[1]
    follows = np.zeros((n_genes, count), dtype=bool)
    strong = np.abs(correlations(features.values, members)) >= significant_r(n, rank, _CHANCE)
    np.logical_or.at(follows, features.gene, strong)
    depth = np.log2(features.library)
    unit = _of_unit_length(depth[None])[0]
    table = pd.DataFrame(
        {
            "module_id": eigengenes.index.to_numpy(dtype=object),
            "genes": np.bincount(labels[labels >= 0], minlength=count),
            "reach": follows[tested].mean(axis=0),
            "depth_r": _of_unit_length(values) @ unit,
            "leverage": (values**2).max(axis=1),
            "sample_id": eigengenes.columns.to_numpy(dtype=object)[(values**2).argmax(axis=1)],
            "trait": _closest_trait(traits, eigengenes.index),
        }
    )
    depth_limit = max(_DEPTH, significant_r(n, rank, _CHANCE))
    limits = (_BROAD if tested.sum() >= _FEWEST else 1, depth_limit, _lone_sample(n, rank))
    table["warning"] = [_sentence(row, *limits) for row in table.itertuples()]
    return table


def _lone_sample(n: int, rank: int) -> float:
    """Half, or with few samples what chance hardly gives the largest one (Grubbs' test)."""
    return max(_ONE_SAMPLE, (n - rank) / n * significant_r(n, rank, _CHANCE / n) ** 2)


def warn_of(checks: pd.DataFrame) -> None:
    """Give one warning for all modules that have one."""
    said = [text for text in checks["warning"] if text]
    if said:
        more = f"; and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
        warn(
            f"{len(said)} module(s) may be a batch effect or one odd sample: "
            f"{'; '.join(said[:_SHOWN])}{more}. If it is technical, name what measures it in "
            "covariates= (--covariates), or leave the odd sample out, and fit again; the figures "
            "are in result.checks (checks.parquet)."
        )


def _of_unit_length(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = rows - rows.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    return np.asarray(centred / np.where(size > 0, size, 1))


def _closest_trait(traits: pd.DataFrame, module_ids: pd.Index) -> NDArray[np.object_]:
    """The column of samples that each module is closest to, "" where chance would do."""
    clear = traits[traits["qvalue"] < _CHANCE].sort_values("pvalue", kind="stable")
    first = clear.drop_duplicates("module_id").set_index("module_id")["trait"]
    return first.reindex(module_ids).fillna("").to_numpy(dtype=object)


def _sentence(row: Any, broad: float, deep: float, lone: float) -> str:
    parts = []
    if row.reach > broad:
        parts.append(f"{row.reach:.0%} of all genes follow {row.module_id}")
    if abs(row.depth_r) >= deep:
        parts.append(f"{row.module_id} moves with sequencing depth (r = {row.depth_r:.2f})")
    if row.leverage > lone:
        parts.append(f"{row.leverage:.0%} of {row.module_id} is sample {row.sample_id!r}")
    if parts and row.trait:
        parts.append(f"it goes with {row.trait!r} of the samples")
    return ", ".join(parts)
