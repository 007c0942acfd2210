"""What an outcome has to say of itself, and the samples' values of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.messages import plural
from edge2torch.study._outcomes import outcome_of
from edge2torch.study._outcomes._metric import Metric, upper_half
from edge2torch.study._words import Words

Rows = NDArray[np.int64]
Numbers = NDArray[np.float64]
Features = NDArray[np.float32]
Label = pd.Series | pd.DataFrame  # a value per sample, or several


@dataclass(frozen=True)
class Task:
    """What is predicted, for ``n`` samples.

    Parameters
    ----------
    kind : str
        Name of the outcome in the registry.
    label : str
        Name of the label.
    classes : tuple of str
        Sorted; empty where there are none.
    values : ndarray, shape (n, ...)
        Class numbers (int64), numbers (float64), or whatever the outcome makes of its columns.
    kept : ndarray of bool, shape (samples,)
        Which of the data set's samples these are.
    notes : tuple of str
        Why this outcome, and what was left out.
    options : mapping
        What the label said beside its columns.
    covariates : DataFrame, samples × covariates, optional
        What stands beside the network, of these samples.
    """

    kind: str
    label: str
    classes: tuple[str, ...]
    values: NDArray[Any]
    kept: NDArray[np.bool_]
    notes: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    covariates: pd.DataFrame | None = None

    def covariates_of(self, rows: Rows) -> pd.DataFrame | None:
        """Covariates of some samples, where there are any."""
        return None if self.covariates is None else self.covariates.iloc[rows]

    @property
    def outcome(self) -> Outcome:
        """The row of the registry."""
        return outcome_of(self.kind)

    @property
    def answers(self) -> tuple[str, ...]:
        """What the network's outputs say, in order."""
        return self.outcome.answers(self)


class Goal(ABC):
    """What a network's output is compared with, for all samples; standardised by those fitted."""

    @abstractmethod
    def loss(self, predicted: Tensor, rows: Tensor) -> Tensor:
        """Mean loss of predicted (b, outputs) over the samples ``rows`` (b,)."""

    @abstractmethod
    def answer(self, predicted: Tensor) -> Numbers:
        """Turn outputs (b, outputs) into what is predicted (b, k), in the units of the label.

        For classes there may be more dimensions before the last.
        """

    @classmethod
    def sum_losses(cls, goals: Sequence[Any], predicted: Tensor, rows: Tensor) -> Tensor:
        """Sum over networks of mean losses of predicted (k, b, outputs), each with a goal and rows (k, b)."""
        each = [goal.loss(*own) for goal, *own in zip(goals, predicted, rows, strict=True)]
        return torch.stack(each).sum()

    @classmethod
    def gradient(cls, goals: Sequence[Any], predicted: Tensor, rows: Tensor) -> Tensor:
        """Return the gradient (k, b, outputs) of :meth:`sum_losses` by what is predicted."""
        leaf = predicted.detach().requires_grad_()
        cls.sum_losses(goals, leaf, rows).backward()
        return cast(Tensor, leaf.grad)

    # Whether the loss is a mean of what each sample costs by itself.
    loss_is_mean: ClassVar[bool] = False

    def summed_loss(self, predicted: Tensor, rows: Tensor) -> Tensor:
        """Sum over networks of the mean losses of predicted (k, b, outputs) over the same samples."""
        if not self.loss_is_mean:
            return torch.stack([self.loss(one, rows) for one in predicted]).sum()
        k = len(predicted)  # as one network of k times the samples: k times fewer calls
        return k * self.loss(predicted.flatten(0, 1), rows.repeat(k))

    def read_out(self) -> nn.Module | None:
        """What makes of the outputs (b, outputs) the number (b, 1) to attribute, where that is no output."""
        return None

    # Whether held-out samples are judged beside those that were fitted, which then are predicted too.
    judged_with_fitted: ClassVar[bool] = False

    def held_out_loss(self, predicted: Tensor, rows: Tensor, fitted: Tensor) -> float:
        """Sum of the loss over held-out ``rows``, by which the number of epochs is chosen.

        ``predicted`` (n, outputs) is of all samples, NaN where it is not of those asked for.
        """
        return float(self.loss(predicted[rows], rows)) * len(rows)


