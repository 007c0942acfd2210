"""A third outcome, which the package does not have: it is this file and one row in the registry."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from sklearn.linear_model import PoissonRegressor

import edge2torch as e2t
from edge2torch.study import StudySettings
from edge2torch.study._outcomes import OUTCOMES, outcome_of
from edge2torch.study._outcomes._metric import Metric
from edge2torch.study._outcomes._outcome import Drawing, Goal, Outcome, Section, Task
from edge2torch.study._task import choose_task


@dataclass(frozen=True)
class Counts:
    """How often something happened, and in how long a time."""

    count: str
    time: str | pd.Series
    unit: str = "year"
    task = "counts"

    @property
    def name(self) -> str:
        return f"{self.count} per {self.unit}"

    @property
    def columns(self) -> dict[str, str | pd.Series]:
        return {"count": self.count, "time": self.time}

    @property
    def options(self) -> dict[str, str]:
        return {"unit": self.unit}


@dataclass(frozen=True)
class _Goal(Goal):
    count: torch.Tensor
    time: torch.Tensor

    def loss(self, predicted, rows):
        log_mean = predicted[:, 0] + self.time[rows].log()
        return torch.nn.functional.poisson_nll_loss(log_mean, self.count[rows])

    def answer(self, predicted):
        return np.exp(predicted.double().numpy())


class PoissonRate(Outcome):
    name = "counts"
    metrics = (Metric("deviance", "deviance", higher_is_better=False),)
    loss = "Poisson deviance"
    linear = "Poisson regression"
    guess = "the mean rate"
    guessing = "guessing the mean rate"
    ahead = "deviance lower by"
    halved_by = "the rate"
    files = ("rates.csv", "rates.png")

    def read(self, label, name, notes, options, min_class_size):
        values = label[["count", "time"]].to_numpy(float)
        return Task(self.name, name, (), values, np.ones(len(values), bool), tuple(notes), options)

    def of_cohort(self, label, task):
        return label[["count", "time"]].to_numpy(float), np.ones(len(label), bool), []

    def strata(self, task):
        return (task.values[:, 0] > 2).astype(int)

    def goal(self, task, rows, *, balanced):
        return _Goal(*torch.from_numpy(task.values.astype(np.float32)).T)

    def control_labels(self, task):
        return task.values[:, 0] / task.values[:, 1]

    def linear_model(self):
        return PoissonRegressor()

    def fit_linear(self, model, x, task, rows, penalty, tolerance):
        count, time = task.values[rows].T
        model.set_params(alpha=penalty, tol=tolerance)
        model.fit(x[rows], count / time, sample_weight=time)

    def predict_linear(self, model, x, task):
        return model.predict(x)[:, None]

    def sample_losses(self, truth, predicted):
        mean = np.maximum(predicted[:, 0] * truth[:, 1], 1e-9)
        ratio = np.where(truth[:, 0] > 0, truth[:, 0] / mean, 1.0)
        return 2 * (truth[:, 0] * np.log(ratio) - truth[:, 0] + mean)

    def scores(self, task, fitted, held_out, predicted):
        return {"deviance": float(self.sample_losses(task.values[held_out], predicted).mean())}

    def leads(self, task, fitted, held_out, predicted, *, balanced, guess=None):
        count, time = task.values[fitted].sum(axis=0)
        guess = np.full_like(predicted, count / time) if guess is None else guess
        truth = task.values[held_out]
        gain = self.sample_losses(truth, guess) - self.sample_losses(truth, predicted)
        return pd.DataFrame({"loss": gain}, index=held_out)

    def upper(self, task, rows, predicted):
        return predicted[:, 0] > np.median(predicted[:, 0])

    def truth(self, task, rows):
        return {"count": task.values[rows, 0], "time": task.values[rows, 1]}

    def tables(self, task, predictions):
        by_half = predictions.groupby(predictions["predicted"] > predictions["predicted"].median())
        return {"rates": by_half[["count", "time"]].sum()}

    def sections(self, task, predictions, words, permuted):
        drawing = Drawing(Figure, f"Events per {task.options['unit']}.")
        return [
            Section(
                "How often", ("Two halves.",), self.tables(task, predictions), {"rates": drawing}
            )
        ]

    def caveats(self, task, predictions, words, seeds):
        return [f"A {words.sample} seen for long counts for more."]


OUTCOME = PoissonRate()


@pytest.fixture
def counts(monkeypatch):
    monkeypatch.setitem(OUTCOMES, "counts", __name__)


@pytest.fixture
def wards():
    """Four features double or halve how often something happens; the others do not."""
    rng = np.random.default_rng(3)
    x = pd.DataFrame(rng.normal(size=(240, 12)), columns=[f"g{k}" for k in range(12)])
    time = rng.uniform(1, 5, 240).round(3)
    rate = np.exp(0.2 + 0.6 * x.iloc[:, :4].sum(axis=1))
    x["falls"], x["years"] = rng.poisson(rate * time), time
    x.index = [f"ward {k}" for k in range(240)]
    return x


@pytest.fixture
def one_end(edges):
    return edges[edges["target"] != "T"].replace({"B": "rate"})


QUICK = {"seeds": 2, "max_epochs": 60, "input_dropout": 0.1, "learning_rate": 0.01}
QUICK |= {"replicates": 1, "controls": 2, "quiet": True}


@pytest.mark.usefixtures("counts")
def test_a_new_outcome_goes_all_the_way(tmp_path, wards, one_end):
    label = Counts("falls", "years")
    study = e2t.run_study(one_end, wards, label, folder=tmp_path, **QUICK)
    assert study.learned
    assert study.nodes["node"].iloc[0] == "signal"
    assert study.nodes["direction"].iloc[0] == "for"
    assert study.scores["model"].unique().tolist()[-1] == "Poisson regression"
    assert study.predictions.columns.tolist() == ["count", "time", "predicted", "seed"]
    said = [verdict.text for verdict in study.verdicts]
    assert said[0].startswith("Found: ")
    first = next(k for k, text in enumerate(said) if text.startswith("On held-out samples"))
    assert said[first].startswith("On held-out samples the KPNN reaches deviance = ")
    assert "Against guessing the mean rate: deviance lower by " in said[first]
    # where less is better the lower score is the better one
    scores = study.scores.groupby("model")["deviance"].mean()
    side = "above" if scores["KPNN"] < scores["Poisson regression"] else "below"
    assert f"of deviance {side} it" in said[first + 1]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["task"] == "counts"
    assert summary["main_score"] == "deviance"
    methods = summary["methods"]
    for words in ("trained to predict falls per year", "The Poisson deviance was minimised",
                  "compared with Poisson regression", "upper against lower half of the rate"):  # fmt: skip
        assert words in methods
    page = (tmp_path / "report.html").read_text()
    for words in ("deviance (lower is better)", "<h3>How often</h3>", "Events per year.",
                  "to the upper half of the rate", "A sample seen for long"):  # fmt: skip
        assert words in page
    assert (tmp_path / "rates.csv").is_file()
    loaded = e2t.load_study(tmp_path)
    pd.testing.assert_frame_equal(loaded.predict(wards), study.predict(wards))
    assert repr(loaded) == repr(study)
    # the columns of the label are no features, and what it wrote is gone after another outcome's run
    assert "years" not in study.results.study.dataset.table
    e2t.run_study(
        one_end, wards.drop(columns="years"), "falls", task="regression", folder=tmp_path,
        **(QUICK | {"replicates": 0, "seeds": 1}),
    )  # fmt: skip
    assert not (tmp_path / "rates.csv").exists()
    assert not (tmp_path / "rates.png").exists()


@pytest.mark.usefixtures("counts")
def test_labels_of_several_columns_are_read_with_care(wards, one_end):
    bare = QUICK | {"replicates": 0, "seeds": 1, "max_epochs": 2}
    years = wards["years"].sample(frac=1, random_state=0)
    first = e2t.run_study(one_end, wards, Counts("falls", "years"), **bare)
    other = e2t.run_study(one_end, wards.drop(columns="years"), Counts("falls", years), **bare)
    pd.testing.assert_frame_equal(first.scores, other.scores)
    wards.loc["ward 3", "years"] = np.nan
    study = e2t.run_study(one_end, wards, Counts("falls", "years"), test_data=wards[:40], **bare)
    assert any("1 of 240 samples have no label" in note for note in study.notes)
    assert len(study.predictions) == 39
    with pytest.raises(e2t.Edge2TorchError, match=r"^time: .* no column 'yeers'.*'years'"):
        e2t.run_study(one_end, wards, Counts("falls", "yeers"), **bare)
    with pytest.raises(e2t.Edge2TorchError, match=r"^task: the label asks for 'counts'"):
        e2t.run_study(one_end, wards, Counts("falls", "years"), task="regression", **bare)
    with pytest.raises(e2t.Edge2TorchError, match=r"^label must be the name of a column"):
        e2t.run_study(one_end, wards, 3, **bare)


def test_an_unknown_task_names_those_there_are(counts):
    assert StudySettings(task="counts").task == "counts"
    with pytest.raises(e2t.Edge2TorchError, match=r"^task must be one of .*'counts'.*'ranks'"):
        StudySettings(task="ranks")


@pytest.mark.parametrize("task", list(OUTCOMES))
def test_every_outcome_fills_its_row(task):
    outcome = outcome_of(task)
    assert outcome.name == task
    assert not outcome.__abstractmethods__
    names = [metric.name for metric in outcome.metrics]
    assert len(set(names)) == len(names)
    assert outcome.ranking is None or outcome.ranking in names
    for word in (outcome.loss, outcome.linear, outcome.guess, outcome.ahead):
        assert word


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize(
    "label", [pd.Series(["a", "b", "b", "c"] * 6, name="y"), pd.Series(np.arange(24.0), name="y")]
)
def test_the_loss_of_several_networks_is_the_sum_of_theirs(label, balanced):
    task = choose_task(label, "auto", 2)
    rows = torch.arange(3, 21)
    goal = task.outcome.goal(task, rows.numpy(), balanced=balanced)
    predicted = torch.randn(5, len(rows), max(len(task.classes), 1), dtype=torch.float64)
    alone = sum(goal.loss(one.float(), rows) for one in predicted)
    assert goal.loss_is_mean
    torch.testing.assert_close(goal.summed_loss(predicted.float(), rows), alone)


def test_a_loss_that_is_no_mean_is_summed_network_by_network():
    goal = _Goal(torch.arange(6.0), torch.ones(6))
    predicted, rows = torch.randn(3, 4, 1), torch.arange(4)
    alone = sum(goal.loss(one, rows) for one in predicted)
    torch.testing.assert_close(goal.summed_loss(predicted, rows), alone)


@pytest.mark.parametrize("balanced", [True, False])
def test_networks_of_several_folds_lose_together_what_they_lose_one_by_one(balanced):
    label = pd.Series(["a", "a", "a", "b", "b", "c"] * 4, name="kind")
    task = choose_task(label, "classification", 2)
    folds = np.arange(24).reshape(2, 12)
    goals = [
        task.outcome.goal(task, np.delete(np.arange(24), own), balanced=balanced) for own in folds
    ]
    draw = torch.Generator().manual_seed(0)
    predicted = torch.randn(2, 5, 3, generator=draw, dtype=torch.float32)
    rows = torch.randint(24, (2, 5), generator=draw)
    each = [goal.loss(*own) for goal, *own in zip(goals, predicted, rows, strict=True)]
    torch.testing.assert_close(goals[0].sum_losses(goals, predicted, rows), torch.stack(each).sum())
