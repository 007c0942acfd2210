"""A compiled model is a plain ``nn.Module``: everything PyTorch does with one works."""

import copy
import io
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jacfwd, jacrev, jvp, vmap
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import edge2torch as e2t
from edge2torch.simulate import layered_graph

KERNELS = ("sparse", "dense")

# TorchDynamo makes an instance of every autograd.Function that it meets, which torch deprecates.
# PyTorch's own rules for forward mode are scripted when they are first loaded.
loads_forward_mode = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")


def skipping_graph():
    """Two hidden layers, skip edges, an early output, every constraint."""
    edges = layered_graph([6, 5, 4, 2], [14, 10, 6], seed=3, skip_edges=8)
    early = pd.DataFrame({"source": ["L0_0", "L1_1"], "target": ["early", "early"]})
    edges = pd.concat([edges, early], ignore_index=True)
    kind = np.resize(np.array([None, "positive", "negative", "fixed", None], object), len(edges))
    return edges.assign(constraint=kind, initial_weight=np.where(kind == "fixed", 0.75, np.nan))


@pytest.fixture(params=KERNELS)
def kernel(request):
    return request.param


@pytest.fixture
def compiled(kernel):
    torch.manual_seed(0)
    base, artifact = e2t.compile_graph(skipping_graph(), kernel=kernel, quiet=True)
    model = e2t.customize_model(
        base, node_activation=nn.Tanh(), head=nn.Linear(3, 2), artifact=artifact
    )
    return model, artifact


@pytest.fixture
def model(compiled):
    return compiled[0]


@pytest.fixture
def x():
    return torch.randn(7, 6, generator=torch.Generator().manual_seed(1))


def gradients(model, x):
    model.zero_grad()
    model(x).square().sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def assert_close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------- moving it


def test_the_kernels_agree(x):
    outputs = []
    for kernel in (*KERNELS, "auto"):
        torch.manual_seed(0)
        model, _ = e2t.compile_graph(skipping_graph(), kernel=kernel, quiet=True)
        outputs.append((model(x), gradients(model, x)))
    for output, gradient in outputs[1:]:
        assert_close(output, outputs[0][0])
        assert_close(gradient, outputs[0][1])


def test_double_and_float_change_every_floating_tensor_and_nothing_else(model, x):
    expected = model(x)
    model.double()
    kinds = {t.dtype for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()}
    assert kinds == {torch.float64}
    assert model(x.double()).dtype == torch.float64
    assert_close(model(x.double()).float(), expected)
    assert torch.equal(model.float()(x), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_trains(model, x, dtype):
    expected = model(x)
    model.to(dtype)
    output = model(x.to(dtype))
    assert output.dtype == dtype
    torch.testing.assert_close(output.float(), expected, rtol=0.05, atol=0.05)
    assert all(g.isfinite().all() for g in gradients(model, x.to(dtype)).values())


def test_to_moves_every_tensor_to_the_meta_device_and_shapes_follow(model, x):
    model.to("meta")
    assert {t.device.type for t in (*model.parameters(), *model.buffers())} == {"meta"}
    output = model(x.to("meta"))
    assert output.device.type == "meta"
    assert output.shape == (7, 2)


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("feedforward", {}),
        ("feedforward", {"units": 3}),
        ("recurrent", {"units": 3}),
        ("gnn", {}),
    ],
    ids=str,
)
def test_where_torch_makes_its_tensors_a_model_and_what_is_put_on_it_stand(
    backend, options, tmp_path
):
    """Any default device that is not the CPU, such as a GPU, met tensors that were."""
    edges = layered_graph([6, 5, 1], [14, 5], seed=3)

    def built():
        base, artifact = e2t.compile_graph(edges, backend=backend, seed=0, quiet=True, **options)
        return base, artifact, customized(base)

    def customized(base):
        heads = None if backend == "gnn" else e2t.NodeHeads()
        return e2t.customize_model(
            base, node_activation=nn.PReLU, node_normalization=None if backend == "gnn" else "batch",
            node_dropout=0.1, node_heads=heads,
        )  # fmt: skip

    def devices(*models):
        held = (t for model in models for t in (*model.parameters(), *model.buffers()))
        return {t.device.type for t in held}

    here, artifact, _ = built()
    e2t.save_compiled(tmp_path, here, artifact)
    with torch.device("meta"):
        base, other, model = built()
        joined = e2t.join_branches(model, other=(4, 3), features=2)
        loaded, _ = e2t.load_compiled(tmp_path)
        assert devices(base, model, joined, loaded) == {"meta"}
        assert model(torch.zeros(7, 6)).shape == (7, 1)
        assert joined(torch.zeros(7, 6), torch.zeros(7, 2)).shape == (7, 1)
        # a default device says nothing of a model that is there, nor a model of the default device
        assert devices(customized(here)) == {"cpu"}
    assert devices(customized(base), e2t.join_branches(base, other=(3,), features=2)) == {"meta"}
    assert other.fingerprint == artifact.fingerprint


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 64])
def test_any_number_of_rows(model, x, rows):
    batch = x.repeat(10, 1)[:rows]
    output = model(batch)
    assert output.shape == (rows, 2)
    single = torch.cat([model(row[None]) for row in batch]) if rows else output
    assert_close(output, single)
    assert all(g.isfinite().all() for g in gradients(model, batch).values())


