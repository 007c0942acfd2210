"""Which nodes are found: cross-fitted networks, their controls, and what both say."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch._core.console import Console
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import CrossFitted, Target, cross_fit, judge, node_alone, rewire
from edge2torch.nn import CustomizedEdgeModel
from edge2torch.study._covariates import covariates_alone, fit_encoding
from edge2torch.study._learned import Learned, ahead_words, beaten_by, lagging, learned
from edge2torch.study._network import Network
from edge2torch.study._outcomes._outcome import Goal, Task
from edge2torch.study._progress import Progress
from edge2torch.study._settings import HEAD_WEIGHT, StudySettings
from edge2torch.study._train import goal_of

_FEWEST = 2
FOLDS = 4
# Passes over the samples, of eight steps each with the default batch. Longer trained networks lean on
# single nodes: predictions stay as good, and fewer nodes can be told from others.
EPOCHS = 30
LEVEL = 0.05  # false discovery rate below which a node is found


@dataclass(frozen=True)
class Trust:
    """Which nodes are found, and what stands beside that.

    Parameters
    ----------
    table : DataFrame
        Of ``edge2torch.interpret.find_nodes``, by node.
    rewired : DataFrame
        The same of networks with rewired edges.
    calibration : DataFrame
        By control, tested against the others: shares of nodes with small p.
    by_class : dict of str to DataFrame
        Of ``node_use`` for each class, against the rest; q over all of them together.
    quality : Series
        Main score of the held-out predictions, by fold.
    starts, controls : int
        Networks in each fold; times that features were exchanged.
    seconds : float
        Wall time.
    sufficient : float or None
        Share of nodes that predict by themselves, with all others held, where none is needed.
    epochs : int
        Passes over the samples in training, as a study counts them.
    """

    table: pd.DataFrame
    rewired: pd.DataFrame
    calibration: pd.DataFrame
    by_class: Mapping[str, pd.DataFrame]
    quality: pd.Series
    starts: int
    controls: int
    seconds: float
    sufficient: float | None = None
    epochs: int = EPOCHS

    @property
    def found(self) -> list[str]:
        """Names of the found nodes, of the largest gain first."""
        return self.table.index[self.table["found"]].astype(str).tolist()

    @property
    def claimed(self) -> list[str]:
        """The found nodes, or none where rewired edges have as many: then edges are not the reason."""
        return self.found if self.n_rewired < len(self.found) else []

    @property
    def alone(self) -> list[str]:
        """The found nodes that no better one explains."""
        return [name for name in self.found if not self.table.loc[name, "explained_by"]]

    @property
    def only_used(self) -> list[str]:
        """Nodes that carry the prediction, and would with any features."""
        used = (self.table["q_use"] < LEVEL) & ~self.table["found"]
        return self.table.index[used].astype(str).tolist()

    @property
    def n_rewired(self) -> int:
        """How many nodes the same procedure finds with rewired edges."""
        return int(self.rewired["found"].sum())


def why_not(network: Network, settings: StudySettings) -> str | None:
    """Return why nodes are not judged, if so."""
    if settings.replicates < 1 or settings.controls < _FEWEST:
        return "Networks to judge the nodes by were not asked for."
    if len(network.inner_nodes) < _FEWEST:
        return "The graph has fewer than two inner nodes, so there is nothing to rank."
    if set(network.features) & set(network.outputs):
        return "An output of the graph is an input as well, so that nodes cannot be judged."
    return None


def epochs_to_judge(task: Task, settings: StudySettings, of_study: int) -> int:
    """Return how long the networks are trained that nodes are judged by.

    Where every step takes all samples an epoch has few of them, and after EPOCHS such networks are
    far behind the study's own: these are trained as long, which was chosen by prediction alone.
    """
    least = max(EPOCHS, of_study) if task.outcome.whole_steps else EPOCHS
    return min(least, settings.max_epochs)


def look_into(
    network: Network,
    table: pd.DataFrame,
    task: Task,
    settings: StudySettings,
    *,
    groups: NDArray[np.str_] | None = None,
    held_out: NDArray[np.bool_] | None = None,
    parts: NDArray[np.str_] | None = None,
    node: str = "node",
    epochs: int = EPOCHS,
    console: Console,
    progress: Progress,
) -> Trust | str:
    """Train networks in folds, with the given, exchanged and rewired, and ask which nodes are found.

    Where they do not predict better than guessing there is nothing to ask: the answer is a sentence
    that says so. ``epochs`` is what the study's own networks were trained for.
    """
    begin = time.monotonic()
    n_outputs = network.head or len(network.outputs)
    target = _OfOutcome(task.values, task.classes, task=task, settings=settings, width=n_outputs)
    n_epochs = epochs_to_judge(task, settings, epochs)
    how = _How(table[network.features], target, settings, groups, console, progress, n_epochs)
    try:
        fitted = how.fit(network, "cross-fit", _folds(held_out, parts))
    except Edge2TorchError as error:  # classes of one donor: no fold can have them on both sides
        return f"No node was judged: {error}"
    ahead, quality = _quality(fitted, target)
    if not ahead:
        said = (
            f"The networks of {len(fitted.folds)} folds {'do not' if lagging(ahead) else 'are not shown to'} "
            f"predict better than {beaten_by(task)} "
            f"({ahead_words(ahead, task)}), so no {node} is called found."
        )
        console.say(said)
        return said
    controls = [
        how.fit(network, f"exchanged {k + 1}", fitted.folds, exchange=settings.seed * 1000 + k)
        for k in range(settings.controls)
    ]
    shuffled = network.with_edges(rewire(network.edges, "degree", seed=settings.seed))
    rewired = how.fit(shuffled, "rewired", fitted.folds)
    answer = judge(
        fitted, controls, rewired, how.table, target,
        groups=groups, by_class=task.outcome.by_class,
    )  # fmt: skip
    names = answer.table.index  # found ones first
    by_class: dict[str, pd.DataFrame] = {}
    if task.outcome.by_class:
        each = answer.by_class.groupby(level="class")
        by_class = {str(name): part.droplevel(0).loc[names] for name, part in each}
    sufficient = None
    if not (answer.table["q_use"] < LEVEL).any():
        goal: Any = target
        alone = node_alone(fitted, controls, how.table, goal, groups=groups)
        sufficient = float((alone["q_alone"] < LEVEL).mean())
    result = Trust(
        table=answer.table,
        rewired=pd.DataFrame() if answer.rewired is None else answer.rewired,
        calibration=answer.calibration,
        by_class=by_class,
        quality=quality,
        starts=settings.replicates,
        controls=settings.controls,
        seconds=time.monotonic() - begin,
        sufficient=sufficient,
        epochs=n_epochs,
    )
    console.say(
        f"{len(fitted.folds)} folds × {settings.replicates} starts, {settings.controls} controls and "
        f"rewired edges in {result.seconds:.0f} s: {len(result.found)} of {len(result.table)} found, "
        f"{result.n_rewired} with rewired edges"
    )
    return result


@dataclass(frozen=True, eq=False, kw_only=True)
class _OfOutcome(Target):
    """What a study's outcome trains for and judges by."""

    task: Task
    settings: StudySettings
    width: int  # outputs of the network

    @property
    def strength_of(self) -> NDArray[Any]:
        return self.task.outcome.control_labels(self.task)

    @property
    def strata(self) -> NDArray[Any]:
        return self.task.outcome.strata(self.task)

    @property
    def n_outputs(self) -> tuple[int, ...]:
        return ()  # the network was made for the task

    def goal(self, rows: NDArray[np.int64]) -> tuple[Goal, Tensor | None]:
        """Return the goal, and what covariates alone bring to the outputs of all samples (n, o)."""
        goal, samples = goal_of(self.task, rows, self.settings), self.task.covariates
        if samples is None:
            return goal, None
        z = torch.from_numpy(fit_encoding(samples, rows)(samples).to_numpy())
        weight, bias = covariates_alone(z, goal, rows, self.width)
        return goal, z @ weight + bias

    def training_loss(self, y: Tensor, rows: Tensor, goal: Any) -> Tensor:
        aim, beside = goal
        loss: Tensor = aim.loss(y if beside is None else y + beside[rows], rows)
        return loss

    def alike(self, goals: Sequence[Any]) -> bool:
        weighs = self.settings.class_weights or self.task.covariates is not None
        return bool(self.classes) and not weighs and goals[0][0].loss_is_mean

    def answer(self, y: Tensor, goal: Any, rows: NDArray[np.int64]) -> Tensor:
        aim, beside = goal
        y = y if beside is None else y + beside[torch.from_numpy(rows)]
        if self.classes:
            return torch.from_numpy(aim.answer(y))
        # what stands behind the number, such as curves, is not judged here
        flat: Tensor = torch.from_numpy(aim.answer(y.flatten(0, -2)))[:, :1]
        return flat.view(*y.shape[:-1], 1)

    def losses(
        self, y: Tensor, rows: NDArray[np.int64], goal: Any, classes: Sequence[int | None] = (None,)
    ) -> NDArray[np.float64]:
        if self.classes:
            return super().losses(y, rows, goal, classes)
        answers, truth = self.answer(y, goal, rows).numpy(), self.task.values[rows]
        flat = answers.reshape(-1, *answers.shape[-2:])
        each = [self.task.outcome.sample_losses(truth, one) for one in flat]
        return np.stack(each).reshape(1, *answers.shape[:-1])


