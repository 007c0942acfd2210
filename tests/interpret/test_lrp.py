"""Relevance along edges: conserved, equal to a per-edge reference, and to Captum where it can."""

from __future__ import annotations

import itertools
from dataclasses import replace

import captum.attr
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.simulate import evaluate, random_dag
from tests.interpret.settings import PLAIN, SETTINGS, SKIPS, Setting, build, customize, double

ACTIVATIONS = {"tanh": np.tanh, "relu": lambda v: np.maximum(v, 0), None: None}


def random_setting(seed: int, activation: str | None, *, bias: bool) -> Setting:
    edges = random_dag(14, 34, seed=seed, n_inputs=3)
    setting = build(edges, bias=bias)
    names = setting.artifact.feature_names
    data = setting.data.set_axis(names, axis=1)
    setting = replace(setting, data=data, output=setting.artifact.output_names[0])
    return double(customize(setting, node_activation=activation) if activation else setting)


def messages(
    setting: Setting, activation: str | None, epsilon: float = 1e-9
) -> tuple[pd.Series, pd.DataFrame]:
    """Relevance of every node, and what goes along every edge, for the sum over samples."""
    table = e2t.edge_weights(setting.model, setting.artifact)
    bias = e2t.node_biases(setting.model, setting.artifact)
    fed = {name: column.to_numpy() for name, column in setting.data.items()}
    outputs = setting.artifact.output_names
    value = evaluate(
        table, fed, activation=ACTIVATIONS[activation], biases=bias.to_dict(), outputs=outputs
    )
    relevance = {node: np.zeros(len(setting.data)) for node in value}
    relevance[setting.output] = value[setting.output].copy()
    sent = np.zeros((len(table), len(setting.data)))
    for node in reversed(list(value)):
        into = table[table["target"] == node]
        if len(into):
            brought = np.array(
                [w * value[s] for s, w in zip(into["source"], into["weight"], strict=True)]
            )
            total = brought.sum(axis=0) + bias.get(node, 0.0)
            total += np.where(total < 0, -epsilon, epsilon)
            sent[into.index] = brought * relevance[node] / total
            for row in into.index:
                relevance[table["source"][row]] += sent[row]
    return pd.DataFrame(relevance, index=setting.data.index), table.assign(sent=list(sent))


@pytest.mark.parametrize("activation", [None, "tanh", "relu"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_relevance_equals_a_reference_edge_by_edge(
    seed: int, bias: bool, activation: str | None
) -> None:
    setting = random_setting(seed, activation, bias=bias)
    for epsilon in (1e-9, 0.5):
        expected, _ = messages(setting, activation, epsilon)
        scores = setting.ask(
            "nodes",
            "LayerLRP",
            nodes="all",
            level="summary",
            attribute_kwargs={"epsilon": epsilon},
        )
        np.testing.assert_allclose(scores, expected[scores.columns], atol=1e-5, rtol=1e-6)


@pytest.mark.parametrize("activation", [None, "tanh"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_without_bias_every_cut_carries_the_whole_output(seed: int, activation: str | None) -> None:
    setting = random_setting(seed, activation, bias=False)
    layers = setting.artifact.node_names_by_layer
    depth = {node: k for k, nodes in enumerate(layers.values()) for node in nodes}
    scores = setting.ask("nodes", "LayerLRP", nodes="all", level="summary")
    _, table = messages(setting, activation)
    source, target = table["source"].map(depth), table["target"].map(depth)
    for k, nodes in enumerate(layers.values()):
        beyond = table["sent"][(source < k) & (target > k)].sum()  # what skips past the layer
        done = setting.explained() if depth[setting.output] < k else 0.0
        total = scores[nodes].sum(axis=1) + beyond + done
        np.testing.assert_allclose(total, setting.explained(), atol=1e-5)
    features, delta = setting.ask("features", "LRP", return_convergence_delta=True)
    np.testing.assert_allclose(features.sum(axis=1), setting.explained(), atol=1e-5)
    np.testing.assert_allclose(delta, 0, atol=1e-5)
    np.testing.assert_allclose(features, scores[features.columns])


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_model_without_skips_equals_captum_on_dense_layers(activation: str) -> None:
    torch.manual_seed(0)
    head = nn.Sequential(nn.Linear(1, 3), nn.ReLU(), nn.Linear(3, 2))
    setting = customize(build(PLAIN), output=1, node_activation=activation, head=head)
    setting = double(setting)
    layers = list(setting.artifact.node_names_by_layer.values())
    weight = e2t.edge_weights(setting.model, setting.artifact)
    weight = weight.pivot_table("weight", "target", "source", fill_value=0.0)
    bias = e2t.node_biases(setting.model, setting.artifact)
    dense: list[nn.Module] = []
    for sources, targets in itertools.pairwise(layers):
        linear = nn.Linear(len(sources), len(targets)).double()
        matrix = weight.loc[targets, sources].to_numpy()
        linear.load_state_dict(
            {"weight": torch.tensor(matrix), "bias": torch.tensor(bias[targets].to_numpy())}
        )
        dense += [linear, nn.Tanh() if activation == "tanh" else nn.ReLU()]
    stack = nn.Sequential(*dense[:-1], *setting.model.head)
    torch.testing.assert_close(stack(setting.x), setting.model.eval()(setting.x))
    x = setting.x.requires_grad_()
    theirs = captum.attr.LRP(stack).attribute(x, target=1)
    ours = setting.ask("features", "LRP")
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-6, atol=1e-9)
    theirs = captum.attr.LayerLRP(stack, stack[2]).attribute(x, target=1)
    ours = setting.ask("nodes", "LayerLRP")["layer_2"]
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-6, atol=1e-9)


def test_batch_normalisation_is_a_linear_step() -> None:
    """The scores of a model whose weights and biases have the normalisation folded in."""
    plain = double(build(SKIPS, "deep"))
    normed = customize(plain, node_normalization="batch", node_activation="tanh")
    scale, shift = {}, {}
    for k, block in enumerate(normed.model.base_model.blocks):
        norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm1d)]
        hidden = [
            node
            for node in normed.artifact.node_names_by_layer[f"layer_{k + 1}"]
            if node not in normed.artifact.output_names
        ]
        for norm in norms:
            norm.double()
            torch.nn.init.uniform_(norm.running_mean, -1, 1)
            torch.nn.init.uniform_(norm.running_var, 0.5, 2)
            torch.nn.init.uniform_(norm.weight, 0.5, 2)
            torch.nn.init.uniform_(norm.bias, -1, 1)
            factor = norm.weight / (norm.running_var + norm.eps).sqrt()
            scale.update(zip(hidden, factor.tolist(), strict=True))
            shift.update(
                zip(hidden, (norm.bias - norm.running_mean * factor).tolist(), strict=True)
            )
    edges = e2t.edge_weights(plain.model, plain.artifact).rename(
        columns={"weight": "initial_weight"}
    )
    edges["initial_weight"] *= edges["target"].map(scale).fillna(1.0)
    folded = double(customize(build(edges, "deep"), node_activation="tanh"))
    bias = e2t.node_biases(plain.model, plain.artifact)
    bias = bias * bias.index.map(scale).fillna(1.0) + bias.index.map(shift).fillna(0.0)
    with torch.no_grad():
        for k, block in enumerate(folded.model.base_model.blocks):
            nodes = folded.artifact.node_names_by_layer[f"layer_{k + 1}"]
            block.linear.bias.copy_(torch.tensor(bias[nodes].to_numpy()))
    np.testing.assert_allclose(folded.explained(), normed.explained(), rtol=1e-6)
    scores = normed.ask("nodes", "LayerLRP", level="summary", nodes="all")
    expected = folded.ask("nodes", "LayerLRP", level="summary", nodes="all")
    pd.testing.assert_frame_equal(scores, expected, rtol=1e-4)


