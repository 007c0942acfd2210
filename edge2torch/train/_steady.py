"""Train a model that is read in its steady state."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from edge2torch._core.checks import check_flag
from edge2torch._core.console import progress_bar
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.compile import find_artifact
from edge2torch.data import align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.nn import (
    Convergence,
    CustomizedEdgeModel,
    FewSteps,
    RecurrentEdgeModel,
    SteadySolver,
    spectral_radius,
)
from edge2torch.train._diverged import naming_what_diverges

_EVERY = 5  # epochs between two looks at the radius, whose penalty counts for all of them
_PENALTY = 1.0
_LARGEST_STEP = 1.0  # norm of the gradient: a state near the edge has gradients without bound
_RISE = 0.1  # of all epochs, in which the learning rate rises
_FROM_REST = 0.1  # of all epochs, at the end, in which states are sought from zero again

Loss = Callable[[Tensor, Tensor], Tensor]
Penalty = Callable[[nn.Module, int], Tensor | float]


@dataclass(frozen=True, eq=False)
class SteadyFit:
    """A trained model, and how the training went.

    Parameters
    ----------
    model : Module
        The trained copy, in evaluation mode.
    history : DataFrame, one row per epoch
        ``loss``, without penalties; ``updates``, the most that a sample took; ``unsettled``, the
        samples that did not settle; ``skipped``, whether the gradient was not finite and no step
        was taken; ``radius``, the spectral radius, every fifth epoch.

    Examples
    --------
    >>> from torch import nn
    >>> SteadyFit(nn.Identity(), pd.DataFrame({"loss": [1.0]})).history["loss"].iloc[-1]
    np.float64(1.0)
    """

    model: nn.Module
    history: pd.DataFrame


def fit_steady_state(
    model: nn.Module,
    x: Tensor | pd.DataFrame,
    y: Tensor | pd.DataFrame,
    *,
    epochs: int = 300,
    learning_rate: float = 0.01,
    radius: float = 0.9,
    first_steps: int = 10,
    first_share: float = 0.5,
    weight_decay: float = 1e-6,
    bias_decay: float = 1e-5,
    loss: Loss | None = None,
    penalty: Penalty | None = None,
    quiet: bool = False,
) -> SteadyFit:
    """Train a copy of a model with ``steps="converge"`` by a recipe that has been measured.

    What a training from drawn weights straight in the steady state lacks:

    - biases of the outputs start at the mean of what was measured;
    - a first share of the epochs takes a few updates and differentiates them: a gradient that
      reaches every edge at a tenth of the cost;
    - a penalty holds the spectral radius of the cycles near ``radius`` throughout, so that the
      state that follows settles; where it is beyond 1 by then, weights on cycles are scaled back;
    - the steady state is then sought from the last epoch's, and in the last tenth of the epochs
      from zero again, as in prediction;
    - Adam with gradients cut to norm 1 and a learning rate that rises for a tenth of the epochs
      and falls to nothing.

    All samples are one batch. Scale inputs to the order of 1 to 3.

    Parameters
    ----------
    model : Module
        Compiled with ``backend="recurrent", steps="converge"``, and customized: without a bounded
        ``node_activation`` (``"tanh"``, ``"mml"``) a state may leave the finite numbers.
    x : Tensor or DataFrame, shape (b, i)
        Inputs of the samples; a table's columns are matched to the input nodes by name.
    y : Tensor or DataFrame, shape (b, o)
        What the model is to give; NaN where nothing was measured, which costs nothing. A table's
        columns are matched to the output nodes by name; an output without a column was not measured.
    epochs : int
        Steps of the optimizer.
    learning_rate : float
        Its largest value.
    radius : float
        Spectral radius from which on a penalty is paid; below 1.
    first_steps : int
        Updates in the first share of the epochs.
    first_share : float
        That share, from 0 to 1.
    weight_decay, bias_decay : float
        Factors of the summed squares of weights, and of biases less their start.
    loss : callable, optional
        Maps found and measured values, both (m,), to a scalar; by default the mean squared error.
    penalty : callable, optional
        Maps the model that is trained, and the epoch, to a scalar that is added to the loss.
    quiet : bool
        Show no progress bar.

    Returns
    -------
    SteadyFit
        ``model`` itself is left as it was.

    Raises
    ------
    Edge2TorchError
        For a model without steady state, shapes that differ, nothing measured, and settings out of
        their range.

    Warns
    -----
    Edge2TorchWarning
        When the trained model does not settle for some of the samples.

    References
    ----------
    Nilsson et al. 2022, Nature Communications 13:3069, doi:10.1038/s41467-022-30684-y.

    Examples
    --------
    >>> import torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["u", "a", "b", "b"], "target": ["a", "b", "a", "y"]})
    >>> _ = torch.manual_seed(0)
    >>> model, _ = e2t.compile_graph(edges, backend="recurrent", steps="converge", quiet=True)
    >>> model = e2t.customize_model(model, node_activation="tanh")
    >>> x = torch.linspace(-1, 1, 20)[:, None]
    >>> fitted = fit_steady_state(model, x, 0.5 + 0.3 * x, epochs=150)
    >>> fitted.history["loss"].iloc[-1] < 0.001
    np.True_
    """
    base = _steady_model(model)
    inputs, answers = _by_name(x, y, model, base)
    _check(inputs, answers, model, base)
    _check_settings(
        epochs=epochs,
        learning_rate=learning_rate,
        radius=radius,
        first_steps=first_steps,
        first_share=first_share,
        weight_decay=weight_decay,
        bias_decay=bias_decay,
    )
    model = copy.deepcopy(model).train()
    base = _steady_model(model)
    measured = ~answers.isnan()
    biases = _start(base, model, answers, measured)
    parameters = [one for one in model.parameters() if one.requires_grad]
    layers = [layer for layer in base.edge_layers() if layer.weight.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=epochs, pct_start=max(_RISE, 2 / epochs)
    )
    rows = []
    solver = cast(SteadySolver, base.solver)
    few = FewSteps(solver.tolerance, first_steps, "unroll")
    resumed = _Resumed(**vars(solver))
    bar = progress_bar("steady state", epochs, quiet=check_flag("quiet", quiet))
    try:
        for epoch in range(epochs):
            is_first = epoch < first_share * epochs
            if not is_first and base.solver is not resumed:
                _settle_cycles(model, base, radius)
            base.solver = few if is_first else resumed
            if epoch >= (1 - _FROM_REST) * epochs:
                resumed.last.clear()
            optimizer.zero_grad()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Edge2TorchWarning)  # counted in the history
                cost, told = _penalty(model, radius, epoch)
                with naming_what_diverges(model):
                    found = model(inputs)
                now = (loss or nn.functional.mse_loss)(found[measured], answers[measured])
            # anew in every epoch: a weight may be computed from other parameters
            cost = cost + now + weight_decay * sum(one.weight.square().sum() for one in layers)
            if penalty is not None:
                cost = cost + penalty(model, epoch)
            for bias, start in biases:
                cost = cost + bias_decay * (bias - start).square().sum()
            cost.backward()
            norm = nn.utils.clip_grad_norm_(parameters, _LARGEST_STEP)
            is_finite = bool(norm.isfinite())
            if is_finite:
                optimizer.step()
            schedule.step()
            report = cast(Convergence, base.last_convergence)
            rows.append(
                {
                    "loss": now.item(),
                    "updates": int(report.steps.max()),
                    "unsettled": len(report.failed),
                    "skipped": not is_finite,
                    **told,
                }
            )
            bar.set_postfix_str(f"loss {rows[-1]['loss']:.3g}", refresh=False)
            bar.update()
    finally:
        bar.close()
        base.solver = solver
    model.eval()
    with torch.no_grad(), naming_what_diverges(model):
        model(inputs)  # warns where a sample does not settle
    return SteadyFit(model, pd.DataFrame(rows).rename_axis("epoch"))


@dataclass(frozen=True)
class _Resumed(SteadySolver):
    """Seek the steady state from the last one that was found, which is near."""

    last: list[Tensor] = field(default_factory=list)

    def solve(
        self, update: Any, start: Tensor, *further: Any, **named: Any
    ) -> tuple[Tensor, Convergence]:
        h, report = super().solve(update, self.last[0] if self.last else start, *further, **named)
        self.last[:] = [h.detach()]
        return h, report


def _start(
    base: RecurrentEdgeModel, model: nn.Module, y: Tensor, measured: Tensor
) -> list[tuple[nn.Parameter, Tensor]]:
    """Set the outputs' biases to the means of what was measured; return all biases and starts."""
    biases = [layer.bias for layer in base.edge_layers() if layer.bias is not None]
    own = base.cell(0).edges.bias
    if own is not None and _is_bare(model, base):
        places = base.outputs - base.in_features
        means = y.nan_to_num().sum(0) / measured.sum(0).clamp_min(1)
        computed = places >= 0  # the others are inputs
        with torch.no_grad():
            own[places[computed]] = means[computed].to(own)
    return [(bias, bias.detach().clone()) for bias in biases]


