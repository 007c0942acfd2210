"""Values by patient are put into the order of the outcome's names; other names are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import control_inputs
from edge2torch.survival import (
    Outcome,
    auc_at,
    baseline_hazard,
    brier_at,
    compare_concordance,
    cox_regression,
    harrell_c,
    logrank,
    uno_c,
)

RNG = np.random.default_rng(0)
NAMES = [f"p{k}" for k in range(30)]
RISK = pd.Series(RNG.normal(size=30), NAMES)
TIME = pd.Series(np.exp(-RISK + 0.3 * RNG.normal(size=30)), NAMES)
EVENT = pd.Series(RNG.random(30) < 0.7, NAMES)
AT = float(TIME.median())
TABLE = pd.DataFrame({AT: 1 / (1 + np.exp(RISK))})
GROUP = pd.Series(np.where(RISK > 0, "high", "low"), NAMES)

MEASURES = {
    "harrell_c": (RISK, lambda x: harrell_c(TIME, EVENT, x)),
    "uno_c": (RISK, lambda x: uno_c(TIME, EVENT, x)),
    "auc_at": (RISK, lambda x: auc_at(TIME, EVENT, x, AT).tolist()),
    "brier_at": (TABLE, lambda x: brier_at(TIME, EVENT, x).tolist()),
    "logrank": (GROUP, lambda x: logrank(x, TIME, EVENT).pvalue),
    "event": (EVENT, lambda x: harrell_c(TIME, x, RISK)),
    "baseline": (
        RISK,
        lambda x: baseline_hazard(x, Outcome(TIME, EVENT)).log_cumulative[""].tolist(),
    ),
    "concordance": (
        RISK,
        lambda x: compare_concordance(Outcome(TIME, EVENT), {"m": x}, draws=9)["c"].tolist(),
    ),
    "cox": (
        TABLE,
        lambda x: cox_regression(x, Outcome(TIME, EVENT), penalty=1.0).coefficients.tolist(),
    ),
}


@pytest.mark.parametrize("name", MEASURES)
def test_patients_are_known_by_name(name):
    values, measure = MEASURES[name]
    right = measure(values)
    shuffled = values.iloc[RNG.permutation(30)]
    assert measure(shuffled) == pytest.approx(right)
    assert measure(values.reset_index(drop=True)) == pytest.approx(right)
    with pytest.raises(Edge2TorchError, match=r"has no value for 1 sample\(s\) .*'p7'"):
        measure(values.rename({"p7": "p007"}))


def test_labels_of_simulated_inputs_are_known_by_name():
    data = pd.DataFrame(RNG.normal(size=(30, 4)), NAMES)
    right = control_inputs(data, GROUP, seed=1)
    pd.testing.assert_frame_equal(control_inputs(data, GROUP[::-1], seed=1), right)
    with pytest.raises(Edge2TorchError, match="labels has no value for 1 sample"):
        control_inputs(data, GROUP.rename({"p7": "p007"}))
