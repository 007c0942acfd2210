"""Layers, plans and cycles against networkx."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.graph import (
    build_edge_graph,
    cycle_words,
    longest_path_layers,
    plan_feedforward,
    read_edge_table,
    shortest_cycle,
)

pairs = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40)


def as_arrays(edges):
    source, target = np.array(sorted(set(edges)), np.int64).T
    return source, target


@given(pairs)
def test_layers_are_longest_paths(edges):
    edges = [(min(pair), max(pair)) for pair in edges if pair[0] != pair[1]]
    if not edges:
        return
    source, target = as_arrays(edges)
    graph = nx.DiGraph(edges)
    is_input = np.array([graph.has_node(v) and graph.in_degree(v) == 0 for v in range(10)])
    found = longest_path_layers(source, target, is_input)
    expected = {}
    for node in nx.topological_sort(graph):
        expected[node] = max((expected[p] + 1 for p in graph.predecessors(node)), default=0)
    assert {node: found[node] for node in graph} == expected


@given(pairs)
def test_the_cycle_found_is_a_shortest_one(edges):
    source, target = as_arrays(edges)
    graph = nx.DiGraph(edges)
    cycle = shortest_cycle(source, target, 10)
    expected = min((len(found) for found in nx.simple_cycles(graph)), default=None)
    if expected is None:
        assert cycle is None
    else:
        assert len(cycle) == expected
        assert all(graph.has_edge(*pair) for pair in zip(cycle, cycle[1:] + cycle[:1], strict=True))


def test_nodes_on_and_behind_a_cycle_have_no_layer():
    source, target = np.array([0, 1, 2, 2]), np.array([1, 2, 1, 3])
    layers = longest_path_layers(source, target, np.array([True, False, False, False]))
    assert layers.tolist() == [0, -1, -1, -1]


@pytest.mark.parametrize("n", [1, 1000])
def test_a_long_chain(n):
    nodes = np.arange(n + 1)
    is_input = nodes == 0
    assert longest_path_layers(nodes[:-1], nodes[1:], is_input).tolist() == nodes.tolist()


def test_a_path_that_is_too_long_is_refused_before_it_is_walked():
    node = np.arange(1_000_001)
    with pytest.raises(Edge2TorchError, match="a path is longer than 100 edges"):
        longest_path_layers(node[:-1], node[1:], node == 0, most=100)
    found = longest_path_layers(node[:100], node[1:101], node[:101] == 0, most=100)
    assert found.max() == 100


@pytest.mark.parametrize("outputs", [["z", "y"], ["y", "z"], ["z", "a", "y"]])
def test_outputs_that_are_the_last_layer_are_computed_in_their_order(outputs):
    edges = pd.DataFrame({"source": ["a", "a"], "target": ["y", "z"]})
    graph = build_edge_graph(read_edge_table(edges), inputs=["a"], outputs=outputs)
    plan = plan_feedforward(graph)
    computed = [plan.layers[k][p] for k, p in zip(plan.output_layer, plan.output_position)]  # noqa: B905
    assert graph.names(np.array(computed)) == outputs
    assert (graph.names(plan.layers[-1]) == outputs) == (set(outputs) == {"y", "z"})


def test_a_long_ring_is_found_at_once_and_shown_in_short():
    nodes = np.arange(20_000)
    cycle = shortest_cycle(nodes, np.roll(nodes, -1), len(nodes))
    assert cycle == nodes.tolist()
    words = cycle_words(nodes.astype(str).astype(object), cycle)
    assert words.startswith("'0' -> '1' -> ")
    assert words.endswith("(19,988 more) -> '0'")


def test_edges_are_laid_out_by_the_layer_they_leave_then_target_then_source():
    """Whatever the order of rows, of names and of the model's columns, and with edges that skip layers."""
    rng = np.random.default_rng(0)
    ends = np.sort(rng.integers(0, 60, (400, 2)), axis=1)
    ends = np.unique(ends[ends[:, 0] < ends[:, 1]], axis=0)
    tops = np.setdiff1d(
        ends[:, 0], ends[:, 1]
    )  # two nodes feed them: the first layer is the narrowest
    ends = np.concatenate([ends, *([[root, top] for top in tops] for root in (60, 61))])
    ends = rng.permutation(ends)
    names = np.array([f"n{k}" for k in range(62)], object)
    table = read_edge_table(pd.DataFrame(names[ends], columns=["source", "target"]))
    graph = build_edge_graph(table, inputs=["n61", "n60"])
    plan = plan_feedforward(graph)
    assert graph.names(plan.layers[0]) == ["n61", "n60"]
    assert len(plan.layers[1]) > 2
    place = {(k, int(v)): i for k, layer in enumerate(plan.layers) for i, v in enumerate(layer)}
    of = {node: k for k, node in place}
    source, target = graph.source.tolist(), graph.target.tolist()
    found = []
    for k, (block, skip) in enumerate(zip(plan.blocks, plan.skips, strict=True)):
        for part in filter(None, (block, skip)):
            keys = [(of[target[e]], place[of[target[e]], target[e]]) for e in part.edges]
            columns = [place[k, source[e]] for e in part.edges]
            assert part.columns.tolist() == columns
            assert [*zip(keys, columns, strict=True)] == sorted(zip(keys, columns, strict=True))
            number = dict(zip(sorted(set(keys)), range(len(keys)), strict=False))
            expected = [at if part is block else number[layer, at] for layer, at in keys]
            assert part.rows.tolist() == expected
            found += part.edges.tolist()
    assert plan.n_skip_edges > 50
    assert sorted(found) == list(range(len(ends)))
