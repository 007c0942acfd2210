"""q-values by Benjamini and Hochberg, beside missing p-values."""

from __future__ import annotations

import numpy as np
import pytest

from edge2torch._core.statistics import benjamini_hochberg, unit_of, varying


def test_a_missing_p_value_is_no_test() -> None:
    # 4 tests: .01 * 4 / 1, .02 * 4 / 2, .03 * 4 / 3 and .9, each at most the one behind it
    found = benjamini_hochberg(np.array([0.03, np.nan, 0.9, 0.01, 0.02]))
    np.testing.assert_allclose(found, [0.04, np.nan, 0.9, 0.04, 0.04])


def test_nothing_but_missing_ones_stays_missing() -> None:
    assert np.isnan(benjamini_hochberg(np.full((2, 2), np.nan))).all()
    assert benjamini_hochberg(np.empty(0)).shape == (0,)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1000.1, -2.7, 1e-300])
def test_what_is_alike_has_the_unit_one(value: float) -> None:
    """Where a column's mean is rounded, numpy's standard deviation of it is 1e-17, and not 0."""
    for n in range(1, 50):
        table = np.full((n, 3), value)
        table[:, 1] = np.arange(n)
        table[::2, 2] = np.nan
        found = unit_of(table)
        assert found[[0, 2]].tolist() == [1, 1]
        assert found[1] == pytest.approx(np.arange(n).std() or 1.0)


def test_a_small_variance_is_one_until_rounding_is_all_of_it() -> None:
    y = 0.1 + np.array([0.0, 1e-5])
    assert varying((y**2).mean() - y.mean() ** 2, (y**2).mean())
    y = np.full(7, 0.1)
    assert not varying((y**2).mean() - y.mean() ** 2, (y**2).mean())
