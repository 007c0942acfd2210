#!/usr/bin/env bash
# What happens: lifelines' CoxPHFitter with a ridge penalty of .1 gives a column that is .1 for all 100
#   patients a log hazard ratio of 54 (27 where it is a fifth), with p = 1, and predictions for a
#   patient with another value there move by as much. The two other coefficients are right. Where
#   the column is a half, for all patients as well, the same call ends in a ConvergenceError.
# Why a good guess goes wrong: A constant says nothing, and a penalty draws what nothing speaks for to
#   zero; or the fit fails. But columns are divided by their standard deviation first, which rounding
#   makes 1e-17 of a tenth and 0 of a half: the first is a small coefficient divided by that again. The
#   warning speaks of low variance and of harm to convergence, and the fit converges.
# Who meets it: who fits in folds, where a rare mutation, a missing-value flag or a filled column has one
#   value in a training part and another in a held-out patient: one such patient leads the ranking.
# The guess before the run: zero, or an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check lifelines==0.30.3 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import warnings
from importlib.metadata import version
import numpy as np, pandas as pd
from lifelines import CoxPHFitter
from lifelines.exceptions import ConvergenceError

warnings.simplefilter("ignore")
print("lifelines", version("lifelines"))

def fitted(value):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(100, 2)), columns=["a", "b"])
    table["constant"], table["event"] = value, 1
    table["time"] = rng.exponential(size=100) * np.exp(-table["a"])
    model = CoxPHFitter(penalizer=0.1).fit(table, "time", "event")
    return model, table, model.predict_log_partial_hazard(table)

for value in (0.1, 0.2):
    model, table, before = fitted(value)
    after = model.predict_log_partial_hazard(table.assign(constant=value + 1))
    moved = np.abs(after - before).max()
    said = model.params_.round(2).to_dict()
    print(f"constant {value}: {said}, p {model.summary.p['constant']:.2f}; one more there moves the log hazard by {moved:.0f}")
    assert moved > 5
try:
    fitted(0.5)
except ConvergenceError as error:
    print("constant 0.5: ConvergenceError,", str(error)[:30])
else:
    raise SystemExit("a half converged")
PYTHON
