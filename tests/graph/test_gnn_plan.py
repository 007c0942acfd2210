"""Roles of nodes, order of edges, and outputs that hear nothing."""

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.graph import build_edge_graph, plan_gnn, read_edge_table


def planned(pairs, *, outputs=None, **options):
    table = read_edge_table(pd.DataFrame(pairs, columns=["source", "target"]))
    graph = build_edge_graph(table, outputs=outputs, acyclic=False)
    return graph, plan_gnn(graph, **{"steps": 3, **options})


def test_a_function_node_computes_and_an_output_that_passes_on_is_one():
    graph, plan = planned([("x", "a"), ("a", "b"), ("b", "y"), ("b", "a")], outputs=["b", "y"])
    assert graph.names(plan.functions) == ["a", "b"]
    assert plan.site_nodes().keys() == {"layer_1", "layer_2", "layer_3"}
    assert list(plan.layer_nodes()) == ["layer_0", "layer_1", "layer_2", "layer_3", "layer_4"]


def test_edges_are_ordered_by_target_then_source_whatever_the_rows():
    pairs = [("x", "a"), ("y", "a"), ("a", "b"), ("b", "a"), ("b", "out")]
    graph, plan = planned(pairs)
    names = list(zip(graph.names(plan.source), graph.names(plan.target), strict=True))
    assert names == sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    other, other_plan = planned(pairs[::-1])
    assert other.names(other_plan.source) == graph.names(plan.source)
    np.testing.assert_array_equal(other_plan.edges, len(pairs) - 1 - plan.edges)


def test_self_edges_are_added_where_there_is_none():
    graph, plan = planned([("x", "a"), ("a", "a"), ("a", "b"), ("b", "out")], self_edges=True)
    loops = plan.source == plan.target
    assert graph.names(plan.source[loops]) == ["a", "b"]
    assert plan.edges[loops].tolist() == [1, -1]
    assert sorted(plan.edge_rows()[0].tolist()) == [0, 1, 2, 3]


CHAIN = pd.DataFrame(
    {"source": ["x", "a", "b", "c", "x"], "target": ["a", "b", "c", "deep", "flat"]}
)


def test_too_few_layers_are_warned_of_with_the_number_needed():
    with pytest.warns(e2t.Edge2TorchWarning, match=r"steps=2 .*'deep'\. Use steps=3 or more"):
        e2t.compile_graph(CHAIN, backend="gnn", steps=2, quiet=True)
    e2t.compile_graph(CHAIN, backend="gnn", steps=3, quiet=True)


def test_without_residual_only_paths_of_that_length_count():
    with pytest.warns(e2t.Edge2TorchWarning, match="'deep'.* exactly so many"):
        e2t.compile_graph(CHAIN, backend="gnn", steps=4, residual=False, quiet=True)
    e2t.compile_graph(CHAIN, backend="gnn", steps=3, residual=False, quiet=True)
    e2t.compile_graph(CHAIN, backend="gnn", steps=4, residual=False, self_edges=True, quiet=True)
