"""A model in one pass: the numbers of layer by layer, and a way back to it wherever more is asked."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.nn import ACTIVATIONS, gradients_to_parameters
from edge2torch.nn._whole import WholeGraph, _threads
from edge2torch.nn._whole._layout import lay_out, share_rows
from edge2torch.simulate import layered_graph, random_dag

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture
def calls(monkeypatch):
    """How often the engine answered."""
    answered = []
    call = WholeGraph.call

    def counted(self, model, x):
        y = call(self, model, x)
        answered.append(y is not None)
        return y

    monkeypatch.setattr(WholeGraph, "call", counted)
    return answered


def edges_of(seed=0, nodes=30, edges=90):
    table = random_dag(nodes, edges, seed=seed, n_inputs=6)
    kinds = ["positive", "negative", "fixed", "unconstrained"]
    rng = np.random.default_rng(seed)
    table["constraint"] = rng.choice(kinds, len(table))
    sign = table["constraint"].map({"positive": 1, "negative": -1}).fillna(1)
    table["initial_weight"] = sign * rng.uniform(0.2, 1.0, len(table))
    return table


MODULES = [{}, {"node_activation": "silu", "node_normalization": "batch"}]


def pair(seed=0, nodes=30, edges=90, dtype=torch.float64, units=1, **modules):
    """The same model twice: in one pass, and layer by layer."""
    models, table = [], edges_of(seed, nodes, edges)
    if units > 1:  # a number per edge says nothing of a block
        table = table[["source", "target"]]
    for engine in ("graph", "layers"):
        model, artifact = e2t.compile_graph(table, quiet=True, seed=0, engine=engine, units=units)
        if modules:
            model = e2t.customize_model(model, **modules)
        models.append(model.to(dtype))
    generator = torch.Generator().manual_seed(seed)
    for parameter in models[0].parameters():
        # one that is held at zero has a gradient of its own; most are not
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=dtype) * 0.5
    models[1].load_state_dict(models[0].state_dict())
    return models, len(artifact.feature_names)


def samples(rows, columns, dtype=torch.float64, seed=1):
    return torch.randn(rows, columns, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def results(model, x):
    """Output, gradients of input and parameters, and buffers after one training step's passes."""
    x = x.clone().requires_grad_()
    y = model(x)
    weight = torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view_as(y)
    (y * weight).square().sum().backward()
    gradients = {name: one.grad for name, one in model.named_parameters()}
    return {"y": y.detach(), "x": x.grad, **gradients, **dict(model.named_buffers())}


def assert_same(one, other, **tolerance):
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], **{**CLOSE, **tolerance}, msg=name)


