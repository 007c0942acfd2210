"""The recipe for steady states: it learns a known system, and leaves what it was given alone."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.nn import FewSteps, SteadySolver
from edge2torch.train import fit_steady_state

EDGES = pd.DataFrame(
    [
        ("u", "a", 1),
        ("v", "b", 1),
        ("w", "c", 1),
        ("a", "b", 1),
        ("b", "c", -1),
        ("c", "a", 1),
        ("c", "d", 1),
        ("d", "c", -1),
        ("d", "d", 1),
        ("b", "y", 1),
        ("d", "y", 1),
        ("a", "z", -1),
        ("d", "z", 1),
    ],
    columns=["source", "target", "sign"],
)


def compiled(seed, **options):
    torch.manual_seed(seed)
    model, artifact = e2t.compile_graph(
        EDGES,
        backend="recurrent",
        steps="converge",
        sign_column="sign",
        outputs=["y", "z"],
        quiet=True,
        **options,
    )
    return e2t.customize_model(model, node_activation="tanh"), artifact


def system(n=60, seed=0):
    """Samples of a system with these edges and strengths of its own."""
    teacher, _ = compiled(seed + 100)
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        y = teacher(x)
    return x, y + torch.tensor([2.0, -1.0])


def test_a_known_system_is_learned_and_its_answers_exchanged_are_not():
    x, y = system()
    model, _ = compiled(1)
    mixed = y[:40][torch.randperm(40, generator=torch.Generator().manual_seed(3))]
    r = []
    for answers in (y[:40], mixed):
        fitted = fit_steady_state(model, x[:40], answers, epochs=120)
        with torch.no_grad():
            found = fitted.model(x[40:])
        r.append(np.mean([np.corrcoef(found[:, k], y[40:, k])[0, 1] for k in range(2)]))
        assert fitted.history["unsettled"].iloc[-1] == 0
        assert fitted.history["radius"].dropna().iloc[-1] < 0.95
    assert r[0] > 0.9
    assert r[1] < 0.6
    assert len(fitted.history) == 120


def test_the_model_that_was_given_stays_as_it_was():
    x, y = system()
    model, artifact = compiled(1)
    before = copy.deepcopy(model.state_dict())
    fitted = fit_steady_state(model, x, y, epochs=6)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model.training
    assert not fitted.model.training
    assert type(fitted.model.base_model.solver) is SteadySolver
    assert e2t.edge_weights(fitted.model, artifact)["weight"].notna().all()


def test_what_was_not_measured_costs_nothing():
    x, y = system()
    model, _ = compiled(1)
    y[::2, 0] = torch.nan
    y[:, 1] = torch.nan
    fitted = fit_steady_state(model, x, y, epochs=10, weight_decay=0.0)
    base = fitted.model.base_model
    start = model.base_model.cells[0].edges
    into_z = base.outputs[1] == start.row + base.in_features
    moved = (base.cells[0].edges.edge_weights() != start.edge_weights()).detach()
    assert not moved[into_z].any()
    assert moved[~into_z].any()
    assert fitted.history["loss"].notna().all()


def test_a_radius_beyond_the_limit_is_brought_back():
    x, y = system()
    model, _ = compiled(1)
    with torch.no_grad():
        model.base_model.cells[0].edges.weight.mul_(2.5)
    fitted = fit_steady_state(model, x, y, epochs=150)
    assert fitted.history["radius"].iloc[0] > 1
    assert e2t.nn.spectral_radius(fitted.model) < 0.95
    assert not fitted.history["skipped"].any()


def test_a_head_keeps_the_biases_it_has():
    x, _ = system()
    model, _ = compiled(1)
    model = e2t.customize_model(model, head=nn.Linear(2, 1))
    fitted = fit_steady_state(model, x, x[:, :1] + 5, epochs=30, loss=nn.functional.l1_loss)
    assert fitted.history["loss"].iloc[-1] < fitted.history["loss"].iloc[0]


@pytest.mark.usefixtures("watched")
def test_a_bar_counts_the_epochs(capfd):
    x, y = system()
    model, _ = compiled(1)
    shown = fit_steady_state(model, x, y, epochs=20)
    out, err = capfd.readouterr()
    assert (out, "steady state" in err, "loss" in err, "/20" in err) == ("", True, True, True)
    silent = fit_steady_state(model, x, y, epochs=20, quiet=True)
    assert capfd.readouterr() == ("", "")
    pd.testing.assert_frame_equal(shown.history, silent.history)


def test_few_steps_are_those_of_a_fixed_number():
    torch.manual_seed(0)
    few, _ = e2t.compile_graph(
        EDGES[["source", "target"]], backend="recurrent", steps=4, quiet=True
    )
    torch.manual_seed(0)
    steady, _ = e2t.compile_graph(
        EDGES[["source", "target"]], backend="recurrent", steps="converge", quiet=True
    )
    steady.cells.load_state_dict(few.cells.state_dict())
    steady.solver = FewSteps(1e-5, 4, "unroll")
    x = torch.randn(5, 3)
    assert torch.allclose(few(x), steady(x))
    assert steady.last_convergence.steps.tolist() == [4] * 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": torch.zeros(60, 3)}, r"\(60, 2\)"),
        ({"y": torch.zeros(59, 2)}, "y must be"),
        ({"y": torch.full((60, 2), torch.nan)}, "no measured value"),
        ({"y": torch.full((60, 2), torch.inf)}, "finite"),
        ({"x": torch.full((60, 3), torch.nan)}, "x must be finite"),
        ({"epochs": 0}, "epochs must be an integer"),
        ({"radius": 1.5}, "radius must be a number"),
        ({"first_share": -0.1}, "first_share"),
        ({"learning_rate": "fast"}, "learning_rate"),
    ],
)
def test_what_cannot_be_trained_is_refused(change, message):
    x, y = system()
    model, _ = compiled(1)
    with pytest.raises(e2t.Edge2TorchError, match=message):
        fit_steady_state(**{"model": model, "x": x, "y": y, **change})


def test_models_without_a_steady_state_are_refused():
    x, y = system()
    few, _ = e2t.compile_graph(
        EDGES[["source", "target"]], backend="recurrent", steps=4, quiet=True
    )
    with pytest.raises(e2t.Edge2TorchError, match="steps='converge'"):
        fit_steady_state(few, x, y)


def test_tables_go_in_by_name() -> None:
    edges = pd.DataFrame({"source": ["u", "v", "a", "b", "b"], "target": ["a", "b", "b", "a", "y"]})
    model, artifact = e2t.compile_graph(
        edges, e2t.Recurrent(steps="converge"), outputs=["b", "y"], seed=0, quiet=True
    )
    model = e2t.customize_model(model, node_activation="tanh")
    rng = np.random.default_rng(0)
    given = pd.DataFrame(rng.normal(size=(6, 2)), columns=["v", "u"], index=list("pqrstw"))
    # from pandas 3 on, columns picked backwards are a view that torch does not take
    answers = pd.DataFrame(rng.normal(size=(6, 2)), columns=["y", "b"], index=given.index)
    x = torch.tensor(given[artifact.feature_names].to_numpy(np.float32, copy=True))
    for measured in (["y"], ["y", "b"]):
        own = answers[measured]
        by_name = fit_steady_state(model, given, own, epochs=5).history["loss"]
        y = torch.tensor(own.reindex(columns=artifact.output_names).to_numpy(np.float32, copy=True))
        in_order = fit_steady_state(model, x, y, epochs=5).history["loss"]
        np.testing.assert_array_equal(by_name, in_order)
    with pytest.raises(e2t.Edge2TorchError, match=r"not outputs of the model: 'a'"):
        fit_steady_state(model, given, answers.rename(columns={"y": "a"}))
    with pytest.raises(e2t.Edge2TorchError, match="different samples"):
        fit_steady_state(model, given, answers.iloc[::-1])
