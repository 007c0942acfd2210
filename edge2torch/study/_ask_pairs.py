"""Networks of pairs are asked: which pairs, what they predict, and what that rests on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch._core.columns import numbers_of
from edge2torch._core.console import Console
from edge2torch._core.messages import kind_of, listing, plural
from edge2torch._core.names import case_hint
from edge2torch._core.tables import existing_file, read_table
from edge2torch.customize import JoinedModel
from edge2torch.data import align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError
from edge2torch.study._ask import scored
from edge2torch.study._data import Dataset
from edge2torch.study._features import Columns
from edge2torch.study._other_scale import other_scale
from edge2torch.study._outcomes._outcome import Label
from edge2torch.study._recipe import PairsRecipe
from edge2torch.study._saved import Saved
from edge2torch.train import Pairs, pairs

# The tables of `pairs` are files here.
_TABLE = re.compile(r"^(?:table|cells|drugs)\b|(?<=that )(?:cells|drugs)(?= has)")
_FILES = {"table": "pairs", "cells": "data", "drugs": "other"}
_USUAL = ("cell", "drug")
_CHUNK = 2**16  # pairs that are predicted at once
_ANY = "\0value"  # a response that nobody asks for
_ORDER = "entities= be in the order of cells and drugs"  # which a run has settled


@dataclass(frozen=True)
class AskedPairs:
    """Pairs, and both tables as the networks take them.

    Parameters
    ----------
    index : ndarray of int64, shape (n, 2)
        Row numbers of each pair, in the order asked; pairs may be there more than once.
    cells : DataFrame, first partners × inputs of the graph
        Scaled.
    others : Tensor, shape (k, d)
        The second partners' features, scaled.
    names : Index, length k
        What these are called.
    entities : tuple of two str
        What partners are called.
    notes : tuple of str
        What is to be said of the tables.
    """

    index: NDArray[np.int64]
    cells: pd.DataFrame
    others: Tensor
    names: pd.Index
    entities: tuple[str, str]
    notes: tuple[str, ...] = ()

    def cells_of(self, other: int) -> NDArray[np.int64]:
        """Return the rows of all cells in pairs with one of the others."""
        found: NDArray[np.int64] = np.unique(self.index[self.index[:, 1] == other, 0])
        return found


def pairs_of_files(
    table: pd.DataFrame,
    cells: pd.DataFrame,
    others: pd.DataFrame,
    label: str,
    entities: Sequence[str],
) -> Pairs:
    """Align pairs with both partners; messages speak of the files."""
    try:
        return pairs(table, cells, others, label=label, entities=entities)
    except Edge2TorchError as error:
        raise Edge2TorchError(
            re.sub(_TABLE, lambda m: _FILES[m[0]] + "=" * bool(m.start()), str(error))
        ) from error


def read_pairs(path: Path, entities: Sequence[str]) -> pd.DataFrame:
    """Read a table of pairs; names of partners are text, also where they look like numbers."""
    return read_table(existing_file(path, "pairs"), "pairs", text=tuple(entities))


def read_others(other: Any, named: str) -> pd.DataFrame:
    """Return the second partners' features, a row for each, from a file or a table."""
    if isinstance(other, str | Path):
        table = read_table(existing_file(Path(other), "other"), "other", text=(named, 0))
        return table.set_index(named if named in table else table.columns[0])
    if not isinstance(other, pd.DataFrame):
        raise Edge2TorchError(
            f"other must be a table with a row per {named}, or the path of one, found a {kind_of(other)}."
        )
    return other.set_index(named) if named in other else other


