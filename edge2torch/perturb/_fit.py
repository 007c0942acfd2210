"""Networks on the folds of a design, beside everything else, and what can be said of the wiring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, fields, replace
from inspect import signature
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_choice, check_count, check_number, check_seed, shown
from edge2torch._core.edges import EdgesLike
from edge2torch._core.executor import check_executor
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import read_edge_table
from edge2torch.perturb._arms import Arm, Work
from edge2torch.perturb._compare import Comparison, baselines, compared, held_out
from edge2torch.perturb._compile import compile as compile_design
from edge2torch.perturb._design import NOT_EXCHANGED, Design, check_design
from edge2torch.perturb._folds import Folds, check_folds
from edge2torch.perturb._folds import folds as make_folds
from edge2torch.perturb._problem import Floats, Problem
from edge2torch.perturb._rewired import rewired_graphs
from edge2torch.perturb._train import Recipe, Trained
from edge2torch.perturb._verdict import judged, said_of_share, said_of_unsettled
from edge2torch.perturb._weights import WEIGHTS

NETWORK, REWIRED, EXCHANGED = "network", "rewired network", "targets exchanged"
_RECIPE = [one.name for one in fields(Recipe) if one.name != "options"]
_COMPILE = [
    name for name in signature(compile_design).parameters if name not in ("edges", "design", "seed")
]


@dataclass(frozen=True, eq=False, repr=False)
class PerturbationFit(Comparison):
    """Networks of every fold and of the whole design, and their scores beside the others'.

    Parameters
    ----------
    edges : DataFrame
        The network.
    networks : list of Trained
        On all samples, one per replicate.
    fold_networks : list of list of Trained
        The same of each fold.
    rewired : DataFrame
        Scores of rewired graphs; empty where none were asked for.
    chosen : DataFrame
        What inner folds made of each fold (``"all"``: of all samples) and of ``settings``, as
        ``weights='shared'``, where several were given: ``share``, how much
        of the network to take, ``mse`` then, in units of each readout's spread but of readouts
        between 0 and 1, and ``chosen``; empty without inner folds.
    rewired_networks : list of Trained
        On all samples, one per rewired graph, if ``rewired`` asked for them; :func:`screen` takes its
        p-values from them.

    Examples
    --------
    >>> from edge2torch import perturb
    >>> edges = pd.DataFrame({"source": ["A", "B", "a"], "target": ["a", "a", "y"], "sign": 1})
    >>> doses = pd.DataFrame({"A": [0, 1, 0, 1.0], "B": [0, 0, 1.0, 1]}, list("0abc"))
    >>> design = perturb.read_design(doses, pd.DataFrame({"y": [0, 0.5, 0.5, 0.8]}, list("0abc")))
    >>> found = perturb.fit(edges, design, epochs=20, controls=False)
    >>> found.predict().columns.tolist()
    ['condition', 'time', 'context', 'readout', 'predicted', 'lower', 'upper', 'sd']
    """

    edges: pd.DataFrame = field(default_factory=pd.DataFrame)
    networks: list[Trained] = field(default_factory=list)
    fold_networks: list[list[Trained]] = field(default_factory=list)
    rewired: pd.DataFrame = field(default_factory=pd.DataFrame)
    chosen: pd.DataFrame = field(default_factory=pd.DataFrame)
    rewired_networks: list[Trained] = field(default_factory=list)

    def predict(self, new: Design | None = None, *, level: float = 0.9) -> pd.DataFrame:
        """Predict conditions, with intervals from the residuals of held-out samples (CV+).

        Parameters
        ----------
        new : Design, optional
            What to predict; its treatments have to be in the design that was fitted. By default
            that design's own samples.
        level : float
            Of the intervals, which are for samples that are new as those held out were: fit with
            ``leave="treatment"`` for a new treatment.

        Returns
        -------
        DataFrame
            A row per sample and readout: ``predicted``, the mean of the replicates, ``lower`` and
            ``upper``, within 0 and 1 where all readouts are, and ``sd``, the replicates' spread,
            which is no interval.

        References
        ----------
        Barber et al. 2021, Annals of Statistics 49:486, doi:10.1214/20-AOS1965.
        """
        check_number("level", level, above=0, below=1)
        asked = self.design if new is None else new
        each = np.stack([one.predict(self.design, new) for one in self.networks])
        found = each.mean(axis=0)
        sd = each.std(axis=0, ddof=1) if len(each) > 1 else np.full_like(found, np.nan)
        lower, upper = self._interval(new, level)
        rows = []
        for column, name in enumerate(self.design.readouts.columns):
            table = asked.samples[["condition", "time", "context"]].copy()
            values = (found, lower, upper, sd)
            for what, part in zip(("predicted", "lower", "upper", "sd"), values, strict=True):
                table[what] = part[:, column]
            table.insert(3, "readout", name)
            rows.append(table)
        return pd.concat(rows, ignore_index=True)

    def held_out(self, *, level: float = 0.9) -> pd.DataFrame:
        """Return what was predicted of held-out samples, with intervals from those of other folds.

        Parameters
        ----------
        level : float
            Of the intervals.

        Returns
        -------
        DataFrame
            A row per held-out sample and readout: ``measured``, ``predicted``, ``lower``, ``upper``,
            ``fold``, and ``sister``, whether its condition has one in training.
        """
        check_number("level", level, above=0, below=1)
        design, frame = self.design, self.predictions[NETWORK]
        samples = np.concatenate([fold.held_out for fold in self.folds])
        found, truth = frame.to_numpy(float), design.readouts.to_numpy(float)[samples]
        number = frame.index.get_level_values("fold").to_numpy()
        sister = np.concatenate(
            [_with_sister(design, self.folds, k) for k in range(len(self.folds))]
        )
        tables = []
        for column, name in enumerate(frame.columns):
            error = np.abs(found[:, column] - truth[:, column])
            half = np.full(len(error), np.nan)
            for k in np.unique(number):
                others = error[(number != k) & ~np.isnan(error)]
                if len(others):
                    # of n residuals and a new one each is as likely to be the largest
                    place = min(int(np.ceil(level * (len(others) + 1))), len(others)) - 1
                    half[number == k] = np.sort(others)[place]
            table = frame.index.to_frame(index=False)
            table["readout"], table["measured"] = str(name), truth[:, column]
            table["predicted"] = found[:, column]
            table["lower"] = self._clipped(found[:, column] - half)
            table["upper"] = self._clipped(found[:, column] + half)
            table["sister"] = sister
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def _interval(self, new: Design | None, level: float) -> tuple[Floats, Floats]:
        """Return bounds (b, o): quantiles over held-out samples of prediction -+ residual."""
        design, out = self.design, self.predictions[NETWORK].to_numpy(float)
        places = np.concatenate([np.full(len(f.held_out), k) for k, f in enumerate(self.folds)])
        samples = np.concatenate([f.held_out for f in self.folds])
        residual = np.abs(out - design.readouts.to_numpy(float)[samples])
        per_fold = np.stack(
            [
                np.mean([one.predict(design, new) for one in part], axis=0)
                for part in self.fold_networks
            ]
        )
        low = np.full(per_fold.shape[1:], np.nan)
        high = low.copy()
        for column in range(residual.shape[1]):
            known = ~np.isnan(residual[:, column])
            n = int(known.sum())
            if not n:
                continue
            at, size = places[known], residual[known, column]
            alpha = 1 - level
            # the order statistics of the CV+ interval; with few residuals these are the outermost
            first = max(int(np.floor(alpha * (n + 1))), 1) - 1
            last = min(int(np.ceil((1 - alpha) * (n + 1))), n) - 1
            low[:, column] = np.sort(per_fold[at, :, column] - size[:, None], axis=0)[first]
            high[:, column] = np.sort(per_fold[at, :, column] + size[:, None], axis=0)[last]
        return self._clipped(low), self._clipped(high)

    def _clipped(self, bounds: Floats) -> Floats:
        """Return bounds that readouts can have: 0 to 1, where all that were measured are."""
        return np.clip(bounds, 0.0, 1.0) if self.design.is_bounded else bounds


def _with_sister(design: Design, folds: Folds, k: int) -> NDArray[np.bool_]:
    """Tell which held-out samples of a fold are of a condition with a sister in training."""
    names = design.samples["condition"].to_numpy(object)
    training, held = names[folds[k].training], names[folds[k].held_out]
    if folds.leave in ("time", "context"):
        same = design.same[design.rows]
        return np.isin(same[folds[k].held_out], same[folds[k].training])
    inside, outside = list(dict.fromkeys(training)), list(dict.fromkeys(held))
    found: NDArray[np.bool_] = design.sisters(inside, outside).loc[held].to_numpy(bool)
    return found


def fit(
    edges: EdgesLike,
    design: Design,
    folds: Folds | None = None,
    *,
    replicates: int = 1,
    weights: Literal["free", "shared", "shrunk"] = "free",
    prior_mean: Literal["none", "graph_kernel"] = "none",
    controls: bool = True,
    rewired: int = 0,
    epochs: int = 300,
    learning_rate: float | None = None,
    weight_decay: float = 1e-6,
    settings: Sequence[Mapping[str, Any]] | None = None,
    inner_folds: int = 0,
    executor: Executor | int | None = None,
    seed: int = 0,
    quiet: bool = False,
    **options: Any,
) -> PerturbationFit:
    """Train networks on the folds of a design, and hold them against all that needs no network.

    Parameters
    ----------
    edges : DataFrame or Prior
        The network, with signs in ``sign``.
    design : Design
        What was given and read.
    folds : Folds, optional
        What :func:`folds` returned; by default ten folds of conditions.
    replicates : int
        Networks per fold, whose predictions are averaged: other starts, and from the second on a
        bootstrap of the conditions.
    weights : {"free", "shared", "shrunk"}
        As in :func:`compile`.
    prior_mean : {"none", "graph_kernel"}
        ``"graph_kernel"``: the network learns what the kernel leaves.
    controls : bool
        Train the same on one rewired graph, and with the treatments' targets exchanged.
    rewired : int
        Rewired graphs to train on; 20 of them are what a sentence on the wiring takes, and the
        p-values of :func:`screen`.
    epochs : int
        Steps of the optimizer, Adam.
    learning_rate : float, optional
        Its largest value, as in :func:`edge2torch.train.fit_steady_state`; by default 0.05 over the
        mean number of edges into a node, so that a node moves as far in a step in any graph.
    weight_decay : float
        Of the weights; with ``weights="shrunk"`` of their relative distance from the shared ones.
    settings : sequence of mappings, optional
        Settings of which inner folds choose for each fold, such as ``[{"weights": "shared"},
        {"weight_decay": 1e-4}]``; what one does not say is as above.
    inner_folds : int
        Parts of each fold's training conditions on which settings are chosen, and how much to take,
        0 to 1, of what a network says beyond the kernel (``prior_mean="graph_kernel"``) or the
        background's mean. They hold out what other folds hold out. 0: none, and all is taken.
    executor : int or concurrent.futures.Executor, optional
        Where to train, as in :func:`edge2torch.interpret.replicate`: a number is that many worker
        processes, with the bits that one thread gives here.
    seed : int
        Fixes every draw.
    quiet : bool
        Show no progress bar.
    **options
        Of :func:`compile`.

    Returns
    -------
    PerturbationFit

    Raises
    ------
    Edge2TorchError
        As :func:`compile` does, and where training diverges.

    Notes
    -----
    The loss is the squared error in units of each readout's spread, or in the readouts' own where all
    lie between 0 and 1. A readout at a node that a treatment holds is left out of it.

    References
    ----------
    Nilsson et al. 2022, Nature Communications 13:3069, doi:10.1038/s41467-022-30684-y.

    Examples
    --------
    >>> from edge2torch import perturb
    >>> edges = pd.DataFrame({"source": ["A", "B", "a"], "target": ["a", "a", "y"], "sign": 1})
    >>> doses = pd.DataFrame({"A": [0, 1, 0, 1.0], "B": [0, 0, 1.0, 1]}, list("0abc"))
    >>> design = perturb.read_design(doses, pd.DataFrame({"y": [0, 0.5, 0.5, 0.8]}, list("0abc")))
    >>> found = perturb.fit(edges, design, epochs=20, controls=False)
    >>> "network" in found.scores.index
    True
    """
    check_count("replicates", replicates)
    check_count("rewired", rewired, 0)
    check_seed("seed", seed)
    table = read_edge_table(edges).frame
    check_design("design", design)
    made = make_folds(design, seed=seed) if folds is None else folds
    check_folds(made)
    check_count("inner_folds", inner_folds, 0)
    check_executor(executor)
    if unknown := [name for name in options if name not in _COMPILE]:
        raise Edge2TorchError(
            f"{unknown[0]}= is an option of neither perturb.fit nor perturb.compile."
            f"{nearest(unknown[0], _COMPILE)}"
        )
    usual = Recipe(weights, prior_mean, epochs, learning_rate, weight_decay, options)
    _check_recipe(usual)
    recipes = _recipes(usual, settings, inner_folds)
    for recipe in recipes:  # what is wrong is told before anything is trained
        compile_design(table, design, **recipe.options)
    beside = baselines(design, made, table, seed=seed)
    problem = Problem.of(design)
    held = held_out(design, problem, made)
    said = list(beside.verdicts)
    arms = {NETWORK: Arm(table, design, replicates, is_whole=True, is_kept=True)}
    if controls and design.can_exchange_targets:
        arms[EXCHANGED] = Arm(table, design.with_targets_exchanged(seed))
    elif controls:
        said.append(NOT_EXCHANGED)
    graphs, lacking = rewired_graphs(table, design, max(rewired, int(controls)), seed)
    arms |= {
        f"{REWIRED} {k + 1}": Arm(other, design, is_whole=rewired > 0)
        for k, other in graphs.items()
    }
    done = Work(made, recipes, inner_folds, seed, executor, quiet).run(arms)
    own = done[NETWORK]
    found = {name: frame.to_numpy(float) for name, frame in beside.predictions.items()}
    found |= {name: one.predictions for name, one in done.items() if name in (NETWORK, EXCHANGED)}
    others = {name: one.predictions for name, one in done.items() if name.startswith(REWIRED)}
    if others:
        found[REWIRED] = next(iter(others.values()))
    said += [*said_of_share(own.chosen), *said_of_unsettled(own)]
    verdicts, scores = judged(held, found, others, made, said, seed, lacking)
    base = compared(design, made, held, found, seed, verdicts)
    return PerturbationFit(
        base.design,
        base.folds,
        base.scores,
        base.predictions,
        base.verdicts,
        table,
        own.networks,
        own.fold_networks,
        scores,
        own.chosen,
        [net for name in others for net in done[name].networks],
    )


def _recipes(
    usual: Recipe, settings: Sequence[Mapping[str, Any]] | None, inner: int
) -> list[Recipe]:
    """Return the recipes of which inner folds choose."""
    if settings is None:
        return [usual]
    if not len(settings):
        raise Edge2TorchError("settings is empty: name one to choose or more, or leave it out.")
    if not inner:
        raise Edge2TorchError("settings are chosen on inner folds: give inner_folds=3, or more.")
    recipes = []
    for one in settings:
        own = {name: value for name, value in one.items() if name in _RECIPE}
        rest = {name: value for name, value in one.items() if name not in _RECIPE}
        if unknown := [name for name in rest if name not in _COMPILE]:
            raise Edge2TorchError(
                f"settings: {listing(unknown)} cannot be chosen; {listing(_RECIPE)} can, and what "
                f"perturb.compile takes.{nearest(unknown[0], [*_RECIPE, *_COMPILE])}"
            )
        if twice := [name for name in rest if name in usual.options]:
            raise Edge2TorchError(
                f"settings: {listing(twice)} is given outside of them too, where it would be of no use. Say it "
                "in one of the two places."
            )
        said = ", ".join(f"{name}={shown(value)}" for name, value in one.items())
        recipes.append(replace(usual, **own, options={**usual.options, **rest}, said=said))
        _check_recipe(recipes[-1])
    return recipes


def _check_recipe(recipe: Recipe) -> None:
    check_choice("weights", recipe.weights, WEIGHTS)
    check_choice("prior_mean", recipe.prior_mean, ("none", "graph_kernel"))
    check_count("epochs", recipe.epochs, 3)
    if recipe.learning_rate is not None:
        check_number("learning_rate", recipe.learning_rate, above=0)
    check_number("weight_decay", recipe.weight_decay, least=0)
