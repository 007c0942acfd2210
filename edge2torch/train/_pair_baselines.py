"""What a network of pairs has to beat: means of both partners, and ridge regressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge2torch._core.messages import require
from edge2torch._core.statistics import unit_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FEWEST = 3  # pairs of a drug that can be ranked
_PENALTIES = np.logspace(-2, 4, 13)


def predict_baselines(
    index: Ints,
    y: Floats,
    tables: Sequence[Floats],
    entities: tuple[str, str],
    fit: Ints,
    held_out: Ints,
) -> dict[str, Floats]:
    """Return predictions (b,) of the pairs ``held_out``, by name.

    ``index`` (n, 2) holds rows of the two ``tables`` of features, of cells and of drugs.
    """
    level = float(y[fit].mean())
    first, second = entities
    drug = _means(y[fit] - level, index[fit, 1], len(tables[1]))
    cell = _means(y[fit] - level - drug[index[fit, 1]], index[fit, 0], len(tables[0]))
    of_drug = level + drug[index[held_out, 1]]

    def of_both(rows: Ints) -> Floats:
        return np.concatenate([t[index[rows, k]] for k, t in enumerate(tables)], axis=1)

    return {
        f"{second} mean": of_drug,
        f"{second} mean + {first} mean": of_drug + cell[index[held_out, 0]],
        f"ridge per {second}": _per_drug(index, y, tables[0], fit, held_out, of_drug),
        "ridge on both": _ridge(of_both(fit), y[fit], of_both(held_out)),
    }


def _per_drug(
    index: Ints, y: Floats, cells: Floats, fit: Ints, held_out: Ints, of_drug: Floats
) -> Floats:
    """Ridge of each drug that was seen often enough; the drug's mean for the others."""
    found = of_drug.copy()
    for k in np.unique(index[held_out, 1]):
        own, new = fit[index[fit, 1] == k], np.flatnonzero(index[held_out, 1] == k)
        if len(own) >= 2 * FEWEST:
            x, unseen = (cells[index[rows, 0]] for rows in (own, held_out[new]))
            found[new] = _ridge(x, y[own], unseen)
    return found


def _means(values: Floats, group: Ints, n: int) -> Floats:
    """Return the mean of each group, 0 for those without values."""
    count = np.bincount(group, minlength=n)
    total = np.bincount(group, weights=values, minlength=n)
    return np.asarray(total / np.maximum(count, 1), np.float64)


def _ridge(x: Floats, y: Floats, new: Floats) -> Floats:
    """Return ridge predictions; the penalty has the least error of samples left out one by one."""
    linear: Any = require("sklearn.linear_model", extra="train")
    mean, scale = x.mean(0), unit_of(x)
    model = linear.RidgeCV(_PENALTIES).fit((x - mean) / scale, y)
    return np.asarray(model.predict((new - mean) / scale), np.float64)
