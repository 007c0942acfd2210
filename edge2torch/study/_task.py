"""Whether the label asks for classes or for a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError

Kind = Literal["classification", "regression"]

_FEW_NUMBERS = 10  # so many whole numbers, each of them repeated, are taken for classes


@dataclass(frozen=True)
class Task:
    """What is predicted, for ``n`` samples.

    Parameters
    ----------
    kind : {"classification", "regression"}
        Cross entropy over classes, or squared error of one number.
    label : str
        Name of the label.
    classes : tuple of str
        Sorted; empty for regression.
    values : ndarray, shape (n,)
        Class numbers (int64), or the numbers themselves (float64).
    kept : ndarray of bool, shape (samples,)
        Which of the data set's samples these are.
    notes : tuple of str
        Why this kind, and what was left out.
    """

    kind: Kind
    label: str
    classes: tuple[str, ...]
    values: NDArray[Any]
    kept: NDArray[np.bool_]
    notes: tuple[str, ...]


def choose_task(label: pd.Series, kind: Kind | Literal["auto"], min_class_size: int) -> Task:
    """Decide by the label's type, unless told; leave classes out that are too small to split."""
    name = str(label.name)
    if len(label) < 2:
        raise Edge2TorchError(
            f"label: {len(label)} sample(s) have a value of {name!r}; two are needed."
        )
    if kind == "auto":
        kind, why = _kind_of(label)
        notes = [f"{kind.capitalize()}: {name!r} {why}."]
    else:
        notes = [f"{kind.capitalize()} of {name!r}, as asked for."]
    if kind == "regression":
        return _regression(label, name, tuple(notes))
    names = class_names(label)
    sizes = names.value_counts()
    small = sorted(sizes.index[sizes < min_class_size])
    if small:
        lost = int(sizes[small].sum())
        notes.append(
            f"{len(small)} class(es) with fewer than {min_class_size} samples left out, "
            f"{lost} sample(s) in all: {listing(small)}."
        )
    kept = ~names.isin(small).to_numpy()
    classes = tuple(sorted(set(names[kept])))
    if len(classes) < 2:
        raise Edge2TorchError(
            f"label: {name!r} has {len(classes)} class(es) of at least {min_class_size} samples; "
            "two are needed. Choose another label, or lower min_class_size=."
        )
    codes = pd.Index(classes).get_indexer(pd.Index(names[kept])).astype(np.int64)
    return Task("classification", name, classes, codes, kept, tuple(notes))


def _kind_of(label: pd.Series) -> tuple[Kind, str]:
    if pd.api.types.is_bool_dtype(label.dtype):
        return "classification", "is yes or no"
    if isinstance(label.dtype, pd.CategoricalDtype):
        return "classification", "is categorical"
    if not pd.api.types.is_numeric_dtype(label.dtype):
        return "classification", "is text"
    values = label.to_numpy(np.float64)
    sizes = pd.Series(values).value_counts()
    if (values == values.round()).all() and len(sizes) <= _FEW_NUMBERS and sizes.min() > 1:
        return "classification", f"has {len(sizes)} whole numbers as values"
    return "regression", "holds numbers"


def class_names(label: pd.Series) -> pd.Series:
    numeric = pd.api.types.is_numeric_dtype(label.dtype)
    if numeric and not pd.api.types.is_bool_dtype(label.dtype):
        values = label.to_numpy(np.float64)
        whole = (values == values.round()).all()
        return pd.Series([str(int(v)) if whole else str(v) for v in values], index=label.index)
    return label.astype(object).map(lambda value: str(value).strip()).astype(object)


def _regression(label: pd.Series, name: str, notes: tuple[str, ...]) -> Task:
    try:
        values = label.astype(np.float64).to_numpy()
    except (TypeError, ValueError) as error:
        raise Edge2TorchError(
            f"task='regression': {name!r} holds values that are not numbers ({error})."
        ) from error
    if not np.isfinite(values).all() or np.ptp(values) == 0:
        raise Edge2TorchError(f"label: {name!r} has infinite values, or one value only.")
    return Task("regression", name, (), values, np.ones(len(values), bool), notes)
