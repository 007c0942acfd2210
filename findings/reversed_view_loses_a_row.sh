#!/usr/bin/env bash
# What happens: anndata 0.13 gives a reversed view of a sparse matrix on disk, data[::-1].X, without
#   the row that stood first; data[:, ::-1].X lacks the first column. The view's shape and its names
#   still count all of them. Every second row backwards, and the same rows by name, come whole.
# Why a good guess goes wrong: the earlier release ended in an error at this place, so an upgrade
#   turns an error into numbers that are one row short, and names no longer stand beside their rows.
# Who meets it: who reads a large matrix of cells in another order without loading it. Our readers
#   compare the shapes and refuse.
# The guess before the run: rows only (columns too), every reversed step (only that of -1).
set -euo pipefail
python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then
  echo "anndata 0.13 needs Python 3.12: PYTHON=python3.12 bash $0"
  exit 1
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check anndata==0.13.4
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import anndata, numpy as np, pandas as pd
from scipy.sparse import csr_matrix

print("anndata", anndata.__version__)
matrix = np.arange(1.0, 13.0).reshape(4, 3)
whole = anndata.AnnData(csr_matrix(matrix), pd.DataFrame(index=list("abcd")), pd.DataFrame(index=list("xyz")))
whole.write_h5ad("cells.h5ad")
disk = anndata.read_h5ad("cells.h5ad", backed="r")
views = {
    "[::-1]": (disk[::-1], matrix[::-1]),
    "[:, ::-1]": (disk[:, ::-1], matrix[:, ::-1]),
    "[::-2]": (disk[::-2], matrix[::-2]),
    "[list('dcba')]": (disk[list("dcba")], matrix[::-1]),
}
is_whole = {}
for name, (view, right) in views.items():
    found = view.X.toarray()
    is_whole[name] = found.shape == right.shape and bool((found == right).all())
    print(f"{name:15} view of {view.shape}, matrix of {found.shape}")
assert is_whole == {"[::-1]": False, "[:, ::-1]": False, "[::-2]": True, "[list('dcba')]": True}
PYTHON