def test_zeros_in_zeros_out() -> None:
    setting = build(SKIPS, "deep", bias=False)
    setting = replace(setting, data=setting.data * 0)
    for activation in ("tanh", "sigmoid", "softplus"):
        custom = customize(setting, node_activation=activation)
        with pytest.warns(e2t.Edge2TorchWarning, match="every sample is zero in every input"):
            assert (custom.ask("features", "LRP") == 0).all(axis=None)


def test_a_module_without_a_rule_is_named() -> None:
    setting = customize(build(PLAIN), head=nn.Sequential(nn.Linear(1, 2), nn.Softmax(dim=1)))
    with pytest.raises(e2t.Edge2TorchError, match="no rule for 'Softmax'"):
        setting.ask("features", "LRP", output=0)


def test_an_activation_module_may_be_used_twice() -> None:
    relu = nn.ReLU()
    head = nn.Sequential(nn.Linear(1, 4), relu, nn.Linear(4, 4), relu, nn.Linear(4, 1))
    shared = customize(build(PLAIN), head=head)
    apart = customize(build(PLAIN), head=nn.Sequential(*head[:3], nn.ReLU(), head[4]))
    expected = apart.ask("features", "LRP")
    pd.testing.assert_frame_equal(shared.ask("features", "LRP"), expected)


def test_captum_itself_fails_on_our_models() -> None:
    """The reason for a rule of our own; when this fails, captum has learned to do it."""
    setting = SETTINGS["plain"]()
    with pytest.raises(TypeError, match="no rule defined"):
        captum.attr.LRP(setting.model).attribute(setting.x, target=0)


def test_dropout_of_nodes_with_several_units_hands_relevance_on_as_it_is() -> None:
    edges = random_dag(14, 34, seed=1, n_inputs=3)
    bare, artifact = e2t.compile_graph(edges, units=3, seed=0, quiet=True)
    data = torch.randn(5, len(artifact.feature_names))
    options = {"node_activation": "tanh", "node_normalization": "batch"}
    found = [
        e2t.attribute(
            e2t.customize_model(bare, **options, node_dropout=p), data, target, method,
            output=0, nodes="all", quiet=True,
        ).frame()
        for target, method in (("features", "LRP"), ("nodes", "LayerLRP"))
        for p in (None, 0.4)
    ]  # fmt: skip
    pd.testing.assert_frame_equal(found[0], found[1])
    pd.testing.assert_frame_equal(found[2], found[3])
