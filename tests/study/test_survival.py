"""A study of times to an event, from the command line's options to its report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from edge2torch import Edge2TorchError, load_study, run_study
from edge2torch.cli._app import app
from edge2torch.study import StudyResult, StudySettings
from edge2torch.study._data import read_dataset
from edge2torch.study._methods import methods_text
from edge2torch.study._outcomes import OUTCOMES, outcome_of
from edge2torch.study._outcomes._survival_checks import (
    calibrated_words,
    censoring_words,
    large_words,
    p_words,
)
from edge2torch.study._outcomes._survival_goal import times_of
from edge2torch.study._task import choose_task
from edge2torch.study._trust import epochs_to_judge
from edge2torch.survival import Outcome, TimeToEvent, simulate
from edge2torch.train import split_samples

GENES = [f"g{k}" for k in range(12)]
EDGES = pd.DataFrame(
    [(gene, f"set{k // 4}") for k, gene in enumerate(GENES)]
    + [(f"set{k}", "hazard") for k in range(3)],
    columns=["source", "target"],
)
QUICK = {"seeds": 2, "max_epochs": 40, "input_dropout": 0.1, "learning_rate": 0.01, "replicates": 0}
NOT_SHOWN = "The KPNN is not shown to have learned anything that holds for new samples: whether "


def cohort(n: int = 160, seed: int = 0, effect: float = 1.5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = pd.DataFrame(rng.normal(size=(n, 12)), columns=GENES, index=[f"p{k}" for k in range(n)])
    for k in range(3):
        x[GENES[4 * k : 4 * k + 4]] += rng.normal(size=(n, 1))
    outcome = simulate(effect * x[GENES[:4]].mean(axis=1), ties=50, seed=seed)
    return x.assign(years=outcome.time, died=outcome.event.astype(int), site=np.arange(n) % 2)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyResult, Path]:
    folder = tmp_path_factory.mktemp("study")
    label = TimeToEvent("years", "died")
    return run_study(EDGES, cohort(), label, folder=folder, quiet=True, **QUICK), folder


def test_the_network_learns_and_stands_beside_ridge_cox(study: tuple[StudyResult, Path]) -> None:
    result, _ = study
    assert result.learned
    scores = result.scores.groupby("model", sort=False)[["harrell_c", "brier", "brier_km"]].mean()
    assert scores.index.tolist() == ["KPNN", "KPNN, shuffled edges", "ridge Cox"]
    assert scores.loc["KPNN", "harrell_c"] > 0.7
    assert abs(scores.loc["KPNN", "harrell_c"] - scores.loc["ridge Cox", "harrell_c"]) < 0.06
    assert (scores["brier"] < scores["brier_km"]).all()
    assert result.nodes["node"].iloc[0] == "set0"
    assert result.nodes["attribution"].iloc[0] > 0  # more of it, sooner


def test_the_files_of_a_survival_study(study: tuple[StudyResult, Path]) -> None:
    result, folder = study
    found = pd.read_csv(folder / "predictions.csv", index_col="sample")
    assert found.columns[:3].tolist() == ["time", "event", "log hazard"]
    horizon = next(c for c in found if c.startswith("survival at "))
    assert found[horizon].between(0, 1).all()
    assert found["log hazard"].corr(found[horizon], method="spearman") < -0.9
    assert {"survival.png", "calibration.png"} <= {path.name for path in folder.iterdir()}
    report = (folder / "report.html").read_text()
    for words in (
        "How long until",
        "reverse Kaplan–Meier",
        "log-rank p",
        "Calibration slope",
        "hazard ratio",
        "of 90 %, and of 95 % where the question is whether a model predicts better than guessing",
        "Intervals in this part are of 95 %",
    ):
        assert words in report
    assert "<h1>What the time until &#39;died&#39; rests on</h1>" in report
    # what a statistics checklist asks for beside each number
    methods = methods_text(result.results)
    horizon = result.results.study.task.options["horizon"]
    for words in (f"up to {horizon:g} (as in 'years') by Uno", "inverse probability of", "Efron"):
        assert words in methods
        assert words.replace("'", "&#39;") in report
    half = r"half have the event by \S+ \(Kaplan–Meier, 95 % interval \S+ to .+\)\. Times are as in"
    assert re.search(half, report)
    assert re.search(r"predicted for \d+ % of the held-out samples, and seen in \d+ %", report)
    section = report[report.index("How long until") :]
    section = section[: section.index("<h2")]
    assert "Concordance of held-out samples, with 95 % intervals over samples." in section
    assert "less that of ridge Cox" in section
    assert "_low" not in section  # headings are words
    numbers = re.findall(r"median follow-up ([\d.]+) \(.* by ([\d.]+) \(", section)
    assert len(numbers) == 1
    assert all(len(one.replace(".", "").lstrip("0")) <= 3 for one in numbers[0])
    assert json.loads((folder / "summary.json").read_text())["task"] == "survival"
    again = load_study(folder)
    samples = cohort(seed=1)
    pd.testing.assert_frame_equal(again.predict(samples), result.predict(samples))


def test_more_features_are_hidden_than_of_other_outcomes_unless_told(
    study: tuple[StudyResult, Path],
) -> None:
    hidden = {name: StudySettings().input_dropout_of(outcome_of(name)) for name in OUTCOMES}
    assert hidden["survival"] == 0.8
    assert {hidden[name] for name in ("classification", "regression")} == {0.5}
    assert study[0].summary()["settings"]["input_dropout"] == 0.1
    quick = {"seeds": 1, "max_epochs": 2, "replicates": 0, "quiet": True}
    usual = run_study(EDGES, cohort(), TimeToEvent("years", "died"), **quick)
    assert usual.summary()["settings"]["input_dropout"] == 0.8
    told = run_study(EDGES, cohort(), TimeToEvent("years", "died"), input_dropout=0.8, **quick)
    pd.testing.assert_frame_equal(usual.scores, told.scores)


def test_folds_hold_every_sample_out_once() -> None:
    quick = {**QUICK, "seeds": 3, "test_folds": 3, "max_epochs": 4}
    result = run_study(EDGES, cohort(90), TimeToEvent("years", "died"), quiet=True, **quick)
    assert sorted(result.predictions.index) == sorted(cohort(90).index)
    with pytest.raises(Edge2TorchError, match="test_folds=3 needs as many seeds, or a multiple"):
        StudySettings(seeds=4, test_folds=3)


def test_the_sentence_on_ridge_cox_follows_from_the_interval() -> None:
    from edge2torch.study._outcomes._survival_report import _beside

    def said(low: float, high: float) -> str:
        row = {"c": 0.66, "low": 0.6, "high": 0.7, "difference": 0.01}
        return _beside(pd.DataFrame([row | {"difference_low": low, "difference_high": high}]))

    assert said(-0.02, 0.04).endswith(
        "-0.020 to +0.040, holds 0: neither is shown to be better, and ridge Cox is the simpler one."
    )
    assert said(0.01, 0.04).endswith("is above 0: the network predicts better.")
    assert said(-0.05, -0.01).endswith("is below 0: use ridge Cox for prediction.")


def test_nothing_is_claimed_of_permuted_outcomes() -> None:
    table, rng = cohort(), np.random.default_rng(0)
    order = rng.permutation(len(table))
    table[["years", "died"]] = table[["years", "died"]].to_numpy()[order]
    label = TimeToEvent("years", "died")
    result = run_study(EDGES, table, label, quiet=True, **{**QUICK, "replicates": 2, "controls": 2})
    assert not result.learned
    assert result.verdicts[0].text.startswith(NOT_SHOWN)
    assert result.nodes.empty


def test_the_command_line(tmp_path: Path) -> None:
    EDGES.to_csv(tmp_path / "edges.csv", index=False)
    codes = cohort().assign(
        age=np.arange(160) % 50, died=lambda t: np.where(t["died"] == 1, "dead", "alive")
    )
    codes.to_csv(tmp_path / "data.csv", index_label="patient")
    options = [f"--{part}" for part in ("seeds=1", "epochs=8", "replicates=0")]
    where = ["--edges", "edges.csv", "--data", "data.csv", "--out", "out"]
    where = [str(tmp_path / x) if "." in x or x == "out" else x for x in where]
    asked = ["--task", "survival", "--time", "years", "--event", "died", "--strata", "site"]

    def run(*more: str) -> Any:
        return CliRunner().invoke(app, ["run", *where, *more, *options])

    refused = run(*asked)
    assert refused.exit_code == 1
    assert "event_value='dead'" in str(refused.exception)
    done = run(*asked, "--event-value", "dead", "--clinical", "age")
    assert done.exit_code == 0, done.output
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert scores["model"].tolist()[-1] == "covariates alone"
    assert scores["harrell_c"].between(0.3, 1).all()
    assert "Baseline hazards of 2 strata" in (tmp_path / "out" / "report.html").read_text()
    for wrong, message in [
        (["--task", "survival", "--time", "years"], "task='survival' needs event="),
        ([*asked, "--label", "died"], "label is not for task='survival'"),
        (["--label", "died", "--time", "years"], "time= is for task='survival' only"),
        ([], "label= is missing"),
    ]:
        found = run(*wrong)
        assert found.exit_code == 1
        assert message in str(found.exception)


@pytest.mark.parametrize(
    ("changed", "asked", "message"),
    [
        ({"died": 0}, {}, "^event 'died': all patients are censored"),
        (
            {"died": [1] * 12 + [0] * 148},
            {},
            "^event 'died': 12 events, of 160 samples, are too few",
        ),
        ({"years": -1.0}, {}, "^time 'years' must be finite and at least 0"),
        ({}, {"horizon": 1e6}, r"horizon=1e\+06 is beyond the follow-up"),
        ({"died": [1] * 30 + [2] * 130}, {}, "^event: 'died' holds 1, 2"),
        ({"years": "long"}, {}, "^time 'years' must hold numbers"),
        ({"since": 1e9}, {"entry": "since"}, "^entry 'since' must be before time 'years'"),
    ],
)
def test_what_is_wrong_is_named(
    changed: dict[str, Any], asked: dict[str, Any], message: str
) -> None:
    label = TimeToEvent("years", "died", **asked)
    with pytest.raises(Edge2TorchError, match=message):
        run_study(EDGES, cohort().assign(**changed), label, quiet=True, **QUICK)


def test_a_task_named_survival_needs_time_and_event() -> None:
    with pytest.raises(Edge2TorchError, match=r"needs a time and an event: label=survival\.TimeTo"):
        run_study(EDGES, cohort(), "years", task="survival", quiet=True, **QUICK)
    assert StudySettings(task="survival").task == "survival"


def _task(table: pd.DataFrame, **asked: Any) -> Any:
    label = TimeToEvent("years", "died", **asked)
    columns = pd.DataFrame({role: table[name] for role, name in label.columns.items()})
    return outcome_of("survival").read(columns, "died", [], label.options, 1)


def test_the_loss_of_a_goal_does_not_depend_on_the_order_of_samples() -> None:
    task = _task(cohort(), strata="site")
    goal = task.outcome.goal(task, np.arange(160), balanced=False)
    theta, rows = torch.randn(160, 1), torch.randperm(160)[:100]
    expected = times_of(task, np.asarray(rows)).loss()(theta[rows])
    torch.testing.assert_close(goal.loss(theta[rows], rows), expected)
    again = rows[torch.randperm(100)]
    torch.testing.assert_close(goal.loss(theta[again], again), expected)
    assert len(goal.losses) == 1


def test_held_out_samples_are_judged_over_common_risk_sets() -> None:
    task = _task(cohort())
    goal = task.outcome.goal(task, np.arange(160), balanced=False)
    theta, fitted, rest = torch.randn(160, 1), torch.arange(120), torch.arange(120, 160)
    outcome = times_of(task)
    whole, some = outcome.loss(), outcome.take(np.arange(120)).loss()
    expected = whole(theta) * whole.n_events - some(theta[:120]) * some.n_events
    assert goal.held_out_loss(theta, rest, fitted) == pytest.approx(expected.item(), rel=1e-5)


def test_a_study_says_so_before_it_trains() -> None:
    rng, table = np.random.default_rng(0), cohort(250)
    when, last = rng.exponential(size=250), rng.exponential(np.exp(-1.5 * table["g1"]))
    table[["years", "died"]] = np.column_stack([np.minimum(when, last), when <= last])
    said = outcome_of("survival").doubts(table[GENES], _task(table))
    assert len(said) == 1
    assert said[0].startswith("WARNING: who is censored")


def test_draws_are_scored_at_once_as_one_by_one() -> None:
    task, rng = _task(cohort()), np.random.default_rng(0)
    outcome, fitted, rest = task.outcome, np.arange(110), np.arange(110, 160)
    theta = rng.normal(size=160)
    predicted = outcome.completed(
        task, fitted, lambda: theta[fitted, None], rest, theta[rest, None]
    )
    counts = rng.multinomial(50, np.full(50, 0.02), 6)
    counts[0] = 0  # in which no two can be compared
    counts[0, 0] = 50
    found = outcome.resampled(task, fitted, rest, predicted, counts)
    assert np.isnan(found["harrell_c"][0])
    for k in range(1, 6):
        drawn = np.repeat(np.arange(50), counts[k])
        one = outcome.scores(task, fitted, rest[drawn], predicted[drawn])
        assert {name: values[k] for name, values in found.items()} == pytest.approx(one)


def test_columns_that_the_outcome_stands_in_are_no_features() -> None:
    table = cohort()
    label = TimeToEvent(table["years"], table["died"])
    found = read_dataset(table, label, set(EDGES["source"]))
    assert not {"years", "died"} & set(found.table.columns)
    assert "The column 'years' is left out: the label that was given stands for it." in found.notes


def test_splits_keep_shares_of_events_and_strata() -> None:
    table = cohort(300)
    task = _task(table, strata="site")
    split = split_samples(task.outcome.strata(task), seed=0)
    died, site = table["died"].to_numpy(), table["site"].to_numpy()
    assert abs(died[split.test].mean() - died.mean()) < 0.05
    assert abs(site[split.test].mean() - 0.5) < 0.1


def test_censoring_that_features_tell_is_warned_of_and_other_is_not() -> None:
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(250, 8)))
    free = simulate(x[0], censored=0.5, seed=1)
    assert censoring_words(x, free) == ""
    last = rng.exponential(np.exp(-1.5 * x[1]))
    time = rng.exponential(np.exp(-x[0]))
    bound = Outcome(np.minimum(time, last), time <= last)
    assert censoring_words(x, bound).startswith("WARNING: who is censored when can be told")


def test_strata_are_called_as_in_the_data() -> None:
    table = cohort(160).assign(site=["north", "south"] * 80)
    label = TimeToEvent("years", "died", strata="site", force_few_events=True)
    brief = {**QUICK, "seeds": 1, "max_epochs": 2}
    assert set(run_study(EDGES, table, label, quiet=True, **brief).predictions["stratum"]) == {
        "north",
        "south",
    }
    alone = table.assign(died=table["died"].where(table["site"] == "north", 0))
    notes = run_study(EDGES, alone, label, quiet=True, **brief).results.notes
    assert any("strata 'site', of value 'south'" in note for note in notes)


def test_a_slope_whose_interval_holds_1_is_not_called_overfitted() -> None:
    theta = np.random.default_rng(0).normal(size=60)
    outcome = simulate(0.6 * theta, seed=0)
    table = pd.DataFrame({"log hazard": theta, "seed": 0}, index=[f"p{k}" for k in range(60)])
    table = table.assign(time=outcome.time, event=outcome.event.astype(int))
    said = calibrated_words(table)
    assert "the interval holds 1" in said
    assert "too far apart" in calibrated_words(table.assign(**{"log hazard": 5 * theta}))


def test_nodes_are_judged_by_networks_trained_as_long_as_the_studys() -> None:
    label = TimeToEvent("years", "died")
    settings = StudySettings(
        **{**QUICK, "seeds": 1, "max_epochs": 45, "replicates": 1, "controls": 2}
    )
    result = run_study(EDGES, cohort(), label, settings=settings, quiet=True)
    trust = result.results.trust
    assert trust is not None
    assert trust.epochs == max(30, result.results.first.epochs)
    assert f"1 network each, {trust.epochs} epochs." in methods_text(result.results)
    task = result.results.study.task
    assert epochs_to_judge(task, StudySettings(), 120) == 120
    assert epochs_to_judge(task, StudySettings(), 8) == 30
    assert epochs_to_judge(task, StudySettings(max_epochs=20), 120) == 20
    # with batches an epoch has steps enough, and longer networks lean on single nodes
    classes = choose_task(pd.Series(["a", "b"] * 20, name="kind"), "auto", 2)
    assert epochs_to_judge(classes, StudySettings(), 120) == 30


def test_a_large_cohort_is_trained_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge2torch.train import _chunks

    shapes: set[tuple[int, ...]] = set()
    inner = _chunks.checkpoint

    def counted(one: Any, part: torch.Tensor, *args: Any, **options: Any) -> Any:
        shapes.add(tuple(part.shape))
        return inner(one, part, *args, **options)

    monkeypatch.setattr(_chunks, "checkpoint", counted)
    monkeypatch.setattr(_chunks.in_chunks, "__defaults__", (50,))
    monkeypatch.setattr("edge2torch.study._train.CHUNK", 50)
    label = TimeToEvent("years", "died")
    how = {**QUICK, "seeds": 1, "replicates": 1, "controls": 2, "max_epochs": 20}
    result = run_study(EDGES, cohort(), label, quiet=True, **how)
    # five inner folds of 96, then 120 of 160 samples; the four folds that nodes are judged in
    assert shapes == {(5, 48), (1, 40), (4, 40)}
    assert result.scores["harrell_c"].iloc[0] > 0.7


@pytest.mark.usefixtures("no_figures")
def test_a_network_of_hazards_by_interval_is_judged_as_one_of_log_hazards(tmp_path: Path) -> None:
    label = TimeToEvent("years", "died", survival="discrete", bins=4, horizon=1.0)
    how = {**QUICK, "seeds": 1, "max_epochs": 40, "replicates": 1, "controls": 2}
    table = cohort().assign(arm=np.where(np.arange(160) % 3, "new", "old"))
    result = run_study(EDGES, table, label, covariates=["arm"], quiet=True, folder=tmp_path, **how)
    scores = result.scores.set_index("model")
    assert scores["harrell_c"]["KPNN"] > 0.75
    assert scores["brier"]["KPNN"] < scores["brier_km"]["KPNN"]
    assert result.artifact.output_names == ["hazard"]
    assert result.model(torch.zeros(2, 12)).shape == (2, 4)
    # the number that is attributed is the one by which patients are ordered: log(-log S)
    (risk, until) = (result.predictions[c] for c in ("log hazard", "survival at 1"))
    np.testing.assert_allclose(risk, np.log(-np.log(until)), rtol=1e-5)
    assert result.nodes["node"].iloc[0] == "set0"
    assert result.nodes["attribution"].iloc[0] > 0
    features = result.attribution.features["died"]
    assert features.abs().nlargest(4).index.isin(GENES[:4]).all()
    assert result.trust is None or result.trust.table["gain"].idxmax() == "set0"
    text = methods_text(result.results)
    assert "cross entropy of the hazards of 4 intervals of time" in text
    assert "the hazard of each of 4 intervals" in text
    assert "partial likelihood (Cox)" not in text
    columns = pd.read_csv(tmp_path / "covariates.csv").columns.tolist()
    assert columns[1:] == [f"died, interval {k} of 4" for k in (1, 2, 3, 4)]
    assert "logarithm of the cumulative hazard at 1" in (tmp_path / "report.html").read_text()
    new = load_study(tmp_path).predict(table.head(3))
    pd.testing.assert_frame_equal(new, result.predict(table.head(3)))
    assert new.columns.tolist() == ["log hazard", "survival at 1"]


def test_the_ratio_of_hazards_and_small_p_are_said_as_journals_want_them() -> None:
    from edge2torch.study._outcomes._survival_report import _by_risk

    assert [p_words(one) for one in (0.2, 0.0321, 0.001, 0.00099, 1e-12)] == [
        *("p = 0.2", "p = 0.032", "p = 0.001", "p < 0.001", "p < 0.001"),
    ]
    high = np.arange(2000) % 2 == 1
    outcome = simulate(np.where(high, np.log(3.0), 0.0), seed=0)
    table = pd.DataFrame(
        {
            "time": outcome.time,
            "event": outcome.event.astype(int),
            "log hazard": np.where(high, 1.0, -1.0),
            "median when fitted": 0.0,
            "survival at 0.5": np.where(high, np.exp(-1.5), np.exp(-0.5)),
            "seed": 0,
        },
        index=[f"p{k}" for k in range(2000)],
    )
    said = _by_risk(table, pd.DataFrame())[1]
    numbers = r"hazard ratio (\S+) \(95 % interval (\S+) to (\S+)\), log-rank p < 0\.001\."
    ratio, low, end = map(float, re.search(numbers, said).groups())  # type: ignore[union-attr]
    assert low < 3.0 < end
    assert ratio == pytest.approx(3.0, rel=0.1)
    # of two networks the interval of the logarithm is wider by the root of two, as chi-squared is halved
    two = _by_risk(table.assign(seed=np.arange(2000) // 1000), pd.DataFrame())[1]
    _, low_2, end_2 = map(float, re.search(numbers[:-2].replace(r"\.001", r"\.001 "), two).groups())  # type: ignore[union-attr]
    assert np.log(end_2 / low_2) / np.log(end / low) == pytest.approx(2**0.5, rel=0.03)
    task = _task(cohort(), horizon=0.5)
    large = re.search(
        r"for (\d+) % .* in (\d+) % .*interval (\d+) to (\d+)", large_words(task, table)
    )
    predicted, seen, least, most = map(int, large.groups())  # type: ignore[union-attr]
    assert predicted == round(100 - 50 * (np.exp(-1.5) + np.exp(-0.5)))
    assert least <= predicted <= most
    assert abs(seen - predicted) < 4
