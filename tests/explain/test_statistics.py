"""Against scipy, column by column, with values missing."""

import numpy as np
import pytest
from scipy import stats

from edge2torch.explain._statistics import compare, correlate


@pytest.fixture(name="data")
def _data():
    rng = np.random.default_rng(0)
    y = rng.normal(size=40)
    x = rng.normal(size=(40, 30)) + np.linspace(0, 3, 30) * y[:, None] + 1e3
    x[rng.random(x.shape) < 0.2] = np.nan
    y[[3, 7]] = np.nan
    x[:, 5] = 2.0
    x[2:, 6] = np.nan
    x[:, 7] = np.nan
    x[:, 8] = y
    return x, y


def test_pearson_equals_scipys(data):
    x, y = data
    found = correlate(x, y)
    for k in range(x.shape[1]):
        both = ~np.isnan(x[:, k]) & ~np.isnan(y)
        assert found.n[k] == both.sum()
        if k in {5, 6, 7}:
            assert np.isnan([found.r[k], found.pvalue[k]]).all()
            continue
        r, pvalue = stats.pearsonr(x[both, k], y[both])
        assert found.r[k] == pytest.approx(r, abs=1e-12)
        assert found.pvalue[k] == pytest.approx(pvalue, rel=1e-9, abs=1e-12)


def test_welch_equals_scipys(data):
    high, low = data[0][:25], data[0][25:]
    found = compare(high, low)
    for k in range(high.shape[1]):
        if k in {5, 6, 7}:
            assert np.isnan([found.tstat[k], found.pvalue[k]]).all()
            continue
        expected = stats.ttest_ind(high[:, k], low[:, k], equal_var=False, nan_policy="omit")
        assert found.tstat[k] == pytest.approx(expected.statistic, abs=1e-12, rel=1e-12)
        assert found.pvalue[k] == pytest.approx(expected.pvalue, abs=1e-12)
        assert found.delta[k] == pytest.approx(np.nanmean(high[:, k]) - np.nanmean(low[:, k]))
        assert found.delta[k] / found.se[k] == pytest.approx(found.tstat[k])
    assert found.n_high[7] == 0
    assert np.isnan(found.mean_high[7])
