"""Networks of several graphs, their controls and a dense one, trained as one over shared features."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from edge2torch._core.randomness import seeded
from edge2torch.compile import compile_graph
from edge2torch.data import align_features_to_input_nodes
from edge2torch.study._ignorant import IGNORANT
from edge2torch.study._judge_priors import DENSE, OWN
from edge2torch.study._network import Network, customize_network
from edge2torch.study._outcomes._outcome import Goal, Task
from edge2torch.study._settings import StudySettings
from edge2torch.study._train import still_falling
from edge2torch.train import Split, fit, fit_scaler

_WIDEST = 64  # hidden nodes of the dense network
_SEPARATOR = "\x1f"  # no reader of edge tables lets one through by accident
_STEPS = 200  # as in a study: epochs of few steps are waited for longer
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class One:
    """A network among those that are trained side by side."""

    prior: str
    model: str
    edges: pd.DataFrame
    outputs: tuple[str, ...]
    has_head: bool


def networks_of(
    priors: Mapping[str, Network],
    data: pd.DataFrame,
    controls: Sequence[str],
    draws: int,
    starts: int,
    seed: int,
) -> list[One]:
    """Return all that is trained: priors, their controls, and a dense network."""
    found = []
    for number, (name, own) in enumerate(priors.items()):
        rest = (own.outputs, own.head > 0)
        found += [One(name, OWN, own.edges, *rest)] * starts
        for kind in controls:
            seeds = np.random.SeedSequence([seed, number, list(IGNORANT).index(kind)])
            for one in seeds.generate_state(draws).tolist():
                found.append(One(name, kind, IGNORANT[kind](own.edges, data, one), *rest))
    features = features_read(priors)
    readers = [
        own.edges["target"][own.edges["source"].isin(own.features)].nunique()
        for own in priors.values()
    ]
    width = min(max(int(np.median(readers)), 1), _WIDEST)
    hidden = [f"hidden {k}" for k in range(width)]
    dense = pd.DataFrame({"source": np.repeat(features, width), "target": hidden * len(features)})
    return found + [One("", DENSE, dense, tuple(hidden), True)] * starts


def features_read(priors: Mapping[str, Network]) -> list[str]:
    """Return the features that any prior reads."""
    return sorted({name for own in priors.values() for name in own.features})


def side_by_side(
    networks: Sequence[One], n_answers: int
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return one table of all networks over shared features, its inputs and its outputs."""
    tables, outputs = [], []
    for k, one in enumerate(networks):
        edges = one.edges[[c for c in ("source", "target", "constraint") if c in one.edges]]
        features = set(edges["source"]) - set(edges["target"])

        def own(names: Iterable[str], k: int = k, features: set[str] = features) -> list[str]:
            return [name if name in features else f"{k}{_SEPARATOR}{name}" for name in names]

        answers = own(one.outputs)
        parts = [edges.assign(source=own(edges["source"]), target=own(edges["target"]))]
        if one.has_head:
            ends, answers = answers, own(f"{_SEPARATOR}{c}" for c in range(n_answers))
            pairs = {"source": np.repeat(ends, n_answers), "target": answers * len(ends)}
            parts.append(pd.DataFrame(pairs))
        tables += parts
        outputs += answers
    table = pd.concat(tables, ignore_index=True)
    return table, sorted(set(table["source"]) - set(table["target"])), outputs


def train_side_by_side(
    networks: Sequence[One], data: pd.DataFrame, task: Task, split: Split, settings: StudySettings
) -> tuple[list[Floats], int]:
    """Return what each network predicts of the test part, at the epoch that suits it best.

    And the number of epochs, where it ended the training while the mean validation loss fell; or 0.
    """
    n_answers = len(task.answers)
    table, inputs, outputs = side_by_side(networks, n_answers)
    with seeded(settings.seed):
        base, artifact = compile_graph(table, inputs=inputs, outputs=outputs, quiet=True)
        model = customize_network(
            base,
            width=0,
            node_activation=settings.node_activation,
            node_dropout=settings.node_dropout_of(),
        )
    rows, validation = split.folds[0]
    x = align_features_to_input_nodes(fit_scaler(data[inputs], rows)(data[inputs]), artifact)
    goal = task.outcome.goal(task, rows, balanced=settings.class_weights)
    asked = torch.from_numpy(np.concatenate([validation, split.test]))
    judged, n = torch.from_numpy(validation), len(networks)
    best = torch.full((n,), torch.inf)
    kept = torch.zeros(len(split.test), n, n_answers)

    def loss(part: Tensor) -> Tensor:
        y = model(F.dropout(x[part], settings.input_dropout_of(task.outcome))).unflatten(
            1, (n, n_answers)
        )
        return _sum_of_losses(goal, y, part)

    def held_out() -> float:
        y = model(x[asked]).unflatten(1, (n, n_answers))
        own, of_test = y[: len(judged)], y[len(judged) :]
        now = torch.stack([goal.loss(own[:, k], judged) for k in range(n)])
        better = now < best
        best[better], kept[:, better] = now[better], of_test[:, better]
        return float(now.mean())

    steps = max(len(rows) // task.outcome.batch_size(len(rows), settings.batch_of(len(rows))), 1)
    found = fit(
        model,
        loss,
        rows,
        held_out=held_out,
        max_epochs=settings.max_epochs,
        patience=max(settings.patience, -(-_STEPS // steps)),
        batch_size=-(-len(rows) // steps),
        learning_rate=settings.learning_rate_of(),
        weight_decay=settings.weight_decay,
        keep_best=False,  # each network has a best epoch of its own
        seed=settings.seed,
        progress=False,
    )
    losses, epochs = tuple(found.history["held_out_loss"]), (found.best_epoch or 0) + 1
    cut_off = found.stopped_by == "max_epochs" and still_falling(losses, epochs)
    return [goal.answer(kept[:, k]) for k in range(n)], found.epochs if cut_off else 0


def _sum_of_losses(goal: Goal, y: Tensor, rows: Tensor) -> Tensor:
    """Sum over networks of the mean loss of y (b, networks, answers)."""
    n = y.shape[1]
    if goal.judged_with_fitted:  # samples count together, as those at risk do
        return torch.stack([goal.loss(y[:, k], rows) for k in range(n)]).sum()
    return n * goal.loss(y.flatten(0, 1), rows.repeat_interleave(n))
