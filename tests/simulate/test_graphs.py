import time

import networkx as nx
import numpy as np
import pytest

from edge2torch.errors import Edge2TorchError
from edge2torch.simulate import layered_graph, random_dag


@pytest.mark.parametrize(
    ("nodes", "edges", "inputs"), [(2, 1, 1), (12, 30, 3), (40, 60, 30), (9, 36, 1)]
)
def test_a_random_dag_has_what_was_asked_for(nodes, edges, inputs):
    for seed in range(5):
        table = random_dag(nodes, edges, seed, n_inputs=inputs)
        assert len(table) == edges
        assert not table.duplicated().any()
        graph = nx.DiGraph(list(zip(table["source"], table["target"], strict=True)))
        assert nx.is_directed_acyclic_graph(graph)
        assert len(graph) == nodes
        assert sum(degree == 0 for _, degree in graph.in_degree()) == inputs


def test_a_random_dag_depends_on_its_seed_only():
    first, again, other = (random_dag(20, 50, seed) for seed in (3, 3, 4))
    assert first.equals(again)
    assert not first.equals(other)


def test_a_random_dag_is_drawn_evenly():
    """Every pair that may be an edge is one about equally often."""
    count = np.zeros((6, 6))
    for seed in range(400):
        table = random_dag(6, 9, seed, n_inputs=3)
        graph = nx.DiGraph(list(zip(table["source"], table["target"], strict=True)))
        count[: len(graph)] += nx.to_numpy_array(graph, nodelist=sorted(graph))
    assert (count[~np.eye(6, dtype=bool)] > 0).all()  # names say nothing about depth


def test_weights_and_constraints_of_a_random_dag_agree():
    table = random_dag(60, 400, seed=0, weighted=0.5, constrained=0.7)
    weight, kind = table["initial_weight"], table["constraint"]
    assert {"positive", "negative", "fixed"} == set(kind.dropna())
    assert kind.isna().any()
    assert weight.isna().any()
    assert weight[kind == "fixed"].notna().all()
    assert not (weight[kind == "positive"] <= 0).any()
    assert not (weight[kind == "negative"] >= 0).any()
    assert list(random_dag(5, 6).columns) == ["source", "target"]


@pytest.mark.parametrize("heavy_tailed", [False, True])
@pytest.mark.parametrize(
    ("sizes", "edges", "skips"),
    [([30, 8, 2], [60, 10], 5), ([5, 5], 25, 0), ([4, 9, 9, 3], [20, 81, 27], 75), ([1, 7], 7, 0)],
)
def test_a_layered_graph_connects_every_node_once(sizes, edges, skips, heavy_tailed):
    table = layered_graph(sizes, edges, 1, skip_edges=skips, heavy_tailed=heavy_tailed)
    per_hop = [edges] * (len(sizes) - 1) if isinstance(edges, int) else edges
    assert len(table) == sum(per_hop) + skips
    assert not table.duplicated().any()
    layer = table.map(lambda name: int(name[1 : name.index("_")]))
    reach = layer["target"] - layer["source"]
    assert (reach[: sum(per_hop)] == 1).all()
    assert (reach[sum(per_hop) :] >= 2).all()
    assert table["source"].nunique() == sum(sizes[:-1])
    assert table["target"].nunique() == sum(sizes[1:])


def test_hubs_appear_when_asked_for():
    even, tailed = (
        layered_graph([5000, 500], 20_000, heavy_tailed=tail)["target"].value_counts()
        for tail in (False, True)
    )
    assert tailed.iloc[0] > 5 * even.iloc[0]


def test_a_million_edges_take_seconds():
    start = time.thread_time()
    table = layered_graph([200_000, 20_000, 100], [900_000, 100_000], skip_edges=1000)
    assert len(table) == 1_001_000
    assert time.thread_time() - start < 10  # of the processor; 0.5 where this was written


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: random_dag(10, 3), "n_edges"),
        (lambda: random_dag(4, 7, n_inputs=1), "room for 6"),
        (lambda: random_dag(3, 2, n_inputs=3), "n_inputs"),
        (lambda: layered_graph([5], 3), "sizes"),
        (lambda: layered_graph([5, 2, 1], [5]), "Give 2"),
        (lambda: layered_graph([5, 2], 4), "layers 0 and 1"),
        (lambda: layered_graph([5, 2], 11), "10"),
        (lambda: layered_graph([5, 2], 6, skip_edges=1), "skip_edges"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, message):
    with pytest.raises(Edge2TorchError, match=message):
        make()
