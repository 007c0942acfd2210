"""Normalisation over a node's channels, or over the batch: values and exact gradients."""

import pytest
import torch

from edge2torch.nn import NODE_NORMS

NORMED = [name for name in NODE_NORMS if name != "none"]


def made(kind, nodes=3, channels=4):
    norm = NODE_NORMS[kind](nodes, channels).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.copy_(torch.randn(nodes, generator=generator, dtype=torch.float64))
    return norm


def drawn(batch=5, nodes=3, channels=4):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, nodes, channels, generator=generator, dtype=torch.float64)


def frozen(norm):
    """The norm as a function that leaves its running statistics as they were."""
    start = {name: value.clone() for name, value in norm.named_buffers()}

    def run(x, weight, bias):
        state = {"weight": weight, "bias": bias, **{k: v.clone() for k, v in start.items()}}
        return torch.func.functional_call(norm, state, (x,))

    return run


@pytest.mark.parametrize("kind", NORMED)
@pytest.mark.parametrize("training", [True, False])
def test_first_and_second_derivatives_are_exact(kind, training):
    norm = made(kind).train(training)
    x = drawn(batch=3, nodes=2).requires_grad_()
    inputs = (x, norm.weight[:2], norm.bias[:2])
    norm = made(kind, nodes=2).train(training)
    assert torch.autograd.gradcheck(frozen(norm), inputs)
    assert torch.autograd.gradgradcheck(frozen(norm), inputs)


@pytest.mark.parametrize("kind", NORMED)
def test_a_node_without_variance_has_finite_values_and_gradients(kind):
    x = torch.full((4, 3, 4), 2.0, dtype=torch.float64, requires_grad=True)
    y = made(kind)(x)
    y.square().sum().backward()
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()


def test_layer_norm_is_torch_s_own_per_node():
    x, norm = drawn(), made("layer")
    plain = torch.nn.functional.layer_norm(x, (4,), eps=norm.epsilon)
    torch.testing.assert_close(norm(x), plain * norm.weight[:, None] + norm.bias[:, None])


def test_batch_norm_is_torch_s_own_per_channel():
    x, norm = drawn(), made("batch")
    other = torch.nn.BatchNorm1d(12, affine=False).double()
    for _ in range(2):
        found, plain = norm(x), other(x.flatten(1)).unflatten(1, (3, 4))
    torch.testing.assert_close(found, plain * norm.weight[:, None] + norm.bias[:, None])
    torch.testing.assert_close(norm.running_mean.flatten(), other.running_mean)


def test_running_statistics_of_ema_serve_in_training_too():
    x, norm = drawn() * 3 + 5, NODE_NORMS["ema"](3, 4).double()
    for _ in range(200):
        found = norm(x)
    torch.testing.assert_close(norm.eval()(x), found, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(norm.running_mean, x.mean(0))


def test_the_layout_in_memory_is_kept():
    rows = drawn().permute(1, 2, 0).contiguous()
    x = rows.permute(2, 0, 1)
    for kind in NORMED:
        assert made(kind)(x).stride() == x.stride()
