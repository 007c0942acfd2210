"""Degrees and sub-graph sizes, against networkx."""

import networkx as nx
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.interpret import node_connectivity
from edge2torch.simulate import random_dag


@pytest.mark.parametrize("n_nodes", [30, 1500])
def test_counts_are_networkx_s(n_nodes):
    edges = random_dag(n_nodes, 3 * n_nodes, seed=n_nodes)
    _, artifact = e2t.compile_graph(edges, quiet=True)
    table = node_connectivity(artifact)
    graph = nx.from_pandas_edgelist(edges, create_using=nx.DiGraph)
    for node in list(graph)[:40]:
        row = table.loc[node]
        up, down = len(nx.ancestors(graph, node)), len(nx.descendants(graph, node))
        assert (row["upstream"], row["downstream"]) == (up, down)
        assert row["subgraph"] == up + down + 1
        assert (row["in_degree"], row["out_degree"]) == (
            graph.in_degree(node),
            graph.out_degree(node),
        )


def test_a_node_on_a_cycle_does_not_count_itself():
    edges = pd.DataFrame({"source": ["x", "a", "b", "b"], "target": ["a", "b", "a", "y"]})
    _, artifact = e2t.compile_graph(edges, backend="recurrent", quiet=True)
    table = node_connectivity(artifact)
    assert table.loc["a", ["upstream", "downstream"]].tolist() == [2, 2]
    assert table.loc["y", ["upstream", "downstream"]].tolist() == [3, 0]
