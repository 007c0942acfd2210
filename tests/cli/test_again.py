"""``interpret``, ``draw`` and ``info``: a trained model asked again, pictures, what is installed."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.cli import main
from edge2torch.study import read_rows
from edge2torch.study._saved import read_saved
from tests.exchange.files import Cx2

QUICK = ["--seeds", "1", "--epochs", "3", "--replicates", "0", "--controls", "0", "--quiet"]


def call(capsys, *arguments):
    """Return code, stdout and stderr of a command."""
    code = 0
    try:
        main([str(part) for part in arguments])
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(scope="module", name="ran")
def _ran(tmp_path_factory):
    """A run whose classes are no nodes, so that a linear layer is on top, and whose data are counts."""
    folder = tmp_path_factory.mktemp("again")
    rng = np.random.default_rng(0)
    pairs = [(f"g{k}", f"path {k // 4}") for k in range(12)]
    edges = pd.DataFrame(pairs, columns=["source", "target"])
    edges.to_csv(folder / "edges.csv", index=False)
    counts = rng.poisson(5, (60, 12))
    counts[1::2, :4] += 12
    cells = pd.DataFrame(counts, columns=[f"g{k}" for k in range(12)])
    cells.insert(0, "cell", [f"cell_{k}" for k in range(60)])
    cells["kind"] = ["B", "T"] * 30
    cells.to_csv(folder / "cells.csv", index=False)
    asked = {"edges": "edges.csv", "data": "cells.csv", "out": "out"}
    options = [part for name, file in asked.items() for part in (f"--{name}", str(folder / file))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge2torch.study._write.draw_figures", no_figures)
        with pytest.raises(SystemExit) as end:
            main(["run", *options, "--label", "kind", "--normalize", "counts", *QUICK])
    assert end.value.code == 0
    return folder


def no_figures(_results, folder):
    (folder / "network.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    return {"network": folder / "network.svg"}


@pytest.fixture(scope="module", name="scores")
def _scores(ran):
    with pytest.raises(SystemExit) as end:
        main(["interpret", str(ran / "out"), "--data", str(ran / "cells.csv"), "--label", "kind",
              "--out", str(ran / "scores"), "--quiet"])  # fmt: skip
    assert end.value.code == 0
    return ran / "scores"


def test_a_run_is_asked_again_and_treats_data_as_it_did(ran, scores):
    nodes, features, edges = (
        pd.read_csv(scores / f"{name}.csv") for name in ("nodes", "features", "edges")
    )
    assert list(nodes.columns) == ["output", "group", "node", "attribution", "magnitude"]
    assert set(nodes["output"]) == set(nodes["group"]) == {"B", "T"}
    assert len(features) == 2 * 2 * 12
    assert len(edges) == 2 * 2 * 12
    sums = features.groupby(["output", "group"])["attribution"].sum().unstack()
    contrast = sums.loc["T"] - sums.loc["B"]
    assert contrast["T"] > contrast["B"]


def test_the_loaded_model_predicts_what_the_run_wrote(ran):
    from edge2torch.study._data import read_dataset

    saved = read_saved(ran / "out", "MODEL")
    assert saved.recipe is not None
    assert saved.answers == ["B", "T"]
    data = read_dataset(
        ran / "cells.csv", None, saved.artifact.feature_names, normalize=saved.recipe.normalize
    )
    x = e2t.align_features_to_input_nodes(saved.recipe.scaler(data.table), saved.artifact)
    shares = saved.model(x).softmax(dim=1).detach().numpy()
    written = pd.read_csv(ran / "out" / "predictions.csv", index_col=0)
    rows = data.table.index.get_indexer(written.index)
    columns = [name for name in written.columns if name.endswith("T") or name == "T"]
    np.testing.assert_allclose(shares[rows, 1], written[columns[-1]], atol=1e-5)


def test_a_plain_saved_model(tmp_path, edges, cells, capsys):
    model, artifact = e2t.compile_graph(edges, quiet=True)
    e2t.save_compiled(tmp_path / "model", model, artifact)
    cells.to_csv(tmp_path / "cells.csv", index=False)
    arguments = ["interpret", tmp_path / "model", "--data", tmp_path / "cells.csv"]
    arguments += ["--out", tmp_path / "scores", "--targets", "nodes", "--output", "T"]
    code, out, _ = call(capsys, *arguments, "--method", "LayerActivation")
    assert code == 0
    assert "Written" in out
    found = pd.read_csv(tmp_path / "scores" / "nodes.csv").set_index("node")
    expected = e2t.interpret_model(
        model, artifact, cells, "nodes", "LayerActivation", output="T", level="summary", quiet=True
    )
    for node in expected:
        assert found.loc[node, "attribution"] == pytest.approx(expected[node].mean(), rel=1e-4)
    assert not (tmp_path / "scores" / "features.csv").exists()


@pytest.mark.parametrize(("width", "called"), [(1, ["0"]), (2, ["0", "1"]), (5, list("01234"))])
def test_outputs_of_a_head_are_called_by_numbers(tmp_path, edges, cells, capsys, width, called):
    """The graph's outputs, of which there are two, say nothing of those of a head."""
    model, artifact = e2t.compile_graph(edges, quiet=True)
    assert len(artifact.output_names) == 2
    model = e2t.customize_model(model, head=nn.Linear(2, width))
    e2t.save_compiled(tmp_path / "model", model, artifact)
    cells.to_csv(tmp_path / "cells.csv", index=False)
    asked = ["interpret", tmp_path / "model", "--data", tmp_path / "cells.csv", "--out"]
    code, _, _ = call(capsys, *asked, tmp_path / "s", "--targets", "features")
    assert code == 0
    found = pd.read_csv(tmp_path / "s" / "features.csv", dtype={"output": str})
    assert sorted(set(found["output"])) == called
    x = e2t.align_features_to_input_nodes(cells[artifact.feature_names], artifact)
    for k, rows in found.set_index("feature").groupby("output"):
        x.requires_grad_()  # the network is linear: gradient times input is what each feature adds
        (slope,) = torch.autograd.grad(model(x)[:, int(k)].sum(), x)
        by_hand = (slope * x).mean(0).detach().numpy()
        assert rows.loc[artifact.feature_names, "attribution"].to_numpy() == pytest.approx(
            by_hand, rel=1e-3, abs=1e-5
        )
    code, _, error = call(capsys, *asked, tmp_path / "t", "--output", artifact.output_names[0])
    assert code == 1
    assert "What follows the graph's outputs takes their names away" in error