def _is_bare(model: nn.Module, base: RecurrentEdgeModel) -> bool:
    """Tell whether the model's outputs are those of the compiled one, with nothing behind them."""
    return model is base or (isinstance(model, CustomizedEdgeModel) and not model.after)


def _penalty(model: nn.Module, limit: float, epoch: int) -> tuple[Tensor | float, dict[str, float]]:
    """Return what the radius costs in this epoch, and the radius where it was computed."""
    if epoch % _EVERY:
        return 0.0, {}
    reached = spectral_radius(model)
    cost = _EVERY * _PENALTY * (reached - limit).clamp_min(0) ** 2
    return cost, {"radius": reached.item()}


@torch.no_grad()
def _settle_cycles(model: nn.Module, base: RecurrentEdgeModel, limit: float) -> None:
    """Scale the weights on cycles to the limit if they pass 1, where a gradient has no bound.

    Once, before steady states are sought: done again and again, it hides from the penalty what
    makes the radius grow.
    """
    reached = spectral_radius(model).item()
    if reached < 1:
        return
    edges = base.cell(0).edges
    on_cycles = torch.from_numpy(base.is_cyclic).to(edges.weight.device)
    on_cycles = on_cycles if edges.trainable is None else on_cycles[edges.trainable]
    if is_parametrized(edges, "weight"):  # to write into what is computed anew would do nothing
        for own in cast(Any, edges).parametrizations.weight:
            own.scale_(on_cycles, limit / reached)
        return
    edges.weight.mul_(torch.where(on_cycles, limit / reached, 1.0))


