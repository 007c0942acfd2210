"""Planted nodes carry the outcome, and the others do not."""

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.simulate import layered_graph, planted_nodes

EDGES = layered_graph([60, 12, 4, 1], [120, 24, 4], seed=0)


def below(causal):
    inner = set(EDGES.loc[EDGES["target"].isin(causal), "source"])
    deeper = set(EDGES.loc[EDGES["target"].isin(inner), "source"])
    return {name for name in inner | deeper if name.startswith("L0")}


def association(task):
    return task.x_train.corrwith(task.y_train).abs()


def test_markers_are_the_inputs_below_the_planted_node():
    task = planted_nodes(EDGES, depth=1, effect=2.0, n_train=2000, seed=1)
    markers = below(task.causal)
    assert set(task.signs.index[task.signs != 0]) == markers
    strength = association(task)
    assert strength[sorted(markers)].min() > 0.4
    assert strength.drop(sorted(markers)).max() < 0.1
    assert task.y_train.mean() == pytest.approx(0.5, abs=0.05)


def test_redundant_nodes_say_the_same():
    task = planted_nodes(EDGES, 2, depth=1, redundant=True, effect=2.0, n_train=1500, seed=2)
    values = [
        (task.x_train * task.signs)[sorted(below([name]))].mean(axis=1) for name in task.causal
    ]
    assert values[0].corr(values[1]) > 0.8


def test_several_depths_and_names():
    task = planted_nodes(EDGES, 2, depth=[1, 2], seed=3)
    assert [name[:2] for name in task.causal] == ["L1", "L2"]
    assert planted_nodes(EDGES, ["L2_3"], seed=3).causal == ["L2_3"]
    assert planted_nodes(EDGES, 2, depth=2, seed=3).causal[0][:2] == "L2"


def test_values_make_the_outcome_through_the_graph():
    task = planted_nodes(EDGES, ["L2_0"], how="values", n_train=2000, seed=4)
    strength = association(task)
    inside = sorted(below(["L2_0"]))
    assert strength[inside].max() > 0.15
    assert strength.drop(inside).max() < 0.1


def test_dials():
    plain = planted_nodes(EDGES, effect=2.0, n_train=2000, seed=5)
    noisy = planted_nodes(EDGES, effect=2.0, noise=2.0, n_train=2000, seed=5)
    assert association(noisy).max() < 0.7 * association(plain).max()
    sparse = planted_nodes(EDGES, sparsity=0.6, seed=5)
    assert (sparse.x_train == 0).to_numpy().mean() == pytest.approx(0.6, abs=0.02)
    for response in ("linear", "tanh", "relu", "step"):
        task = planted_nodes(EDGES, response=response, effect=2.0, n_train=1000, seed=5)
        assert association(task).max() > 0.3


def test_the_seed_decides():
    first, again, other = (planted_nodes(EDGES, seed=s, n_train=20, n_test=5) for s in (6, 6, 7))
    pd.testing.assert_frame_equal(first.x_train, again.x_train)
    assert not np.allclose(first.x_train, other.x_train)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"causal": ["nobody"]}, "'nobody'"),
        ({"causal": 9, "depth": 2}, "too few hidden nodes at depth 2"),
        ({"causal": 2, "depth": [1]}, "depth"),
        ({"response": "sine"}, "response"),
        ({"how": "magic"}, "how"),
        ({"how": "values", "redundant": True}, "redundant"),
        ({"sparsity": 1.0}, "sparsity"),
        ({"noise": -1.0}, "noise"),
    ],
)
def test_bad_input(options, said):
    with pytest.raises(Edge2TorchError, match=said):
        planted_nodes(EDGES, **options)
