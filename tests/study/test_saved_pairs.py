"""Networks of pairs, opened again: what they predict, what that rests on, pictures and files of them."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch._core.console import Console
from edge2torch.cli import main
from edge2torch.simulate import layered_graph
from edge2torch.study import StudySettings, load_pairs, load_study, read_graph
from edge2torch.study._ask import scored
from edge2torch.study._judge_pairs import JOINED
from edge2torch.study._run_pairs import run_pairs
from tests.exchange.files import Cx2


@pytest.fixture(scope="module", name="files")
def _files(tmp_path_factory):
    """A run of two networks: every drug acts by one pathway, and cells are of two tissues."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    edges = layered_graph([10, 4, 1], [12, 4], seed=0)
    genes = sorted(set(edges["source"]) - set(edges["target"]))
    cells = pd.DataFrame(3 + 2 * rng.normal(size=(30, 10)), [f"c{k}" for k in range(30)], genes)
    bits = 5.0 * (np.arange(6)[:, None] % 3 == np.arange(3)) + 0.1 * rng.normal(size=(6, 3))
    drugs = pd.DataFrame(bits, [f"d{k}" for k in range(6)], ["bit0", "bit1", "bit2"])
    activity = [
        cells[edges.loc[edges["target"] == f"L1_{k}", "source"]].sum(axis=1) for k in range(3)
    ]
    rows = [
        (cell, drug, 20 * k + 4 * activity[k % 3][cell])
        for cell in cells.index
        for k, drug in enumerate(drugs.index)
    ]
    response = pd.DataFrame(rows, columns=["cell", "drug", "auc"])
    for name, table in {"edges": edges, "response": response}.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    tissue = ["lung", "skin"] * 15
    cells.assign(tissue=tissue).to_csv(folder / "cells.csv", index_label="cell")
    drugs.to_csv(folder / "drugs.csv", index_label="drug")
    run_pairs(
        folder / "edges.csv", folder / "cells.csv", folder / "response.csv", folder / "drugs.csv",
        label="auc", entities=("cell", "drug"), hold_out="cell", out=folder / "out",
        settings=StudySettings(seeds=1, replicates=2, units=2, max_epochs=60),
        console=Console(quiet=True),
    )  # fmt: skip
    return folder


def tables(files):
    cells = pd.read_csv(files / "cells.csv", index_col="cell")
    return cells.drop(columns="tissue"), pd.read_csv(files / "drugs.csv", index_col="drug")


def command(capsys, *parts):
    """Return code and what was said of a command, stdout and stderr."""
    with pytest.raises(SystemExit) as end:
        main([str(part) for part in parts])
    said = capsys.readouterr()
    return end.value.code, " ".join((said.out + said.err).split())


def interpreted(capsys, files, out, *more, folder="out"):
    data, other = files / "cells.csv", files / "drugs.csv"
    place = folder if folder == "." else files / folder
    code, said = command(
        capsys, "interpret", place, "--data", data, "--other", other, "--out", out, *more
    )
    assert code == 0, said
    return said


# ------------------------------------------------------------------------------- an oracle


