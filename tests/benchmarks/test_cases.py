from __future__ import annotations

from pathlib import Path

import networkx as nx
import pandas as pd
import pytest

from benchmarks.cases import CASES, FILES, deep

SYNTHETIC = [case for case in CASES.values() if not case.files and case.name not in {"d3", "h"}]
# case: nodes, edges, inputs, outputs
SIZES = {
    "a": (22_221, 100_000, 20_000, 1),
    "b": (10_400, 40_000, 9_000, 1_400),
    "c": (10_000, 100_000, 1_000, 100),
    "d1": (250, 1_000, 200, 50),
    "d2": (1_500, 150_000, 1_000, 500),
}


def ends(edges: pd.DataFrame) -> tuple[set[str], set[str]]:
    source, target = set(edges["source"]), set(edges["target"])
    return source - target, target - source


@pytest.mark.parametrize("name", SIZES)
def test_a_case_has_the_size_it_says(name: str) -> None:
    edges = CASES[name].draw(None)
    inputs, outputs = ends(edges)
    nodes = set(edges["source"]) | set(edges["target"])
    assert (len(nodes), len(edges), len(inputs), len(outputs)) == SIZES[name]


@pytest.mark.parametrize("case", SYNTHETIC, ids=lambda case: case.name)
def test_every_draw_is_the_same_and_has_no_edge_twice(case) -> None:
    edges = case.draw(None)
    assert not edges.duplicated().any()
    pd.testing.assert_frame_equal(edges, case.draw(None))


def test_the_stepwise_case_has_cycles() -> None:
    graph = nx.from_pandas_edgelist(CASES["c"].draw(None), create_using=nx.DiGraph)
    assert max(map(len, nx.strongly_connected_components(graph))) > 1_000


def test_the_graph_of_skips_has_one_output_and_skips() -> None:
    edges = CASES["e"].draw(None)
    assert len(ends(edges)[1]) == 1
    depth = {}
    graph = nx.from_pandas_edgelist(edges, create_using=nx.DiGraph)
    for node in nx.topological_sort(graph):
        depth[node] = max((depth[parent] + 1 for parent in graph.predecessors(node)), default=0)
    span = edges["target"].map(depth) - edges["source"].map(depth)
    assert (span > 1).mean() > 0.3


def test_doubling_keeps_the_number_of_edges_asked_for() -> None:
    assert len(deep(50_000)) == 50_000
    assert len(deep(200_000, nodes=2.0)) == 200_000


@pytest.mark.parametrize("name", ["f", "f4", "g"])
def test_a_real_graph_without_its_files_says_which_and_where_from(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError) as told:
        CASES[name].draw(tmp_path)
    missing = [file for file in FILES if file in str(told.value)]
    assert missing
    assert FILES[missing[0]] in str(told.value)


def test_a_pathway_that_no_protein_reaches_is_left_out(tmp_path: Path) -> None:
    rows = ["hop\tsource\ttarget", "0\tP1\tA", "0\tP2\tA", "1\tA\tB", "1\tlost\tB", "2\tB\troot"]
    (tmp_path / "binn_layers4.tsv.gz").write_bytes(_zipped("\n".join(rows)))
    edges = CASES["f4"].draw(tmp_path)
    assert ends(edges) == ({"0:P1", "0:P2"}, {"3:root"})


def test_ontology_keeps_what_annotated_terms_lead_to(tmp_path: Path) -> None:
    annotation = ["gene\tgo_id\tontology", "g1\tt1\tBP", "g1\tt1\tBP", "g2\tm\tMF"]
    terms = ["child\tparent\trel\tontology", "t1\tt2\tisa\tBP", "t3\tt2\tisa\tBP", "m\tn\tisa\tMF"]
    (tmp_path / "go_annotation_human.tsv.gz").write_bytes(_zipped("\n".join(annotation)))
    (tmp_path / "go_edges.tsv.gz").write_bytes(_zipped("\n".join(terms)))
    edges = CASES["g"].draw(tmp_path)
    assert edges.to_numpy().tolist() == [["g1", "t1"], ["t1", "t2"]]


def _zipped(text: str) -> bytes:
    import gzip

    return gzip.compress(text.encode())


@pytest.mark.parametrize("name", ["f", "g"])
def test_without_its_files_a_real_graph_is_a_random_one_of_the_same_levels(name: str) -> None:
    levels = CASES[name].levels
    edges = CASES[name].draw_any(None)
    assert not edges.duplicated().any()
    assert len(edges) == sum(map(sum, (levels.entering, levels.next, levels.skips)))
    graph = nx.from_pandas_edgelist(edges, create_using=nx.DiGraph)
    widths = [len(nodes) for nodes in nx.topological_generations(graph)]
    assert tuple(widths) == levels.widths
    assert len(ends(edges)[1]) == 1
    pd.testing.assert_frame_equal(edges, CASES[name].draw_any(None))
