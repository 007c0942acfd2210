#!/usr/bin/env bash
# What happens: decoupler's over-representation calls every random set of a matrix of 200 genes
#   enriched in every sample of pure noise: the background is 20,000 genes unless n_bg says
#   otherwise, whatever the matrix holds.
# Why a good guess goes wrong: The help speaks of features, significant or not, in a table of two
#   by two; the matrix has 200 of them. With a fixed background the 19,800 genes that nobody
#   measured all count as not significant and outside the set.
# Who meets it: who scores a panel (a proteomics plate, a spatial panel of a few hundred genes)
#   instead of a transcriptome. n_bg has to be the number of columns.
# The guess before the run: 5 % of the sets at most.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check decoupler==2.2.0 numpy==2.4.6 pandas==3.1.1
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
from importlib.metadata import version
import decoupler, numpy as np, pandas as pd

print("decoupler", version("decoupler"))
rng = np.random.default_rng(0)
genes = [f"g{k}" for k in range(200)]
noise = pd.DataFrame(rng.standard_normal((30, 200)), index=[f"s{k}" for k in range(30)], columns=genes)
net = pd.concat([
    pd.DataFrame({"source": f"S{k}", "target": rng.choice(genes, 20, replace=False)}) for k in range(40)
])
share = {}
for words, options in (("as it comes", {}), ("n_bg = 200", {"n_bg": 200})):
    _, p = decoupler.mt.ora(noise, net, tmin=5, verbose=False, **options)
    share[words] = float((p < 0.05).mean().mean())
    print(f"{words}: {share[words]:.3f} of adjusted p below .05")
assert share["as it comes"] > 0.5 and share["n_bg = 200"] < 0.05
PYTHON
