"""What each class rests on: one attribution of a difference, and not one of each output."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from edge2torch._core.console import Console
from edge2torch.interpret import interpret_model
from edge2torch.study import _attribute
from edge2torch.study._network import fit_network
from edge2torch.study._progress import Progress
from edge2torch.study._settings import StudySettings
from edge2torch.study._task import choose_task
from edge2torch.study._train import train
from edge2torch.train import split_samples


@pytest.mark.parametrize("ends", [["a", "b", "c"], ["left", "right"]])
def test_a_class_is_attributed_against_the_mean_of_all(ends, monkeypatch):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(120, 6)), columns=[f"g{k}" for k in range(6)])
    label = pd.Series(
        np.array(list("abc"))[table[["g0", "g2", "g4"]].to_numpy().argmax(1)], name="y"
    )
    pairs = [(f"g{k}", f"h{k // 2}") for k in range(6)]
    pairs += [(f"h{k}", end) for k in range(3) for end in ends]
    edges = pd.DataFrame(pairs, columns=["source", "target"])
    settings = StudySettings(max_epochs=8)
    task = choose_task(label, "auto", 8)
    network = fit_network(edges, table.columns, task)
    split = split_samples(task.values)
    quiet = {"console": Console(quiet=True), "progress": Progress(), "name": "network"}
    trained = train(network, table, task, split, settings, 0, **quiet)
    seen = []
    ask = _attribute.interpret_model
    monkeypatch.setattr(
        _attribute, "interpret_model", lambda *a, **k: (seen.append(len(a[2])), ask(*a, **k))[1]
    )
    found = _attribute.attribute(trained, table, task, split.test, settings, 0)
    assert sum(seen) == 2 * len(split.test)  # each sample once, of nodes and of features
    rows = np.sort(split.test)
    data, codes = trained.scaler(table.iloc[rows]), task.values[rows]
    for scores, target, method in (
        (found.nodes, "nodes", "LayerConductance"),
        (found.features, "features", "IntegratedGradients"),
    ):
        options = {"target": target, "method": method, "quiet": True}
        if target == "nodes":
            options |= {"level": "summary", "nodes": "non_input" if len(ends) == 2 else "hidden"}
        each = np.stack(
            [
                interpret_model(trained.model, network.artifact, data, output=k, **options)[
                    scores.index
                ]
                for k in range(3)
            ]
        )
        for k, name in enumerate(task.classes):
            expected = (each[k] - each.mean(0))[codes == k].mean(0)
            np.testing.assert_allclose(scores[name], expected, atol=1e-6)


def test_a_class_that_one_seed_does_not_hold_out_is_averaged_without_a_warning():
    """Pandas warned that columns of NaN would count for the type from its next release on."""
    first = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}, ["x", "y"], dtype=np.float32)
    second = first[["a"]].reindex(columns=["a", "b"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mean, _ = _attribute._mean_sd([first, second])
    pd.testing.assert_frame_equal(mean, first)
