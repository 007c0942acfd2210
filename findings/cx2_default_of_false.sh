#!/usr/bin/env bash
# What happens: ndex2 fills in a CX2 attribute's declared default only if that is true in Python:
#   a default of false, 0 or the empty text is lost, and the node has no such attribute. A list
#   without a declared type is cut to whole numbers if its first one is whole: [1, 2.5] becomes
#   [1, 2].
# Why a good guess goes wrong: Defaults are there so that a file need not write false ten thousand
#   times; false is the usual one. And nothing in [1, 2.5] says integer.
# Who meets it: who reads CX2 networks of NDEx (a flag, a count of 0) in Python. Our reader fills
#   in what is declared, and takes lists as they stand.
# The guess before the run: defaults of any value are filled in; undeclared lists stay as they
#   are.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check ndex2==3.12.0
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
from importlib.metadata import version
from ndex2.cx2 import RawCX2NetworkFactory

print("ndex2", version("ndex2"))
declared = {"name": {"d": "string"}, "is_drug": {"d": "boolean", "v": False}, "hits": {"d": "integer", "v": 0},
            "is_gene": {"d": "boolean", "v": True}}
network = RawCX2NetworkFactory().get_cx2network([
    {"CXVersion": "2.0", "hasFragments": False},
    {"metaData": [{"name": "attributeDeclarations", "elementCount": 1}, {"name": "nodes", "elementCount": 1}]},
    {"attributeDeclarations": [{"nodes": declared}]},
    {"nodes": [{"id": 0, "v": {"name": "TP53", "range": [1, 2.5]}}]},
    {"status": [{"success": True}]},
])
node = network.get_nodes()[0]["v"]
print(node)
assert node["is_gene"] is True
assert "is_drug" not in node and "hits" not in node
assert node["range"] == [1, 2]
PYTHON
