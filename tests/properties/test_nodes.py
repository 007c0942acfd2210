"""Every block's output is the named values of its layer."""

import numpy as np
from hypothesis import given
from torch import nn

import edge2torch as e2t
from edge2torch.simulate import evaluate
from tests.strategies import batch, cases, randomise, reference, seeds


@given(case=cases(), seed=seeds)
def test_a_hook_on_a_block_sees_the_layer_s_nodes_by_name(case, seed):
    base, artifact = case.compile()
    model = randomise(e2t.customize_model(base, node_activation=nn.Tanh(), artifact=artifact), seed)
    seen = {}
    for k, block in enumerate(model.base_model.blocks):
        block.register_forward_hook(
            lambda _module, _inputs, output, layer=f"layer_{k + 1}": seen.update({layer: output})
        )
    x = batch(artifact, seed)
    model(x)
    values = reference(model, artifact, x, activation=np.tanh)
    assert {"layer_0", *seen} == set(artifact.node_names_by_layer)
    for layer, output in seen.items():
        for name, column in zip(artifact.node_names_by_layer[layer], output.T, strict=True):
            np.testing.assert_allclose(column.detach(), values[name], rtol=1e-12, atol=1e-12)


@given(case=cases(), seed=seeds)
def test_every_node_stands_once_after_its_parents(case, seed):
    _, artifact = case.compile()
    layer_of = {}
    for k, names in enumerate(artifact.node_names_by_layer.values()):
        for name in names:
            assert name not in layer_of
            layer_of[name] = k
    assert list(artifact.node_names_by_layer["layer_0"]) == artifact.feature_names
    edges = artifact.graph.edges[artifact.graph.is_active]
    for source, target in zip(edges["source"], edges["target"], strict=True):
        assert layer_of[source] < layer_of[target]


@given(case=cases(), seed=seeds)
def test_what_a_hook_returns_is_what_the_rest_computes_with(case, seed):
    model, artifact = case.compile()
    randomise(model, seed)
    x = batch(artifact, seed)
    last = len(model.blocks)
    if last < 2:
        return
    handle = model.blocks[0].register_forward_hook(lambda _m, _i, output: output * 0 + 7.0)
    found = dict(zip(artifact.output_names, model(x).T.detach().numpy(), strict=True))
    handle.remove()
    replaced = artifact.node_names_by_layer["layer_1"]
    values = evaluate(
        e2t.edge_weights(model, artifact),
        {
            **dict(zip(artifact.feature_names, x.T.numpy(), strict=True)),
            **{name: np.full(len(x), 7.0) for name in replaced},
        },
        biases=e2t.node_biases(model, artifact),
        outputs=artifact.output_names,
    )
    for name, column in found.items():
        np.testing.assert_allclose(column, values[name], rtol=1e-12, atol=1e-12, err_msg=name)
