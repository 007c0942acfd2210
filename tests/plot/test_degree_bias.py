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


def test_another_column_and_missing_ones():
    figure = plot_degree_bias(TABLE, degree="subgraph", degree_name="sub-graph")
    assert figure.axes[0].get_xlabel() == "sub-graph"
    plt.close(figure)
    with pytest.raises(Edge2TorchError, match="'degree'"):
        plot_degree_bias(TABLE.drop(columns="degree"))
