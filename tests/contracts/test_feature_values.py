"""Every door that takes features refuses what is infinite, and what is missing unless it is to be filled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch import survival
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import (
    CrossFitted,
    cross_fit,
    find_nodes,
    node_specific,
    node_use,
    set_test,
)
from edge2torch.simulate import layered_graph, planted_nodes
from edge2torch.study import compare_priors, run_study
from edge2torch.train import fit_scaler

EDGES = layered_graph([12, 4, 1], [16, 4], seed=0)
PROBLEM = planted_nodes(EDGES, effect=2.0, seed=0)
DATA = PROBLEM.x_test.iloc[:80]
CLASSES = pd.Series(np.asarray(PROBLEM.y_test)[:80], DATA.index).map({0: "a", 1: "b"})
MODEL, ARTIFACT = e2t.compile_graph(EDGES, quiet=True, seed=0)
BRIEF: dict[str, Any] = {"folds": 2, "starts": 1, "max_epochs": 1}
LABELS = (np.arange(80) % 2).tolist()  # of the folds
TIMES = survival.Outcome(np.arange(1.0, 81.0), np.ones(80))


def fitted(data: pd.DataFrame, **options: Any) -> CrossFitted:
    return cross_fit((MODEL, ARTIFACT), data, CLASSES, **BRIEF, **options)


# What each does with a table; those that fill what is missing by themselves stand below.
DOORS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "cross_fit": fitted,
    "find_nodes": lambda x: find_nodes((MODEL, ARTIFACT), x, CLASSES, controls=2, **BRIEF),
    "node_use": lambda x: node_use([MODEL, MODEL], x, CLASSES, folds=LABELS),
    "node_use, cross-fitted": lambda x: node_use(fitted(DATA), x, CLASSES),
    "node_specific": lambda x: node_specific(
        fitted(DATA), [fitted(DATA, exchange_features=k) for k in (1, 2)], x, CLASSES
    ),
    "set_test": lambda x: set_test(ARTIFACT, x, CLASSES),
    "compare_priors": lambda x: compare_priors({"one": EDGES}, x, CLASSES, draws=2, quiet=True),
    "run_study": lambda x: run_study(EDGES, x, CLASSES.rename("kind"), quiet=True),
    "attribute": lambda x: e2t.attribute(MODEL, x),
    "knock_out": lambda x: e2t.knock_out(MODEL, x),
    "faithfulness": lambda x: e2t.faithfulness(MODEL, x),
    "align": lambda x: e2t.align_features_to_input_nodes(x, ARTIFACT),
    "cox_regression": lambda x: survival.cox_regression(x, TIMES),
}
FILLING: dict[str, Callable[[pd.DataFrame], Any]] = {
    "fit_scaler": lambda x: fit_scaler(x, np.arange(80)),
    "Scaler": fit_scaler(DATA, np.arange(80)),
    "audit_prior": lambda x: e2t.audit_prior(EDGES, x, teachers=1, max_epochs=1, quiet=True),
    "cross_fit, impute": lambda x: fitted(x, impute=True),
    "set_test, impute": lambda x: set_test(ARTIFACT, x, CLASSES, impute=True),
}


def spoiled(value: float) -> pd.DataFrame:
    table = DATA.copy()
    table.iloc[3, 2] = value
    return table


@pytest.mark.parametrize("door", [*DOORS, *FILLING])
def test_infinite_values_are_refused_by_name(door: str) -> None:
    with pytest.raises(
        Edge2TorchError, match=rf"infinite.*'{DATA.columns[2]}'|'{DATA.columns[2]}'.*infinite"
    ):
        {**DOORS, **FILLING}[door](spoiled(np.inf))


@pytest.mark.parametrize("door", DOORS)
def test_missing_values_are_refused_by_name(door: str) -> None:
    with pytest.raises(
        Edge2TorchError, match=rf"(missing|NaN).*'{DATA.columns[2]}'|'{DATA.columns[2]}'.*missing"
    ):
        DOORS[door](spoiled(np.nan))


@pytest.mark.parametrize("door", FILLING)
def test_missing_values_are_filled_where_that_is_asked(door: str) -> None:
    FILLING[door](spoiled(np.nan))


def test_networks_that_fill_what_is_missing_do_so_when_they_are_asked() -> None:
    """The medians are those of the samples that a fold was trained on."""
    data = spoiled(np.nan)
    networks = fitted(data, impute=True)
    rows, _ = networks.folds[0]
    name = DATA.columns[2]
    place = ARTIFACT.feature_names.index(name)
    own = next(networks.inputs(data))[3, place].item()
    scaler = networks.scalers[0].as_frame().loc[name]
    median = data[name].iloc[rows].median()
    assert own == pytest.approx((median - scaler["mean"]) / scaler["scale"], abs=1e-6)
    assert np.isfinite(node_use(networks, data, CLASSES)["gain"]).all()
