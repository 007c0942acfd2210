#!/usr/bin/env bash
# What happens: networkx.cytoscape_data writes the node's own name over an attribute called value;
#   an attribute called id takes the place of the node's identifier, and every edge then leads
#   from and to a node that the file does not have.
# Why a good guess goes wrong: The reserved words of Cytoscape's JSON are id, source, target and
#   parent; value is none of them, it is where networkx keeps the Python object. Nothing is said
#   when a column of scores called value is lost.
# Who meets it: who sends a table of scores (value is the column name of every melted data frame)
#   to Cytoscape this way. Our own writer renames id and parent, and says so.
# The guess before the run: attributes called value are kept.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check networkx==3.6.1
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import networkx as nx

print("networkx", nx.__version__)
graph = nx.DiGraph([("TP53", "MDM2")])
nx.set_node_attributes(graph, {"TP53": 0.7, "MDM2": -0.2}, "value")
written = nx.cytoscape_data(graph)["elements"]
print("value:", [node["data"]["value"] for node in written["nodes"]])
assert [node["data"]["value"] for node in written["nodes"]] == ["TP53", "MDM2"]

graph = nx.DiGraph([("TP53", "MDM2")])
nx.set_node_attributes(graph, {"TP53": "P04637", "MDM2": "Q00987"}, "id")
written = nx.cytoscape_data(graph)["elements"]
ids = {node["data"]["id"] for node in written["nodes"]}
edge = written["edges"][0]["data"]
print("nodes", sorted(ids), "edge", edge["source"], "->", edge["target"])
assert not {edge["source"], edge["target"]} & ids
PYTHON
