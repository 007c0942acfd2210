"""The read-only view of a graph."""

import pandas as pd
import pytest

import edge2torch as e2t

EDGES = pd.DataFrame(
    [("g1", "tf"), ("g2", "tf"), ("tf", "path"), ("path", "out"), ("g1", "out")],
    columns=["source", "target"],
)


@pytest.fixture
def view():
    return e2t.graph_topology(e2t.compile_graph(EDGES, quiet=True)[1])


def test_ends_and_hidden(view):
    assert (view.inputs, view.outputs, view.hidden) == (["g1", "g2"], ["out"], ["path", "tf"])


def test_neighbours(view):
    assert view.parents("out") == ["g1", "path"]
    assert view.children("g1") == ["out", "tf"]
    assert view.parents("g1") == []


def test_ancestors_and_descendants(view):
    assert view.ancestors("path") == ["g1", "g2", "tf"]
    assert view.descendants("tf") == ["out", "path"]


def test_depth_is_the_shortest_way_from_an_input(view):
    assert view.depth == {"g1": 0, "g2": 0, "tf": 1, "path": 2, "out": 1}


def test_shortest_path(view):
    assert view.shortest_path("g1", "out") == ["g1", "out"]
    assert view.shortest_path("g2", "out") == ["g2", "tf", "path", "out"]
    with pytest.raises(e2t.Edge2TorchError, match="No directed path leads from 'out' to 'g1'"):
        view.shortest_path("out", "g1")


def test_unknown_names_offer_the_nearest(view):
    with pytest.raises(e2t.Edge2TorchError, match="Nearest to 'pathh': 'path'"):
        view.parents("pathh")


def test_what_is_no_artifact():
    with pytest.raises(e2t.Edge2TorchError, match="found DataFrame"):
        e2t.graph_topology(EDGES)
