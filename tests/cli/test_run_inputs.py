"""``edge2torch run`` on files and labels of every kind."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from edge2torch.cli import main
from tests.cli.running import QUICK, run


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
@pytest.mark.parametrize("column", ["sign", "mor"])
def test_signs_that_are_not_used_are_told(files: Path, edges, column):
    signs = [(-1) ** k for k in range(len(edges))]
    edges.assign(**{column: signs}).to_csv(files / "edges.csv", index=False)
    printed = run(files)
    told = {
        "sign": "column 'sign' is not used",
        "mor": "column 'mor' looks like signs that are not",
    }
    assert told[column] in printed
    assert "--hold-signs" in printed or "--sign" in printed


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
    # in the table of tests, and for both classes
    assert page.count('<td class="name">T cell, its receptor (signal)</td>') == 3
    assert "CD3E (g0)" in page
    for name in ("top_nodes", "node_attribution", "found_nodes"):
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
