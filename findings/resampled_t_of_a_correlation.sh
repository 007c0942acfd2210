#!/usr/bin/env bash
# What happens: baycomp's test for repeated cross-validation (the correlated t-test, whose correction is
#   that of Nadeau and Bengio) calls two models different that are alike. Where nothing can be learned,
#   ten repeats of five folds have correlations "different" at .05 in 12 % of data sets, and squared
#   errors in 0.3 %. The same predictions, judged by two scores.
# Why a good guess goes wrong: The correction is known for holding the level, where the plain t of
#   repeated folds is wrong by far. It assumes that scores of two folds correlate by the share of samples
#   that a fold holds out (.2 here), whatever the score. For differences of correlations it is .4: what a
#   model has found in noise stays with it from fold to fold, and a correlation is blind to its size. For
#   squared errors it is .1.
# Who meets it: who compares networks, or a network with its shuffled controls, by the correlation of
#   predicted and measured expression, drug response or age over repeated folds.
# The guess before the run: 5 % +- 1.5, for both scores.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1 baycomp==1.0.3
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
from importlib.metadata import version
import numpy as np
from baycomp import two_on_single

print("baycomp", version("baycomp"))
n_data, n, p, repeats, folds = 1500, 100, 5, 10, 5
rng = np.random.default_rng(0)
x, y = rng.normal(size=(n_data, n, 2 * p)), rng.normal(size=(n_data, n))  # two models: a half of the columns each
scores = {"correlation": ([], []), "squared error": ([], [])}
for _ in range(repeats):
    for test in np.array_split(rng.permutation(n), folds):
        train = np.setdiff1d(np.arange(n), test)
        middle = y[:, train].mean(1, keepdims=True)
        for model in (0, 1):
            part = x[:, :, model * p : (model + 1) * p]
            a = part[:, train]
            at = a.transpose(0, 2, 1)
            w = np.linalg.solve(at @ a + np.eye(p), at @ (y[:, train] - middle)[:, :, None])
            found, true = (part[:, test] @ w)[..., 0] + middle, y[:, test]
            f, t = found - found.mean(1, keepdims=True), true - true.mean(1, keepdims=True)
            scores["correlation"][model].append((f * t).sum(1) / np.sqrt((f**2).sum(1) * (t**2).sum(1)))
            scores["squared error"][model].append(-((found - true) ** 2).mean(1))

rate = {}
for name, both in scores.items():
    one, other = (np.array(part).T for part in both)
    sides = np.array([min(two_on_single(a, b, rope=0, runs=repeats)) for a, b in zip(one, other)])
    d, k = one - other, repeats * folds
    share = (d.mean(1).var() / d.var(1, ddof=1).mean() - 1 / k) / (1 - 1 / k)
    rate[name] = (sides < 0.025).mean()
    print(f"{name:13}: called different in {100 * rate[name]:4.1f} % of {n_data} data sets without a difference; folds correlate by {share:.2f} ({1 / folds:.2f} assumed)")
assert rate["correlation"] > 0.09
assert rate["squared error"] < 0.02
PYTHON