@pytest.mark.parametrize("layout", ["rows", "columns", "strided", "expanded", "requires grad"])
def test_the_memory_layout_of_the_input_does_not_matter(model, x, layout):
    same = {
        "rows": x,
        "columns": x.T.contiguous().T,
        "strided": torch.stack([x, -x], dim=2).flatten(1)[:, ::2],
        "expanded": x[:1].expand(7, -1),
        "requires grad": x.clone().requires_grad_(),
    }[layout]
    assert_close(model(same), model(same.detach().clone().contiguous()))


def test_the_output_is_contiguous_and_the_input_untouched(model, x):
    before = x.clone()
    assert model(x).is_contiguous()
    assert torch.equal(x, before)


# ------------------------------------------------------------------------------ copying it


def test_state_dict_round_trip(compiled, x, kernel):
    model, artifact = compiled
    expected = model(x)
    base, _ = e2t.compile_graph(skipping_graph(), kernel=kernel, quiet=True)
    other = e2t.customize_model(
        base, node_activation=nn.Tanh(), head=nn.Linear(3, 2), artifact=artifact
    )
    assert not torch.equal(other(x), expected)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    assert other.load_state_dict(torch.load(file, weights_only=True)) == ([], [])
    assert torch.equal(other(x), expected)


def test_the_state_of_another_kernel_fits(x):
    models = [e2t.compile_graph(skipping_graph(), kernel=k, quiet=True)[0] for k in KERNELS]
    models[1].load_state_dict(models[0].state_dict())
    assert_close(models[1](x), models[0](x))


def test_the_state_of_another_graph_is_refused():
    edges = skipping_graph()
    model, _ = e2t.compile_graph(edges, quiet=True)
    # as many edges and nodes in every place, one edge elsewhere
    first = edges.index[(edges["target"] == "early") & (edges["source"] == "L0_0")]
    moved = edges.copy()
    moved.loc[first, "source"] = "L0_1"
    other, _ = e2t.compile_graph(moved, quiet=True)
    shapes = [{n: t.shape for n, t in m.state_dict().items()} for m in (model, other)]
    assert shapes[0] == shapes[1]
    with pytest.raises(e2t.Edge2TorchError, match="state_dict"):
        other.load_state_dict(model.state_dict())
    turned, _ = e2t.compile_graph(edges, outputs=["L3_1", "L3_0", "early"], quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="state_dict"):
        turned.load_state_dict(model.state_dict())


