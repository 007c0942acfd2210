"""Outputs are kept as they were given, and hooks are gone afterwards."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edge2torch._core.hooks import hooked, recorded
from edge2torch._core.randomness import seeded


def test_outputs_are_kept_before_a_module_behind_changes_them() -> None:
    model = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))
    x = torch.tensor([[-1.0, 2.0]], requires_grad=True)
    with recorded({"first": model[0]}) as seen:
        model(x)
        model(2 * x)
    assert [values.tolist() for values in seen["first"]] == [[[-1.0, 2.0]], [[-2.0, 4.0]]]
    assert all(values.requires_grad for values in seen["first"])
    assert not model[0]._forward_hooks


def test_what_a_hook_returns_takes_the_outputs_place_under_each_modules_own_key() -> None:
    model = nn.Sequential(nn.Identity(), nn.Identity())
    with hooked(dict(enumerate(model)), lambda key, _inputs, output: output * 10 + key):
        assert model(torch.ones(1)).item() == 101
    assert model(torch.ones(1)).item() == 1


def test_hooks_go_when_the_model_fails() -> None:
    model = nn.Linear(2, 1)
    with pytest.raises(RuntimeError), recorded({0: model}):
        model(torch.ones(3))
    assert not model._forward_hooks


def test_a_seed_decides_inside_and_leaves_no_trace_outside() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    with seeded(1):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), wanted)
    with seeded(1):
        assert torch.equal(torch.rand(3), inside)
    with seeded(None):
        assert not torch.equal(torch.rand(3), inside)
