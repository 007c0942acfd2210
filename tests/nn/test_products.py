"""Every kernel against the dense matrix, in every way that PyTorch differentiates."""

import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from edge2torch.nn import KernelChoice, MaskedLinear

KERNELS = {"sparse": math.inf, "dense": 0.0}
# shapes (o, i), edges: wide and narrow inputs, a row without edges, one edge, no edge, complete, and
# complete into one node
CASES = [
    ((4, 9), 11),
    ((3, 30), 20),
    ((30, 3), 20),
    ((6, 5), 4),
    ((1, 1), 1),
    ((4, 5), 0),
    ((3, 4), 12),
    ((1, 7), 7),
]


def layer(kernel, shape, n_edges, *, seed=0, bias=True, constraint=None):
    rng = np.random.default_rng(seed)
    slots = np.sort(rng.choice(shape[0] * shape[1], n_edges, replace=False))
    made = MaskedLinear(
        slots // shape[1],
        slots % shape[1],
        shape,
        bias=bias,
        constraint=constraint,
        choice=KernelChoice(KERNELS[kernel], "under test"),
    ).double()
    made.set_weights(torch.from_numpy(rng.normal(size=n_edges)))
    return made


@pytest.fixture(params=KERNELS)
def kernel(request):
    return request.param


@pytest.fixture(params=CASES, ids=str)
def model(request, kernel):
    return layer(kernel, *request.param)


def batch(model, n=3, *, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, model.in_features, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 64, 200])
def test_equals_the_dense_product(model, n):
    x = batch(model, n).requires_grad_()
    dense = model.to_dense(model.edge_weights())
    y, expected = model(x), F.linear(x, dense, model.bias)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    g = torch.ones_like(y) * torch.arange(model.out_features)
    wanted = (x, model.weight, model.bias)
    for ours, theirs in zip(
        torch.autograd.grad(y, wanted, g), torch.autograd.grad(expected, wanted, g), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_first_and_second_derivatives_and_forward_mode(model):
    def f(x, weight, bias):
        parameters = {"weight": weight, "bias": bias}
        return torch.func.functional_call(model, parameters, (x,)).tanh()

    inputs = (batch(model).requires_grad_(), model.weight, model.bias)
    inputs = tuple(value.detach().clone().requires_grad_() for value in inputs)
    assert gradcheck(f, inputs)
    assert gradgradcheck(f, inputs)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_transforms(model):
    x = batch(model)
    parameters = {name: value.detach() for name, value in model.named_parameters()}
    dense = model.to_dense(model.edge_weights()).detach()

    def call(parameters, x):
        return torch.func.functional_call(model, parameters, (x,))

    def loss(parameters, x):
        return call(parameters, x[None]).square().sum()

    per_sample = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, x)
    for k in range(len(x)):
        one = torch.func.grad(loss)(parameters, x[k])
        torch.testing.assert_close(per_sample["weight"][k], one["weight"])
    ensemble = {name: torch.stack([value, 2 * value]) for name, value in parameters.items()}
    torch.testing.assert_close(
        torch.func.vmap(call, (0, None))(ensemble, x)[1], 2 * call(parameters, x)
    )
    for jacobian in (torch.func.jacfwd, torch.func.jacrev):
        found = jacobian(lambda x: call(parameters, x))(x[:1])
        torch.testing.assert_close(found[0, :, 0], dense)
    hessian = torch.func.hessian(lambda x: call(parameters, x).square().sum())(x[:1])
    torch.testing.assert_close(hessian[0, :, 0], 2 * dense.T @ dense)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_lower_precision_agrees_with_float64(kernel, dtype):
    model = layer(kernel, (40, 60), 500)
    x, g = batch(model, 33), torch.ones(33, 40, dtype=torch.float64)
    wanted = (model.weight, model.bias)
    expected = torch.autograd.grad(model(x), wanted, g)
    low = layer(kernel, (40, 60), 500).to(dtype)
    y = low(x.to(dtype))
    assert y.dtype == dtype
    tolerance = 30 * torch.finfo(dtype).eps * 10
    torch.testing.assert_close(y.double(), model(x), rtol=tolerance, atol=tolerance)
    found = torch.autograd.grad(y, (low.weight, low.bias), g.to(dtype))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=tolerance, atol=10 * tolerance)


