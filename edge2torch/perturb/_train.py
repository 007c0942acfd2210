"""Training one network on some samples of a design."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.nn import MaskedLinear
from edge2torch.perturb._compile import compile as compile_design
from edge2torch.perturb._design import Design, Ints
from edge2torch.perturb._kernel import GraphKernel, together
from edge2torch.perturb._model import PerturbationModel
from edge2torch.perturb._problem import Floats, Problem, centre_and_spread
from edge2torch.train import diverged, fit_steady_state, naming_what_diverges

_REST_EVERY = 10  # epochs between two looks at what held nodes are where nothing is given
_INNER = 5  # parts of the training samples for residuals of a kernel that has not seen them
_RISE = 0.1
_BIAS_DECAY = 1e-5  # away from where they start, as in fit_steady_state
_MOVE = 0.05  # of what a node computes, where its inputs are of the order of 1, in a step of Adam
_LEAST = 1e-3  # of a weight: what is drawn to 0 would be held there by any decay


@dataclass(frozen=True)
class Recipe:
    """How networks are trained.

    Parameters
    ----------
    weights, prior_mean : str
        As in :func:`fit`.
    epochs : int
        Steps of the optimizer.
    learning_rate : float, optional
        Of Adam; by default as in :func:`fit`.
    weight_decay : float
        That of ``(w - w0) / w0`` with ``weights="shrunk"``.
    options : dict
        Of :func:`compile`.
    said : str
        What was set, in words.
    """

    weights: str = "free"
    prior_mean: str = "none"
    epochs: int = 300
    learning_rate: float | None = None
    weight_decay: float = 1e-6
    options: Mapping[str, Any] = field(default_factory=dict)
    said: str = "as given"


@dataclass(frozen=True, eq=False)
class Trained:
    """A network, and the kernel whose residuals it has learned, if it has.

    Parameters
    ----------
    model : PerturbationModel
        In evaluation mode.
    kernel : GraphKernel, optional
        With the samples that it learned from.
    training : ndarray of int
        These samples.
    share : float
        How much of what the network says beyond the kernel, or the background's mean, is taken.
    """

    model: PerturbationModel
    kernel: GraphKernel | None
    training: Ints
    share: float = 1.0

    def predict(self, design: Design, new: Design | None = None) -> Floats:
        """Return the readouts (b, o) of a design's samples, or of another's."""
        if self.kernel is None and self.share == 1:
            return self._own(design, new)
        base, rest = self.parts(design, new)
        whole: Floats = base + self.share * rest
        return whole

    def parts(self, design: Design, new: Design | None = None) -> tuple[Floats, Floats]:
        """Return what the kernel, or the background's mean, says, and the network beyond it."""
        own = self._own(design, new)
        if self.kernel is not None:
            return self.kernel.predict(design, self.training, new).to_numpy(float), own
        both = design if new is None else together(design, new)
        base = Problem.of(both, design.background).background_mean(self.training)
        base = base if new is None else base[len(design.samples) :]
        return base, own - base

    def _own(self, design: Design, new: Design | None) -> Floats:
        asked = design if new is None else new
        return _read(self.model, asked, self.model.encode(asked))


def train(
    edges: pd.DataFrame,
    design: Design,
    training: Ints,
    recipe: Recipe,
    seed: int,
    *,
    share: float = 1.0,
) -> Trained:
    """Train one network on some samples, of which some may be there more than once."""
    kernel = GraphKernel(edges, unknown="drop") if recipe.prior_mean == "graph_kernel" else None
    y = design.readouts.to_numpy(float)
    if kernel is not None:
        y = y - _unseen(kernel, design, training)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Edge2TorchWarning)
        if recipe.weights == "shrunk":
            first = _fitted(edges, design, training, y, replace(recipe, weights="shared"), seed)
            model = _fitted(edges, design, training, y, recipe, seed, first)
        else:
            model = _fitted(edges, design, training, y, recipe, seed)
    return Trained(model, kernel, np.unique(training), share)