class ByHand:
    """One network in NumPy and float64, node by node, from its weights alone."""

    def __init__(self, folder, scaling):
        model, self.artifact = e2t.load_compiled(folder)
        self.state = {name: v.double().numpy() for name, v in model.state_dict().items()}
        self.weights, self.biases = {}, e2t.node_biases(model, level="units").to_dict()
        for one in e2t.edge_weights(model, level="units").itertuples():
            own = self.weights.setdefault((one.target, one.target_unit), [])
            own.append((one.source, one.source_unit, one.weight))
        self.scaling = scaling
        (norm,) = (
            name.removesuffix(".running_mean")
            for name in self.state
            if name.startswith("graph") and name.endswith(".running_mean")
        )
        self.norm = norm

    def hidden(self, x):
        """Return units of the pathways after tanh and normalisation, by node and unit."""
        found = {}
        for node in self.artifact.node_names_by_layer["layer_1"]:
            columns = range(*self.artifact.unit_slices[node].indices(10**6))
            for unit, column in enumerate(columns):
                value = np.tanh(self._sum(node, unit, x))
                mean, var, weight, bias = (
                    self.state[f"{self.norm}.{part}"][column]
                    for part in ("running_mean", "running_var", "weight", "bias")
                )
                found[node, unit] = (value - mean) / np.sqrt(var + 1e-5) * weight + bias
        return found

    def _sum(self, node, unit, values):
        own = self.weights[node, unit]
        return self.biases[node, unit] + sum(w * values[name, u] for name, u, w in own)

    def after(self, hidden, z):
        """Return the response, from units of the pathways and the drug's features."""
        (root,) = self.artifact.output_names
        units = np.array([self._sum(root, unit, hidden) for unit in range(24)])
        u = self._norm("root.1", np.tanh(units))
        for k in (0, 3, 6):
            z = self._norm(f"other.{k + 2}", np.tanh(self._linear(f"other.{k}", z)))
        both = self._norm("join.2", np.tanh(self._linear("join.0", np.concatenate([u, z]))))
        y = self._linear("join.5", np.tanh(self._linear("join.3", both)))
        return y[0] * self.scaling["scale"] + self.scaling["mean"]

    def _linear(self, name, x):
        return self.state[f"{name}.weight"] @ x + self.state[f"{name}.bias"]

    def _norm(self, name, x):
        mean, var = (self.state[f"{name}.running_{part}"] for part in ("mean", "var"))
        scaled = (x - mean) / np.sqrt(var + 1e-5)
        return scaled * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]

    def shares(self, x, z, steps=20, h=1e-4):
        """Return the shares of genes and of pathways in f(x) - f(0), by differences along the path."""
        points, weights = np.polynomial.legendre.leggauss(steps)
        genes, nodes = dict.fromkeys(x, 0.0), {}
        inputs = {(name, 0): value for name, value in x.items()}
        for a, w in zip((points + 1) / 2, weights / 2, strict=True):
            low, at, high = (
                self.hidden({k: b * v for k, v in inputs.items()}) for b in (a - h, a, a + h)
            )
            slope = {}
            for one in at:
                up, down = ({**at, one: at[one] + sign * h} for sign in (1, -1))
                slope[one] = (self.after(up, z) - self.after(down, z)) / (2 * h)
                moved = (high[one] - low[one]) / (2 * h)
                nodes[one[0]] = nodes.get(one[0], 0.0) + w * slope[one] * moved
            for name, value in x.items():
                own = {k: a * v for k, v in inputs.items()}
                up, down = (
                    self.hidden({**own, (name, 0): own[name, 0] + sign * h}) for sign in (1, -1)
                )
                by_unit = (slope[one] * (up[one] - down[one]) / (2 * h) for one in at)
                genes[name] += w * value * sum(by_unit)
        return genes, nodes


def by_hand(files):
    """Return the networks by hand, and functions that scale cells and drugs."""
    out = files / "out"
    scaling = pd.read_csv(out / "response_scaling.csv", index_col=0).loc["response"]
    own = [ByHand(out / name, scaling) for name in ("model", "model_2")]

    def scaled(name):
        known = pd.read_csv(out / f"{name}.csv", index_col=0)
        return lambda row: ((row[known.index] - known["mean"]) / known["scale"]).clip(-10, 10)

    return own, scaled("scaling"), scaled("drug_scaling")


# ------------------------------------------------------------------------------ predictions


