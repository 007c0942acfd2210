"""Covariates become a design matrix; scores are freed from what it explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.columns import codes_by_name, date_by_name, numbers_of
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError

_NUMBER, _CATEGORY = "number", "category"
_FEW_CODES = 10  # up to so many whole numbers are a category
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
        # columns that follow from others (a batch within a plate) leave singular values of rounding
        return np.asarray(u[:, size > size[0] * 1e-10])

    @property
    def rank(self) -> int:
        """Degrees of freedom that the design takes."""
        return int(self.basis.shape[1])

    @property
    def solver(self) -> NDArray[np.float64]:
        """Pseudo-inverse: coefficients = values (.., samples) @ solver (samples, columns)."""
        return np.asarray(np.linalg.pinv(self.matrix).T)


def resolved(
    samples: pd.DataFrame, covariates: Sequence[str], problems: list[str]
) -> tuple[str, ...]:
    """Return the covariates, ``NAME:number`` or ``NAME:category`` where a column could be either.

    Whole numbers that are few and repeated are codes (of a batch, a plate, a stage): as numbers,
    only what rises along a straight line with them would be removed. As categories all of that is,
    too.
    """
    if isinstance(covariates, str):
        raise Edge2TorchError(
            f"covariates={covariates!r} must be a list of columns, such as [...]."
        )
    named = []
    for given in covariates:
        name, kind = _name_and_kind(given, samples)
        if name in samples and not kind and _is_whole(samples[name]):
            kind = _CATEGORY if _is_code(samples[name]) else _NUMBER
        named.append(f"{name}:{kind}" if kind else name)
    problems.extend(_problems(samples, tuple(named)))
    return tuple(named)


def covariate_names(samples: pd.DataFrame, covariates: Sequence[str]) -> str:
    """Say how each covariate is taken."""
    words = []
    for given in covariates:
        name, kind = _name_and_kind(given, samples)
        if _is_number(samples[name], kind):
            words.append(f"{name!r} as a number")
        else:
            levels = sorted(level_names(samples[name].dropna()).unique())
            words.append(f"{name!r} as {len(levels)} categories ({listing(levels)})")
    return ", ".join(words)


def _name_and_kind(given: str, samples: pd.DataFrame) -> tuple[str, str]:
    """Column and kind; a column whose own name ends so is meant first."""
    name, colon, kind = given.rpartition(":")
    if given in samples or not colon or kind not in (_NUMBER, _CATEGORY):
        return given, ""
    return name, kind


def _problems(samples: pd.DataFrame, covariates: tuple[str, ...]) -> list[str]:
    """Say what is wrong with the covariates, all of it."""
    problems = []
    split = [_name_and_kind(given, samples) for given in covariates]
    names = [name for name, _ in split]
    if absent := [name for name in names if name not in samples]:
        problems.append(
            f"covariate(s) {listing(absent)} are not columns of samples; columns are "
            f"{listing(samples.columns, 10) or 'none'}"
        )
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        problems.append(f"covariate(s) given more than once: {listing(repeated)}")
    n, width = len(samples), 1
    for name, kind in dict(split).items():
        if name not in samples:
            continue
        added, problem = _columns_of(samples[name], kind)
        width += added
        if problem:
            problems.append(f"covariate {name!r} {problem}")
    if covariates and width > n - 3 and not problems:
        problems.append(
            f"the covariates make {width} columns for {n} samples, which leaves nothing to find; "
            "leave some out, or take a number as one (NAME:number)"
        )
    return problems


def _columns_of(column: pd.Series, kind: str) -> tuple[int, str]:
    """How many columns a covariate makes, and what is wrong with it."""
    levels, n = column.dropna().nunique(), len(column)
    if column.isna().all():
        return 0, "is missing in every sample"
    if levels < 2:
        return 0, "is constant; leave it out"
    if kind == _NUMBER and not _is_numeric(column):
        return 0, f"is not a number in every sample, such as {column.dropna().iloc[0]!r}"
    if _is_number(column, kind):
        is_finite = np.isfinite(column.dropna().to_numpy(dtype=float)).all()
        return 1, "" if is_finite else "has infinite values"
    if levels > max(2, _MOST_LEVELS * n):
        return 0, (
            f"has {levels} levels in {n} samples, which explains everything; leave it out or merge "
            "levels" + (" (or NAME:number, if they are amounts)" if _is_numeric(column) else "")
        )
    return levels - 1, ""


def make_design(samples: pd.DataFrame, covariates: tuple[str, ...]) -> Design:
    """Intercept, numbers centred by their mean, categories one-hot without the first level."""
    recipe: dict[str, Any] = {}
    for given in covariates:
        name, kind = _name_and_kind(given, samples)
        column = samples[name]
        if _is_number(column, kind):
            values = column.to_numpy(dtype=float)
            spread = float(np.nanstd(values))
            recipe[name] = {"mean": float(np.nanmean(values)), "sd": spread or 1.0}
        else:
            levels = sorted(level_names(column.dropna()).unique())
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
            text = level_names(column).where(column.notna(), "<missing>")
            if unknown := sorted(set(text) - set(how["levels"])):
                raise Edge2TorchError(
                    f"covariate {name!r} has level(s) {listing(unknown)} that the fit did not see; "
                    f"it saw {listing(how['levels'], 10)}."
                )
            for level in how["levels"][1:]:  # the first is the intercept's
                columns[f"{name}={level}"] = (text == level).to_numpy(dtype=float)
        else:
            values = numbers_of(column)
            if (odd := np.isnan(values) & column.notna().to_numpy()).any():
                raise Edge2TorchError(
                    f"covariate {name!r} was a number in the fit, and holds "
                    f"{listing(sorted(set(column[odd].astype(str))))}."
                )
            # a gap becomes the mean of the fit, which moves nothing
            values = np.where(np.isnan(values), how["mean"], values)
            columns[name] = (values - how["mean"]) / how["sd"]
    return Design(np.column_stack(list(columns.values())), tuple(columns), dict(recipe))


def level_names(column: pd.Series) -> pd.Series:
    """Text of each level; a code is the same text beside gaps, where pandas makes it 1.0."""
    if not _is_numeric(column):
        return column.astype(object).astype(str)
    return column.map(lambda x: str(int(x)) if float(x).is_integer() else str(x)).astype(object)


def _is_whole(column: pd.Series) -> bool:
    """Whether a column is of more than two whole numbers, so that its kind has to be chosen."""
    if not _is_numeric(column):
        return False
    values = column.dropna().to_numpy(dtype=float)
    return bool(np.isfinite(values).all() and (values == values.round()).all()) and (
        column.dropna().nunique() > 2
    )


def _is_code(column: pd.Series) -> bool:
    """By name; else few distinct values, 1, 2, 3, … or dates, each in two samples or more on average."""
    by_name = codes_by_name(column.name)
    if by_name is not None:
        return by_name
    values = np.unique(column.dropna().to_numpy(dtype=float))
    counts_up = values[0] in (0, 1) and len(values) == values[-1] - values[0] + 1
    return len(values) <= column.notna().sum() / 2 and bool(
        len(values) <= _FEW_CODES or counts_up or date_by_name(column.name) or _are_dates(values)
    )


def _are_dates(values: NDArray[np.float64]) -> bool:
    """Whether all numbers are dates such as 20230114."""
    if values[0] < 19_000_101 or values[-1] > 21_001_231:
        return False
    text = pd.Series(values.astype(np.int64).astype(str))
    return bool(pd.to_datetime(text, format="%Y%m%d", errors="coerce").notna().all())


def category_by_name(column: pd.Series, covariates: Sequence[str]) -> bool:
    """Whether a trait of whole numbers is a category: as a covariate, by its name, or a date."""
    if f"{column.name}:{_CATEGORY}" in covariates:
        return True
    if f"{column.name}:{_NUMBER}" in covariates or not _is_whole(column):
        return False
    by_name = codes_by_name(column.name)
    if by_name is not None:
        return by_name
    dates = date_by_name(column.name) or _are_dates(np.unique(column.dropna()))
    return dates and _is_code(column)


def _is_number(column: pd.Series, kind: str) -> bool:
    return kind != _CATEGORY and _is_numeric(column)


def _is_numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
