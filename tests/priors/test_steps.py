"""Every step of fitting, beside networkx as an independent reference."""

from __future__ import annotations

import warnings

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st

import edge2torch as e2t
from edge2torch import Edge2TorchError, priors

HIERARCHY = pd.DataFrame(
    {
        "source": ["g1", "g2", "g3", "g4", "p", "q", "r", "g9"],
        "target": ["p", "p", "q", "r", "q", "r", "top", "z"],
        "relation": ["member"] * 4 + ["is_a"] * 3 + ["member"],
    }
)
GENES = ["g1", "g2", "g3", "g4"]


def pairs(edges: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(edges["source"], edges["target"], strict=True))


def graph_of(edges: pd.DataFrame) -> nx.DiGraph:
    return nx.DiGraph(list(pairs(edges)))


@st.composite
def tables(draw: st.DrawFn, *, acyclic: bool = True) -> pd.DataFrame:
    """Edges among up to twelve nodes; of an acyclic graph from lower to higher numbers."""
    n = draw(st.integers(3, 12))
    wanted = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))
    chosen = draw(st.lists(wanted, min_size=2, max_size=30, unique=True))
    if acyclic:
        chosen = sorted({(min(pair), max(pair)) for pair in chosen if pair[0] != pair[1]})
    chosen = chosen or [(0, 1)]
    return pd.DataFrame([(f"n{a:02}", f"n{b:02}") for a, b in chosen], columns=["source", "target"])


def genes_of(edges: pd.DataFrame) -> dict[str, set[str]]:
    """The inputs that reach each node."""
    graph = graph_of(edges)
    inputs = {node for node, degree in graph.in_degree() if degree == 0}
    return {node: (nx.ancestors(graph, node) | {node}) & inputs for node in graph}


few = settings(max_examples=40)


# --------------------------------------------------------------------------- keep_between


@few
@given(tables(acyclic=False), st.data())
def test_what_is_kept_lies_between(edges: pd.DataFrame, data: st.DataObject) -> None:
    graph = graph_of(edges)
    names = sorted(graph)
    features = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    outputs = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    free = nx.DiGraph([(a, b) for a, b in graph.edges if b not in features])
    free.add_nodes_from(graph)
    below = set(features).union(*(nx.descendants(free, f) for f in features))
    above = set(outputs).union(*(nx.ancestors(free, o) for o in outputs))
    expected = {(a, b) for a, b in free.edges if {a, b} <= below & above}
    if not expected:
        with pytest.raises(Edge2TorchError, match="no feature leads to an output"):
            priors.keep_between(edges, features, outputs)
        return
    kept, report = priors.keep_between(edges, features, outputs)
    assert pairs(kept) == expected
    assert (report.edges[1], report.nodes[1]) == (len(kept), len(graph_of(kept)))
    again, _ = priors.keep_between(kept, features, sorted(set(outputs) & set(graph_of(kept))))
    assert pairs(again) == expected


def test_the_report_says_what_was_dropped() -> None:
    kept, report = priors.keep_between(HIERARCHY, ["g1", "x"], ["top"])
    assert pairs(kept) == {("g1", "p"), ("p", "q"), ("q", "r"), ("r", "top")}
    assert list(kept.columns) == list(HIERARCHY.columns)
    text = repr(report)
    assert "1 of 2 feature(s) are not in the graph: 'x'" in text
    assert "'g2', 'g3', 'g4', 'g9'" in text
    assert "'z'" in text
    assert report._repr_html_().count("<tr>") == 2


def test_features_come_from_tables_too() -> None:
    table = pd.DataFrame([[1.0, 2.0]], columns=["g1", "g2"], index=["cell"])
    cells = AnnData(table)
    for features in (table, cells, table.columns):
        assert pairs(priors.keep_between(HIERARCHY, features)[0]) >= {("g1", "p"), ("g2", "p")}


def test_names_that_do_not_fit() -> None:
    with pytest.raises(Edge2TorchError, match="share no names: the data have 'G1'"):
        priors.keep_between(HIERARCHY, ["G1"])
    with pytest.raises(Edge2TorchError, match=r"1 node.s. that are not in the graph: 'TOP'"):
        priors.keep_between(HIERARCHY, GENES, ["TOP"])


