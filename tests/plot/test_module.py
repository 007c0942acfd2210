"""Drivers, usage, heat map and summary of an explained module."""

import itertools
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.explain import ExplainResult, gene_driver_table, transcript_polarity_table
from edge2torch.plot import (
    plot_module_drivers,
    plot_module_heatmap,
    plot_module_summary,
    plot_module_usage,
    save_module_figures,
)

plt.switch_backend("agg")
SAMPLES = [f"s{k}" for k in range(40)]


@pytest.fixture(name="explained", scope="module")
def _explained():
    rng = np.random.default_rng(0)
    y = pd.Series(rng.normal(size=40), SAMPLES)
    names = [f"GENE{k}_with_a_name_that_is_very_long_indeed" for k in range(20)]
    sign = np.where(np.arange(40) % 2, -1, 1) * np.linspace(0.2, 3, 40)
    ids = [f"{name}.t{k}" for name in names for k in range(2)]
    table = pd.DataFrame(rng.normal(size=(40, 40)) + np.outer(y, sign), SAMPLES, ids)
    table.iloc[:5, 3] = np.nan
    meta = pd.DataFrame({"feature_id": ids, "gene_id": np.repeat(names, 2)})
    meta = meta.assign(feature_type="switch", transcript_id=ids)
    arguments = table, meta, y
    none = pd.DataFrame()
    return table, ExplainResult(
        "M000",
        tuple(names),
        y,
        gene_driver_table(*arguments),
        transcript_polarity_table(*arguments),
        none,
    )


def test_intervals_are_fishers_and_colours_tell_the_direction(explained):
    _, result = explained
    axes = plot_module_drivers(result, n=30)
    segments = axes.collections[0].get_segments()
    row = result.gene_driver_table.iloc[0]
    reach = 1.959964 / np.sqrt(row["n_samples"] - 3)
    expected = np.tanh(np.arctanh(row["r"]) + np.array([-reach, reach]))
    np.testing.assert_allclose([segments[0][0][0], segments[0][1][0]], expected)
    words = {text.get_text() for text in axes.get_legend().get_texts()}
    assert {"rises", "falls", "switch"} <= words
    plt.close(axes.figure)


@pytest.mark.parametrize("kind", ["drivers", "heatmap", "summary"])
def test_labels_and_legend_do_not_overlap(explained, kind):
    table, result = explained
    draw = {
        "drivers": lambda: plot_module_drivers(result).figure,
        "heatmap": lambda: plot_module_heatmap(result, table).figure,
        "summary": lambda: plot_module_summary(result, table, n=30),
    }
    figure = draw[kind]()
    figure.canvas.draw()
    for axes in figure.axes:
        boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
        boxes = sorted(boxes, key=lambda box: box.y0)
        assert all(a.y1 <= b.y0 + 2 for a, b in itertools.pairwise(boxes))
        if axes.get_legend() is not None:
            legend = axes.get_legend().get_window_extent()
            assert legend.y1 < axes.xaxis.label.get_window_extent().y0
        assert axes.title.get_window_extent().x1 < figure.bbox.x1
    plt.close(figure)


def test_usage_draws_the_strongest_switch(explained):
    table, result = explained
    axes = plot_module_usage(result, table)
    strongest = result.transcript_polarity_table.nlargest(1, "switch_strength")["gene_id"].iloc[0]
    assert axes.get_title(loc="left").startswith(strongest[:6])
    assert len(axes.lines) == 2
    plt.close(axes.figure)
    with pytest.raises(Edge2TorchError, match="no transcripts"):
        plot_module_usage(result, table, "X")


def test_files(explained, tmp_path):
    table, result = explained
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = save_module_figures(result, table, tmp_path, kind="pdf", n=5)
    assert {path.name for path in written} == {
        "drivers.pdf",
        "heatmap.pdf",
        "summary.pdf",
        "usage.pdf",
    }
    assert all(path.read_bytes().startswith(b"%PDF") for path in written)
