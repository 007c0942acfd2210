"""All-node scores on random graphs: Captum's, whatever the backend, whatever the order of rows."""

import warnings

import captum.attr
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import edge2torch as e2t
from edge2torch.interpret import METHODS
from tests.contracts.references import REFERENCES, compiled
from tests.strategies import batch, cases, randomise, seeds

pytestmark = pytest.mark.parametrize("backend", list(REFERENCES))

STEPS = {"n_steps": 6}


def ask(model, artifact, data, target, method=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", e2t.Edge2TorchWarning)  # random graphs have dead ends
        return e2t.interpret_model(
            model, artifact, data, target, method, output=0, quiet=True, **options
        )


def smooth(case, backend, seed):
    base, artifact = compiled(case, backend)
    model = e2t.customize_model(base, node_activation="tanh", artifact=artifact)
    randomise(model, seed)
    return model.eval(), artifact


@given(case=cases(), seed=seeds)
@settings(max_examples=8)
def test_one_pass_equals_captum_site_by_site(backend, case, seed):
    model, artifact = smooth(case, backend, seed)
    x = batch(artifact, seed)
    found = ask(model, artifact, x, "nodes", attribute_kwargs=STEPS, nodes="all")
    for site, module in model.base_model.sites().items():
        own = found.get(site, pd.DataFrame())  # a gnn may have no node inside
        if not (own != 0).any(axis=None):  # nothing leads on: Captum has no gradient to give
            continue
        scores = captum.attr.LayerConductance(model, module).attribute(x, target=0, **STEPS)
        scores = scores.detach()
        scores = scores.sum(2) if scores.dim() == 3 else scores
        theirs = pd.DataFrame(scores.numpy(), columns=artifact.node_names_by_site[site])
        scale = max(np.abs(theirs.to_numpy()).max(), 1e-6)
        assert np.abs(own - theirs[own.columns]).to_numpy().max() <= 1e-10 * scale


@given(case=cases(), seed=seeds, data=st.data())
@settings(max_examples=8)
def test_the_order_of_rows_and_columns_changes_no_named_score(backend, case, seed, data):
    order = data.draw(st.permutations(range(len(case.edges))))
    model, artifact = smooth(case, backend, seed)
    other, its = smooth(case.with_edges(case.edges.iloc[order]), backend, seed)
    other.load_state_dict(model.state_dict())
    frame = pd.DataFrame(batch(artifact, seed).numpy(), columns=artifact.feature_names)
    shuffled = frame[data.draw(st.permutations(artifact.feature_names))]
    for name in ("LayerConductance", "NodeKnockout"):
        scores = ask(model, artifact, frame, "nodes", name, level="summary", nodes="all")
        again = ask(other, its, shuffled, "nodes", name, level="summary", nodes="all")
        pd.testing.assert_frame_equal(again, scores)
    for name in [name for name, row in METHODS.items() if row.target == "edges"]:
        scores = ask(model, artifact, frame, "edges", name).set_index(["source", "target"])
        again = ask(other, its, shuffled, "edges", name).set_index(["source", "target"])
        pd.testing.assert_frame_equal(again.loc[scores.index], scores)


@given(case=cases(), seed=seeds)
@settings(max_examples=8)
def test_scores_of_edges_are_finite_exactly_where_edges_are_computed_along(backend, case, seed):
    model, artifact = smooth(case, backend, seed)
    x = torch.as_tensor(batch(artifact, seed))
    known = artifact.graph.is_active
    for name in [name for name, row in METHODS.items() if row.target == "edges"]:
        scores = ask(model, artifact, x, "edges", name)["attribution"]
        np.testing.assert_array_equal(np.isfinite(scores), known)