def test_autocast_trains(kernel):
    model = layer(kernel, (4, 9), 11).float()
    x = batch(model).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(x).square().mean()
    loss.backward()
    assert model.weight.grad.dtype == torch.float32
    assert torch.isfinite(model.weight.grad).all()


@pytest.mark.parametrize(
    "spread",
    [
        lambda x: x.t().contiguous().t(),
        lambda x: torch.stack([x, x], 1)[:, 0],
        lambda x: x.flip(1).flip(1),
        lambda x: torch.cat([x, x], 1)[:, : x.shape[1]],
    ],
    ids=["feature-major", "strided rows", "copied", "sliced"],
)
def test_memory_layout_changes_nothing(model, spread):
    x = batch(model, 5)
    torch.testing.assert_close(model(spread(x)), model(x), rtol=0, atol=1e-14)


def test_a_broadcast_input(model):
    row = batch(model, 1)
    torch.testing.assert_close(model(row.expand(4, -1)), model(row).expand(4, -1))


def test_leading_dimensions_are_kept(model):
    x = batch(model, 6).reshape(2, 3, -1)
    torch.testing.assert_close(model(x)[1], model(x[1]))


def test_wide_inputs_are_transposed_in_pieces():
    model = layer("sparse", (5, 10_000), 300)
    x = batch(model, 4).requires_grad_()
    y = model(x)
    torch.testing.assert_close(y, F.linear(x, model.to_dense(model.edge_weights()), model.bias))
    (found,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(found[0], model.to_dense(model.edge_weights()).sum(0))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiles_without_a_graph_break(kernel, backend):
    model = layer(kernel, (4, 9), 11)
    compiled = torch.compile(model, fullgraph=True, backend=backend)
    x = batch(model).requires_grad_()
    torch.testing.assert_close(compiled(x), model(x))
    ours = torch.autograd.grad(compiled(x).square().sum(), (x, model.weight))
    theirs = torch.autograd.grad(model(x).square().sum(), (x, model.weight))
    torch.testing.assert_close(ours, theirs)
    torch._dynamo.reset()


def test_exports_for_any_batch(kernel):
    model = layer(kernel, (4, 9), 11)
    free = {"x": {0: torch.export.Dim("batch", min=2)}}
    program = torch.export.export(model, (batch(model, 5),), dynamic_shapes=free)
    x = batch(model, 17)
    torch.testing.assert_close(program.module()(x), model(x))


def test_custom_operators_are_sound():
    from edge2torch.nn._kernels._products import spmm_op

    model = layer("sparse", (4, 9), 11)
    rows = batch(model).t().contiguous().requires_grad_()
    sample = (model.weight.detach().requires_grad_(), rows, *model.index.tensors)
    torch.library.opcheck(spmm_op, sample)


def test_no_temporary_of_batch_times_edges():
    """A step may not allocate more than a few times its inputs and outputs."""
    model, n = layer("sparse", (100, 100), 9_000).float(), 512
    x = torch.randn(100, n).t().requires_grad_()
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        model(x).sum().backward()
    largest = max(event.cpu_memory_usage for event in profile.events())
    assert largest < 4 * 9_000 * n / 10


def test_a_complete_matrix_keeps_nothing_per_edge_and_computes_what_is_asked_for():
    kept, computed = (layer(kernel, (3, 4), 12) for kernel in ("sparse", "dense"))
    assert sum(buffer.numel() for buffer in computed.buffers()) == 4 + 5
    for one, other in zip(kept.index.tensors, computed.index.tensors, strict=True):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype
