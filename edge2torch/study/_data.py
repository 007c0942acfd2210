"""Samples, their features and the label to predict, from a table or an h5ad file."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from edge2torch._core.complete import check_finite
from edge2torch._core.h5ad import anndata_matrix, check_layer
from edge2torch._core.h5ad import read_h5ad as read_anndata
from edge2torch._core.messages import listing
from edge2torch._core.names import case_hint, nearest
from edge2torch._core.packed import plain_suffix
from edge2torch._core.statistics import like_rounded_logs
from edge2torch._core.tables import TABLES, existing_file, missing_words, not_genes, read_table
from edge2torch.errors import Edge2TorchError
from edge2torch.study._features import (
    Columns,
    choose_features,
    copies_of,
    sample_names,
    unlike,
    words_of,
)
from edge2torch.study._outcomes._outcome import Label
from edge2torch.study._task import as_asked

Normalize = Literal["none", "log1p", "counts"]
BySample = Callable[[Any], pd.DataFrame]  # the sample table, as given values know its samples
Column = tuple[str, "str | pd.Series"]  # the argument it came by, and a name or values by sample

# A table of every feature is kept for the baseline that may use all of them up to this size.
_ALL_FEATURES_LIMIT = 20_000_000
_MOST_NAMED = 50  # of columns that may be no features: who is not named is not found
_FEW_FEATURES = 100  # below it single features move the sum of a sample
_MOST_OF_A_LOGARITHM = 25.0  # log2 of 33 million; the deepest sample has a gene of fewer reads
_ROUNDED_LOGS = (
    "WARNING: the values are whole numbers, most of them above 3 and none above 25: if they are "
    "logarithms without their fractions, use normalize='none'."
)


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
        path = Path(data)
        name, kind = path.name, plain_suffix(existing_file(path, argument))
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
    if hasattr(data, "obs") and hasattr(data, "var"):
        return from_anndata(data, label, wanted, layer=layer, names_column=names_column, **options)
    if not isinstance(data, pd.DataFrame):
        raise Edge2TorchError(
            f"{argument} must be a DataFrame, an AnnData or the path of a file, found a "
            f"{type(data).__name__}."
        )
    _only_for_h5ad(name, layer, names_column)
    options |= {"all_features": all_features, "chosen": chosen}
    return _from_table(data.copy(deep=False), label, wanted, **options)


def feature_names(
    path: Path, option: str, *, layer: str | None = None, names_column: str | None = None
) -> list[str]:
    """Read what a file measures, and as little else as possible."""
    kind = plain_suffix(existing_file(path, option))
    if kind != ".h5ad":
        _only_for_h5ad(path.name, layer, names_column)
        return [str(column).strip() for column in read_table(path, option, n_rows=0).columns]
    data = read_h5ad(path, option, backed="r")
    try:
        return list(_feature_names(_var(data, layer), names_column))
    finally:
        data.file.close()


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
    labels, said = _label_of(label, data.obs, "obs")
    beside = _design_of(design, data.obs, "obs")
    values, var = _matrix(data, layer)
    names = _feature_names(var, names_column)
    others = [gene for gene in not_genes(names) if gene not in wanted]
    notes = [*said, *_missing_words(labels)]
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
        design=_with_others(beside, data.obs.drop(columns=[*_names_of(label)], errors="ignore")),
    )


def _label_of(
    label: Any, obs: pd.DataFrame, name: str, by_sample: BySample | None = None
) -> tuple[Label, list[str]]:
    """One value per sample, or one per role, and what is to be said of values that no sample has."""
    by_sample = by_sample or (lambda _: obs)
    if label is None:
        return pd.Series("all", index=obs.index, name="group"), []
    if (asked := as_asked(label)) is not None:
        parts = {
            role: _column(role, value, by_sample(value), name).set_axis(obs.index)
            for role, value in asked.columns.items()
        }
        return pd.DataFrame(parts), []
    found = _column("label", label, by_sample(label), name)
    if isinstance(label, str):
        return found, []
    others = label.index.difference(obs.index).astype(str)
    if not len(others):
        return found, []
    return found, [f"{len(others):,} label(s) are of no sample in the data: {listing(others)}."]


def _missing_words(label: Label) -> list[str]:
    columns = [label] if isinstance(label, pd.Series) else [label[role] for role in label]
    return [said for column in columns for said in missing_words(column, "label")]


def _names_of(label: Any) -> dict[str, str]:
    """Columns that a label stands in, and the argument each came by."""
    asked = as_asked(label)
    values = {"label": label} if asked is None else asked.columns
    return {value: argument for argument, value in values.items() if isinstance(value, str)}


def _design_of(
    design: Sequence[Column], obs: pd.DataFrame, name: str, by_sample: BySample | None = None
) -> pd.DataFrame:
    by_sample = by_sample or (lambda _: obs)
    columns = [(argument, _column(argument, v, by_sample(v), name)) for argument, v in design]
    names = [(argument, str(column.name)) for argument, column in columns]
    if twice := sorted({pair for pair in names if names.count(pair) > 1}):
        raise Edge2TorchError(f"{twice[0][0]}: given twice: {listing([n for _, n in twice])}.")
    if not columns:
        return pd.DataFrame(index=obs.index)
    found = pd.concat([column.set_axis(obs.index) for _, column in columns], axis=1)
    return found.set_axis(pd.MultiIndex.from_tuples(names), axis=1)


def _with_others(design: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Put further columns of the sample table behind those that were asked for."""
    asked = set(design.columns.get_level_values(-1))
    left = others.loc[:, [column for column in others if str(column) not in asked]]
    left = left.loc[:, ~left.columns.duplicated()].set_axis(design.index)
    if not len(left.columns):
        return design
    left.columns = pd.MultiIndex.from_tuples([("others", str(name)) for name in left.columns])
    return pd.concat([design, left], axis=1) if len(design.columns) else left


