"""Degree bias, before and after."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.plot import plot_degree_bias

plt.switch_backend("agg")
TABLE = pd.DataFrame(
    {
        "score": [1.0, 2.0, 4.0],
        "corrected": [2.0, 0.5, 0.1],
        "degree": [3, 9, 27],
        "subgraph": [4, 12, 30],
    },
    index=["small", "middle", "$large$"],
)


def test_each_panel_says_how_far_the_ranking_follows_degree():
    figure = plot_degree_bias(TABLE, label=1, title="Bias")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["before: Spearman 1.00", "after: Spearman -1.00"]
    named = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert named == [[r"\$large\$"], ["small"]]
    plt.close(figure)


def test_names_keep_apart_and_clear_of_the_dots_below():
    crowd = pd.DataFrame({"score": [3.0, 3.0, 2.9, 2.8, 0.0], "degree": [2, 5, 3, 2, 9]})
    figure = plot_degree_bias(crowd.assign(corrected=crowd["score"]), label=3)
    figure.canvas.draw()
    for ax in figure.axes:
        boxes = [text.get_window_extent() for text in ax.texts]
        assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
        dots = ax.transData.transform(crowd[["degree", "score"]])
        assert not any(box.contains(*dot) for box in boxes for dot in dots)
        assert all(box.y1 < ax.get_window_extent().y1 + 1 for box in boxes)
    plt.close(figure)


def test_another_column_and_missing_ones():
    figure = plot_degree_bias(TABLE, degree="subgraph", degree_name="sub-graph")
    assert figure.axes[0].get_xlabel() == "sub-graph"
    plt.close(figure)
    with pytest.raises(Edge2TorchError, match="'degree'"):
        plot_degree_bias(TABLE.drop(columns="degree"))