def without_words(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Set columns aside that hold words and no number, and say so; one with a slip in it is refused later."""
    words: list[Any] = [
        name
        for name, column in table.items()
        if not pd.api.types.is_numeric_dtype(column.dtype)
        and column.notna().any()
        and np.isnan(numbers_of(column)).all()
    ]
    if not words or len(words) == len(table.columns):
        return table, ""
    return table.drop(columns=words), Columns([], dict.fromkeys(words, "text")).words


def refuse_partners(saved: Saved, given: Mapping[str, Any]) -> None:
    """Refuse what only models of pairs take, and a model of pairs without its second partners."""
    if not saved.is_of_pairs:
        if odd := [name for name, one in given.items() if one is not None]:
            raise Edge2TorchError(
                f"{odd[0]}= is for models of pairs, as of cells and drugs; this one takes samples alone. "
                "Leave it out."
            )
    elif given["other"] is None:
        first, second = _entities(saved)
        raise Edge2TorchError(
            f"other= is missing: the model is of pairs of a {first} and a {second}, and data= has {first}s alone. "
            f"Give the table of the {second}s' features, as the run had it."
        )


def asked_pairs(saved: Saved, dataset: Dataset, other: Any, table: Any) -> AskedPairs:
    """Return the pairs to be asked about: those of a table, or all."""
    entities = _entities(saved)
    recipe = saved.recipe if isinstance(saved.recipe, PairsRecipe) else None
    features, cells = read_others(other, entities[1]), dataset.table
    features.columns = features.columns.map(str)
    if recipe is not None:
        features = _with_features(features, list(recipe.others.names), entities[1])
    wanted = _wanted(table, cells, features, entities)
    index = _rows_of(wanted, cells, features, entities)
    if recipe is not None:  # after it has been refused that values are missing, as a run does
        cells = recipe.scaler(cells)
    others = features.apply(numbers_of)  # which `pairs` has found to be numbers
    notes = _without_group(dataset.label, entities[0])
    if recipe is not None:
        if said := other_scale(recipe.others, others, "other"):
            notes = [*notes, f"WARNING: {said}"]
        others = recipe.others(others)
    z = torch.from_numpy(others.to_numpy(np.float32, copy=True))
    names = pd.Index([str(name).strip() for name in features.index], name=entities[1])
    return AskedPairs(index, cells, z, names, entities, tuple(notes))


def _without_group(groups: Label, entity: str) -> list[str]:
    """Say which first partners are in no group: they are predicted, but no score is theirs."""
    if not (lacking := np.asarray(groups.isna())).any():
        return []
    said = (
        f"WARNING: {int(lacking.sum()):,} of {len(lacking):,} {entity}s have no value in "
        f"{cast(pd.Series, groups).name!r} and are left out of the scores, though not of predictions: "
        f"{listing(groups.index[lacking])}."
    )
    return [said]


def _entities(saved: Saved) -> tuple[str, str]:
    return saved.recipe.entities if isinstance(saved.recipe, PairsRecipe) else _USUAL


def _wanted(
    table: Any, cells: pd.DataFrame, others: pd.DataFrame, entities: tuple[str, str]
) -> pd.DataFrame:
    """Return the names of the pairs that are asked about, a row each."""
    if table is None:
        names = [pd.Index(one.index).astype(str) for one in (cells, others)]
        every: pd.DataFrame = pd.MultiIndex.from_product(names, names=entities).to_frame(
            index=False
        )
        return every
    if isinstance(table, str | Path):
        table = read_pairs(Path(table), entities)
    elif not isinstance(table, pd.DataFrame):
        raise Edge2TorchError(
            f"pairs must be a table with the columns {entities[0]!r} and {entities[1]!r}, or the path of one, "
            f"found a {kind_of(table)}."
        )
    if lost := [name for name in entities if name not in table.columns]:
        raise Edge2TorchError(
            f"pairs has no column {listing(lost)}; it has {listing(table.columns, 10)}. The run called the "
            f"partners {listing(entities)}: name the columns so."
        )
    found: pd.DataFrame = table[list(entities)]
    return found


def _rows_of(
    wanted: pd.DataFrame, cells: pd.DataFrame, others: pd.DataFrame, entities: tuple[str, str]
) -> NDArray[np.int64]:
    """Return the row numbers of both partners, for each row of pairs: one may be there twice."""
    if not len(wanted):
        raise Edge2TorchError("pairs: the table has no pair.")
    names = wanted.astype(str).apply(lambda column: column.str.strip())
    is_first = ~names.duplicated() | wanted.isna().any(axis=1)  # no name is no pair, and is refused
    each = wanted[is_first].assign(**{_ANY: 0.0})
    try:
        both = pairs_of_files(each, cells, others, _ANY, entities)
    except Edge2TorchError as error:
        first, second = entities
        own = f"{first!r} has to name rows of data=, {second!r} those of other="
        raise Edge2TorchError(str(error).replace(_ORDER, own)) from error
    which = pd.factorize(pd.MultiIndex.from_frame(names))[0]
    return both.index[which]


def _with_features(table: pd.DataFrame, needed: list[str], entity: str) -> pd.DataFrame:
    if absent := [name for name in needed if name not in table.columns]:
        raise Edge2TorchError(
            f"other lacks {len(absent)} of {plural('feature', len(needed))} of a {entity} that the networks take: "
            f"{listing(absent)}.{case_hint(absent, table.columns)}"
        )
    return table.loc[:, table.columns.isin(needed)]


def predict_pairs(saved: Saved, asked: AskedPairs) -> NDArray[np.float64]:
    """Return what the mean of the networks says of each pair, in the response's units."""
    x = align_features_to_input_nodes(asked.cells, saved.artifact)
    index = torch.from_numpy(asked.index)
    total = np.zeros(len(index))
    with torch.no_grad():
        for network in saved.networks:
            parts = [network(x, asked.others, rows)[:, 0] for rows in index.split(_CHUNK)]
            total += torch.cat(parts).double().numpy()
    mean: NDArray[np.float64] = total / len(saved.networks)
    return mean


def predicted_table(saved: Saved, asked: AskedPairs) -> pd.DataFrame:
    """Return a row per pair: both names, and what is predicted."""
    first, second = asked.entities
    cells, others = asked.cells.index[asked.index[:, 0]], asked.names[asked.index[:, 1]]
    values = predict_pairs(saved, asked)
    return pd.DataFrame({first: cells, second: others, "predicted": values})


def score_pairs(
    saved: Saved,
    asked: AskedPairs,
    groups: Label,
    target: str,
    method: str | None,
    seed: int,
    console: Console,
) -> pd.DataFrame:
    """Return one row per second partner, group of first ones, and feature, node or edge.

    The second partner is held: scores say what moves from the average cell to these cells. They are
    those of the networks' mean, in the response's units.
    """
    first, second = asked.entities
    networks = cast("tuple[JoinedModel, ...]", saved.networks)
    asked_for: dict[str, Any] = {"target": target, "method": method, "seed": seed}
    others = np.unique(asked.index[:, 1]).tolist()
    # who is in no group is in no mean: `groupby` passes over what is missing
    own = cast(pd.Series, groups)
    labels = own.astype(str).where(own.notna()).to_numpy(object)
    parts: list[pd.DataFrame] = []
    for k, _ in console.count(len(others), target, f"{second}s"):
        row, rows = others[k], asked.cells_of(others[k])
        given = [network.given(asked.others[row]) for network in networks]
        for group, part in pd.Series(rows).groupby(labels[rows], sort=True):
            tidy = scored(given, saved.artifact, asked.cells.iloc[part], **asked_for)
            tidy.insert(0, second, asked.names[row])
            tidy.insert(1, "group", str(group))
            parts.append(tidy)
    if not parts:
        raise Edge2TorchError(
            f"label: none of the {first}s asked about has a value in {own.name!r}, by "
            "which scores are averaged. Leave it out for all together."
        )
    return pd.concat(parts, ignore_index=True)
