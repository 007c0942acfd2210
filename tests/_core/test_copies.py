"""Copies of modules are those of deepcopy."""

import copy
from collections import OrderedDict

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import edge2torch as e2t
from edge2torch._core.copies import copy_module


class Spoken(nn.Linear):
    """A module with words of its own on how it is copied."""

    def __deepcopy__(self, memo):
        twin = Spoken(self.in_features, self.out_features)
        twin.copied = True
        return twin


class Holder(nn.Module):
    """A module that holds one twice, and things that are no modules."""

    def __init__(self):
        super().__init__()
        self.one = nn.Linear(2, 2)
        self.same, self.gone = self.one, None
        self.listed = [self.one, {"bias": self.one.bias}]
        self.register_buffer("absent", None)
        self.register_buffer("there", torch.arange(3))
        self.spoken = Spoken(2, 1)
        self.normed = parametrizations.weight_norm(nn.Linear(2, 2))
        self.empty = OrderedDict()

    def forward(self, x):
        return self.spoken(self.normed(self.same(x)))


def test_a_copy_is_that_of_deepcopy():
    held = Holder()
    held.one.weight.requires_grad_(False)
    held.register_forward_hook(print)
    twin, theirs = copy_module(held), copy.deepcopy(held)
    assert type(twin) is Holder
    assert vars(twin).keys() == vars(theirs).keys()
    assert twin.same is twin.one is twin.listed[0]
    assert twin.listed[1]["bias"] is twin.one.bias
    assert twin.spoken.copied
    assert not twin.one.weight.requires_grad
    assert list(twin._forward_hooks.values()) == [print]
    assert twin._backward_hooks is not held._backward_hooks
    assert twin.empty == OrderedDict()
    assert twin.empty is not held.empty
    own = {id(value) for value in [*held.parameters(), *held.buffers()]}
    for (name, value), (_, other) in zip(
        twin.state_dict(keep_vars=True).items(), theirs.state_dict().items(), strict=True
    ):
        assert id(value) not in own, name
        if "spoken" not in name:
            torch.testing.assert_close(value.detach(), other, rtol=0, atol=0)
    with torch.no_grad():
        twin.one.weight.zero_()
    assert held.one.weight.any()


@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "gnn"])
def test_a_copy_of_a_model_computes_the_same(backend):
    edges = pd.DataFrame({"source": ["a", "b", "h"], "target": ["h", "h", "y"]})
    model, artifact = e2t.compile_graph(edges, backend=backend, quiet=True)
    model = e2t.customize_model(model, node_activation="tanh", artifact=artifact)
    x = torch.randn(4, 2)
    twin = copy_module(model)
    torch.testing.assert_close(twin(x), model(x), rtol=0, atol=0)
    assert twin.state_dict().keys() == model.state_dict().keys()
    assert e2t.interpret_model(twin, artifact, x, quiet=True).shape == (4, 2)


def test_what_the_memo_holds_is_shared():
    one = nn.Linear(2, 1)
    assert copy_module(one, {id(one.weight): one.weight}).weight is one.weight
    assert copy_module(one, {id(one): one}) is one


def test_a_compiled_call_stays_with_its_weights():
    module = nn.Linear(2, 1)
    module.compile(backend="eager")
    x = torch.ones(3, 2)
    expected = module(x)
    copied = copy_module(module)
    with torch.no_grad():
        for one in copied.parameters():
            one.zero_()
    assert torch.equal(copied(x), torch.zeros(3, 1))
    assert torch.equal(module(x), expected)


def test_sets_of_two_names_and_dicts_with_attributes():
    module = nn.Identity()
    module.one = module.other = {"a"}
    module.held = OrderedDict(a=1)
    module.held.more = 2
    copied = copy_module(module)
    assert copied.one is copied.other
    assert copied.one is not module.one
    assert copied.held.more == 2
