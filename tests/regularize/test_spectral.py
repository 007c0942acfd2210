"""Spectral radius and its penalty, against dense eigenvalues."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.nn import spectral_radius
from edge2torch.regularize import SpectralRadiusPenalty


def cyclic(seed, n=30, p=0.12):
    graph = nx.gnp_random_graph(n, p, seed=seed, directed=True)
    edges = pd.DataFrame([(f"n{a:02d}", f"n{b:02d}") for a, b in graph.edges()])
    edges.columns = ["source", "target"]
    more = pd.DataFrame([("in", f"n{k:02d}") for k in range(n)], columns=["source", "target"])
    edges = pd.concat([edges, more, pd.DataFrame({"source": ["n00"], "target": ["out"]})])
    torch.manual_seed(seed)
    model, artifact = e2t.compile_graph(
        edges, backend="recurrent", steps=5, quiet=True, unused="keep", outputs=["out", "n01"]
    )
    return model.double(), artifact


def dense(model, artifact, *, signed):
    weights = e2t.edge_weights(model, artifact)
    nodes = sorted({*weights["source"], *weights["target"]})
    matrix = (
        weights.pivot_table("weight", "target", "source")
        .reindex(index=nodes, columns=nodes)
        .fillna(0.0)
    )
    matrix = matrix.to_numpy() if signed else matrix.abs().to_numpy()
    return np.abs(np.linalg.eigvals(matrix)).max()


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.filterwarnings("ignore::edge2torch.Edge2TorchWarning")
def test_the_radius_is_that_of_the_dense_matrix(seed, signed):
    model, artifact = cyclic(seed)
    found = spectral_radius(model, signed=signed).item()
    assert found == pytest.approx(dense(model, artifact, signed=signed), rel=2e-3)


@pytest.mark.filterwarnings("ignore::edge2torch.Edge2TorchWarning")
def test_the_gradient_is_the_derivative():
    model, artifact = cyclic(1)
    layer = model.edge_layers()[0]
    spectral_radius(model).backward()
    gradient, step = layer.weight.grad.clone(), 1e-5
    for k in gradient.abs().argsort(descending=True)[:5]:
        with torch.no_grad():
            layer.weight[k] += step
            above = dense(model, artifact, signed=True)
            layer.weight[k] -= 2 * step
            below = dense(model, artifact, signed=True)
            layer.weight[k] += step
        assert gradient[k].item() == pytest.approx((above - below) / (2 * step), rel=0.05)


@pytest.mark.filterwarnings("ignore::edge2torch.Edge2TorchWarning")
def test_the_penalty_brings_the_radius_under_its_limit():
    model, _ = cyclic(2)
    with torch.no_grad():
        model.edge_layers()[0].weight.mul_(2)
    penalty = SpectralRadiusPenalty(model, limit=0.8, weight=10.0)
    assert list(penalty.parameters()) == []
    assert penalty.radius() > 1
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(400):
        optimizer.zero_grad()
        penalty().backward()
        optimizer.step()
    assert penalty.radius() < 0.85


def test_without_cycles_there_is_none():
    edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"]})
    model, _ = e2t.compile_graph(edges, backend="recurrent", quiet=True)
    radius = spectral_radius(model)
    assert radius.item() == 0
    radius.backward()


def test_other_models_and_wrong_limits_are_refused():
    edges = pd.DataFrame({"source": ["a"], "target": ["b"]})
    model, _ = e2t.compile_graph(edges, quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="backend='recurrent'"):
        SpectralRadiusPenalty(model)
    with pytest.raises(e2t.Edge2TorchError, match="limit"):
        SpectralRadiusPenalty(model, limit=0)
