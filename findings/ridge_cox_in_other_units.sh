#!/usr/bin/env bash
# What happens: With the same penalty lifelines' CoxPHFitter gives a covariate the same effect whether
#   it is in metres or in millimetres: it standardises columns before it penalises, and turns the
#   coefficients back. scikit-survival penalises the columns as they stand: a unit that makes the
#   numbers a thousand times smaller makes the effect vanish. And lifelines divides the likelihood by
#   the number of patients: its penalty p is about alpha = n * p there, if columns are standardised.
# Why a good guess goes wrong: Both are called a ridge penalty of Cox's model, and without one both
#   give the same coefficients. Nothing in the call of the first says that it standardises; the
#   coefficients it returns are those of the columns as given.
# Who meets it: who takes a penalty chosen with one of them to the other, or compares a network with a
#   penalised Cox model: the same number is another strength, by a factor of n and by the units.
# The guess before the run: both penalise the columns as given; equal coefficients for alpha = n * p.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 pandas==2.3.3 scipy==1.17.1 scikit-learn==1.9.1 scikit-survival==0.28.0 lifelines==0.30.3
cd "$folder"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version
import numpy as np, pandas as pd
from lifelines import CoxPHFitter
from sksurv.linear_model import CoxPHSurvivalAnalysis

print("lifelines", version("lifelines"), "scikit-survival", version("scikit-survival"))
rng = np.random.default_rng(0)
n = 300
x = rng.normal(size=(n, 2))
x = (x - x.mean(0)) / x.std(0)
time, event = rng.exponential(np.exp(-0.8 * x.sum(1))), rng.random(n) < 0.7
y = np.array(list(zip(event, time)), dtype=[("event", bool), ("time", float)])

def lifelines(x, penalty):
    table = pd.DataFrame(x, columns=["a", "b"]).assign(time=time, event=event)
    return CoxPHFitter(penalizer=penalty, l1_ratio=0).fit(table, "time", "event").params_.to_numpy()

def sksurv(x, alpha):
    return CoxPHSurvivalAnalysis(alpha=alpha, ties="efron").fit(x, y).coef_

found = {}
for penalty in (0.0, 0.1):
    for unit in (1.0, 1e-3):  # column a in another unit; its effect is told in the first one
        units = np.array([unit, 1.0])
        for name, fit, given in (("lifelines", lifelines, penalty), ("scikit-survival", sksurv, n * penalty)):
            found[name, penalty, unit] = fit(x * units, given) * units
            print(f"{name:15} penalty {given:4.1f}, column a times {unit:5.0e}: effects {found[name, penalty, unit].round(4)}")
for name in ("lifelines", "scikit-survival"):  # without a penalty all four agree
    for unit in (1.0, 1e-3):
        assert np.allclose(found[name, 0.0, unit], found["lifelines", 0.0, 1.0], atol=1e-3)
assert np.allclose(found["lifelines", 0.1, 1e-3], found["lifelines", 0.1, 1.0], atol=1e-6)
assert np.allclose(found["lifelines", 0.1, 1.0], found["scikit-survival", 0.1, 1.0], rtol=0.02)
assert found["scikit-survival", 0.1, 1e-3][0] < 1e-4 * found["scikit-survival", 0.1, 1.0][0]
PYTHON
