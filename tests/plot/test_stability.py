"""Dots of every replicate, and their agreement in words."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.plot import plot_stability

plt.switch_backend("agg")
SCORES = pd.DataFrame({"a": [1.0, 1.2], "b": [5.0, 4.0], "c": [2.0, 3.0]})


def test_strongest_first_and_agreement_in_the_title():
    axes = plot_stability(SCORES, n=2)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "c"]
    assert axes.get_title(loc="left") == "2 replicates, mean Spearman 1.00"
    dots = axes.collections[0].get_offsets()
    assert sorted(dots[dots[:, 1] == 0][:, 0]) == [4.0, 5.0]
    plt.close(axes.figure)


def test_bad_scores():
    with pytest.raises(Edge2TorchError, match="missing"):
        plot_stability(SCORES.assign(d=np.nan))
    with pytest.raises(Edge2TorchError):
        plot_stability([1, 2])