@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "gnn"])
def test_averages_of_buffers_do_not_move_edges(backend):
    """.9 k + .1 k is rounded down where k is 3, 6, 7, 9: averaged indices are those of other nodes."""
    edges = layered_graph([6, 5, 4, 2], [14, 10, 6], seed=3)
    model, other, again = (
        e2t.compile_graph(edges, backend=backend, seed=seed, quiet=True)[0] for seed in range(3)
    )
    x = torch.randn(7, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        kept, damaged, parameters_alone = (
            AveragedModel(model, use_buffers=buffers, multi_avg_fn=get_ema_multi_avg_fn(decay))
            for decay, buffers in ((0.999, True), (0.9, True), (0.9, False))
        )
        other(x)
        for averaged in (kept, damaged, parameters_alone):
            averaged(x)
            averaged.update_parameters(model)
            averaged.update_parameters(other)
        expected = parameters_alone(x)
        assert not torch.equal(expected, model(x))
        assert kept(x).shape == (7, 2)
        pickled = pickle.loads(pickle.dumps(damaged.module))  # noqa: S301 - our own bytes
        for broken in (damaged, copy.deepcopy(damaged), pickled):
            with pytest.raises(e2t.Edge2TorchError, match=r"indices of edges.*use_buffers=False"):
                broken(x)
        for own, average in zip(other.buffers(), damaged.module.buffers(), strict=True):
            own.data.copy_(average)  # as Lightning does between training and validation, uncounted
        with pytest.raises(e2t.Edge2TorchError, match="indices of edges"):
            other.eval()(x)
        again.load_state_dict(damaged.module.state_dict())
        assert_close(again(x), expected)
        assert torch.equal(again.fingerprint, model.fingerprint)


def test_heads_at_nodes_are_not_read_along_averaged_indices():
    edges = layered_graph([6, 5, 4, 2], [14, 10, 6], seed=3)
    base, _ = e2t.compile_graph(edges, seed=0, quiet=True)
    model = e2t.customize_model(base, node_heads=e2t.NodeHeads())
    x = torch.randn(7, 6, generator=torch.Generator().manual_seed(1))
    model.with_heads(x)
    averaged = AveragedModel(model, use_buffers=True, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    averaged.update_parameters(model)
    averaged.update_parameters(model)
    with pytest.raises(e2t.Edge2TorchError, match="indices of edges"):
        averaged.module.with_heads(x)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_mean_of_states_of_one_graph_is_a_state_of_it(n, x):
    def states(edges):
        models = [e2t.compile_graph(edges, seed=k, quiet=True)[0] for k in range(n)]
        return [model.state_dict() for model in models]

    own = states(skipping_graph())
    # a sum of bytes, as the fingerprint's, begins at 0 again beyond 255
    summed = {name: sum(state[name] for state in own) / n for name in own[0]}
    stacked = {name: torch.stack([s[name].double() for s in own]).mean(0) for name in own[0]}
    model, expected = (e2t.compile_graph(skipping_graph(), quiet=True)[0] for _ in range(2))
    fingerprint = model.fingerprint.clone()
    with torch.no_grad():
        for name, parameter in expected.named_parameters():
            parameter.copy_(stacked[name])
    for mean in (summed, stacked):
        model.load_state_dict(mean)
        assert torch.equal(model.fingerprint, fingerprint)
        assert_close(model(x), expected(x))
    fewer = skipping_graph().iloc[1:]
    for other in (states(fewer)[0], {k: sum(s[k] for s in states(fewer)) / n for k in own[0]}):
        with pytest.raises(e2t.Edge2TorchError, match="state_dict"):
            model.load_state_dict(other)


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "torch.save"])
def test_a_copy_computes_the_same_and_learns_alone(compiled, x, how):
    model, artifact = compiled
    if how == "deepcopy":
        other = copy.deepcopy(model)
    elif how == "pickle":
        other = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
    else:
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        other = torch.load(file, weights_only=False)
    expected = model(x)
    assert torch.equal(other(x), expected)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0)
    assert torch.equal(model(x), expected)
    assert e2t.edge_weights(other, artifact).shape == (len(artifact.graph.edges), 3)


def test_the_artifact_can_be_copied_and_pickled(compiled):
    _, artifact = compiled
    pickled = pickle.loads(pickle.dumps(artifact))  # noqa: S301 - our own bytes
    for other in (copy.deepcopy(artifact), pickled):
        assert other.fingerprint == artifact.fingerprint
        assert other.graph.edges.equals(artifact.graph.edges)


def test_every_parameter_is_trained_and_frozen_ones_stay(model, x):
    frozen = next(iter(model.parameters()))
    frozen.requires_grad_(False)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(x).square().sum().backward()
    optimizer.step()
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (parameter is frozen), name


# -------------------------------------------------------------------- compiling, exporting


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_torch_compile_without_a_graph_break(model, x, backend):
    expected, expected_gradients = model(x), gradients(model, x)
    torch._dynamo.reset()
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    assert_close(compiled(x), expected)
    found = gradients(compiled, x)
    assert_close({k.removeprefix("_orig_mod."): v for k, v in found.items()}, expected_gradients)
    torch._dynamo.reset()


def test_torch_compile_with_rows_that_vary(model, x):
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=True)
    for rows in (7, 5, 3):
        assert_close(compiled(x[:rows]), model(x[:rows]))
    torch._dynamo.reset()


@pytest.mark.parametrize("dynamic", [False, True])
def test_torch_export(model, x, dynamic):
    shapes = {"x": {0: torch.export.Dim("batch", min=2, max=1024)}} if dynamic else None
    program = torch.export.export(Positional(model), (x,), dynamic_shapes=shapes)
    assert_close(program.module()(x), model(x))
    if dynamic:
        assert_close(program.module()(x[:3]), model(x[:3]))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_torch_jit_trace(model, x):
    """TensorBoard's ``add_graph`` and older tools ask for it; it ended in ``unordered_map::at``."""
    traced = torch.jit.trace(model, x)
    for other in (2 * x, x[:3], x.repeat(20, 1)):
        assert_close(traced(other), model(other))
    expected = gradients(model, x)
    model.zero_grad()
    traced(x).square().sum().backward()
    assert_close({name: p.grad for name, p in model.named_parameters()}, expected)


