#!/usr/bin/env bash
# What happens: from pandas 3 on, columns picked by a list of names that happens to be their order
#   backwards come as a view of the table, and to_numpy() gives an array of negative strides, which no
#   function of torch takes. Any other order comes as a copy or as a view that torch takes.
#   frame.reindex(columns=names), which makes a new table by its name, does the same.
# Why a good guess goes wrong: a list picks a copy in NumPy, and did in pandas 2; whether a line of code
#   runs now depends on the order in which the file has its columns.
# Who meets it: whoever brings a table's columns into a model's order, torch.tensor(frame[names].to_numpy()):
#   with two features in half of all tables, and where names are sorted the other way round. to_numpy(copy=True)
#   helps, and leaves no array that may not be written to.
# The guess before the run: all orders are copies, as in pandas 2.3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 pandas==3.1.1
"$folder/env/bin/python" - <<'PYTHON'
import pandas as pd, torch

print("pandas", pd.__version__, "torch", torch.__version__)
frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [5.0, 6.0]})
picks = {
    "[['a', 'c']]": frame[["a", "c"]],
    "[['b', 'c', 'a']]": frame[["b", "c", "a"]],
    "[['b', 'a']]": frame[["b", "a"]],
    "[['c', 'b', 'a']]": frame[["c", "b", "a"]],
    ".reindex(columns=['c', 'b', 'a'])": frame.reindex(columns=["c", "b", "a"]),
}
taken = {}
for name, picked in picks.items():
    values = picked.to_numpy()
    try:
        taken[name] = torch.tensor(values).shape == values.shape
    except ValueError:
        taken[name] = False
    print(f"{name:35} strides {str(values.strides):9} taken by torch: {taken[name]}")
    assert torch.tensor(picked.to_numpy(copy=True)).tolist() == picked.values.tolist()
assert list(taken.values()) == [True, True, False, False, False]
PYTHON
