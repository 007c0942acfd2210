"""Steps over many samples: the gradient of the whole, and the memory of a part."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.nn import CoxLoss, drop_values
from edge2torch.train import in_chunks

EDGES = pd.DataFrame(
    {"source": [*"abcdef", "h", "i"], "target": ["h", "h", "h", "i", "i", "i", "y", "y"]}
)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_chunks_give_the_gradient_of_the_whole(dropout: float) -> None:
    model, _ = e2t.compile_graph(EDGES, seed=0, quiet=True)
    model = model.double()
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(101, 6)))
    cox = CoxLoss(rng.exponential(size=101).round(1), rng.random(101) < 0.6)
    rows, weights, met = torch.arange(101)[None], [], []

    def outputs(part: torch.Tensor) -> tuple[torch.Tensor, ...]:
        met.append(part.shape[1])
        seen = drop_values(x[part[0]], dropout)
        weights.append(seen)
        return model(seen)[None], seen[None]

    torch.manual_seed(1)
    y, _ = in_chunks(outputs, rows, size=20)
    assert met == [17, 17, 17, 17, 17, 16]  # of one size: batch normalisation needs several
    loss = cox(y[0])
    loss.backward()
    found = [own.grad.clone() for own in model.parameters()]
    assert len(weights) == 12  # forth and back
    for forth, back in zip(weights[:6], reversed(weights[6:]), strict=True):
        torch.testing.assert_close(forth, back)  # the same features were hidden
    model.zero_grad()
    whole = cox(model(torch.cat(weights[:6])))
    whole.backward()
    torch.testing.assert_close(loss, whole)
    for own, expected in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(own, expected.grad, rtol=1e-10, atol=1e-12)


def test_few_samples_are_taken_at_once_and_nothing_is_kept_without_gradients() -> None:
    weight = torch.ones(3, requires_grad=True)
    met: list[bool] = []

    def outputs(part: torch.Tensor) -> tuple[torch.Tensor, ...]:
        met.append(torch.is_grad_enabled())
        return ((part[..., None] * weight).sum(-1, keepdim=True),)

    in_chunks(outputs, torch.arange(20)[None], size=20)
    assert met == [True]
    met.clear()
    (y,) = in_chunks(outputs, torch.arange(21)[None], size=20)
    assert met == [False, False]  # so that no activation outlives its part
    y.sum().backward()
    assert met == [False, False, True, True]
    assert weight.grad.tolist() == [210.0] * 3
    with torch.no_grad():
        (plain,) = in_chunks(outputs, torch.arange(21)[None], size=20)
    torch.testing.assert_close(plain, y.detach())


def test_a_constrained_weight_at_zero_is_held_against_each_part() -> None:
    edges = pd.DataFrame({"source": ["a"], "target": ["y"], "constraint": "positive"})
    model, _ = e2t.compile_graph(edges, seed=0, quiet=True)
    (weight,) = (p for name, p in model.named_parameters() if "weight" in name)
    with torch.no_grad():
        weight.zero_()
    x = torch.tensor([[3.0], [-1.0]])  # the first would lower the weight, the second raise it

    def slope(size: int) -> float:
        model.zero_grad()
        (y,) = in_chunks(lambda part: (model(x[part[0]])[None],), torch.arange(2)[None], size)
        y.sum().backward()
        return float(weight.grad.sum())

    assert slope(2) == 0
    assert slope(1) == -1