@pytest.mark.parametrize("rows", [1, 31, 32, 64, 65, 150])
def test_any_number_of_samples(rows, calls):
    (graph, layers), width = pair()
    x = samples(rows, width)
    assert_same(results(graph, x), results(layers, x))
    assert calls == [True]


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_every_named_activation(activation, calls):
    (graph, layers), width = pair(node_activation=activation)
    x = 3 * samples(40, width)
    assert_same(results(graph, x), results(layers, x))
    assert calls == [True]


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_activations_at_the_ends_of_float32(activation):
    (graph, layers), width = pair(dtype=torch.float32, node_activation=activation)
    ends = torch.tensor([0.0, -0.0, 1e-6, -1e-6, 30.0, -30.0, 200.0, -200.0, torch.nan, 1e30])
    x = ends[:, None].expand(-1, width)
    torch.testing.assert_close(graph(x), layers(x), equal_nan=True, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("activation", ["tanh", "silu", None])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
def test_batch_normalisation_and_what_it_remembers(activation, training, norm_first, calls):
    modules = {"node_normalization": "batch", "node_activation": activation}
    (graph, layers), width = pair(**modules, norm_first=norm_first)
    for model in (graph, layers):
        model.train(training)
        for rows in (70, 33):  # the second time with moments that have moved
            results(model, samples(rows, width, seed=rows))
            model.zero_grad()
    x = samples(130, width)
    assert_same(results(graph, x), results(layers, x), atol=1e-10)
    assert calls == [True] * 3


def test_a_batch_of_one_has_no_variance_to_learn_from():
    (graph, _), width = pair(node_normalization="batch")
    with pytest.raises(ValueError, match="more than 1 value"):
        graph.train()(samples(1, width))


def test_modules_of_some_nodes(calls):
    models = []
    for engine in ("graph", "layers"):
        model, artifact = e2t.compile_graph(edges_of(), quiet=True, seed=0, engine=engine)
        hidden = [
            n for n in artifact.node_names_by_layer["layer_1"] if n not in artifact.output_names
        ]
        model = e2t.customize_model(model, node_activation="tanh")
        model = e2t.customize_model(
            model,
            node_activation={hidden[0]: "relu", hidden[1]: nn.ELU(0.5)},
            node_normalization={hidden[1]: "batch"},
        )
        models.append(model.double())
    x = samples(50, len(artifact.feature_names))
    assert_same(results(models[0], x), results(models[1], x))
    assert calls == [True]


def test_dropout_zeroes_its_share_and_keeps_the_mean(calls):
    edges = pd.DataFrame(
        [(f"x{k}", f"h{k}") for k in range(40)] + [(f"h{k}", "y") for k in range(40)],
        columns=["source", "target"],
    ).assign(initial_weight=1.0)
    base, _ = e2t.compile_graph(edges, quiet=True, engine="graph")
    model = e2t.customize_model(base, node_dropout=0.3)
    x = torch.eye(40).repeat(200, 1)  # the output is one node's factor: 0, or 1 / 0.7
    y = model.train()(x).flatten()
    torch.testing.assert_close(y.unique().detach(), torch.tensor([0.0, 1 / 0.7]))
    assert abs(float((y == 0).float().mean()) - 0.3) < 0.03
    per_node = (y.view(200, 40) == 0).float().mean(0)
    assert per_node.min() > 0.1
    assert per_node.max() < 0.5
    assert torch.equal(model.eval()(x), torch.ones(8000, 1))
    assert calls == [True, True]


def test_all_units_of_a_node_are_dropped_or_none(calls):
    edges = pd.DataFrame(
        [(f"x{k}", f"h{k}") for k in range(20)] + [(f"h{k}", "y") for k in range(20)],
        columns=["source", "target"],
    )
    base, _ = e2t.compile_graph(edges, quiet=True, engine="graph", units=3)
    model = e2t.customize_model(base, node_dropout=0.25).train()
    for name, parameter in model.named_parameters():
        nn.init.constant_(parameter, float(name.endswith("weight")))
    y = model(torch.eye(20).repeat(50, 1)).flatten()
    torch.testing.assert_close(y.unique().detach(), torch.tensor([0.0, 3 / 0.75]))
    dropped = (y == 0).view(50, 20).float()
    assert abs(float(dropped.mean()) - 0.25) < 0.05
    assert 0 < dropped.mean(0).max() < 0.6  # not the same nodes in every sample
    assert torch.equal(model.eval()(torch.eye(20)), torch.full((20, 1), 3.0))
    assert calls == [True, True]


def test_edge_dropout_drops_edges_for_the_whole_batch(calls):
    edges = pd.DataFrame({"source": [f"x{k:03d}" for k in range(400)], "target": "y"})
    base, _ = e2t.compile_graph(edges.assign(initial_weight=1.0), quiet=True, engine="graph")
    model = e2t.customize_model(base, edge_dropout=0.25).train()
    y = model(torch.eye(400)).flatten()
    torch.testing.assert_close(y.unique().detach(), torch.tensor([0.0, 1 / 0.75]))
    assert abs(float((y == 0).float().mean()) - 0.25) < 0.08
    assert not torch.equal(y, model(torch.eye(400)).flatten())
    assert calls == [True, True]


@pytest.mark.parametrize(
    "modules",
    [
        {"node_activation": "tanh"},
        {"node_activation": "sigmoid", "node_dropout": 0.3, "edge_dropout": 0.2},
        {"node_activation": "silu", "node_normalization": "batch"},
        {
            "node_activation": "gelu",
            "node_normalization": "batch",
            "norm_first": False,
            "node_dropout": 0.2,
        },
        {"node_activation": "silu", "node_dropout": 0.3, "units": 2},
    ],
    ids=["plain", "dropout", "norm", "norm last", "units"],
)
def test_gradients_can_be_differentiated_again(modules, calls):
    """With the masks of the first time; and the gradients are those that are not differentiated."""
    (graph, _), width = pair(nodes=14, edges=30, **modules)
    x = samples(5, width).requires_grad_()
    parameters = list(graph.parameters())

    def run(x, *values):
        torch.manual_seed(5)
        named = dict(zip([name for name, _ in graph.named_parameters()], values, strict=True))
        return torch.func.functional_call(graph, named, (x,))

    values = [one.detach().abs().add(0.1).requires_grad_() for one in parameters]
    once = torch.autograd.grad(run(x, *values).square().sum(), (x, *values))
    again = torch.autograd.grad(run(x, *values).square().sum(), (x, *values), create_graph=True)
    torch.testing.assert_close(once, again, atol=1e-11, rtol=1e-11)
    assert all(calls)
    if "edge_dropout" not in modules:
        assert torch.autograd.gradcheck(run, (x, *values))
        assert torch.autograd.gradgradcheck(run, (x, *values))


def test_batch_moments_are_remembered_once_when_gradients_are_differentiated():
    (graph, _), width = pair(node_normalization="batch")
    graph.train()
    norm = next(one for one in graph.modules() if isinstance(one, nn.BatchNorm1d))
    y = graph(samples(9, width))
    torch.autograd.grad(y.sum(), list(graph.parameters()), create_graph=True, allow_unused=True)
    assert int(norm.num_batches_tracked) == 1


def test_calls_keep_what_is_theirs():
    """Memory goes from call to call, but not before its backward pass is over."""
    (graph, layers), width = pair(node_activation="silu")
    inputs = [samples(20, width, seed=seed) for seed in (1, 2, 3)]
    found = []
    for model in (graph, layers):
        parameters = list(model.parameters())
        losses = [model(x).square().sum() for x in inputs]
        found.append(
            [
                torch.autograd.grad(loss, parameters, retain_graph=True)
                for loss in (*losses[::-1], losses[2])
            ]
        )
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)