# -------------------------------------------------------------------- sets and hierarchies


@few
@given(tables(), st.integers(1, 4))
def test_no_gene_loses_its_way_past_a_small_set(edges: pd.DataFrame, least: int) -> None:
    before = genes_of(edges)
    gone = {n for n, own in before.items() if own != {n} and len(own) < least}
    graph = graph_of(edges)
    if not any(
        {a, b}.isdisjoint(gone) and nx.has_path(graph, a, b) for a in graph for b in graph if a != b
    ):
        return
    kept, report = priors.filter_sets(edges, min_genes=least)
    after = graph_of(kept)
    assert set(report.table["set"]) == gone
    stay = set(graph) - gone
    for a in stay:
        for b in stay - {a}:
            reaches = a in after and b in after and nx.has_path(after, a, b)
            assert reaches == nx.has_path(graph, a, b)
    inner = {(a, b) for a, b in pairs(edges) if {a, b} <= stay}
    assert inner <= pairs(kept)


def test_large_sets_go_unless_kept() -> None:
    kept, report = priors.filter_sets(HIERARCHY, min_genes=1, max_genes=3, keep=["top"])
    assert pairs(kept) >= {("g4", "top"), ("q", "top")}
    assert report.table.values.tolist() == [["r", 4]]
    _, report = priors.filter_sets(HIERARCHY, min_genes=2, keep=["p"])
    assert "1 node(s) had no other way up and were dropped with them: 'g9'" in repr(report)
    with pytest.raises(Edge2TorchError, match="no set has as many genes"):
        priors.filter_sets(HIERARCHY, min_genes=9)
    with pytest.raises(Edge2TorchError, match="min_genes=5 is above max_genes=2"):
        priors.filter_sets(HIERARCHY, min_genes=5, max_genes=2)


def test_new_edges_say_what_they_are() -> None:
    named = HIERARCHY.assign(sign=1, target_name=HIERARCHY["target"] + "!")
    kept, _ = priors.filter_sets(named, min_genes=3, keep=["z"])
    new = kept[kept["relation"] == "bypass"].iloc[0]
    assert (new["target"], new["target_name"], new["sign"]) == ("q", "q!", 0)
    assert kept["sign"].dtype.kind == "i"


@few
@given(tables())
def test_memberships_are_passed_on_to_every_set_above(edges: pd.DataFrame) -> None:
    more, _ = priors.propagate_memberships(edges)
    expected = {(g, node) for node, genes in genes_of(edges).items() for g in genes if g != node}
    assert pairs(more) == pairs(edges) | expected


@few
@given(tables())
def test_merged_sets_had_the_same_genes(edges: pd.DataFrame) -> None:
    before = genes_of(edges)
    kept, report = priors.merge_identical(edges)
    for node, into in report.table.itertuples(index=False):
        assert before[node] == before[into]
    if len(kept):
        assert nx.is_directed_acyclic_graph(graph_of(kept))
        after = genes_of(kept)
        assert all(after[node] == before[node] for node in after if after[node] != {node})
    sets = [frozenset(before[n]) for n in before if before[n] != {n}]
    assert len(sets) - len(report.table) == len(set(sets))


def test_a_wanted_output_gives_the_merged_set_its_name() -> None:
    edges = pd.DataFrame({"source": ["g1", "g1", "g2", "g2"], "target": ["a", "b", "a", "b"]})
    kept, report = priors.merge_identical(edges, keep=["b"])
    assert pairs(kept) == {("g1", "b"), ("g2", "b")}
    assert "'a into b'" in repr(report)
    both, _ = priors.merge_identical(edges, keep=["a", "b"])
    assert pairs(both) == pairs(edges)


@few
@given(tables())
def test_no_chain_is_left_after_collapsing(edges: pd.DataFrame) -> None:
    before = genes_of(edges)
    kept, _ = priors.collapse_chains(edges)
    graph, after = graph_of(kept), genes_of(kept)
    assert all(after[node] == before[node] for node in after)
    inputs = {node for node, degree in graph.in_degree() if degree == 0}
    for node in set(graph) - inputs:
        (first, *more) = graph.predecessors(node)
        assert more or first in inputs or not graph.out_degree(node)


