"""What a GPU is told of a graph, and, where Triton is, its kernels as Triton's interpreter runs them."""

import copy
import importlib

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.nn._whole import _device
from edge2torch.nn._whole._device import DeviceGraph, DeviceNodes, DeviceRun
from edge2torch.nn._whole._run import Whole
from edge2torch.simulate import layered_graph, random_dag


def apart(parts=3):
    """A graph of several without an edge between them, on shared inputs."""
    one = random_dag(25, 60, seed=4, n_inputs=6)
    inputs = set(one["source"]) - set(one["target"])
    return pd.concat(
        [one.map(lambda name, k=k: name if name in inputs else f"{k}{name}") for k in range(parts)],
        ignore_index=True,
    )


def constrained(seed=0):
    table = random_dag(30, 120, seed=seed, n_inputs=6)
    rng = np.random.default_rng(seed)
    kinds = ["positive", "negative", "fixed", "unconstrained"]
    table["constraint"] = rng.choice(kinds, len(table))
    sign = table["constraint"].map({"positive": 1, "negative": -1}).fillna(1)
    return table.assign(initial_weight=sign * rng.uniform(0.2, 1.0, len(table)))


def hubs():
    """Nodes with one edge, some, many and more than are read at once, in and out."""
    return layered_graph([400, 60, 8, 2], [900, 200, 14], seed=1, skip_edges=500)


GRAPHS = {"constrained": constrained, "apart": apart, "hubs": hubs}


def model_of(edges, *, dtype=torch.float64, **modules):
    model, _ = e2t.compile_graph(edges, quiet=True, seed=0, engine="graph")
    model = e2t.customize_model(model, **{"node_activation": "tanh", **modules}).to(dtype)
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator, dtype=dtype)
    return model


def told(model, x):
    """The model after a call on the CPU, its tables, and those of a device."""
    model(x)
    base = model.base_model
    watched = base._whole._watched
    tables = base._whole._tables[watched.settings()]
    graph = DeviceGraph(watched.layout)
    return base, watched, tables, graph, DeviceNodes(tables, graph, x)


def unpacked(packed):
    """The numbers and vectors of a packed graph, by name."""
    values = packed.numpy()
    starts = dict(zip(_device.PARTS, values[: len(_device.PARTS)].tolist(), strict=True))
    vectors = _device.PARTS[6:-1]
    ends = [*(starts[name] for name in vectors[1:]), len(values)]
    return starts | {
        name: values[starts[name] : end] for name, end in zip(vectors, ends, strict=True)
    }


def in_turn(half, n_groups):
    """Computed nodes as programs come to them: group, level, node, most edges read at once."""
    bounds = half["bounds"].reshape(n_groups, half["n_levels"], 5)
    for group in range(n_groups):
        for level in range(half["n_levels"]):
            for kind, most in enumerate((*_device.AT_ONCE, np.inf)):
                for k in half["order"][slice(*bounds[group, level, kind : kind + 2])]:
                    yield group, level, int(k), most


@pytest.mark.parametrize("name", GRAPHS)
def test_nodes_come_after_what_they_read_in_their_own_group(name):
    model = model_of(GRAPHS[name]())
    x = torch.zeros(2, model.base_model.in_features, dtype=torch.float64)
    *_, graph, nodes = told(model, x)
    forth, back = unpacked(nodes.forth), unpacked(nodes.back)
    assert (graph.n_groups > 1) == (name == "apart")
    n_in, ones = forth["n_in"], forth["n_rows"] - 1
    for half, is_forth in ((forth, True), (back, False)):
        seen = {}
        for group, level, k, most in in_turn(half, graph.n_groups):
            row = k if is_forth else k + n_in
            edges = slice(*half["pointer"][row : row + 2])
            assert edges.stop - edges.start <= most
            for end in half["end"][edges].tolist():
                if end == ones:
                    continue
                if end < n_in:
                    first, last = half["first_read"][group : group + 2]
                    assert end in half["read"][first:last]
                else:
                    assert seen[end - n_in] < (group, level)
                    assert seen[end - n_in][0] == group
            seen[k] = group, level
        assert sorted(seen) == list(range(ones - n_in))


@pytest.mark.parametrize("name", GRAPHS)
def test_a_walk_along_the_tables_gives_output_and_gradient(name):
    """With numpy, node by node: an independent reading of what kernels are told."""
    model = model_of(GRAPHS[name]())
    x = torch.randn(3, model.base_model.in_features, dtype=torch.float64)
    x.requires_grad_()
    base, watched, _, graph, nodes = told(model, x.detach())
    flat = torch.cat(watched.parameters.find(torch.float64)).detach().numpy()
    forth, back = unpacked(nodes.forth), unpacked(nodes.back)
    n_in, y = forth["n_in"], base(x)
    cotangent = torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view_as(y)
    (expected,) = torch.autograd.grad(y, x, cotangent)

    def weights(half, edges):
        w, sign = flat[half["place"][edges]], half["sign"][edges]
        return np.where(sign == 0, w, sign * np.maximum(w, 0))

    state = np.zeros((forth["n_rows"], 3))
    state[:n_in], state[-1] = x.detach().numpy().T, 1
    for _, _, k, _ in in_turn(forth, graph.n_groups):
        edges = slice(*forth["pointer"][k : k + 2])
        z = weights(forth, edges) @ state[forth["end"][edges]]
        state[n_in + k] = np.tanh(z) if forth["code"][k] == 2 else z
    found = np.zeros(y.shape)
    for row, column in enumerate(forth["out_of"]):
        if column >= 0:
            found[:, column] = state[row]
    np.testing.assert_allclose(found, y.detach().numpy(), rtol=1e-12, atol=1e-12)

    pulled = np.zeros_like(state)

    def at(row):
        edges = slice(*back["pointer"][row : row + 2])
        column = forth["out_of"][row]
        own = cotangent.numpy()[:, column] if column >= 0 else 0
        return own + weights(back, edges) @ pulled[back["end"][edges]]

    for _, _, k, _ in in_turn(back, graph.n_groups):
        slope = 1 - state[n_in + k] ** 2 if forth["code"][k] == 2 else 1
        pulled[n_in + k] = at(n_in + k) * slope
    dx = np.stack([at(row) for row in range(n_in)], 1)
    np.testing.assert_allclose(dx, expected.numpy(), rtol=1e-12, atol=1e-12)


