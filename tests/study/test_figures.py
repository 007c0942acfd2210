"""The pictures of a report: what is left out of them, and what nodes are called."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.study._figures import _called, _flow, flow_columns
from edge2torch.study._words import Words


def study(n_layers: int, **columns: list[str]) -> SimpleNamespace:
    """Results, as far as a picture of the flow reads them, of a chain of nodes."""
    nodes = [f"n{k}" for k in range(n_layers)]
    edges = pd.DataFrame({"source": nodes[:-1], "target": nodes[1:]}).assign(**columns)
    network = SimpleNamespace(
        artifact=e2t.compile_graph(edges, quiet=True)[1], head=2, outputs=(nodes[-1],)
    )
    task = SimpleNamespace(label="group")
    return SimpleNamespace(
        study=SimpleNamespace(network=network, task=task, words=Words()),
        flow=SimpleNamespace(group="2", table=edges[["source", "target"]].assign(attribution=1.0)),
    )


@pytest.mark.parametrize(("n_layers", "first"), [(3, "n0"), (4, "n0"), (7, "n3")])
def test_the_flow_of_a_deep_network_shows_its_last_layers_and_says_so(n_layers, first):
    results = study(n_layers)
    shown = min(n_layers, 4)
    assert flow_columns(results) == (shown, n_layers)
    figure = _flow(results)
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts] == [
        f"n{k}" for k in range(int(first[1:]), n_layers)
    ]
    part = f"To group 2, through the last 4 of {n_layers} layers"
    wanted = "From features to group 2" if shown == n_layers else part
    assert ax.get_title(loc="left") == wanted
    plt.close(figure)


def test_pictures_leave_identifiers_out_unless_two_nodes_share_a_name():
    results = study(
        4, source_name=["Apoptosis", "Apoptosis", "n3"], target_name=[None, None, "End"]
    )
    assert _called(results) == {
        "n0": "Apoptosis (n0)",
        "n1": "Apoptosis (n1)",
        "n2": "n3",
        "n3": "End",
    }