@pytest.mark.parametrize("modules", MODULES, ids=["plain", "norm"])
@pytest.mark.parametrize("batch", [5, 40, 70, 128])
def test_single_numbers_are_read_32_or_64_at_once(batch, modules, monkeypatch):
    walk = pytest.importorskip("edge2torch.nn._whole._walk")
    from edge2torch.nn._whole import _run

    (double, _), width = pair(nodes=80, edges=240, **modules)
    single, x = copy.deepcopy(double).float(), samples(batch, width)
    expected = results(double, x)
    largest = max(float(one.abs().max()) for one in expected.values())
    seen = set()
    guarded = []  # arrays of the walk, with room around them that nobody may write to

    def arrays(dtype, *sizes):
        whole = [torch.full((size + 256,), 7.0, dtype=dtype).numpy() for size in sizes]
        guarded.extend(whole)
        return [one[128:-128] for one in whole]

    monkeypatch.setattr(_run, "_arrays", arrays)
    for is_wide, small in ((True, 1 << 20), (True, 0), (False, 0)):
        monkeypatch.setattr(walk, "IS_WIDE", is_wide)
        monkeypatch.setattr(_run, "_SMALL", small)
        model = copy.deepcopy(single)
        found = results(model, x.float())
        for name, value in expected.items():
            # a bias below a norm has a gradient of rounding alone: sums of 500 that leave nothing
            assert float((found[name] - value).abs().max()) <= 1e-3 * largest, name
        whole = getattr(model, "base_model", model)._whole
        seen |= {(is_wide, small > 0, plan.rows.ndim) for plan in whole._watched.plans.values()}
    odd = (
        bool(modules) and batch == 70
    )  # with a norm, all samples are one block: of 70, three times 32
    always = batch > 32 and not odd
    assert seen == {(True, True, 2), (True, False, 2 if always else 1), (False, False, 1)}


