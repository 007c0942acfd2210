"""Covariates become a design matrix; scores are freed from what it explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.errors import Edge2TorchError, listing

_MOST_LEVELS = 0.5  # levels of a category as a share of the samples


@dataclass(frozen=True, eq=False)
class Design:
    """The design matrix of the samples, and how it was made.

    ``matrix`` has shape (samples, columns) and starts with the intercept; ``recipe`` is JSON and
    makes the same columns for other samples.
    """

    matrix: NDArray[np.float64]
    columns: tuple[str, ...]
    recipe: Mapping[str, Any]

    @property
    def basis(self) -> NDArray[np.float64]:
        """Orthonormal columns that span the design, (samples, rank)."""
        u, size, _ = np.linalg.svd(self.matrix, full_matrices=False)
        return np.asarray(u[:, size > size[0] * 1e-10])

    @property
    def solver(self) -> NDArray[np.float64]:
        """Pseudo-inverse: coefficients = values (.., samples) @ solver (samples, columns)."""
        return np.asarray(np.linalg.pinv(self.matrix).T)


def covariate_problems(samples: pd.DataFrame, covariates: tuple[str, ...]) -> list[str]:
    """Say what is wrong with the covariates, all of it."""
    problems = []
    if absent := [name for name in covariates if name not in samples]:
        problems.append(
            f"covariate(s) {listing(absent)} are no column of samples; columns are "
            f"{listing(samples.columns, 10) or 'none'}"
        )
    if repeated := sorted({name for name in covariates if covariates.count(name) > 1}):
        problems.append(f"covariate(s) given more than once: {listing(repeated)}")
    n, width = len(samples), 1
    for name in dict.fromkeys(covariates):
        if name not in samples:
            continue
        added, said = _columns_of(samples[name])
        width += added
        if said:
            problems.append(f"covariate {name!r} {said}")
    if covariates and width > n - 3 and not problems:
        problems.append(
            f"the covariates make {width} columns for {n} samples, which leaves nothing to find; "
            "leave some out"
        )
    return problems


def _columns_of(column: pd.Series) -> tuple[int, str]:
    """How many columns a covariate makes, and what is wrong with it."""
    found, n = column.dropna().nunique(), len(column)
    if column.isna().all():
        return 0, "is missing in every sample"
    if found < 2:
        return 0, "is constant; leave it out"
    if _is_numeric(column):
        is_finite = np.isfinite(column.dropna().to_numpy(dtype=float)).all()
        return 1, "" if is_finite else "has infinite values"
    if found > max(2, _MOST_LEVELS * n):
        return 0, (
            f"has {found} levels in {n} samples, which explains everything; leave it out or merge "
            "levels"
        )
    return found - 1, ""


def make_design(samples: pd.DataFrame, covariates: tuple[str, ...]) -> Design:
    """Intercept, numbers centred by their mean, categories one-hot without the first level."""
    recipe: dict[str, Any] = {}
    for name in covariates:
        column = samples[name]
        if _is_numeric(column):
            values = column.to_numpy(dtype=float)
            spread = float(np.nanstd(values))
            recipe[name] = {"mean": float(np.nanmean(values)), "sd": spread or 1.0}
        else:
            levels = sorted(column.dropna().astype(str).unique())
            has_gap = bool(column.isna().any())
            recipe[name] = {"levels": [*levels, *(["<missing>"] if has_gap else [])]}
    return apply_recipe(samples, recipe)


def apply_recipe(samples: pd.DataFrame, recipe: Mapping[str, Any]) -> Design:
    """The design matrix of these samples by a recipe made for others."""
    if absent := [name for name in recipe if name not in samples]:
        raise Edge2TorchError(
            f"samples lacks covariate(s) {listing(absent)}, which the scores were freed from. Add "
            "these columns."
        )
    columns = {"intercept": np.ones(len(samples))}
    for name, how in recipe.items():
        column = samples[name]
        if "levels" in how:
            text = column.astype(object).where(column.notna(), "<missing>").astype(str)
            if unknown := sorted(set(text) - set(how["levels"])):
                raise Edge2TorchError(
                    f"covariate {name!r} has level(s) {listing(unknown)} that the fit did not see; "
                    f"it saw {listing(how['levels'], 10)}."
                )
            for level in how["levels"][1:]:
                columns[f"{name}={level}"] = (text == level).to_numpy(dtype=float)
        else:
            values = pd.to_numeric(column).to_numpy(dtype=float)
            values = np.where(np.isnan(values), how["mean"], values)
            columns[name] = (values - how["mean"]) / how["sd"]
    return Design(np.column_stack(list(columns.values())), tuple(columns), dict(recipe))


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
