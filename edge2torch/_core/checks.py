"""One vocabulary for checking arguments: the name first, then the value; what passes is returned.

NumPy's scalars count as their Python kin, and a bool is never a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError

_MOST_SHOWN = 40  # choices: more than any argument has
_WIDTH = 80  # of a value that is written out
_SEEDS = 2**64  # as many as torch's generators tell apart


def shown(value: object) -> str:
    """Return a value as it is written, or its type where that would fill the screen."""
    text = repr(value)
    return text if len(text) <= _WIDTH and "\n" not in text else f"a {type(value).__name__}"


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_choice(argument: str, value: Any, choices: Iterable[str]) -> str:
    known = list(choices)
    # a string first: an array compares with each choice element by element
    if isinstance(value, str) and value in known:
        return value
    hint = nearest(value, known) if isinstance(value, str) else ""
    raise Edge2TorchError(
        f"{argument} must be one of {listing(known, _MOST_SHOWN)}, found {shown(value)}.{hint}"
    )


def check_flag(argument: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise Edge2TorchError(f"{argument} must be True or False, found {shown(value)}.")
    return bool(value)


def check_count(argument: str, value: Any, least: int = 1) -> int:
    if not is_whole(value) or value < least:
        raise Edge2TorchError(
            f"{argument} must be a whole number >= {least}, found {shown(value)}."
        )
    return int(value)


def check_number(
    argument: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    kind: str = "a number",
) -> float:
    """Return a finite number within its bounds: ``least`` and ``most`` belong to the range."""
    inside = (
        is_number(value)
        and math.isfinite(value)
        and (least is None or value >= least)
        and (above is None or value > above)
        and (most is None or value <= most)
        and (below is None or value < below)
    )
    if not inside:
        words = kind + _range_words(least, above, most, below)
        raise Edge2TorchError(f"{argument} must be {words}, found {shown(value)}.")
    return float(value)


def _range_words(
    least: float | None, above: float | None, most: float | None, below: float | None
) -> str:
    low, high = least if above is None else above, most if below is None else below
    if low is None and high is None:
        return " that is finite"
    if low is None:
        return f" {'<=' if below is None else '<'} {high:g}"
    if high is None:
        return f" {'>=' if above is None else '>'} {low:g}"
    return f" in {'[' if above is None else '('}{low:g}, {high:g}{']' if below is None else ')'}"


def check_probability(argument: str, value: Any) -> float:
    """Return a probability of leaving something out: below 1, or nothing would be left."""
    return check_number(argument, value, least=0, below=1, kind="a probability")


def check_seed(argument: str, value: Any) -> int:
    if not is_whole(value) or not 0 <= value < _SEEDS:
        raise Edge2TorchError(
            f"{argument} must be a whole number >= 0 and < 2**64, found {shown(value)}."
        )
    return int(value)


def check_type(argument: str, value: Any, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Refuse what is of another type; ``wanted`` says in words what belongs there."""
    if not isinstance(value, kinds):
        raise Edge2TorchError(f"{argument} must be {wanted}, found {type(value).__name__}.")


def row_numbers(rows: Any, n: int, argument: str = "rows") -> NDArray[np.int64]:
    """Return numbers of some of n rows."""
    found = np.asarray(rows)
    if found.ndim != 1 or found.dtype.kind not in "iu" or not len(found):
        raise Edge2TorchError(
            f"{argument} must be numbers of rows, one or more, found {shown(rows)}."
        )
    if found.min() < -n or found.max() >= n:
        raise Edge2TorchError(
            f"{argument} must be from 0 to {n - 1}, as there are {n} samples, found {found.max()}."
        )
    return found.astype(np.int64)


def check_numbers(argument: str, values: Any) -> NDArray[Any]:
    """Return an array of numbers; text, lists of unequal length and what else is none are refused."""
    try:
        found = np.asarray(values)
    except (TypeError, ValueError):
        found = np.array(None)
    if found.dtype.kind not in "biuf":
        raise Edge2TorchError(
            f"{argument} must be an array of numbers, found {type(values).__name__} of {found.dtype}."
        )
    return found
