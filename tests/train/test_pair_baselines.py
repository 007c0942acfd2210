"""What networks of pairs are held against has to be right where features are rare."""

from __future__ import annotations

import numpy as np
import pytest

from edge2torch.train._pair_baselines import predict_baselines


@pytest.mark.parametrize("n", [7, 16, 37, 41])
def test_a_feature_that_no_cell_to_fit_has_moves_no_prediction(n: int) -> None:
    """As of a mutation, scaled, in none of the cells that a drug was tried on: it was divided by 1e-17."""
    rng = np.random.default_rng(n)
    cells = rng.normal(size=(n + 1, 4))
    cells[:, 1] = -0.3  # a zero, scaled
    with_mutation = cells.copy()
    with_mutation[n, 1] = 3.1
    drugs = rng.normal(size=(1, 2))
    index = np.stack([np.arange(n + 1), np.zeros(n + 1, np.int64)], axis=1)
    y = cells[:, 0] + rng.normal(size=n + 1) * 0.3
    fit, held_out = np.arange(n), np.array([n])
    one, other = (
        predict_baselines(index, y, (table, drugs), ("cell", "drug"), fit, held_out)
        for table in (cells, with_mutation)
    )
    for name, predicted in one.items():
        np.testing.assert_allclose(predicted, other[name], atol=1e-9, err_msg=name)