def test_pairs_are_predicted_as_the_run_did_and_by_hand(files):
    cells, drugs = tables(files)
    networks = load_pairs(files / "out")
    assert (networks.entities, networks.label, networks.learned) == (("cell", "drug"), "auc", True)
    assert len(networks.networks) == 2
    found = networks.predict(cells, drugs)
    assert found.shape == (30, 6)
    assert (found.index.name, found.columns.name) == ("cell", "drug")
    written = pd.read_csv(files / "out" / "predictions.csv")
    wanted = [found.at[cell, drug] for cell, drug in zip(written["cell"], written["drug"])]  # noqa: B905
    np.testing.assert_allclose(wanted, written[JOINED], rtol=1e-5)
    own, of_cells, of_drugs = by_hand(files)
    for cell, drug in (("c0", "d0"), ("c7", "d5")):
        x = {(name, 0): v for name, v in of_cells(cells.loc[cell]).items()}
        z = of_drugs(drugs.loc[drug]).to_numpy()
        each = [one.after(one.hidden(x), z) for one in own]
        assert found.at[cell, drug] == pytest.approx(np.mean(each), rel=1e-5)
    of_cells, of_drugs = networks.scalers
    given = [one.given(of_drugs(drugs).loc["d5"]) for one in networks.networks]
    x = e2t.align_features_to_input_nodes(of_cells(cells), networks.artifact)
    mean = sum(one(x)[:, 0] for one in given).detach().numpy() / 2
    np.testing.assert_allclose(mean, found["d5"], rtol=1e-5)
    few = networks.predict(
        files / "cells.csv", files / "drugs.csv", written[["cell", "drug", "value"]]
    )
    assert list(few) == ["cell", "drug", "predicted"]
    np.testing.assert_allclose(few["predicted"], written[JOINED], rtol=1e-5)
    alone = load_pairs(files / "out" / "model_2").predict(cells, drugs)
    mean = (load_pairs(files / "out" / "model").predict(cells, drugs) + alone) / 2
    pd.testing.assert_frame_equal(mean, found, rtol=1e-5)
    assert not np.allclose(alone, found, rtol=1e-3)


def test_new_pairs_on_another_scale_are_warned_of_and_others_are_not(files, tmp_path, capsys):
    cells, drugs = tables(files)
    networks = load_pairs(files / "out")
    with pytest.warns(e2t.Edge2TorchWarning, match="data: .* 300 lie over ten .* another scale"):
        networks.predict(cells * 1000, drugs)
    with pytest.warns(e2t.Edge2TorchWarning, match="other: 6 values of 18 .* 'bit1'. Are they"):
        networks.predict(cells, drugs.assign(bit1=drugs["bit1"] + 1e4))
    with pytest.warns(e2t.Edge2TorchWarning, match="data: .* 300 lie over ten .* another scale"):
        networks.score(cells * 1000, drugs)
    said = interpreted(capsys, files, tmp_path, "--targets", "nodes")
    assert "another scale" not in said
    (drugs * 1000).to_csv(tmp_path / "far.csv")
    said = interpreted(
        capsys, files, tmp_path, "--targets", "nodes", "--other", tmp_path / "far.csv"
    )
    assert "WARNING: other: 15 values of 18" in said
    assert "another scale" in said


def test_a_pair_that_is_asked_about_twice_is_answered_twice(files):
    cells, drugs = tables(files)
    networks = load_pairs(files / "out")
    asked = pd.DataFrame({"drug": ["d5", "d0", "d5 ", "d5"], "cell": ["c7", "c3", "c7", "c1"]})
    found = networks.predict(cells, drugs, pairs=asked)
    assert found["drug"].tolist() == ["d5", "d0", "d5", "d5"]
    assert found["cell"].tolist() == ["c7", "c3", "c7", "c1"]
    every = networks.predict(cells, drugs)
    wanted = [every.at[cell, drug.strip()] for drug, cell in asked.itertuples(index=False)]
    np.testing.assert_allclose(found["predicted"], wanted, rtol=1e-5)
    few, again = (
        networks.score(cells, drugs, "features", pairs=one)
        for one in (asked.iloc[[0, 1, 3]], asked)
    )
    pd.testing.assert_frame_equal(few, again)  # a cell counts once in the mean over cells
    nameless = pd.DataFrame({"cell": ["nan", None], "drug": "d0"})
    with pytest.raises(e2t.Edge2TorchError, match=r"pairs: 1 row\(s\) have no cell or no drug"):
        networks.predict(cells.rename(index={"c0": "nan"}), drugs, pairs=nameless)


def test_a_missing_value_is_refused_alike_wherever_it_is_met(files, tmp_path, capsys):
    cells, drugs = tables(files)
    cells.loc["c4", "L0_3"] = np.nan
    cells.to_csv(tmp_path / "cells.csv")
    said = (
        "data: 1 cell(s) have features that are missing or no numbers: 'c4', in column(s) 'L0_3'. Fill "
        "them, or drop these rows or columns."
    )
    networks = load_pairs(files / "out")
    for ask in (networks.predict, networks.score):
        with pytest.raises(e2t.Edge2TorchError) as error:
            ask(cells, drugs)
        assert str(error.value) == said
    given = (
        "--data",
        tmp_path / "cells.csv",
        "--other",
        files / "drugs.csv",
        "--out",
        tmp_path / "s",
    )
    run = (
        "run",
        "--edges",
        files / "edges.csv",
        "--pairs",
        files / "response.csv",
        "--label",
        "auc",
    )
    for line in (("interpret", files / "out"), run):
        code, found = command(capsys, *line, *given)
        assert code == 1
        assert f"--{said}" in found
        assert not (tmp_path / "s" / "nodes.csv").exists()


