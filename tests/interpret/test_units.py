"""Scores of single units, for who asks for them."""

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t

EDGES = pd.DataFrame({"source": ["g", "g", "h", "k", "k"], "target": ["h", "k", "y", "y", "z"]})


def network():
    model, artifact = e2t.compile_graph(EDGES, units={"h": 3, "k": 2}, seed=0, quiet=True)
    return model.double(), artifact, pd.DataFrame({"g": [1.0, -2.0]}, ["a", "b"])


@pytest.mark.parametrize(
    "method",
    ["LayerGradientXActivation", "LayerConductance", "LayerIntegratedGradients", "LayerLRP"],
)
def test_a_unit_of_a_linear_network_has_its_value_times_its_weight(method):
    model, artifact, x = network()
    why = e2t.attribute(
        model, x, "nodes", method, output=["y", "z"], nodes="hidden", by_unit=True, quiet=True
    )
    found = why.frame("units")
    weights = e2t.edge_weights(model, artifact, level="units").set_index(
        ["source", "source_unit", "target", "target_unit"]
    )["weight"]
    expected = {
        (output, node, unit): x["g"] * weights["g", 0, node, unit] * weights.get((node, unit, output, 0), 0.0)
        for output in ("y", "z")
        for node, count in {"h": 3, "k": 2}.items()
        for unit in range(count)
    }  # fmt: skip
    expected = pd.DataFrame(expected).rename_axis(["target", "node", "unit"], axis=1)
    pd.testing.assert_frame_equal(found[expected.columns], expected, rtol=5e-3)
    assert found.shape == expected.shape
    summed = found.T.groupby(level=["target", "node"]).sum().T
    pd.testing.assert_frame_equal(why.frame()[summed.columns], summed, rtol=1e-5, atol=1e-8)
    plain = e2t.attribute(model, x, "nodes", method, output=["y", "z"], nodes="hidden", quiet=True)
    np.testing.assert_allclose(plain.frame(), why.frame(), rtol=1e-5, atol=1e-8)
    assert list(plain.summary().index) == list(why.summary().index)


def test_units_are_shown_only_where_they_were_kept_and_add_up():
    model, _, x = network()
    with pytest.raises(e2t.Edge2TorchError, match="by_unit=True"):
        e2t.attribute(model, x, "nodes", output="y", quiet=True).frame("units")
    for target, method in (
        ("nodes", "NodeKnockout"),
        ("nodes", "InternalInfluence"),
        ("edges", None),
    ):
        with pytest.raises(e2t.Edge2TorchError, match="does not add up"):
            e2t.attribute(model, x, target, method, output="y", by_unit=True, quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="level must be"):
        e2t.interpret_model(model, x, target="nodes", output="y", level="units", quiet=True)


def test_nodes_of_one_unit_have_one_column():
    model, _ = e2t.compile_graph(EDGES, seed=0, quiet=True)
    x = pd.DataFrame({"g": [1.0, -2.0]})
    why = e2t.attribute(model, x, "nodes", output="y", by_unit=True, quiet=True)
    assert why.frame("units").columns.tolist() == [("h", 0), ("k", 0), ("y", 0), ("z", 0)]
    assert torch.equal(
        torch.tensor(why.frame("units").to_numpy()), torch.tensor(why.frame().to_numpy())
    )
