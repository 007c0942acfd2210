#!/usr/bin/env bash
# What happens: A GraphML file that networkx writes for a score of 1 at one node and 2.5 at
#   another is refused by igraph: networkx declares the attribute twice, once as long and once as
#   double, both under one name.
# Why a good guess goes wrong: GraphML is the format both libraries share, and the numbers are
#   plain. networkx decides on a type for every single value, not for the attribute; a column of
#   floats in which Python has an int (counts, a score of exactly 1) is enough.
# Who meets it: who writes a scored network with networkx and opens it with igraph, or in R. Our
#   own writer gives every attribute one type.
# The guess before the run: igraph reads it, and one of the two kinds of number is missing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check networkx==3.6.1 igraph==1.0.0
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import igraph, networkx as nx

print("networkx", nx.__version__, "igraph", igraph.__version__)
graph = nx.DiGraph()
graph.add_node("TP53", score=1)
graph.add_node("MDM2", score=2.5)
graph.add_edge("TP53", "MDM2")
nx.write_graphml(graph, "scores.graphml")
declared = [line.strip() for line in open("scores.graphml") if "<key" in line]
print("\n".join(declared))
assert sum('attr.name="score"' in line for line in declared) == 2
try:
    igraph.Graph.Read_GraphML("scores.graphml")
except igraph.InternalError as error:
    print("igraph refuses:", error)
    assert "Duplicate attribute name" in str(error)
else:
    raise SystemExit("igraph reads it now")
for node in graph:
    graph.nodes[node]["score"] = float(graph.nodes[node]["score"])
nx.write_graphml(graph, "floats.graphml")
assert igraph.Graph.Read_GraphML("floats.graphml").vs["score"] == [1.0, 2.5]
PYTHON
