#!/usr/bin/env bash
# What happens: decoupler's AUCell gives a cell that expresses nothing of a set a score above zero
#   if the set's genes stand first among the columns, and zero if the same columns are in the
#   reverse order.
# Why a good guess goes wrong: AUCell goes by ranks, and the rank of a gene should not depend on
#   where its column is. Most values of single cells are zero, so most ranks are ties; they are
#   broken by the order of the columns, and the zeros that come first fill the top of the ranking.
# Who meets it: who reads pathway activities of sparse cells: sets of genes that come early (by
#   chromosome, by name, by how variable they are) score higher. Shuffling columns shows how much
#   of a score it is.
# The guess before the run: the order of the columns does not matter.
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
genes = [f"g{k}" for k in range(400)]
cells = pd.DataFrame((rng.random((6, 400)) < 0.02) * rng.random((6, 400)), index=list("abcdef"), columns=genes)
cells.loc["a"] = 0.0
cells.loc["a", "g399"] = 1.0  # nothing of either set
net = pd.DataFrame({"source": ["early"] * 20 + ["late"] * 20, "target": genes[:20] + genes[370:390], "weight": 1.0})

def scores(table):
    found = decoupler.mt.aucell(table, net, tmin=5, empty=False, verbose=False)
    return (found[0] if isinstance(found, tuple) else found).loc["a"]

as_given, turned = scores(cells), scores(cells[genes[::-1]])
print(pd.DataFrame({"columns as given": as_given, "columns reversed": turned}).round(3))
assert as_given["early"] > 0.05 and turned["early"] == 0
PYTHON
