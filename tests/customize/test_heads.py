"""Heads at nodes: DrugCell's equations in plain PyTorch, losses, saving, what they leave alone."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import edge2torch as e2t
from edge2torch.interpret import cross_fit
from edge2torch.nn import cox_loss
from edge2torch.simulate import layered_graph, random_dag

EDGES = random_dag(14, 34, seed=3, n_inputs=4)


def start(units=3, seed=0, backend="feedforward", **heads):
    model, artifact = e2t.compile_graph(EDGES, backend=backend, units=units, seed=seed, quiet=True)
    torch.manual_seed(seed)
    model = e2t.customize_model(
        model, node_activation="tanh", node_normalization="batch", norm_first=False,
        node_heads=e2t.NodeHeads(**heads),
    )  # fmt: skip
    return model, artifact


class PlainDrugCell(nn.Module):
    """From the paper's equations: masks over dense matrices, a term after its children."""

    def __init__(self, edges, genes, terms, root, units):
        super().__init__()
        self.edges, self.genes, self.terms, self.root, self.units = edges, genes, terms, root, units
        self.into = {t: edges.loc[edges["target"] == t, "source"].tolist() for t in terms}
        width = {**dict.fromkeys(genes, 1), **dict.fromkeys(terms, units)}
        self.linear = nn.ModuleDict(
            {t: nn.Linear(sum(width[s] for s in self.into[t]), units) for t in terms}
        )
        self.norm = nn.ModuleDict({t: nn.BatchNorm1d(units) for t in terms})
        self.first = nn.ModuleDict({t: nn.Linear(units, 1) for t in terms})
        self.second = nn.ModuleDict({t: nn.Linear(1, 1) for t in terms})

    def forward(self, x):
        values = {g: x[:, [k]] for k, g in enumerate(self.genes)}
        heads = {}
        left = list(self.terms)
        while left:
            term = next(t for t in left if all(s in values for s in self.into[t]))
            left.remove(term)
            z = self.linear[term](torch.cat([values[s] for s in self.into[term]], dim=1))
            values[term] = self.norm[term](torch.tanh(z))
            heads[term] = self.second[term](torch.tanh(self.first[term](values[term])))
        return heads


