"""Which columns of a table are features, and which only stand beside them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.columns import gene_symbols, like_an_id, like_metadata
from edge2torch._core.messages import listing
from edge2torch._core.tables import WITH_COMMA, not_genes
from edge2torch.study._outcomes._outcome import Label

_MOST_NAMED = 50  # of columns that may be no features: who is not named is not found


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are.

    Parameters
    ----------
    features : list of str
        Columns that are features, in order.
    aside : dict of str to str
        Every other column but the label, and why.
    """

    features: list[str]
    aside: dict[str, str]

    @property
    def words(self) -> str:
        """Name the columns that were set aside, reason by reason."""
        reasons = dict.fromkeys(self.aside.values())
        parts = [
            f"{listing([c for c in self.aside if self.aside[c] == why])} ({why})" for why in reasons
        ]
        return f"Set aside as no features: {'; '.join(parts)}."


def choose_features(
    frame: pd.DataFrame,
    label: Label,
    nodes: Collection[str],
    *,
    metadata: Collection[str] = (),
    everything: bool = False,
    counts: bool = False,
) -> Columns:
    """Tell features from other columns; the label is not among those of ``frame``.

    Nodes of the graph are features. Of the rest ``metadata`` are not, nor is text; nor, unless
    ``everything`` is asked for, are ids, columns whose names are those of metadata, copies of the
    label and, where features are to be counts, columns that cannot be counts.
    """
    known = set(nodes)
    symbols = gene_symbols(frame.columns)
    numeric = [c for c in frame.columns if pd.api.types.is_numeric_dtype(frame[c].dtype)]
    same = {
        name
        for name, one in zip(
            numeric, copies_of(frame[numeric].to_numpy(np.float64), label), strict=True
        )
        if one
    }
    fed = [c for c in numeric if c in known]
    whole = counts and bool(fed) and not any(map(_not_counts, _columns(frame[fed])))
    features, aside = [], {}
    for column in frame.columns:
        why = None
        if column in known:
            pass
        elif column in metadata:
            why = "set aside by name"
        elif not_genes([column]):
            why = "reads of no gene"
        elif column not in numeric:
            why = "text"
        elif not everything:
            why = _why_not(frame[column], column, same, whole=whole, is_symbol=column in symbols)
        if why is None:
            features.append(column)
        else:
            aside[column] = why
    return Columns(features, aside)


def unlike(names: Collection[str], nodes: Collection[str]) -> list[str]:
    """Names that are written as none of the nodes is: ``mapped`` among ``TP53`` and ``HLA-A``."""
    known = set(map(_writing, nodes))
    return [name for name in names if _writing(name) not in known]


def _writing(name: str) -> str:
    """``HLA-DRB1`` as ``A-A0``."""
    name = re.sub(r"[a-z]+", "a", re.sub(r"[A-Z]+", "A", name))
    return re.sub(r"\d+", "0", name)


def is_id(column: pd.Series, name: str) -> bool:
    """Whether a column tells samples apart and nothing else: by its name, or a running number."""
    if like_an_id(name):
        return not _has_fractions(column)
    if not pd.api.types.is_integer_dtype(column.dtype) or len(column) < _FEWEST:
        return False
    steps = np.diff(column.to_numpy(np.float64))
    return bool((steps > 0).all() or (steps < 0).all())


_MOSTLY = 0.8  # share of a column's ids that differ, if it is to name samples
_NEARLY = 0.95  # the same of a first column that is not called like an id
_FEWEST = 8  # so many whole numbers in order of size are a numbering, fewer may be chance


def _has_fractions(column: pd.Series) -> bool:
    """Whether a column holds measured numbers: an id never has fractions."""
    if not pd.api.types.is_float_dtype(column.dtype):
        return False
    known = column.dropna().to_numpy(np.float64)
    return bool((known != known.round()).any())


