"""``edge2torch run`` from end to end on a small data set."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import edge2torch as e2t
from edge2torch.cli import main
from edge2torch.cli._app import app

QUICK = ["--seeds", "1", "--epochs", "30", "--input-dropout", "0.1", "--learning-rate", "0.01"]
QUICK += ["--replicates", "3", "--controls", "3"]
NAMES = {
    "scores.csv",
    "node_attribution.csv",
    "feature_attribution.csv",
    "top_nodes.csv",
    "edge_weights.csv",
    "predictions.csv",
    "scaling.csv",
    "confusion.csv",
    "summary.json",
    "network.svg",
    "top_nodes.png",
    "heatmap.png",
    "node_significance.csv",
    "replicates.csv",
    "degree_bias.png",
    "flow.png",
    "edge_attribution.csv",
    "stability.png",
    "report.html",
    "model",
}


def run(folder: Path, *options: str, data: str = "cells.csv", label: str = "kind"):
    """Call the command as a user would."""
    paths = ["--edges", str(folder / "edges.csv"), "--data", str(folder / data)]
    out = ["--label", label, "--out", str(folder / "out")]
    result = CliRunner().invoke(app, ["run", *paths, *out, *QUICK, *options])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


@pytest.fixture
def no_figures(monkeypatch) -> None:
    """Pictures are looked at once, in the first tests; here they would only take time."""

    def draw(_results, folder: Path) -> dict[str, Path]:
        path = folder / "network.svg"
        path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        return {"network": path}

    monkeypatch.setattr("edge2torch.cli._write.draw_figures", draw)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, str]:
    """One run on tables whose outputs are the classes."""
    folder = tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    genes = [f"g{k}" for k in range(12)]
    pairs = [(gene, f"path {k // 4}") for k, gene in enumerate(genes)]
    pairs += [(f"path {k}", cell) for k in range(3) for cell in ("B", "T")]
    pd.DataFrame(pairs, columns=["source", "target"]).to_csv(folder / "edges.csv", index=False)
    x = rng.normal(size=(120, 12))
    x[1::2, :4] += 2
    frame = pd.DataFrame(x, columns=genes, index=[f"cell_{k}" for k in range(120)])
    frame["unused"] = rng.normal(size=120)
    frame["kind"] = ["B", "T"] * 60
    frame.to_csv(folder / "cells.csv")
    return folder, run(folder, "--seeds", "2")


def test_everything_is_written_and_nothing_else(finished):
    folder, _ = finished
    written = {path.name for path in (folder / "out").iterdir()}
    assert written - {".lock"} == NAMES


def test_the_network_learns_and_the_right_pathway_is_found(finished):
    folder, printed = finished
    summary = json.loads((folder / "out" / "summary.json").read_text())
    scores = {(row["model"], row["features"]): row for row in summary["scores"]}
    assert scores["KPNN", 12]["accuracy_mean"] > 0.8
    assert ("logistic regression", 13) in scores
    top = pd.read_csv(folder / "out" / "top_nodes.csv")
    best = top[top["rank"] == 1].set_index("class")
    assert best["node"].to_dict() == {"B": "path 0", "T": "path 0"}
    assert set(best["direction"]) == {"for"}
    assert re.search(r"g[0-3] ↑", best.loc["T", "drivers"])
    assert re.search(r"g[0-3] ↓", best.loc["B", "drivers"])
    assert "Classification: 'kind' is text." in printed
    assert "10 networks will be trained: 2 seeds × 2 " in printed
    assert "then 3 replicates and 3 controls" in printed
    assert "The graph's outputs are the classes." in printed
    assert "shuffled" in printed


def test_the_report_stands_alone(finished):
    folder, _ = finished
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    images = re.findall(r'src="data:(image/[a-z+]+);base64,([^"]+)"', page)
    assert sorted(kind for kind, _ in images) == ["image/png"] * 5 + ["image/svg+xml"]
    assert all(base64.b64decode(content) for _, content in images)
    for verdict in json.loads((folder / "out" / "summary.json").read_text())["verdicts"]:
        assert verdict["text"].split("(")[0].strip()[:40] in page


def test_the_page_says_first_how_many_nodes_are_told_from_controls(finished):
    out = finished[0] / "out"
    table = pd.read_csv(out / "node_significance.csv").query("`class` == 'all'")
    found = table.query("corrected > 0 and qvalue < 0.05")
    page = (out / "report.html").read_text(encoding="utf-8")
    short = page[page.index('id="short"') : page.index('id="done"')]
    verb = "scores more than its" if len(found) == 1 else "score more than their"
    assert f"{len(found)} of 3 nodes {verb} place in the graph explains" in short


def test_rows_that_cannot_be_told_from_controls_are_grey(finished):
    page = (finished[0] / "out" / "report.html").read_text(encoding="utf-8")
    rows = re.findall(
        r"<tr( class=\"untold\")?><td(?: class=\"name\")?>(?:[BT]?</td><td class=\"name\">)?path \d</td>(.*?)</tr>",
        page,
    )
    numbers = [re.findall(r'class="number">([\d.e-]+)</td>', rest) for _, rest in rows]
    qvalues = [float(found[0]) for found in numbers]
    assert [bool(grey) for grey, _ in rows] == [q >= 0.05 for q in qvalues]
    assert len(rows) == 12
    assert "the same. q: is" in page.replace("\n", "")


def test_the_methods_paragraph_holds_this_runs_numbers(finished):
    said = json.loads((finished[0] / "out" / "summary.json").read_text())["methods"]
    for words in (
        "18 edges",
        "2 classes",
        "120 samples from 12 features",
        "for seeds 0 to 1",
        "30 held-out samples",
        "logistic regression",
        "3 replicates",
        "doi:10.48550/arXiv.1805.12233",
        f"edge2torch {e2t.__version__}",
    ):
        assert words in said
    page = (finished[0] / "out" / "report.html").read_text(encoding="utf-8")
    assert said[:60] in page


def test_the_flow_leads_to_one_class_and_keeps_its_sum(finished):
    flow = pd.read_csv(finished[0] / "out" / "edge_attribution.csv")
    (name,) = flow["class"].unique()
    into = flow.set_index("target")["attribution"].groupby("target").sum()
    assert into[name] > 0
    assert into[{"B": "T", "T": "B"}[name]] == 0
    assert into.filter(like="path").sum() == pytest.approx(into[name], rel=0.2)


def test_links_in_the_report_lead_somewhere(finished):
    page = (finished[0] / "out" / "report.html").read_text(encoding="utf-8")
    wanted = set(re.findall(r'href="#([^"]+)"', page))
    assert wanted
    assert wanted <= set(re.findall(r'id="([^"]+)"', page))
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_replicates_and_controls_stand_in_the_report(finished):
    out = finished[0] / "out"
    page = (out / "report.html").read_text(encoding="utf-8")
    said = json.loads((out / "summary.json").read_text())["trust"]
    assert len(said) == 5
    assert all(sentence.split("(")[0][:40] in page for sentence in said)
    assert "rewired" in said[-1]
    table = pd.read_csv(out / "node_significance.csv")
    assert set(table["class"]) == {"all", "B", "T"}
    assert table["pvalue"].between(0, 1).all()
    assert len(pd.read_csv(out / "replicates.csv")) == 3


def test_saved_tables_fit_together(finished):
    folder, _ = finished
    out = folder / "out"
    weights = pd.read_csv(out / "edge_weights.csv")
    pd.testing.assert_frame_equal(weights[["source", "target"]], pd.read_csv(folder / "edges.csv"))
    predictions = pd.read_csv(out / "predictions.csv")
    assert predictions.groupby("seed").size().tolist() == [30, 30]
    scores = pd.read_csv(out / "scores.csv").query("model == 'KPNN'")
    right = predictions["actual"] == predictions["predicted"]
    assert np.allclose(right.groupby(predictions["seed"]).mean(), scores["accuracy"])


def test_the_saved_model_predicts_what_was_written(finished):
    folder, _ = finished
    out = folder / "out"

    def again(model):
        return e2t.customize_model(
            model, node_activation="tanh", node_normalization="batch", node_dropout=0.2
        )

    model, artifact = e2t.load_compiled(out / "model", customize=again)
    scaling = pd.read_csv(out / "scaling.csv", index_col="feature")
    cells = pd.read_csv(folder / "cells.csv", index_col=0)[scaling.index]
    scaled = ((cells - scaling["mean"]) / scaling["scale"]).clip(-10, 10)
    x = e2t.align_features_to_input_nodes(scaled, artifact)
    chance = model.eval()(x).softmax(dim=1)[:, 1].detach().numpy()
    written = pd.read_csv(out / "predictions.csv", index_col="sample").query("seed == 0")
    found = pd.Series(chance, index=cells.index)[written.index]
    assert np.allclose(found, written["probability T"], atol=1e-5)


@pytest.mark.usefixtures("no_figures")
def test_the_same_seed_gives_the_same_numbers(finished, tmp_path):
    folder, _ = finished
    for name in ("edges.csv", "cells.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    run(tmp_path, "--seeds", "2")
    for name in ("scores.csv", "node_attribution.csv", "edge_weights.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (folder / "out" / name).read_bytes()


@pytest.mark.usefixtures("no_figures")
def test_h5ad_with_a_head_on_top(files: Path, edges, cells):
    named = edges.replace({"B": "readout", "T": "second readout"})
    named.to_csv(files / "edges.csv", index=False)
    values = cells.filter(like="g").to_numpy(np.float32)
    data = anndata.AnnData(
        np.abs(values),
        obs=pd.DataFrame({"kind": cells["kind"].to_numpy()}, index=cells["cell"].to_numpy()),
        var=pd.DataFrame(
            {"symbol": [f"g{k}" for k in range(12)]}, index=[f"E{k}" for k in range(12)]
        ),
        layers={"real": values},
    )
    data.write_h5ad(files / "cells.h5ad")
    printed = run(files, "--layer", "real", "--feature-names", "symbol", data="cells.h5ad")
    assert "a linear layer was added from 2 output(s) to 2 classes" in printed
    nodes = pd.read_csv(files / "out" / "node_attribution.csv", index_col="node")
    assert "second readout" in nodes.index


def test_regression_of_a_number(files: Path, edges):
    single = edges[edges["target"] != "T"].replace({"B": "response"})
    single.to_csv(files / "edges.csv", index=False)
    printed = run(files, "--epochs", "80", label="dose")
    assert "Regression: 'dose' holds numbers." in printed
    assert "±" not in printed.partition("Top nodes")[2]  # of one seed nothing scatters
    assert "The output 'response' is the prediction of 'dose'." in printed
    summary = json.loads((files / "out" / "summary.json").read_text())
    assert summary["scores"][0]["r2_mean"] > 0.4
    top = pd.read_csv(files / "out" / "top_nodes.csv")
    assert top.loc[0, "node"] == "signal"
    assert top.loc[0, "direction"] == "for"
    assert not (files / "out" / "heatmap.png").exists()


@pytest.mark.usefixtures("no_figures")
def test_what_the_data_lack_is_left_out_and_told(files: Path, cells):
    cells.drop(columns=["g8", "g9", "g10", "g11"]).to_csv(files / "cells.csv", index=False)
    printed = run(files)
    assert "4 of 12 inputs of the graph are not in the data" in printed
    assert "1 inner node(s) that nothing feeds any more" in printed
    weights = pd.read_csv(files / "out" / "edge_weights.csv")
    assert "noise" not in set(weights["source"]) | set(weights["target"])


@pytest.mark.usefixtures("no_figures")
def test_missing_values_are_filled_when_asked_for(files: Path, cells):
    cells.loc[::3, "g0"] = np.nan
    cells.to_csv(files / "cells.csv", index=False)
    printed = run(files, "--impute")
    assert "Missing values" in printed
    assert "median among the training samples" in printed
    told = "2.8 % of the values that the network uses were missing; the feature's median"
    page = (files / "out" / "report.html").read_text().replace("&#39;", "'")
    assert page.count(told) == 2  # what was done, read with care
    assert page.count("Missing values (2.8 % of all) were replaced by the feature's median") == 1


@pytest.mark.usefixtures("no_figures")
def test_names_stand_beside_identifiers(files: Path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["edge2torch", "run", "--resume", "--out", "a folder"])
    (files / "names.tsv").write_text("node\tname\nsignal\tT cell, its receptor\ng0\tCD3E\n")
    printed = run(files, "--names", str(files / "names.tsv"), "--resume")
    summary = json.loads((files / "out" / "summary.json").read_text())
    assert summary["command"] == "edge2torch run --out 'a folder'"  # from the start, next time
    assert "Names of 2 of 17 nodes from names.tsv." in printed
    assert "+ T cell, its receptor (signal)" in printed
    page = (files / "out" / "report.html").read_text()
    assert (
        page.count('<td class="name">T cell, its receptor (signal)</td>') == 4
    )  # both classes, two tables
    assert "CD3E (g0)" in page
    for name in ("top_nodes", "node_attribution", "node_significance"):
        table = pd.read_csv(files / "out" / f"{name}.csv")
        found = dict(zip(table["node"], table["label"], strict=True))
        assert found["signal"] == "T cell, its receptor (signal)"
        assert found["noise"] == "noise"


def test_edges_straight_to_the_classes(files: Path):
    pairs = [(f"g{k}", cell) for k in range(4) for cell in ("B", "T")]
    pd.DataFrame(pairs, columns=["source", "target"]).to_csv(files / "edges.csv", index=False)
    printed = run(files)
    assert "The edges cannot be shuffled" in printed
    assert len(pd.read_csv(files / "out" / "node_attribution.csv")) == 0
    assert (files / "out" / "report.html").exists()


@pytest.mark.usefixtures("no_figures")
def test_parquet_and_quiet(files: Path, edges, cells, capsys):
    edges.to_parquet(files / "edges.parquet")
    cells.set_index("cell").reset_index().to_parquet(files / "cells.parquet")
    paths = ["--edges", str(files / "edges.parquet"), "--data", str(files / "cells.parquet")]
    out = ["--label", "kind", "--out", str(files / "out"), "--quiet"]
    with pytest.raises(SystemExit) as end:
        main(["run", *paths, *out, *QUICK])
    assert end.value.code == 0
    assert capsys.readouterr().out == ""
