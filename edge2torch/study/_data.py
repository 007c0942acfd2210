"""Samples, their features and the label to predict, from a table or an h5ad file."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from edge2torch._core.complete import check_finite
from edge2torch._core.h5ad import anndata_matrix, check_layer
from edge2torch._core.h5ad import read_h5ad as read_anndata
from edge2torch._core.messages import kind_of, listing
from edge2torch._core.names import case_hint
from edge2torch._core.packed import plain_suffix
from edge2torch._core.tables import TABLES, existing_file, not_genes, read_table
from edge2torch.errors import Edge2TorchError
from edge2torch.study._features import (
    Columns,
    choose_features,
    copies_of,
    copies_words,
    sample_names,
    told,
    with_sample_names,
    words_in,
)
from edge2torch.study._normalize import Normalize, few_features, normalized
from edge2torch.study._outcomes._outcome import Label
from edge2torch.study._sample_table import (
    Column,
    column_of,
    design_of,
    label_of,
    missing_of,
    names_of,
    refuse_other_names,
    refuse_transposed,
    with_others,
)
from edge2torch.study._task import as_asked

# A table of every feature is kept for the baseline that may use all of them up to this size.
_ALL_FEATURES_LIMIT = 20_000_000


@dataclass(frozen=True)
class Dataset:
    """Named samples with named features and one label.

    Parameters
    ----------
    name : str
        Where it came from.
    table : DataFrame, samples × features
        Numbers as in the file, float32; NaN where a value is missing.
    label : Series or DataFrame
        One value per sample, none missing; of a label of several columns a column for each role.
    has_all_features : bool
        False where only the features that the graph uses were kept.
    notes : tuple of str
        What was done on the way, as sentences.
    normalize : {"none", "log1p", "counts"}
        What was done to the values.
    set_aside : tuple of str
        Columns of the file that were taken for no features.
    copies : tuple of str
        Features that say nothing but the label.
    design : DataFrame, samples × columns
        What was asked for beside the features; each column's name is a pair, of the argument by which
        it came, ``groups`` or ``covariates``, and its own. ``others`` are the columns of the sample
        table that are neither that nor features.
    """

    name: str
    table: pd.DataFrame
    label: Label
    has_all_features: bool
    notes: tuple[str, ...]
    normalize: Normalize = "none"
    set_aside: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    design: pd.DataFrame = field(default_factory=pd.DataFrame)

    def given(self, argument: str) -> pd.DataFrame:
        """Return the columns that came by an argument, ``groups`` or ``covariates``."""
        if argument not in self.design.columns.get_level_values(0):
            return pd.DataFrame(index=self.design.index)
        return pd.DataFrame(self.design.xs(argument, axis=1))

    def with_features(self, needed: Sequence[str], argument: str, *, of: str = "model") -> Dataset:
        """Return the same with these features only, in their order."""
        if absent := [name for name in needed if name not in self.table.columns]:
            raise Edge2TorchError(
                f"{argument} lacks {len(absent)} of {len(needed)} inputs of the {of}: {listing(absent)}."
                + case_hint(absent, self.table.columns)
            )
        return replace(self, table=self.table[list(needed)])


def read_dataset(
    data: Any,
    label: Any,
    wanted: Collection[str],
    *,
    argument: str = "data",
    design: Sequence[Column] = (),
    layer: str | None = None,
    names_column: str | None = None,
    normalize: Normalize = "none",
    metadata: Collection[str] = (),
    all_features: bool = False,
    chosen: bool = False,
) -> Dataset:
    """Read a file, a DataFrame or an AnnData; samples without a label are left out, and that is noted.

    Where no label is asked for, all samples have the same one: ``"all"``. Of a table's columns,
    ``metadata`` and what :func:`choose_features` finds are no features; ``all_features`` takes every
    number for one. What an AnnData has in ``var`` is a feature, unless ``metadata`` names it. Where
    features are ``chosen``, since a model knows its own, nothing is said of the others.
    """
    name = f"the {argument.replace('_', ' ')}"
    if isinstance(data, str | os.PathLike):
        path = existing_file(Path(data), argument)
        name, kind = path.name, plain_suffix(path)
        if kind != ".h5ad" and kind not in TABLES:
            known = listing([".h5ad", *TABLES], 8)
            raise Edge2TorchError(f"{argument}: unknown file type {name!r}. Use one of {known}.")
        data = read_h5ad(path, argument) if kind == ".h5ad" else read_table(path, argument)
    options: dict[str, Any] = {
        "name": name,
        "normalize": normalize,
        "metadata": metadata,
        "design": design,
    }
    if hasattr(data, "obs") and hasattr(data, "var") and not hasattr(data, "mod"):  # of MuData
        return from_anndata(data, label, wanted, layer=layer, names_column=names_column, **options)
    if not isinstance(data, pd.DataFrame):
        raise Edge2TorchError(
            f"{argument} must be a DataFrame, an AnnData or the path of a file, found a "
            f"{kind_of(data)}."
        )
    _only_for_h5ad(name, layer, names_column)
    options |= {"all_features": all_features, "chosen": chosen}
    return _from_table(data.copy(deep=False), label, wanted, **options)


def feature_names(
    path: Path,
    option: str,
    nodes: Collection[str] = (),
    *,
    layer: str | None = None,
    names_column: str | None = None,
) -> Columns:
    """Return what a file measures; what a study sets aside is none of it."""
    kind = plain_suffix(existing_file(path, option))
    if kind != ".h5ad":
        _only_for_h5ad(path.name, layer, names_column)
        table = read_table(path, option)  # all of it: words may begin anywhere
        table.columns = table.columns.map(lambda column: str(column).strip())
        names = sample_names(table, (), nodes) if isinstance(table.index, pd.RangeIndex) else None
        frame = table if names is None else table.drop(columns=names)
        found = choose_features(frame, pd.Series("all", index=table.index), nodes)
        return (
            found
            if names is None
            else Columns(found.features, {names: "names of samples", **found.aside})
        )
    data = read_h5ad(path, option, backed="r")
    try:
        names = _feature_names(_var(data, layer), names_column)
    finally:
        data.file.close()
    others = {name for name in not_genes(names) if name not in nodes}
    return Columns(
        [name for name in names if name not in others],
        dict.fromkeys(sorted(others), "reads of no gene"),
    )


def _only_for_h5ad(name: str, layer: str | None, names_column: str | None) -> None:
    for argument, value in (("layer", layer), ("feature_names", names_column)):
        if value is not None:
            raise Edge2TorchError(f"{argument} is for h5ad files; {name!r} is a table.")


def read_h5ad(path: Path, option: str = "data", *, backed: Literal["r"] | None = None) -> Any:
    try:
        return read_anndata(path, backed=backed)
    except Edge2TorchError as error:
        raise Edge2TorchError(f"{option}: {error}") from error


def from_anndata(
    data: Any,
    label: Any,
    wanted: Collection[str],
    *,
    name: str,
    layer: str | None = None,
    names_column: str | None = None,
    normalize: Normalize = "none",
    metadata: Collection[str] = (),
    design: Sequence[Column] = (),
) -> Dataset:
    """Take features and label out of an AnnData; ``layer="raw"`` reads ``.raw``."""
    labels, said = label_of(label, data.obs, "obs")
    beside = design_of(design, data.obs, "obs")
    values, var = _matrix(data, layer)
    names = _feature_names(var, names_column)
    if names_column is None and wanted and not names.isin(list(wanted)).any():
        refuse_other_names(names, var, set(wanted))
    others = [gene for gene in not_genes(names) if gene not in wanted]
    notes = [*said, *missing_of(labels)]
    if others:
        notes.append(f"Set aside as no features: {listing(others)} (reads of no gene).")
    aside = names.isin([*metadata, *others]) & ~names.isin(wanted)
    set_aside = tuple(dict.fromkeys(names[aside]))
    if aside.any():
        values, names = values[:, ~aside], names[~aside]
    totals = np.asarray(values.sum(axis=1), np.float64).ravel()
    keep_all = values.shape[0] * values.shape[1] <= _ALL_FEATURES_LIMIT
    columns = np.arange(len(names)) if keep_all else np.flatnonzero(names.isin(wanted))
    part = values[:, columns]
    dense = part.toarray() if hasattr(part, "toarray") else np.asarray(part)
    if not np.issubdtype(dense.dtype, np.number):
        raise Edge2TorchError(f"data: {name!r} holds {dense.dtype} values, not numbers.")
    table = pd.DataFrame(
        dense.astype(np.float32), index=data.obs_names.astype(str), columns=names[columns]
    )
    return _dataset(
        table,
        labels,
        wanted,
        name,
        keep_all,
        normalize,
        totals,
        notes=notes,
        set_aside=set_aside,
        design=with_others(beside, data.obs.drop(columns=[*names_of(label)], errors="ignore")),
    )


def _matrix(data: Any, layer: str | None) -> tuple[Any, pd.DataFrame]:
    var = _var(data, layer)
    if layer == "raw":
        return data.raw.X, var
    return anndata_matrix(data, layer), var


def _var(data: Any, layer: str | None) -> pd.DataFrame:
    if layer != "raw":
        check_layer(data, layer)
        return cast(pd.DataFrame, data.var)
    if data.raw is None:
        raise Edge2TorchError("layer='raw': the file has no raw values. Leave layer out.")
    return cast(pd.DataFrame, data.raw.var)


def _feature_names(var: pd.DataFrame, column: str | None) -> pd.Index[str]:
    if column is None:
        return pd.Index([str(name).strip() for name in var.index])
    if column not in var.columns:
        raise Edge2TorchError(
            f"feature_names: var has no column {column!r}. It has {listing(var.columns, 10)}."
        )
    return pd.Index([str(name).strip() for name in var[column]])


def _from_table(
    frame: pd.DataFrame,
    label: Any,
    wanted: Collection[str],
    *,
    name: str,
    normalize: Normalize,
    metadata: Collection[str],
    design: Sequence[Column],
    all_features: bool,
    chosen: bool,
) -> Dataset:
    if isinstance(frame.index, pd.MultiIndex):
        raise Edge2TorchError(
            f"data: rows have names of {frame.index.nlevels} levels, and a sample has one. Join them, "
            "data.index = ['_'.join(map(str, names)) for names in data.index], or make columns of them, "
            "data.reset_index()."
        )
    frame.columns = frame.columns.map(lambda column: str(column).strip())
    own = names_of(label)
    refuse_transposed(frame, own, wanted, name)
    shown = name if name.startswith("the ") else repr(name)
    if twice := sorted({*frame.columns[frame.columns.duplicated()]}):
        raise Edge2TorchError(
            f"data: {shown} has {len(twice)} column name(s) more than once: {listing(twice)}. Keep one "
            "of each."
        )
    for column, argument in own.items():  # before one is taken for the names of samples
        column_of(argument, column, frame, shown)
    said: list[str] = []
    given = frame
    if isinstance(frame.index, pd.RangeIndex):
        asked_for = {*own, *(value for _, value in design if isinstance(value, str))}
        frame, said = with_sample_names(frame, asked_for, wanted)

    def by_sample(value: Any) -> pd.DataFrame:
        """Values may know the samples by their names, or by the index that the table had."""
        knows = isinstance(value, pd.Series) and not value.index.isin(frame.index).any()
        return frame.set_axis(given.index) if knows else frame

    labels, more = label_of(label, frame, shown, by_sample)
    beside = design_of(design, frame, shown, by_sample)
    frame.index = frame.index.astype(str)
    labels.index, beside.index = frame.index, frame.index
    taken = {*own, *(value for _, value in design if isinstance(value, str))}
    asked = as_asked(label)
    for value in [label] if asked is None else asked.columns.values():
        if isinstance(value, pd.Series) and str(value.name) in frame.columns:
            taken.add(str(value.name))
            more.append(
                f"The column {str(value.name)!r} is left out: the label that was given stands for it."
            )
    features = frame.drop(columns=[column for column in frame.columns if column in taken])
    text = [c for c in features.columns if not pd.api.types.is_numeric_dtype(features[c].dtype)]
    if bad := sorted(set(text) & set(wanted)):
        raise Edge2TorchError(
            f"data: {len(bad)} column(s) that the graph takes as input are not numbers: "
            f"{listing(bad)}. {words_in(features[bad[0]])}"
        )
    counts = normalize == "counts"
    columns = choose_features(
        features, labels, wanted, metadata=metadata, everything=all_features, counts=counts
    )
    about = [] if chosen else told(columns, wanted, counts=counts)
    notes = [*said, *more, *missing_of(labels), *about]
    table = features[columns.features].astype(np.float32)
    totals = table.to_numpy(np.float64).sum(axis=1)
    return _dataset(
        table,
        labels,
        wanted,
        name,
        True,
        normalize,
        totals,
        notes=notes,
        set_aside=tuple(columns.aside),
        design=with_others(beside, features[list(columns.aside)]),
    )


def _dataset(
    table: pd.DataFrame,
    label: Label,
    wanted: Collection[str],
    name: str,
    keep_all: bool,
    normalize: Normalize,
    totals: np.ndarray[Any, np.dtype[np.float64]],
    *,
    notes: Collection[str] = (),
    set_aside: tuple[str, ...] = (),
    design: pd.DataFrame,
) -> Dataset:
    twice = table.columns[table.columns.duplicated()].unique()
    if len(clash := twice.intersection(pd.Index(list(wanted)))):
        raise Edge2TorchError(
            f"data: {len(clash)} feature name(s) that the graph takes as input appear more than "
            f"once: {listing(clash)}. Keep one of each."
        )
    table = table.drop(columns=twice)
    label = label.set_axis(table.index)
    notes = list(notes)
    if len(twice):
        notes.append(
            f"{len(twice):,} feature name(s) appear more than once ({listing(twice)}): left out."
        )
    if (unknown := pd.DataFrame(label).isna().any(axis=1).to_numpy()).any():
        notes.append(f"{int(unknown.sum()):,} of {len(label):,} samples have no label: left out.")
        table, label, totals = table[~unknown], label[~unknown], totals[~unknown]
        design = design[~unknown]
    check_finite(table)
    same = table.columns[copies_of(table.to_numpy(), label)].tolist()
    if same:
        named = label.name if isinstance(label, pd.Series) else " and ".join(map(str, label))
        notes.append(copies_words(same, str(named)))
    table, note = normalized(table, normalize, totals)
    if keep_all and normalize == "counts":
        notes += few_features(table.shape[1])
    said = (*notes, *note)
    return Dataset(name, table, label, keep_all, said, normalize, set_aside, tuple(same), design)