def test_it_is_drugcell_written_in_plain_pytorch():
    table = layered_graph([20, 18, 11, 1], [40, 36, 11], seed=1, skip_edges=12)
    edges = pd.DataFrame(table[["source", "target"]])
    model, artifact = e2t.compile_graph(edges, quiet=True, seed=0)
    (root,) = artifact.output_names
    genes = artifact.feature_names
    terms = [n for names in artifact.node_names_by_layer.values() for n in names if n not in genes]
    assert len(terms) == 30
    plain = PlainDrugCell(edges, genes, terms, root, 6).train()
    # the root's units are the output; what the plain net does to them comes after it
    model, artifact = e2t.compile_graph(edges, units=dict.fromkeys(terms, 6), quiet=True, seed=0)
    model = e2t.customize_model(
        model, node_activation="tanh", node_normalization="batch", norm_first=False,
        node_heads=e2t.NodeHeads(), activation=nn.Tanh(),
        head=nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 1), nn.Tanh(), nn.Linear(1, 1)),
    ).train()  # fmt: skip
    copy_weights(plain, model, artifact)
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(64, len(genes), generator=rng), torch.randn(64, 1, generator=rng)
    heads = plain(x)
    loss = F.mse_loss(heads[root], y)
    inner = [term for term in terms if term != root]
    loss = loss + 0.2 * sum(F.mse_loss(heads[term], y) for term in inner)
    output, found = model.with_heads(x)
    torch.testing.assert_close(output, heads[root], rtol=1e-5, atol=1e-5)
    assert model.head_names == inner
    for k, term in enumerate(model.head_names):
        torch.testing.assert_close(found[:, k], heads[term], rtol=1e-5, atol=1e-5)
    own = e2t.head_loss(F.mse_loss, output, found, y, alpha=0.2, reduce="sum")
    torch.testing.assert_close(own, loss, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def copy_weights(plain, model, artifact):
    bound = artifact.bind(model)
    known = {}
    for term in plain.terms:
        weight, place = plain.linear[term].weight, 0
        for source in plain.into[term]:
            for k in range(1 if source in plain.genes else plain.units):
                for j in range(plain.units):
                    known[source, term, k, j] = weight[j, place].item()
                place += 1
    rows = e2t.edge_weights(model, artifact, level="units")
    keys = zip(
        rows["source"], rows["target"], rows["source_unit"], rows["target_unit"], strict=True
    )
    values = torch.tensor([known[key] for key in keys])
    for numbers, layer in bound.weight_layers():
        layer.set_weights(values[numbers])
    for nodes, bias in bound.biases():
        names = dict.fromkeys(artifact.graph.names(nodes))
        bias.copy_(torch.cat([plain.linear[term].bias for term in names]))
    bank = model.heads
    inner = model.head_names
    bank.linear.set_weights(torch.cat([plain.first[term].weight[0] for term in inner]))
    bank.linear.bias.copy_(torch.cat([plain.first[term].bias for term in inner]))
    bank.scale.copy_(torch.stack([plain.second[term].weight for term in inner]))
    bank.shift.copy_(torch.stack([plain.second[term].bias for term in inner]))
    root = plain.root
    model.head[1].load_state_dict(plain.first[root].state_dict())
    model.head[3].load_state_dict(plain.second[root].state_dict())


@pytest.mark.parametrize("backend", ["feedforward", "recurrent"])
def test_the_output_is_what_it_is_without_heads(backend):
    model, artifact = start(backend=backend)
    x = torch.randn(9, len(artifact.feature_names))
    model.eval()
    output, heads = model.with_heads(x)
    assert torch.equal(output, model(x))
    assert heads.shape == (9, len(model.head_names), 1)
    assert len(e2t.edge_weights(model)) == len(EDGES)
    frame = pd.DataFrame(x.numpy(), columns=artifact.feature_names)
    without = e2t.customize_model(
        model.base_model
    )  # the graph's own modules stay; the heads are gone
    for target in ("features", "nodes", "edges"):
        one, other = (
            e2t.attribute(m, frame, target, output=artifact.output_names[0], quiet=True).summary()
            for m in (model, without)
        )
        pd.testing.assert_frame_equal(one, other)


def test_heads_learn_and_their_node_learns_with_them():
    model, artifact = start(units=4)
    rng = torch.Generator().manual_seed(2)
    x = torch.randn(200, len(artifact.feature_names), generator=rng)
    y = x[:, :1] - x[:, 1:2]
    y = y.expand(-1, len(artifact.output_names))[:, :1]
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    first = None
    for _ in range(60):
        optimizer.zero_grad()
        output, heads = model.with_heads(x)
        loss = e2t.head_loss(nn.MSELoss(), output[:, :1], heads, y)
        loss.backward()
        optimizer.step()
        errors = (heads.detach()[:, :, 0] - y).square().mean(0)
        first = errors if first is None else first
    assert all(parameter.grad is not None for parameter in model.heads.parameters())
    assert (errors < first).float().mean() > 0.8


def test_losses_of_all_nodes_are_the_means_of_each():
    rng = torch.Generator().manual_seed(0)
    heads = torch.randn(12, 5, 3, generator=rng)
    output, classes = heads[:, 0] + 1, torch.arange(12) % 3
    weighted = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 5.0]))
    for loss, predicted, each, y in [
        (weighted, output, heads, classes),
        (F.cross_entropy, output, heads, classes),
        (nn.MSELoss(), output[:, :1], heads[:, :, :1], torch.randn(12, 1, generator=rng)),
        (nn.MSELoss(reduction="sum"), output[:, :1], heads[:, :, :1], torch.ones(12, 1)),
        (lambda risk, y: cox_loss(risk[:, 0], *y.T), output, heads,
         torch.stack([torch.rand(12, generator=rng), torch.ones(12)], 1)),
    ]:  # fmt: skip
        own = torch.stack([loss(each[:, k], y) for k in range(5)])
        mean = e2t.head_loss(loss, predicted, each, y, alpha=0.3)
        torch.testing.assert_close(mean, loss(predicted, y) + 0.3 * own.mean())
        total = e2t.head_loss(loss, predicted, each, y, alpha=0.3, reduce="sum")
        torch.testing.assert_close(total, loss(predicted, y) + 0.3 * own.sum())


def test_heads_are_kept_copied_saved_and_drawn_anew(tmp_path):
    model, artifact = start(outputs=3, nodes=["n10", "n00"])
    assert model.head_names == ["n00", "n10"]
    model = e2t.customize_model(model, node_activation="relu").eval()
    assert model.head_names == ["n00", "n10"]
    x = torch.randn(5, len(artifact.feature_names))
    _, heads = model.with_heads(x)
    assert torch.equal(copy.deepcopy(model).with_heads(x)[1], heads)
    e2t.save_compiled(tmp_path / "m", model)
    again, _ = e2t.load_compiled(tmp_path / "m")
    assert torch.equal(again.eval().with_heads(x)[1], heads)
    assert again.head_names == model.head_names

    def fresh():
        return start(outputs=3, nodes=["n10", "n00"])

    drawn = e2t.replicate(
        fresh, lambda model, seed: None, samples(artifact), n=2, seed=3, output=0, quiet=True
    )
    assert len(drawn.models) == 2


