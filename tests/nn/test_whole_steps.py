"""Recurrent models in one pass: the numbers of step by step, and a way back wherever more is asked."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import edge2torch as e2t
from edge2torch._core.diverged import DivergedError
from edge2torch.nn import Hold, RecurrentEdgeModel, gradients_to_parameters
from edge2torch.nn._whole import _run
from edge2torch.nn._whole._run import Run
from edge2torch.simulate import evaluate_steps
from tests.nn.test_recurrent import cyclic_cases
from tests.nn.test_whole_graph import CLOSE, assert_same, results, samples
from tests.strategies import batch, randomise, seeds

pytest.importorskip("numba")
# the drawn graphs are told of nodes that reach no output, and of values that grow
pytestmark = pytest.mark.filterwarnings("ignore::edge2torch.Edge2TorchWarning")
KINDS = ["positive", "negative", "fixed", "unconstrained"]


def edges_of(seed=0, nodes=40, edges=150, inputs=6):
    """A graph with cycles and self loops, every kind of weight among them."""
    rng = np.random.default_rng(seed)
    pairs = np.stack([rng.integers(0, nodes, edges), rng.integers(inputs, nodes, edges)], 1)
    feeds = np.stack([rng.integers(0, inputs, nodes - inputs), np.arange(inputs, nodes)], 1)
    pairs = np.unique(np.concatenate([pairs, feeds]), axis=0)
    table = pd.DataFrame(pairs, columns=["source", "target"]).astype(str).radd("n")
    table["constraint"] = rng.choice(KINDS, len(table))
    sign = table["constraint"].map({"positive": 1, "negative": -1}).fillna(1)
    table["initial_weight"] = sign * rng.uniform(0.2, 1.0, len(table))
    return table


def pair(
    seed=0, dtype=torch.float64, steps=4, outputs=("n9", "n7", "n30"), modules=None, **options
):
    """The same model twice: in one pass, and step by step."""
    models = []
    for engine in ("graph", "layers"):
        backend = e2t.Recurrent(steps=steps, engine=engine, **options)
        model, artifact = e2t.compile_graph(
            edges_of(seed),
            backend=backend,
            outputs=list(outputs),
            unused="keep",
            seed=0,
            quiet=True,
        )
        if modules:
            model = e2t.customize_model(model, artifact=artifact, **modules)
        models.append(model.to(dtype))
    generator = torch.Generator().manual_seed(seed)
    for parameter in models[0].parameters():
        # below 0 as well: held weights that rest at their bound
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=dtype) * 0.4
    models[1].load_state_dict(models[0].state_dict())
    return models, len(artifact.feature_names)


def is_one_pass(y):
    return y.grad_fn.name() in ("WholeBackward", "PastBackward")


@pytest.mark.parametrize("rows", [1, 33, 64, 150])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"steps": 1},
        {"steps": 3, "share_weights": False},
        {"leak": 0.3},
        {"leak": 1.0, "steps": 2},
        {"leak": 0.7, "share_weights": False, "modules": {"node_activation": "silu"}},
        {"modules": {"node_activation": "tanh"}},
        {"modules": {"node_activation": {"n19": "relu", "n12": "gelu"}}},
        {"outputs": ("n30", "n0", "n8")},  # an input among them
    ],
    ids=str,
)
def test_numbers_and_gradients_are_those_of_step_by_step(rows, options):
    (graph, layers), width = pair(**options)
    x = samples(rows, width)
    assert is_one_pass(graph(x))
    assert not is_one_pass(layers(x))
    assert_same(results(graph, x), results(layers, x))
    with torch.no_grad():
        torch.testing.assert_close(graph(x), layers(x), **CLOSE)


@pytest.mark.parametrize("rows", [64, 40])
def test_single_precision(rows):
    (graph, layers), width = pair(
        dtype=torch.float32, leak=0.4, modules={"node_activation": "tanh"}
    )
    x = samples(rows, width, torch.float32)
    assert_same(results(graph, x), results(layers, x), rtol=2e-4, atol=2e-4)


@settings(max_examples=25)
@given(case=cyclic_cases(), leak=st.sampled_from([None, 0.3]), seed=seeds)
def test_node_by_node_reference(case, leak, seed):
    model, artifact = case.compile(steps=4, leak=leak, engine="graph")
    randomise(model, seed)
    model = e2t.customize_model(model, node_activation="tanh").double()
    x = batch(artifact, seed).double()
    expected = evaluate_steps(
        e2t.edge_weights(model, artifact),
        dict(zip(artifact.feature_names, x.T.numpy(), strict=True)),
        4,
        biases=e2t.node_biases(model, artifact),
        outputs=artifact.output_names,
        activation=np.tanh,
        leak=1.0 if leak is None else leak,
    )[-1]
    y = model(x)
    assert is_one_pass(y)
    for column, name in enumerate(artifact.output_names):
        np.testing.assert_allclose(y[:, column].detach(), expected[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"leak": 0.5, "share_weights": False}], ids=str)
def test_first_and_second_derivatives(options):
    (graph, _), width = pair(steps=3, modules={"node_activation": "tanh"}, **options)
    for parameter in graph.parameters():
        # away from the bound, where a held weight has another slope on either side
        parameter.data = parameter.data.abs() + 0.1
    names = [name for name, _ in graph.named_parameters()]
    values = [one.detach()[:].requires_grad_() for one in graph.parameters()]
    x = samples(3, width).requires_grad_()

    def run(x, *values):
        return torch.func.functional_call(graph, dict(zip(names, values, strict=True)), (x,))

    assert is_one_pass(run(x, *values))
    assert torch.autograd.gradcheck(run, (x, *values))
    assert torch.autograd.gradgradcheck(run, (x[:1].detach().requires_grad_(), *values))


def test_derivatives_of_derivatives_take_the_masks_of_the_call():
    modules = {"node_activation": "tanh", "node_dropout": 0.5}
    (graph, _), width = pair(leak=0.6, modules=modules)
    graph.train()
    x = samples(50, width)
    found = []
    for create_graph in (False, True):
        torch.manual_seed(3)
        y = graph(x)
        found.append(
            torch.autograd.grad(y.sum(), list(graph.parameters()), create_graph=create_graph)
        )
    torch.testing.assert_close(*found, **CLOSE)


def test_every_step_draws_its_own_nodes():
    """Dropped alike in all steps, a path through one node twice would be there for half of the samples."""
    edges = pd.DataFrame(
        {"source": ["x", "h", "h"], "target": ["h", "h", "y"], "initial_weight": [1.0, 1.0, 1.0]}
    )
    model, artifact = e2t.compile_graph(
        edges, backend=e2t.Recurrent(steps=3, engine="graph"), bias=False, quiet=True
    )
    model = e2t.customize_model(model, node_dropout=0.5, artifact=artifact).train()
    torch.manual_seed(0)
    y = model(torch.ones(4000, 1))
    assert is_one_pass(y)
    # step 2 sees h of step 1; y is h of step 2: 2 * (1 + 2 * kept of step 1), or 0
    values, counts = y.unique(return_counts=True)
    assert values.tolist() == [0.0, 2.0, 6.0]
    np.testing.assert_allclose(counts / 4000, [0.5, 0.25, 0.25], atol=0.03)


@pytest.mark.parametrize("engine", ["graph", "layers"])
def test_a_weight_at_its_bound_is_asked_for_all_steps_together(engine):
    """Asked step by step, the one that would raise it was heard, and the one that would lower it was not."""
    edges = pd.DataFrame(
        {"source": ["x", "h"], "target": ["h", "h"], "constraint": ["positive", "unconstrained"]}
    )
    model, _ = e2t.compile_graph(
        edges, backend=e2t.Recurrent(steps=2, engine=engine), outputs=["h"], quiet=True
    )
    layer, x = model.double().cell(0).edges, torch.ones(5, 1, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.0, -3.0]))  # x -> h rests, h -> h works
        layer.bias.fill_(0.0)
    found = []
    for sign in (1.0, -1.0):
        for data in (x, x[:, None].expand(-1, 2, -1)):
            model.zero_grad()
            (sign * model(data).sum()).backward()
            found.append(layer.weight.grad[0].item())
    # h is x -> h times -3 x by the first step, and x by the second: -2 in all; at the second time
    # 9 times that state goes on beside: -20
    assert found == [-10.0, -110.0, 0.0, 0.0]


@pytest.mark.parametrize("engine", ["graph", "layers"])
def test_gradients_that_nobody_lowers_are_kept_back(engine):
    (graph, layers), width = pair(steps=3)
    model = graph if engine == "graph" else layers
    results(model, samples(30, width))
    edges_layer = model.cell(0).edges
    held = (edges_layer.sign != 0) & (edges_layer.weight <= 0)
    assert held.any()
    assert (edges_layer.weight.grad[held] <= 0).all()


def test_gradients_go_straight_to_parameters():
    (graph, layers), width = pair(leak=0.3)
    x = samples(30, width)
    with gradients_to_parameters():
        y = graph(x)
    assert y.grad_fn.name() == "PastBackward"
    y.square().sum().backward()
    layers(x).square().sum().backward()
    for one, other in zip(graph.parameters(), layers.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, **CLOSE)


def test_another_type_afterwards():
    """The constant leak is no parameter: nothing but the call itself turns it into the new type."""
    (graph, layers), width = pair(dtype=torch.float32, leak=0.3)
    x = samples(20, width)
    assert is_one_pass(graph(x.float()))
    y = graph.double()(x)
    assert is_one_pass(y)
    torch.testing.assert_close(y, layers.double()(x), **CLOSE)
    torch.testing.assert_close(graph.float()(x.float()), layers.float()(x.float()))


def test_copies_and_pickles():
    (graph, _), width = pair(leak=0.3)
    x = samples(20, width)
    y = graph(x)
    for other in (copy.deepcopy(graph), pickle.loads(pickle.dumps(graph))):  # noqa: S301 - our own
        assert is_one_pass(other(x))
        assert torch.equal(other(x), y)
    older = pickle.loads(pickle.dumps(graph))  # noqa: S301 - as of a version without engines
    for name in ("engine", "_whole", "_updates"):
        del older.__dict__[name]
    assert not is_one_pass(older(x))
    torch.testing.assert_close(older(x), y, **CLOSE)


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "gated"},
        {"leak": "node"},
        {"leak": "global"},
        {"modules": {"node_normalization": "batch"}},
        {"modules": {"node_activation": nn.Hardtanh()}},
    ],
    ids=str,
)
def test_what_it_does_not_know_goes_step_by_step(options):
    (graph, layers), width = pair(**options)
    x = samples(20, width)
    assert not is_one_pass(graph(x))
    assert torch.equal(graph(x), layers(x))


@pytest.fixture
def updates(monkeypatch):
    """Which steps were updates in one pass."""
    answered, own = [], RecurrentEdgeModel._updated

    def counted(*args):
        nodes = own(*args)
        answered.append(nodes is not None)
        return nodes

    monkeypatch.setattr(RecurrentEdgeModel, "_updated", counted)
    return answered


def holds_of(rows, acts="value"):
    generator = torch.Generator().manual_seed(5)
    share, value, shift = torch.rand(3, rows, 2, generator=generator, dtype=torch.float64)
    return [
        Hold(torch.tensor([9, 2]), share, value, shift, acts=acts),
        Hold(torch.tensor([20]), torch.ones(rows, 1), torch.zeros(rows, 1)),
    ]


@pytest.mark.parametrize("acts", ["value", "output"])
@pytest.mark.parametrize("leak", [None, 0.4])
def test_what_is_held_between_the_updates(acts, leak, updates):
    """Constraints are asked for all steps together, so only what has none, or no gradient, is in one pass."""
    (graph, layers), width = pair(leak=leak, modules={"node_activation": "tanh"})
    x, held = samples(20, width), holds_of(20, acts)
    with torch.no_grad():
        torch.testing.assert_close(graph(x, hold=held), layers(x, hold=held), **CLOSE)
    assert updates[:4] == [acts == "value" or leak is None] * 4
    found = [
        torch.autograd.grad(one(x, hold=held).sum(), list(one.parameters()))
        for one in (graph, layers)
    ]
    torch.testing.assert_close(*found, **CLOSE)


def free_pair(**options):
    """Without constraints: gradients of single updates are those of all."""
    models = []
    for engine in ("graph", "layers"):
        backend = e2t.Recurrent(engine=engine, **options)
        edges = edges_of().drop(columns=["constraint"])
        model, artifact = e2t.compile_graph(
            edges, backend=backend, outputs=["n9", "n7"], quiet=True
        )
        model = e2t.customize_model(model, node_activation="tanh", artifact=artifact).double()
        models.append(model)
    generator = torch.Generator().manual_seed(0)
    for parameter in models[0].parameters():
        shape = parameter.shape
        parameter.data = 0.3 * torch.randn(shape, generator=generator, dtype=torch.float64)
    models[1].load_state_dict(models[0].state_dict())
    return models, len(artifact.feature_names)


@pytest.mark.parametrize(
    "options", [{"steps": 3}, {"steps": 2, "share_weights": False, "leak": 0.3}], ids=str
)
def test_sequences_and_holds_have_the_same_gradients(options, updates):
    (graph, layers), width = free_pair(**options)
    x = samples(20, width)
    for inputs, further in [
        (x, {"hold": holds_of(20)}),
        (x.view(5, 4, width), {}),
        (x.view(5, 4, width), {"lengths": [4, 1, 2, 3, 4], "hold": holds_of(5)}),
    ]:
        found = []
        for model in (graph, layers):
            start = inputs.clone().requires_grad_()
            y = model(start, **further)
            found.append((y, *torch.autograd.grad(y.square().sum(), [start, *model.parameters()])))
        torch.testing.assert_close(*found, **CLOSE)
    assert sum(updates) == len(updates) / 2


def test_second_derivatives_of_held_updates():
    (graph, _), width = free_pair(steps=2, leak=0.5)
    names = [name for name, _ in graph.named_parameters()]
    values = [one.detach().clone().requires_grad_() for one in graph.parameters()]
    x, held = samples(2, width).requires_grad_(), holds_of(2)

    def run(x, *values):
        given = dict(zip(names, values, strict=True))
        return torch.func.functional_call(graph, given, (x,), {"hold": held})

    assert torch.autograd.gradgradcheck(run, (x, *values))


@pytest.mark.parametrize("gradient", ["implicit", "unroll"])
@pytest.mark.parametrize("own", [{}, {"leak": 0.6}], ids=str)
def test_steady_states(gradient, own, updates):
    options = {"tolerance": 1e-14, "max_steps": 1000, "gradient": gradient, **own}
    (graph, layers), width = free_pair(steps="converge", **options)
    x = samples(40, width)
    sent = holds_of(40, "output")
    for further in ({}, {"hold": holds_of(40)}, {"hold": sent}, {"hold": sent[:1]}):
        found = []
        for model in (graph, layers):
            start = x.clone().requires_grad_()
            y = model(start, **further)
            found.append((y, *torch.autograd.grad(y.sum(), [start, *model.parameters()])))
        torch.testing.assert_close(*found, rtol=1e-11, atol=1e-11)
        with torch.no_grad():
            torch.testing.assert_close(graph(x, **further), found[0][0], rtol=1e-11, atol=1e-11)
    # what is not held, and what is held on values, is found in a call each
    is_few = own and gradient == "implicit"
    assert sum(updates) == 2 if is_few else sum(updates) > 60


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [3, 40, 130])
@pytest.mark.parametrize("leak", [None, 0.5])
def test_what_is_held_in_a_steady_state_is_held_in_its_one_call(threads, rows, leak, updates):
    (graph, layers), width = free_pair(steps="converge", tolerance=1e-15, max_steps=400, leak=leak)
    generator, before = torch.Generator().manual_seed(2), torch.get_num_threads()
    kinds = [
        ([9, 2, 30], True, "value"),
        ([20, 9], False, "value"),
        ([6], True, "value"),
        ([], True, "value"),
    ]
    parts = [
        [torch.rand(rows, len(nodes), generator=generator, dtype=torch.float64) for _ in range(3)]
        for nodes, _, _ in kinds
    ]
    parts[1][0][: rows // 2] = 1.0  # taken over wholly
    found = []
    torch.set_num_threads(threads)
    try:
        for model in (graph, layers):
            inputs = [samples(rows, width), *(part for own in parts for part in own)]
            x, *own = (one.clone().requires_grad_() for one in inputs)
            holds = [
                Hold(
                    torch.tensor(nodes, dtype=torch.int64),
                    share,
                    value,
                    shift if shifted else None,
                )
                for (nodes, shifted, _), share, value, shift in zip(
                    kinds, own[::3], own[1::3], own[2::3], strict=True
                )
            ]
            y = model(x, hold=holds)
            asked = [x, *(one for one in own if one.numel()), *model.parameters()]
            gradients = torch.autograd.grad(y.square().sum(), asked, allow_unused=True)
            with torch.no_grad():
                again = model(x, hold=holds)
            found.append((y, again, *(one for one in gradients if one is not None)))
    finally:
        torch.set_num_threads(before)
    assert len(found[0]) > 10
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)
    assert sum(updates) == 1  # the one that is differentiated
    one, other = graph.base_model.last_convergence, layers.base_model.last_convergence
    assert one.converged.all()
    assert other.converged.all()


def test_derivatives_of_a_held_steady_state():
    (graph, _), width = free_pair(steps="converge", tolerance=1e-15, max_steps=400)
    x = samples(3, width).requires_grad_()
    held = [one.detach().requires_grad_() for one in torch.rand(3, 3, 2, dtype=torch.float64)]

    def run(x, share, value, shift):
        return graph(x, hold=Hold(torch.tensor([20, 9]), share, value, shift))

    assert torch.autograd.gradcheck(run, (x, *held))


@pytest.mark.parametrize("engine", ["graph", "layers"])
@pytest.mark.parametrize("rows", [1, 5])
def test_the_way_back_holds_what_was_held_on_the_way_there(engine, rows):
    """Where draws have to be the same, updates are one by one, and the way back may be one call."""
    loop = pd.DataFrame({"source": ["u", "a", "b", "b"], "target": ["a", "b", "a", "y"]})
    loop["initial_weight"] = [1.0, 0.5, 0.5, 1.0]
    backend = e2t.Recurrent(steps="converge", engine=engine, tolerance=1e-12, max_steps=300)
    model, artifact = e2t.compile_graph(loop, backend=backend, quiet=True)
    model = e2t.customize_model(model, node_activation="tanh", node_dropout=1e-9).double().train()
    x = torch.full((rows, 1), 0.4, dtype=torch.float64, requires_grad=True)
    found = []
    for now in (0.5, 0.0):
        held = artifact.hold(["b"], rows, torch.full((rows, 1), 0.5, dtype=torch.float64), 0.0)
        y = model(x, hold=held)
        held.share.fill_(now)
        found += torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(*found, rtol=1e-12, atol=0)
    assert found[0].all()


@pytest.mark.parametrize("rows", [1, 33, 70])
def test_the_search_for_a_steady_state_reads_nothing_that_nobody_has_written(rows, monkeypatch):
    """Room is full of what is not a number beforehand, and has a guard on either side."""
    (graph, _), width = free_pair(steps="converge", tolerance=1e-13, max_steps=400)
    guards, empty, guard = [], torch.Tensor.new_empty, 1024

    def filled(like, *size, **options):
        shape = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
        if not like.is_floating_point() or options:
            return empty(like, *size, **options)
        count = int(np.prod(shape))
        whole = empty(like, count + 2 * guard).fill_(torch.nan)
        whole[:guard] = whole[count + guard :] = 7.25
        guards.append(whole)
        return whole[guard : count + guard].view(shape)

    def rooms(dtype, *sizes):
        arrays = [np.full(size + 2 * guard, np.nan) for size in sizes]
        for one in arrays:
            one[:guard] = one[-guard:] = 7.25
        guards.extend(map(torch.from_numpy, arrays))
        return [one[guard : len(one) - guard] for one in arrays]

    def results(held):
        x = samples(rows, width).requires_grad_()
        with torch.no_grad():
            first = graph(x, hold=held)
        y = graph(x, hold=held)
        return first, y, *torch.autograd.grad(y.sum(), [x, *graph.parameters()])

    for held in ([], holds_of(rows)):
        graph = copy.deepcopy(graph)  # with no memory from before
        with monkeypatch.context() as patch:
            patch.setattr(torch.Tensor, "new_empty", filled)
            patch.setattr(_run, "_arrays", rooms)
            found = results(held)
        assert len(guards) > 4
        assert all((torch.cat([one[:guard], one[-guard:]]) == 7.25).all() for one in guards)
        assert all(one.isfinite().all() for one in found)
        graph = copy.deepcopy(graph)
        for one, other in zip(found, results(held), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("leak", [None, 0.5])
def test_how_a_search_went_is_told_as_update_by_update(threads, leak, updates):
    options = {"tolerance": 1e-2 if leak else 1e-6, "max_steps": 12, "leak": leak}
    (graph, layers), width = free_pair(steps="converge", **options)
    x = samples(300, width) * torch.linspace(0, 3, 300, dtype=torch.float64)[:, None]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with pytest.warns(e2t.Edge2TorchWarning, match="did not settle within max_steps=12"):
            found = graph(x)
        asked = len(updates)
        with pytest.warns(e2t.Edge2TorchWarning, match="did not settle"):
            expected = layers(x)
    finally:
        torch.set_num_threads(before)
    assert asked == 2  # the one that is differentiated, and one that tells which nodes still move
    torch.testing.assert_close(found, expected, **CLOSE)
    one, other = graph.base_model.last_convergence, layers.base_model.last_convergence
    assert torch.equal(one.steps, other.steps)
    assert torch.equal(one.converged, other.converged)
    torch.testing.assert_close(one.change, other.change, rtol=1e-6, atol=1e-12)
    assert 0 < len(one.failed) < 300


@pytest.mark.parametrize("options", [{"steps": 3}, {"steps": "converge"}], ids=str)
def test_frozen_parameters_ask_for_no_gradient(options):
    models, width = free_pair(**options)
    x, share = samples(20, width), torch.full((20, 1), 0.5, dtype=torch.float64)
    for model in models:
        for parameter in model.parameters():
            parameter.requires_grad_(requires_grad=False)
        assert not model(x).requires_grad
        for sent in (x.clone().requires_grad_(), 2 * x.clone().requires_grad_()):
            assert model(sent).requires_grad
        still, moved = (
            model(x, hold=Hold(torch.tensor([20]), one, torch.zeros_like(one)))
            for one in (share, share.clone().requires_grad_())
        )
        assert (still.requires_grad, moved.requires_grad) == (False, True)
        next(model.parameters()).requires_grad_()
        assert model(x).requires_grad


@pytest.mark.parametrize("engine", ["graph", "layers"])
def test_nodes_that_all_go_to_zero_have_changed_by_more_than_any_share(engine):
    loop = pd.DataFrame({"source": ["x", "h"], "target": ["h", "h"], "initial_weight": [1.0, -1.0]})
    backend = e2t.Recurrent(steps="converge", engine=engine, max_steps=2)
    model, _ = e2t.compile_graph(loop, backend=backend, outputs=["h"], quiet=True)
    with torch.no_grad():  # h = 1 - h: 1, 0
        assert model(torch.tensor([[1.0], [0.0]])).tolist() == [[0.0], [0.0]]
    report = model.last_convergence
    assert report.change.tolist() == [torch.inf, 0.0]
    assert report.steps.tolist() == [2, 1]


@pytest.mark.parametrize("bad", [None, torch.nan, torch.inf])
def test_states_that_diverge_are_told_as_update_by_update(bad):
    said = []
    for engine in ("graph", "layers"):
        edges = pd.DataFrame({"source": ["x", "h", "h"], "target": ["h", "h", "y"]})
        edges["initial_weight"] = [1.0, 3.0, 1.0]
        backend = e2t.Recurrent(steps="converge", engine=engine, max_steps=1000)
        model, _ = e2t.compile_graph(edges, backend=backend, quiet=True)
        x = torch.tensor([[0.0], [1.0 if bad is None else bad], [0.0]])
        with torch.no_grad():
            model.cell(0).edges.bias.fill_(0.0)
        with pytest.raises(DivergedError) as error:
            model(x)
        said.append((error.value.samples, error.value.update))
        assert "left the finite numbers" in str(error.value)
        assert (
            0 in error.value.nodes
        )  # a dense product takes no weight times infinity for more of them
    assert said[0] == said[1]


def test_gradients_of_a_steady_state_come_back_twice_and_before_changed_weights_are_an_error():
    (graph, layers), width = free_pair(steps="converge", tolerance=1e-14, max_steps=1000)
    x = samples(70, width)
    y, expected = graph(x), layers(x)
    for _ in range(2):
        found = torch.autograd.grad(y.sum(), list(graph.parameters()), retain_graph=True)
        wanted = torch.autograd.grad(expected.sum(), list(layers.parameters()), retain_graph=True)
        torch.testing.assert_close(found, wanted, rtol=1e-11, atol=1e-11)
    with torch.no_grad():
        next(graph.parameters()).add_(0.1)
    with pytest.raises(RuntimeError, match="changed between forward and backward"):
        y.sum().backward()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
def test_steady_states_with_norms(training, norm_first):
    models, _ = free_pair(steps="converge", tolerance=1e-10, max_steps=40)
    found = []
    for model in models:
        normed = e2t.customize_model(
            model.base_model,
            node_activation="tanh",
            node_normalization="batch",
            norm_first=norm_first,
        ).double()
        normed.train()
        for seed in (1, 2):  # moments that have moved, and memory that was used
            normed(samples(70, 6, seed=seed))
        normed.train(training)
        x = samples(70, 6, seed=3).requires_grad_()
        y = normed(x)
        with torch.no_grad():
            again = normed(x)
        gradients = torch.autograd.grad(y.sum(), [x, *normed.parameters()])
        found.append((y, again, *gradients, *normed.buffers()))
    torch.testing.assert_close(*found, rtol=1e-7, atol=1e-7)


def test_steady_states_with_dropped_nodes_draw_once():
    (graph, _), width = free_pair(steps="converge", tolerance=1e-12, max_steps=1000)
    graph = e2t.customize_model(graph.base_model, node_activation="tanh", node_dropout=0.5).train()
    x = samples(40, width)
    torch.manual_seed(1)
    y = graph(x)
    assert graph.base_model.last_convergence.converged.all()
    torch.manual_seed(1)
    assert torch.equal(graph(x), y)
    assert not torch.equal(graph(x), y)


def test_a_weight_at_its_bound_is_asked_for_all_updates_of_an_unrolled_steady_state():
    edges = pd.DataFrame(
        {"source": ["x", "h"], "target": ["h", "h"], "constraint": ["positive", "unconstrained"]}
    )
    found = []
    for gradient in ("unroll", "implicit"):
        backend = e2t.Recurrent(
            steps="converge", gradient=gradient, tolerance=1e-13, max_steps=2000
        )
        model, _ = e2t.compile_graph(edges, backend=backend, outputs=["h"], quiet=True)
        layer = model.double().cell(0).edges
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([0.0, -0.9]))
            layer.bias.fill_(1.0)
        # h = 1 + a x - .9 h: the slope of a is 1 / 1.9, by updates 1, -.9, .81, ...
        (-model(torch.ones(1, 1, dtype=torch.float64))).sum().backward()
        found.append(layer.weight.grad[0].item())
    assert found == pytest.approx([-1 / 1.9] * 2)


def test_what_asks_for_more_goes_step_by_step():
    (graph, _), width = pair()
    x = samples(20, width)
    held = Hold(torch.tensor([9]), torch.ones(20, 1), torch.zeros(20, 1))
    assert not is_one_pass(graph(x, hold=held))
    assert not torch.allclose(graph(x, hold=held), graph(x))
    assert is_one_pass(graph(x, hold=[]))  # nothing is held
    with pytest.raises(e2t.Edge2TorchError, match="lengths belong to sequences"):
        graph(x, [1])
    seen = []
    handle = graph.step_blocks[1].register_forward_hook(lambda *args: seen.append(args))
    assert not is_one_pass(graph(x))
    assert len(seen) == 1
    graph(x, hold=held)
    assert len(seen) == 2
    handle.remove()
    assert is_one_pass(graph(x))
    mapped = torch.func.vmap(lambda row: graph(row[None])[0])(x)
    torch.testing.assert_close(mapped, graph(x), **CLOSE)
    with pytest.raises(e2t.Edge2TorchError):
        graph(x[:, 1:])


@pytest.mark.parametrize("steps", [2, "converge"])
def test_gradients_of_inputs_alone_do_without_those_of_parameters(steps, monkeypatch):
    (graph, layers), width = free_pair(steps=steps)
    asked, own = [], Run.backward

    def noted(self, gradient, *, wants_own=True, **options):
        asked.append(wants_own)
        return own(self, gradient, wants_own=wants_own, **options)

    monkeypatch.setattr(Run, "backward", noted)
    x = samples(20, width).requires_grad_()
    first = next(graph.parameters())
    torch.autograd.grad(graph(x).sum(), x)
    assert asked
    assert not any(asked)
    for inputs in ([x, first], [first]):
        asked.clear()
        torch.autograd.grad(graph(x).sum(), inputs)
        assert any(asked)
    first.requires_grad_(requires_grad=False)
    graph(x).sum().backward()
    found, x.grad = x.grad, None
    layers(x).sum().backward()
    torch.testing.assert_close(found, x.grad, rtol=1e-4, atol=1e-4)
    assert first.grad is None


def test_edges_that_are_dropped_are_others_in_each_step():
    (graph, _), width = pair(modules={"edge_dropout": 0.5})
    x = samples(20, width)
    assert is_one_pass(graph.eval()(x))
    assert not is_one_pass(graph.train()(x))


def test_the_least_time_is_chosen():
    thin, _ = e2t.compile_graph(edges_of(), backend=e2t.Recurrent(steps=20), quiet=True)
    assert is_one_pass(thin(torch.randn(64, thin.in_features)))
    small = pd.DataFrame({"source": ["a", "h", "h"], "target": ["h", "h", "y"]})
    few, _ = e2t.compile_graph(small, backend=e2t.Recurrent(steps=2), quiet=True)
    assert not is_one_pass(few(torch.randn(4, 1)))
    asked, _ = e2t.compile_graph(
        edges_of(), backend=e2t.Recurrent(steps=20), kernel="sparse", quiet=True
    )
    assert not is_one_pass(asked(torch.randn(64, asked.in_features)))
    with pytest.raises(e2t.Edge2TorchError, match="engine"):
        e2t.Recurrent(engine="fast")


def test_many_steps_of_many_nodes_take_the_memory_of_one(monkeypatch):
    from edge2torch.nn._whole import _kinds

    (graph, layers), width = pair()
    monkeypatch.setattr(_kinds, "_MOST_OF_STEPS", 4 * (graph.cell(0).edges.n_edges + 2 * 34) - 1)
    x = samples(20, width)
    assert not is_one_pass(graph(x))
    assert torch.equal(graph(x), layers(x))


def test_a_step_more(updates):
    (graph, layers), width = free_pair(steps=2)
    x = samples(20, width)
    graph(x, hold=holds_of(20))
    for model in (graph, layers):
        base = model.base_model
        base.step_blocks.append(copy.deepcopy(base.step_blocks[0]))
    torch.testing.assert_close(graph(x), layers(x), **CLOSE)
    held = holds_of(20)
    torch.testing.assert_close(graph(x, hold=held), layers(x, hold=held), **CLOSE)
    assert sum(updates) == 5


def test_a_batch_of_none():
    (graph, layers), width = free_pair(steps="converge")
    for model in (graph, layers):
        y = model(samples(0, width))
        assert y.shape == (0, 2)
        y.sum().backward()


def test_growth_that_is_no_float_is_told():
    loop = pd.DataFrame({"source": ["x", "h", "h"], "target": ["h", "h", "y"]})
    loop["initial_weight"] = [1.0, 2.0, 1.0]
    with pytest.warns(e2t.Edge2TorchWarning, match="values grow inf-fold in steps=1100"):
        e2t.compile_graph(loop, backend=e2t.Recurrent(steps=1100), quiet=True)


def test_parameters_are_exchanged_whatever_the_engine():
    backends = [e2t.Recurrent(steps=4, engine=engine) for engine in ("graph", "layers")]
    one, other = (e2t.compile_graph(edges_of(), backend=one, quiet=True)[0] for one in backends)
    other.load_state_dict(one.state_dict())
    assert one.graph_fingerprint == other.graph_fingerprint


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("engine", ["graph", "layers"])
def test_a_gradient_that_is_not_finite_leaves_those_of_other_samples(engine, bad):
    chain = pd.DataFrame(
        {"source": [f"n{k}" for k in range(9)], "target": [f"n{k}" for k in range(1, 10)]}
    )
    chain = pd.concat([chain, pd.DataFrame({"source": ["n9"], "target": ["n8"]})])
    chain["initial_weight"] = 0.5
    backend = e2t.Recurrent(steps="converge", engine=engine, tolerance=1e-12)
    model, _ = e2t.compile_graph(chain, backend=backend, outputs=["n9"], quiet=True)
    x = samples(20, 1).requires_grad_()
    arriving = torch.linspace(1e-9, 1, 20, dtype=torch.float64)[:, None]
    model = model.double()
    (expected,) = torch.autograd.grad(model(x), x, arriving)
    # the sum of a ring that halves: 1 + 1/4 + 1/16 + ..., behind nine edges of a half
    torch.testing.assert_close(expected, arriving / 2**9 / 0.75, rtol=1e-9, atol=0)
    arriving[7] = bad
    (found,) = torch.autograd.grad(model(x), x, arriving)
    others = torch.arange(20) != 7
    torch.testing.assert_close(found[others], expected[others], rtol=1e-9, atol=0)
    assert not found[7].isfinite()