def test_one_pass_pays_where_layers_are_many_and_thin_and_where_a_captured_graph_runs_it():
    """Cases that were measured: Reactome-like at any batch, four wide layers at small ones."""
    from benchmarks.cases import CASES

    for name, wanted in (
        ("f", {64: (True, True), 1024: (True, True), 8192: (True, True)}),
        ("e", {64: (True, True), 8192: (True, True)}),
        ("a", {64: (True, False), 8192: (False, False)}),
    ):
        model, _ = e2t.compile_graph(CASES[name].draw_any(), quiet=True, seed=0)
        for batch, expected in wanted.items():
            found = tuple(
                _device.pays_on_device(model, batch, is_captured=is_captured)
                for is_captured in (False, True)
            )
            assert found == expected, (name, batch)


def test_where_triton_compiles_nothing_that_is_said_once(monkeypatch, capsys):
    def refuse(name):
        raise ImportError("No module named 'triton'")

    monkeypatch.setattr(importlib, "import_module", refuse)
    _device._kernels.cache_clear()
    device = torch.device("cpu")
    assert _device._kernels(device) is None
    assert _device._kernels(device) is None
    _device._kernels.cache_clear()
    said = capsys.readouterr().err
    assert said.count("Triton compiles nothing here (ImportError: No module named 'triton')") == 1


def test_what_goes_layer_by_layer(monkeypatch):
    """Norms, masks inside a captured graph, other makes of cards."""

    def answered(model, **changed):
        x = torch.zeros(4, model.base_model.in_features, dtype=torch.float64)
        base, watched, tables, _, _ = told(model, x)
        with monkeypatch.context() as changing:
            changing.setattr(_device, "_kernels", lambda _: object())
            for name, value in {"hip": None, "capturing": False, **changed}.items():
                if name == "hip":
                    changing.setattr(torch.version, "hip", value)
                else:
                    changing.setattr(torch.cuda, "is_current_stream_capturing", lambda v=value: v)
            return _device.device_run(base, watched, tables, x) is not None

    plain = model_of(constrained())
    assert answered(plain)
    assert answered(plain, capturing=True)
    assert not answered(plain, hip="6.4")
    dropping = model_of(constrained(), node_dropout=0.5).train()
    assert answered(dropping)
    assert not answered(dropping, capturing=True)
    assert not answered(model_of(constrained(), node_normalization="batch"))


# ------------------------------------------------------------------ the kernels, interpreted


@pytest.fixture
def kernels(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")  # read when kernels are defined, its own too
    pytest.importorskip("triton")
    return importlib.import_module("edge2torch.nn._whole._triton")


def both(kernels, model, rows):
    """Output and gradients of the same call: on the CPU, and by the kernels."""
    dtype = next(model.parameters()).dtype
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(rows, model.base_model.in_features, dtype=dtype, generator=generator)
    base, watched, tables, graph, nodes = told(model, x)
    parameters = watched.parameters.find(dtype)
    found = []
    for is_device in (False, True):
        torch.manual_seed(5)
        own = x.clone().requires_grad_()
        if is_device:
            run = DeviceRun(base, watched, tables, parameters, graph, nodes, kernels)
            y = Whole.apply(run, own, *parameters)
        else:
            y = base(own)
        cotangent = torch.linspace(0.5, 1.5, y.numel(), dtype=dtype).view_as(y)
        found.append([y, *torch.autograd.grad(y, [own, *base.parameters()], cotangent)])
    return found


@pytest.mark.parametrize(
    ("graph", "rows", "modules"),
    [
        ("constrained", 1, {}),
        ("constrained", 5, {"node_activation": "gelu"}),
        ("constrained", 5, {"node_activation": "elu", "node_dropout": 0.3, "edge_dropout": 0.2}),
        ("apart", 3, {"node_activation": "softplus"}),
        ("hubs", 2, {}),
    ],
)
def test_the_kernels_agree_with_the_walk(graph, rows, modules, kernels, monkeypatch):
    """On slices of one sample, and of more samples than there are."""
    model = copy.deepcopy(model_of(GRAPHS[graph](), **modules)).train()
    for programs in (264, 1):
        monkeypatch.setattr(_device, "_PROGRAMS", programs)
        walk, device = both(kernels, model, rows)
        for one, other in zip(walk, device, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)
