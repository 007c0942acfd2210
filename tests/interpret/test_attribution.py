"""One answer, in all forms; and what interpret_model makes of it."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t

EDGES = pd.DataFrame(
    {
        "source": ["g1", "g2", "g3", "p1", "p2", "p2"],
        "target": ["p1", "p1", "p2", "up", "up", "down"],
        "target_name": [None, None, None, "going up", "going up", None],
    }
)


@pytest.fixture(scope="module")
def asked():
    model, _ = e2t.compile_graph(EDGES, seed=0, quiet=True)
    model = e2t.customize_model(model, node_activation="tanh")
    values = np.random.default_rng(0).normal(size=(5, 3))
    return model, pd.DataFrame(values, index=list("vwxyz"), columns=["g1", "g2", "g3"])


def test_forms_of_interpret_model_are_those_of_the_attribution(asked):
    model, data = asked
    why = e2t.attribute(model, data, output="up", delta=True, quiet=True)
    table, delta = e2t.interpret_model(
        model, data=data, output="up", return_convergence_delta=True, quiet=True
    )
    pd.testing.assert_frame_equal(why.frame(), table)
    pd.testing.assert_series_equal(why.delta, delta)
    x = torch.tensor(data.to_numpy(), dtype=torch.float32)
    with torch.no_grad():
        change = (model(x) - model(torch.zeros_like(x)))[:, model.artifact.output_names.index("up")]
    np.testing.assert_allclose(why.frame().sum(axis=1), change, atol=1e-4)

    nodes = e2t.attribute(model, data, "nodes", output=["up", "down"], quiet=True)
    ask = {"target": "nodes", "output": ["up", "down"], "quiet": True}
    by_site = e2t.interpret_model(model, data=data, **ask)
    assert by_site.keys() == nodes.frame("sites").keys()
    for name, frame in nodes.frame("sites").items():
        pd.testing.assert_frame_equal(frame, by_site[name])
    pd.testing.assert_frame_equal(
        nodes.frame(), e2t.interpret_model(model, data=data, level="summary", **ask)
    )
    graph = e2t.interpret_model(model, data=data, to="networkx", **ask)
    assert dict(nodes.to_networkx().nodes(data=True)) == dict(graph.nodes(data=True))
    cells = e2t.interpret_model(model, data=anndata.AnnData(data), to="anndata", **ask)
    assert sorted(cells.obsm) == sorted(
        e2t.attribute(model, anndata.AnnData(data), "nodes", output=["up", "down"], quiet=True)
        .to_anndata()
        .obsm
    )
    assert nodes.delta is None


def test_edges_by_sample_and_their_means(asked):
    model, data = asked
    by_sample = e2t.attribute(model, data, "edges", output="up", by_sample=True, quiet=True)
    means = e2t.attribute(model, data, "edges", output="up", quiet=True)
    np.testing.assert_allclose(
        by_sample.frame()["attribution"], means.frame()["attribution"], atol=1e-6
    )
    assert by_sample.frame("samples").shape == (len(data), len(EDGES))
    with pytest.raises(e2t.Edge2TorchError, match=r"attribute\(\.\.\., by_sample=True\)"):
        means.frame("samples")
    with pytest.raises(e2t.Edge2TorchError, match="level must be one of 'summary', 'samples'"):
        means.frame("sites")


def test_a_summary_ranks_and_counts_everything(asked):
    model, data = asked
    why = e2t.attribute(model, data, "nodes", output=["down", "up"], nodes="hidden", quiet=True)
    table = why.summary()
    assert table.index.names == ["output", "node"]
    assert table.index.get_level_values(0).unique().tolist() == ["down", "up"]
    frame = why.frame()
    for output in ("down", "up"):
        own = table.loc[output]
        assert own["mean_abs"].is_monotonic_decreasing
        np.testing.assert_allclose(own["mean"], frame[output].mean()[own.index])
    edges = e2t.attribute(model, data, "edges", output=["up", "down"], quiet=True).summary()
    assert edges["output"].unique().tolist() == ["up", "down"]
    assert len(edges) == 2 * len(EDGES)
    html = e2t.attribute(model, data, "nodes", output="up", quiet=True)._repr_html_()
    assert "going up" in html
    assert "LayerConductance" in html


def test_holding_a_node_everywhere_or_at_each_step():
    loop = pd.DataFrame({"source": ["a", "h", "k", "k"], "target": ["h", "k", "h", "y"]})
    model, _ = e2t.compile_graph(loop, e2t.Recurrent(steps=3), outputs=["y"], seed=0, quiet=True)
    data = pd.DataFrame({"a": [1.0, 2.0]})
    ask = {"target": "nodes", "method": "NodeKnockout", "nodes": ["k"], "quiet": True}
    everywhere = e2t.attribute(model, data, **ask).frame()
    held = e2t.knock_out(model, data=data, nodes=["k"], level="samples", quiet=True)
    np.testing.assert_allclose(everywhere["k"], -held["y"], atol=1e-6)
    by_step = e2t.attribute(model, data, by_site=True, **ask).frame("sites")
    # only the value of the step before the last is read by the output of three steps
    np.testing.assert_allclose(by_step["step_2"]["k"], everywhere["k"], atol=1e-6)
    assert not np.allclose(by_step["step_1"]["k"], everywhere["k"])


def test_answers_outlive_the_model(asked):
    model, data = asked
    why = e2t.attribute(model, data, output="up", quiet=True)
    before = why.frame()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    pd.testing.assert_frame_equal(why.frame(), before)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.sub_(1.0)


@pytest.mark.parametrize("target", ["features", "nodes", "edges"])
def test_pictures(asked, target):
    model, data = asked
    one = e2t.attribute(model, data, target, output="up", quiet=True)
    assert len(e2t.plot.attribution(one, n=2).texts) + len(e2t.plot.attribution(one).patches)
    several = e2t.attribute(model, data, target, output=["up", "down"], quiet=True)
    if target == "edges":
        with pytest.raises(e2t.Edge2TorchError, match="a flow leads to one"):
            e2t.plot.attribution(several)
    else:
        ax = e2t.plot.attribution(several, n=2)
        assert len(ax.get_yticklabels()) == 2
    with pytest.raises(e2t.Edge2TorchError, match="why must be what attribute returned"):
        e2t.plot.attribution(one.frame())