def _fitted(
    edges: pd.DataFrame,
    design: Design,
    training: Ints,
    y: Floats,
    recipe: Recipe,
    seed: int,
    first: PerturbationModel | None = None,
) -> PerturbationModel:
    model, _ = compile_design(edges, design, weights=_kind(recipe), seed=seed, **recipe.options)
    if recipe.learning_rate is None:
        recipe = replace(recipe, learning_rate=_rate(model))
    x, target = model.encode(design), masked(design, model, y)
    rows = torch.from_numpy(training)
    _set_units(model, target[training], bounded=design.is_bounded and recipe.prior_mean == "none")
    answers = torch.tensor(target[training], dtype=x.dtype)
    answers = (answers - model.offset) / model.scale if len(model.times) < 2 else answers
    start = _start_from(model, first) if first is not None else None
    extra = _Extra(start, recipe.weight_decay if first is not None else 0.0)
    decay = 0.0 if first is not None else recipe.weight_decay
    if len(model.times) < 2:
        _start_biases(model, answers)
    if model.base.solver is None:
        return _fit_steps(model, design, x, target, training, recipe, decay, extra)
    offset, scale = model.offset.clone(), model.scale.clone()
    model.offset.zero_()
    model.scale.fill_(1.0)
    conditions = design.samples["condition"].iloc[training].tolist()
    with naming_what_diverges(model, conditions):
        fitted = fit_steady_state(
            model,
            x[rows],
            answers,
            epochs=recipe.epochs,
            learning_rate=cast(float, recipe.learning_rate),
            weight_decay=decay,
            penalty=extra,
            quiet=True,  # who trains several counts them
        )
    found = cast(PerturbationModel, fitted.model)
    found.offset.copy_(offset)
    found.scale.copy_(scale)
    found.find_rest()
    return found


def _rate(model: PerturbationModel) -> float:
    """Return Adam's step from which what a node computes moves as far in any graph.

    Each of its weights moves by the rate, so that a node of ten edges goes ten times as far.
    """
    layer = model.base.cell(0).edges
    return _MOVE * layer.out_features / layer.n_edges


def masked(design: Design, model: PerturbationModel, y: Floats) -> Floats:
    """Return readouts without those of nodes that a treatment holds where they are read.

    The antibody of an inhibited kinase reads what the inhibitor leaves, which no edge explains.
    """
    if model.acts != "value":
        return y
    known, y = model.encoding, y.copy()
    given = design.doses.reindex(columns=known.treatments).to_numpy(float)[design.rows] > 0
    for column, name in enumerate(design.readouts.columns):
        if name in known.held:
            stopped = known.stops[:, known.held.index(str(name))]
            y[(given & stopped).any(axis=1), column] = np.nan
    return y


def _set_units(model: PerturbationModel, y: Floats, *, bounded: bool) -> None:
    """Give the loss the unit of each readout, its spread in training; between 0 and 1 it is 1."""
    if bounded:
        return
    centre, spread = centre_and_spread(y)
    model.offset.copy_(torch.from_numpy(np.nan_to_num(centre)))
    model.scale.copy_(torch.from_numpy(spread))


def _start_biases(model: PerturbationModel, answers: Tensor) -> None:
    """Let the outputs' biases start at the means of what was measured."""
    base = model.base
    bias = base.cell(0).edges.bias
    places = base.outputs - base.in_features
    measured = ~answers.isnan()
    means = answers.nan_to_num().sum(0) / measured.sum(0).clamp_min(1)
    if bias is not None:
        with torch.no_grad():
            bias[places] = means.to(bias)


class _Extra:
    """What is added to the loss: a pull towards shared weights; and rest is looked up now and then."""

    def __init__(self, start: Tensor | None, decay: float) -> None:
        self.start, self.decay = start, decay

    def __call__(self, model: nn.Module, epoch: int) -> Tensor | float:
        own = cast(PerturbationModel, model)
        if epoch % _REST_EVERY == 0:
            own.find_rest()
        if self.start is None:
            return 0.0
        weight = own.base.cell(0).edges.weight
        apart = (weight - self.start) / self.start.abs().clamp_min(_LEAST)
        pull: Tensor = self.decay * apart.square().sum()
        return pull


def _kind(recipe: Recipe) -> Any:
    return "shared" if recipe.weights == "shared" else "free"


