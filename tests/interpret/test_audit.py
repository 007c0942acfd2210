from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from networkx.algorithms.isomorphism import DiGraphMatcher

import edge2torch as e2t
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import build_edge_graph, read_edge_table
from edge2torch.interpret._trust._alike import chains, twins
from edge2torch.simulate import layered_graph

QUICK = {"teachers": 1, "students": 1, "max_epochs": 1, "quiet": True}


def samples(edges: pd.DataFrame, n: int = 40, seed: int = 0) -> pd.DataFrame:
    names = sorted(set(edges["source"]) - set(edges["target"]))
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n, len(names))), columns=names)


def found(edges: pd.DataFrame, kind: str, **options: object) -> set[frozenset[str]]:
    table = e2t.audit_prior(edges, samples(edges), **QUICK, **options).classes
    return {frozenset(nodes) for nodes in table["nodes"][table["kind"] == kind]}


def orbits(edges: pd.DataFrame) -> set[frozenset[str]]:
    """Groups of nodes that some automorphism exchanges, inputs and outputs staying where they are."""
    graph = nx.from_pandas_edgelist(edges, create_using=nx.DiGraph)
    for node in graph:
        is_end = not graph.in_degree(node) or not graph.out_degree(node)
        graph.nodes[node]["told"] = node if is_end else ""
    same = nx.utils.UnionFind(graph)
    for u, v in itertools.combinations(graph, 2):
        if graph.nodes[u]["told"] or graph.nodes[v]["told"]:
            continue
        first, second = graph.copy(), graph.copy()
        first.nodes[u]["told"] = second.nodes[v]["told"] = "this one"
        if DiGraphMatcher(
            first, second, node_match=lambda a, b: a["told"] == b["told"]
        ).is_isomorphic():
            same.union(u, v)
    return {frozenset(group) for group in same.to_sets() if len(group) > 1}


def with_planted(seed: int) -> tuple[pd.DataFrame, list[set[str]], list[set[str]]]:
    """A random graph, a twin of one node, a chain into another, and a pair of chains."""
    rng = np.random.default_rng(seed)
    edges = layered_graph([14, 6, 4, 1], [26, 12, 4], seed=seed)
    first, second = rng.choice([f"L1_{k}" for k in range(6)], 2, replace=False)
    copied = edges[(edges["source"] == first) | (edges["target"] == first)]
    twin = copied.replace(first, "twin")
    readers = edges["source"] == second
    chain = edges.assign(source=edges["source"].where(~readers, "link"))
    link = pd.DataFrame({"source": [second], "target": ["link"]})
    pairs = [(x, f"p{k}") for k in "ab" for x in ("L0_00", "L0_01", "L0_02")]
    pairs += [(f"p{k}", f"q{k}") for k in "ab"] + [(f"q{k}", "L3_0") for k in "ab"]
    more = pd.DataFrame(pairs, columns=["source", "target"])
    table = pd.concat([chain, twin, link, more], ignore_index=True).drop_duplicates()
    return table, [{first, "twin"}, {"pa", "pb"}, {"qa", "qb"}], [{second, "link"}]


@pytest.mark.parametrize("seed", range(20))
def test_twins_and_chains_are_named_exactly(seed: int) -> None:
    edges, planted_twins, planted_chains = with_planted(seed)
    graph = build_edge_graph(read_edge_table(edges))
    named = {frozenset(graph.names(own)) for own in twins(graph, graph.outputs)}
    assert named == orbits(edges)
    assert all(any(group <= own for own in named) for group in planted_twins)
    parents = edges.groupby("target")["source"].agg(list)
    alone = nx.Graph([(own[0], node) for node, own in parents.items() if len(own) == 1])
    named = {frozenset(graph.names(own)) for own in chains(graph)}
    assert named == {frozenset(own) for own in nx.connected_components(alone)}
    assert all(any(group <= own for own in named) for group in planted_chains)


def test_what_a_class_holds_has_one_number() -> None:
    edges, *_ = with_planted(0)
    assert found(edges, "twins") == orbits(edges)
    nodes = e2t.audit_prior(edges, samples(edges), **QUICK).nodes
    assert len(set(nodes.loc[["pa", "pb", "qa", "qb"], "alike"])) == 1
    assert nodes.loc["pa", "alike"] > 0
    assert nodes.loc["pa", "alike"] != nodes.loc["link", "alike"]