@dataclass(frozen=True)
class _How:
    """What networks are trained with."""

    table: pd.DataFrame
    target: _OfOutcome
    settings: StudySettings
    groups: NDArray[np.str_] | None
    console: Console
    progress: Progress
    epochs: int
    built: dict[str, dict[int, CustomizedEdgeModel]] = field(default_factory=dict)

    def fit(
        self, network: Network, name: str, folds: Any, *, exchange: int | None = None
    ) -> CrossFitted:
        settings, task = self.settings, self.target.task
        seeds = itertools.count(settings.seed * 1000)
        # the same starts for the given features and for exchanged ones: compiled once
        built = self.built.setdefault(network.artifact.fingerprint, {})

        def start() -> tuple[CustomizedEdgeModel, CompileArtifact]:
            seed = next(seeds)
            if seed not in built:
                # without heads: what judges a node must not have been told to predict by it
                built[seed] = network.build(
                    replace(settings, node_heads=False, head_weight=HEAD_WEIGHT), seed
                )
            return copy.deepcopy(built[seed]), network.artifact

        n = len(self.table) * (FOLDS - 1) // FOLDS
        steps = task.outcome.whole_steps or 1  # of an epoch in which each step takes all samples
        return cross_fit(
            start,
            self.table,
            self.target,  # type: ignore[arg-type]
            folds=folds,
            starts=settings.replicates,
            groups=self.groups,
            exchange_features=exchange,
            impute=settings.impute,
            seed=settings.seed,
            max_epochs=self.epochs * steps,
            batch_size=task.outcome.batch_size(n, settings.batch_of(n)),
            learning_rate=settings.learning_rate_of(),
            weight_decay=settings.weight_decay,
            input_dropout=settings.input_dropout_of(task.outcome),
            checkpoint=self.progress.file(name),
            on_checkpoint=self.progress.note_time,
            progress=lambda to_come: self.console.count(
                to_come.stop, name, "epochs", first=to_come.start
            ),
        )


