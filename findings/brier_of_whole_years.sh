#!/usr/bin/env bash
# What happens: the Brier score of scikit-survival divides the error of a patient who died by the chance
#   to be uncensored *after* that time (so does that of torchsurv 0.2.0, with the same numbers). Where deaths and censorings share their times
#   (whole years, visits) that is too small a number. Whoever says one half of everybody scores .308, and
#   not .25; probabilities .05 too low score better than the true ones. The same patients, censored on a
#   day of that year, get .25, and the true ones are best.
# Why a good guess goes wrong: the formula in the manuals, G(y), is the one of the paper, where times are
#   continuous and G(y) is G just before y. The curve of the censoring itself is estimated with deaths
#   before censorings, so ties look as if they were thought of.
# Who meets it: who judges survival in years, months of follow-up or visits, and compares with the .25 of
#   knowing nothing, or chooses a model by the score: it favours those that predict too many deaths.
# The guess before the run: ties are weighed by G just before; a half scores .25, and the truth is best.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 pandas==2.3.3 scipy==1.17.1 scikit-learn==1.9.1 scikit-survival==0.28.0
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
from importlib.metadata import version
import numpy as np
from sksurv.metrics import brier_score
from sksurv.util import Surv

print("scikit-survival", version("scikit-survival"))
rng = np.random.default_rng(0)
hazard = np.where(np.arange(20_000) % 2, 0.3, 0.1)
death, leaving = rng.geometric(hazard), rng.geometric(0.3, 20_000)
alive = death > 4  # what is predicted, as it would be known without censoring
true = (1 - hazard) ** 4
shifts = np.round(np.arange(-0.1, 0.11, 0.05), 2)
said = {**{f"true {shift:+.2f}": np.clip(true + shift, 0, 1) for shift in shifts}, "one half": np.full(20_000, 0.5)}


def by_sksurv(time, event, said):
    y = Surv.from_arrays(event, time)
    return brier_score(y, y, said[:, None], [4.0])[1][0]


def by_the_time_before(time, event, said):
    def uncensored(at, *, before):  # G, with deaths before censorings
        found = 1.0
        for year in np.unique(time[~event]):
            if year < at or (year == at and not before):
                now = time == year
                found *= 1 - (now & ~event).sum() / ((time >= year).sum() - (now & event).sum())
        return found

    gone = event & (time <= 4)
    g = {at: uncensored(at, before=True) for at in np.unique(time[gone])}
    weight = np.array([1 / g[at] for at in time[gone]])
    left = (1 - said[time > 4]) ** 2 / uncensored(4.0, before=False)
    return ((weight * said[gone] ** 2).sum() + left.sum()) / len(time)


found = {}
for unit in ("whole years", "days"):
    censored = leaving + (0 if unit == "whole years" else rng.uniform(0.001, 0.999, 20_000))
    time, event = np.minimum(death, censored).astype(np.float64), death <= censored
    rows = {"scikit-survival": by_sksurv}
    if unit == "whole years":
        rows["by G just before"] = by_the_time_before
    for who, score in rows.items():
        own = found[unit, who] = {what: score(time, event, one) for what, one in said.items()}
        print(f"{unit:12} {who:17}", *(f"{what}: {value:.4f}" for what, value in own.items()))
print(f"{'':12} {'without censoring':17}", *(f"{what}: {np.mean((one - alive) ** 2):.4f}" for what, one in said.items()))

for (unit, who), own in found.items():
    wrong = unit == "whole years" and who != "by G just before"
    assert (abs(own["one half"] - 0.25) > 0.05) == wrong
    assert min(own, key=own.get) == ("true -0.05" if wrong else "true +0.00")
PYTHON
