#!/usr/bin/env bash
# What happens: decoupler stores the p-values of its multivariate linear model under padj_mlm, as
#   for every method, but they are the plain ones: on noise 5 % of them are below .05. Those of
#   the univariate model under padj_ulm are adjusted by Benjamini-Hochberg.
# Why a good guess goes wrong: One key, one scheme, one help page per method: that of mlm just
#   leaves the last sentence out. Side by side, mlm seems to have far more power.
# Who meets it: who compares methods by the number of pathways below .05, or reports mlm's as
#   adjusted. Our own q-values are never called p, nor the other way about.
# The guess before the run: padj_ of every method is adjusted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check decoupler==2.2.0 anndata==0.12.19
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
from importlib.metadata import version
import anndata, decoupler, numpy as np, pandas as pd
from scipy.stats import t

print("decoupler", version("decoupler"))
rng = np.random.default_rng(0)
genes = [f"g{k}" for k in range(200)]
noise = pd.DataFrame(rng.standard_normal((50, 200)), index=[f"s{k}" for k in range(50)], columns=genes)
net = pd.concat([
    pd.DataFrame({"source": f"S{k}", "target": rng.choice(genes, 20, replace=False), "weight": 1.0})
    for k in range(40)
])
data = anndata.AnnData(noise)
for method in ("ulm", "mlm"):
    getattr(decoupler.mt, method)(data, net, tmin=5, verbose=False)
    p = np.asarray(data.obsm[f"padj_{method}"])
    any_found = (p < 0.05).any(axis=1).mean()
    print(f"{method}: {(p < 0.05).mean():.3f} of padj below .05; samples with any: {any_found:.2f}")
score = np.asarray(data.obsm["score_mlm"])
raw = 2 * t.sf(np.abs(score), 200 - 40 - 1)
assert np.allclose(np.asarray(data.obsm["padj_mlm"]), raw)
assert (np.asarray(data.obsm["padj_ulm"]) < 0.05).any(axis=1).mean() < 0.2
PYTHON
