"""A time to an event, censored or not: partial likelihood, concordance, and groups of risk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from edge2torch._core.messages import plural
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import CoxLoss
from edge2torch.study._outcomes._metric import Metric, upper_half
from edge2torch.study._outcomes._outcome import (
    Features,
    Goal,
    Label,
    Numbers,
    Outcome,
    Rows,
    Section,
    Task,
)
from edge2torch.study._outcomes._survival_checks import censoring_words
from edge2torch.study._outcomes._survival_goal import (
    GRID,
    DiscreteGoal,
    SurvivalGoal,
    grid_of,
    is_discrete,
    numbers_of,
    times_of,
)
from edge2torch.study._outcomes._survival_report import (
    measured_words,
    risk_statistics,
    survival_sections,
)
from edge2torch.study._words import Words
from edge2torch.survival import (
    CoxRegression,
    baseline_hazard,
    brier_terms,
    cox_regression,
    fold_classes,
    harrell_c,
    kaplan_meier,
    martingale_residuals,
    outcome_of,
    shares_of_draws,
    uno_c,
    uno_weights,
)
from edge2torch.survival import Outcome as Times

_FEWEST = 20  # events; of fewer no two models are told apart
_FEW = 50
_CLASS = 10  # samples of a class that splits keep in equal shares, at least


class Survival(Outcome):
    """A time, and whether the event was seen."""

    name = "survival"
    metrics = (
        Metric("harrell_c", "Harrell's C"),
        Metric("uno_c", "Uno's C"),
        Metric("brier", "integrated Brier score", higher_is_better=False),
        Metric("brier_km", "the same of Kaplan–Meier", higher_is_better=False),
    )
    whole_steps = (
        4  # a quarter of what batches of an eighth would make: less noise, and larger steps
    )
    input_dropout = 0.8  # by the inner folds of real patients, and of simulated ones
    loss = "negative log partial likelihood (Cox), over the risk sets of all training samples,"
    linear = "ridge Cox"
    guess = "the same log hazard for all"
    guessing = "taking all for alike"
    ahead = "log partial likelihood per sample higher by"
    behind = "log partial likelihood per sample lower by"
    halved_by = "the predicted risk"
    answered = "intervals"

    def read(
        self, label: Label, name: str, notes: Sequence[str], options: Mapping[str, Any],
        min_class_size: int,
    ) -> Task:  # fmt: skip
        if not isinstance(label, pd.DataFrame):
            raise Edge2TorchError(
                "task='survival' needs a time and an event: label=survival.TimeToEvent(time, event)."
            )
        times, said = self._read(label, options)
        strata = [] if times.strata is None else sorted(set(times.strata.tolist()))
        last = float(times.time.max())
        horizon = options["horizon"]
        if horizon is None:
            horizon = float(f"{np.quantile(times.time[times.event], 0.8):.2g}")
        if not horizon < last:
            raise Edge2TorchError(
                f"horizon={horizon:g} is beyond the follow-up, which ends at {last:g}."
            )
        if times.n_events < _FEWEST and not options["force_few_events"]:
            raise Edge2TorchError(
                f"event {name!r}: {times.n_events} events, of {len(times)} samples, are too few to tell models "
                f"apart: {_FEWEST} are the least. force_few_events=True goes on all the same."
            )
        if times.n_events < _FEW:
            said.append(
                f"WARNING: {times.n_events} events are few, of which a quarter says little: seeds=5 or more "
                "hold every sample out once."
            )
        return Task(
            self.name,
            name,
            (),
            numbers_of(times, strata),
            np.ones(len(times), bool),
            (*notes, *said),
            {
                **options,
                "event_value": None
                if options["event_value"] is None
                else str(options["event_value"]),
                "horizon": float(horizon),
                "has_entry": times.entry is not None,
                "has_strata": times.strata is not None,
                "strata": strata,
            },
        )

    def _read(self, label: pd.DataFrame, options: Mapping[str, Any]) -> tuple[Times, list[str]]:
        # by the names that the user's columns have, of which errors speak
        called = options.get("columns", {})
        names = {str(role): str(called.get(role, role)) for role in label}
        table = label.set_axis([*names.values()], axis=1)
        return outcome_of(table, event_value=options["event_value"], **names)

    def few_held_out(self, task: Task, share: float) -> str:
        n = times_of(task).n_events
        return (
            f"A part of {share:g} would hold {round(share * n)} of {n} events" if n < _FEW else ""
        )

    def of_cohort(
        self, label: Label, task: Task
    ) -> tuple[NDArray[Any], NDArray[np.bool_], list[str]]:
        times, notes = self._read(pd.DataFrame(label), task.options)
        known = list(task.options["strata"])
        others = [] if times.strata is None else sorted(set(times.strata.tolist()) - set(known))
        # a stratum that was not trained with has no baseline, but an order of its own
        return numbers_of(times, known + others), np.ones(len(times), bool), notes

    def called(self, task: Task) -> str:
        return f"the time until {task.label!r}"

    def described(self, task: Task) -> str:
        times = times_of(task)
        return f"time until {task.label!r}, {plural('event', times.n_events)}"

    def doubts(self, features: pd.DataFrame, task: Task) -> list[str]:
        said = censoring_words(features.fillna(features.median()), times_of(task))
        return [said] if said else []

    def strata(self, task: Task) -> NDArray[Any]:
        return fold_classes(times_of(task), _CLASS)

    def goal(self, task: Task, rows: Rows, *, balanced: bool) -> Goal:
        return DiscreteGoal(task, rows) if is_discrete(task) else SurvivalGoal(task)

    def answers(self, task: Task) -> tuple[str, ...]:
        if not is_discrete(task):
            return super().answers(task)
        n = int(task.options["bins"])
        return tuple(f"{task.label}, interval {k + 1} of {n}" for k in range(n))

    def loss_words(self, task: Task) -> str:
        if not is_discrete(task):
            return self.loss
        return (
            f"cross entropy of the hazards of {task.options['bins']} intervals of time, cut at equal falls of the "
            "training part's Kaplan–Meier curve, as far as each sample lived through them (Gensheimer and "
            "Narasimhan 2019, doi:10.7717/peerj.6257),"
        )

    def batch_size(self, n: int, asked: int) -> int:
        return n  # in a batch most of those at risk would be missing

    def control_labels(self, task: Task) -> NDArray[Any]:
        return martingale_residuals(times_of(task))

    # ------------------------------------------------------------------------- the baseline

    def linear_penalty(self, x: Features, task: Task, rows: Rows, groups: Any, seed: int) -> float:
        own = None if groups is None else groups[rows]
        fitted = cox_regression(
            pd.DataFrame(x[rows]),
            times_of(task, rows),
            ties=task.options["ties"],
            groups=own,
            seed=seed,
        )
        return fitted.penalty

    def linear_model(self) -> Any:
        return _Linear()

    def fit_linear(
        self, model: Any, x: Features, task: Task, rows: Rows, penalty: float, tolerance: float
    ) -> None:
        model.fitted = cox_regression(
            pd.DataFrame(x[rows]), times_of(task, rows), penalty=penalty, ties=task.options["ties"]
        )

    def predict_linear(self, model: Any, x: Features, task: Task) -> Numbers:
        return np.asarray(model.fitted.log_hazard(pd.DataFrame(x)), np.float64)[:, None]

    # ---------------------------------------------------------------------- how good it is

    def completed(
        self,
        task: Task,
        fitted: Rows,
        of_fitted: Callable[[], Numbers],
        rows: Rows,
        predicted: Numbers,
    ) -> Numbers:
        """Add the median log hazard of those fitted, and the survival at each time of the grid."""
        own = of_fitted()[:, 0]
        if predicted.shape[1] > 1:  # a network that has curves of its own
            return np.insert(predicted, 1, np.median(own), axis=1)
        times = times_of(task, fitted)
        baseline = baseline_hazard(own, times)
        theta = predicted[:, 0]
        strata = None
        if times.strata is not None:
            strata = task.values[rows, 3].astype(int).astype(str)
            if set(strata.tolist()) - set(baseline.times):  # another cohort has no baseline
                nothing = np.full((len(theta), GRID), np.nan)
                return np.column_stack([theta, np.full(len(theta), np.median(own)), nothing])
        curves = baseline.survival_curves(theta, grid_of(task, times), strata=strata)
        return np.column_stack([theta, np.full(len(theta), np.median(own)), curves.to_numpy()])

    def sample_losses(self, truth: NDArray[Any], predicted: Numbers) -> Numbers:
        stratum = truth[:, 3].astype(int)
        loss = CoxLoss(truth[:, 0], truth[:, 1], entry=truth[:, 2], strata=stratum)
        return np.asarray(loss.terms(torch.from_numpy(predicted[:, 0])))

    def scores(
        self, task: Task, fitted: Rows, held_out: Rows, predicted: Numbers
    ) -> dict[str, float]:
        train, times = times_of(task, fitted), times_of(task, held_out)
        theta, horizon = predicted[:, 0], task.options["horizon"]
        found = {
            "harrell_c": harrell_c(
                times.time, times.event, theta, entry=times.entry, strata=times.strata
            ),
            "uno_c": np.nan,
            "brier": np.nan,
            "brier_km": np.nan,
        }
        if times.entry is not None:
            return found
        watched = Times(train.time, train.event)
        if self._can_uno(times, train, horizon):
            found["uno_c"] = uno_c(times.time, times.event, theta, horizon, train=watched)
        for name, terms in self._squares(task, train, times, predicted).items():
            found[name] = float(terms.mean())
        return found

    def resampled(
        self, task: Task, fitted: Rows, held_out: Rows, predicted: Numbers, counts: Rows
    ) -> dict[str, Numbers]:
        train, times, theta = times_of(task, fitted), times_of(task, held_out), predicted[:, 0]
        drawn, fold = counts.astype(np.float64), np.zeros(len(times))
        nothing = np.full(len(drawn), np.nan)
        found = {metric.name: nothing for metric in self.metrics}
        ones = np.ones(len(times))
        found["harrell_c"] = shares_of_draws(times, theta, fold, ones, drawn)[1]
        if times.entry is not None:
            return found
        horizon = task.options["horizon"]
        if self._can_uno(times, train, horizon):
            plain = Times(times.time, times.event)
            counted, weight = uno_weights(plain, horizon, Times(train.time, train.event))
            weight = np.where(counted, weight, 0.0)
            found["uno_c"] = shares_of_draws(plain, theta, fold, weight, drawn)[1]
        for name, terms in self._squares(task, train, times, predicted).items():
            with np.errstate(invalid="ignore"):
                found[name] = drawn @ terms / drawn.sum(axis=1)
        return found

    def _can_uno(self, times: Times, train: Times, horizon: float) -> bool:
        return bool((times.event & (times.time < horizon)).any() and horizon < train.time.max())

    def _squares(
        self, task: Task, train: Times, times: Times, predicted: Numbers
    ) -> dict[str, Numbers]:
        """What each sample adds to the integrated Brier score, and to that of Kaplan-Meier."""
        curves = predicted[:, 2:]
        if not curves.shape[1] or not np.isfinite(curves).all():
            return {}
        grid = grid_of(task, train)
        whole = kaplan_meier(train.time, train.event)["survival"]
        steps = np.concatenate([[1.0], whole.to_numpy()])
        common = steps[np.searchsorted(whole.index.to_numpy(), grid, side="right")]
        alike = np.tile(common, (len(curves), 1))
        plain, watched = Times(times.time, times.event), Times(train.time, train.event)
        found = {}
        for name, values in {"brier": curves, "brier_km": alike}.items():
            terms = brier_terms(plain, pd.DataFrame(values, columns=grid), watched)
            found[name] = np.asarray(trapezoid(terms, grid, axis=1)) / (grid[-1] - grid[0])
        return found

    def leads(
        self, task: Task, fitted: Rows, held_out: Rows, predicted: Numbers, *, balanced: bool,
        guess: Numbers | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Terms of the partial likelihood, over the risk sets of the held-out samples."""
        truth = task.values[held_out]
        guessed = predicted * 0.0 if guess is None else guess
        alike, own = (self.sample_losses(truth, x) for x in (guessed, predicted))
        return pd.DataFrame({"loss": alike - own}, index=held_out)

    def upper(self, task: Task, rows: Rows, predicted: Numbers) -> NDArray[np.bool_]:
        return upper_half(predicted[:, 0])

    # ---------------------------------------------------------------------- tables and words

    def truth(self, task: Task, rows: Rows) -> dict[str, Any]:
        time, event, entry, stratum = task.values[rows].T
        found: dict[str, Any] = {"time": time, "event": event.astype(int)}
        if task.options["has_entry"]:
            found["entry"] = entry
        if task.options["has_strata"]:
            known = dict(enumerate(task.options["strata"]))  # another cohort may have more
            found["stratum"] = [known.get(k, f"new {k}") for k in stratum.astype(int).tolist()]
        return found

    def predicted(self, task: Task, predicted: Numbers) -> dict[str, Any]:
        found: dict[str, Any] = {"log hazard": predicted[:, 0]}
        if predicted.shape[1] > 1 + GRID:
            found["median when fitted"] = predicted[:, 1]
        if predicted.shape[1] > 1:
            found[f"survival at {task.options['horizon']:g}"] = predicted[:, -1]
        return found

    def predicted_beside(self, model: str, features: int, predicted: Numbers) -> dict[str, Any]:
        return {f"log hazard of {model} ({features})": predicted[:, 0]}

    def exchangeable(self, task: Task) -> NDArray[Any]:
        return np.asarray(task.values[:, 3])  # patients of one stratum

    def statistics(self, predictions: pd.DataFrame) -> dict[str, float]:
        return risk_statistics(predictions)

    def sections(
        self, task: Task, predictions: pd.DataFrame, words: Words, permuted: pd.DataFrame
    ) -> list[Section]:
        return survival_sections(task, times_of(task), predictions, words, permuted)

    def caveats(self, task: Task, predictions: pd.DataFrame, words: Words, seeds: int) -> list[str]:
        said = (
            "A log hazard is no time: it orders those at risk. Hazards are taken to be proportional"
        )
        if is_discrete(task):
            said = (
                f"What is called log hazard is the logarithm of the cumulative hazard at {task.options['horizon']:g}; "
                "before and after, samples may stand in another order. Hazards of the linear models are taken "
                "to be proportional"
            )
        return [f"{said}, and censoring not to depend on what would have happened."]

    def question(self, task: Task, words: Words) -> str:
        return f"time until {task.label!r}"

    def measured(self, task: Task, words: Words) -> str:
        return measured_words(task, words)

    def predicts(self, task: Task, words: Words) -> str:
        what = f"the hazard of each of {task.options['bins']} intervals"
        return f"the time until {task.label!r} ({what if is_discrete(task) else 'a log hazard'})"


@dataclass
class _Linear:
    """Holds the model that is fitted."""

    fitted: CoxRegression | None = None


OUTCOME = Survival()