def _column(argument: str, value: str | pd.Series, obs: pd.DataFrame, name: str) -> pd.Series:
    """Return a column by its name, or values brought into the order of the samples."""
    if isinstance(value, pd.Series):
        if not value.index.is_unique or not obs.index.is_unique:
            raise Edge2TorchError(f"{argument}: names of samples appear more than once.")
        if not value.index.isin(obs.index).any():
            raise Edge2TorchError(
                f"{argument}: its index has none of the samples: it has {listing(value.index)}, the "
                f"data {listing(obs.index)}."
            )
        return value.reindex(obs.index).rename(argument if value.name is None else str(value.name))
    if value not in obs.columns:
        raise Edge2TorchError(
            f"{argument}: {name} has no column {value!r}.{nearest(value, obs.columns)} It has "
            f"{listing(obs.columns, 10)}."
        )
    return obs[value]


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
    frame.columns = frame.columns.map(lambda column: str(column).strip())
    own = _names_of(label)
    _refuse_transposed(frame, own, wanted, name)
    shown = name if name.startswith("the ") else repr(name)
    if twice := sorted({*frame.columns[frame.columns.duplicated()]}):
        raise Edge2TorchError(
            f"data: {shown} has {len(twice)} column name(s) more than once: {listing(twice)}. Keep one "
            "of each."
        )
    for column, argument in own.items():  # before one is taken for the names of samples
        _column(argument, column, frame, shown)
    said: list[str] = []
    given = frame
    if isinstance(frame.index, pd.RangeIndex):
        frame, said = _with_sample_names(frame, own, wanted)

    def by_sample(value: Any) -> pd.DataFrame:
        """Values may know the samples by their names, or by the index that the table had."""
        knows = isinstance(value, pd.Series) and not value.index.isin(frame.index).any()
        return frame.set_axis(given.index) if knows else frame

    labels, more = _label_of(label, frame, shown, by_sample)
    beside = _design_of(design, frame, shown, by_sample)
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
            f"{listing(bad)}."
        )
    counts = normalize == "counts"
    columns = choose_features(
        features, labels, wanted, metadata=metadata, everything=all_features, counts=counts
    )
    told = [] if chosen else _told(columns, wanted, counts=counts)
    notes = [*said, *more, *_missing_words(labels), *told]
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
        design=_with_others(beside, features[list(columns.aside)]),
    )


def _told(columns: Columns, wanted: Collection[str], *, counts: bool) -> list[str]:
    """Which columns are features and which are not, where that was decided here."""
    notes, known = [], set(wanted)
    if columns.aside:
        notes.append(
            f"Set aside as no features: {words_of(columns.aside)}. all_features=True takes in "
            "those that are numbers."
        )
    if others := [c for c in columns.features if c not in known]:
        use = "count for the sum of a sample and " if counts else ""
        notes.append(
            f"{len(others):,} of {len(columns.features):,} features are no node of the graph "
            f"({listing(others)}): they {use}are seen by the baseline on all features. "
            "metadata= leaves columns out."
        )
        if odd := unlike(others, [c for c in columns.features if c in known]):
            notes.append(f"Features that are written like no node: {listing(odd, _MOST_NAMED)}.")
    return notes


def _refuse_transposed(
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


def _with_sample_names(
    frame: pd.DataFrame, label: Collection[str], wanted: Collection[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Take the column that holds names of samples as names; say so where that is not plain."""
    column = sample_names(frame, label, wanted)
    if column is None:
        return frame, []
    named = frame.set_index(frame[column].astype(str)).drop(columns=column)
    if not pd.api.types.is_numeric_dtype(frame[column].dtype) or column.startswith("Unnamed:"):
        return named, []
    return named, [f"The numbers in {column!r} are taken as names of samples."]


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
    table, note = _normalized(table, normalize, totals)
    if keep_all and normalize == "counts":
        notes += _few_features(table.shape[1])
    said = (*notes, *note)
    return Dataset(name, table, label, keep_all, said, normalize, set_aside, tuple(same), design)


def copies_words(copies: Collection[str], label: str) -> str:
    """Warn of features that hold the answer."""
    return (
        f"WARNING: {len(copies)} feature(s) say the same as the label {label!r}: {listing(copies)}. A "
        "model that sees one of them has the answer before it, and its scores say nothing of the "
        "others. Leave them out of the graph and of the data, unless they were measured like the rest."
    )


def _few_features(n: int) -> list[str]:
    """Warn of sums that single features move."""
    if n >= _FEW_FEATURES:
        return []
    return [
        (
            f"WARNING: {n} features make up the sums: where a few of them rise, all others seem to fall. "
            "normalize='log1p' takes logarithms and leaves the sums as they are."
        )
    ]


def _normalized(
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
