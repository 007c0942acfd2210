"""What every backend promises, on random graphs, in float64."""

import tempfile

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from torch import nn

import edge2torch as e2t
from edge2torch.compile import BACKENDS, backend_names
from edge2torch.simulate import random_dag
from tests.contracts.references import CONDUCTING, OPTIONS, REFERENCES, compiled
from tests.strategies import batch, cases, randomise, reachable, seeds

pytestmark = pytest.mark.parametrize("backend", list(REFERENCES))

TOLERANCE = {"rtol": 1e-12, "atol": 1e-12}


def stacked(values, names):
    return np.stack([values[name] for name in names], axis=1)


def assert_by_the_book(found, backend, model, artifact, x, **how):
    """Equal to twelve digits, or to what the last digits of the inputs make of the reference.

    A norm divides channels that are nearly alike by a spread that is nearly nothing: up to 300 times
    larger in each layer, rounding is, too.
    """
    names = artifact.output_names
    expected = stacked(REFERENCES[backend](model, artifact, x, **how), names)
    allowed = TOLERANCE["atol"] + TOLERANCE["rtol"] * np.abs(expected)
    if not (np.abs(found - expected) <= allowed).all():
        nudged = x * (1 + 8 * torch.finfo(x.dtype).eps)
        moved = np.abs(
            stacked(REFERENCES[backend](model, artifact, nudged, **how), names) - expected
        )
        allowed = allowed + 10 * moved.max()
    np.testing.assert_array_less(np.abs(found - expected), allowed)


def test_every_backend_has_a_reference(backend):
    assert {row.name for row in BACKENDS} <= REFERENCES.keys()
    assert backend.split()[0] in backend_names()


@given(case=cases(), seed=seeds)
def test_the_output_equals_the_reference(backend, case, seed):
    model, artifact = compiled(case, backend)
    randomise(model, seed)
    x = batch(artifact, seed)
    found = model(x).detach().numpy()
    assert found.dtype == np.float64
    assert_by_the_book(found, backend, model, artifact, x)


@given(case=cases(), seed=seeds)
def test_the_output_equals_the_reference_with_activations_at_hidden_nodes(backend, case, seed):
    base, artifact = compiled(case, backend)
    model = e2t.customize_model(base, node_activation=nn.Tanh(), artifact=artifact)
    randomise(model, seed)
    x = batch(artifact, seed)
    found = model(x).detach().numpy()
    assert_by_the_book(found, backend, model, artifact, x, activation=np.tanh)


@given(case=cases(max_nodes=7), seed=seeds)
@settings(max_examples=40)
def test_gradients_are_right(backend, case, seed):
    base, artifact = compiled(case, backend)
    model = e2t.customize_model(base, node_activation=nn.Tanh(), artifact=artifact)
    randomise(model, seed, keep_sign=True)
    x = batch(artifact, seed, rows=2).requires_grad_()
    names, parameters = (
        zip(*model.named_parameters(), strict=True)
        if any(True for _ in model.parameters())
        else ((), ())
    )

    def run(x, *values):
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *(p.detach().requires_grad_() for p in parameters)))


@given(case=cases(), seed=seeds)
def test_the_jacobian_is_nonzero_exactly_where_a_path_leads(backend, case, seed):
    base, artifact = compiled(case, backend, **CONDUCTING.get(backend, {}))
    model = e2t.customize_model(base, node_activation=nn.Tanh(), artifact=artifact)
    # below its limit a residual factor is zero, and a layer forgets
    randomise(model, seed, keep_sign=backend in CONDUCTING)
    x = batch(artifact, seed, rows=1)
    jacobian = torch.autograd.functional.jacobian(model, x)[0, :, 0, :].numpy()
    weights = e2t.edge_weights(model, artifact)
    conducting = weights[weights["weight"] != 0]  # a weight fixed at zero conducts nothing
    np.testing.assert_array_equal(jacobian != 0, reachable(artifact, conducting))


@given(case=cases(), seed=seeds)
@settings(max_examples=25)
def test_save_and_load_are_bit_equal(backend, case, seed):
    model, artifact = compiled(case, backend)
    randomise(model, seed)
    with tempfile.TemporaryDirectory() as folder:
        e2t.save_compiled(folder, model, artifact)
        again, loaded = e2t.load_compiled(folder)
    state, other = model.state_dict(), again.state_dict()
    assert state.keys() == other.keys()
    for name, value in state.items():
        assert value.dtype == other[name].dtype
        assert torch.equal(value, other[name])
    x = batch(artifact, seed)
    assert torch.equal(model(x), again(x))
    assert loaded.graph.edges.equals(artifact.graph.edges)
    for part in ("backend", "feature_names", "output_names", "node_names_by_layer", "fingerprint"):
        assert getattr(loaded, part) == getattr(artifact, part)


@given(case=cases(), seed=seeds)
@settings(max_examples=25)
def test_constraints_hold_whatever_an_optimizer_does(backend, case, seed):
    model, artifact = compiled(case, backend)
    kind = case.edges.get("constraint", default=pd.Series(index=case.edges.index, dtype=object))
    before = e2t.edge_weights(model, artifact)["weight"]
    assert not (before[kind == "positive"] <= 0).any()
    assert not (before[kind == "negative"] >= 0).any()

    x = batch(artifact, seed)
    if model(x).requires_grad:  # it does not when inputs are read out as they are
        optimizer = torch.optim.SGD(model.parameters(), lr=2.0)
        for _ in range(3):
            optimizer.zero_grad()
            model(x).tanh().sum().backward()
            optimizer.step()

    after = e2t.edge_weights(model, artifact)["weight"]
    assert not (after[kind == "positive"] < 0).any()
    assert not (after[kind == "negative"] > 0).any()
    fixed = artifact.graph.is_active & (kind == "fixed")
    if fixed.any():
        np.testing.assert_array_equal(after[fixed], before[fixed])
        np.testing.assert_allclose(before[fixed], case.edges["initial_weight"][fixed], rtol=1e-6)


@pytest.mark.parametrize("wrong", ["flat", "wide", "narrow", "deep", "integer"])
def test_input_of_the_wrong_shape_is_our_error(backend, wrong):
    edges = random_dag(10, 20, seed=0, n_inputs=3)
    model, _ = e2t.compile_graph(edges, backend=backend.split()[0], **OPTIONS[backend], quiet=True)
    bad = {
        "flat": torch.zeros(3),
        "wide": torch.zeros(2, 4),
        "narrow": torch.zeros(2, 2),
        "deep": torch.zeros(1, 1, 1, 3),
        "integer": torch.zeros(2, 3, dtype=torch.int64),
    }[wrong]
    with pytest.raises(e2t.Edge2TorchError, match=r"\bx\b"):
        model(bad)
