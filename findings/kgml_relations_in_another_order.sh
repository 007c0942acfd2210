#!/usr/bin/env bash
# What happens: Biopython's KGML parser gives the relations of a file in an order that is neither
#   the file's nor the same in every process.
# Why a good guess goes wrong: An XML parser goes through a file from top to bottom, and relations
#   is used like a list. They are kept in a set of objects, whose order follows where they lie in
#   memory; fixing PYTHONHASHSEED changes nothing.
# Who meets it: who numbers edges, takes the first of several relations between two genes, or
#   compares two runs byte by byte. Our read_kgml keeps the file's order.
# The guess before the run: the order of the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check biopython==1.88
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import os, subprocess, sys
from importlib.metadata import version

print("biopython", version("biopython"))
n = 1000
entries = "".join(f'<entry id="{k}" name="zzz:{k}" type="gene"/>' for k in range(1, n + 2))
relations = "".join(
    f'<relation entry1="{k}" entry2="{k + 1}" type="PPrel"><subtype name="activation" value="--&gt;"/></relation>'
    for k in range(1, n + 1)
)
with open("invented.xml", "w") as file:
    file.write('<?xml version="1.0"?><pathway name="path:zzz00001" org="zzz" number="00001" title="invented">'
               f"{entries}{relations}</pathway>")
code = """
from Bio.KEGG.KGML.KGML_parser import read
print([int(one.entry1.id) for one in read(open("invented.xml")).relations])
"""
env = {**os.environ, "PYTHONHASHSEED": "0"}
orders = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout
          for _ in range(12)]
print("orders in twelve processes:", len(set(orders)), "; one begins", orders[0][:40])
in_file = str(list(range(1, n + 1))) + "\n"
assert in_file not in orders
assert len(set(orders)) > 1
PYTHON
