"""A study in Python is what the command line does, number for number, and it can be kept."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.study import ReportText, StudySettings
from tests.cli.running import run
from tests.exchange.files import Cx2

QUICK = {"seeds": 1, "max_epochs": 30, "input_dropout": 0.1, "learning_rate": 0.01}
QUICK |= {"replicates": 1, "controls": 2}
BARE = QUICK | {"replicates": 0, "quiet": True}


@pytest.mark.usefixtures("no_figures")
def test_the_command_line_gives_the_same_numbers(files: Path, edges, cells):
    printed = run(files)
    lines: list[str] = []
    study = e2t.run_study(edges, cells, "kind", **QUICK, progress=lines.append)
    out = files / "out"
    written = study.scores.set_index("model").to_csv(float_format="%.6g")
    assert (out / "scores.csv").read_text() == written
    own, theirs = study.summary(), json.loads((out / "summary.json").read_text())
    for summary in (own, theirs):
        del summary["command"], summary["seconds"]
    assert json.loads(json.dumps(own)) == theirs
    assert next(line for line in lines if line.startswith("seed 0")) in printed
    loaded = e2t.load_study(out)
    pd.testing.assert_frame_equal(loaded.nodes, study.nodes)
    pd.testing.assert_frame_equal(loaded.predict(cells), study.predict(cells))
    # one network has neither a spread nor anybody to agree with
    assert all(row["log_loss_sd"] is None for row in theirs["scores"])
    strongest = pd.read_csv(out / "top_nodes.csv")
    assert len(strongest)
    assert strongest[["sd", "sign_agreement"]].isna().all(axis=None)
    for node in Cx2(out / "network.cx2").nodes.values():
        assert not {"sd", "agreement", "sd_B", "agreement_B"} & node["v"].keys()


@pytest.mark.usefixtures("no_figures")
def test_a_loaded_study_writes_the_same_report(tmp_path, edges, cells):
    study = e2t.run_study(edges, cells, "dose", **QUICK, quiet=True)
    loaded = e2t.load_study(study.save(tmp_path / "kept"))
    assert loaded.report(tmp_path / "a").read_bytes() == study.report(tmp_path / "b").read_bytes()
    assert repr(loaded) == repr(study)
    assert loaded.text == study.text
    kept = [path.read_bytes() for path in (tmp_path / "kept" / "study").glob("*")]
    assert not any(b"cell_119" in part and b"g11" in part for part in kept if part[:4] == b"PAR1")


def test_samples_are_known_by_name(edges, cells):
    table = cells.set_index("cell")[[f"g{k}" for k in range(12)]]
    label = cells.set_index("cell")["kind"]
    first = e2t.run_study(edges, cells.drop(columns="dose"), "kind", **BARE)
    other = e2t.run_study(edges, table, label.sample(frac=1, random_state=1), **BARE)
    pd.testing.assert_frame_equal(first.scores, other.scores)
    of_anndata = anndata.AnnData(table, obs=label.to_frame())
    prior = SimpleNamespace(edges=edges)
    third = e2t.run_study(prior, of_anndata, "kind", **BARE)
    pd.testing.assert_frame_equal(first.scores, third.scores)
    assert (
        first.predict(of_anndata)["predicted"].tolist()
        == first.predict(table)["predicted"].tolist()
    )


def test_outputs_of_a_prior_are_read(edges, cells):
    inner = sorted(set(edges["target"]) & set(edges["source"]))[:1]
    prior = e2t.Prior(edges).keep_between([f"g{k}" for k in range(12)], inner)
    study = e2t.run_study(prior, cells, "kind", **BARE)
    assert study.results.study.network.outputs == tuple(inner)


def test_arguments_are_left_as_they_were(edges, cells):
    before = edges.copy(), cells.copy()
    e2t.run_study(edges, cells, "kind", **BARE)
    pd.testing.assert_frame_equal(edges, before[0])
    pd.testing.assert_frame_equal(cells, before[1])


def test_where_nothing_is_learned_no_node_is_ranked(edges, cells):
    label = pd.Series(np.random.default_rng(0).permutation(cells["kind"]), name="kind")
    study = e2t.run_study(edges, cells.drop(columns=["kind", "dose"]), label, **BARE)
    assert not study.learned
    assert study.nodes.empty


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label": "colour"}, "^label: .* no column 'colour'"),
        ({"epochs": 3}, "no argument 'epochs'.*'max_epochs'"),
        ({"max_epochs": "many"}, "^max_epochs must be at least 1"),
        ({"normalize": "log"}, "^normalize must be one of"),
        ({"metadata": "donor"}, "^metadata must be a tuple of names"),
        ({"edges": 3}, "^edges must be a DataFrame"),
        ({"data": [1]}, "^data must be a DataFrame, an AnnData or the path"),
        ({"label": pd.Series(["a", "b"], index=["x", "y"])}, "^label: its index has none"),
        ({"resume": True}, "^resume: give the folder"),
        ({"outputs": ("Z",)}, "^outputs names nodes that are not in the graph: 'Z'"),
    ],
)
def test_errors_speak_of_arguments(edges, cells, changes, said):
    given = {"edges": edges, "data": cells, "label": "kind", **BARE, **changes}
    with pytest.raises(e2t.Edge2TorchError, match=said):
        e2t.run_study(**given)


def test_names_of_several_levels_are_refused(edges, cells):
    rows = pd.MultiIndex.from_arrays([np.resize(["d1", "d2"], len(cells)), range(len(cells))])
    with pytest.raises(
        e2t.Edge2TorchError, match=r"^data: rows have names of 2 levels.*reset_index"
    ):
        e2t.run_study(edges, cells.set_axis(rows), "kind", **BARE)


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_number_that_most_samples_have_has_two_halves(edges, cells, share):
    """The largest value of more than half of the held-out samples is their median: none is above."""
    response = np.where(np.arange(len(cells)) % 10 < 10 * share, 1.5, 0.25)
    study = e2t.run_study(edges, cells.drop(columns="dose").assign(dose=response), "dose", **BARE)
    assert study.attribution.nodes.notna().all(axis=None)
    assert study.attribution.features.notna().all(axis=None)


def test_new_samples_have_every_feature(edges, cells):
    study = e2t.run_study(edges, cells, "kind", **BARE)
    with pytest.raises(e2t.Edge2TorchError, match="data lacks 1 of 12 inputs of the model: 'g3'"):
        study.predict(cells.drop(columns="g3"))
    holes = cells.copy()
    holes.loc[0, "g1"] = np.nan
    with pytest.raises(e2t.Edge2TorchError, match="missing values"):
        study.predict(holes)


def test_a_folder_without_a_study_says_so(tmp_path):
    with pytest.raises(e2t.Edge2TorchError, match=r"holds no study.*load_compiled"):
        e2t.load_study(tmp_path)


@pytest.mark.parametrize(
    "spoil", [b"", b"{}", b'{"format": "edge2torch-study", "format_version": 9}']
)
def test_a_spoiled_study_is_refused(tmp_path, edges, cells, spoil):
    place = e2t.run_study(edges, cells, "kind", **BARE).save(tmp_path) / "study"
    (place / "study.json").write_bytes(spoil)
    with pytest.raises(e2t.Edge2TorchError, match=r"damaged|another version"):
        e2t.load_study(tmp_path)


def test_a_report_says_what_it_is_told(edges, cells):
    text = ReportText(title="Blood", sample="cell", node="pathway")
    study = e2t.run_study(
        edges, cells, "kind", text=text, settings=StudySettings(**QUICK), quiet=True
    )
    assert study.summary()["title"] == "Blood"
    assert any("pathway" in verdict.text for verdict in study.verdicts)


def test_a_group_is_on_one_side_of_every_split(edges, cells):
    donors = pd.Series([f"d{k // 12}" for k in range(120)], index=cells["cell"], name="donor")
    study = e2t.run_study(edges, cells, "kind", groups=donors, **(BARE | {"seeds": 2}))
    assert "donor" not in study.results.study.dataset.table
    named = e2t.run_study(
        edges, cells.assign(donor=donors.to_numpy()), "kind", groups="donor", **BARE
    )
    pd.testing.assert_frame_equal(named.scores, study.scores[study.scores["seed"] == 0])
    for _, part in study.predictions.groupby("seed"):
        tested = {donors[name] for name in part.index}
        assert sum(donors.isin(tested)) == len(part)
    for fit, judged in study.results.sizes.folds:
        assert not set(donors.iloc[fit]) & set(donors.iloc[judged])
    with pytest.raises(e2t.Edge2TorchError, match=r"^groups: 1 sample\(s\) have none: 'cell_3'"):
        e2t.run_study(edges, cells, "kind", groups=donors.drop("cell_3"), **BARE)


def test_another_cohort_is_what_a_study_is_tested_on(tmp_path, edges, cells):
    cohort = cells[:40].assign(cell=[f"new_{k}" for k in range(40)])
    cohort.loc[:3, "kind"] = "NK"  # a class that the data do not have
    study = e2t.run_study(edges, cells[40:], "kind", test_data=cohort, **(BARE | {"seeds": 2}))
    assert study.predictions.groupby("seed").size().tolist() == [36, 36]
    assert all(name.startswith("new_") for name in study.predictions.index)
    assert len(study.results.sizes.fit) == 80
    assert any("4 sample(s) of the test data are of classes" in note for note in study.notes)
    assert not any("occur in the data" in note for note in study.notes)
    pd.testing.assert_frame_equal(e2t.load_study(study.save(tmp_path)).scores, study.scores)
    same = e2t.run_study(edges, cells, "kind", test_data=cells[:40], **BARE)
    assert any("40 names of samples" in note for note in same.notes)
    with pytest.raises(
        e2t.Edge2TorchError, match=r"^test_data lacks 1 of 12 inputs of the network"
    ):
        e2t.run_study(edges, cells, "kind", test_data=cohort.drop(columns="g2"), **BARE)