def _why_not(
    column: pd.Series, name: str, same: set[str], *, whole: bool, is_symbol: bool
) -> str | None:
    if name in same:
        return "says the same as the label"
    if not is_symbol and is_id(column, name):
        return "an id"
    if not is_symbol and like_metadata(name):
        return "named like metadata"
    values = column.to_numpy(np.float64)
    if whole and (pd.api.types.is_bool_dtype(column.dtype) or _not_counts(values)):
        return "cannot be counts"
    return None


def _columns(frame: pd.DataFrame) -> Iterator[NDArray[np.float64]]:
    yield from frame.to_numpy(np.float64).T


def _not_counts(values: NDArray[np.float64]) -> bool:
    known = values[np.isfinite(values)]
    return bool((known < 0).any() or (known != known.round()).any())


def repeated_samples(table: pd.DataFrame) -> list[str]:
    """Samples with the values of an earlier one, where values are so fine that chance makes none so."""

    def again(values: NDArray[Any]) -> NDArray[np.bool_]:
        # by their hashes: rows themselves would take the room of the table once more
        return pd.Index([hash(row.tobytes()) for row in values]).duplicated()

    values = np.ascontiguousarray(table.to_numpy())
    found = again(values)
    if not found.any() or again(np.random.default_rng(0).permuted(values, axis=0)).any():
        return []
    return [str(name) for name in table.index[found]]


def repeats_words(table: pd.DataFrame, groups: pd.DataFrame) -> list[str]:
    """Warn of samples that come twice, unless both are of one group, and so on one side of a split."""
    again = repeated_samples(table)
    if again and len(groups.columns):
        of_one = groups.groupby(list(groups.columns), dropna=False).ngroup().to_numpy()
        together = set(repeated_samples(table.assign(**{"": of_one})))
        again = [name for name in again if name not in together]
    if not again:
        return []
    return [
        (
            f"WARNING: {len(again):,} sample(s) have the values of another in every feature "
            f"({listing(again)}): what a model was trained on would be tested on, too. Leave them out, or "
            "keep what belongs together on one side by groups=."
        )
    ]


def words_in(column: pd.Series) -> str:
    """What a column of numbers holds instead, and what to do about it."""
    odd = column[column.notna() & pd.to_numeric(column, errors="coerce").isna()]
    if odd.empty:
        return "Give them a type of numbers."
    held = f"{column.name!r} holds {odd.iloc[0]!r}, of sample {str(odd.index[0])!r}"
    if re.fullmatch(WITH_COMMA, str(odd.iloc[0])):
        return f"{held}: write decimals with a point."
    return f"{held}: leave cells empty where a value is missing, and words out."


def copies_of(values: NDArray[np.float64], label: Label) -> NDArray[np.bool_]:
    """Which columns (of samples × columns) have one value for each of the label's, and no other.

    For a label of many numbers: columns that put samples in the same order, or the opposite one.
    Of a label of several columns any counts.
    """
    if isinstance(label, pd.DataFrame):
        return np.asarray(np.any([copies_of(values, label[role]) for role in label], axis=0))
    there = label.notna().to_numpy()
    values, codes = values[there], pd.factorize(label[there], sort=False)[0]
    n = int(codes.max(initial=-1)) + 1
    if n < 2 or len(codes) < _FEWEST:
        return np.zeros(values.shape[1], bool)
    if n <= len(codes) // 2:
        return _one_to_one(values, codes, n)
    return _same_order(values, label[there])


