"""Cells × drugs from the shell."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch._core.console import Console
from edge2torch.cli import main
from edge2torch.compile import load_compiled
from edge2torch.customize import customize_model, join_branches
from edge2torch.errors import Edge2TorchError
from edge2torch.simulate import layered_graph
from edge2torch.study import StudySettings, _fit_pairs, load_pairs
from edge2torch.study._judge_pairs import JOINED
from edge2torch.study._run_pairs import run_pairs
from edge2torch.train import fit


@pytest.fixture(name="files")
def _files(tmp_path):
    """Every drug acts by one pathway, and has a level of its own."""
    rng = np.random.default_rng(0)
    edges = layered_graph([24, 6, 1], [28, 6], seed=0)
    genes = sorted(set(edges["source"]) - set(edges["target"]))
    pathways = sorted(name for name in set(edges["target"]) if name.startswith("L1"))
    cells = pd.DataFrame(rng.normal(size=(50, 24)), [f"c{k}" for k in range(50)], genes)
    activity = pd.DataFrame(
        {p: cells[edges.loc[edges["target"] == p, "source"]].mean(axis=1) for p in pathways}
    )
    activity /= activity.std()
    target = rng.choice(pathways, 12)
    bits = (target[:, None] == np.array(pathways)).astype(float)
    drugs = pd.DataFrame(bits, [f"d{k}" for k in range(12)], [f"bit{k}" for k in range(6)])
    level = 2 * rng.normal(size=12)
    response = pd.DataFrame(
        [
            (cell, f"d{k}", level[k] + activity.loc[cell, target[k]] + 0.2 * rng.normal())
            for cell in cells.index
            for k in range(12)
        ],
        columns=["cell", "drug", "auc"],
    )
    for name, table in {"edges": edges, "response": response}.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    cells.to_csv(tmp_path / "cells.csv", index_label="cell")
    drugs.to_csv(tmp_path / "drugs.csv", index_label="drug")
    return tmp_path


def again(model):
    """Join a saved graph again, as the page on visible networks says."""
    model = customize_model(
        model,
        node_activation="tanh",
        node_normalization="batch",
        node_dropout=0.0,
        norm_first=False,
    )
    return join_branches(model, other=(100, 50, 24), features=6, width=24)


def call(files, lines, **options):
    settings = StudySettings(
        **{"seeds": 1, "replicates": 1, "units": 3, "max_epochs": 60, **options}
    )
    return lambda hold_out: run_pairs(
        files / "edges.csv", files / "cells.csv", files / "response.csv", files / "drugs.csv",
        label="auc", entities=("cell", "drug"), hold_out=hold_out, settings=settings,
        out=files / "out", console=Console(write=lines.append),
    )  # fmt: skip


def test_left_out_cells_are_predicted_within_drugs_and_nodes_are_by_drug(files):
    lines = []
    results = call(files, lines, node_heads=True)("cell")
    scores = results.scores
    assert scores.loc[JOINED, "pearson"] > 0.3
    assert scores.loc["drug mean", "pearson"] == 0
    assert scores.loc["drug mean", "pooled_pearson"] > 0.7
    assert "better than the drug mean" in results.verdicts[0]
    assert len(results.verdicts) == 4
    nodes = pd.read_csv(files / "out" / "node_attribution.csv")
    assert set(nodes["drug"]) == {f"d{k}" for k in range(12)}
    assert set(nodes["node"]) <= {f"L1_{k}" for k in range(6)}
    predictions = pd.read_csv(files / "out" / "predictions.csv")
    assert len(predictions) == 10 * 12  # a fifth of the cells
    # six units would hold six kinds of interaction; the steps are larger than those of studies
    options = json.loads((files / "out" / "model" / "artifact.json").read_text())["options"]
    assert options["units"]["L2_0"] == 24
    assert StudySettings().learning_rate_of() < StudySettings().learning_rate_of(pairs=True)
    page = (files / "out" / "report.html").read_text(encoding="utf-8")
    for verdict in results.verdicts:
        assert verdict in page
    assert 'class="good"' in page
    assert f"{scores.loc[JOINED, 'pearson']:.3f}" in page
    first = nodes[nodes["drug"] == "d3"].sort_values("mean_abs").iloc[-1]
    row = page[page.index("The 3 nodes") :].partition("<th>d3</th>")[2]
    assert row.strip().startswith(f"<td>{first['node']} (")
    assert "no trained pair has: the scores are of new cells" in page
    assert "Nodes had heads" in page
    assert "http" not in page.replace("http-equiv", "")


def test_drugs_whose_features_hold_nothing_are_no_better_than_their_mean(files):
    rng = np.random.default_rng(1)
    noise = pd.DataFrame(rng.normal(size=(12, 3)), [f"d{k}" for k in range(12)], [*"uvw"])
    noise.to_csv(files / "drugs.csv", index_label="drug")
    out = files / "out"
    out.mkdir()
    (out / "node_attribution.csv").write_text("of an earlier run\n")
    table = pd.read_csv(files / "response.csv")
    table["auc"] = table.groupby("cell")["auc"].transform("mean") * 0 + rng.normal(size=len(table))
    table.to_csv(files / "response.csv", index=False)
    lines = []
    results = call(files, lines, max_epochs=5, seeds=5)("drug")
    assert "not shown to be better than the drug mean" in results.verdicts[0]
    assert not (out / "node_attribution.csv").exists()
    assert any("No node is ranked" in line for line in lines)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "None is ranked" in page
    assert 'class="good"' not in page.partition("drug mean:")[0]


def test_the_mean_of_several_networks_predicts(files):
    (files / "out" / "model_7").mkdir(parents=True)  # of a run with more
    lines = []
    results = call(files, lines, replicates=2, max_epochs=10)("cell")
    assert any(
        "Written" in line and "model, model_2, pairs.json, report.html" in line for line in lines
    )
    assert not (files / "out" / "model_7").exists()
    cells, drugs = (pd.read_csv(files / f"{name}.csv", index_col=0) for name in ("cells", "drugs"))
    own = results.predictions.reset_index()
    one = load_pairs(files / "out" / "model").predict(cells, drugs)
    mean = load_pairs(files / "out").predict(cells, drugs)
    wanted = [mean.at[cell, drug] for cell, drug in zip(own["cell"], own["drug"], strict=True)]
    np.testing.assert_allclose(own[JOINED], wanted, atol=1e-4)
    assert (one - mean).abs().to_numpy().max() > 0.1


def test_pairs_whose_partners_were_seen_are_told_to_be(files):
    lines = []
    call(files, lines, max_epochs=1)("pair")
    assert any("both partners" in line for line in lines)


def test_epochs_are_found_on_a_part_and_all_but_the_held_out_pairs_are_trained_with(
    files, monkeypatch
):
    calls = []

    def noted(model, loss, rows, **how):
        calls.append((len(rows), how["held_out"], how["max_epochs"]))
        return fit(model, loss, rows, **how)

    monkeypatch.setattr(_fit_pairs, "fit", noted)
    call(files, [], max_epochs=3)("cell")
    (part, judged, most), (whole, none, found) = calls
    assert (part + len(judged), most) == (whole, 3)
    assert whole == 40 * 12  # of 50 cells a fifth is held out
    assert none is None
    assert 1 <= found <= 3


def test_it_is_said_how_many_pairs_are_judged_and_that_the_loss_still_falls(files):
    lines = []
    call(files, lines, max_epochs=4)("cell")
    said = " ".join(lines)
    assert "1 of 5 folds are run, in each 1 network trained twice: 120 of 600 pairs" in said
    assert "seeds=5 runs all" in said
    assert "still falling at the last of 4 epochs, in 1 of 1 network" in said


def test_the_saved_model_is_loaded_as_the_page_says(files):
    call(files, [], max_epochs=1)("cell")
    model, _ = load_compiled(files / "out" / "model", customize=again)
    assert model(torch.randn(4, 24), torch.randn(4, 6)).shape == (4, 1)


def test_an_edge_table_takes_the_scores_of_a_run_over_pairs(files):
    columns = {"drug": ["d3", "d3", "d4"], "node": ["L1_0", "L1_1", "L1_0"], "mean": [0.5, -0.1, 2]}
    pd.DataFrame(columns).to_csv(files / "scores.csv", index=False)  # as where nodes are ranked
    with_scores = ["--scores", str(files / "scores.csv"), "--where", "drug=d3", "-q"]
    for command, to, file in (("draw", "--out", "more.svg"), ("export", "--to", "more.cx2")):
        line = [command, str(files / "edges.csv"), *with_scores, to, str(files / file)]
        with pytest.raises(SystemExit) as ended:
            main(line)
        assert ended.value.code == 0
        assert (files / file).exists()


def test_what_cannot_be_scored_is_refused_before_training(files):
    table = pd.read_csv(files / "response.csv")

    def refused(kept, hold_out="cell", **options):
        kept.to_csv(files / "response.csv", index=False)
        with pytest.raises(Edge2TorchError) as caught:
            call(files, [], max_epochs=1, **options)(hold_out)
        return str(caught.value)

    assert "no drug has three held-out pairs of unlike 'auc'" in refused(table.assign(auc=1.0))
    assert "no drug has three held-out pairs" in refused(table[table["cell"] < "c13"])
    assert "needs two cells or more, found one" in refused(table[table["cell"] == "c1"])
    few = table[table["cell"].str[1:].astype(int) == table["drug"].str[1:].astype(int)]
    assert "a fold has no pair" in refused(few, "both")
    assert "seeds=6: runs over pairs= run as many of the 5 folds" in refused(table, seeds=6)
    said = refused(table, impute=True)
    assert "no use for impute=True. Leave it out. Fill missing values in the files" in said
    assert not (files / "out").exists()  # nothing has come of the work


def test_drugs_of_one_response_are_not_ranked(files):
    table = pd.read_csv(files / "response.csv")
    table.loc[table["drug"] == "d3", "auc"] = 2.0
    table.to_csv(files / "response.csv", index=False)
    results = call(files, [], max_epochs=1)("cell")
    assert "d3" not in results.by_drug.index
    assert "Within 11 drugs" in results.verdicts[0]


def test_one_drug_cannot_be_normalised(files):
    table = pd.read_csv(files / "response.csv")
    table[table["drug"] == "d0"].to_csv(files / "response.csv", index=False)
    with pytest.raises(Edge2TorchError, match="pairs of one drug alone"):
        call(files, [], max_epochs=1)("cell")


def test_few_partners_are_divided_into_as_many_parts_as_they_have(files):
    table = pd.read_csv(files / "response.csv")
    table[table["drug"].isin(["d0", "d1", "d2", "d3", "d4"])].to_csv(
        files / "response.csv", index=False
    )
    results = call(files, [], max_epochs=1)("both")  # four drugs are left to find the epochs by
    assert len(results.predictions) == 10


def test_a_root_that_is_asked_for_may_have_parts_of_the_graph_beside_it(files):
    settings = StudySettings(seeds=1, replicates=1, units=3, max_epochs=1, outputs=("L1_0",))
    run_pairs(
        files / "edges.csv", files / "cells.csv", files / "response.csv", files / "drugs.csv",
        label="auc", entities=("cell", "drug"), hold_out="cell", settings=settings,
        out=files / "out", console=Console(write=lambda line: None),
    )  # fmt: skip
    options = json.loads((files / "out" / "model" / "artifact.json").read_text())["options"]
    assert set(options["units"]) == {"L1_0"}


def test_what_pairs_do_not_take_is_refused(files, capsys):
    def refused(*given):
        common = {"edges": "edges.csv", "data": "cells.csv", "out": "out"}
        line = [x for name, file in common.items() for x in (f"--{name}", str(files / file))]
        with pytest.raises(SystemExit):
            main(["run", *line, "--seeds", "1", "-q", *given])
        return capsys.readouterr().err

    pair = ("--pairs", str(files / "response.csv"))
    assert "--other, --label is missing" in refused(*pair)
    both = (*pair, "--other", str(files / "drugs.csv"), "--label", "auc")
    assert "no use for --controls 9, --task classification" in refused(
        *both, "--controls", "9", "--task", "classification"
    )
    assert "--replicates must be 1 or more" in refused(*both, "--replicates", "0")
    said = refused(*both, "--entities", "drug,cell")
    assert "--pairs names 12 of 12 drug(s) that --data has no features of" in said
    assert "--entities be in the order of cells and drugs" in said
    assert "--groups is not for" in refused(*both, "--groups", "donor")
    assert "--hold-out is for runs over --pairs only" in refused(
        "--hold-out", "pair", "--label", "auc"
    )
    assert "--entities must be two" in refused(*both, "--entities", "cell")
    edges = pd.read_csv(files / "edges.csv")
    edges.set_axis(["target", "source"], axis=1).to_csv(files / "edges.csv", index=False)
    assert "exchange the columns source and target" in refused(*both)
    edges[edges["target"] != "L2_0"].to_csv(files / "edges.csv", index=False)
    assert "one root" in refused(*both)


def test_words_about_drugs_are_set_aside_and_a_slip_among_numbers_is_refused(files):
    drugs = pd.read_csv(files / "drugs.csv", index_col="drug")
    drugs.insert(2, "target", [f"kinase {k}" for k in range(12)])
    drugs.to_csv(files / "drugs.csv")
    lines = []
    call(files, lines, max_epochs=1)("cell")
    assert "other=: Set aside as no features: 'target' (text)." in lines
    scaled = pd.read_csv(files / "out" / "drug_scaling.csv", index_col=0)
    assert list(scaled.index) == [f"bit{k}" for k in range(6)]
    found = load_pairs(files / "out").predict(files / "cells.csv", drugs)
    without = load_pairs(files / "out").predict(files / "cells.csv", drugs.drop(columns="target"))
    pd.testing.assert_frame_equal(found, without)
    drugs["target"] = [*range(11), "?"]
    drugs.to_csv(files / "drugs.csv")
    with pytest.raises(
        Edge2TorchError, match=r"other: 1 drug\(s\) have .* no numbers: 'd11', in .* 'target'"
    ):
        call(files, [], max_epochs=1)("cell")


def test_names_that_look_like_numbers_keep_their_zeros(files):
    """Drugs called 003 were 3 among the pairs, where they stand in the second column."""
    for name in ("cells", "drugs", "response"):
        table = pd.read_csv(files / f"{name}.csv")
        for column in {"cell", "drug"} & set(table):
            table[column] = table[column].str[1:].str.zfill(3)
        table.to_csv(files / f"{name}.csv", index=False)
    drugs = pd.read_csv(files / "drugs.csv", dtype=str)
    drugs[[*drugs.columns[1:], "drug"]].to_csv(files / "drugs.csv", index=False)  # not the first
    results = call(files, [], max_epochs=1)("cell")
    assert set(results.predictions["drug"]) == {f"{k:03}" for k in range(12)}
    few = load_pairs(files / "out").predict(
        files / "cells.csv", files / "drugs.csv", files / "out" / "predictions.csv"
    )
    np.testing.assert_allclose(few["predicted"], results.predictions[JOINED], rtol=1e-5)
    assert few["drug"].tolist() == results.predictions["drug"].tolist()
