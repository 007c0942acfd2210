"""A study with several units per node and heads at them."""

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.nn import CustomizedEdgeModel
from edge2torch.study._train import mean_of_heads

EDGES = pd.DataFrame(
    {
        "source": ["CD3", "CD4", "CD19", "CD20", "signal", "other"],
        "target": ["signal", "signal", "other", "other", "answer", "answer"],
    }
)


def cells(n=120):
    rng = np.random.default_rng(0)
    names = [f"c{k}" for k in range(n)]
    table = pd.DataFrame(rng.normal(size=(n, 4)), names, ["CD3", "CD4", "CD19", "CD20"])
    kind = np.where(table["CD3"] + table["CD4"] > 0, "T", "B")
    return table, pd.Series(kind, index=table.index, name="kind")


@pytest.mark.usefixtures("no_figures")
def test_units_and_heads_go_through_a_whole_study(tmp_path):
    table, kind = cells()
    study = e2t.run_study(
        EDGES, table, kind, seeds=1, max_epochs=30, input_dropout=0.1, replicates=1, controls=2,
        units=3, node_heads=True, quiet=True, folder=tmp_path,
    )  # fmt: skip
    assert study.learned
    assert study.nodes["node"].iloc[0] == "signal"
    scores = pd.read_csv(tmp_path / "head_scores.csv", index_col="node")
    assert scores.loc["signal", "accuracy"] > 0.8 > scores.loc["other", "accuracy"]
    weights = pd.read_csv(tmp_path / "edge_weights.csv")
    assert weights["norm"].notna().all()
    assert len(weights) == len(EDGES)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "because it was told to" in page
    assert "3 units" in page
    again = e2t.load_study(tmp_path)
    pd.testing.assert_frame_equal(again.nodes, study.nodes)
    model = again.results.first.model
    assert isinstance(model, CustomizedEdgeModel)
    assert model.head_names == ["other", "signal"]


@pytest.mark.usefixtures("no_figures")
def test_a_run_without_heads_leaves_none_of_an_earlier_one(tmp_path):
    table, _ = cells(60)
    y = pd.Series(table["CD3"] * 2, name="y")
    options = {"seeds": 1, "max_epochs": 3, "replicates": 0, "task": "regression", "quiet": True}
    (tmp_path / "head_scores.csv").write_text("node\n")
    e2t.run_study(EDGES, table, y, folder=tmp_path, **options)
    assert not (tmp_path / "head_scores.csv").exists()


def test_the_loss_of_heads_is_the_mean_over_nodes():
    class Squares:
        def summed_loss(self, predicted, rows):
            return sum((one[:, 0] - rows).square().mean() for one in predicted)

    heads, rows = torch.randn(7, 3, 1), torch.arange(7.0)
    own = torch.stack([(heads[:, k, 0] - rows).square().mean() for k in range(3)]).mean()
    torch.testing.assert_close(mean_of_heads(Squares(), heads, rows), own)


def test_priors_are_compared_with_one_unit():
    table, kind = cells(60)
    for options in ({"units": 2}, {"node_heads": True}):
        with pytest.raises(e2t.Edge2TorchError, match="for run_study"):
            e2t.compare_priors({"one": EDGES}, table, kind, **options)
    with pytest.raises(e2t.Edge2TorchError, match="units must be"):
        e2t.run_study(EDGES, table, kind, units=0)
