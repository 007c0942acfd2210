"""Replicates side by side compute, and learn, what they do alone."""

import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.interpret import ReplicateStack, stack_replicates
from edge2torch.interpret._trust._start import draw_starts
from edge2torch.nn._whole._cost import times
from edge2torch.simulate import layered_graph

EDGES = layered_graph([12, 6, 3, 2], [20, 10, 6], seed=1, skip_edges=4)
N = 3


def start(**options):
    model, artifact = e2t.compile_graph(EDGES, quiet=True)
    options = {key: value() if key == "head" else value for key, value in options.items()}
    return e2t.customize_model(model, artifact=artifact, **options).double(), artifact


CUSTOM = {
    "bare": {},
    "tanh": {"node_activation": "tanh"},
    "batch norm and head": {
        "node_activation": "relu",
        "node_normalization": "batch",
        "head": lambda: nn.Linear(2, 3),
    },
    "layer norm": {"node_normalization": nn.LayerNorm},
    "one node": {"node_activation": {"L1_0": "tanh"}},
}


def data(shape=(16, 12)):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def fit(model, loss, steps=8):
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model).backward()
        optimizer.step()


def alone(options):
    models, artifacts = [], []
    for seed in range(N):
        torch.manual_seed(seed)
        model, artifact = start(**options)
        models.append(model)
        artifacts.append(artifact)
    return models, artifacts[0]


@pytest.mark.parametrize("options", CUSTOM.values(), ids=CUSTOM)
@pytest.mark.parametrize("shared", [True, False], ids=["one table", "own tables"])
def test_trained_together_is_trained_apart(options, shared):
    models, artifact = alone(options)
    stack = ReplicateStack(models, artifact, shared_inputs=shared).double()
    own = data() if shared else data((N, 16, 12))
    seen = [own] * N if shared else list(own)
    with torch.no_grad():
        before = torch.stack([model(x) for model, x in zip(models, seen, strict=True)])
        torch.testing.assert_close(stack(own), before, rtol=1e-6, atol=1e-6)
    fit(stack, lambda stack: sum(((y - 1) ** 2).mean() for y in stack(own)))
    for model, x in zip(models, seen, strict=True):
        fit(model, lambda model, x=x: ((model(x) - 1) ** 2).mean())
    stack.eval()
    together = stack(own)
    for k, (model, unstacked) in enumerate(zip(models, stack.unstack(), strict=True)):
        torch.testing.assert_close(together[k], model.eval()(seen[k]), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(unstacked(seen[k]), together[k], rtol=1e-5, atol=1e-5)


def test_constraints_stay_constraints():
    edges = EDGES.assign(constraint="positive")
    torch.manual_seed(0)
    stack = stack_replicates(lambda: e2t.compile_graph(edges, quiet=True), n=N)
    fit(stack, lambda stack: stack(data().float()).sum())
    _, artifact = e2t.compile_graph(edges, quiet=True)
    for model in stack.unstack():
        assert (e2t.edge_weights(model, artifact)["weight"] >= 0).all()


def test_stacking_leaves_the_models_as_they_were():
    models, artifact = alone({"node_activation": "tanh"})
    before = [{k: v.clone() for k, v in m.state_dict().items()} for m in models]
    stack = ReplicateStack(models, artifact)
    fit(stack, lambda stack: stack(data().float()).square().sum())
    for model, state in zip(models, before, strict=True):
        for name, value in model.state_dict().items():
            assert torch.equal(value, state[name])


@pytest.mark.parametrize("options", [{}, {"init": "dense"}, {"bias": False}, {"units": 2}])
def test_weights_that_are_drawn_anew_are_those_of_compiling_again(options):
    edges = EDGES
    if "units" not in options:
        edges = EDGES.assign(
            constraint=[("positive", "negative", None)[k % 3] for k in range(len(EDGES))],
            initial_weight=[
                (0.3, -0.3, 0.2)[k % 3] if k % 5 == 0 else None for k in range(len(EDGES))
            ],
        )
        edges.loc[edges.index % 7 == 0, "constraint"] = "fixed"
        edges.loc[edges.index % 7 == 0, "initial_weight"] = 0.4
    model, artifact = e2t.compile_graph(edges, quiet=True, **options)
    with torch.no_grad():
        for bias in model.node_biases():
            if bias is not None:
                bias.fill_(3.0)
    models, _, seeds = draw_starts((model, artifact), 2, seed=0)
    assert models[0].edge_layers()[0].crow is models[1].edge_layers()[0].crow  # where edges lie
    for drawn, seed in zip(models, seeds, strict=True):
        again, _ = e2t.compile_graph(edges, quiet=True, seed=seed, **options)
        assert drawn.state_dict().keys() == again.state_dict().keys()
        for name, value in again.state_dict().items():
            torch.testing.assert_close(drawn.state_dict()[name], value, rtol=0, atol=0)


def test_what_cannot_be_stacked_is_refused():
    with pytest.raises(e2t.Edge2TorchError, match="together=False"):
        stack_replicates(lambda: e2t.compile_graph(EDGES, backend="gnn", quiet=True), n=2)

    def wrapped():
        model, artifact = e2t.compile_graph(EDGES, quiet=True)
        return nn.Sequential(model, nn.Tanh()), artifact

    with pytest.raises(e2t.Edge2TorchError, match="Sequential"):
        stack_replicates(wrapped, n=2)


def test_a_shared_head_is_found():
    head = nn.Linear(2, 3)

    def careless():
        model, artifact = e2t.compile_graph(EDGES, quiet=True)
        return e2t.customize_model(model, head=head), artifact

    with pytest.raises(e2t.Edge2TorchError, match=r"head\.weight"):
        stack_replicates(careless, n=2)


def test_inputs_that_are_outputs_are_refused():
    edges = pd.DataFrame({"source": ["a"], "target": ["b"]})
    options = {"inputs": ["a"], "outputs": ["a", "b"], "quiet": True}
    with pytest.raises(e2t.Edge2TorchError, match="'a'"):
        stack_replicates(lambda: e2t.compile_graph(edges, **options), n=2)


@pytest.mark.parametrize("engine", ["graph", "layers"])
def test_a_stack_drops_other_nodes_of_each_network(engine):
    models, artifact = alone({"node_dropout": 0.5})
    stack = ReplicateStack([models[0]] * N, artifact).double().train()
    stack.base.engine = engine
    torch.manual_seed(0)
    trained = stack(data())
    assert not torch.equal(trained[0], trained[1])  # equal networks
    torch.manual_seed(0)
    assert torch.equal(stack(data()), trained)
    assert (stack.base._whole.layout is not None) == (engine == "graph")
    stack.eval()
    assert torch.equal(stack(data())[0], stack(data())[1])


def test_a_stack_with_inputs_of_its_own_is_estimated_as_one_of_its_networks():
    """Inputs of twenty networks stood beside the edges of one, so that stacks went layer by layer."""
    edges = layered_graph([280, 180, 10], [1500, 1800], seed=0)
    model, artifact = e2t.compile_graph(edges, quiet=True)
    model = e2t.customize_model(model, artifact=artifact, node_activation="tanh")
    stack = ReplicateStack([model] * 20, artifact, shared_inputs=False)
    assert times(stack.base, 64) == times(model.base_model, 64)
    stack(torch.zeros(20, 64, 280))
    assert stack.base._whole.layout is not None
