"""Pairs of two kinds of partners, such as cells and drugs: aligned, divided, scored per drug."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import scipy
import torch
from torch import Tensor

from edge2torch._core.checks import check_choice, check_numbers, check_type, row_numbers, shown
from edge2torch._core.columns import numbers_of
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.train._pair_baselines import FEWEST, Floats, Ints, predict_baselines
from edge2torch.train._split import repeated_folds

HoldOut = Literal["cell", "drug", "both", "pair"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Values of pairs, and the features of both partners, by row number.

    Made by :func:`pairs`.

    Parameters
    ----------
    index : ndarray of int64, shape (n, 2)
        Rows of ``cells`` and ``drugs``.
    y : ndarray of float64, shape (n,)
        What is to be predicted.
    cells, drugs : DataFrame
        Features, a row per partner.
    entities : (str, str)
        What the partners are called.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from edge2torch.train import pairs
    >>> cells = pd.DataFrame({"g": [0.0, 1.0, 2.0]}, index=["A", "B", "C"])
    >>> drugs = pd.DataFrame({"bit": [0.0, 1.0]}, index=["u", "v"])
    >>> table = pd.DataFrame({"cell": [*"ABCABC"], "drug": [*"uuuvvv"], "auc": np.arange(6.0)})
    >>> both = pairs(table, cells, drugs, label="auc")
    >>> both, both.index[3].tolist()
    (Pairs(6 of 3 cells and 2 drugs), [0, 1])
    """

    index: Ints
    y: Floats
    cells: pd.DataFrame = field(repr=False)
    drugs: pd.DataFrame = field(repr=False)
    entities: tuple[str, str] = ("cell", "drug")

    def __repr__(self) -> str:
        first, second = self.entities
        n = len(self.y)
        return f"Pairs({n:,} of {len(self.cells):,} {first}s and {len(self.drugs):,} {second}s)"

    def rows(self, numbers: Ints) -> Tensor:
        """Return the partners' rows (b, 2) of some pairs, for ``joined(cells, drugs, rows)``."""
        return torch.from_numpy(self.index[row_numbers(numbers, len(self.y), "numbers")])

    def folds(
        self, hold_out: HoldOut = "cell", n_folds: int = 5, *, seed: int = 0
    ) -> list[tuple[Ints, Ints]]:
        """Divide the pairs into a part to fit and one to judge by, several times.

        Parameters
        ----------
        hold_out : {"cell", "drug", "both", "pair"}
            What the judged pairs have that no fitted one has: their cell, their drug, either of them
            (pairs of one held-out partner are then left out), or nothing but the pair itself: then
            both partners were seen.
        n_folds : int
            Parts.
        seed : int
            Same seed, same parts.

        Returns
        -------
        list of (ndarray, ndarray)
            Numbers of pairs.
        """
        check_choice("hold_out", hold_out, get_args(HoldOut))
        if hold_out in ("cell", "drug"):
            side = ("cell", "drug").index(hold_out)
            groups = self.index[:, side]
            if len(np.unique(groups)) < 2:
                raise Edge2TorchError(
                    f"hold_out={hold_out!r} needs two {self.entities[side]}s or more, found one."
                )
            return repeated_folds(self.y, None, n_folds, groups=groups, seed=seed)
        if hold_out == "pair":
            return repeated_folds(self.y, None, n_folds, seed=seed)
        parts = []
        for k in range(2):
            partners = np.unique(self.index[:, k])
            order = np.random.default_rng([seed, k]).permutation(len(partners))
            if len(partners) < n_folds:
                raise Edge2TorchError(
                    f"hold_out='both': {len(partners)} {self.entities[k]}s cannot be divided into "
                    f"{n_folds} parts."
                )
            part = np.empty(len(partners), np.int64)
            part[order] = np.arange(len(partners)) % n_folds
            parts.append(part[np.searchsorted(partners, self.index[:, k])])
        found = [
            (
                np.flatnonzero((parts[0] != k) & (parts[1] != k)),
                np.flatnonzero((parts[0] == k) & (parts[1] == k)),
            )
            for k in range(n_folds)
        ]
        if not all(len(part) for pair in found for part in pair):
            raise Edge2TorchError(
                f"hold_out='both': with {n_folds} parts of each a fold has no pair, for few of all were "
                "measured. Take fewer parts."
            )
        return found

    def scores(self, predicted: Floats, rows: Ints) -> dict[str, float]:
        """Return how well pairs are predicted: within each drug first, and all together last.

        Parameters
        ----------
        predicted : ndarray, shape (b,)
            Of the pairs ``rows``.
        rows : ndarray of int, shape (b,)
            Numbers of pairs.

        Returns
        -------
        dict
            ``spearman`` and ``pearson``, medians over drugs of three pairs or more; ``drugs``, how many
            these are; ``pooled_spearman`` and ``pooled_pearson``, which drugs' means alone make high.
        """
        rows = row_numbers(rows, len(self.y))
        predicted = _predicted("predicted", predicted, len(rows))
        y, own = self.y[rows], self._of_drugs(rows)
        each = [_correlations(predicted[part], y[part]) for part in own.values()]
        within = np.median(np.array(each), axis=0) if own else np.full(2, np.nan)
        pooled = _correlations(predicted, y)
        return {
            "spearman": float(within[0]),
            "pearson": float(within[1]),
            "drugs": float(len(own)),
            "pooled_spearman": pooled[0],
            "pooled_pearson": pooled[1],
        }

    def within(self, predicted: Floats, rows: Ints) -> pd.Series:
        """Return Pearson's correlation within each drug of three pairs or more, not all alike, by name.

        Parameters
        ----------
        predicted : ndarray, shape (b,)
            Of the pairs ``rows``.
        rows : ndarray of int, shape (b,)
            Numbers of pairs.

        Returns
        -------
        Series
        """
        rows = row_numbers(rows, len(self.y))
        predicted = _predicted("predicted", predicted, len(rows))
        found = {
            self.drugs.index[k]: _correlations(predicted[part], self.y[rows][part])[1]
            for k, part in self._of_drugs(rows).items()
        }
        return pd.Series(found, dtype=float)

    def _of_drugs(self, rows: Ints) -> dict[int, Ints]:
        """Return the places among rows of each drug that can be ranked: of three or more, not all alike."""
        drug, y = self.index[rows, 1], self.y[rows]
        own = {int(k): np.flatnonzero(drug == k) for k in np.unique(drug)}
        return {k: part for k, part in own.items() if len(part) >= FEWEST and np.ptp(y[part])}

    def compare(self, predicted: Mapping[str, Floats], fit: Ints, held_out: Ints) -> pd.DataFrame:
        """Return the scores of predictions of held-out pairs, with the baselines' below.

        Parameters
        ----------
        predicted : mapping of str to ndarray, shape (b,)
            Predictions of the pairs ``held_out``, by what made them.
        fit, held_out : ndarray of int
            Numbers of pairs, as :meth:`folds` gives them.

        Returns
        -------
        DataFrame
            A row per model; the baselines are the drug's mean, this plus the cell's, ridge per drug on
            the cell's features, and ridge on the features of both.

        Raises
        ------
        Edge2TorchError
            For pairs on both sides, and predictions that are not one for each held-out pair.
        """
        check_type(
            "predicted", predicted, Mapping, "predictions by what made them, as {'joined': y}"
        )
        rows = row_numbers(held_out, len(self.y), "held_out")
        if len(both := np.intersect1d(row_numbers(fit, len(self.y), "fit"), rows)):
            raise Edge2TorchError(
                f"held_out: {len(both):,} of {len(rows):,} pair(s) are among fit: "
                f"{listing(both.tolist())}. Baselines that have seen a pair say nothing of it; take both "
                "from folds()."
            )
        predicted = {
            name: _predicted(f"predicted[{name!r}]", own, len(rows))
            for name, own in predicted.items()
        }
        found = {**predicted, **self.baselines(fit, held_out)}
        table = {name: self.scores(own, held_out) for name, own in found.items()}
        return pd.DataFrame(table).T.rename_axis("model")

    def baselines(self, fit: Ints, held_out: Ints) -> dict[str, Floats]:
        """Return what a network has to beat: predictions (b,) of the pairs ``held_out``, by name."""
        tables = [table.to_numpy(np.float64) for table in (self.cells, self.drugs)]
        return predict_baselines(self.index, self.y, tables, self.entities, fit, held_out)