# ------------------------------------------------------------------------------- checks


def _steady_model(model: nn.Module) -> RecurrentEdgeModel:
    parts = model.modules() if isinstance(model, nn.Module) else ()
    base = next((part for part in parts if isinstance(part, RecurrentEdgeModel)), None)
    if base is None or base.solver is None:
        raise Edge2TorchError(
            f"model ({type(model).__name__}) has no steady state. Compile with "
            "backend='recurrent', steps='converge'."
        )
    return base


def _by_name(x: Any, y: Any, model: nn.Module, base: RecurrentEdgeModel) -> tuple[Tensor, Tensor]:
    """Return tables as tensors in the order of the model's inputs and outputs."""
    if isinstance(y, pd.DataFrame) and isinstance(x, pd.DataFrame) and not x.index.equals(y.index):
        raise Edge2TorchError(
            f"x and y are tables of different samples, or in another order: {listing(x.index)} and "
            f"{listing(y.index)}. Use y.loc[x.index]."
        )
    dtype = base.cell(0).edges.weight.dtype
    if isinstance(x, pd.DataFrame):
        x = align_features_to_input_nodes(x, find_artifact(model), dtype=dtype)
    if isinstance(y, pd.DataFrame):
        names = find_artifact(model).output_names
        if not _is_bare(model, base):
            raise Edge2TorchError("y: behind a head outputs have no names. Give a tensor.")
        if unknown := [str(name) for name in y.columns if str(name).strip() not in names]:
            raise Edge2TorchError(
                f"y has {len(unknown)} column(s) that are not outputs of the model: "
                f"{listing(unknown)}; these are {listing(names)}.{nearest(unknown[0], names)} Compile with outputs= for inner nodes "
                "that were measured."
            )
        table = y.set_axis([str(name).strip() for name in y.columns], axis=1).reindex(columns=names)
        y = torch.tensor(table.to_numpy(float, copy=True), dtype=dtype, device=x.device)
    return x, y


def _check(x: Tensor, y: Tensor, model: nn.Module, base: RecurrentEdgeModel) -> None:
    if _is_bare(model, base) or isinstance(model, CustomizedEdgeModel):
        base.check_input(x)  # a module around it says itself what it takes
    if not isinstance(y, Tensor) or y.dim() != 2 or len(y) != len(x) or y.dtype != x.dtype:
        found = f"{tuple(y.shape)}, {y.dtype}" if isinstance(y, Tensor) else type(y).__name__
        raise Edge2TorchError(
            f"y must be a tensor (samples, outputs) with the {len(x)} samples and the type of x "
            f"({x.dtype}), found {found}."
        )
    width = base.out_features
    if not _is_bare(model, base):
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", Edge2TorchWarning)
            width = copy.deepcopy(model).eval()(x[:1]).shape[-1]
    if y.shape[1] != width:
        raise Edge2TorchError(
            f"y must have the shape of the model's output, {(len(x), width)}; found "
            f"{tuple(y.shape)}."
        )
    infinite = torch.nonzero(~x.isfinite().all(1) | y.isinf().any(1)).flatten().tolist()
    if infinite:
        raise Edge2TorchError(
            f"x must be finite and y finite or NaN; sample(s) {listing(infinite)} are not."
        )
    if bool(y.isnan().all()):
        raise Edge2TorchError("y holds no measured value.")


def _check_settings(**settings: float) -> None:
    ranges = {
        "epochs": (3, float("inf")),
        "first_steps": (1, float("inf")),
        "learning_rate": (1e-12, float("inf")),
        "radius": (1e-12, 1 - 1e-12),
        "first_share": (0, 1),
        "weight_decay": (0, float("inf")),
        "bias_decay": (0, float("inf")),
    }
    for name, value in settings.items():
        low, high = ranges[name]
        whole = name in ("epochs", "first_steps")
        is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            kind = "an integer" if whole else "a number"
            raise Edge2TorchError(
                f"{name} must be {kind} between {low:g} and {high:g}, found {value!r}."
            )
