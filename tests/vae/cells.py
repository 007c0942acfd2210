"""Ninety cells of three types, each with the genes of one pathway up."""

from __future__ import annotations

import numpy as np
import pandas as pd

SETS = pd.DataFrame(
    [(f"P{k}", f"g{gene}") for k in range(3) for gene in range(4 * k, 4 * k + 4)],
    columns=["source", "target"],
)
TYPES = np.repeat(["a", "b", "c"], 30).tolist()


def three_types() -> pd.DataFrame:
    """Counts; g12 and g13 are in no pathway."""
    rng = np.random.default_rng(0)
    types = np.repeat(range(3), 30)
    rate = np.full((90, 14), 2.0)
    for k in range(3):
        rate[np.ix_(types == k, range(4 * k, 4 * k + 4))] = 12
    cells = [f"cell{k}" for k in range(90)]
    return pd.DataFrame(rng.poisson(rate), index=cells, columns=[f"g{k}" for k in range(14)])
