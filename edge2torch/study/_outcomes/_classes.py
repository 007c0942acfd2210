"""Classes: cross entropy, accuracy, and a ranking of nodes for each of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from edge2torch._core.messages import listing, plural, require
from edge2torch._core.names import case_hint
from edge2torch._core.probabilities import softmax
from edge2torch.errors import Edge2TorchError
from edge2torch.study._outcomes._metric import Metric
from edge2torch.study._outcomes._outcome import Features, Goal, Label, Numbers, Outcome, Rows, Task
from edge2torch.study._words import Words
from edge2torch.train import sample_losses, score_predictions

_FEW_NUMBERS = 10  # so many whole numbers, each of them repeated, are taken for classes
_FEW_HELD_OUT = 10
_ENOUGH_HELD_OUT = 50  # of each class, for one part to be enough
_SHOWN = 5
_ITERATIONS = 500
_ATEN = torch.ops.aten


@dataclass(frozen=True)
class _Goal(Goal):
    loss_is_mean = True
    y: Tensor
    weight: Tensor | None

    def loss(self, predicted: Tensor, rows: Tensor) -> Tensor:
        return F.cross_entropy(predicted, self.y[rows], weight=self.weight)

    @classmethod
    def sum_losses(cls, goals: Sequence[Any], predicted: Tensor, rows: Tensor) -> Tensor:
        """As one network of k times the samples: k times fewer calls, several per step of each fold."""
        y = goals[0].y.index_select(
            0, rows.flatten()
        )  # all have the same labels; weights are those of the fold
        weights = [goal.weight for goal in goals if goal.weight is not None]
        if not weights:
            mean = F.cross_entropy(predicted.flatten(0, 1), y)
            return mean if len(goals) == 1 else len(goals) * mean
        weight = torch.stack(weights).gather(1, y.view_as(rows))
        cost = F.cross_entropy(predicted.flatten(0, 1), y, reduction="none")
        return ((cost.view_as(weight) * weight).sum(1) / weight.sum(1)).sum()

    @classmethod
    def gradient(cls, goals: Sequence[Any], predicted: Tensor, rows: Tensor) -> Tensor:
        """By the functions that autograd would call, without what it does around them."""
        if any(goal.weight is not None for goal in goals):
            return super().gradient(goals, predicted, rows)
        y, own = goals[0].y.index_select(0, rows.flatten()), predicted.flatten(0, 1)
        logs = _ATEN._log_softmax(own, 1, half_to_float=False)
        how = y, None, 1, -100  # means over samples; no class is left out
        _, total = _ATEN.nll_loss_forward(logs, *how)
        found = _ATEN.nll_loss_backward(own.new_tensor(len(goals)), logs, *how, total)
        found = _ATEN._log_softmax_backward_data(found, logs, 1, own.dtype)
        return cast(Tensor, found.view(predicted.shape))

    def answer(self, predicted: Tensor) -> Numbers:
        return np.asarray(softmax(predicted))


class Classes(Outcome):
    """One of several classes."""

    name = "classification"
    metrics = (
        Metric("accuracy", "accuracy", percent=True),
        Metric("balanced_accuracy", "balanced accuracy", percent=True),
        Metric("macro_f1", "macro F1"),
        Metric("roc_auc", "ROC-AUC"),
        Metric("log_loss", "log loss", bounds=(0, np.inf), higher_is_better=False),
    )
    by_class = True
    loss = "cross entropy"
    linear = "logistic regression"
    guess = "the class frequencies"
    guessing = "guessing by how common they are"
    ahead, behind = "log loss lower by", "log loss higher by"
    ranking = "roc_auc"
    files = ("confusion.csv",)

    def suits(self, label: Label) -> str:
        if pd.api.types.is_bool_dtype(label.dtype):
            return "is yes or no"
        if isinstance(label.dtype, pd.CategoricalDtype):
            return "is categorical"
        if not pd.api.types.is_numeric_dtype(label.dtype):
            return "is text"
        values = label.to_numpy(np.float64)
        sizes = pd.Series(values).value_counts()
        if (values == values.round()).all() and len(sizes) <= _FEW_NUMBERS and sizes.min() > 1:
            return f"has {len(sizes)} whole numbers as values"
        return ""

    def read(
        self, label: Label, name: str, notes: Sequence[str], options: Mapping[str, Any],
        min_class_size: int,
    ) -> Task:  # fmt: skip
        names = class_names(label)
        sizes = names.value_counts()
        said = [*notes, *_spelled_twice(sizes)]
        small = sorted(sizes.index[sizes < min_class_size])
        if small:
            lost = int(sizes[small].sum())
            said.append(
                f"{len(small)} class(es) with fewer than {min_class_size} samples left out, "
                f"{lost} sample(s) in all: {listing(small)}."
            )
        kept = ~names.isin(small).to_numpy()
        classes = tuple(sorted(set(names[kept])))
        if len(sizes) < 2:
            raise Edge2TorchError(
                f"label: {name!r} is {listing(sizes.index)} for all {len(names)} samples, so there is nothing to tell "
                "apart. Choose another label."
            )
        if len(classes) < 2:
            few = ", ".join(f"{one!r}: {size}" for one, size in sizes.head(_SHOWN).items())
            raise Edge2TorchError(
                f"label: {name!r} has {plural('class', len(classes))} of at least {min_class_size} samples "
                f"({few}{', ...' if len(sizes) > _SHOWN else ''}); two are needed. Choose another "
                "label, or lower min_class_size=."
            )
        codes = pd.Index(classes).get_indexer(pd.Index(names[kept])).astype(np.int64)
        return Task(self.name, name, classes, codes, kept, tuple(said), options)

    def few_held_out(self, task: Task, share: float) -> str:
        sizes = np.bincount(task.values)
        rarest = int(sizes.argmin())
        n = round(share * int(sizes[rarest]))
        if n >= _ENOUGH_HELD_OUT:
            return ""
        return f"A part of {share:g} would hold {plural('sample', n)} of {task.classes[rarest]!r}"

    def of_cohort(
        self, label: Label, task: Task
    ) -> tuple[NDArray[Any], NDArray[np.bool_], list[str]]:
        names = class_names(label)
        codes = pd.Index(task.classes).get_indexer(pd.Index(names)).astype(np.int64)
        known = codes >= 0
        if not known.any():
            raise Edge2TorchError(
                f"test_data: no sample has a class of the data: {listing(task.classes, 10)}."
                + case_hint(sorted(set(names)), task.classes)
            )
        others = sorted(set(names[~known]))
        notes = []
        if others:
            notes.append(
                f"{int((~known).sum())} sample(s) of the test data are of classes that the data lack, left "
                f"out: {listing(others)}.{case_hint(others, task.classes)}"
            )
        return codes[known], known, notes

    def answers(self, task: Task) -> tuple[str, ...]:
        return task.classes

    def described(self, task: Task) -> str:
        named = listing(task.classes, 12)
        return f"label {task.label!r} with {len(task.classes)} classes ({named})"

    def goal(self, task: Task, rows: Rows, *, balanced: bool) -> Goal:
        weight = None
        if balanced:
            count = np.bincount(task.values[rows], minlength=len(task.classes))
            weight = torch.as_tensor(len(rows) / len(count) / count, dtype=torch.float32)
        return _Goal(torch.from_numpy(task.values), weight)

    def linear_model(self) -> Any:
        linear = require("sklearn.linear_model", extra="cli")
        return linear.LogisticRegression(max_iter=_ITERATIONS, warm_start=True)

    def fit_linear(
        self, model: Any, x: Features, task: Task, rows: Rows, penalty: float, tolerance: float
    ) -> None:
        model.set_params(C=1 / (penalty * len(rows)), tol=tolerance)
        sklearn = require("sklearn", extra="cli")
        # scaled data are finite; to look at them and at the settings takes a tenth of a small fit
        quick = sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
        with quick, warnings.catch_warnings():
            # A fit that stops early is judged like any other, by samples it has not seen.
            warnings.filterwarnings("ignore", message="lbfgs failed to converge")
            model.fit(x[rows], task.values[rows])

    def predict_linear(self, model: Any, x: Features, task: Task) -> Numbers:
        found = np.zeros((len(x), len(task.classes)))
        found[:, model.classes_] = model.predict_proba(x)
        return found

    def sample_losses(self, truth: NDArray[Any], predicted: Numbers) -> Numbers:
        return sample_losses(truth, predicted)

    def scores(
        self, task: Task, fitted: Rows, held_out: Rows, predicted: Numbers
    ) -> dict[str, float]:
        return score_predictions(task.values[held_out], predicted)

    def resampled(
        self, task: Task, fitted: Rows, held_out: Rows, predicted: Numbers, counts: Rows
    ) -> dict[str, Numbers]:
        truth, chosen = task.values[held_out], predicted.argmax(axis=1)
        total = counts.sum(axis=1)
        recall, f1, area = [], [], []
        with np.errstate(divide="ignore", invalid="ignore"):
            for k in np.unique(truth):  # NaN where a class is not among those drawn
                is_class, taken = truth == k, chosen == k
                own = counts[:, is_class].sum(axis=1)
                right = counts[:, is_class & taken].sum(axis=1)
                recall.append(right / own)
                both = np.where(own > 0, own + counts[:, taken].sum(axis=1), np.nan)
                f1.append(2 * right / both)
                area.append(_areas(predicted[:, k], is_class, counts))
            losses = counts @ sample_losses(truth, predicted) / total
            accuracy = counts[:, chosen == truth].sum(axis=1) / total
        means = [_mean(np.array(part)) for part in (recall, f1, area)]
        names = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "log_loss")
        return dict(zip(names, (accuracy, *means, losses), strict=True))

    def leads(
        self, task: Task, fitted: Rows, held_out: Rows, predicted: Numbers, *, balanced: bool,
        guess: Numbers | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Where classes are weighed equally the guess takes them to be equally common, and each
        counts as much as the others; else it knows how common they are.
        """  # noqa: D205
        truth, n = task.values[held_out], len(task.classes)
        share = np.bincount(task.values[fitted], minlength=n) / len(fitted)
        weight = (1 / (n * share))[truth] if balanced else np.ones(len(truth))
        chance = np.full(n, 1 / n) if balanced else share
        right = predicted.argmax(axis=1) == truth
        by_chance = np.full(len(truth), 1 / n) if balanced else truth == share.argmax()
        if guess is None:
            guess = np.tile(chance, (len(truth), 1))
        else:
            by_chance = guess.argmax(axis=1) == truth
        return pd.DataFrame(
            {
                "loss": weight * (sample_losses(truth, guess) - sample_losses(truth, predicted)),
                "hits": weight * (right.astype(float) - by_chance),
            },
            index=held_out,
        )

    def truth(self, task: Task, rows: Rows) -> dict[str, Any]:
        return {"actual": np.array(task.classes, object)[task.values[rows]]}

    def predicted(self, task: Task, predicted: Numbers) -> dict[str, Any]:
        columns: dict[str, Any] = {
            "predicted": np.array(task.classes, object)[predicted.argmax(axis=1)]
        }
        for k, name in enumerate(task.classes):
            columns[f"probability {name}"] = predicted[:, k].round(6)
        return columns

    def tables(self, task: Task, predictions: pd.DataFrame) -> dict[str, pd.DataFrame]:
        return {"confusion": confusion_table(task, predictions)}

    def caveats(self, task: Task, predictions: pd.DataFrame, words: Words, seeds: int) -> list[str]:
        table = confusion_table(task, predictions)["held out"]
        few = sorted(table.index[table < _FEW_HELD_OUT * seeds])
        if not few:
            return []
        return [
            (
                f"Few held-out {plural(words.sample)} (fewer than {_FEW_HELD_OUT} per seed) stand "
                f"behind {listing(few, 10)}: read these with care."
            )
        ]

    def question(self, task: Task, words: Words) -> str:
        return words.group if words.group != "class" else f"class of {task.label!r}"

    def predicts(self, task: Task, words: Words) -> str:
        return f"the {words.group} ({plural('class', len(task.classes))})"

    def reached(self, task: Task, words: Words, shown: str, spread: str) -> str:
        common = float(np.bincount(task.values).max() / len(task.values))
        return (
            f"The KPNN names the right {words.group} for {shown} of the held-out "
            f"{plural(words.sample)} {spread}; always guessing the most common one would be "
            f"right for {100 * common:.1f} %"
        )


