#!/usr/bin/env bash
# What happens: A gene set that stands in two lines of a GMT file has the genes of the last line
#   for gseapy, and those of both for decoupler. Neither says a word.
# Why a good guess goes wrong: A name that comes twice is what happens when two collections are
#   put into one file. That one of them wins, that both are joined, or that the file is refused
#   are all sensible; that two libraries in one notebook differ on it is not expected.
# Who meets it: who concatenates collections (Hallmark and Reactome, two releases). Our read_gmt
#   refuses the file and names both lines.
# The guess before the run: both keep the first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check gseapy==1.3.1 decoupler==2.2.0
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
from importlib.metadata import version
import decoupler, gseapy

open("two.gmt", "w").write("REPAIR\tfirst\tBRCA1\tRAD51\nCYCLE\tx\tCDK1\nREPAIR\tsecond\tATM\n")
one = gseapy.read_gmt("two.gmt")
net = decoupler.pp.read_gmt("two.gmt")
both = net[net["source"] == "REPAIR"]["target"].tolist()
print("gseapy", version("gseapy"), one)
print("decoupler", version("decoupler"), both)
assert one["REPAIR"] == ["ATM"]
assert both == ["BRCA1", "RAD51", "ATM"]
PYTHON