def _start_from(model: PerturbationModel, first: PerturbationModel) -> Tensor:
    """Copy a network of shared weights into one of free ones; return these weights."""
    mine, theirs = model.base, first.base
    weights = theirs.cell(0).edges.edge_weights().detach()
    with torch.no_grad():
        mine.cell(0).edges.set_weights(weights)
        own, bias = mine.cell(0).edges.bias, theirs.cell(0).edges.bias
        if own is not None and bias is not None:
            own.copy_(bias)
        for name in ("efficacy", "strength", "log_half_dose", "rest"):
            getattr(model, name).copy_(getattr(first, name))
    layer: MaskedLinear = mine.cell(0).edges
    return layer.weight.detach().clone()


def _unseen(kernel: GraphKernel, design: Design, training: Ints) -> Floats:
    """Return the kernel's predictions, those of training samples by folds that do not hold them.

    What is given beside the background stays together: a network that learned the residuals of
    treatments the kernel has seen would have nothing to learn.
    """
    problem = Problem.of(design)
    whole = kernel.residuals(design, problem, training) + problem.background_mean(training)
    given = design.doses.drop(columns=design.background).to_numpy() > 0
    group = pd.factorize(pd.Series([bytes(row) for row in given])[design.rows])[0]
    own = np.unique(group[training])
    for part in np.array_split(np.random.default_rng(0).permutation(own), min(_INNER, len(own))):
        rows = np.unique(training[np.isin(group[training], part)])
        rest = training[~np.isin(group[training], part)]
        if len(rest):
            found = kernel.residuals(design, problem, rest) + problem.background_mean(rest)
            whole[rows] = found[rows]
    return whole


def _fit_steps(
    model: PerturbationModel,
    design: Design,
    x: Tensor,
    y: Floats,
    training: Ints,
    recipe: Recipe,
    decay: float,
    extra: _Extra,
) -> PerturbationModel:
    """Train a network of so many updates: a sequence per condition and context of several times."""
    place = _places(design, model)[training] if len(model.times) > 1 else None
    rows = torch.from_numpy(training)
    target = torch.tensor(y, dtype=x.dtype)
    measured = ~target[rows].isnan()
    rate = cast(float, recipe.learning_rate)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=recipe.epochs, pct_start=max(_RISE, 2 / recipe.epochs)
    )
    weights = model.base.cell(0).edges
    start = None if weights.bias is None else weights.bias.detach().clone()
    for epoch in range(recipe.epochs):
        pull = extra(model, epoch)
        optimizer.zero_grad()
        found = model(x[rows])
        if place is not None:
            found = found[torch.arange(len(rows)), place]
        elif weights.bias is not None and start is not None:
            pull = pull + _BIAS_DECAY * (weights.bias - start).square().sum()
        error = ((found - target[rows]) / model.scale)[measured].square().mean()
        if not error.isfinite():
            raise _without_end(model, design.at(training), x[rows], f"epoch {epoch + 1}")
        (error + pull + decay * weights.weight.square().sum()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.find_rest()
    return model.eval()


def _places(design: Design, model: PerturbationModel) -> Tensor:
    """Return which of the model's times each sample was read at."""
    times = np.array(model.times)
    when = design.samples["time"].to_numpy(float)
    return torch.from_numpy(np.abs(when[:, None] - times).argmin(axis=1))


@torch.no_grad()
def _read(model: PerturbationModel, design: Design, x: Tensor) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Edge2TorchWarning)
        with naming_what_diverges(model, design.samples["condition"].tolist()):
            found = model(x)
    if not bool(found.isfinite().all()):
        raise _without_end(model, design, x, "prediction")
    if len(model.times) > 1:
        found = found[torch.arange(len(x)), _places(design, model)]
    values: Floats = found.cpu().numpy().astype(float)
    return values


def _without_end(model: PerturbationModel, design: Design, x: Tensor, when: str) -> Edge2TorchError:
    """Return the error for states that are not finite, by name."""
    lost = ~model.states(x)[:, model.base.in_features :].isfinite()
    nodes, samples = (torch.nonzero(lost.any(k)).flatten().tolist() for k in (0, 1))
    conditions = design.samples["condition"].tolist()
    return Edge2TorchError(diverged(model, nodes, samples, when, conditions))