def _folds(held_out: NDArray[np.bool_] | None, parts: NDArray[np.str_] | None) -> Any:
    """Folds of all samples: the user's parts; where another cohort is the test, that one is held out."""
    if parts is not None:
        return parts
    return FOLDS if held_out is None else [(np.flatnonzero(~held_out), np.flatnonzero(held_out))]


def n_folds_of(held_out: NDArray[np.bool_] | None, parts: NDArray[np.str_] | None) -> int:
    """Return in how many folds networks are trained to judge the nodes."""
    if parts is not None:
        return len(np.unique(parts))
    return FOLDS if held_out is None else 1


def _quality(fitted: CrossFitted, target: _OfOutcome) -> tuple[Learned, pd.Series]:
    """How far ahead of guessing the held-out predictions are, and their main score, by fold."""
    task, outcome = target.task, target.task.outcome
    seen = np.unique(np.concatenate([held_out for _, held_out in fitted.folds]))
    predicted = fitted.predictions.to_numpy()
    leads, quality = [], []
    for rows, held_out in fitted.folds:
        own = predicted[np.searchsorted(seen, held_out)]
        aim, beside = target.goal(rows)
        guess = None if beside is None else aim.answer(beside[torch.from_numpy(held_out)])
        balanced = target.settings.class_weights
        leads.append(outcome.leads(task, rows, held_out, own, balanced=balanced, guess=guess))
        quality.append(outcome.scores(task, rows, held_out, own)[outcome.metric.name])
    return learned([pd.concat(leads)]), pd.Series(quality, name="quality").rename_axis("fold")