def test_a_signed_chain_stays() -> None:
    edges = pd.DataFrame({"source": ["g", "h", "p", "q"], "target": ["p", "p", "q", "out"]})
    assert len(priors.collapse_chains(edges)[0]) == 3
    assert len(priors.collapse_chains(edges.assign(sign=[1, 1, -1, 1]))[0]) == 4


@few
@given(tables(), st.integers(0, 3))
def test_a_depth_is_cut(edges: pd.DataFrame, depth: int) -> None:
    graph = graph_of(edges)
    ends = {node for node, degree in graph.out_degree() if degree == 0}
    inputs = {node for node, degree in graph.in_degree() if degree == 0}
    far = nx.multi_source_dijkstra_path_length(graph.reverse(), ends)
    kept, _ = priors.cut_depth(edges, depth)
    assert set(graph_of(kept)) - inputs == {n for n in far if far[n] <= depth and n not in inputs}


@few
@given(tables(), st.integers(1, 3), st.sampled_from(["keep", "drop"]))
def test_layers_are_limited(edges: pd.DataFrame, layers: int, skips: str) -> None:
    kept, _ = priors.limit_layers(edges, layers, skips=skips)
    summary = priors.graph_summary(kept)
    assert summary.depth is not None
    assert summary.depth <= layers
    if skips == "drop":
        assert summary.skip_edges == 0
    else:
        inputs = {n for n, own in genes_of(edges).items() if own == {n}}
        assert inputs <= set(graph_of(kept))
    e2t.compile_graph(kept, quiet=True)


# ------------------------------------------------------------------------------- cycles


@few
@given(tables(acyclic=False), st.data())
def test_broken_cycles_are_gone_and_nothing_else(edges: pd.DataFrame, data: st.DataObject) -> None:
    graph = graph_of(edges)
    start = data.draw(st.sampled_from(sorted(graph)))
    kept, report = priors.break_cycles(edges, inputs=[start])
    after = graph_of(kept)
    assert nx.is_directed_acyclic_graph(after)
    lengths = nx.single_source_shortest_path_length(graph, start)
    if start in after:
        assert nx.single_source_shortest_path_length(after, start) == lengths
    component = {n: k for k, own in enumerate(nx.strongly_connected_components(graph)) for n in own}
    dropped = pairs(edges) - pairs(kept)
    assert all(component[a] == component[b] for a, b in dropped)
    if dropped:
        assert pairs(report.table) == dropped


def test_without_an_input_there_is_no_rank() -> None:
    ring = pd.DataFrame({"source": ["a", "b"], "target": ["b", "a"]})
    with pytest.raises(Edge2TorchError, match="Name inputs="):
        priors.break_cycles(ring)
    with pytest.raises(Edge2TorchError, match=r"no layers. Run break_cycles"):
        priors.limit_layers(pd.concat([ring, pd.DataFrame({"source": ["x"], "target": ["a"]})]), 2)


# --------------------------------------------------------------------- names and additions


def test_identifiers_are_mapped_one_to_many_and_many_to_one() -> None:
    edges = pd.DataFrame({"source": ["P1", "P2", "P3", "p"], "target": ["p", "p", "p", "top"]})
    table = pd.DataFrame({"uniprot": ["P1", "P2", "P2"], "symbol": ["A", "A", "B"]})
    mapped, report = priors.map_identifiers(edges, table)
    assert pairs(mapped) == {("A", "p"), ("B", "p"), ("P3", "p"), ("p", "top")}
    assert "1 new name(s) stand for several: 'A'" in repr(report)
    assert "1 old name(s) became several: 'P2'" in repr(report)
    dropped, _ = priors.map_identifiers(edges, table, unmapped="drop")
    assert "P3" not in set(dropped["source"])
    with pytest.raises(Edge2TorchError, match=r"mapping lacks 1 input.s.: 'P3'"):
        priors.map_identifiers(edges, table, unmapped="error")
    with pytest.raises(Edge2TorchError, match="names no node"):
        priors.map_identifiers(edges, {"X": "Y"})


