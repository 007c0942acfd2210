"""A donor that nobody named is found by its samples, and a column that says nothing is not."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.study._cohort import group_names
from edge2torch.study._groups_like import group_warnings
from edge2torch.study._task import choose_task
from tests.study.test_covariates import pathway_edges
from tests.study.test_study import BARE


def donors(seed: int, shift: float) -> pd.DataFrame:
    """Twenty donors of ten samples; the label is a donor's, and says nothing of new donors."""
    rng = np.random.default_rng(seed)
    donor = np.repeat(np.arange(20), 10)
    x = rng.normal(size=(200, 12)) + shift * rng.normal(size=(20, 12))[donor]
    table = pd.DataFrame(x.round(4), columns=[f"g{k}" for k in range(12)])
    table.insert(0, "sample", [f"s{k}" for k in range(200)])
    kind = rng.permutation(["B", "T"] * 10)
    return table.assign(
        donor=[f"d{k}" for k in donor], room=rng.choice(list("xyz"), 200), kind=kind[donor]
    )


EDGES = pathway_edges("B", "T")
FEW = BARE | {"max_epochs": 20}


def test_a_donor_that_was_not_named_is_warned_of():
    study = e2t.run_study(EDGES, donors(0, 2.0), "kind", **FEW)
    (said,) = study.results.study.suspects
    assert said.startswith(
        "WARNING: the column 'donor' looks like a group: 200 samples share 20 values"
    )
    assert "groups='donor'" in said
    assert study.learned  # what the donors are known by
    assert study.verdicts[0].text == said
    assert study.verdicts[0].good is False
    grouped = e2t.run_study(EDGES, donors(0, 2.0), "kind", groups="donor", **FEW)
    assert not grouped.results.study.suspects
    accuracy = [one.scores.query("model == 'KPNN'")["accuracy"].mean() for one in (study, grouped)]
    assert accuracy[0] > 0.7
    assert accuracy[0] - accuracy[1] > 0.2


@pytest.mark.parametrize("seed", range(3))
def test_columns_that_features_do_not_tell_are_not(seed):
    table = donors(seed, 0.0)
    study = e2t.run_study(EDGES, table, "kind", **(FEW | {"max_epochs": 1}))
    assert not study.results.study.suspects


def test_features_without_a_value_are_no_neighbours():
    table = donors(0, 2.0)
    features, task = table.filter(like="g"), choose_task(table["kind"], "classification", 1)
    said = group_warnings(table[["donor"]], features, task, None)
    empty = features.assign(g12=np.nan)
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert group_warnings(table[["donor"]], empty, task, None) == said


def test_a_group_for_every_sample_separates_nothing():
    names = pd.Series(["a", "b", "c"])
    kept = np.array([True, False, True])
    with pytest.warns(
        e2t.Edge2TorchWarning, match="^groups: every sample is of a group of its own"
    ):
        assert group_names(names, kept).tolist() == ["a", "c"]
    assert group_names(pd.Series(["a", "b", "a"]), kept).tolist() == ["a", "a"]
    table = donors(0, 0.0)
    alone, quick = table.assign(donor=table["sample"]), FEW | {"max_epochs": 1}
    with pytest.warns(e2t.Edge2TorchWarning, match="every sample is of a group of its own"):
        e2t.run_study(EDGES, alone, "kind", groups="donor", **quick)
    # without names of samples the donors are not taken for these
    with pytest.warns(e2t.Edge2TorchWarning, match="every sample is of a group of its own"):
        e2t.run_study(EDGES, alone.drop(columns="sample"), "kind", groups="donor", **quick)
