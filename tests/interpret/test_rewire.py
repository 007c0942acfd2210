"""Randomised priors keep what they promise."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edge2torch as e2t
from edge2torch.interpret import rewire
from edge2torch.simulate import layered_graph, random_dag

seeds = st.integers(0, 2**31)
_ENDS = ["source", "target"]


@given(seed=seeds)
@settings(max_examples=25)
def test_degrees_and_acyclicity_stay(seed):
    edges = random_dag(40, 120, seed=seed)
    other = rewire(edges, "degree", seed=seed)
    for side in ("source", "target"):
        assert (
            other[side].value_counts().sort_index().equals(edges[side].value_counts().sort_index())
        )
    assert not other.duplicated(["source", "target"]).any()
    assert nx.is_directed_acyclic_graph(nx.from_pandas_edgelist(other, create_using=nx.DiGraph))


def test_most_edges_move_and_the_seed_decides():
    edges = layered_graph([100, 30, 5], [400, 60], seed=0, heavy_tailed=True)
    other = rewire(edges, seed=1)
    assert len(other.merge(edges)) < 0.5 * len(edges)
    assert other.equals(rewire(edges, seed=1))
    assert not other.equals(rewire(edges, seed=2))


@given(seed=seeds)
@settings(max_examples=25)
def test_permuted_inputs_are_the_same_graph(seed):
    edges = random_dag(30, 70, seed=seed)
    other = rewire(edges, "permute_inputs", seed=seed)
    inputs = set(edges["source"]) - set(edges["target"])
    moved = dict(zip(edges["source"], other["source"], strict=True))
    assert {node for node, new in moved.items() if node != new} <= inputs
    assert sorted(moved.values()) == sorted(moved)
    assert other["target"].equals(edges["target"])


def test_shuffled_labels_stay_in_their_layer():
    edges = layered_graph([20, 8, 6, 2], [30, 20, 8], seed=0)
    other = rewire(edges, "shuffle_labels", seed=3)
    for side in ("source", "target"):
        layers = zip(edges[side].str[:2], other[side].str[:2], strict=True)
        assert all(before == after for before, after in layers)
    ends = edges["source"].str.startswith("L0")
    assert other.loc[ends, "source"].equals(edges.loc[ends, "source"])
    assert not other["target"].equals(edges["target"])


def test_other_columns_stay_with_their_row():
    edges = layered_graph([10, 5, 2], [20, 8], seed=0)
    edges["weight_class"] = np.arange(len(edges))
    assert rewire(edges, seed=0)["weight_class"].tolist() == list(range(len(edges)))


@given(seed=seeds)
@settings(max_examples=25)
def test_a_graph_with_cycles(seed):
    rng = np.random.default_rng(seed)
    knot = pd.DataFrame(rng.choice([f"n{k:02d}" for k in range(15)], (60, 2)), columns=_ENDS)
    fed = pd.DataFrame({"source": [f"in{k}" for k in range(5)] * 2, "target": knot["source"][:10]})
    read = pd.DataFrame({"source": knot["target"][:8], "target": ["y", "z"] * 4})
    edges = pd.concat([knot, fed, read], ignore_index=True).drop_duplicates(ignore_index=True)
    other = rewire(edges, "degree", seed=seed)
    for side in _ENDS:
        pd.testing.assert_series_equal(
            other[side].value_counts().sort_index(), edges[side].value_counts().sort_index()
        )
    assert not other.duplicated(_ENDS).any()
    loops = edges["source"] == edges["target"]
    assert (other["source"] == other["target"]).equals(loops)
    assert other[loops].equals(edges[loops])
    ends = set(edges["target"]) - set(edges["source"])
    assert other["target"].isin(ends).equals(edges["target"].isin(ends))  # row by row
    assert other["source"].equals(edges["source"])
    assert len(other.merge(edges)) < len(edges)
    labels = rewire(edges, "shuffle_labels", seed=seed)
    assert sorted(set(labels["source"])) == sorted(set(edges["source"]))
    assert not labels.equals(edges)
    moved = dict(zip(edges["source"], labels["source"], strict=True))
    moved |= dict(zip(edges["target"], labels["target"], strict=True))
    inner = set(edges["target"]) & set(edges["source"])
    assert {node for node, new in moved.items() if node != new} <= inner


def test_bad_input():
    loop = pd.DataFrame({"source": ["a", "b", "c"], "target": ["b", "c", "b"]})
    assert len(rewire(loop, "permute_inputs")) == 3
    with pytest.raises(e2t.Edge2TorchError, match="'degree'"):
        rewire(loop, "all")


@given(seed=seeds)
@settings(max_examples=60)
def test_what_inputs_reach_and_what_leads_to_an_end_does_so_still(seed):
    rng = np.random.default_rng(seed)
    n = 25
    pairs = np.unique(rng.integers(0, n, (45, 2)), axis=0)
    edges = pd.DataFrame(pairs.astype(str), columns=_ENDS)
    more = pd.DataFrame({"source": ["x", "x", "z", "1"], "target": ["1", "2", "2", "y"]})
    edges = pd.concat([edges, more], ignore_index=True)
    other = rewire(edges, seed=seed)

    def reached(table):
        graph = nx.from_pandas_edgelist(table, create_using=nx.DiGraph)
        inputs = [node for node in graph if not graph.in_degree(node)]
        ends = [node for node in graph if not graph.out_degree(node)]
        return (
            set().union(*({one} | nx.descendants(graph, one) for one in inputs)),
            set().union(*({one} | nx.ancestors(graph, one) for one in ends)),
        )

    for before, after in zip(reached(edges), reached(other), strict=True):
        assert before <= after
    for side in _ENDS:
        assert sorted(other[side]) == sorted(edges[side])
    assert not other.duplicated(_ENDS).any()
    loops = [
        edges[table["source"] == table["target"]]["source"].tolist() for table in (edges, other)
    ]
    assert loops[0] == loops[1]


@pytest.mark.parametrize(
    ("edges", "alike"),
    [
        # two edges that have only each other: as often exchanged as not
        ([("a", "x"), ("b", "y")], 2),
        # all nine graphs of four nodes with one edge into and one out of each, none to itself
        ([("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")], 9),
    ],
)
def test_every_graph_of_these_degrees_comes_up_as_often(edges, alike):
    table = pd.DataFrame(edges, columns=_ENDS)
    drawn = pd.Series(
        [tuple(sorted(rewire(table, seed=s)["target"] + table["source"])) for s in range(400)]
    )
    expected = 400 / alike
    assert drawn.nunique() == alike
    assert ((drawn.value_counts() - expected).abs() < 5 * expected**0.5).all()


@pytest.mark.parametrize("seed", range(20))
def test_reachable_keeps_degrees_and_everything_reached_in_a_small_network_with_loops(
    seed: int,
) -> None:
    arrows = "E>R R>S S>R R>K K>F F>M M>P P>F I>J J>L L>A A>X X>J A>F T>Y Y>Q Q>N N>B B>N P>z A>z N>w X>w"
    edges = pd.DataFrame(
        [arrow.split(">") for arrow in arrows.split()], columns=["source", "target"]
    )
    edges["sign"] = [1, -1] * (len(edges) // 2) + [1] * (len(edges) % 2)
    other = rewire(edges, "reachable", seed=seed)
    for column in ("source", "target"):
        assert sorted(other[column]) == sorted(edges[column])
    assert other["sign"].tolist() == edges["sign"].tolist()
    assert not other.duplicated(["source", "target"]).any()
    assert len(other.merge(edges[["source", "target"]])) < 0.75 * len(edges)
    graph = nx.from_pandas_edgelist(other, create_using=nx.DiGraph)
    assert set("EIT").union(*(nx.descendants(graph, name) for name in "EIT")) == set(graph)
    assert set("zw").union(*(nx.ancestors(graph, name) for name in "zw")) == set(graph)


def test_reachable_leaves_a_chain_as_it_is() -> None:
    # its only exchange would cut the end off
    chain = pd.DataFrame({"source": list("abc"), "target": list("bcd")})
    for seed in range(3):
        pd.testing.assert_frame_equal(rewire(chain, "reachable", seed=seed), chain)