def samples(artifact):
    rng = np.random.default_rng(0)
    shape = (6, len(artifact.feature_names))
    return pd.DataFrame(rng.normal(size=shape), columns=artifact.feature_names)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"nodes": ["n05"]}, "inputs or outputs"),
        ({"nodes": ["n01"]}, "inputs or outputs"),
        ({"nodes": ["n99"]}, "not in the graph"),
        ({"nodes": ["n10", "n10"]}, "twice"),
        ({"nodes": "n10"}, r"nodes=\['n10'\]"),
        ({"nodes": []}, "nodes of NodeHeads is empty"),
        ({"nodes": None}, "'hidden' or a list of names, found NoneType"),
        ({"outputs": 0}, "outputs"),
        ({"activation": "nonsense"}, "activation"),
    ],
    ids=str,
)
def test_heads_that_cannot_be_are_refused(options, said):
    with pytest.raises(e2t.Edge2TorchError, match=said):
        start(**options)


def test_a_model_without_heads_says_how_to_get_them():
    model, _artifact = e2t.compile_graph(EDGES, quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="node_heads=NodeHeads"):
        e2t.customize_model(model).with_heads(torch.zeros(2, 4))
    gnn, _ = e2t.compile_graph(EDGES, backend="gnn", quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="gnn"):
        e2t.customize_model(gnn, node_heads=e2t.NodeHeads())
    with pytest.raises(e2t.Edge2TorchError, match="heads must have shape"):
        e2t.head_loss(F.mse_loss, torch.zeros(3, 1), torch.zeros(3, 1), torch.zeros(3, 1))
    plain, _ = e2t.compile_graph(EDGES, quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="node_heads=NodeHeads"):
        plain.with_heads(torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("loss", "y", "said"),
    [
        (nn.MSELoss(), torch.zeros(5), r"output's shape; found y \(5,\), output \(5, 1\)"),
        (F.mse_loss, torch.zeros(5), r"y\[:, None\] makes"),
        (nn.MSELoss(reduction="sum"), torch.zeros(5), r"y\[:, None\] makes"),
        (nn.MSELoss(), torch.zeros(4, 1), "row for each of 5 samples"),
        (lambda y, goal: (y - goal).mean(), torch.zeros(4, 1), "row for each of 5 samples"),
        (
            nn.CrossEntropyLoss(),
            torch.zeros(5, 1, dtype=torch.long)[:, [0, 0]],
            "each head give as many",
        ),
        (nn.MSELoss(), np.zeros((5, 1)), "y must be a Tensor: torch.as_tensor .* found ndarray"),
    ],
)
def test_a_goal_of_another_shape_is_not_spread_over_the_outputs(loss, y, said):
    heads = torch.zeros(5, 3, 2 if "each head" in said else 1)
    with pytest.raises(e2t.Edge2TorchError, match=said):
        e2t.head_loss(loss, torch.zeros(5, 1), heads, y)


def test_class_numbers_and_chances_are_goals_of_cross_entropy():
    output, heads = torch.randn(5, 3), torch.randn(5, 4, 3)
    codes = torch.tensor([0, 1, 2, 1, 0])
    one = e2t.head_loss(F.cross_entropy, output, heads, codes)
    torch.testing.assert_close(
        one, e2t.head_loss(F.cross_entropy, output, heads, F.one_hot(codes, 3).float())
    )
    by_node = torch.stack([F.cross_entropy(heads[:, k], codes) for k in range(4)]).mean()
    torch.testing.assert_close(one, F.cross_entropy(output, codes) + 0.2 * by_node)


def test_nodes_are_judged_without_heads():
    model, artifact = start()
    x = pd.DataFrame(
        np.random.default_rng(0).normal(size=(24, len(artifact.feature_names))),
        columns=artifact.feature_names,
    )
    options = {"folds": 2, "starts": 1, "max_epochs": 1}
    found = cross_fit((model, artifact), x, ["u", "v"] * 12, **options)
    assert found.models[0][0].heads is None
    assert model.heads is not None


def test_what_stands_behind_an_activation_starts_at_one_and_not_near_zero():
    """A scale of .01 in front of the output kept 3 of 20 joined models from learning at all."""
    for seed in range(3):
        model, _ = start(seed=seed, outputs=3)
        joined = e2t.join_branches(model, other=(4, 3), features=2, outputs=2)
        assert torch.equal(joined.join[-1].weight, torch.eye(2))
        assert not joined.join[-1].bias.any()
        assert torch.equal(model.heads.scale, torch.eye(3).expand(len(model.heads.units), 3, 3))
        assert not model.heads.shift.any()