# ------------------------------------------------------------------------------- attributions


def test_scores_are_shares_of_the_mean_of_the_networks(files, tmp_path, capsys):
    """In the response's own units, of cells against the average training cell, for a drug that stays."""
    cells, drugs = tables(files)
    pairs = pd.DataFrame({"cell": ["c0", "c7", "c7"], "drug": ["d0", "d5", "d0"], "auc": 0.0})
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    said = interpreted(
        capsys, files, tmp_path, "--pairs", tmp_path / "pairs.csv", "--label", "tissue"
    )
    assert "3 pairs, 2 networks, 1 output: 'auc'." in said
    genes, nodes, edges = (
        pd.read_csv(tmp_path / f"{name}.csv") for name in ("features", "nodes", "edges")
    )
    columns = ["drug", "group", "node", "attribution", "magnitude", "sd", "agreement"]
    assert list(nodes) == columns
    asked = [("c0", "d0", "lung"), ("c7", "d5", "skin"), ("c7", "d0", "skin")]
    assert set(zip(nodes["drug"], nodes["group"], strict=True)) == {one[1:] for one in asked}
    average = pd.read_csv(files / "out" / "scaling.csv", index_col=0)["mean"].to_frame("average").T
    predicted = load_pairs(files / "out").predict(pd.concat([cells, average]), drugs)
    own, of_cells, of_drugs = by_hand(files)
    (root,) = own[0].artifact.output_names
    own_words = pd.read_csv(tmp_path / "predicted.csv")
    assert list(own_words) == ["cell", "drug", "predicted"]
    wanted = [predicted.at[cell, drug] for cell, drug, _ in asked]
    np.testing.assert_allclose(own_words["predicted"], wanted, rtol=1e-5)
    for cell, drug, group in asked:
        x, z = of_cells(cells.loc[cell]).to_dict(), of_drugs(drugs.loc[drug]).to_numpy()
        by_network = [one.shares(x, z) for one in own]
        wanted = [pd.DataFrame([one[k] for one in by_network]) for k in range(2)]
        moved = predicted.at[cell, drug] - predicted.at["average", drug]
        tolerance = 0.01 * predicted[drug].std()
        for table, column, each in ((genes, "feature", wanted[0]), (nodes, "node", wanted[1])):
            rows = table[(table["drug"] == drug) & (table["group"] == group)].set_index(column)
            inner = rows.drop(index=root, errors="ignore").loc[list(each)]
            np.testing.assert_allclose(inner["attribution"], each.mean(), atol=tolerance)
            np.testing.assert_allclose(inner["sd"], each.std(), atol=tolerance)
            np.testing.assert_allclose(inner["magnitude"], inner["attribution"].abs(), rtol=1e-6)
            assert inner["attribution"].sum() == pytest.approx(moved, abs=tolerance)
            if column == "node":  # every path goes through the root
                assert rows.loc[root, "attribution"] == pytest.approx(moved, abs=tolerance)
        rows = edges[(edges["drug"] == drug) & (edges["group"] == group)]
        last = rows[rows["target"] == root].set_index("source")["attribution"]
        np.testing.assert_allclose(last[list(wanted[1])], wanted[1].mean(), atol=tolerance)
        first = rows[rows["target"] != root].groupby("source")["attribution"].sum()
        np.testing.assert_allclose(first[list(wanted[0])], wanted[0].mean(), atol=tolerance)


