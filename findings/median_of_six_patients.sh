#!/usr/bin/env bash
# What happens: six patients die after 1, 2, 3, 30, 31 and 32 months, and lifelines says that the median
#   survival is 30 months; with five months between the third and the fourth it would be three. Half of
#   them are alive after the third death, but the product of rounded factors is .5000000000000001, which
#   is not <= .5. So it is for 8, 14, 18, 20, ... patients (23 of the 99 even numbers below 200), and for
#   one in twenty-two small groups with censoring. scikit-survival gives curves alone; read by the same
#   rule they miss at 24, 28, 30, ... patients (49 of 99).
# Why a good guess goes wrong: the first time with S <= .5 is the textbook's median, and it is asked of
#   numbers that are exact on paper. The other sizes come out below .5, also by rounding, and are right.
# Who meets it: who reports the median survival of a small arm or subgroup, or of groups by predicted
#   risk, which are even by construction: it jumps to the next death, however far away that is.
# The guess before the run: 3 months.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 pandas==2.3.3 scipy==1.17.1 scikit-learn==1.9.1 scikit-survival==0.28.0 lifelines==0.30.3
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
from fractions import Fraction
from importlib.metadata import version
import numpy as np
from lifelines import KaplanMeierFitter
from sksurv.nonparametric import kaplan_meier_estimator

print("lifelines", version("lifelines"), "scikit-survival", version("scikit-survival"))


def exact(time, event):
    left = Fraction(1)
    for at in np.unique(time[event]):
        left *= 1 - Fraction(int((event & (time == at)).sum()), int((time >= at).sum()))
        if left <= Fraction(1, 2):
            return at
    return np.inf


def by_sksurv(time, event):
    when, left = kaplan_meier_estimator(event, time)
    return when[left <= 0.5][0] if (left <= 0.5).any() else np.inf


def by_lifelines(time, event):
    return KaplanMeierFitter().fit(time, event).median_survival_time_


months = np.array([1, 2, 3, 30, 31, 32.0])
curve = KaplanMeierFitter().fit(months, np.ones(6)).survival_function_.loc[3.0].item()
median = by_lifelines(months, np.ones(6, bool))
print(f"six patients: S(3) = {curve!r}, median {median}, exact {exact(months, np.ones(6, bool))}")
assert curve > 0.5 and median == 30 and exact(months, np.ones(6, bool)) == 3

for who, found, wrong in (("lifelines", by_lifelines, 23), ("scikit-survival", by_sksurv, 49)):
    sizes = [n for n in range(2, 200, 2) if found(np.arange(1.0, n + 1), np.ones(n, bool)) != n / 2]
    print(f"{who}: the next death is taken for {len(sizes)} of 99 sizes, {sizes[:8]}, ...")
    assert len(sizes) == wrong

rng, missed = np.random.default_rng(0), 0
for _ in range(1000):  # five to sixty patients, a fifth of them censored
    n = int(rng.integers(5, 60))
    time, event = rng.permutation(n) + 1.0, rng.random(n) < 0.8
    missed += by_lifelines(time, event) != exact(time, event)
print(f"lifelines: {missed} of 1,000 small groups with censoring")
assert missed > 10
PYTHON