def _one_to_one(values: NDArray[np.float64], codes: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    first = np.array([int(np.flatnonzero(codes == k)[0]) for k in range(n)])
    chosen = values[first]  # classes × columns
    alike = np.asarray((values == chosen[codes]).all(axis=0))
    apart = (np.diff(np.sort(chosen, axis=0), axis=0) > 0).all(axis=0)
    return np.asarray(alike & apart)


def _same_order(values: NDArray[np.float64], label: pd.Series) -> NDArray[np.bool_]:
    if not pd.api.types.is_numeric_dtype(label.dtype):
        return np.zeros(values.shape[1], bool)
    wanted = label.to_numpy(np.float64)
    order = np.argsort(wanted, kind="stable")
    steps, own = np.sign(np.diff(wanted[order])), np.sign(np.diff(values[order], axis=0))
    up, down = (own == steps[:, None]).all(axis=0), (own == -steps[:, None]).all(axis=0)
    return np.asarray(up | down)


def sample_names(frame: pd.DataFrame, label: Collection[str], nodes: Collection[str]) -> Any | None:
    """Find the column that holds the names of samples, if there is one.

    The first column where it has no name itself, holds text that never repeats or is an id; or else
    the first that is an id by its name.
    """
    genes = {*nodes, *gene_symbols(frame.columns)}
    able = [
        c
        for c in frame.columns
        if c not in label and (c not in genes or _names_only(frame[c])) and frame[c].is_unique
    ]
    if not able:
        return None
    first = frame.columns[0]
    if first in able and (
        str(first).startswith("Unnamed:")
        or not pd.api.types.is_numeric_dtype(frame[first].dtype)
        or is_id(frame[first], first)
    ):
        return first
    return next((c for c in able if like_an_id(c) and not _has_fractions(frame[c])), None)


def _names_only(column: pd.Series) -> bool:
    """Whether nothing in a column is a number: then it is no feature, whatever node it is called like."""
    if pd.api.types.is_numeric_dtype(column.dtype) or not len(column):
        return False
    return bool(pd.to_numeric(column, errors="coerce").isna().all())


def told(columns: Columns, wanted: Collection[str], *, counts: bool) -> list[str]:
    """Which columns are features and which are not, where that was decided here."""
    notes, known = [], set(wanted)
    if columns.aside:
        notes.append(f"{columns.words} all_features=True takes in those that are numbers.")
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


def with_sample_names(
    frame: pd.DataFrame, label: Collection[str], wanted: Collection[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Take the column that holds names of samples as names; say so where that is not plain."""
    column = sample_names(frame, label, wanted)
    if column is None:
        return frame, _repeated_ids(frame, label, wanted)
    named = frame.set_index(frame[column].astype(str)).drop(columns=column)
    if column in wanted:
        return named, [f"The column {column!r}, called like a node, is taken as names: it is text."]
    if not pd.api.types.is_numeric_dtype(frame[column].dtype) or column.startswith("Unnamed:"):
        return named, []
    return named, [f"The numbers in {column!r} are taken as names of samples."]


def _repeated_ids(
    frame: pd.DataFrame, label: Collection[str], wanted: Collection[str]
) -> list[str]:
    """Say which ids come twice where a column would name the samples if none did."""
    for k, column in enumerate(frame.columns):
        ids = frame[column]
        is_text = not pd.api.types.is_numeric_dtype(ids.dtype)
        able = column not in label and column not in wanted and (is_text or not _has_fractions(ids))
        named = like_an_id(column) or (k == 0 and (is_text or str(column).startswith("Unnamed:")))
        # where most come again it tells donors or batches apart, and no samples; other text may be
        # a description
        least = _MOSTLY if like_an_id(column) else _NEARLY
        if not able or not named or ids.nunique() < least * len(ids):
            continue
        twice = ids[ids.duplicated() & ids.notna()].unique().tolist()
        empty = int(ids.isna().sum())
        faults = [f"{listing(twice)} more than once"] if twice else []
        faults += [f"nothing for {empty:,} sample(s)"] if empty else []
        return [
            (
                f"WARNING: {column!r} would name the samples, but holds {' and '.join(faults)}: they are "
                "numbered from 0 instead. Is a sample in the table twice? What tells apart which samples "
                "belong together goes to groups=."
            )
        ]
    return []


def copies_words(copies: Collection[str], label: str) -> str:
    """Warn of features that hold the answer."""
    return (
        f"WARNING: {len(copies)} feature(s) say the same as the label {label!r}: {listing(copies)}. A "
        "model that sees one of them has the answer before it, and its scores say nothing of the "
        "others. Leave them out of the graph and of the data, unless they were measured like the rest."
    )
