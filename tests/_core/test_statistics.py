"""q-values by Benjamini and Hochberg, beside missing p-values."""

from __future__ import annotations

import numpy as np

from edge2torch._core.statistics import benjamini_hochberg


def test_a_missing_p_value_is_no_test() -> None:
    # 4 tests: .01 * 4 / 1, .02 * 4 / 2, .03 * 4 / 3 and .9, each at most the one behind it
    found = benjamini_hochberg(np.array([0.03, np.nan, 0.9, 0.01, 0.02]))
    np.testing.assert_allclose(found, [0.04, np.nan, 0.9, 0.04, 0.04])


def test_nothing_but_missing_ones_stays_missing() -> None:
    assert np.isnan(benjamini_hochberg(np.full((2, 2), np.nan))).all()
    assert benjamini_hochberg(np.empty(0)).shape == (0,)