def pairs(
    table: pd.DataFrame,
    cells: pd.DataFrame,
    drugs: pd.DataFrame,
    *,
    label: str,
    entities: Sequence[str] = ("cell", "drug"),
) -> Pairs:
    """Align a table of pairs with the features of both partners, by name.

    Parameters
    ----------
    table : DataFrame
        A row per pair, with a column for each partner's name and one for the value.
    cells, drugs : DataFrame
        Features: a row per partner, named by the index; numbers, none missing.
    label : str
        The column to predict.
    entities : (str, str)
        The columns of the names.

    Returns
    -------
    Pairs
        With ``folds(hold_out=)``, ``scores`` within each drug and ``compare``, which has baselines.

    Raises
    ------
    Edge2TorchError
        For partners without features, pairs that are there twice, values that are missing, and
        partners that are there twice; with counts.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> cells = pd.DataFrame({"g": [0.0, 1.0]}, index=["A", "B"])
    >>> drugs = pd.DataFrame({"bit": [1.0]}, index=["u"])
    >>> table = pd.DataFrame({"cell": ["A", "B"], "drug": ["u", "u"], "auc": [0.2, 0.9]})
    >>> e2t.pairs(table, cells, drugs, label="auc").y.tolist()
    [0.2, 0.9]
    """
    for argument, value in (("table", table), ("cells", cells), ("drugs", drugs)):
        check_type(argument, value, pd.DataFrame, "a DataFrame")
    first, second = _roles(entities, label)
    parts = {"table": table[table.columns.intersection([first, second, label])]}
    for argument, own in {**parts, "cells": cells, "drugs": drugs}.items():
        if len(repeated := own.columns[own.columns.duplicated()].unique()):
            raise Edge2TorchError(
                f"{argument} has columns more than once: {listing(repeated)}. Keep one of each."
            )
    if lost := [name for name in (first, second, label) if name not in table.columns]:
        raise Edge2TorchError(
            f"table has no column {listing(lost)}; it has {listing(table.columns, 10)}. Name them with "
            "entities= and label=."
        )
    names = table[[first, second]]
    if names.isna().any(axis=None):
        n = int(names.isna().any(axis=1).sum())
        raise Edge2TorchError(f"table: {n:,} row(s) have no {first} or no {second}. Drop them.")
    names = names.astype(str).apply(lambda column: column.str.strip())
    index = np.stack(
        [
            _numbers(argument, features, names[entity], entity)
            for argument, features, entity in (("cells", cells, first), ("drugs", drugs, second))
        ],
        axis=1,
    )
    twice = names.duplicated(keep=False)
    if twice.any():
        n = int(names.duplicated().sum())
        named = listing(list(map(tuple, names[twice].drop_duplicates().to_numpy().tolist())))
        raise Edge2TorchError(
            f"table: {n:,} row(s) repeat a pair: {named}. Average replicates, or drop all but one."
        )
    y = numbers_of(table[label])
    if not np.isfinite(y).all():
        n = int((~np.isfinite(y)).sum())
        where = listing(list(map(tuple, names[~np.isfinite(y)].to_numpy().tolist())))
        raise Edge2TorchError(
            f"table: {n:,} row(s) have no number in {label!r}: {where}. Drop them."
        )
    return Pairs(index, y, cells, drugs, (first, second))