def test_magnitudes_are_those_of_the_mean_network_and_groups_are_of_cells(files):
    cells, drugs = (table.iloc[:4] for table in tables(files))
    folder = files / "out"
    whole = load_pairs(folder).score(cells, drugs, "features")
    each = [
        load_pairs(folder / name).score(cells.loc[[cell]], drugs, "features").assign(cell=cell)
        for name in ("model", "model_2")
        for cell in cells.index
    ]
    by_cell = pd.concat(each).groupby(["cell", "drug", "feature"])["attribution"].mean()
    wanted = by_cell.abs().groupby(["drug", "feature"]).mean()
    found = whole.set_index(["drug", "feature"])["magnitude"]
    pd.testing.assert_series_equal(
        found.sort_index(), wanted.sort_index(), check_names=False, rtol=1e-4, check_dtype=False
    )
    signs = pd.concat(
        load_pairs(folder / name).score(cells, drugs, "features").set_index(["drug", "feature"])
        for name in ("model", "model_2")
    )["attribution"]
    agree = np.sign(signs).groupby(level=[0, 1]).mean().abs() / 2 + 0.5
    found = whole.set_index(["drug", "feature"])["agreement"]
    assert (found.sort_index() == agree.sort_index()).all()
    assert set(agree) == {0.5, 1.0}
    tissues = pd.read_csv(files / "cells.csv", index_col="cell").iloc[:4]
    halves = load_pairs(folder).score(tissues, drugs, groups="tissue")
    assert set(halves["group"]) == {"lung", "skin"}
    mean = halves.groupby(["drug", "node"])["attribution"].mean()
    all_cells = load_pairs(folder).score(cells, drugs).set_index(["drug", "node"])["attribution"]
    np.testing.assert_allclose(mean[all_cells.index], all_cells, atol=1e-5)


def test_the_run_has_scored_its_nodes_alike(files, tmp_path, capsys):
    held_out = files / "out" / "predictions.csv"
    interpreted(capsys, files, tmp_path, "--targets", "nodes", "--pairs", held_out)
    own = pd.read_csv(tmp_path / "nodes.csv").set_index(["drug", "node"])
    written = pd.read_csv(files / "out" / "node_attribution.csv").set_index(["drug", "node"])
    names = {"mean": "attribution", "mean_abs": "magnitude", "sd": "sd", "agreement": "agreement"}
    assert list(written) == list(names)
    for name, other in names.items():
        np.testing.assert_allclose(written[name], own.loc[written.index, other], rtol=1e-4)


def test_one_of_the_networks_is_said_to_be_one(files, tmp_path, capsys, monkeypatch):
    said = interpreted(capsys, files, tmp_path, "--targets", "nodes", folder="out/model_2")
    assert "'model_2' is one of 2 networks, whose mean predicts: give" in said
    assert "1 network" in said
    found = pd.read_csv(tmp_path / "nodes.csv")
    assert "sd" not in found
    monkeypatch.chdir(files / "out" / "model_2")  # "." has no name
    said = interpreted(capsys, files, tmp_path, "--targets", "nodes", folder=".")
    assert "'model_2' is one of 2 networks" in said
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "nodes.csv"), found)


def test_a_run_that_learned_nothing_says_so(files, tmp_path, capsys):
    folder = tmp_path / "none"
    shutil.copytree(files / "out", folder)
    (folder / "node_attribution.csv").unlink()
    recipe = json.loads((folder / "pairs.json").read_text())
    assert recipe["learned"]
    (folder / "pairs.json").write_text(json.dumps({**recipe, "learned": False}))
    said = interpreted(capsys, files, tmp_path, "--targets", "nodes", folder=folder)
    assert "found it not shown to be better than the mean of each drug" in said
    assert not load_pairs(folder).learned
    assert command(capsys, "export", folder, "--to", tmp_path / "net.cx2")[0] == 0
    assert not any("score" in one["v"] for one in Cx2(tmp_path / "net.cx2").nodes.values())


# ------------------------------------------------------------------------ pictures and files


def test_pictures_of_the_graph_with_scores_of_a_drug(files, tmp_path, capsys):
    interpreted(capsys, files, tmp_path)
    of_drug = ["--where", "drug=d3"]
    for out, more in {
        "plain.svg": [],
        "scores.svg": ["--scores", tmp_path / "nodes.csv", *of_drug],
        "run.svg": ["--scores", files / "out" / "node_attribution.csv", *of_drug],
        "flow.svg": ["--flow", tmp_path / "edges.csv", *of_drug],
        "page.html": ["--scores", tmp_path / "features.csv", *of_drug],
    }.items():
        code, said = command(capsys, "draw", files / "out", *more, "--out", tmp_path / out)
        assert code == 0, said
        assert out == "flow.svg" or "L1_0" in (tmp_path / out).read_text()
    code, said = command(
        capsys, "draw", files / "out", "--flow", tmp_path / "edges.csv", "--out", tmp_path / "x.svg"
    )
    assert code == 1
    assert "edges twice" in said
    assert "choose the rows of one" in said