def test_a_head_on_a_single_node_leaves_its_name(tmp_path):
    edges = pd.DataFrame({"source": ["a", "h"], "target": ["h", "y"]})
    model, artifact = e2t.compile_graph(edges, quiet=True)
    e2t.save_compiled(tmp_path, e2t.customize_model(model, head=nn.Linear(1, 1)), artifact)
    assert read_saved(tmp_path, "MODEL").answers == ["y"]


def test_nothing_is_advised_that_interpret_does_not_take(tmp_path, edges, cells, capsys):
    model, artifact = e2t.compile_graph(edges, quiet=True)
    e2t.save_compiled(tmp_path / "model", model, artifact)
    cells.assign(weight_kg=70.0, other=1.5).to_csv(tmp_path / "cells.csv", index=False)
    out = call(
        capsys, "interpret", tmp_path / "model", "--data", tmp_path / "cells.csv", "--out",
        tmp_path, "--targets", "features", "--output", "T",
    )[1]  # fmt: skip
    assert "Written" in out
    assert "all_features" not in out
    assert "--all-features" not in out
    assert "baseline" not in out


class Mine(nn.Tanh):
    """A class that is not stored."""


def test_classes_of_ones_own_are_refused(tmp_path, edges, cells, capsys):
    model, artifact = e2t.compile_graph(edges, quiet=True)
    wrapped = e2t.customize_model(model, node_activation=Mine())
    e2t.save_compiled(tmp_path / "model", wrapped, artifact)
    cells.to_csv(tmp_path / "cells.csv", index=False)
    code, _, error = call(
        capsys, "interpret", tmp_path / "model", "--data", tmp_path / "cells.csv", "--out", tmp_path
    )
    assert code == 1
    assert "not stored" in error
    assert "customize" not in error.replace("customized model", "")
    assert "In Python load_compiled opens it" in error


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--targets", "genes"], "choose among"),
        (["--method", "Saliency"], "belongs to one target"),
        (["--output", "C"], "has no output 'C'"),
        (["--label", "colour"], "has no column 'colour'"),
    ],
)
def test_wrong_questions(ran, tmp_path, capsys, changes, message):
    asked = ["interpret", ran / "out", "--data", ran / "cells.csv", "--out", tmp_path, *changes]
    code, _, error = call(capsys, *asked)
    assert code == 1
    assert message in error
    assert error.count("\n") == 1


