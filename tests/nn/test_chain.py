"""Models whose blocks are not called unless somebody would see it."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils import parametrize, prune

import edge2torch as e2t
from edge2torch.nn._chain import along_chain
from edge2torch.simulate import layered_graph


def chain(*, engine="auto", kernel="dense", stages=False, **options):
    edges = layered_graph([9, 6, 4, 2], [30, 14, 6], seed=3)
    model, artifact = e2t.compile_graph(
        edges, engine=engine, kernel=kernel, seed=0, quiet=True, **options
    )
    if stages:
        model = e2t.customize_model(
            model, node_activation="tanh", node_normalization="batch", artifact=artifact
        ).base_model
    return model.double()


def batch(n=5):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 9, dtype=torch.float64, generator=generator)


def called(model, x):
    """What comes of calling every block."""
    for block in model.blocks:
        x = block(x)
    return x


def gradients(y, model, *more):
    return torch.autograd.grad(y.square().sum(), [*model.parameters(), *more])


@pytest.fixture
def model():
    made = chain()
    made(batch())  # looks whether one pass takes less
    assert along_chain(made, batch()) is not None
    return made


@pytest.mark.parametrize("n", [1, 5, 200])
@pytest.mark.parametrize("kernel", ["dense", "sparse", "auto"])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"stages": True}], ids=str)
@pytest.mark.parametrize("engine", ["auto", "layers"])
def test_equals_the_blocks_called(n, kernel, options, engine):
    if "stages" in options and n == 1:
        pytest.skip("batch normalisation asks for two samples")
    model = chain(kernel=kernel, engine=engine, **options)
    x = batch(n).requires_grad_()
    model._whole.slower.add(n)  # whatever the estimate says
    found, expected = along_chain(model, x), called(model, x)
    assert found.is_contiguous()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    ours, theirs = gradients(found, model, x), gradients(expected, model, x)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)


# --------------------------------------------------------------------------- who would see it


def test_hooks_on_blocks_edges_and_all_modules_are_called(model):
    x = batch().requires_grad_()
    expected = model(x)
    watched = (model.block(0), model.block(1).linear, model.block(2))
    for k, one in enumerate(watched):
        seen = []
        handles = [
            one.register_forward_pre_hook(lambda *found, seen=seen: seen.append("before")),
            one.register_forward_hook(lambda *found, seen=seen: seen.append("after")),
            one.register_full_backward_hook(lambda *found, seen=seen: seen.append("back")),
        ]
        y = model(x)
        assert torch.equal(y, expected)
        y.sum().backward()
        assert seen == ["before", "after", "back"], k
        for handle in handles:
            handle.remove()
    seen = []
    handle = nn.modules.module.register_module_forward_hook(lambda one, *_: seen.append(type(one)))
    try:
        model(x)
    finally:
        handle.remove()
    assert [one.__name__ for one in seen].count("MaskedLinear") == 3


def test_what_a_hook_returns_is_what_the_rest_computes_with(model):
    model.block(0).register_forward_hook(lambda _, __, y: torch.zeros_like(y))
    assert torch.equal(model(batch()), model(7 * batch()))


@pytest.mark.parametrize("k", [0, 1])
def test_modules_that_are_replaced_or_extended_are_called(model, k):
    x, y = batch(), model(batch())
    linear = model.block(k).linear
    usual = linear.forward
    linear.forward = lambda value: 2 * usual(value)
    doubled = model(x)
    assert not torch.allclose(doubled, y)
    torch.testing.assert_close(doubled, called(model, x))
    del linear.forward
    assert torch.equal(model(x), y)

    class Doubled(type(linear)):
        def forward(self, value):
            return 2 * super().forward(value)

    linear.__class__ = Doubled
    torch.testing.assert_close(model(x), doubled)
    linear.__class__ = Doubled.__mro__[1]
    if k:  # the first is asked for its edges
        model.blocks[k] = nn.Sequential(model.block(k), nn.Tanh())
        torch.testing.assert_close(model(x), called(model, x))


def test_weights_that_are_computed_from_others_are_used(model):
    class Halved(nn.Module):
        def forward(self, weight):
            return weight / 2

    x, linear = batch(), model.block(1).linear
    y = model(x)
    prune.random_unstructured(linear, "weight", amount=0.5)
    pruned = model(x)
    assert not torch.allclose(pruned, y)
    torch.testing.assert_close(pruned, called(model, x))
    prune.remove(linear, "weight")
    torch.testing.assert_close(model(x), pruned)
    parametrize.register_parametrization(linear, "weight", Halved())
    torch.testing.assert_close(model(x), called(model, x))
    assert not torch.allclose(model(x), pruned)
    parametrize.remove_parametrizations(linear, "weight")
    other = {name: 2 * one for name, one in model.named_parameters()}
    with torch.no_grad():
        expected = torch.func.functional_call(model, other, (x,))
        for one in model.parameters():
            one.mul_(2)
        torch.testing.assert_close(model(x), expected)


def test_edges_are_dropped_in_training_only(model):
    dropping = model.with_stages({}, edge_dropout=0.5)
    x, expected = batch(), model(batch())
    assert not torch.allclose(dropping(x), expected)
    torch.testing.assert_close(dropping.eval()(x), expected)


def test_mistakes_are_said_as_ever(model):
    for x, words in [
        (batch().float(), "the model's weights are torch.float64"),
        (batch()[:, :-1], "must have shape"),
        (batch()[0], "must have shape"),
        (torch.ones(5, 9, dtype=torch.int64), "must be a floating point tensor"),
        ([[1.0] * 9], r"must be a torch\.Tensor"),
    ]:
        with pytest.raises(e2t.Edge2TorchError, match=words):
            model(x)


# --------------------------------------------------------------------------- what stays behind


def test_precision_may_change_between_calls(model):
    x, y = batch(), model(batch())
    assert model.float()(x.float()).dtype == torch.float32
    assert model.half()(x.half()).dtype == torch.float16
    torch.testing.assert_close(model.double()(x), y, rtol=1e-2, atol=1e-2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model.float()(x.float()).sum().backward()
    assert all(one.grad.isfinite().all() for one in model.parameters())


@pytest.mark.parametrize(
    "mode", [torch.inference_mode, lambda: FakeTensorMode(allow_non_fake_inputs=True)]
)
def test_a_first_call_in_another_mode_leaves_nothing_behind(mode):
    model, expected = chain(), chain()
    x = batch()
    with mode():
        for _ in range(2):
            assert model(x).shape == (5, 2)
    ours, theirs = (gradients(one(x), one) for one in (model, expected))
    torch.testing.assert_close(ours, theirs)


def test_copies_and_pickles_compute_the_same(model):
    x, y = batch(), model(batch())
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301 - ours
        assert torch.equal(other(x), y)
        assert torch.equal(other(x), y)
        with torch.no_grad():
            next(other.parameters()).zero_()
        assert torch.equal(model(x), y)


def test_forward_twice_then_back_through_both(model):
    x = batch().requires_grad_()
    first = model(x)
    second = model(2 * x)
    ours = gradients(first + second, model, x)
    theirs = gradients(called(model, x) + called(model, 2 * x), model, x)
    torch.testing.assert_close(ours, theirs)


def test_threads_share_a_model(model):
    inputs = [batch(5) * k for k in range(1, 9)]
    expected = [gradients(model(x), model) for x in inputs]
    with ThreadPoolExecutor(4, initializer=torch.get_num_threads) as pool:
        found = list(pool.map(lambda x: gradients(model(x), model), 20 * inputs))
    for k, one in enumerate(found):
        torch.testing.assert_close(one, expected[k % 8])


@pytest.mark.parametrize("n", [5, 200])
def test_where_torch_is_to_be_deterministic(model, n):
    expected = gradients(model(batch(n)), model)
    torch.use_deterministic_algorithms(True)
    try:
        found = gradients(model(batch(n)), model)
    finally:
        torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(found, expected)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_derivatives_of_every_kind(model):
    x, direction = batch(2), torch.ones(2, 9, dtype=torch.float64)
    assert torch.autograd.gradgradcheck(lambda x: model(x).tanh(), x.clone().requires_grad_())
    _, found = torch.func.jvp(model, (x,), (direction,))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, direction)
        along = torch.autograd.forward_ad.unpack_dual(model(dual)).tangent
    torch.testing.assert_close(found, along)
    torch.testing.assert_close(torch.func.vmap(model)(x[:, None])[:, 0], model(x))