def test_pointers_that_read_more_at_once_are_of_another_type():
    """Else what was compiled for one serves the other, and writes past the end."""
    walk = pytest.importorskip("edge2torch.nn._whole._walk")
    from numba import types

    narrow, wide = (walk.Values(types.float32, count) for count in (32, 64))
    assert narrow != wide
    assert narrow.lanes != wide.lanes
    assert wide == walk.Values(types.float32, 64)


def gradients(model, x, target, *, straight):
    with gradients_to_parameters() if straight else nullcontext():
        torch.manual_seed(1)
        y = model(x)
    assert goes_past(y) == straight
    (y - target).square().mean().backward()
    return {name: one.grad for name, one in model.named_parameters()}


@pytest.mark.parametrize("modules", [*MODULES, {"node_dropout": 0.3}])
def test_gradients_go_straight_to_parameters_with_the_same_bits(modules, calls):
    ((first, _), n_in), ((second, _), _) = (pair(**modules) for _ in range(2))
    x = samples(50, n_in)
    target = torch.zeros(50, 1, dtype=torch.float64)
    next(second.parameters()).requires_grad_(requires_grad=False)
    next(first.parameters()).requires_grad_(requires_grad=False)
    expected = gradients(first, x, target, straight=False)
    found = gradients(second, x, target, straight=True)
    assert all(calls)
    assert [name for name in found if found[name] is None] == [
        name for name in expected if expected[name] is None
    ]
    for name, one in expected.items():
        assert one is None or torch.equal(found[name], one)
    again = gradients(second, x, target, straight=True)  # they add up, as autograd's do
    for name, one in expected.items():
        assert one is None or torch.equal(again[name], one + one)


def goes_past(y):
    """Tell whether gradients of an output go to the parameters past autograd."""
    return y.grad_fn.name() == "PastBackward"


def test_an_output_past_autograd_may_be_changed_in_place():
    (model, layers), n_in = pair()
    x, found = samples(50, n_in), []
    for one in (model, layers):
        with gradients_to_parameters():
            nn.ReLU(inplace=True)(one(x)).sum().backward()
        found.append([value.grad for value in one.parameters()])
    torch.testing.assert_close(*found, **CLOSE)


def test_past_autograd_nothing_is_differentiated_again_or_with_other_inputs():
    (model, _), n_in = pair()
    x = samples(50, n_in)
    with gradients_to_parameters():
        y = model(x)
    with pytest.raises(RuntimeError, match="not have been used"):
        torch.autograd.grad(y.sum(), list(model.parameters()), retain_graph=True)
    with pytest.raises(RuntimeError, match="outside of gradients_to_parameters"):
        y.square().sum().backward(create_graph=True)
    x += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    with gradients_to_parameters():
        loss = model(x).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_past_autograd_gradients_are_added_where_they_are():
    (model, _), n_in = pair()
    first = next(model.parameters())
    held = first.grad = torch.ones_like(first)
    with gradients_to_parameters():
        model(samples(50, n_in)).sum().backward()
    assert first.grad is held
    assert not torch.equal(held, torch.ones_like(held))


def test_a_hook_that_comes_after_forward_is_an_error():
    (model, _), n_in = pair()
    with gradients_to_parameters():
        y = model(samples(50, n_in))
    next(model.parameters()).register_hook(lambda _: None)
    with pytest.raises(RuntimeError, match="got a hook between forward and backward"):
        y.sum().backward()


def test_who_looks_at_gradients_gets_them_from_autograd():
    (model, _), n_in = pair()
    x, seen = samples(50, n_in), []
    handle = next(model.parameters()).register_hook(seen.append)
    with gradients_to_parameters():
        assert not goes_past(model(x))
        model(x).sum().backward()
        assert len(seen) == 1
        handle.remove()
        assert goes_past(model(x))
        assert not goes_past(model(x.requires_grad_()))
        with torch.no_grad():
            assert not model(x).requires_grad
        computed = {name: one.tanh() for name, one in model.named_parameters()}
        assert not goes_past(torch.func.functional_call(model, computed, (x.detach(),)))
    assert not goes_past(model(x.detach()))
    with gradients_to_parameters():
        y = model(x.detach())
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    with pytest.raises(RuntimeError, match="changed between forward and backward"):
        y.sum().backward()