def test_missing_inputs_and_folders(ran, tmp_path, capsys):
    pd.read_csv(ran / "cells.csv").drop(columns="g3").to_csv(tmp_path / "few.csv", index=False)
    code, _, error = call(
        capsys, "interpret", ran / "out", "--data", tmp_path / "few.csv", "--out", tmp_path / "o"
    )
    assert code == 1
    assert "lacks 1 of 12 inputs of the model: 'g3'" in error
    code, _, error = call(
        capsys, "interpret", tmp_path, "--data", tmp_path / "few.csv", "--out", tmp_path / "o"
    )
    assert "holds no saved model" in error
    damaged = tmp_path / "damaged"
    shutil.copytree(ran / "out" / "model", damaged)
    (damaged / "run.json").write_text("{}")
    _, _, error = call(capsys, "draw", damaged, "--out", tmp_path / "x.svg")
    assert "run.json is damaged" in error


def test_draw_an_edge_table_and_one_with_a_cycle(tmp_path, edges, capsys):
    edges.to_csv(tmp_path / "edges.csv", index=False)
    code, out, _ = call(
        capsys,
        "draw",
        tmp_path / "edges.csv",
        "--out",
        tmp_path / "a.svg",
        "--engine",
        "matplotlib",
    )
    assert code == 0
    assert "a.svg" in out
    assert "signal" in (tmp_path / "a.svg").read_text()
    loop = pd.DataFrame({"source": ["g", "a", "b", "b"], "target": ["a", "b", "a", "out"]})
    loop.to_csv(tmp_path / "loop.csv", index=False)
    asked = ["draw", tmp_path / "loop.csv", "--out", tmp_path / "b.png", "--engine", "matplotlib"]
    assert call(capsys, *asked, "--quiet")[:2] == (0, "")
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def test_draw_scores_and_flows(ran, scores, tmp_path, capsys):
    rows = ["--where", "output=T", "--where", "group=T"]
    coloured = ["draw", ran / "out", "--scores", scores / "nodes.csv", "--engine", "matplotlib"]
    code, _, error = call(capsys, *coloured, *rows, "--out", tmp_path / "net.svg")
    assert code == 0, error
    flowing = ["draw", ran / "out", "--flow", scores / "edges.csv", *rows, "--title", "to T"]
    code, _, error = call(capsys, *flowing, "--out", tmp_path / "flow.svg")
    assert code == 0, error
    assert "to T" in (tmp_path / "flow.svg").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scores", "nodes.csv"], "more than once"),
        (["--scores", "nodes.csv", "--where", "output=Z"], "output is 'B', 'T'"),
        (["--scores", "nodes.csv", "--where", "size"], "COLUMN=VALUE"),
        (["--scores", "nodes.csv", "--where", "group=T", "--column", "size"], "'attribution'"),
        (["--flow", "edges.csv"], "several values of 'output'"),
        (["--flow", "edges.csv", "--scores", "nodes.csv"], "give one of them"),
        (["--where", "output=T"], "give one of them"),
        (["--flow", "edges.csv", "--outputs", "path 0,path 1"], "one output"),
    ],
)
def test_wrong_pictures(ran, scores, tmp_path, capsys, options, message):
    paths = [scores / part if part.endswith(".csv") else part for part in options]
    code, _, error = call(capsys, "draw", ran / "out", *paths, "--out", tmp_path / "x.svg")
    assert code == 1
    assert message in error
    assert not (tmp_path / "x.svg").exists()


