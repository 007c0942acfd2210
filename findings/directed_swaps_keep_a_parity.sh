#!/usr/bin/env bash
# What happens: networkx.directed_edge_swap with an even number of swaps returns the path
#   a->b->c->d unchanged from every seed, although three graphs have its degrees; with an odd
#   number it always returns the same other one. Of the nine graphs with one edge into and one out
#   of each of four nodes it reaches six.
# Why a good guess goes wrong: Many random swaps are taken to draw a graph of these degrees at
#   random. But this swap exchanges three edges in a row (a path), which for small or thin graphs
#   flips between few states and never loses the count of flips. The number of swaps is then no
#   matter of how long to mix, but decides what can come out.
# Who meets it: who compares a pathway or signalling network with randomised ones of the same
#   degrees: a null model that returns the network itself makes every score look ordinary.
# The guess before the run: each graph with these degrees comes up about as often.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check networkx==3.6.1
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import collections, itertools
import networkx as nx

print("networkx", nx.__version__)

def with_these_degrees(edges):
    """All graphs without loops that have the degrees of this one."""
    nodes = sorted({node for edge in edges for node in edge})
    def degrees(chosen):
        return [collections.Counter(edge[side] for edge in chosen) for side in (0, 1)]
    pairs = list(itertools.permutations(nodes, 2))
    return [frozenset(c) for c in itertools.combinations(pairs, len(edges)) if degrees(c) == degrees(edges)]

def reached(edges, n_swaps):
    drawn = collections.Counter()
    for seed in range(300):
        graph = nx.DiGraph(edges)
        nx.directed_edge_swap(graph, nswap=n_swaps, max_tries=5000, seed=seed)
        drawn[frozenset(graph.edges)] += 1
    return drawn

path = [("a", "b"), ("b", "c"), ("c", "d")]
ring = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")]
for name, edges in (("path", path), ("ring", ring)):
    everyone = with_these_degrees(edges)
    for n_swaps in (20, 21):
        drawn = reached(edges, n_swaps)
        print(f"{name}, {n_swaps} swaps: {len(drawn)} of {len(everyone)} graphs come up:", sorted(drawn.values()))
assert reached(path, 20) == {frozenset(path): 300}
assert frozenset(path) not in reached(path, 21)
assert len(reached(ring, 20)) == 6 and len(with_these_degrees(ring)) == 9
PYTHON