def test_the_graph_of_several_networks_has_the_mean_size_of_their_weights(files):
    artifact, weights = read_graph(files / "out", "GRAPH")
    each = [e2t.edge_weights(e2t.load_compiled(files / "out" / n)[0]) for n in ("model", "model_2")]
    assert weights["weight"].isna().all()  # what positive is each network chooses
    np.testing.assert_allclose(weights["norm"], (each[0]["norm"] + each[1]["norm"]) / 2)
    _, one = read_graph(files / "out" / "model_2", "GRAPH")
    pd.testing.assert_frame_equal(one, each[1])
    assert len(weights) == artifact.graph.n_edges


@pytest.mark.parametrize("ending", ["cx2", "cyjs", "graphml", "sif", "hcx"])
def test_export_brings_the_scores_of_every_drug(files, tmp_path, capsys, ending):
    to = tmp_path / f"net.{ending}"
    code, said = command(capsys, "export", files / "out", "--to", to)
    assert code == 0, said
    assert to.exists()
    own = pd.read_csv(files / "out" / "node_attribution.csv")
    if ending == "cx2":
        nodes = {name: one["v"] for name, one in Cx2(to).nodes.items()}
        coloured = {name: v for name, v in nodes.items() if "score" in v}
        assert set(coloured) == set(own["node"])
        for row in own.itertuples():
            assert coloured[row.node][f"score_{row.drug}"] == pytest.approx(row.mean)
        mean = own.groupby("node")["mean_abs"].mean()
        assert {name: v["score"] for name, v in coloured.items()} == pytest.approx(mean.to_dict())
        assert all("norm" in one["v"] and "weight" not in one["v"] for one in Cx2(to).edges)
    elif ending == "sif":
        assert "score_d3" in (tmp_path / "net.nodes.tsv").read_text()
    else:
        assert "score_d3" in to.read_text()


# ------------------------------------------------------------------------------ what is refused


def test_what_is_missing_or_of_something_else_is_named(files, tmp_path, capsys):
    cells, drugs = files / "cells.csv", files / "drugs.csv"
    out = tmp_path / "more"

    def refused(*more, folder=files / "out"):
        code, said = command(
            capsys, "interpret", folder, "--data", cells, "--out", out, "--targets", "nodes", *more
        )
        assert code == 1
        assert not out.exists()
        assert "customize" not in said
        return said

    said = refused()
    assert "--other is missing: the model is of pairs of a cell and a drug" in said
    few = pd.read_csv(drugs).drop(columns="bit1")
    few.to_csv(tmp_path / "few.csv", index=False)
    said = refused("--other", tmp_path / "few.csv")
    assert "--other lacks 1 of 3 features of a drug that the networks take: 'bit1'" in said
    pd.DataFrame({"cell": ["c0"], "drug": ["aspirin"]}).to_csv(tmp_path / "p.csv", index=False)
    said = refused("--other", drugs, "--pairs", tmp_path / "p.csv")
    assert "--pairs names 1 of 1 drug(s) that --other has no features of: 'aspirin'" in said
    pd.DataFrame({"line": ["c0"], "drug": ["d0"]}).to_csv(tmp_path / "p.csv", index=False)
    said = refused("--other", drugs, "--pairs", tmp_path / "p.csv")
    assert "--pairs has no column 'cell'; it has 'line', 'drug'. The run called the" in said
    assert "partners 'cell', 'drug': name the columns so." in said
    pd.DataFrame({"cell": ["d0"], "drug": ["c0"]}).to_csv(tmp_path / "p.csv", index=False)
    said = refused("--other", drugs, "--pairs", tmp_path / "p.csv")
    assert "'cell' has to name rows of --data, 'drug' those of --other." in said
    assert "entities" not in said
    pd.read_csv(drugs).assign(bit1="x").to_csv(tmp_path / "few.csv", index=False)
    said = refused("--other", tmp_path / "few.csv")
    assert "--other: 6 drug(s) have features that are missing or no numbers" in said
    assert "has no output 'd3'. It has 'auc'" in refused("--other", drugs, "--output", "d3")
    assert "'Foo' is not known" in refused("--other", drugs, "--method", "Foo")
    code, said = command(
        capsys, "export", files / "out", "--column", "score_x", "--to", tmp_path / "x.cx2"
    )
    assert code == 1
    assert "--column: the run has no score 'score_x'. It has 'score', 'score_d0'" in said
    graph, _ = e2t.compile_graph(pd.read_csv(files / "edges.csv"), quiet=True)
    e2t.save_compiled(tmp_path / "plain", graph)
    said = refused("--other", drugs, folder=tmp_path / "plain")
    assert "--other is for models of pairs" in said
    with pytest.raises(e2t.Edge2TorchError, match="not of a run over pairs"):
        load_pairs(tmp_path / "plain")
    with pytest.raises(e2t.Edge2TorchError, match="of a run over pairs: load_pairs reads that"):
        load_study(files / "out")
    for table in (None, 3):
        with pytest.raises(e2t.Edge2TorchError, match="other"):
            load_pairs(files / "out").predict(cells, table)
    with pytest.raises(e2t.Edge2TorchError, match="pairs must be a table"):
        load_pairs(files / "out").predict(cells, drugs, 3)


