"""The pathway losses, node by node in NumPy, and what they do to a model."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.compile import BACKENDS
from edge2torch.regularize import PathwayLatentRegularizer
from edge2torch.simulate import disconnected_pathways

EDGES = pd.DataFrame(
    [(f"x{k}", f"h{k}") for k in range(5)]
    + [(f"h{k}", f"g{k}") for k in range(5)]
    + [("h0", "g1"), ("h3", "g2")]
    + [(f"g{k}", "out") for k in range(5)],
    columns=["source", "target"],
)
PATHWAYS = {"p": ["h0", "h1", "g0", "g1"], "q": ["h2", "h3", "g2"], "r": ["h4", "g4", "g2"]}
PAIRS = list(itertools.combinations(PATHWAYS, 2))


def built(backend="gnn", **options):
    torch.manual_seed(0)
    own = {"feedforward": {}}.get(backend, {"steps": 3})
    model, artifact = e2t.compile_graph(EDGES, backend=backend, quiet=True, **{**own, **options})
    return model.double(), artifact


def samples(rows=12):
    return torch.randn(rows, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def vectors(model, artifact, x, align):
    """Unit vectors of nodes, one node at a time."""
    found = {}
    for node, values in e2t.get_node_activations(model, artifact, x, agg="all").items():
        v = values.detach().numpy().reshape(len(x), -1)
        v = v - v.mean(0)
        v = (v @ v.T if align == "cka" else v).ravel()
        found[node] = v / np.linalg.norm(v)
    return found


def by_the_book(v, temperature=0.2):
    losses = []
    for node in v:
        own = [p for p, members in PATHWAYS.items() if node in members]
        if not own:
            continue
        cosine = {}
        for p, members in PATHWAYS.items():
            centre = np.mean([v[m] for m in members if m != node], axis=0)
            cosine[p] = v[node] @ centre / np.linalg.norm(centre)
        total = np.log(sum(np.exp(c / temperature) for c in cosine.values()))
        losses.append(-np.mean([cosine[p] / temperature - total for p in own]))
    return np.mean(losses)


@pytest.mark.parametrize("align", ["channel", "cka"])
@pytest.mark.parametrize("backend", [backend.name for backend in BACKENDS])
def test_the_contrastive_loss_is_the_book_s_on_every_backend(backend, align):
    model, artifact = built(backend)
    model = e2t.customize_model(model, node_activation="tanh", head=nn.Linear(1, 2).double())
    x = samples()
    regularizer = PathwayLatentRegularizer(
        model, PATHWAYS, PAIRS, 0.7, 0.4, artifact=artifact, align=align
    )
    similar, dissimilar = regularizer.loss(x)
    v = vectors(model, artifact, x, align)
    np.testing.assert_allclose(similar.item(), 0.7 * by_the_book(v), rtol=1e-9)
    centre = {p: np.mean([v[m] for m in own], axis=0) for p, own in PATHWAYS.items()}
    cosine = [
        centre[a] @ centre[b] / np.linalg.norm(centre[a]) / np.linalg.norm(centre[b])
        for a, b in PAIRS
    ]
    np.testing.assert_allclose(dissimilar.item(), 0.4 * np.mean(np.square(cosine)), rtol=1e-6)


def test_the_correlation_loss_is_the_published_one():
    model, artifact = built(steps=3)
    x, first = samples(), {"p": ["h0", "h1", "h4"], "q": ["h2", "h3"]}
    regularizer = PathwayLatentRegularizer(
        model, first, [("p", "q")], 0.7, 0.4, artifact=artifact, form="correlation"
    )
    similar, dissimilar = (term.item() for term in regularizer.loss(x))
    every = e2t.get_node_activations(model, artifact, x, agg="all")
    agree, between = [], []
    for layer in range(3):
        s = {node: values[:, layer].detach().numpy().mean(-1) for node, values in every.items()}
        score = {p: np.mean([s[m] for m in own], axis=0) for p, own in first.items()}
        corr = [np.corrcoef(s[m], score[p])[0, 1] for p, own in first.items() for m in own]
        agree.append(np.mean(corr))
        between.append(np.corrcoef(score["p"], score["q"])[0, 1] ** 2)
    np.testing.assert_allclose(similar, -0.7 * np.mean(agree), rtol=1e-6)
    np.testing.assert_allclose(dissimilar, 0.4 * np.mean(between), rtol=1e-6)


@pytest.mark.parametrize("form", ["contrastive", "correlation"])
@pytest.mark.parametrize("align", ["channel", "cka"])
def test_gradients_by_parameters_are_exact(form, align):
    model, artifact = built(channels=3, steps=2)
    x = samples(6)
    regularizer = PathwayLatentRegularizer(
        model, PATHWAYS, PAIRS, 1.0, 1.0, artifact=artifact, form=form, align=align, phi=None
    )
    parameter = model.edge_to_node[0].weight

    def total():
        return sum(regularizer.loss(x))

    total().backward()
    exact = parameter.grad.clone()
    step, found = 1e-6, torch.zeros_like(exact)
    with torch.no_grad():
        for k in range(len(parameter)):
            value = parameter[k].item()
            parameter[k] = value + step
            up = total()
            parameter[k] = value - step
            found[k] = (up - total()) / (2 * step)
            parameter[k] = value
    torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-6)


def test_the_last_forward_pass_is_used_and_can_be_left_alone():
    model, artifact = built()
    x = samples()
    regularizer = PathwayLatentRegularizer(model, PATHWAYS, artifact=artifact)
    with pytest.raises(e2t.Edge2TorchError, match=r"Call model\(x\) first"):
        regularizer.loss()
    model(x)
    assert torch.equal(regularizer.loss()[0], regularizer.loss(x)[0])
    with regularizer.disabled():
        assert regularizer.loss(x)[0] == 0
    assert regularizer.loss(x)[0] > 0
    regularizer.disable()
    assert regularizer.loss()[0] == 0
    regularizer.enable()
    with regularizer:
        assert regularizer.loss(x)[0] > 0
    assert not any(m._forward_hooks for m in model.modules())


def test_checkpointed_layers_are_recorded_once():
    losses = []
    for checkpoint in (False, True):
        model, artifact = built(checkpoint=checkpoint)
        regularizer = PathwayLatentRegularizer(model, PATHWAYS, artifact=artifact)
        y = model.train()(samples())
        loss = y.square().mean() + regularizer.loss()[0]
        loss.backward()
        losses.append([p.grad for p in model.parameters()])
    for found, expected in zip(*losses, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_a_node_alone_in_its_pathway_and_one_in_none_weigh_nothing():
    model, artifact = built()
    x = samples()
    pair = {"p": ["h0", "g0"], "q": ["h2", "g2"]}
    base = PathwayLatentRegularizer(model, pair, artifact=artifact).loss(x)[0]
    alone = PathwayLatentRegularizer(model, {**pair, "s": ["h4"]}, artifact=artifact)
    assert torch.isfinite(alone.loss(x)[0])
    assert torch.isfinite(base)
    only = PathwayLatentRegularizer(model, {"s": ["h4"], "t": ["h0"]}, artifact=artifact)
    assert only.loss(x)[0] == 0


@pytest.mark.parametrize("phi", ["mean", "learned", nn.Linear(10, 1).double()], ids=str)
def test_phi_reduces_the_channels(phi):
    model, artifact = built()
    regularizer = PathwayLatentRegularizer(model, PATHWAYS, phi=phi, artifact=artifact)
    regularizer.loss(samples())[0].backward()
    assert all(p.grad is not None for p in regularizer.parameters())
    assert not {id(p) for p in regularizer.parameters()} & {id(p) for p in model.parameters()}


def test_one_sample_is_too_few():
    model, artifact = built()
    regularizer = PathwayLatentRegularizer(model, PATHWAYS, artifact=artifact)
    with pytest.raises(e2t.Edge2TorchError, match="over a batch"):
        regularizer.loss(samples(1))


def test_true_membership_is_learned_and_a_shuffled_one_is_not_the_same():
    """The tutorial in small; benchmarks/pathway_tutorial.py has the table over twenty seeds."""
    problem = disconnected_pathways(seed=0, n_test=200)
    x, y, test = (
        torch.tensor(t.to_numpy(np.float32))
        for t in (problem.x_train, problem.y_train, problem.x_test)
    )
    true = dict(problem.membership)
    nodes = np.random.default_rng(0).permutation(problem.function_nodes)
    gaps = {}
    for arm, members in (
        ("true", true),
        ("shuffled", dict(zip(true, nodes.reshape(4, 3), strict=True))),
    ):
        torch.manual_seed(0)
        model, artifact = e2t.compile_graph(
            problem.edges, backend="gnn", steps=4, channels=8, kernel="dense", quiet=True
        )
        with PathwayLatentRegularizer(model, members, lambda_sim=0.3, artifact=artifact) as term:
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
            for _ in range(60):
                optimizer.zero_grad()
                loss = (model(x) - y).square().mean() + term.loss()[0]
                loss.backward()
                optimizer.step()
        v = vectors(model, artifact, test, "channel")
        cosine = {p: v[p[0]] @ v[p[1]] for p in itertools.combinations(problem.function_nodes, 2)}
        same = {p: p[0][:2] == p[1][:2] for p in cosine}
        gaps[arm] = np.mean([c for p, c in cosine.items() if same[p]]) - np.mean(
            [c for p, c in cosine.items() if not same[p]]
        )
    assert gaps["true"] > gaps["shuffled"] + 0.3


def test_one_pathway_alone_is_refused_where_nothing_is_left_to_choose():
    edges = pd.DataFrame({"source": ["x", "a", "b"], "target": ["a", "b", "y"]})
    model, artifact = e2t.compile_graph(edges, backend="gnn", quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match=r"one pathway, 'A'.*form='correlation'"):
        PathwayLatentRegularizer(model, {"A": ["a", "b"]}, artifact=artifact)
    PathwayLatentRegularizer(model, {"A": ["a", "b"]}, artifact=artifact, form="correlation")


def test_a_head_that_works_in_place_leaves_the_values_as_they_are():
    losses, gradients = [], []
    for in_place in (False, True):
        model, artifact = built("feedforward")
        model = e2t.customize_model(model, head=nn.ELU(inplace=in_place))
        own = {"p": ["h0", "g1", "out"], "q": ["h2", "g2"]}
        regularizer = PathwayLatentRegularizer(model, own, [("p", "q")], artifact=artifact)
        model(samples())
        losses.append(sum(regularizer.loss()))
        losses[-1].backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert torch.equal(*losses)
    assert torch.equal(*gradients)
