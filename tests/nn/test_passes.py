"""Outputs and gradients past autograd: its bits, and only where it would have nothing else to do."""

from __future__ import annotations

import copy

import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.nn import Passes, gradients_to_parameters
from edge2torch.simulate import random_dag


def networks(engine="graph", **modules):
    """A network, and the same again."""
    model, _ = e2t.compile_graph(
        random_dag(30, 90, seed=0, n_inputs=6), quiet=True, seed=0, engine=engine
    )
    if modules:
        model = e2t.customize_model(model, **modules).base_model
    return model.train(), copy.deepcopy(model).train()


@pytest.mark.parametrize(
    "modules",
    [{}, {"node_activation": "tanh", "node_normalization": "batch", "node_dropout": 0.2}],
)
def test_steps_have_the_bits_of_autograd(modules):
    pytest.importorskip("numba")
    own, other = networks(**modules)
    generator = torch.Generator().manual_seed(0)
    passes = {}
    for step, b in enumerate((50, 50, 37, 50)):
        x = torch.randn(b, 6, generator=generator)
        if b not in passes:
            passes[b] = own.passes(x)
            assert isinstance(passes[b], Passes)
        torch.manual_seed(step)
        y = passes[b].forward(x)
        passes[b].backward(torch.cos(y))
        torch.manual_seed(step)
        with gradients_to_parameters():
            expected = other(x)
        expected.backward(torch.cos(expected.detach()))
        assert torch.equal(y, expected)
        for one, two in zip(own.parameters(), other.parameters(), strict=True):
            assert (one.grad is None) == (two.grad is None)
            assert one.grad is None or torch.equal(one.grad, two.grad)
            with torch.no_grad():
                for each in (one, two):
                    each.sub_(0.1 * (0 if each.grad is None else each.grad))
            if step < 2:  # then they add up
                one.grad = two.grad = None
    for name, buffer in own.named_buffers():
        assert torch.equal(buffer, other.get_buffer(name)), name


def test_there_are_none_where_a_step_is_more_than_this():
    pytest.importorskip("numba")
    x = torch.randn(50, 6)
    own, _ = networks()
    assert own.passes(x) is not None
    assert own.passes(x.requires_grad_()) is None
    x = x.detach()
    assert own.passes(x[:, :5]) is None
    handle = next(own.parameters()).register_hook(lambda gradient: 2 * gradient)
    assert own.passes(x) is None
    handle.remove()
    own.blocks[0].register_forward_hook(lambda *_: None)
    assert own.passes(x) is None
    assert networks("layers")[0].passes(x) is None
    thin, _ = e2t.compile_graph(pd.DataFrame({"source": ["a"], "target": ["b"]}), quiet=True)
    assert thin.passes(x[:, :1]) is None  # one pass does not pay


def test_what_is_held_gets_no_gradient():
    pytest.importorskip("numba")
    own, _ = networks()
    first, *others = own.parameters()
    first.requires_grad_(requires_grad=False)
    passes = own.passes(torch.randn(50, 6))
    passes.backward(torch.ones_like(passes.forward(torch.randn(50, 6))))
    assert first.grad is None
    assert any(one.grad is not None for one in others)
