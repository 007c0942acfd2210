#!/usr/bin/env bash
# What happens: scikit-survival's concordance_index_censored takes risks that differ by less than
#   1e-8 for tied. The same ranking has C .72 as it is, .66 times 1e-8, and .5 times 1e-9. lifelines
#   gives .72 for all.
# Why a good guess goes wrong: C depends on the order of the risks alone, and any increasing function
#   of them may be handed over. The tolerance (tied_tol) is in the same units as the risks, so that
#   this holds only of risks that are not small.
# Who meets it: who ranks patients by a probability of death before an early time, by a hazard per day
#   or hour, or by exp of a large negative sum: a model that ranks well comes out as chance, or as a
#   little worse than it is.
# The guess before the run: it depends on ranks alone; times 1e-9 gives the same C.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 pandas==2.3.3 scipy==1.17.1 scikit-learn==1.9.1 scikit-survival==0.28.0 lifelines==0.30.3
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
from importlib.metadata import version
import numpy as np
from lifelines.utils import concordance_index
from sksurv.metrics import concordance_index_censored

print("scikit-survival", version("scikit-survival"), "lifelines", version("lifelines"))
rng = np.random.default_rng(0)
risk = rng.normal(size=300)
time, event = rng.exponential(np.exp(-risk)), rng.random(300) < 0.7

found = {}
for factor in (1.0, 1e-6, 1e-8, 1e-9):
    one = concordance_index_censored(event, time, risk * factor)[0]
    other = concordance_index(time, -risk * factor, event)
    exact = concordance_index_censored(event, time, risk * factor, tied_tol=0.0)[0]
    found[factor] = one, other
    print(f"risks times {factor:5.0e}: scikit-survival {one:.4f}, with tied_tol=0 {exact:.4f}, lifelines {other:.4f}")
    assert abs(exact - other) < 1e-12
    assert other == found[1.0][1]
assert abs(found[1.0][0] - found[1.0][1]) < 1e-12
assert found[1e-8][0] < found[1.0][0] - 0.01
assert found[1e-9][0] == 0.5
PYTHON