def test_older_and_damaged_folders(files, tmp_path, capsys):
    folder = tmp_path / "out"
    shutil.copytree(files / "out", folder)

    def said_of(place):
        code, said = command(capsys, "draw", place, "--out", tmp_path / "x.svg")
        assert code == 1
        return said

    recipe = json.loads((folder / "pairs.json").read_text())
    others, (gene, *more) = recipe["others"], recipe["features"]
    for change in (
        {"networks": ["../out/model"]},
        {"networks": ["model", "model"]},
        {"response": [1.0]},
        {"fill": "x"},
        {"mean": recipe["mean"][1:]},
        {"scale": [0.0] * len(recipe["scale"])},
        {"others": {**others, "features": others["features"][1:]}},
        {"answers": []},
        {"entities": ["cell", "cell"]},
    ):
        (folder / "pairs.json").write_text(json.dumps({**recipe, **change}))
        assert "pairs.json is damaged" in said_of(folder)
    for features in (["h", *more], [*more, gene]):
        (folder / "pairs.json").write_text(json.dumps({**recipe, "features": features}))
        assert "pairs.json scales other features than 'model' takes" in said_of(folder)
    (folder / "pairs.json").write_text(json.dumps(recipe))
    shutil.rmtree(folder / "model_2")
    assert "its network 'model_2' is not there" in said_of(folder)
    (folder / "pairs.json").unlink()
    for place in (folder, folder / "model"):
        assert "has no pairs.json, which says how data come to" in said_of(place)


def test_cells_without_a_group_are_predicted_and_in_no_score(files, tmp_path, capsys):
    cells, drugs = tables(files)
    tissue = pd.Series([None, "lung", "skin", None, "lung"], cells.index[:5], name="tissue")
    some = cells.iloc[:5].assign(tissue=tissue)
    some.to_csv(tmp_path / "some.csv")
    said = "2 of 5 cells have no value in 'tissue' and are left out of the scores, though not of predictions"
    networks = load_pairs(files / "out")
    known = networks.score(some.dropna(), drugs, "features", groups="tissue")
    for given, groups in ((some, "tissue"), (cells.iloc[:5], tissue)):
        with pytest.warns(e2t.Edge2TorchWarning, match=f"^{said}: 'c0', 'c3'"):
            found = networks.score(given, drugs, "features", groups=groups)
        pd.testing.assert_frame_equal(found, known)
    asked = ("--data", tmp_path / "some.csv", "--targets", "features", "--label", "tissue")
    assert said in interpreted(capsys, files, tmp_path, *asked)
    assert set(pd.read_csv(tmp_path / "features.csv")["group"]) == {"lung", "skin"}
    own = pd.read_csv(tmp_path / "predicted.csv").pivot(
        index="cell", columns="drug", values="predicted"
    )
    wanted = networks.predict(cells.iloc[:5], drugs)
    pd.testing.assert_frame_equal(own, wanted, rtol=1e-5)
    only = pd.DataFrame({"cell": ["c0"], "drug": ["d0"]})
    with (
        pytest.warns(e2t.Edge2TorchWarning, match="2 of 5 cells"),
        pytest.raises(
            e2t.Edge2TorchError, match="groups: none of the cells asked about has a value"
        ),
    ):
        networks.score(some, drugs, "features", pairs=only, groups="tissue")
    with pytest.raises(e2t.Edge2TorchError, match=r"^groups: .* has no column 'tisue'"):
        networks.score(some, drugs, "features", groups="tisue")


