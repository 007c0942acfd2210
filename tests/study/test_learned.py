"""Nothing is said of a network that is no better than guessing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from edge2torch._core.console import Console
from edge2torch.cli import main
from edge2torch.cli._app import app
from edge2torch.study._learned import Interval, Learned, ahead_words, lagging, learned
from edge2torch.study._network import fit_network
from edge2torch.study._progress import Progress
from edge2torch.study._settings import StudySettings
from edge2torch.study._task import choose_task
from edge2torch.study._trust import look_into
from tests.cli.running import run


def _of(labels, predicted, *, balanced: bool = False, fitted: int = 40):
    task = choose_task(pd.Series(labels, name="y"), "auto", 1)
    rows = np.arange(fitted, len(labels))
    predicted = np.asarray(predicted, float)
    return learned(
        [task.outcome.leads(task, np.arange(fitted), rows, predicted, balanced=balanced)]
    )


def _two(p) -> np.ndarray:
    return np.stack([1 - np.asarray(p), p], axis=1)


def test_the_interval_of_one_network_is_students():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 70)
    y[:40] = [0, 1] * 20  # the guess: one half each
    p = rng.uniform(0.2, 0.9, 30)
    found = _of(["ab"[k] for k in y], _two(p))
    gain = np.log(2) + np.log(np.where(y[40:] == 1, p, 1 - p))
    assert found.loss.mean == pytest.approx(gain.mean())
    half = 2.045229642 * gain.std(ddof=1) / 30**0.5  # t of 29 degrees of freedom, from a table
    assert found.loss.low == pytest.approx(gain.mean() - half)
    assert found.loss.high == pytest.approx(gain.mean() + half)


def test_seeds_that_disagree_widen_the_interval():
    rows = pd.RangeIndex(50)
    rng = np.random.default_rng(0)
    noise = [pd.DataFrame({"loss": 0.1 * rng.normal(size=50)}, index=rows) for _ in range(3)]
    alike = learned([0.2 + part for part in noise])
    apart = learned([level + part for level, part in zip((0.6, 0.2, -0.2), noise, strict=True)])
    assert alike
    assert not apart
    assert apart.loss.mean == pytest.approx(alike.loss.mean, abs=1e-9)


def test_a_sample_held_out_twice_is_not_two_samples():
    gain = pd.DataFrame({"loss": np.random.default_rng(0).normal(0.5, 1, 40)})
    one, twice = learned([gain]), learned([gain, gain])
    assert twice.loss.low == pytest.approx(one.loss.low)


def test_rare_cases_that_are_ranked_rightly_are_something_learned():
    """Accuracy cannot rise above that of naming the common class, and yet something is known."""
    labels = (["no"] * 9 + ["yes"]) * 20
    truth = np.array([label == "yes" for label in labels[40:]])
    noise = np.random.default_rng(0).uniform(-0.05, 0.05, len(truth))
    found = _of(labels, _two(np.where(truth, 0.4, 0.06) + noise))
    assert found.hits.mean == 0
    assert found


def test_worse_than_the_common_class_is_nothing_learned():
    rng = np.random.default_rng(1)
    labels = (["no"] * 8 + ["yes"] * 2) * 20
    found = _of(labels, _two(rng.uniform(0, 1, 160)))
    assert not found
    assert found.hits.high < 0


def test_weighed_classes_are_held_against_a_guess_of_equal_chances():
    labels = (["no"] * 8 + ["yes"] * 2) * 20
    even = np.full(160, 0.5) + np.random.default_rng(0).uniform(-0.01, 0.01, 160)
    assert not _of(labels, _two(even), balanced=True)
    truth = np.array([label == "yes" for label in labels[40:]])
    good = _of(labels, _two(np.where(truth, 0.8, 0.2)), balanced=True)
    assert good.hits.mean == pytest.approx(0.5)
    assert good


def test_numbers_are_held_against_their_mean():
    rng = np.random.default_rng(0)
    y = rng.normal(size=90)
    held_out = y[40:]
    near = _of(y, (held_out + 0.5 * rng.normal(size=50))[:, None])
    spread = ((held_out - y[:40].mean()) ** 2).mean()
    assert near.loss.mean == pytest.approx(1 - 0.25 / spread, abs=0.1)
    assert near
    assert not _of(y, rng.normal(size=(50, 1)))


def test_guesses_are_seldom_taken_for_knowledge():
    """Of networks that say chance with confidence of any size, one in forty may pass."""
    rng = np.random.default_rng(0)
    passed = 0
    for _ in range(200):
        labels = rng.permutation(["a", "b"] * 40)
        passed += bool(_of(labels, _two(1 / (1 + np.exp(-0.3 * rng.normal(size=40))))))
    assert passed <= 8


# ------------------------------------------------------------------------------- the run


@pytest.fixture
def permuted(files: Path, cells) -> Path:
    rng = np.random.default_rng(5)
    cells["kind"] = rng.permutation(cells["kind"])
    cells.to_csv(files / "cells.csv", index=False)
    return files


def test_permuted_labels_bring_no_ranking(permuted):
    out = permuted / "out"
    out.mkdir()
    (out / "top_nodes.csv").write_text("of an earlier run")
    (out / "heatmap.png").write_text("of an earlier run")
    (out / "mine.txt").write_text("kept")
    printed = run(permuted)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["learned"] is False
    assert summary["ahead_of_guessing"][0]["loss"]["low"] < 0
    assert summary["trust"] == []
    said = [verdict["text"] for verdict in summary["verdicts"]]
    assert said[0].startswith(
        "The KPNN is not shown to have learned anything that holds for new samples"
    )
    assert not any("shuffled" in text for text in said)
    assert "Top nodes" not in printed
    assert "signal" not in printed
    page = (out / "report.html").read_text()
    assert page.index("not shown to have learned anything that holds") < page.index('id="done"')
    assert "signal</td>" not in page
    assert "attributed" not in summary["methods"]
    assert "An attribution says" not in page
    assert "its predictions rest on" not in page
    written = {path.name for path in out.iterdir()}
    assert {"mine.txt", "scores.csv", "network.svg", "model"} <= written
    for name in ("top_nodes", "node_attribution", "feature_attribution", "edge_attribution"):
        assert f"{name}.csv" not in written
    assert not [name for name in written if name.endswith(".png") or "significance" in name]
    command = ["interpret", str(out), "--data", str(permuted / "cells.csv"), "--targets", "nodes"]
    again = CliRunner().invoke(app, [*command, "--out", str(permuted / "scores")])
    assert "no better than guessing" in again.stdout


@pytest.mark.usefixtures("no_figures")
def test_an_unrelated_number_brings_no_ranking(files, edges, cells):
    edges[edges["target"] != "T"].replace({"B": "response"}).to_csv(
        files / "edges.csv", index=False
    )
    cells["dose"] = np.random.default_rng(9).permutation(cells["dose"])
    cells.to_csv(files / "cells.csv", index=False)
    run(files, label="dose")
    summary = json.loads((files / "out" / "summary.json").read_text())
    assert summary["learned"] is False
    assert "R²" in summary["verdicts"][0]["text"]


def test_networks_that_learned_nothing_find_no_node(edges, cells):
    """One step each, so small that none gets anywhere."""
    task = choose_task(cells["kind"], "auto", 8)
    table = cells.filter(like="g").astype(np.float32)
    network = fit_network(edges, table.columns, task)
    settings = StudySettings(max_epochs=1, learning_rate=1e-6, replicates=3, controls=3)
    quiet = {"console": Console(quiet=True), "progress": Progress()}
    said = look_into(network, table, task, settings, **quiet)
    assert isinstance(said, str)
    assert said.startswith("The networks of 4 folds are not shown to predict better than guessing")
    assert said.endswith("so no node is called found.")


@pytest.mark.parametrize(
    ("mean", "kind", "said"),
    [
        (0.02, "classification", "log loss lower by 0.020, 95 % interval -0.080 to 0.120"),
        (-0.019, "classification", "log loss higher by 0.019, 95 % interval -0.081 to 0.119"),
        (-0.0001, "classification", "log loss higher by 0.000, 95 % interval -0.100 to 0.100"),
        (-0.5, "regression", "R² -0.500, 95 % interval -0.600 to -0.400"),
    ],
)
def test_the_word_turns_and_not_the_sign(mean: float, kind: str, said: str) -> None:
    labels = {"classification": list("ab") * 20, "regression": np.linspace(0, 1, 40)}
    task = choose_task(pd.Series(labels[kind], name="y"), kind, 2)
    found = Learned(Interval(mean, mean - 0.1, mean + 0.1), None)
    assert ahead_words(found, task) == said


def test_behind_is_told_from_not_shown_to_be_ahead() -> None:
    def of(low: float, high: float, hits: Interval | None = None) -> bool:
        return lagging(Learned(Interval((low + high) / 2, low, high), hits))

    assert of(-0.3, -0.1)
    assert not of(-0.3, 0.1)
    assert of(0.1, 0.3, Interval(-0.2, -0.3, -0.1))  # by what it names rightly


@pytest.mark.usefixtures("no_figures")
def test_sizes_are_of_all_seeds_where_groups_differ(files, cells):
    donors = np.repeat([f"d{k}" for k in range(8)], [5, 25, 10, 20, 8, 22, 12, 18])
    cells.assign(donor=donors).to_csv(files / "cells.csv", index=False)
    printed = run(files, "--groups", "donor", "--replicates", "0", "--seeds", "4", "--epochs", "3")
    assert "--all-features" not in printed  # nothing was set aside
    sizes = pd.read_csv(files / "out" / "predictions.csv")["seed"].value_counts()
    low, high = sizes.min(), sizes.max()
    assert low < high
    page = (files / "out" / "report.html").read_text()
    assert f"{low} to {high} samples were held out for testing" in page
    assert f"{120 - high} to {120 - low} were trained on" in page
    assert f"once on {low} to {high} held-out samples" in page


@pytest.mark.usefixtures("no_figures")
def test_a_report_from_the_shell_speaks_of_options(files, cells):
    cells.assign(age=30.5, note="x").to_csv(files / "cells.csv", index=False)
    where = {"edges": files / "edges.csv", "data": files / "cells.csv", "out": files / "out"}
    options = {**where, "label": "kind", "seeds": 1, "epochs": 3, "replicates": 0}
    with pytest.raises(SystemExit, match="0"):
        main(["run", *(f"--{name}={value}" for name, value in options.items()), "--quiet"])
    page = (files / "out" / "report.html").read_text()
    summary = (files / "out" / "summary.json").read_text()
    for text in (page, summary):
        assert "--all-features takes in" in text
        assert "all_features=" not in text
        assert "max_epochs=" not in text
