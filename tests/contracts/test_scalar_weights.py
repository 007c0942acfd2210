"""What backends promise whose edges carry one number each."""

import numpy as np
import pytest
from hypothesis import given

import edge2torch as e2t
from edge2torch.simulate import evaluate
from tests.contracts.references import REFERENCES, WITH_CHANNELS, compiled
from tests.contracts.test_backends import TOLERANCE, stacked
from tests.strategies import batch, cases, seeds

pytestmark = pytest.mark.parametrize(
    "backend", [name for name in REFERENCES if name not in WITH_CHANNELS]
)


@given(case=cases(all_weighted=True), seed=seeds)
def test_the_table_s_own_weights_are_the_model_s(backend, case, seed):
    """Read from the table and not from the model, so that no two mistakes can cancel."""
    model, artifact = compiled(case, backend, bias=False)
    weights = e2t.edge_weights(model, artifact)
    assert list(weights["source"]) == list(case.edges["source"])
    assert list(weights["target"]) == list(case.edges["target"])
    active = artifact.graph.is_active
    np.testing.assert_array_equal(weights["weight"][active], case.edges["initial_weight"][active])
    x = batch(artifact, seed)
    own = evaluate(
        case.edges,
        dict(zip(artifact.feature_names, x.T.numpy(), strict=True)),
        case.edges["initial_weight"],
        outputs=artifact.output_names,
    )
    found = model(x).detach().numpy()
    np.testing.assert_allclose(found, stacked(own, artifact.output_names), **TOLERANCE)


@given(case=cases(named_ends=False))
def test_parameters_exist_for_trainable_edges_and_biases_only(backend, case):
    model, artifact = compiled(case, backend)
    kind = case.edges.get("constraint", default=None)
    fixed = 0 if kind is None else int((kind == "fixed").sum())
    biases = len(artifact.graph.node_names) - len(artifact.feature_names)
    expected = len(case.edges) - fixed + (biases if case.options["bias"] else 0)
    assert sum(p.numel() for p in model.parameters()) == expected