def test_what_has_learned_nothing_is_no_finding_wherever_it_is_asked(files, tmp_path, capsys):
    folder = tmp_path / "out"
    shutil.copytree(files / "out", folder)
    recipe = json.loads((folder / "pairs.json").read_text())
    (folder / "pairs.json").write_text(json.dumps({**recipe, "learned": False}))
    cells, drugs = tables(files)
    said = "saved this model found it not shown to be better than the mean of each drug: "
    with pytest.warns(e2t.Edge2TorchWarning, match=f"{said}these scores say .* Read none of them"):
        load_pairs(folder).score(cells, drugs, "features")
    load_pairs(folder).predict(cells, drugs)  # which is no finding; and warnings are errors here
    asked = ("--data", files / "cells.csv", "--other", files / "drugs.csv", "--targets", "features")
    code, found = command(capsys, "interpret", folder, *asked, "--out", tmp_path / "s")
    assert (code, found.count(said)) == (0, 1)
    for line in (("draw", "--out", tmp_path / "x.svg"), ("export", "--to", tmp_path / "x.cx2")):
        for place, times in ((folder, 1), (files / "out", 0)):
            code, found = command(capsys, line[0], place, *line[1:])
            assert (code, found.count(f"{said}its weights are no finding.")) == (0, times)


def test_a_study_in_the_place_of_a_run_over_pairs(files, tmp_path, capsys):
    """Nothing of the pairs' networks is left that would be taken for its own."""
    shutil.copytree(files / "out", tmp_path / "out")
    cells, _ = tables(files)
    cells.assign(y=cells.sum(axis=1)).to_csv(tmp_path / "cells.csv", index_label="cell")
    code, said = command(
        capsys, "run", "--edges", files / "edges.csv", "--data", tmp_path / "cells.csv", "--label", "y",
        "--out", tmp_path / "out", "--seeds", 1, "--replicates", 0, "--controls", 0, "--epochs", 2,
    )  # fmt: skip
    assert code == 0, said
    assert not list((tmp_path / "out").glob("model_*"))
    code, said = command(
        capsys, "interpret", tmp_path / "out", "--data", tmp_path / "cells.csv", "--targets", "nodes",
        "--out", tmp_path / "scores",
    )  # fmt: skip
    assert code == 0, said
    code, said = command(capsys, "export", tmp_path / "out", "--to", tmp_path / "x.cx2")
    assert code == 0, said
    assert not any(name.startswith("score_d") for name in Cx2(tmp_path / "x.cx2").declared["nodes"])


def test_a_joined_model_of_ones_own_takes_features_as_they_are(files, tmp_path, capsys):
    cells, drugs = tables(files)
    torch.manual_seed(0)
    graph, artifact = e2t.compile_graph(pd.read_csv(files / "edges.csv"), seed=0, quiet=True)
    graph = e2t.customize_model(graph, node_activation="tanh")
    joined = e2t.join_branches(graph, other=(4,), features=3).eval()
    e2t.save_compiled(tmp_path / "own", joined)
    interpreted(capsys, files, tmp_path, "--targets", "features", folder=tmp_path / "own")
    found = pd.read_csv(tmp_path / "features.csv").set_index(["drug", "feature"])["attribution"]
    given = joined.given(drugs.loc["d2"])
    x = e2t.align_features_to_input_nodes(cells, artifact)
    with torch.no_grad():
        moved = float((given(x) - given(torch.zeros_like(x[:1]))).mean())
        spread = float(given(x).std())
    assert found["d2"].sum() == pytest.approx(moved, abs=0.02 * spread)
    edges = scored([given], artifact, cells, target="edges")
    assert edges["attribution"].dtype == np.float32  # one network's scores are written as they are
