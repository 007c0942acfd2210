"""In half precision, what many share gets the gradient of all of them.

``w[index]`` and other sums stop at 256 equal terms in bfloat16 and at 2,048 in float16
(findings/half_precision_gradient_of_an_index.sh), so every backend has more than that here.
"""

import copy

import pandas as pd
import pytest
import torch

import edge2torch as e2t

N_INPUTS, N_SAMPLES = 300, 2200


@pytest.mark.parametrize(
    ("backend", "dtype"),
    [
        ("feedforward", torch.bfloat16),
        ("feedforward", torch.float16),
        ("recurrent", torch.bfloat16),
        ("recurrent", torch.float16),
        ("gnn", torch.bfloat16),  # float16 has no range for the products of such small weights
    ],
)
def test_the_gradient_of_many_users_does_not_stop(backend, dtype):
    edges = pd.DataFrame(
        [(f"g{k}", "p") for k in range(N_INPUTS)] + [("p", "out"), ("g0", "out")],
        columns=["source", "target"],
    )
    model, _ = e2t.compile_graph(edges, backend=backend, seed=0, quiet=True)
    x = torch.ones(N_SAMPLES, N_INPUTS)

    def gradients(dtype):
        one = copy.deepcopy(model).to(dtype)
        with torch.no_grad():
            for parameter in one.parameters():
                parameter.fill_(2.0**-12)  # exact in every precision, far from where tanh bends
        one(x.to(dtype)).sum().backward()
        return {name: p.grad.double() for name, p in one.named_parameters() if p.grad is not None}

    right, found = gradients(torch.float64), gradients(dtype)
    assert found.keys() == right.keys()
    for name, gradient in right.items():
        off = (found[name] - gradient).abs().max()
        assert off <= 0.05 * gradient.abs().max(), name