@dataclass(frozen=True)
class Drawing:
    """A figure of an outcome's own: ``draw`` returns a Matplotlib figure."""

    draw: Callable[[], Any]
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of the report that only this outcome has.

    Parameters
    ----------
    title : str
        Its heading.
    text : tuple of str
        Paragraphs.
    tables : mapping of str to DataFrame
        Shown, in this order.
    figures : mapping of str to Drawing
        By the name of the file, without ``.png``.
    """

    title: str
    text: tuple[str, ...] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Mapping[str, Drawing] = field(default_factory=dict)


class Outcome(ABC):
    """A kind of outcome: how it is read, split, trained, held against others, and spoken of.

    What is abstract has to be written for a new one; the rest has the answer that most give.
    """

    name: ClassVar[str]  # in the registry, and as task=
    metrics: ClassVar[tuple[Metric, ...]]  # the first decides
    by_class: ClassVar[bool] = False  # an output, and a ranking of nodes, for each class
    # Steps of an epoch, where each of them needs all samples at once; 0 where batches do.
    whole_steps: ClassVar[int] = 0
    input_dropout: ClassVar[float] = 0.5  # where the settings do not say
    answered: ClassVar[str] = "classes"  # what several outputs are
    loss: ClassVar[str]  # as in "the mean squared error was minimised"
    linear: ClassVar[str]  # the baseline, as "ridge regression"
    guess: ClassVar[str]  # as in "better than the mean of the samples that were fitted"
    guessing: ClassVar[str]  # as in "against guessing the mean"
    ahead: ClassVar[str]  # what the lead over the guess is measured in, as "log loss lower by"
    behind: ClassVar[str] = ""  # the same of a lag; empty where a number keeps its sign, as R² does
    ranking: ClassVar[str | None] = None  # a metric that no threshold moves, to be held beside
    # What samples are halved by where there are no classes: "the upper half of the label".
    halved_by: ClassVar[str] = "the label"
    # Names of files that only this outcome writes; an earlier one's are removed.
    files: ClassVar[tuple[str, ...]] = ()

    @property
    def metric(self) -> Metric:
        """What models are compared by."""
        return self.metrics[0]

    # ---------------------------------------------------------------------------- the label

    def suits(self, label: Label) -> str:
        """Why a label is one of these when nobody said so, as "is text"; empty where it is not."""
        return ""

    @abstractmethod
    def read(
        self,
        label: Label,
        name: str,
        notes: Sequence[str],
        options: Mapping[str, Any],
        min_class_size: int,
    ) -> Task:
        """Make a task of the samples' label, or say what is wrong with it.

        ``label`` is a Series, or a table with a column per role where ``label=`` was an object.
        """  # fmt: skip

    @abstractmethod
    def of_cohort(
        self, label: Label, task: Task
    ) -> tuple[NDArray[Any], NDArray[np.bool_], list[str]]:
        """Values of another cohort as the task counts them, which samples have one, and notes."""

    def answers(self, task: Task) -> tuple[str, ...]:
        """What each output of the network says."""
        return (task.label,)

    def called(self, task: Task) -> str:
        """The label in a title."""
        return task.label

    def described(self, task: Task) -> str:
        """The label in the first sentence on the data."""
        return f"label {task.label!r}"

    def doubts(self, features: pd.DataFrame, task: Task) -> list[str]:
        """What the samples' features, before anything is trained, say against the label."""
        return []

    def few_held_out(self, task: Task, share: float) -> str:
        """Why a part of this share would say little of new samples, if so, as a sentence's start."""
        return ""

    # --------------------------------------------------------------------------- the training

    def strata(self, task: Task) -> NDArray[Any]:
        """What samples are split by: classes in equal shares; floating-point numbers have none."""
        return task.values

    def loss_words(self, task: Task) -> str:
        """What was minimised, as the start of a sentence goes on."""
        return self.loss

    @abstractmethod
    def goal(self, task: Task, rows: Rows, *, balanced: bool) -> Goal:
        """What the network is trained for, on ``rows``; with classes weighed equally if asked."""

    def batch_size(self, n: int, asked: int) -> int:
        """How many of ``n`` samples make a step, where ``asked`` are wanted."""
        return asked

    def control_labels(self, task: Task) -> NDArray[Any]:
        """One class or number per sample, from which control inputs are simulated."""
        return task.values

    # -------------------------------------------------------------------------- the baselines

    def linear_penalty(
        self, x: Features, task: Task, rows: Rows, groups: NDArray[Any] | None, seed: int
    ) -> float | None:
        """Penalty of the linear model, where it is not to be chosen by the loss of each sample."""
        return None

    @abstractmethod
    def linear_model(self) -> Any:
        """Return a linear model that is yet to be fitted."""

    @abstractmethod
    def fit_linear(
        self, model: Any, x: Features, task: Task, rows: Rows, penalty: float, tolerance: float
    ) -> None:
        """Fit it on ``rows`` of scaled features x (n, i), from where it stands if it was fitted.

        ``penalty`` is the weight of half the squared norm of the coefficients beside the mean loss,
        and ``tolerance`` the gradient at which an iterative fit may end.
        """

    @abstractmethod
    def predict_linear(self, model: Any, x: Features, task: Task) -> Numbers:
        """What such a model predicts (b, k); as a goal's ``answer``."""

    # ------------------------------------------------------------------------ how good it is

    def completed(
        self,
        task: Task,
        fitted: Rows,
        of_fitted: Callable[[], Numbers],
        rows: Rows,
        predicted: Numbers,
    ) -> Numbers:
        """Add columns to what was predicted of held-out ``rows``, from the same of those fitted."""
        return predicted

    @abstractmethod
    def sample_losses(self, truth: NDArray[Any], predicted: Numbers) -> Numbers:
        """Loss of each sample (b,), of values ``truth`` (b, ...) and what was predicted (b, k)."""

    @abstractmethod
    def scores(
        self, task: Task, fitted: Rows, held_out: Rows, predicted: Numbers
    ) -> dict[str, float]:
        """Every metric, of held-out samples."""

    def resampled(
        self, task: Task, fitted: Rows, held_out: Rows, predicted: Numbers, counts: Rows
    ) -> dict[str, Numbers]:
        """Every metric (draws,) of samples of which each counts so often: ``counts`` (draws, b).

        Slow as it stands: write it for metrics that can be weighed.
        """
        found: dict[str, list[float]] = {one.name: [] for one in self.metrics}
        for count in counts:
            drawn = np.repeat(np.arange(len(held_out)), count)
            known = (
                self.scores(task, fitted, held_out[drawn], predicted[drawn]) if len(drawn) else {}
            )
            for name, values in found.items():
                values.append(known.get(name, float("nan")))
        return {name: np.array(values) for name, values in found.items()}

    def exchangeable(self, task: Task) -> NDArray[Any]:
        """A value (n,) for each sample, among whose equals its outcome may be another's by chance."""
        return np.zeros(len(task.values))

    def statistics(self, predictions: pd.DataFrame) -> dict[str, float]:
        """What held-out predictions of all seeds are compared by with those of permuted outcomes."""
        return {}

    @abstractmethod
    def leads(
        self,
        task: Task,
        fitted: Rows,
        held_out: Rows,
        predicted: Numbers,
        *,
        balanced: bool,
        guess: Numbers | None = None,
    ) -> pd.DataFrame:
        """Lead over guessing of every held-out sample: ``loss`` and, of classes, ``hits``.

        The guess knows the labels of the fitted samples, and no features; ``guess`` (b, k), of the
        held-out samples, stands for it where there is one, such as by covariates alone.
        """  # fmt: skip

    # ------------------------------------------------------------------- what it rests on

    def upper(self, task: Task, rows: Rows, predicted: Numbers) -> NDArray[np.bool_]:
        """Which of the samples are of the upper half, where there are no classes."""
        return upper_half(task.values[rows])

    # ------------------------------------------------------------------ tables, figures, words

    def truth(self, task: Task, rows: Rows) -> dict[str, Any]:
        """What each sample is, as columns of the predictions."""
        return {"actual": task.values[rows]}

    def predicted(self, task: Task, predicted: Numbers) -> dict[str, Any]:
        """What each sample is taken for, as columns of the predictions."""
        return {"predicted": predicted[:, 0]}

    def predicted_beside(self, model: str, features: int, predicted: Numbers) -> dict[str, Any]:
        """Columns of the predictions for each of the models that are compared."""
        return {}

    def tables(self, task: Task, predictions: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """Further tables, by the name of the file without ``.csv``."""
        return {}

    def sections(
        self, task: Task, predictions: pd.DataFrame, words: Words, permuted: pd.DataFrame
    ) -> list[Section]:
        """Further parts of the report's chapter on accuracy; ``permuted`` holds what is the ``statistics``."""
        return []

    def caveats(self, task: Task, predictions: pd.DataFrame, words: Words, seeds: int) -> list[str]:
        """What a reader must be careful about."""
        return []

    def question(self, task: Task, words: Words) -> str:
        """As in "Can the value of 'dose' of a sample be told"."""
        return f"value of {task.label!r}"

    def measured(self, task: Task, words: Words) -> str:
        """How predictions were judged, as sentences for a methods section; where metrics need no word, none."""
        return ""

    def predicts(self, task: Task, words: Words) -> str:
        """As in "was trained to predict dose (a number)"."""
        return task.label

    def reached(self, task: Task, words: Words, shown: str, spread: str) -> str:
        """Say how good the network is: its score, and the spread over seeds."""
        return f"On held-out {plural(words.sample)} the KPNN reaches {self.metric.label} = {shown} {spread}"
