#!/usr/bin/env bash
# What happens: A Boolean network in .bnet whose one line is "a, b" has a node, b, that no line
#   defines. Three readers make three models of it: in pyboolnet b is an input that keeps its value; in
#   biodivine_aeon it may follow any rule, so that the file is a family of models; in mpbn it is no node,
#   and fixed points are told without it.
# Why a good guess goes wrong: The format is a line per node, and a name without one looks like a slip
#   that a reader would refuse. Programs that write inputs this way, and others that write "b, b" or
#   "b, 0", all call the file .bnet.
# Who meets it: who takes a logical model from one program to another, or makes a table of edges of it:
#   whether b has an edge to itself, is free, or is there at all depends on who read the file.
# The guess before the run: all three refuse it as undefined.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check mpbn==4.4 biodivine-aeon==1.4.2 pyboolnet==3.0.16
cd "$folder"
printf 'targets,factors\na, b\n' > model.bnet
"$folder/env/bin/python" - <<'PYTHON' 2>/dev/null
from importlib.metadata import version
from biodivine_aeon import BooleanNetwork
from mpbn import MPBooleanNetwork
from pyboolnet.file_exchange import bnet2primes

for name in ("pyboolnet", "biodivine_aeon", "mpbn"):
    print(name, version(name))
primes = bnet2primes("model.bnet")
print("pyboolnet: b is", primes["b"])
assert primes["b"] == [[{"b": 0}], [{"b": 1}]]
network = BooleanNetwork.from_file("model.bnet")
rules = {network.get_variable_name(one): network.get_update_function(one) for one in network.variables()}
print("biodivine_aeon: rules", {name: rule and str(rule) for name, rule in rules.items()})
assert set(rules) == {"a", "b"} and rules["b"] is None
points = list(MPBooleanNetwork.load("model.bnet").fixedpoints())
print("mpbn: fixed points", points)
assert sorted(tuple(point) for point in points) == [("a",), ("a",)]
PYTHON