def test_gradients_to_parameters_within_themselves_and_around_a_function():
    (model, _), n_in = pair()
    x, way = samples(50, n_in), gradients_to_parameters()

    @way
    def computed(times):
        return model(x) if times == 1 else computed(times - 1)

    for _ in range(2):
        assert goes_past(computed(1))
        assert goes_past(computed(2))
        with way:
            with pytest.raises(KeyError), way:
                raise KeyError
            assert goes_past(model(x))
        assert not goes_past(model(x))


def test_a_parameter_that_is_changed_before_backward_is_an_error():
    (graph, layers), width = pair()
    for model in (graph, layers):
        loss = model(samples(5, width)).sum()
        with torch.no_grad():
            model.blocks[0].linear.weight.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


@pytest.mark.parametrize("modules", MODULES, ids=["", "norm"])
def test_nodes_share_rows_of_gradients_where_the_input_has_none(modules):
    (graph, layers), width = pair(nodes=80, edges=240, **modules)
    x = samples(70, width)
    with_x = results(graph, x)
    found = []
    for model in (graph, layers):
        y = model(x)
        loss = (y * torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view_as(y)).square().sum()
        found.append(torch.autograd.grad(loss, list(model.parameters())))
    # a bias below a norm has a gradient of rounding alone, and others here reach 500
    torch.testing.assert_close(*found, **{**CLOSE, "atol": 1e-9})
    if not modules:  # else the moments have moved
        for (name, _), value in zip(graph.named_parameters(), found[0], strict=True):
            assert torch.equal(value, with_x[name])
    slots, n_rows = getattr(graph, "base_model", graph)._whole._watched._slots
    assert len(set(slots["slot"].tolist())) == n_rows < len(slots["slot"])


# --------------------------------------------------------------------------- who asks for more


class Doubled(nn.Module):
    """A module that nobody here knows."""

    def forward(self, x):
        return 2 * x


def test_hooks_see_every_layer(calls):
    (graph, layers), width = pair()
    x = samples(7, width)
    seen = []
    handle = graph.blocks[1].register_forward_hook(lambda module, inputs, y: seen.append(y))
    torch.testing.assert_close(graph(x), layers(x), **CLOSE)
    assert len(seen) == 1
    assert calls == [False]
    handle.remove()
    graph(x)
    assert calls == [False, True]


def test_unknown_modules_and_their_subclasses_compute_themselves(calls):
    (graph, layers), width = pair(node_activation=Doubled())
    x = samples(7, width)
    torch.testing.assert_close(graph(x), layers(x), **CLOSE)

    class Tanh(nn.Tanh):
        def forward(self, x):
            return x - 1

    (graph, layers), width = pair(node_activation=Tanh())
    torch.testing.assert_close(graph(x), layers(x), **CLOSE)
    assert calls == [False, False]


def test_what_is_changed_after_the_first_call_counts(calls):
    (graph, layers), width = pair(node_activation="relu", node_dropout=0.5)
    x = samples(20, width)
    for model in (graph, layers):
        model.eval()(x)
        for block in model.base_model.blocks:
            if "activation" in block.stages:
                block.activation = nn.Tanh()
    torch.testing.assert_close(graph(x), layers(x), **CLOSE)
    for model in (graph, layers):
        model.train()
        for one in model.modules():
            if isinstance(one, nn.Dropout):
                one.p = 0.0
    torch.testing.assert_close(graph(x), layers(x), **CLOSE)
    graph.base_model.blocks[0].activation = Doubled()
    graph(x)
    assert calls == [True, True, True, False]


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_transformed_calls_go_layer_by_layer(calls):
    (graph, layers), width = pair()
    x = samples(6, width)
    for model in (graph, layers):
        model.requires_grad_(False)
    found = torch.vmap(graph)(x[:, None])
    torch.testing.assert_close(found, torch.vmap(layers)(x[:, None]), **CLOSE)
    one = torch.func.jvp(graph, (x,), (x,))
    torch.testing.assert_close(one, torch.func.jvp(layers, (x,), (x,)), **CLOSE)
    for model in (graph, layers):
        model.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(graph(x.float()), layers(x.float()))
    assert not any(calls)


