#!/usr/bin/env bash
# What happens: igraph reads the identifier of a GraphML node and the name of an attribute with every
#   ampersand as the five characters &#38;, without a word: "RNA & DNA" becomes "RNA &#38; DNA".
#   <, > and quotes come out right, and so does an ampersand in the value of an attribute.
# Why a good guess goes wrong: The file is valid, networkx wrote and reads it, and igraph decodes
#   other escapes in the same place and the same escape in another one. Edges are right, since they
#   name their ends in the same way, and nothing in the graph looks broken until names are compared.
# Who meets it: who calls nodes by name in GraphML, as networkx and this library do, takes the graph to
#   igraph for its algorithms, and joins the result with a table: pathways and complexes with an
#   ampersand in their names drop out of the join.
# The guess before the run: what networkx reads.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check igraph==1.0.0 networkx==3.6.1
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import igraph, networkx as nx

print("igraph", igraph.__version__, "networkx", nx.__version__)
graph = nx.DiGraph()
for name in ("RNA & DNA", "p < .05", 'the "root"'):
    graph.add_node(name, words=name, **{"up & down": 1.0})
graph.add_edge("RNA & DNA", 'the "root"')
nx.write_graphml(graph, "net.graphml")
assert set(nx.read_graphml("net.graphml")) == set(graph)
read = igraph.Graph.Read_GraphML("net.graphml")
print("identifiers", read.vs["id"])
print("the same words as a value", read.vs["words"])
print("attributes", sorted(read.vs.attributes()))
assert read.vs["id"] == ["RNA &#38; DNA", "p < .05", 'the "root"']
assert read.vs["words"] == list(graph)
assert "up &#38; down" in read.vs.attributes()
PYTHON