def test_a_constraint_tells_twins_apart_and_fixes_the_sign_of_a_node() -> None:
    edges = pd.DataFrame(
        {
            "source": ["a", "b", "a", "b", "p", "q"],
            "target": ["p", "p", "q", "q", "y", "y"],
        }
    )
    assert found(edges, "twins") == {frozenset("pq")}
    one = edges.assign(constraint=["positive", *[None] * 5])
    assert found(one, "twins") == set()
    known = e2t.audit_prior(one, samples(edges), **QUICK).nodes["sign_known"]
    assert known.to_dict() == {"p": True, "q": False}
    both = edges.assign(constraint=["positive", None, "positive", None, None, None])
    assert found(both, "twins") == {frozenset("pq")}


def test_ends_under_a_layer_are_nodes_and_nothing_fixes_their_sign() -> None:
    edges = pd.DataFrame(
        {
            "source": ["a", "b", "a", "b", "c"],
            "target": ["s", "s", "t", "t", "u"],
            "constraint": [None, None, None, None, "positive"],
        }
    )
    audit = e2t.audit_prior(edges, samples(edges), **QUICK)
    assert set(audit.nodes.index) == {"s", "t", "u"}
    assert found(edges, "twins") == {frozenset("st")}
    assert audit.nodes["sign_known"].to_dict() == {"s": False, "t": False, "u": True}


def test_nodes_that_the_same_inputs_reach_by_other_ways_are_told() -> None:
    edges = pd.DataFrame(
        [("a", "p"), ("b", "p"), ("p", "q"), ("a", "q"), ("a", "r"), ("b", "r"), ("c", "s")]
        + [(one, "y") for one in "pqrs"],
        columns=["source", "target"],
    )
    assert found(edges, "same reach") == {frozenset("pqr")}
    assert found(edges, "twins") == set()


def test_what_can_be_recovered_is_and_what_cannot_is_not() -> None:
    rng = np.random.default_rng(0)
    names = [f"g{k}" for k in range(24)]
    reads = [(f"g{k}", f"own{k // 4}") for k in range(12)]
    # two nodes that read the same genes: any mixture of them does as well
    reads += [(f"g{k}", twin) for k in range(12, 24) for twin in ("one", "other")]
    nodes = ["own0", "own1", "own2", "one", "other"]
    edges = pd.DataFrame(reads + [(node, "y") for node in nodes], columns=["source", "target"])
    data = pd.DataFrame(rng.normal(size=(300, 24)), columns=names)
    audit = e2t.audit_prior(edges, data, teachers=4, seed=1, quiet=True)
    assert audit.fits["r2"].mean() > 0.9
    table = audit.nodes
    assert table["activation"][["own0", "own1", "own2"]].min() > 0.95
    assert table["activation"][["one", "other"]].max() < 0.8
    assert {"own0", "own1", "own2"} == set(audit.recovered)
    assert (audit.summary()).startswith("3 of 5 nodes can be recovered")
    again = e2t.audit_prior(edges, data, teachers=4, seed=1, quiet=True)
    pd.testing.assert_frame_equal(again.nodes, table)


def test_gaps_are_filled_and_constraints_kept_by_sign() -> None:
    edges = pd.DataFrame(
        {"source": list("abcdpq"), "target": ["p", "p", "q", "q", "y", "y"]}
    ).assign(constraint="positive")
    data = samples(edges, 200)
    data.iloc[::7, 0] = np.nan
    nodes = e2t.audit_prior(edges, data, teachers=3, quiet=True).nodes
    assert nodes["sign_known"].all()
    assert (nodes["sign"] == 1).all()


def test_what_cannot_be_audited_is_refused() -> None:
    edges = pd.DataFrame({"source": ["a", "h"], "target": ["h", "y"]})
    data = samples(edges)
    with pytest.raises(Edge2TorchError, match="19 samples are too few"):
        e2t.audit_prior(edges, data[:19])
    with pytest.raises(Edge2TorchError, match="with nothing between"):
        e2t.audit_prior(edges[:1], data)
    with pytest.raises(Edge2TorchError, match="'a'"):
        e2t.audit_prior(edges, data.rename(columns={"a": "b"}))
    with pytest.raises(Edge2TorchError, match="the same for all samples"):
        e2t.audit_prior(edges, data * 0)
    with pytest.raises(Edge2TorchError, match="X must be a DataFrame"):
        e2t.audit_prior(edges, data.to_numpy())
    with pytest.raises(Edge2TorchError, match="cycle"):
        e2t.audit_prior(pd.concat([edges, pd.DataFrame({"source": ["y"], "target": ["h"]})]), data)
