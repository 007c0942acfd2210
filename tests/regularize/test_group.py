"""The lasso over edges between pathways."""

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.compile import BACKENDS
from edge2torch.regularize import CrossPathwayLasso

EDGES = pd.DataFrame(
    [("x", "a"), ("a", "b"), ("b", "c"), ("a", "c"), ("c", "out"), ("x", "out")],
    columns=["source", "target"],
)
PATHWAYS = {"p": ["a", "b"], "q": ["c", "out"], "r": ["b"]}


@pytest.mark.parametrize("backend", [backend.name for backend in BACKENDS])
def test_edges_that_share_no_pathway_are_penalised_and_no_other(backend):
    model, artifact = e2t.compile_graph(EDGES, backend=backend, quiet=True)
    lasso = CrossPathwayLasso(model, PATHWAYS, 0.5, artifact=artifact)
    assert lasso.edges.index.tolist() == [2, 3]
    lasso.loss().backward()
    before = e2t.edge_weights(model, artifact)["weight"].abs()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    optimizer.step()
    after = e2t.edge_weights(model, artifact)["weight"].abs()
    assert ((after < before) == EDGES.index.isin([2, 3])).all()


def test_the_group_is_all_values_of_an_edge():
    model, artifact = e2t.compile_graph(
        EDGES, backend="gnn", share_layers=False, steps=3, channels=4, quiet=True
    )
    lasso = CrossPathwayLasso(model, PATHWAYS, 1.0, artifact=artifact)
    plan, total = artifact.execution_plan, 0.0
    for edge in np.flatnonzero(np.isin(plan.edges, [2, 3])):
        values = [w[edge].detach() for k in range(3) for w in model.edge_channels(k)]
        total += float(torch.cat(values).norm())
    np.testing.assert_allclose(lasso.loss().item(), total, rtol=1e-5)


def test_an_edge_at_zero_has_a_finite_gradient():
    model, artifact = e2t.compile_graph(EDGES, backend="gnn", weight_init="zeros", quiet=True)
    CrossPathwayLasso(model, PATHWAYS, artifact=artifact).loss().backward()
    assert all(
        torch.isfinite(p.grad).all() for p in model.edge_to_node.parameters() if p.grad is not None
    )


def test_wrong_names_and_weights_are_our_errors():
    model, artifact = e2t.compile_graph(EDGES, quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="'nobody'"):
        CrossPathwayLasso(model, {"p": ["nobody"]}, artifact=artifact)
    with pytest.raises(e2t.Edge2TorchError, match="weight must be"):
        CrossPathwayLasso(model, PATHWAYS, -1.0, artifact=artifact)
