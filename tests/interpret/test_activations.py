"""Values of nodes, as the model computed them."""

import pandas as pd
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
