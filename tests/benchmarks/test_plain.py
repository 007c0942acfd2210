from __future__ import annotations

import numpy as np
import pytest
import torch

import edge2torch as e2t
from benchmarks.cases import _cyclic
from benchmarks.plain import KINDS, graph_of, plain_network
from edge2torch.simulate import random_dag


def compiled(steps: int):
    edges = _cyclic(40, 160, inputs=6, outputs=5) if steps else random_dag(40, 160, seed=1)
    weights = np.random.default_rng(0).normal(size=len(edges))
    options = {"backend": "recurrent", "steps": steps} if steps else {}
    model, artifact = e2t.compile_graph(edges.assign(initial_weight=weights), quiet=True, **options)
    edges = edges.assign(initial_weight=weights)
    return model, graph_of(edges, artifact.feature_names, artifact.output_names, steps)


@pytest.mark.filterwarnings("ignore:Sparse CSR")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [0, 3])
def test_each_way_gives_what_the_library_gives(kind: str, steps: int) -> None:
    model, graph = compiled(steps)
    network = plain_network(graph, kind, torch.device("cpu"))
    x = torch.randn(7, len(graph.inputs))
    torch.testing.assert_close(network(x), model(x), rtol=1e-4, atol=1e-4)
    trained = sum(int((p.grad != 0).sum()) for p in _after_backward(network, x))
    assert trained == sum(int((p.grad != 0).sum()) for p in _after_backward(model, x))


def _after_backward(network, x):
    network(x).square().sum().backward()
    return list(network.parameters())