def test_parts_that_need_no_gradient_get_none(calls):
    (graph, _), width = pair()
    first, *others = graph.parameters()
    first.requires_grad_(False)
    graph(samples(5, width)).sum().backward()
    assert first.grad is None
    assert all(one.grad is not None for one in others)
    with torch.no_grad():
        assert not graph(samples(5, width)).requires_grad
    assert calls == [True, True]


def test_parametrised_weights_go_layer_by_layer(calls):
    (graph, _), width = pair()
    before = graph(samples(5, width))
    nn.utils.parametrize.register_parametrization(graph.blocks[0].linear, "weight", Doubled())
    assert not torch.allclose(before, graph(samples(5, width)))
    assert calls == [True, False]


def test_copies_and_pickles_have_an_engine_of_their_own(calls):
    (graph, _), width = pair()
    x = samples(5, width)
    y = graph(x)
    copied = copy.deepcopy(graph)
    graph.blocks[0].linear.weight.data.zero_()
    assert torch.equal(copied(x), y)
    assert torch.equal(pickle.loads(pickle.dumps(copied))(x), y)  # noqa: S301 - our own
    assert all(calls)


# -------------------------------------------------------------------------- threads, processes


def test_threads_give_the_same_bits_each_time(monkeypatch):
    monkeypatch.setattr(_threads, "_WORTH_A_THREAD", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    (graph, layers), width = pair(nodes=60, edges=200, node_activation="tanh", node_dropout=0.2)
    x = samples(300, width)
    torch.manual_seed(0)
    first = results(graph, x)
    graph.zero_grad()
    torch.manual_seed(0)
    again = results(graph, x)
    assert all(torch.equal(first[name], again[name]) for name in first)
    for model in (graph, layers):
        model.zero_grad()
    assert_same(results(graph.eval(), x), results(layers.eval(), x))


def _in_a_child(queue, model, x):
    begun = _threads._POOL._count
    queue.put((begun, model(x).detach().numpy(), _threads._POOL._count))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_computes(monkeypatch):
    monkeypatch.setattr(_threads, "_WORTH_A_THREAD", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    (graph, _), width = pair()
    x = samples(200, width)
    expected = graph(x).detach().numpy()  # its threads do not go along
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(queue, graph, x))
    child.start()
    begun, y, then = queue.get(timeout=300)
    child.join()
    assert _threads._POOL._count > 0
    assert begun == 0
    assert then > 0
    np.testing.assert_array_equal(y, expected)


SCRIPT = """
import pandas as pd, torch
import edge2torch as e2t
edges = pd.DataFrame({"source": ["a", "h"], "target": ["h", "y"], "initial_weight": [2.0, 3.0]})
model, _ = e2t.compile_graph(edges, quiet=True, engine="graph")
print(float(model(torch.ones(1, 1)).detach()))
"""


def ran(before="", **environment):
    done = subprocess.run(
        [sys.executable, "-c", before + SCRIPT],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "6.0\n"
    return done.stderr


def test_without_numba_layers_are_computed_and_one_line_says_so():
    said = ran("import sys; sys.modules['numba'] = None\n")
    assert said.count("\n") == 1
    assert "numba" in said


def test_where_no_cache_can_be_written_it_is_compiled_in_memory(monkeypatch):
    numba = pytest.importorskip("numba")
    from edge2torch.nn._whole import _walk

    def nowhere(self):
        raise OSError("read-only")

    monkeypatch.setattr(numba.core.caching._CacheLocator, "ensure_cache_path", nowhere)
    assert _walk.kept(lambda x: x + 1)(2) == 3


def test_gradients_of_a_tree_wait_in_as_many_rows_as_it_is_deep():
    """Each node comes right after its sources: of a level, only the nodes on the way are held."""
    edges = pd.DataFrame(
        [(f"n{k}", f"n{k // 2}") for k in range(2, 256)], columns=["source", "target"]
    )
    model, _ = e2t.compile_graph(edges, quiet=True, engine="graph")
    layout = lay_out(model)
    targets = np.repeat(np.arange(layout.n_nodes), np.diff(layout.crow)) + layout.n_in
    assert (layout.col < targets).all()
    assert share_rows(layout)[1] == 7


# ------------------------------------------------------------------------------ which, and when


def test_a_deep_graph_is_computed_in_one_pass_and_a_wide_layer_is_not(calls):
    deep, artifact = e2t.compile_graph(random_dag(600, 1800, seed=0, n_inputs=20), quiet=True)
    deep(torch.zeros(64, len(artifact.feature_names)))
    wide = pd.DataFrame({"source": [f"x{k}" for k in range(300)], "target": "y"})
    shallow, _ = e2t.compile_graph(wide, quiet=True)
    shallow(torch.zeros(64, 300))
    assert calls == [True, False]


def test_several_units_at_a_node_do_not_hide_what_one_pass_saves(calls):
    """Modules at many units, and dense blocks between them, take layers longer than one pass."""
    edges = layered_graph([400, 200, 40, 1], [3000, 600, 40], seed=0)
    model, _ = e2t.compile_graph(edges, quiet=True, units=6)
    model = e2t.customize_model(model, node_activation="tanh", node_normalization="batch")
    model(torch.zeros(256, 400))
    assert calls == [True]


def test_who_asks_for_a_kernel_gets_it():
    for kernel in ("sparse", "dense"):
        model, _ = e2t.compile_graph(edges_of(), quiet=True, kernel=kernel)
        assert model.engine == "layers"
    with pytest.raises(e2t.Edge2TorchError, match=r"engine.*'quick'"):
        e2t.compile_graph(edges_of(), quiet=True, engine="quick")


def test_the_engine_is_no_part_of_a_saved_model_s_identity(tmp_path):
    (graph, layers), width = pair()
    assert graph.graph_fingerprint == layers.graph_fingerprint
    e2t.save_compiled(tmp_path / "m", graph)
    again, _ = e2t.load_compiled(tmp_path / "m")
    assert again.engine == "graph"
    x = samples(5, width)
    assert torch.equal(again(x), graph(x))


@pytest.mark.parametrize(
    "modules",
    [
        {},
        {"node_activation": "silu", "node_normalization": "batch", "norm_first": False},
        {"node_activation": "tanh", "node_dropout": 0.3},
    ],
    ids=["plain", "norm", "dropout"],
)
def test_components_are_walked_one_after_the_other(modules, monkeypatch):
    """Copies side by side over shared inputs: each stays in the cache, and nothing else changes."""
    from edge2torch.nn._whole import _layout, _run

    edges = edges_of()[["source", "target"]]
    copies = [edges.replace(r"^(?!input)(.*)$", rf"{k}_\1", regex=True) for k in range(3)]
    table = pd.concat(copies)
    inputs = sorted({name for name in table["source"] if name not in set(table["target"])})
    model, _ = e2t.compile_graph(table, quiet=True, seed=0, engine="graph", inputs=inputs)
    model = e2t.customize_model(model, **modules).double()
    x = samples(70, len(inputs))
    found = []
    # rows of a cache, and bytes that are kept: one component; one after the other, kept or twice
    for rows, near in ((0, 0), (45, 1 << 26), (45, 0)):
        monkeypatch.setattr(_layout, "_CACHE", rows * _layout._BYTES_OF_A_ROW)
        monkeypatch.setattr(_run, "_NEAR", near)
        other = copy.deepcopy(model)
        torch.manual_seed(3)
        found.append(results(other, x))
        whole = other.base_model._whole
        rank = np.concatenate(whole.layout.row_of)
        assert not np.array_equal(rank, np.sort(rank))
        assert whole.layout.divides == bool(rows)
        assert {plan.alone for plan in whole._watched.plans.values()} == {rows > 0 and near == 0}
    assert_same(*found[:2])
    assert_same(*found[1:])
    if "node_dropout" not in modules:
        model.base_model.engine = "layers"
        assert_same(results(model, x), found[1], atol=1e-10)
