"""``edge2torch run`` from end to end on a small data set."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from tests.cli.running import run
from tests.exchange.files import Cx2

NAMES = {
    "scores.csv",
    "intervals.csv",
    "node_attribution.csv",
    "feature_attribution.csv",
    "top_nodes.csv",
    "edge_weights.csv",
    "predictions.csv",
    "scaling.csv",
    "confusion.csv",
    "summary.json",
    "network.svg",
    "network.cx2",
    "top_nodes.png",
    "heatmap.png",
    "found_nodes.csv",
    "flow.png",
    "edge_attribution.csv",
    "report.html",
    "model",
    "study",
}


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
    assert "20 networks will be trained: 2 seeds × 2 " in printed
    assert "then 4 in 4 folds to judge the nodes, 2 times as many with exchanged" in printed
    assert "The graph's outputs are the classes." in printed
    assert "shuffled" in printed


def test_the_report_stands_alone(finished):
    folder, _ = finished
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    images = re.findall(r'src="data:(image/[a-z+]+);base64,([^"]+)"', page)
    assert [kind for kind, _ in images] == ["image/png"] * 3
    # the file's picture, with fewer bytes
    files = [folder / "out" / f"{name}.png" for name in ("heatmap", "top_nodes", "flow")]
    for path, (_, content) in zip(files, images, strict=True):
        small, whole = (
            matplotlib.image.imread(io.BytesIO(one))[..., :3]
            for one in (base64.b64decode(content), path.read_bytes())
        )
        assert np.abs(small - whole).max() <= 0.05
        assert len(content) < 0.8 * path.stat().st_size
    for verdict in json.loads((folder / "out" / "summary.json").read_text())["verdicts"]:
        assert verdict["text"].split("(")[0].strip()[:40] in page


def test_the_network_of_the_report_can_be_asked_and_nothing_else_runs(finished):
    out = finished[0] / "out"
    page = (out / "report.html").read_text(encoding="utf-8")
    scripts = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    (policy,) = re.findall('http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert f"script-src 'sha256-{digest}'" in html.unescape(policy)
    (text,) = re.findall('<script type="application/json">(.*?)</script>', page, re.DOTALL)
    data = json.loads(text)
    assert data["classes"] == ["B", "T"]
    found = pd.read_csv(out / "found_nodes.csv").set_index("node")
    scores = pd.read_csv(out / "node_attribution.csv").set_index("node")
    at = {name: k for k, name in enumerate(data["name"])}
    for name in found.index:
        k = at[name]
        assert data["tests"][0][k] == pytest.approx(found.loc[name, "q_use"], rel=0.01)
        assert data["tests"][2][k] is bool(found.loc[name, "found"])
        assert data["score"][1][k] == pytest.approx(scores.loc[name, "T"], rel=0.01)
        assert data["sd"][1][k] == pytest.approx(scores.loc[name, "T sd"], rel=0.01)
    ranks = scores["T"].abs().rank(ascending=False)
    assert [data["rank"][1][at[name]] for name in ranks.index] == ranks.astype(int).tolist()


def test_the_page_says_first_what_was_found(finished):
    out = finished[0] / "out"
    table = pd.read_csv(out / "found_nodes.csv")
    found = table[(table["q_use"] < 0.05) & (table["q_specific"] < 0.05)]
    assert table["found"].sum() == len(found)
    page = (out / "report.html").read_text(encoding="utf-8")
    short = page[page.index('id="short"') : page.index('id="done"')]
    said = re.findall("<li[^>]*>(.*?)</li>", short, flags=re.DOTALL)
    first = next(text for text in said if "still falling" not in text)
    assert first.startswith(f"Found: {len(found) or 'none'} of 3 nodes (with rewired edges: 0)")
    assert page.index('id="trust"') < page.index('id="accuracy"') < page.index('id="nodes"')


def test_rows_that_were_not_found_are_grey(finished):
    out = finished[0] / "out"
    found = set(pd.read_csv(out / "found_nodes.csv").query("found")["node"])
    page = (out / "report.html").read_text(encoding="utf-8")
    page = page[page.index('id="nodes"') :]
    rows = re.findall(r"<tr( class=\"untold\")?><td class=\"name\">(path \d)</td>", page)
    assert [bool(grey) for grey, _ in rows] == [name not in found for _, name in rows]
    assert len(rows) == 6


def test_the_network_for_other_programs_has_what_the_tables_have(finished):
    out = finished[0] / "out"
    file = Cx2(out / "network.cx2")
    found = pd.read_csv(out / "found_nodes.csv").set_index("node")
    scores = pd.read_csv(out / "node_attribution.csv").set_index("node")
    assert len(file.nodes) == 17
    assert len(file.edges) == 18
    for name in found.index:
        own = file.nodes[name]["v"]
        assert own["found"] is bool(found.loc[name, "found"])
        largest = found.loc[name, ["q_use", "q_specific"]].max()
        assert own["qvalue"] == pytest.approx(largest, rel=1e-5)
        assert own["score_T"] == pytest.approx(scores.loc[name, "T"], rel=1e-5)
        assert own["sd_T"] == pytest.approx(scores.loc[name, "T sd"], rel=1e-5)
        assert 0 <= own["agreement_T"] <= 1
        assert own["score"] == pytest.approx(scores.loc[name, ["B", "T"]].abs().mean(), rel=1e-5)
    assert "qvalue" not in file.nodes["g0"]["v"]
    assert "network.cx2" in (out / "report.html").read_text(encoding="utf-8")
    assert "and network.cx2 in Cytoscape." in finished[1]


def test_the_methods_paragraph_holds_this_runs_numbers(finished):
    said = json.loads((finished[0] / "out" / "summary.json").read_text())["methods"]
    for words in (
        "18 edges",
        "2 classes",
        "120 samples from 12 features",
        "for seeds 0 to 1",
        "30 held-out samples",
        "logistic regression",
        "4 folds, 1 network each",
        "2 permutations of the features",
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


def test_the_tests_of_nodes_stand_in_the_report(finished):
    out = finished[0] / "out"
    page = (out / "report.html").read_text(encoding="utf-8")
    said = json.loads((out / "summary.json").read_text())["trust"]
    assert len(said) == 5
    assert all(sentence.split("(")[0][:40] in page for sentence in said)
    assert "rewired" in said[-1]
    table = pd.read_csv(out / "found_nodes.csv")
    assert table["p_use"].between(0, 1).all()
    assert table["p_specific"].between(0, 1).all()
    assert {"gain B", "q_use T", "explained_by", "q_set"} <= set(table)
    assert table.loc[table["gain"].idxmax(), "node"] == "path 0"


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