def test_data_types_feed_their_entity() -> None:
    features = ["g1@rna", "g1@mut", "g2@rna", "x@rna"]
    edges, report = priors.prepare_prior(HIERARCHY, features, ["top"], data_types="@")
    assert {("g1@rna", "g1"), ("g1@mut", "g1"), ("g2@rna", "g2"), ("g1", "p")} <= pairs(edges)
    assert report.covered == ("g1@rna", "g1@mut", "g2@rna")
    assert report.uncovered == ("x@rna",)
    _, artifact = e2t.compile_graph(edges, quiet=True)
    assert artifact.feature_names == ["g1@mut", "g1@rna", "g2@rna"]
    with pytest.raises(Edge2TorchError, match="'g1' both plain and with a data type"):
        priors.add_data_types(HIERARCHY, ["g1", "g1@rna"])


def test_a_dense_block_is_multiplied_as_one() -> None:
    block = priors.dense_block([f"s{k}" for k in range(30)], [f"t{k}" for k in range(20)])
    _, artifact = e2t.compile_graph(block, quiet=True)
    assert artifact.kernels["reason"].tolist() == ["every source meets every target"]
    for bad, words in (
        ((["a"], []), "targets is empty"),
        ((["a", "a"], ["b"]), "sources names nodes twice: 'a'"),
        ((["a"], ["a"]), "both name 'a'"),
    ):
        with pytest.raises(Edge2TorchError, match=words):
            priors.dense_block(*bad)


def test_a_union_joins_what_is_in_both() -> None:
    one = pd.DataFrame(
        {"source": ["a", "b"], "target": ["b", "c"], "sign": [1, 1], "db": ["x", "x"]}
    )
    two = pd.DataFrame({"source": ["a", "c"], "target": ["b", "d"], "sign": [-1, 1]})
    both, report = priors.union_edges(one, two)
    assert both["sign"].tolist() == [0, 1, 1]
    assert both["db"].fillna("").tolist() == ["x", "x", ""]
    assert "Opposite signs, now 0, at 'a' -> 'b'" in repr(report)


def test_latent_nodes_stand_beside_the_sets_and_reach_the_outputs() -> None:
    edges, report = priors.prepare_prior(HIERARCHY, GENES, ["B", "T"], connect=True, latent=2)
    assert {("g1", "latent_1"), ("latent_2", "B"), ("top", "T")} <= pairs(edges)
    assert report.outputs == ("B", "T")
    with pytest.raises(Edge2TorchError, match="nodes called 'p' already"):
        priors.connect_outputs(HIERARCHY, ["p"])


# -------------------------------------------------------------------------- all in one call


def test_prepare_prior_takes_the_steps_asked_for_and_compiles() -> None:
    edges, report = priors.prepare_prior(
        HIERARCHY,
        [*GENES, "x"],
        mapping={"g9": "g3"},
        min_genes=2,
        collapse=True,
        merge=True,
        propagate=True,
        layers=2,
        root="root",
    )
    names = [step.step for step in report]
    assert names[:2] == ["map_identifiers", "keep_between"]
    assert names[-1] == "add_root"
    _, artifact = e2t.compile_graph(edges, quiet=True)
    assert tuple(artifact.feature_names) == report.inputs == tuple(GENES)
    assert report.covered == tuple(GENES)
    assert report.uncovered == ("x",)
    assert "4 of 5 features covered (80 %)" in repr(report)
    assert report["add_root"].edges[1] == len(edges)
    assert "<table>" in report._repr_html_()


def test_cycles_are_refused_broken_or_kept() -> None:
    loop = pd.DataFrame({"source": ["u", "a", "b", "b"], "target": ["a", "b", "a", "y"]})
    with pytest.raises(Edge2TorchError, match=r"2 edge.s. are on one, such as 'a' -> 'b'"):
        priors.prepare_prior(loop, ["u"])
    broken, report = priors.prepare_prior(loop, ["u"], cycles="break")
    assert pairs(broken) == {("u", "a"), ("a", "b"), ("b", "y")}
    assert [step.step for step in report][:2] == ["keep_between", "break_cycles"]
    kept, report = priors.prepare_prior(loop, ["u"], ["b"], cycles="keep")
    assert pairs(kept) == {("u", "a"), ("a", "b"), ("b", "a")}
    e2t.compile_graph(
        kept, backend="recurrent", inputs=report.inputs, outputs=report.outputs, quiet=True
    )