def class_names(label: Label) -> pd.Series:
    """Return the class of each sample, as text."""
    numeric = pd.api.types.is_numeric_dtype(label.dtype)
    if numeric and not pd.api.types.is_bool_dtype(label.dtype):
        values = label.to_numpy(np.float64)
        whole = (values == values.round()).all()
        return pd.Series([str(int(v)) if whole else str(v) for v in values], index=label.index)
    return pd.Series([str(value).strip() for value in label], index=label.index, dtype=object)


def _spelled_twice(sizes: pd.Series) -> list[str]:
    """Warn of classes (index, with their sizes) that differ in upper and lower case, or in spaces, only."""
    alike: dict[str, list[str]] = {}
    for name in sorted(sizes.index):
        alike.setdefault(" ".join(name.split()).casefold(), []).append(name)
    twice = [
        " and ".join(f"{name!r} ({plural('sample', int(sizes[name]))})" for name in names)
        for names in alike.values()
        if len(names) > 1
    ]
    if not twice:
        return []
    more = f" and {len(twice) - _SHOWN} more" if len(twice) > _SHOWN else ""
    return [
        (
            "WARNING: classes are the same but for upper and lower case or spaces, and each is taken for a class "
            f"of its own: {'; '.join(twice[:_SHOWN])}{more}. If they are one, write them alike."
        )
    ]


