"""Values of nodes, as the model computed them."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t


def test_values_are_those_before_a_head_that_works_in_place():
    edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "y"], "initial_weight": [2.0, 3.0]})
    model, artifact = e2t.compile_graph(edges, quiet=True)
    x = torch.tensor([[-1.0], [1.0]])
    writing = e2t.customize_model(model, head=nn.ReLU(inplace=True))
    values = e2t.get_node_activations(writing, artifact, x)
    assert values["y"].tolist() == [-6.0, 6.0]
    (slope,) = torch.autograd.grad(writing(x).sum(), model.blocks[0].linear.weight)
    assert slope.tolist() == [3.0]


LOOP = pd.DataFrame(
    {
        "source": ["a", "p", "q", "q"],
        "target": ["p", "q", "p", "y"],
        "initial_weight": [2.0, -1.0, 0.5, 3.0],
    }
)


@pytest.mark.parametrize("how", ["last", "sum", "mean", "max"])
def test_tables_and_tensors_say_the_same_in_the_same_words(how):
    model, artifact = e2t.compile_graph(LOOP, backend="recurrent", steps=3, quiet=True)
    data = pd.DataFrame({"a": [1.0, -2.0]}, index=["u", "v"])
    x = torch.tensor(data.to_numpy(np.float32))
    sites = e2t.activations(model, data=data, level="sites")
    table = e2t.activations(model, data=data, site_aggregation=how)
    tensors = e2t.get_node_activations(model, artifact, x, site_aggregation=how)
    stacks = e2t.get_node_activations(model, artifact, x, level="sites")
    for node in ("p", "q", "y"):
        by_step = np.stack([frame[node] for frame in sites.values() if node in frame], axis=1)
        np.testing.assert_allclose(stacks[node].detach(), by_step, atol=1e-6)
        expected = by_step[:, -1] if how == "last" else getattr(by_step, how)(axis=1)
        np.testing.assert_allclose(table[node], expected, atol=1e-6)
        np.testing.assert_allclose(tensors[node].detach(), expected, atol=1e-6)
        again = e2t.get_node_activations(model, artifact, x, agg=how)[node]
        assert torch.equal(again, tensors[node])
    assert list(table.index) == ["u", "v"]


def test_unknown_words_for_layers_and_steps():
    model, artifact = e2t.compile_graph(LOOP, backend="recurrent", steps=3, quiet=True)
    x = torch.ones(2, 1)
    for ask in (e2t.activations, e2t.get_node_activations):
        with pytest.raises(e2t.Edge2TorchError, match="level must be one of 'summary', 'sites'"):
            ask(model, artifact, x, level="steps")
        with pytest.raises(e2t.Edge2TorchError, match="site_aggregation must be one of 'last'"):
            ask(model, artifact, x, site_aggregation="median")
    with pytest.raises(e2t.Edge2TorchError, match="agg must be one of"):
        e2t.get_node_activations(model, artifact, x, agg="median")