def test_an_output_that_no_feature_reaches_is_reported() -> None:
    edges, report = priors.prepare_prior(HIERARCHY, GENES, ["top", "z"], min_genes=2, root=None)
    assert report.outputs == ("top",)
    assert "1 wanted output(s) have no feature below them and were dropped: 'z'" in repr(report)
    assert "z" not in set(edges["target"])


def test_arguments_that_exclude_each_other() -> None:
    with pytest.raises(Edge2TorchError, match="connect=True needs outputs="):
        priors.prepare_prior(HIERARCHY, GENES, connect=True)
    with pytest.raises(Edge2TorchError, match="root and outputs exclude"):
        priors.prepare_prior(HIERARCHY, GENES, ["top"], root="root")


def test_the_table_handed_in_stays_as_it_was() -> None:
    before = HIERARCHY.copy()
    priors.prepare_prior(HIERARCHY, GENES, min_genes=2, collapse=True, merge=True, root="root")
    pd.testing.assert_frame_equal(HIERARCHY, before)


# ------------------------------------------------------------------------------ the summary


@few
@given(tables(acyclic=False), st.integers(1, 3), st.integers(2, 4))
def test_the_summary_counts_what_is_compiled(
    edges: pd.DataFrame, steps: int, channels: int
) -> None:
    graph = graph_of(edges)
    inputs = sorted(n for n, degree in graph.in_degree() if degree == 0)
    outputs = sorted(n for n, degree in graph.out_degree() if degree == 0)
    if not inputs or not outputs:
        return
    edges = (
        priors.keep_between(edges, inputs, outputs)[0]
        if _connected(graph, inputs, outputs)
        else None
    )
    if edges is None:
        return
    summary = priors.graph_summary(edges, steps=steps, channels=channels)
    graph = graph_of(edges)
    assert (summary.nodes, summary.edges) == (len(graph), len(edges))
    assert (summary.depth is None) == (not nx.is_directed_acyclic_graph(graph))
    if summary.depth is not None:
        assert summary.depth == nx.dag_longest_path_length(graph)
    options = {"recurrent": {"steps": steps}, "gnn": {"steps": steps, "channels": channels}}
    for backend, row in summary.costs.iterrows():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", e2t.Edge2TorchWarning)
            model, _ = e2t.compile_graph(
                edges, backend=str(backend), quiet=True, **options.get(str(backend), {})
            )
        assert sum(p.numel() for p in model.parameters()) == row["parameters"]


def _connected(graph: nx.DiGraph, inputs: list[str], outputs: list[str]) -> bool:
    return any(nx.has_path(graph, a, b) for a in inputs for b in outputs)


def test_the_summary_of_a_graph_with_named_ends() -> None:
    ring = pd.DataFrame({"source": ["a", "b", "c"], "target": ["b", "c", "a"]})
    summary = priors.graph_summary(ring, inputs=["a"], outputs=["c"])
    assert (summary.depth, summary.inputs, summary.outputs) == (2, 1, 1)
    summary = priors.graph_summary(ring)
    assert (summary.depth, summary.cyclic_edges, summary.largest_cycle) == (None, 3, 3)
    assert "feedforward" not in summary.costs.index
    assert "3 edges on cycles" in repr(summary)
    assert np.isclose(summary.degrees.loc[0.5, "in"], 1)


def test_errors_that_say_what_to_do() -> None:
    edges = pd.DataFrame({"source": ["G1", "G2"], "target": ["p", "q"]})
    cells = pd.DataFrame(0.0, index=["c1", "c2"], columns=["G1", "G2"])
    for features, outputs, options, said in (
        (cells.T, None, {}, "pass data.T"),
        (["g1"], None, {}, "upper and lower case"),
        (["ENSG1"], None, {}, "map_identifiers"),
        (cells, ["B"], {}, "its ends are 'p', 'q'. connect=True"),
        (cells, None, {"min_genes": 5}, "sets here have 1 to 1"),
        (["G1", "p", "q"], ["p"], {}, "lead into features"),
    ):
        with pytest.raises(Edge2TorchError, match=said):
            priors.prepare_prior(edges, features, outputs, **options)
