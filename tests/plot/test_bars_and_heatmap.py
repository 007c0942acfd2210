"""plot_top_nodes and plot_node_heatmap."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.plot import plot_node_heatmap, plot_top_nodes
from edge2torch.plot._style import NEGATIVE, POSITIVE, short_labels

plt.switch_backend("agg")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def labels(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def test_bars_are_ordered_by_magnitude_and_coloured_by_sign():
    axes = plot_top_nodes({"a": 1.0, "b": -3.0, "c": 2.0, "d": 0.1}, n=3)
    assert labels(axes.yaxis) == ["b", "c", "a"]
    assert [bar.get_width() for bar in axes.patches] == [-3.0, 2.0, 1.0]
    colours = [plt.matplotlib.colors.to_hex(bar.get_facecolor()) for bar in axes.patches]
    assert colours == [NEGATIVE, POSITIVE, POSITIVE]
    low, high = axes.get_ylim()
    assert low > high, "the first bar is on top"


def test_bars_average_samples_and_layers():
    layers = {
        "layer_1": pd.DataFrame({"a": [1.0, 3.0]}),
        "layer_2": pd.DataFrame({"b": [-4.0, -6.0]}),
    }
    axes = plot_top_nodes(layers)
    assert [bar.get_width() for bar in axes.patches] == [-5.0, 2.0]


def test_whiskers_follow_their_nodes():
    axes = plot_top_nodes({"a": 1.0, "b": 2.0}, spread={"a": 0.1, "b": 0.5})
    (segments,) = [c.get_segments() for c in axes.collections]
    assert np.allclose([np.ptp(s[:, 0]) for s in segments], [1.0, 0.2])


def test_heatmap_groups_rows_by_their_strongest_class():
    table = pd.DataFrame(
        {"B": [0.1, 5.0, -4.0, 0.0], "T": [3.0, 0.0, 0.1, -0.2]}, index=["t", "b", "anti_b", "weak"]
    )
    axes = plot_node_heatmap(table, n=3)
    assert labels(axes.yaxis) == ["b", "anti_b", "t"]
    assert labels(axes.xaxis) == ["B", "T"]
    low, high = axes.images[0].get_clim()
    assert low == -high == -5.0


def test_heatmap_gives_every_class_its_turn():
    table = pd.DataFrame({"loud": [9.0, 8.0, 7.0], "quiet": [0.0, 0.0, 0.1]}, index=list("abc"))
    assert labels(plot_node_heatmap(table, n=2).yaxis) == ["a", "c"]


def test_a_table_of_zeros_and_missing_values():
    table = pd.DataFrame({"B": [0.0, np.nan]}, index=["a", "b"])
    assert len(labels(plot_node_heatmap(table).yaxis)) == 2


def test_labels_stay_short_and_different():
    names = [
        "short",
        "SIGNALING BY THE B CELL RECEPTOR ONE",
        "SIGNALING BY THE Z CELL RECEPTOR ONE",
    ]
    found = short_labels(names, 16)
    assert found[0] == "short"
    assert len(set(found)) == 3
    assert all(len(label) <= 16 for label in found)
    assert short_labels(["two\nlines"], 20) == ["two lines"]


@pytest.mark.parametrize("bad", [0, -1, 2.5, True, "3"])
def test_how_many(bad):
    with pytest.raises(Edge2TorchError, match="n must be"):
        plot_top_nodes({"a": 1.0}, n=bad)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.Series([1.0]), "DataFrame"),
        (pd.DataFrame(), "empty"),
        (pd.DataFrame({"a": ["x"]}), "not numbers"),
        (pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), "same name"),
        (pd.DataFrame({"a": [1.0, 2.0]}, index=["n", "n"]), "twice"),
    ],
)
def test_bad_tables(table, message):
    with pytest.raises(Edge2TorchError, match=message):
        plot_node_heatmap(table)


def test_bad_scores():
    with pytest.raises(Edge2TorchError, match="not numbers"):
        plot_top_nodes(pd.DataFrame({"a": ["x"]}))
    with pytest.raises(Edge2TorchError, match="mixes"):
        plot_top_nodes({"layer_1": pd.DataFrame({"a": [1.0]}), "b": 2.0})
