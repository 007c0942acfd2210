"""An argument of another type is refused by name, not by whatever it breaks further in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch import perturb, survival
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import cross_fit, find_nodes, node_alone, node_use, rewire, set_test
from edge2torch.simulate import layered_graph
from edge2torch.study import compare_priors, run_study
from edge2torch.train import fit, fit_scaler, repeated_folds, split_samples

EDGES = layered_graph([6, 2, 1], [6, 2], seed=0)
MODEL, ARTIFACT = e2t.compile_graph(EDGES, quiet=True, seed=0)
START = MODEL, ARTIFACT
RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(40, 6)), columns=list(ARTIFACT.feature_names))
Y = pd.Series(np.arange(40) % 2, X.index).map({0: "a", 1: "b"})
TIME, EVENT = np.arange(1.0, 41.0), np.ones(40)
TIMES = survival.Outcome(TIME, EVENT)
TABLE = pd.DataFrame({"days": TIME, "dead": EVENT})
LINEAR = torch.nn.Linear(1, 1)
SIGNED = pd.DataFrame({"source": ["A", "B", "a"], "target": ["a", "a", "y"], "sign": 1})
DOSES = pd.DataFrame({"A": [0, 1, 0, 1.0], "B": [0, 0, 1.0, 1]}, list("0abc"))
DESIGN = perturb.read_design(DOSES, pd.DataFrame({"y": [0, 0.5, 0.5, 0.8]}, list("0abc")))
KERNEL = perturb.GraphKernel(SIGNED)


def trained(**options: Any) -> Any:
    return fit(LINEAR, lambda rows: LINEAR(torch.ones(len(rows), 1)).sum(), range(4), **options)


# What the message names, and the call; several were TypeErrors of NumPy, torch or pandas.
WRONG: dict[str, tuple[str, Callable[[], Any]]] = {
    "an unknown option": ("'epochs'", lambda: find_nodes(START, X, Y, epochs=3)),
    "one of a single training": ("'checkpoint'", lambda: find_nodes(START, X, Y, checkpoint="x")),
    "an option of fit": ("'patience'", lambda: cross_fit(START, X, Y, patience=3)),
    "n_held": ("n_held", lambda: find_nodes(START, X, Y, n_held=None)),
    "a fraction of a batch": ("batch_size", lambda: cross_fit(START, X, Y, batch_size=3.5)),
    "exchange_features": (
        "exchange_features",
        lambda: cross_fit(START, X, Y, exchange_features="x"),
    ),
    "dropout": ("input_dropout", lambda: cross_fit(START, X, Y, input_dropout="x")),
    "seed": ("seed", lambda: cross_fit(START, X, Y, seed="x")),
    "nodes": ("nodes", lambda: node_use([MODEL] * 2, X, Y, folds=TIME % 4 > 1, nodes=3)),
    "networks": ("networks", lambda: node_alone([MODEL], [], X, Y)),
    "a model for its artifact": ("artifact", lambda: set_test(MODEL, X, Y)),
    "rewire": ("seed", lambda: rewire(EDGES, "degree", seed="x")),
    "learning_rate": ("learning_rate", lambda: trained(learning_rate="fast")),
    "weight_decay": ("weight_decay", lambda: trained(weight_decay=None)),
    "a table that is an array": ("table", lambda: fit_scaler(X.to_numpy(), [0, 1])),
    "rows": ("rows", lambda: fit_scaler(X, [0.5])),
    "rows beyond": ("rows", lambda: fit_scaler(X, [40])),
    "n_folds": ("n_folds", lambda: repeated_folds(Y, n_folds=2.5)),
    "a share": ("test_fraction", lambda: split_samples(Y, test_fraction="x")),
    "settings": ("settings", lambda: compare_priors({"p": EDGES}, X, Y, settings={"seeds": 1})),
    "controls": ("controls", lambda: compare_priors({"p": EDGES}, X, Y, controls="rewired")),
    "two columns of labels": ("y", lambda: compare_priors({"p": EDGES}, X, np.ones((40, 2)))),
    "groups": ("groups", lambda: run_study(EDGES, X, Y.rename("k"), groups=[1, 2])),
    "text": ("text", lambda: run_study(EDGES, X, Y.rename("k"), text="cells")),
    "folder": ("folder", lambda: run_study(EDGES, X, Y.rename("k"), folder=3)),
    "log hazards": ("log_hazard", lambda: e2t.cox_loss("x", TIME, EVENT)),
    "whole log hazards": ("log_hazard", lambda: e2t.cox_loss(np.arange(40), TIME, EVENT)),
    "a pair for its first": (
        "outcome",
        lambda: survival.cox_regression(X, survival.outcome_of(TABLE, "days", "dead")),
    ),
    "a table of patients": ("table", lambda: survival.outcome_of([1], "days", "dead")),
    "a column": ("time", lambda: survival.outcome_of(TABLE, None, "dead")),
    "features": ("features", lambda: survival.cox_regression(X.to_numpy(), TIMES)),
    "risk": ("risk", lambda: survival.harrell_c(TIME, EVENT, ["high"] * 40)),
    "train": ("train", lambda: survival.uno_c(TIME, EVENT, TIME, train=TABLE)),
    "residuals": ("outcome", lambda: survival.martingale_residuals(TABLE)),
    "folds": ("outcome", lambda: survival.survival_folds(TABLE)),
    "doses for a design": ("design", lambda: perturb.fit(SIGNED, DOSES)),
    "no design": ("design", lambda: perturb.folds(None)),
    "doses to compile": ("design", lambda: perturb.compile(SIGNED, DOSES)),
    "doses to encode": ("design", lambda: perturb.compile(SIGNED, DESIGN)[0].encode(DOSES)),
    "doses to compare": ("design", lambda: perturb.baselines(DOSES, perturb.folds(DESIGN))),
    "doses to learn from": ("design", lambda: KERNEL.predict(DOSES)),
    "new doses": ("new", lambda: KERNEL.predict(DESIGN, new=DOSES)),
    "a number of folds": ("folds", lambda: perturb.baselines(DESIGN, 5)),
    "no fit": ("fits", lambda: perturb.screen(3)),
    "a design for a fit": ("found", lambda: perturb.write_fit(DESIGN, "out")),
    "an option of neither": ("step=", lambda: perturb.fit(SIGNED, DESIGN, step=3)),
    "hazards": ("log_hazard", lambda: survival.baseline_hazard(["high"] * 40, TIMES)),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_of_another_type_is_refused_by_name(kind: str) -> None:
    named, call = WRONG[kind]
    with pytest.raises(
        Edge2TorchError, match=rf"^(find_nodes|cross_fit|{named})\b.*{named}|^{named}"
    ):
        call()


def test_a_near_name_is_proposed() -> None:
    with pytest.raises(Edge2TorchError, match=r"find_nodes has no argument 'epochs'.*max_epochs"):
        find_nodes(START, X, Y, epochs=3)


def test_the_loss_of_predictions_in_an_array() -> None:
    theta = RNG.normal(size=40)
    own = e2t.cox_loss(theta, TIME, EVENT)
    assert own == e2t.cox_loss(torch.from_numpy(theta), TIME, EVENT)
    assert e2t.cox_loss(theta.tolist(), TIME, EVENT) == own