def _areas(score: Numbers, is_class: NDArray[np.bool_], counts: Rows) -> Numbers:
    """Area under the ROC curve (draws,) of samples that count so often (draws, b)."""
    order = np.argsort(score, kind="stable")
    ties = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    inside, outside = (
        np.add.reduceat(counts[:, order] * part[order], ties, axis=1)
        for part in (is_class, ~is_class)
    )
    below = outside.cumsum(axis=1) - outside / 2
    return np.asarray((inside * below).sum(axis=1) / (inside.sum(axis=1) * outside.sum(axis=1)))


def _mean(values: Numbers) -> Numbers:
    """Mean over classes (classes, draws) that were drawn."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):  # NaN where no area is known, of draws of one class
        return np.asarray(np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0))


def confusion_table(task: Task, predictions: pd.DataFrame) -> pd.DataFrame:
    """Share of each class (row) that was taken for each class (column), all seeds together."""
    classes = pd.Index(task.classes)
    truth, chosen = (
        classes.get_indexer(pd.Index(predictions[column])) for column in ("actual", "predicted")
    )
    metrics = require("sklearn.metrics", extra="cli")
    counts = metrics.confusion_matrix(truth, chosen, labels=range(len(classes)))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    table = pd.DataFrame(share, index=classes, columns=classes)
    table.insert(0, "held out", counts.sum(axis=1))
    return table.rename_axis("actual")


OUTCOME = Classes()