class Positional(nn.Module):
    """Names its argument x, whatever the model inside calls it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)


# ---------------------------------------------------------------------- function transforms


def test_functional_call_uses_the_values_it_is_given(model, x):
    zeros = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    assert not functional_call(model, zeros, (x,)).any()
    same = {name: p.detach() for name, p in model.named_parameters()}
    assert torch.equal(functional_call(model, same, (x,)), model(x))


@loads_forward_mode
def test_jacobians_forward_reverse_and_batched_agree(model, x):
    expected = torch.autograd.functional.jacobian(model, x)
    assert_close(jacrev(model)(x), expected)
    assert_close(jacfwd(model)(x), expected)
    per_sample = vmap(jacrev(lambda row: model(row[None])[0]))(x)
    assert_close(per_sample, expected[torch.arange(7), :, torch.arange(7)])


def test_vmap_over_samples_over_sets_of_inputs_and_over_weights(model, x):
    expected = model(x)
    assert_close(vmap(lambda row: model(row[None])[0])(x), expected)
    assert_close(vmap(model)(torch.stack([x, 2 * x])), torch.stack([expected, model(2 * x)]))
    ensemble = {name: torch.stack([p, 2 * p]).detach() for name, p in model.named_parameters()}
    found = vmap(lambda p: functional_call(model, p, (x,)))(ensemble)
    doubled = {name: 2 * p for name, p in model.named_parameters()}
    assert_close(found, torch.stack([expected, functional_call(model, doubled, (x,))]))


def test_gradients_per_sample(model, x):
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def loss(parameters, row):
        return functional_call(model, parameters, (row[None],)).square().sum()

    found = vmap(grad(loss), in_dims=(None, 0))(parameters, x)
    expected = gradients(model, x)
    assert_close({name: g.sum(0) for name, g in found.items()}, expected)
    for k, row in enumerate(x):
        assert_close({n: g[k] for n, g in found.items()}, gradients(model, row[None]))


@loads_forward_mode
def test_forward_mode_and_hessian_vector_products(model, x):
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    _, along = jvp(model, (x,), (direction,))
    expected = torch.einsum("boci,ci->bo", jacrev(model)(x), direction)
    assert_close(along, expected)
    scalar = lambda x: model(x).square().sum()  # noqa: E731
    _, forward_over_reverse = jvp(grad(scalar), (x,), (direction,))
    _, reverse_over_reverse = torch.autograd.functional.hvp(scalar, x, direction)
    assert_close(forward_over_reverse, reverse_over_reverse)


def test_second_derivatives_are_right(model):
    model.double()
    x = torch.randn(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert torch.autograd.gradgradcheck(model, x.requires_grad_())


# -------------------------------------------------------------------- precision and devices


def test_autocast_bfloat16(model, x):
    expected = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(x)
        loss = output.float().square().sum()
    loss.backward()
    torch.testing.assert_close(output.float(), expected, rtol=0.05, atol=0.05)
    for parameter in model.parameters():
        assert parameter.grad.dtype == parameter.dtype
        assert parameter.grad.isfinite().all()


def test_inference_mode_and_no_grad(model, x):
    expected = model(x).detach()
    with torch.inference_mode():
        assert torch.equal(model(x), expected)
    with torch.no_grad():
        output = model(x)
    assert torch.equal(output, expected)
    assert not output.requires_grad


def test_numbers_that_are_not_finite_reach_only_what_they_lead_to():
    edges = pd.DataFrame({"source": ["a", "b"], "target": ["y", "z"]})
    model, _ = e2t.compile_graph(edges, kernel="sparse", quiet=True)
    output = model(torch.tensor([[float("nan"), 1.0]]))
    assert output.isnan().tolist() == [[True, False]]


# ------------------------------------------------------------------------ changing the module


def test_a_submodule_can_be_replaced_and_one_norm_frozen(compiled, x):
    base = compiled[0].base_model
    model = e2t.customize_model(
        base, node_normalization=nn.BatchNorm1d, node_activation=nn.ReLU, artifact=compiled[1]
    )
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d)]
    assert len(norms) >= 2
    model.train()
    norms[0].eval()
    before = norms[0].running_mean.clone()
    model(x)
    assert torch.equal(norms[0].running_mean, before)
    assert norms[1].running_mean.any()
    model.eval()
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.ReLU):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, nn.Tanh())
    assert not any(isinstance(m, nn.ReLU) for m in model.modules())
    assert model(x).isfinite().all()


def test_a_parametrization_and_a_hook_act(compiled, x):
    model = compiled[0]
    expected = model(x)
    handle = model.base_model.blocks[0].register_forward_hook(lambda *_: None)
    assert torch.equal(model(x), expected)
    handle.remove()
    linear = model.base_model.blocks[0].linear
    nn.utils.parametrize.register_parametrization(linear, "weight", Zero())
    changed = model(x)
    assert not torch.equal(changed, expected)
    nn.utils.parametrize.remove_parametrizations(linear, "weight", leave_parametrized=False)
    assert torch.equal(model(x), expected)


class Zero(nn.Module):
    def forward(self, weight):
        return weight * 0


def test_nothing_of_this_warns(model, x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradients(model, x)
