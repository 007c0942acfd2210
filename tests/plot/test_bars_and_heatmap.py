"""plot_top_nodes and plot_node_heatmap."""

from __future__ import annotations

import re
from contextlib import nullcontext

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch import Edge2TorchError
from edge2torch.plot import plot_node_heatmap, plot_stability, plot_top_nodes
from edge2torch.plot._layout import text_width
from edge2torch.plot._names import short_labels
from edge2torch.plot._style import NEGATIVE, POSITIVE

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


@pytest.mark.parametrize("label", ["Signalling by EGFR", "a $x^2$ of £5", "W" * 40, "日本"])
def test_the_width_of_a_label_is_that_of_its_picture_and_nothing_is_drawn_for_it(
    label, monkeypatch
):
    figure = plt.figure(dpi=720)  # so fine that glyphs are not rounded to pixels
    drawn = figure.text(0, 0, label, fontsize=9, parse_math=False)
    with pytest.warns() if label == "日本" else nullcontext():
        width = drawn.get_window_extent(figure.canvas.get_renderer()).width / 10
    monkeypatch.delattr("matplotlib.path.Path.get_extents")  # the slow way: outline by outline
    assert text_width(label, 9.0) == pytest.approx(width, rel=0.02)
    assert text_width(label, 18.0) == pytest.approx(2 * text_width(label, 9.0))


def test_a_label_without_a_glyph_has_no_width():
    assert text_width("", 9.0) == text_width(" \t", 9.0) == text_width("\u200b", 9.0) == 0.0
    assert text_width("a\nb", 9.0) > 0.0


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


HALLMARKS = [
    "HALLMARK_INTERFERON_ALPHA_RESPONSE",
    "HALLMARK_INTERFERON_GAMMA_RESPONSE",
    "HALLMARK_ESTROGEN_RESPONSE_EARLY",
    "HALLMARK_ESTROGEN_RESPONSE_LATE",
    "HALLMARK_EPITHELIAL_MESENCHYMAL_TRANSITION",
    "HALLMARK_HYPOXIA",
]
REACTOME = [
    "REACTOME_REGULATION_OF_INSULIN_LIKE_GROWTH_FACTOR_IGF_TRANSPORT_AND_UPTAKE_BY_BINDING_PROTEINS",
    "REACTOME_DOWNSTREAM_SIGNALING_EVENTS_OF_B_CELL_RECEPTOR_BCR",
    "REACTOME_SIGNALING_BY_THE_B_CELL_RECEPTOR_BCR",
]


def test_what_tells_names_apart_is_left_as_a_word():
    found = short_labels(HALLMARKS, 16)
    for label, word in zip(
        found, ("ALPHA", "GAMMA", "EARLY", "LATE", "EPI", "HYPOXIA"), strict=True
    ):
        assert word in label
    assert found[:2] == ["…ALPHA_RESPONSE", "…GAMMA_RESPONSE"]
    assert found[-1] == "…HYPOXIA"  # what all begin with goes everywhere, or nowhere
    assert short_labels(HALLMARKS, 50) == HALLMARKS
    words = {part for label in found for part in re.split("[_…]", label)} - {""}
    assert words <= {word for name in HALLMARKS for word in name.split("_")}  # none is cut


def test_a_start_that_one_name_lacks_is_kept_where_two_would_be_alike():
    names = ["SET_OF_GENES_A", "SET_OF_GENES_B", "…A"]
    assert len(set(short_labels(names, 8))) == 3


@pytest.mark.parametrize(
    "names",
    [
        ["x" * 30 + "1", "x" * 30 + "2"],
        ["a" * 20 + "b" + "c" * 20, "a" * 20 + "d" + "c" * 20],
        ["a" * 40, "a" * 41],
        [f"{'the same words ' * 5}{k} {'and more of them ' * 5}" for k in range(30)],
        [f"GENE{k}_{'LONG_' * k}" for k in range(20)],
        ["____________________", "---------------------"],
        [*HALLMARKS, *REACTOME, "G1"],
    ],
)
@pytest.mark.parametrize("width", [8, 12, 20, 33])
def test_different_names_have_different_labels(names, width):
    found = short_labels(names, width)
    assert len(set(found)) == len(set(names))
    assert max(map(len, found)) <= width


@given(st.lists(st.text("ab_ ", min_size=1, max_size=30), max_size=12), st.integers(10, 20))
@settings(max_examples=200, deadline=None)
def test_labels_differ_whatever_the_names(names, width):
    names = list(dict.fromkeys(" ".join(name.split()) for name in names))
    found = short_labels(names, width)
    assert len(set(found)) == len(names)


@pytest.mark.parametrize("draw", [plot_top_nodes, plot_node_heatmap, plot_stability])
def test_one_column_has_room_for_names_and_for_what_they_name(draw):
    """Warnings are errors here: matplotlib warns where axes collapse."""
    names = [*HALLMARKS, *REACTOME]
    values = np.random.default_rng(0).normal(size=(len(names), 3))
    table = pd.DataFrame(values, index=names, columns=list("abc"))
    shown = {plot_top_nodes: table["a"], plot_node_heatmap: table, plot_stability: table.T.abs()}
    axes = draw(shown[draw], width=3.5)
    figure = axes.figure
    figure.canvas.draw()
    assert figure.get_figwidth() == 3.5
    assert axes.get_position().width > 0.3
    assert min(text.get_window_extent().x0 for text in axes.get_yticklabels()) >= 0
    assert len(set(labels(axes.yaxis))) == len(names)


def test_names_leave_half_of_narrow_axes():
    figure, (left, _) = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
    plot_top_nodes(dict.fromkeys([*HALLMARKS, *REACTOME], 1.0), ax=left)
    figure.canvas.draw()
    assert left.get_position().width * 7 > 1.3


@pytest.mark.parametrize("width", [0, -1.0, 300])
def test_a_width_that_cannot_be(width):
    with pytest.raises(Edge2TorchError, match="width is that of the figure in inches"):
        plot_top_nodes({"a": 1.0}, width=width)


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
