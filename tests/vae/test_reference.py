from __future__ import annotations

import inspect

import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.vae import VAE, Decoder, Encoder, weight_init
from edge2torch.vae._losses import posterior_sd


@pytest.mark.parametrize(
    ("thing", "names"),
    [
        (Encoder, ["state_dim", "hidden_dim", "action_dim"]),
        (Decoder, ["state_dim", "hidden_dim", "action_dim"]),
        (VAE, ["state_dim", "hidden_dim", "action_dim", "i_dim"]),
    ],
)
def test_signatures_are_the_reference_s(thing: type, names: list[str]) -> None:
    assert list(inspect.signature(thing).parameters) == names


def test_the_seven_tensors() -> None:
    torch.manual_seed(0)
    out = VAE(7, 5, 3, 2)(torch.rand(4, 7))
    assert [tuple(part.shape) for part in out] == [
        (4, 3), (4, 3), (4, 3), (4, 7), (4, 2), (4, 3), (4, 7),
    ]  # fmt: skip
    torch.testing.assert_close(out[3].sum(1), torch.ones(4))
    torch.testing.assert_close(out[6].sum(1), torch.ones(4))


def test_samples_have_the_posterior_s_mean_and_sd() -> None:
    torch.manual_seed(0)
    q_z, q_m, q_s = Encoder(5, 4, 2)(torch.ones(20_000, 5))
    torch.testing.assert_close(q_z.mean(0), q_m[0], atol=0.03, rtol=0)
    torch.testing.assert_close(q_z.std(0), posterior_sd(q_s)[0], atol=0.03, rtol=0)


def test_both_halves_are_named_graphs() -> None:
    model = VAE(4, 3, 2, 1)
    assert model.encoder.artifact.output_names[:2] == ["Z1", "Z2"]
    assert model.decoder.artifact.feature_names == ["Z1", "Z2"]
    assert set(model.encoder.artifact.kernels["kernel"]) == {"dense"}
    x = pd.DataFrame([[1.0, 2.0, 3.0, 4.0]], columns=model.encoder.artifact.feature_names)
    table = e2t.activations(model.encoder.network, model.encoder.artifact, x)
    assert "encoder_1.1" in (set(table) | set(map(str, table.index.get_level_values(0))))


def test_a_compiled_half_equals_plain_layers() -> None:
    decoder = Decoder(4, 3, 2).double()
    z = torch.randn(5, 2, dtype=torch.float64)
    y = z
    blocks = list(decoder.network.base_model.blocks)
    for k, block in enumerate(blocks):
        y = nn.functional.linear(y, block.linear.to_dense(block.linear.weight), block.linear.bias)
        y = y.relu() if k < len(blocks) - 1 else y.softmax(1)
    torch.testing.assert_close(decoder(z), y)


def test_weight_init_is_xavier_on_plain_and_compiled_layers() -> None:
    torch.manual_seed(0)
    compiled = Encoder(400, 300, 50).network.base_model.blocks[0].linear
    plain = nn.Linear(400, 300)
    weight_init(plain)
    wanted = (2 / 700) ** 0.5
    for layer in (compiled, plain):
        assert layer.weight.std().item() == pytest.approx(wanted, rel=0.02)
        torch.testing.assert_close(layer.bias, torch.full_like(layer.bias, 0.01))
