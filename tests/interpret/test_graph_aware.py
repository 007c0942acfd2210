"""Dropout rates follow the fan-in of what a node feeds."""

import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.interpret import graph_aware_dropout


def star(fan_in):
    rows = [(f"g{k}", f"h{k}") for k in range(fan_in)] + [(f"h{k}", "y") for k in range(fan_in)]
    return e2t.compile_graph(pd.DataFrame(rows, columns=["source", "target"]), quiet=True)


@pytest.mark.parametrize(("fan_in", "rate"), [(1, None), (2, 0.1), (3, 0.1), (7, 0.3), (8, 0.5)])
def test_the_rate_rises_with_the_number_of_others(fan_in, rate):
    _, artifact = star(fan_in)
    found = graph_aware_dropout(artifact, rate=0.5)
    assert found == ({} if rate is None else {f"h{k}": rate for k in range(fan_in)})


def test_the_strictest_target_decides():
    rows = (
        [(f"g{k}", f"h{k}") for k in range(8)] + [(f"h{k}", "y") for k in range(8)] + [("h0", "z")]
    )
    _, artifact = e2t.compile_graph(pd.DataFrame(rows, columns=["source", "target"]), quiet=True)
    assert "h0" not in graph_aware_dropout(artifact)


def test_it_is_a_policy_of_customize_model():
    model, artifact = star(8)
    rates = graph_aware_dropout(artifact, rate=0.4)
    custom = e2t.customize_model(model, node_dropout=rates, artifact=artifact)
    assert "p=0.4" in repr(custom)
    with pytest.raises(e2t.Edge2TorchError, match="rate"):
        graph_aware_dropout(artifact, rate=1.0)