def test_rows_are_chosen_by_names_as_they_are_written_and_by_numbers(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("gene,drug,fold,p,s\nNA,007,0,0.50,1\nNA,7,0,0.5,2\nnull,010,1,.25,3\n")

    def rows(*where):
        return read_rows(path, where, "scores", (0, "node"))

    assert rows("drug=007")["s"].tolist() == [1]
    assert rows("drug=7")["s"].tolist() == [2]
    assert rows("drug=10")["s"].tolist() == [3]  # as no drug is called so, the number
    assert rows("p=0.25", "fold=1")["gene"].tolist() == ["null"]
    assert rows("fold=0.0")["gene"].tolist() == ["NA", "NA"]
    with pytest.raises(e2t.Edge2TorchError, match=r"no such row\. drug is '007', '7', '010'"):
        rows("drug=nan")
    with pytest.raises(e2t.Edge2TorchError, match="where 'size': write COLUMN=VALUE; scores= has"):
        rows("size")
    said = "where 'compound=01': scores= has no column 'compound'; it has 'gene', 'drug', 'fold'"
    with pytest.raises(e2t.Edge2TorchError, match=said):
        rows("compound=01")


def test_export_with_scores_and_weights(ran, scores, tmp_path, capsys):
    rows = ["--where", "output=T", "--where", "group=T"]
    asked = ["export", ran / "out", "--scores", scores / "nodes.csv", *rows]
    code, out, error = call(capsys, *asked, "--to", tmp_path / "net.cx2", "--title", "of T")
    assert code == 0, error
    assert "net.cx2" in out
    file = Cx2(tmp_path / "net.cx2")
    table = pd.read_csv(scores / "nodes.csv").query("output == 'T' and group == 'T'")
    wanted = dict(zip(table["node"], table["attribution"], strict=True))
    shown = {name: one["v"]["score"] for name, one in file.nodes.items() if "score" in one["v"]}
    assert shown == pytest.approx(wanted)
    assert file.about["name"] == "of T"
    assert all("weight" in one["v"] for one in file.edges)


def test_export_of_a_run_has_its_own_scores(ran, tmp_path, capsys):
    code, _, error = call(capsys, "export", ran / "out", "--to", tmp_path / "net.cx2")
    assert code == 0, error
    own, written = Cx2(tmp_path / "net.cx2"), Cx2(ran / "out" / "network.cx2")
    assert own.nodes == written.nodes
    assert own.edges == written.edges
    assert own.about["name"] == written.about["name"]


def test_scores_say_what_is_shown_and_left_out(tmp_path, edges, capsys):
    edges.to_csv(tmp_path / "edges.csv", index=False)
    node = edges["target"].iloc[0]
    table = pd.DataFrame(
        {
            "node": [node, "nobody"],
            "B": [0.5, 1],
            "T": [-1.0, 2],
            "layer": [7, 7],
            "role": ["x", "x"],
        }
    )
    table.to_csv(tmp_path / "scores.csv", index=False)
    graph = [tmp_path / "edges.csv", "--scores", tmp_path / "scores.csv"]
    for command, to in (("export", ["--to", "net.cx2"]), ("draw", ["--out", "net.html"])):
        asked = [command, *graph, to[0], tmp_path / to[1]]
        code, out, error = call(capsys, *asked)
        assert code == 0, error
        assert "1 name(s) are not nodes of the graph and left out: 'nobody'" in out
        assert "Coloured by 'B' of scores.csv; --column chooses another." in out
        code, again, error = call(capsys, *asked, "--column", "T")
        assert code == 0, error
        assert "Coloured by" not in again
        if command == "export":
            assert "renamed: layer to layer_, role to role_" in out
            own = Cx2(tmp_path / "net.cx2").nodes[node]["v"]
            assert (own["score"], own["layer_"], own["role_"]) == (-1.0, 7, "x")
            assert (own["layer"], own["role"]) == (1, "hidden")
    table.assign(B=np.inf).to_csv(tmp_path / "scores.csv", index=False)
    for command, to in (("export", ["--to", "net.cx2"]), ("draw", ["--out", "net.html"])):
        code, _, error = call(capsys, command, *graph, to[0], tmp_path / to[1])
        assert code == 1
        assert f"--scores: 'B' of 'scores.csv' is infinite for '{node}'" in error


def test_export_an_edge_table(tmp_path, edges, capsys):
    edges.to_csv(tmp_path / "edges.csv", index=False)
    asked = ["export", tmp_path / "edges.csv", "--to", tmp_path / "net.sif", "--relations", "signs"]
    assert call(capsys, *asked, "--quiet")[:2] == (0, "")
    assert len((tmp_path / "net.sif").read_text().splitlines()) == len(edges)
    code, _, error = call(capsys, "export", tmp_path / "edges.csv", "--to", tmp_path / "net.txt")
    assert code == 1
    assert "'.cx2'" in error
    code, _, error = call(capsys, *asked, "--where", "output=T")
    assert "--where chooses rows of --scores" in error
    code, _, error = call(capsys, *asked, "--column", "gain")
    assert "--column chooses among scores, and there are none" in error


def test_export_of_our_own_weights_asks_for_no_sign(ran, tmp_path, capsys):
    """They go out as weights, with their sign beside them; a column of words is still told."""
    own = ran / "out" / "edge_weights.csv"
    code, out, error = call(capsys, "export", own, "--to", tmp_path / "net.cx2")
    assert (code, error) == (0, "")
    assert "signs" not in out
    edges = Cx2(tmp_path / "net.cx2").edges
    assert {one["v"]["weight_sign"] for one in edges} == {1, -1}
    words = pd.read_csv(own).assign(effect="inhibition")
    words.to_csv(tmp_path / "words.csv", index=False)
    _, out, _ = call(capsys, "export", tmp_path / "words.csv", "--to", tmp_path / "net.cx2")
    assert "'effect' looks like signs" in out
    assert "'weight'" not in out


def test_info_says_what_is_here(capsys):
    code, out, _ = call(capsys, "info")
    assert code == 0
    for word in ("edge2torch", "torch", "feedforward", "cpu", "cli: ready"):
        assert word in out
    found = json.loads(call(capsys, "info", "--json")[1])
    assert found["extras"]["plot"] == "ready"
    assert "recurrent" in found["backends"]


def test_info_says_what_is_not_here(capsys, monkeypatch):
    monkeypatch.setattr("edge2torch._core.installed._is_here", lambda name: name != "matplotlib")
    assert "plot: lacks matplotlib; pip install 'edge2torch[plot]'" in call(capsys, "info")[1]


def test_help_guides(capsys):
    out = call(capsys, "--help")[1]
    commands = (
        "run",
        "demo",
        "prior",
        "draw",
        "export",
        "interpret",
        "modules",
        "explain-module",
        "info",
    )
    for name in commands:
        assert f" {name} " in out
    assert "Exit code" in out
    for name in ("run", "demo", "prior", "draw", "export", "interpret", "info"):
        assert "Example: edge2torch" in call(capsys, name, "--help")[1]
    for name in ("fit", "benchmark", "compare", "settings"):
        assert "Example: edge2torch modules" in call(capsys, "modules", name, "--help")[1]


def test_debug_shows_where(capsys):
    asked = ["draw", "no.csv", "--out", "no.svg"]
    code, _, error = call(capsys, *asked)
    assert code == 1
    assert error == "error: there is no file 'no.csv'.\n"
    with pytest.raises(e2t.Edge2TorchError):
        main([*asked, "--debug"])


def test_a_fault_of_ours_is_one_line_too(capsys, monkeypatch):
    def fail(**_):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("edge2torch.cli._demo.run_demo", lambda *_, **options: fail(**options))
    code, _, error = call(capsys, "demo")
    assert code == 1
    assert error.startswith("error: RuntimeError: two lines. This should not happen")
    assert error.count("\n") == 1


def test_too_little_memory_is_no_fault_of_ours(capsys, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("edge2torch.cli._demo.run_demo", fail)
    code, _, error = call(capsys, "demo")
    assert code == 1
    assert error.startswith("error: there is not enough memory for this.")
    assert error.count("\n") == 1


def test_completion_offers_commands(capsys, monkeypatch):
    """By the protocol of the shell's own completion."""
    asked = {
        "_EDGE2TORCH_COMPLETE": "complete_bash",
        "COMP_WORDS": "edge2torch in",
        "COMP_CWORD": "1",
    }
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["edge2torch"])
    assert sorted(call(capsys)[1].split()) == ["info", "interpret"]
