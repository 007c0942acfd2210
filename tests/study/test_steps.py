"""Training past autograd: the weights that it leads to are those of autograd, bit for bit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch._core.console import Console
from edge2torch.nn._whole import WholeGraph
from edge2torch.study import _train
from edge2torch.study._network import fit_network
from edge2torch.study._progress import Progress
from edge2torch.study._settings import StudySettings
from edge2torch.study._steps import Step, Steps
from edge2torch.study._task import choose_task
from edge2torch.train import split_samples


def data(kind, ends, n=150):
    """Samples, what is asked of them, and a graph from 20 genes through five pathways."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(n, 20)), columns=[f"g{k}" for k in range(20)])
    signal = table[["g0", "g5", "g10"]].to_numpy()
    label = np.array(list("abc"))[signal.argmax(1)] if kind == "classes" else signal.sum(1)
    pairs = [(f"g{k}", f"h{k // 4}") for k in range(20)]
    pairs += [(f"h{k}", end) for k in range(5) for end in ends]
    edges = pd.DataFrame(pairs, columns=["source", "target"])
    return table, pd.Series(label, name="y"), edges


def trained(kind, ends, n_folds, **options):
    table, label, edges = data(kind, ends)
    task = choose_task(label, "auto", 8)
    network = fit_network(edges, table.columns, task)
    split = split_samples(task.values)
    folds = split.folds[:1] * n_folds  # as where few samples are held out
    how = (StudySettings(max_epochs=4, **options), 0, Console(quiet=True), Progress(), "network")
    model, *_, fitted = _train._fit(network, table, task, folds, *how)
    return model.state_dict(), fitted.history


@pytest.mark.parametrize(
    ("kind", "ends", "n_folds", "options"),
    [
        ("classes", "abc", 1, {}),
        ("classes", "abc", 3, {}),
        ("classes", "abc", 2, {"class_weights": True}),
        ("values", "y", 1, {}),
        ("values", "y", 2, {}),
    ],
)
def test_weights_are_those_of_autograd(kind, ends, n_folds, options, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(WholeGraph, "_pays", lambda *_: True)  # however small it is
    taken = []
    way_back = Step.backward
    monkeypatch.setattr(Step, "backward", lambda step: (taken.append(1), way_back(step)))
    found, curve = trained(kind, ends, n_folds, **options)
    assert taken
    monkeypatch.setattr(Steps, "of", lambda *_: None)
    n = len(taken)
    expected, other = trained(kind, ends, n_folds, **options)
    assert len(taken) == n
    pd.testing.assert_frame_equal(curve, other, check_exact=True)
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize("ends", ["abc", "h"])
def test_where_one_pass_does_not_pay_or_a_layer_follows_autograd_is_asked(ends, monkeypatch):
    monkeypatch.setattr(Step, "backward", lambda _: pytest.fail("a step past autograd"))
    trained("classes", ends, 1)