def _roles(entities: Any, label: Any) -> tuple[str, str]:
    """Return the two columns of names, after checking that the three roles are three columns."""
    check_type("label", label, (str, int), "the name of a column")
    two = [*entities] if isinstance(entities, Sequence) and not isinstance(entities, str) else []
    if len(two) != 2 or len({*map(str, two), str(label)}) != 3:
        raise Edge2TorchError(
            "entities must be two columns, as ('cell', 'drug'), and neither the label's: found "
            f"{shown(entities)}, with label={shown(label)}."
        )
    return two[0], two[1]


def _numbers(argument: str, features: pd.DataFrame, names: pd.Series, entity: str) -> Ints:
    """Return the row of each name, after checking the features."""
    own = pd.Index([str(name).strip() for name in features.index])
    if not own.is_unique:
        twice = own[own.duplicated()].unique()
        raise Edge2TorchError(
            f"{argument}: {len(twice):,} {entity}(s) are there more than once: {listing(twice)}."
        )
    found = own.get_indexer(pd.Index(names))
    unknown = pd.unique(names[found < 0])
    if len(unknown):
        fix = f"Drop their {int((found < 0).sum()):,} pair(s), or add them."
        if len(unknown) == names.nunique():
            fix = "Both must write names alike, and entities= be in the order of cells and drugs."
        raise Edge2TorchError(
            f"table names {len(unknown):,} of {names.nunique():,} {entity}(s) that {argument} has no "
            f"features of: {listing(unknown)}. {fix}"
        )
    bad, columns = np.zeros(len(features), bool), []
    for name in features:
        odd = ~np.isfinite(numbers_of(features[name]))
        bad |= odd
        columns += [name] * bool(odd.any())
    if bad.any():
        raise Edge2TorchError(
            f"{argument}: {int(bad.sum()):,} {entity}(s) have features that are missing or no numbers: "
            f"{listing(own[bad])}, in column(s) {listing(columns)}. Fill them, or drop these rows or columns."
        )
    return found.astype(np.int64)


def _predicted(argument: str, values: Any, n: int) -> Floats:
    """Return predictions, one for each of n pairs, as an array."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    found = check_numbers(argument, values)
    if found.shape != (n,) or not np.isfinite(found).all():
        what = "is not finite everywhere" if found.shape == (n,) else f"has shape {found.shape}"
        raise Edge2TorchError(
            f"{argument} must have shape ({n},), a finite prediction for each pair, and {what}."
        )
    return found.astype(np.float64)


def _correlations(one: Floats, other: Floats) -> tuple[float, float]:
    """Return Spearman's and Pearson's correlation; 0 where either is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0, 0.0
    return (
        float(scipy.stats.spearmanr(one, other).statistic),
        float(np.corrcoef(one, other)[0, 1]),
    )
