"""Columns of the sample table: label, groups, covariates and what is left of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pandas as pd

from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch._core.tables import missing_words
from edge2torch.errors import Edge2TorchError
from edge2torch.study._outcomes._outcome import Label
from edge2torch.study._task import as_asked

BySample = Callable[[Any], pd.DataFrame]  # the sample table, as given values know its samples
Column = tuple[str, "str | pd.Series"]  # the argument it came by, and a name or values by sample


def label_of(
    label: Any, obs: pd.DataFrame, name: str, by_sample: BySample | None = None
) -> tuple[Label, list[str]]:
    """One value per sample, or one per role, and what is to be said of values that no sample has."""
    by_sample = by_sample or (lambda _: obs)
    if label is None:
        return pd.Series("all", index=obs.index, name="group"), []
    if (asked := as_asked(label)) is not None:
        parts = {
            role: column_of(role, value, by_sample(value), name).set_axis(obs.index)
            for role, value in asked.columns.items()
        }
        return pd.DataFrame(parts), []
    found = column_of("label", label, by_sample(label), name)
    if isinstance(label, str):
        return found, []
    others = label.index.difference(obs.index).astype(str)
    if not len(others):
        return found, []
    return found, [f"{len(others):,} label(s) are of no sample in the data: {listing(others)}."]


def missing_of(label: Label) -> list[str]:
    columns = [label] if isinstance(label, pd.Series) else [label[role] for role in label]
    return [said for column in columns for said in missing_words(column, "label")]


def names_of(label: Any) -> dict[str, str]:
    """Columns that a label stands in, and the argument each came by."""
    asked = as_asked(label)
    values = {"label": label} if asked is None else asked.columns
    return {value: argument for argument, value in values.items() if isinstance(value, str)}


def design_of(
    design: Sequence[Column], obs: pd.DataFrame, name: str, by_sample: BySample | None = None
) -> pd.DataFrame:
    by_sample = by_sample or (lambda _: obs)
    columns = [(argument, column_of(argument, v, by_sample(v), name)) for argument, v in design]
    names = [(argument, str(column.name)) for argument, column in columns]
    if twice := sorted({pair for pair in names if names.count(pair) > 1}):
        raise Edge2TorchError(f"{twice[0][0]}: given twice: {listing([n for _, n in twice])}.")
    if not columns:
        return pd.DataFrame(index=obs.index)
    found = pd.concat([column.set_axis(obs.index) for _, column in columns], axis=1)
    return found.set_axis(pd.MultiIndex.from_tuples(names), axis=1)


def with_others(design: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Put further columns of the sample table behind those that were asked for."""
    asked = set(design.columns.get_level_values(-1))
    left = others.loc[:, [column for column in others if str(column) not in asked]]
    left = left.loc[:, ~left.columns.duplicated()].set_axis(design.index)
    if not len(left.columns):
        return design
    left.columns = pd.MultiIndex.from_tuples([("others", str(name)) for name in left.columns])
    return pd.concat([design, left], axis=1) if len(design.columns) else left


def column_of(argument: str, value: str | pd.Series, obs: pd.DataFrame, name: str) -> pd.Series:
    """Return a column by its name, or values brought into the order of the samples."""
    if isinstance(value, pd.Series):
        if not value.index.is_unique or not obs.index.is_unique:
            raise Edge2TorchError(f"{argument}: names of samples appear more than once.")
        if not value.index.isin(obs.index).any():
            raise Edge2TorchError(
                f"{argument}: its index has none of the samples: it has {listing(value.index)}, the "
                f"data {listing(obs.index)}."
                + (
                    " These are the data's columns: pass data.T."
                    if value.index.isin(obs.columns).any()
                    else ""
                )
            )
        return value.reindex(obs.index).rename(argument if value.name is None else str(value.name))
    if value not in obs.columns:
        text = [one for one in obs if not pd.api.types.is_numeric_dtype(obs[one].dtype)]
        columns = dict.fromkeys([*text, *obs.columns])  # features are many, and seldom meant
        raise Edge2TorchError(
            f"{argument}: {name} has no column {value!r}.{nearest(value, obs.columns)} It has "
            f"{listing(columns, 10)}."
        )
    return obs[value]


def refuse_transposed(
    frame: pd.DataFrame, label: Collection[str], wanted: Collection[str], name: str
) -> None:
    """Say so where the first column, and not the header, holds the names that the graph knows."""
    if frame.empty or frame.columns[0] in label:
        return
    first = frame.iloc[:, 0].astype(str).str.strip()
    known = int(first.isin(wanted).sum())
    if not known or not first.is_unique or frame.columns.isin(wanted).sum() >= known:
        return
    # The label alone: further columns of a design would stand among the features.
    named = listing([*label], 9)
    columns = named if len(label) < 2 else f"[{named}]"
    design = f".join(design[{columns}])" if label else ""
    raise Edge2TorchError(
        f"data: {name!r} looks transposed: {known:,} of the {len(first):,} names in its first "
        f"column ({frame.columns[0]!r}) are nodes of the graph. A row per sample and a column per "
        f'feature are needed: table.set_index({frame.columns[0]!r}).T{design}.to_csv("samples.csv", '
        'index_label="sample") in pandas'
        + (f", where design has a row per sample and the column {named}." if label else ".")
    )


def refuse_other_names(names: pd.Index[str], var: pd.DataFrame, wanted: set[str]) -> None:
    """Say so where a column of var, and not its index, holds the names that the graph knows."""
    known = {str(column): int(var[column].astype(str).isin(wanted).sum()) for column in var}
    column = max(known, key=known.__getitem__, default="")
    if known.get(column):
        raise Edge2TorchError(
            f"edges and data share no names: the data's features are called {listing(names)}, but "
            f"{known[column]:,} of the graph's names stand in the column {column!r} of var. Give "
            f"feature_names={column!r}."
        )
