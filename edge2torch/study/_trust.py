"""How far node scores can be trusted: replicates, controls, and scores corrected by them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.console import Console
from edge2torch.compile import CompileArtifact
from edge2torch.customize import customize_model
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import (
    Replicates,
    ReplicateStack,
    control_inputs,
    node_significance,
    replicate,
)
from edge2torch.nn import CustomizedEdgeModel
from edge2torch.study._learned import Learned, ahead_words, beaten_by, learned
from edge2torch.study._network import Network
from edge2torch.study._outcomes._outcome import Task
from edge2torch.study._progress import Progress
from edge2torch.study._settings import StudySettings
from edge2torch.study._train import (
    Trained,
    beside_of,
    goal_of,
    parts_of,
    shuffled,
    steps_of,
    trained_with,
)
from edge2torch.train import Split, drop_inputs, fit

_STEPS = 10  # of the path integral
_FEWEST = 2
LEVEL = 0.05  # false discovery rate below which a score is told from controls


@dataclass(frozen=True)
class Trust:
    """What replicates and controls say about the nodes' scores.

    Parameters
    ----------
    replicates : Replicates
        Networks of the given edges; scores are means over the classes.
    control_quality : Series
        Of the control networks.
    table : DataFrame
        Of ``node_significance``, over all classes.
    by_group : dict of str to DataFrame
        The same of each class.
    seconds : float
        Wall time.
    """

    replicates: Replicates
    control_quality: pd.Series
    table: pd.DataFrame
    by_group: Mapping[str, pd.DataFrame]
    seconds: float


def why_not(network: Network, settings: StudySettings) -> str | None:
    """Return why node scores are not looked into, if so."""
    if settings.replicates < _FEWEST or settings.controls < _FEWEST:
        return "Replicates and controls were not asked for."
    if len(_hidden(network)) < _FEWEST:
        return "The graph has fewer than two inner nodes, so there is nothing to rank."
    if set(network.features) & set(network.outputs):
        return "An output of the graph is an input as well, which replicates cannot be."
    return None


def look_into(
    trained: Trained,
    table: pd.DataFrame,
    task: Task,
    split: Split,
    settings: StudySettings,
    console: Console,
    progress: Progress,
    guess: NDArray[np.float64] | None = None,
) -> Trust | str:
    """Train replicates and controls, each set at once, and compare their node scores.

    Where either do not predict better than guessing, or than ``guess``, there is nothing to compare:
    the answer is a sentence that says so.
    """
    begin = time.monotonic()
    network = trained.network
    data = trained.scaler(table[network.features])
    how = _How(task, split, settings, trained.epochs, progress, console, network, guess)
    found, ahead = _replicates(network, data, how, settings.replicates, "replicates")
    if not ahead:
        return _no_better(f"The {settings.replicates} replicates", ahead, task, console)
    labels = pd.Series(task.outcome.control_labels(task))
    inputs = [
        control_inputs(data, labels, seed=settings.seed * 1000 + k)
        for k in range(settings.controls)
    ]
    control, ahead = _replicates(network, inputs, how, settings.controls, "controls")
    if not ahead:
        return _no_better(f"The {settings.controls} control networks", ahead, task, console)
    groups = _groups(task, split)
    options: dict[str, Any] = {"quiet": True, "attribute_kwargs": {"n_steps": _STEPS}}
    own, controlled = {}, {}
    for group, _ in console.count(len(groups), "node scores of replicates and controls", "classes"):
        name, k, rows = groups[group]
        own[name] = found.explain(data.iloc[rows], output=k, **options)
        controlled[name] = control.explain([one.iloc[rows] for one in inputs], output=k, **options)
    by_group = {
        name: node_significance(own[name], controlled[name], artifact=network.artifact)
        for name in own
    }
    joined = _joined(found, own)
    result = Trust(
        replicates=joined,
        control_quality=control.quality,
        table=node_significance(joined, _joined(control, controlled), artifact=network.artifact),
        by_group=by_group,
        seconds=time.monotonic() - begin,
    )
    console.say(
        f"{settings.replicates} replicates and {settings.controls} controls in "
        f"{result.seconds:.0f} s; replicates agree with Spearman {joined.stability:.2f}"
    )
    return result


def _no_better(who: str, found: Learned, task: Task, console: Console) -> str:
    said = (
        f"{who} do not predict better than {beaten_by(task)} ({ahead_words(found, task)}), so no q-values "
        f"are given."
    )
    console.say(said)
    return said


def beyond_place(table: pd.DataFrame) -> list[str]:
    """Nodes that score more than their place in the graph explains, the highest first."""
    found = table[(table["corrected"] > 0) & (table["qvalue"] < LEVEL)]
    return found.sort_values("corrected", ascending=False, kind="stable").index.astype(str).tolist()


def _hidden(network: Network) -> set[str]:
    ends = {*network.features, *network.outputs}
    layers = network.artifact.node_names_by_layer.values()
    return {name for names in layers for name in names if name not in ends}


def _groups(task: Task, split: Split) -> list[tuple[str, int, NDArray[np.int64]]]:
    """Name, output and held-out rows of every class; all rows for a number."""
    if not task.outcome.by_class:
        return [(task.label, 0, split.test)]
    values = task.values[split.test]
    return [
        (name, k, split.test[values == k])
        for k, name in enumerate(task.classes)
        if (values == k).any()
    ]


def _joined(found: Replicates, parts: Mapping[str, Replicates]) -> Replicates:
    """Mean over classes of the shares that each node has in a network."""
    shares = [part.scores.div(part.scores.mean(axis=1), axis=0) for part in parts.values()]
    scores = sum(shares[1:], shares[0]) / len(shares)
    means = [part.means for part in parts.values()]
    return Replicates(
        scores=scores,
        means=sum(means[1:], means[0]) / len(means),
        quality=found.quality,
        kept=found.kept,
        models=found.models,
        artifact=found.artifact,
    )


@dataclass(frozen=True)
class _How:
    """What replicates and controls are trained with."""

    task: Task
    split: Split
    settings: StudySettings
    epochs: int
    progress: Progress
    console: Console
    network: Network
    guess: NDArray[np.float64] | None


def _replicates(
    network: Network, data: pd.DataFrame | list[pd.DataFrame], how: _How, n: int, name: str
) -> tuple[Replicates, Learned]:
    """Train n networks at once, and say if they learned; a list of tables gives each its own."""
    task, settings = how.task, how.settings
    tables = data if isinstance(data, list) else [data]
    x = torch.stack([_tensor(table, network) for table in tables])
    x = x if isinstance(data, list) else x[0]
    seeds = iter(range(settings.seed * 1000, settings.seed * 1000 + n))

    def start() -> tuple[CustomizedEdgeModel, CompileArtifact]:
        model = network.build(settings, next(seeds))
        if (explained := task.outcome.explained()) is not None:
            heads = [*model.after.values(), explained]
            model = customize_model(model, head=nn.Sequential(*heads))
        return model, network.artifact

    ahead: list[pd.DataFrame] = []
    samples = [table.iloc[how.split.test[:2]] for table in tables]  # scored class by class later
    found = replicate(
        start,
        _loop(x, how, name, ahead),
        samples if isinstance(data, list) else samples[0],
        n=n,
        seed=settings.seed,
        output=0,
        together=True,
        quiet=True,
        min_quality=None,
        attribute_kwargs={"n_steps": _STEPS},
    )
    return found, learned(ahead)


def _tensor(table: pd.DataFrame, network: Network) -> Tensor:
    return torch.from_numpy(table[network.features].to_numpy(np.float32))


def _loop(
    x: Tensor, how: _How, name: str, ahead: list[pd.DataFrame]
) -> Callable[[ReplicateStack, int], NDArray[np.float64]]:
    """The training loop of the main network, with the loss summed over replicates.

    It adds to ``ahead`` how far each is ahead of guessing.
    """
    task, split, settings = how.task, how.split, how.settings
    goal = goal_of(task, split.fit, settings)
    n = getattr(settings, name)
    linear = beside_of(task, [goal] * n, [(split.fit, split.fit[:0])] * n, how.network)
    steps = steps_of(task, len(split.fit), settings)

    def batches(generator: torch.Generator) -> Sequence[Tensor]:
        return parts_of(task, shuffled(split.fit, generator), steps)

    def train(stack: ReplicateStack, seed: int) -> NDArray[np.float64]:
        def loss(rows: Tensor) -> Tensor:
            found = stack(drop_inputs(x[..., rows, :], settings.input_dropout))
            found = found if linear is None else found + linear(rows)
            return goal.summed_loss(found, rows)

        title = f"{n} {name}"
        fit(
            trained_with(stack, linear),
            loss,
            batches,
            max_epochs=how.epochs,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            seed=seed,
            checkpoint=how.progress.file(name),
            on_checkpoint=how.progress.note_time,
            progress=lambda to_come: how.console.count(
                to_come.stop, title, "epochs", first=to_come.start
            ),
        )
        with torch.no_grad():
            rows = torch.from_numpy(split.test)
            found = stack(x[..., rows, :])
            predicted = [
                goal.answer(y) for y in (found if linear is None else found + linear(rows))
            ]
        outcome, parts, balanced = task.outcome, (split.fit, split.test), settings.class_weights
        ahead.extend(
            outcome.leads(task, *parts, p, balanced=balanced, guess=how.guess) for p in predicted
        )
        quality = [outcome.scores(task, *parts, p)[outcome.metric.name] for p in predicted]
        if np.isnan(quality).any():
            raise Edge2TorchError("data: the label has one value only among the held-out samples.")
        return np.array(quality)

    return train
