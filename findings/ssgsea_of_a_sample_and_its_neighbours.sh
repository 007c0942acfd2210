#!/usr/bin/env bash
# What happens: The NES of a sample that gseapy.ssgsea returns depends on the other samples of the
#   call: with one other column in the matrix the same sample's score falls to a fourth.
# Why a good guess goes wrong: Single-sample enrichment is chosen because each sample stands
#   alone, and normalised (the N) is read as: against permutations. Here it is the enrichment
#   score over the range of all scores of all samples and sets, so one outlying sample shrinks
#   everyone.
# Who meets it: who scores a test set apart from its training set, adds a patient later, or takes
#   such scores as features of a model: train and test are on two scales.
# The guess before the run: a sample's NES does not depend on the others.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check gseapy==1.3.1
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
from importlib.metadata import version
import gseapy, numpy as np, pandas as pd

print("gseapy", version("gseapy"))
rng = np.random.default_rng(0)
genes = [f"g{k}" for k in range(100)]
data = pd.DataFrame(rng.standard_normal((100, 4)), index=genes, columns=list("abcd"))
sets = {"A": genes[:20], "B": genes[30:50]}

def scores(table, column):
    result = gseapy.ssgsea(data=table, gene_sets=sets, outdir=None, min_size=5, threads=1, verbose=False,
                           sample_norm_method="rank").res2d
    return result.pivot(index="Name", columns="Term", values=column).astype(float)

other = data.copy()
other["d"] = 0.0
other.loc[genes[:20], "d"] = 10.0 + np.arange(20)
before, after = scores(data, "NES").loc["b", "A"], scores(other, "NES").loc["b", "A"]
print(f"sample b, set A: NES {before:.3f}, and {after:.3f} beside another sample d")
assert abs(after) < 0.5 * abs(before)
assert np.allclose(scores(data, "ES").loc["b"], scores(other, "ES").loc["b"])
PYTHON
