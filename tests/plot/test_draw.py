"""draw_graph: what is shown, how it is saved, what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.plot import draw_graph
from edge2torch.plot._draw import Subgraph
from edge2torch.plot._layout import BOX, lay_out
from edge2torch.plot._names import short_labels
from edge2torch.plot._subgraph import choose_subgraph

plt.switch_backend("agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def small():
    edges = pd.DataFrame(
        {
            "source": ["g1", "g2", "g2", "g3", "tf", "g3"],
            "target": ["tf", "tf", "kinase", "kinase", "cell", "cell"],
        }
    )
    edges.loc[len(edges)] = ["kinase", "cell"]
    return e2t.compile_graph(edges, quiet=True)


@pytest.fixture
def large():
    rng = np.random.default_rng(0)
    genes = [f"gene_{k}" for k in range(300)]
    pathways = [
        f"pathway number {k} with a name that is far too long to be read" for k in range(80)
    ]
    pairs = {(g, pathways[p]) for g in genes for p in rng.integers(0, 80, 2)}
    pairs |= {(p, c) for p in pathways for c in ("B", "T", "NK")}
    edges = pd.DataFrame(sorted(pairs), columns=["source", "target"])
    return e2t.compile_graph(edges, quiet=True, unused="prune")


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_every_node_of_a_small_graph_is_shown_and_no_pseudo_node(small):
    _, artifact = small
    shown = texts(draw_graph(artifact, engine="matplotlib"))
    assert set(artifact.graph.node_names) <= set(shown)
    assert {"inputs (3)", "layer 1 (2)", "outputs (1)"} <= set(shown)
    assert not [text for text in shown if "__" in text]


def test_a_large_graph_is_cut_to_its_most_important_part_and_says_so(large):
    model, artifact = large
    names = artifact.node_names_by_layer["layer_1"]
    scores = pd.Series(np.linspace(-1, 0.5, len(names)), index=names)
    axes = draw_graph(
        artifact, scores=scores, weights=e2t.edge_weights(model, artifact), engine="matplotlib"
    )
    n_nodes, n_edges = artifact.graph.n_nodes, artifact.graph.n_edges
    title = axes.get_title(loc="left")
    assert f"60 of {n_nodes:,} nodes" in title
    assert f"of {n_edges:,} edges" in title
    graph = choose_subgraph(
        artifact, scores=scores, weights=None, outputs=None, max_nodes=60, max_edges=180
    )
    hidden = [n for n, k in zip(graph.names, graph.layer, strict=True) if k == 1]
    assert set(hidden) == set(scores.abs().sort_values(ascending=False).index[: len(hidden)])
    assert len(graph.names) == 60
    assert len(graph.source) <= 180
    assert {"B", "T", "NK"} <= set(graph.names)


def test_every_shown_node_leads_to_an_output(large):
    _, artifact = large
    graph = choose_subgraph(
        artifact, scores=None, weights=None, outputs=None, max_nodes=30, max_edges=10_000
    )
    leads = graph.is_output.copy()
    for _ in range(3):
        leads[graph.source[leads[graph.target]]] = True
    assert leads.all()


def test_one_output_alone(large):
    _, artifact = large
    graph = choose_subgraph(
        artifact, scores=None, weights=None, outputs=["B"], max_nodes=500, max_edges=10_000
    )
    assert "T" not in graph.names
    assert graph.is_output.sum() == 1
    assert graph.caption == ""


def test_boxes_do_not_overlap(large):
    _, artifact = large
    graph: Subgraph = choose_subgraph(
        artifact, scores=None, weights=None, outputs=None, max_nodes=60, max_edges=180
    )
    layout = lay_out(graph, short_labels(graph.names, 32), ["a", "b", "c"], 9.0)
    for k in range(len(graph.names)):
        apart_x = np.abs(layout.x - layout.x[k]) >= (layout.width + layout.width[k]) / 2
        apart_y = np.abs(layout.y - layout.y[k]) >= BOX
        assert np.delete(apart_x | apart_y, k).all()


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_saving_needs_no_dot(small, tmp_path: Path, monkeypatch, suffix: str):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    model, artifact = small
    path = tmp_path / f"network{suffix}"
    weights = e2t.edge_weights(model, artifact)
    draw_graph(artifact, scores={"tf": 1.0, "kinase": -2.0}, weights=weights, path=path)
    first = path.read_bytes()
    if suffix == ".svg":
        assert ET.fromstring(first).tag.endswith("svg")  # noqa: S314 - we wrote it
    draw_graph(artifact, scores={"tf": 1.0, "kinase": -2.0}, weights=weights, path=path)
    assert path.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_graphviz_without_dot_gives_the_source_and_refuses_a_file(small, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    _, artifact = small
    dot = draw_graph(artifact, engine="graphviz", scores={"tf": 1.0})
    assert "tf: 1" in dot.source
    assert dot.source.count("->") == artifact.graph.n_edges
    with pytest.raises(e2t.Edge2TorchError, match="not on the PATH"):
        draw_graph(artifact, engine="graphviz", path=tmp_path / "x.svg")


def test_awkward_names(tmp_path: Path):
    names = ["a$b$c", 'quo"te', "new\nline", "smile 😀", "back\\slash", "x" * 10_000]
    edges = pd.DataFrame({"source": names, "target": "out"})
    _, artifact = e2t.compile_graph(edges, quiet=True)
    draw_graph(artifact, engine="matplotlib", path=tmp_path / "n.svg")
    dot = draw_graph(artifact, engine="graphviz")
    assert dot.source.count("->") == len(names)


def test_scores_of_interpret_model_are_taken_as_they_come(small):
    model, artifact = small
    data = pd.DataFrame(np.ones((3, 3)), columns=["g1", "g2", "g3"])
    layers = e2t.interpret_model(model, artifact, data, target="nodes", quiet=True)
    assert "attribution" in texts(draw_graph(artifact, scores=layers, engine="matplotlib"))


def test_draws_on_axes_of_the_caller(small):
    _, artifact = small
    _, ax = plt.subplots()
    assert draw_graph(artifact, ax=ax) is ax


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scores": {"nobody": 1.0}}, "not in the graph: 'nobody'"),
        ({"scores": {"tf": "high"}}, "not numbers"),
        ({"scores": {"tf": np.inf}}, "infinite"),
        ({"scores": 3}, "Series or dict"),
        ({"scores": {}}, "no number"),
        ({"outputs": ["nobody"]}, "nobody"),
        ({"max_nodes": 0}, "max_nodes"),
        ({"max_edges": True}, "max_edges"),
        ({"engine": "neato"}, "engine"),
        ({"path": "network.bmp"}, "suffix"),
        ({"path": "no/such/folder/network.svg"}, "folder"),
        ({"weights": pd.DataFrame({"source": ["g1"]})}, "edge_weights"),
        (
            {"weights": pd.DataFrame({"source": ["g1"], "target": ["tf"], "weight": [1.0]})},
            "other edges",
        ),
    ],
)
def test_bad_input(small, options, message):
    _, artifact = small
    with pytest.raises(e2t.Edge2TorchError, match=message):
        draw_graph(artifact, **options)


def test_not_an_artifact():
    with pytest.raises(e2t.Edge2TorchError, match="artifact"):
        draw_graph("network")  # type: ignore[arg-type]


@pytest.mark.parametrize("max_nodes", [60, 4])
def test_a_graph_with_feedback_stands_by_distance_from_the_inputs(max_nodes):
    edges = pd.DataFrame(
        {
            "source": ["ligand", "a", "b", "b", "c", "c"],
            "target": ["a", "b", "a", "b", "b", "readout"],
        }
    )
    edges.loc[len(edges)] = ["b", "c"]
    _, artifact = e2t.compile_graph(edges, backend="recurrent", steps=4, quiet=True)
    shown = texts(draw_graph(artifact, engine="matplotlib", max_nodes=max_nodes))
    assert {"ligand", "readout"} <= set(shown)
    if max_nodes == 60:
        assert {"layer 1 (1)", "layer 2 (1)", "outputs (1)"} <= set(shown)


def test_an_edge_back_leaves_the_way_it_came_and_has_a_head():
    edges = pd.DataFrame({"source": ["x", "a", "b", "b"], "target": ["a", "b", "a", "y"]})
    model, artifact = e2t.compile_graph(edges, backend="recurrent", steps=3, quiet=True)
    weights = e2t.edge_weights(model, artifact).assign(weight=[1.0, 1.0, 1e-6, 1.0])
    ax = draw_graph(artifact, weights=weights, engine="matplotlib")
    lines, heads = ax.collections
    heights = [np.ptp(path.vertices[:, 1]) for path in lines.get_paths()]
    assert sorted(height > 5 for height in heights) == [False, False, False, True]
    assert lines.get_alpha().min() > 0.35  # a weak one too
    assert len(heads.get_offsets()) == 1


def test_blocks_are_as_wide_as_their_norm_and_have_no_sign():
    edges = pd.DataFrame({"source": ["a", "b", "h", "k"], "target": ["h", "k", "y", "y"]})
    model, artifact = e2t.compile_graph(edges, units={"h": 3}, seed=0, quiet=True)
    weights = e2t.edge_weights(model, artifact)
    weights["norm"] = [8.0, 1.0, 2.0, 4.0]
    weights.loc[[1, 3], "weight"] = [1.0, -4.0]
    graph = choose_subgraph(
        artifact, scores=None, weights=weights, outputs=None, max_nodes=99, max_edges=99
    )
    ends = zip(*(np.array(graph.names)[side] for side in (graph.source, graph.target)), strict=True)
    found = dict(zip(ends, zip(graph.weight, graph.strength, strict=True), strict=True))
    assert found == {
        ("a", "h"): (0, 1), ("b", "k"): (1, 1 / 8), ("h", "y"): (0, 0.5), ("k", "y"): (-4, 1)
    }  # fmt: skip


def test_the_legend_speaks_of_signs_where_there_are_any(tmp_path):
    edges = pd.DataFrame({"source": ["a", "h"], "target": ["h", "y"]})
    for units, said in ((1, "positive weight"), ({"h": 3}, "size of weights")):
        model, artifact = e2t.compile_graph(edges, units=units, seed=0, quiet=True)
        weights = e2t.edge_weights(model, artifact)
        axes = draw_graph(artifact, weights=weights, engine="matplotlib")
        words = [text.get_text() for text in axes.texts]
        assert said in words
        assert ("negative weight" in words) == (units == 1)
        path = tmp_path / "page.html"
        draw_graph(artifact, weights=weights, path=path)
        assert ("red positive" in path.read_text()) == (units == 1)
        assert ("width by the size" in path.read_text()) == (units != 1)
