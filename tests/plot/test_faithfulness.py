import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t

plt.switch_backend("agg")


def test_a_panel_per_curve_and_a_line_per_method():
    torch.manual_seed(0)
    edges = pd.DataFrame({"source": ["a", "b", "p", "q"], "target": ["p", "q", "y", "y"]})
    model, _ = e2t.compile_graph(edges, quiet=True)
    data = pd.DataFrame(np.random.default_rng(0).normal(size=(9, 2)), columns=["a", "b"])
    methods = ["Saliency", "LayerConductance", "LayerActivation"]
    found = e2t.faithfulness(model, data, methods, quiet=True)
    figure = e2t.plot.faithfulness(found, title="A model")
    assert len(figure.axes) == 4
    lines = {line.get_label().partition(":")[0]: line for line in figure.axes[2].lines}
    assert set(lines) == {"LayerConductance", "LayerActivation", "random order"}
    assert lines["LayerActivation"].get_linestyle() == ":"
    own = found.frame.query("method == 'LayerConductance' and curve == 'deletion'")
    assert lines["LayerConductance"].get_ydata() == pytest.approx(own["change"].to_numpy())
    plt.close(figure)
    with pytest.raises(e2t.Edge2TorchError, match="what faithfulness returned, found DataFrame"):
        e2t.plot.faithfulness(data)
