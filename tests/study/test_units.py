"""A study with several units per node and heads at them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.nn import CustomizedEdgeModel
from edge2torch.study._data import read_dataset
from edge2torch.study._node_table import node_table
from edge2torch.study._train import mean_of_heads
from edge2torch.study._trust_words import found_table, node_rows, trust_words
from edge2torch.study._verdict import verdicts

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
    assert "most for" not in page  # of two classes
    assert " folds, trained for 30 epochs, were asked" in page
    assert "finds 0 of 2 nodes" in page
    assert (study.nodes["claimed"] == study.nodes["found"] & bool(study.trust.claimed)).all()
    again = e2t.load_study(tmp_path)
    pd.testing.assert_frame_equal(again.nodes, study.nodes)
    model = again.results.first.model
    assert isinstance(model, CustomizedEdgeModel)
    assert model.head_names == ["other", "signal"]


@pytest.mark.usefixtures("no_figures")
def test_what_rewired_edges_find_as_often_is_claimed_nowhere():
    table, kind = cells()
    study = e2t.run_study(
        EDGES, table, kind, seeds=1, max_epochs=30, input_dropout=0.1, replicates=1, controls=2,
        quiet=True,
    )  # fmt: skip
    assert study.learned
    own = study.trust.table.assign(found=[True, False])
    first = own.index[0]
    for n_rewired, claimed in ((0, [first]), (1, [])):
        rewired = own.assign(found=[n_rewired > 0, False])
        trust = replace(study.trust, table=own, rewired=rewired)
        results = replace(study.results, trust=trust)
        nodes = replace(study, results=results).nodes
        assert set(nodes.loc[nodes["found"], "node"]) == {first}
        assert set(nodes.loc[nodes["claimed"], "node"]) == set(claimed)
        written = found_table(trust)
        assert written.loc[written["claimed"], "node"].tolist() == claimed
        drawn = node_table(results)["found"].eq(True)  # what pictures mark
        assert drawn.index[drawn].tolist() == claimed
        assert [row["label"] for row in node_rows(results, 2) if row["found"]] == claimed
        texts = [verdict.text for verdict in verdicts(results)]
        assert any(text.startswith("Found: 1 of 2") for text in texts) == bool(claimed)
        assert any("nothing can be claimed of them" in text for text in texts) != bool(claimed)
    # 2 controls of 2 nodes are four tests: a share of so few is no share
    for share, said in ((0.0, "0 of 4, too few to tell"), (0.25, "1 of 4, too few to tell")):
        calibration = study.trust.calibration.assign(**{"p<.05": share})
        trust = replace(study.trust, calibration=calibration)
        assert said in trust_words(replace(study.results, trust=trust)).null
    calibration = study.trust.calibration.assign(**{"p<.05": 0.5})
    trust = replace(study.trust, calibration=calibration)
    assert "more than it should" in trust_words(replace(study.results, trust=trust)).null
    short = replace(study.results, trust=replace(trust, epochs=10))
    assert "of 4 folds, trained for only 10 epochs, were asked" in trust_words(short).use


def test_a_weight_of_heads_that_are_not_there_is_refused():
    table, kind = cells(60)
    with pytest.raises(
        e2t.Edge2TorchError, match=r"head_weight=0.4 weighs heads .* node_heads=True"
    ):
        e2t.run_study(EDGES, table, kind, head_weight=0.4, quiet=True)


def test_names_of_samples_may_be_called_like_a_node():
    table, kind = cells(60)
    frame = table.assign(kind=kind).rename_axis("answer").reset_index()
    dataset = read_dataset(frame, "kind", {*EDGES["source"], *EDGES["target"]})
    assert dataset.table.index.tolist() == table.index.tolist()
    assert any("'answer', called like a node, is taken as names" in note for note in dataset.notes)
    spoilt = frame.drop(columns="answer").astype({"CD3": object})
    spoilt.loc[3, "CD3"] = "n/a"  # one slip makes no name of a feature
    with pytest.raises(e2t.Edge2TorchError, match="not numbers: 'CD3'"):
        read_dataset(spoilt, "kind", {*EDGES["source"], *EDGES["target"]})


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
