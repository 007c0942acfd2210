"""Logarithms of counts, told from counts and turned back into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from scipy import sparse

from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._counts import Counts

Scale = Literal["counts", "log2", "log1p"]
_INVERSE: dict[str, Callable[[Any], Any]] = {"log2": np.exp2, "log1p": np.exp}
_MOST = 30.0  # a log2 of a billion; counts of any depth have larger ones
_FRACTIONS = 0.5


def check_scale(scale: str | None) -> None:
    """Refuse an unknown scale."""
    if scale not in (None, "counts", *_INVERSE):
        raise Edge2TorchError(
            f"scale={scale!r} (--scale): use 'counts', 'log2' (log2(x + 1)) or 'log1p' (natural)."
        )


def as_scale(matrix: Counts, scale: str | None, name: str, problems: list[str]) -> Counts:
    """Counts out of logarithms where the user says that they are; a problem where they look so."""
    values = matrix.values.data if sparse.issparse(matrix.values) else matrix.values
    if scale is None and _looks_like_logs(values):
        problems.append(
            f"{name} look like logarithms, or like shares, not like counts: most are no whole numbers "
            f"and none is over {_MOST:g} (the largest is {np.nanmax(values):.3g}). Give raw or estimated "
            "counts, or say what they are: scale='log2' (--scale log2; log2(x + 1)) or 'log1p' "
            "(natural) turns them back, 'counts' takes them as they are"
        )
    if scale not in _INVERSE or not values.size:
        return matrix
    return replace(matrix, values=_turned_back(matrix.values, _INVERSE[str(scale)]))


def _looks_like_logs(values: Any) -> bool:
    known = values[np.isfinite(values) & (values != 0)]
    if not known.size or known.max() > _MOST:
        return False
    return float(np.mean(known != np.round(known))) > _FRACTIONS


def _turned_back(values: Any, inverse: Callable[[Any], Any]) -> Any:
    """``2 ** x - 1``, or ``2 ** x`` where values below 0 say that nothing was added to the counts."""
    if sparse.issparse(values) and values.data.min() >= 0:
        turned = values.copy()
        turned.data = inverse(turned.data.astype(np.float64)) - 1
        return turned
    dense = np.asarray(values.toarray() if sparse.issparse(values) else values, np.float64)
    return inverse(dense) - float(np.nanmin(dense) >= 0)
