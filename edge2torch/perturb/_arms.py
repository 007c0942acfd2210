"""Networks of every fold, in turn or wherever an executor wants them, as inner folds choose."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
import pandas as pd

from edge2torch._core.console import progress_bar
from edge2torch._core.diverged import DivergedError
from edge2torch._core.executor import PickledModel, Workers, map_on_executor
from edge2torch._core.statistics import unit_of
from edge2torch.errors import Edge2TorchError
from edge2torch.perturb._design import Design, Ints
from edge2torch.perturb._folds import Folds, inner_folds
from edge2torch.perturb._kernel import GraphKernel
from edge2torch.perturb._model import PerturbationModel
from edge2torch.perturb._problem import Floats
from edge2torch.perturb._train import Recipe, Trained, masked, train

_WHOLE = -1  # the number of the part that holds all samples
Part: TypeAlias = tuple[str, int]  # an arm's name, and a fold or the whole
Chosen: TypeAlias = dict[Part, tuple[int, float]]  # a recipe's number, and how much of it to take


@dataclass(frozen=True, eq=False)
class Arm:
    """A network, or what knows nothing and is trained as it is.

    Parameters
    ----------
    edges, design : DataFrame, Design
        The graph, and what the treatments are.
    replicates : int
        Networks per fold.
    is_whole : bool
        Whether networks are wanted of all samples too.
    is_kept : bool
        Whether those of the folds are wanted beside their predictions.
    """

    edges: pd.DataFrame
    design: Design
    replicates: int = 1
    is_whole: bool = False
    is_kept: bool = False


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an arm predicts of the held-out samples (m, o), its networks, and what was chosen.

    ``unsettled`` are the conditions in which some network of a fold finds no steady state.
    """

    predictions: Floats
    fold_networks: list[list[Trained]]
    networks: list[Trained]
    chosen: pd.DataFrame = field(default_factory=pd.DataFrame)
    unsettled: dict[int, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """The same training for all arms.

    Parameters
    ----------
    folds : Folds
        What is held out.
    recipes : sequence of Recipe
        Of which inner folds choose one, where there are several.
    inner : int
        Inner folds of every part; 0 for none.
    seed, executor, quiet
        As in :func:`fit`.
    """

    folds: Folds
    recipes: Sequence[Recipe]
    inner: int
    seed: int
    executor: Workers
    quiet: bool

    def run(self, arms: Mapping[str, Arm]) -> dict[str, Outcome]:
        """Train all arms on all folds, and on all samples where that is asked for."""
        parts = [
            (name, k)
            for name, arm in arms.items()
            for k in [*range(len(self.folds)), *([_WHOLE] if arm.is_whole else [])]
        ]
        chosen, tables = self._choose(arms, parts)
        jobs = {}
        for name, k in parts:
            arm, (recipe, share) = arms[name], chosen[name, k]
            held = self.folds[k].held_out if k != _WHOLE else np.zeros(0, np.int64)
            for one in range(arm.replicates):
                drawn = self._drawn(arm.design, self._training(arm.design, k), one)
                kept = arm.is_kept or k == _WHOLE
                jobs[name, k, one] = (
                    *(arm.edges, arm.design, drawn, held),
                    *(self.recipes[recipe], self.seed + one, share, kept),
                )
        done = self._done(_fitted, jobs, "networks")
        found = {}
        for name, arm in arms.items():
            each, nets, unsettled = [], {}, {}
            for k in [k for own, k in parts if own == name]:
                results = [done[name, k, one] for one in range(arm.replicates)]
                nets[k] = [_unpacked(packed) for packed, _, _ in results if packed is not None]
                if k == _WHOLE:
                    continue
                each.append(np.mean([values for _, values, _ in results], axis=0))
                if rows := sorted({row for _, _, failed in results for row in failed}):
                    unsettled[k] = arm.design.samples["condition"].iloc[rows].unique().tolist()
            whole = nets.pop(_WHOLE, [])
            kept_nets = list(nets.values()) if arm.is_kept else []
            found[name] = Outcome(np.concatenate(each), kept_nets, whole, tables[name], unsettled)
        return found

    def _training(self, design: Design, k: int) -> Ints:
        return np.arange(len(design.samples)) if k == _WHOLE else self.folds[k].training

    def _choose(
        self, arms: Mapping[str, Arm], parts: Sequence[Part]
    ) -> tuple[Chosen, dict[str, pd.DataFrame]]:
        """Return a recipe of each part, and the share of it that inner folds keep."""
        if not self.inner:
            return dict.fromkeys(parts, (0, 1.0)), {name: pd.DataFrame() for name in arms}
        jobs = {}
        for name, k in parts:
            arm = arms[name]
            own = inner_folds(arm.design, self.folds, None if k == _WHOLE else k, self.inner)
            for j, (training, held) in enumerate(own):
                for r, recipe in enumerate(self.recipes):
                    arguments = (arm.edges, arm.design, training, held, recipe, self.seed)
                    jobs[name, k, r, j] = arguments
        done = self._done(_validated, jobs, "inner folds")
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in arms}
        best: Chosen = {}
        for name, k in parts:
            own_rows: list[dict[str, Any]] = []
            for r, recipe in enumerate(self.recipes):
                results = [done[key] for key in jobs if key[:3] == (name, k, r)]
                share, mse = _kept_share(results)
                own_rows.append({"settings": recipe.said, "share": share, "mse": mse})
            first = int(np.argmin(np.nan_to_num([row["mse"] for row in own_rows], nan=np.inf)))
            best[name, k] = first, own_rows[first]["share"]
            part = "all" if k == _WHOLE else str(k + 1)
            if np.isinf(own_rows[first]["mse"]):
                raise Edge2TorchError(
                    f"inner_folds: for fold {part} of the {name} training diverges with all settings. "
                    "Lower learning_rate, or raise weight_decay."
                )
            for r, row in enumerate(own_rows):
                rows[name].append({"fold": part, **row, "chosen": r == first})
        return best, {name: pd.DataFrame(own) for name, own in rows.items()}

    def _done(
        self, work: Callable[..., Any], jobs: Mapping[Any, tuple[Any, ...]], what: str
    ) -> dict[Hashable, Any]:
        with progress_bar(what, len(jobs), quiet=self.quiet) as progress:
            found = {}
            for key, result in map_on_executor(self.executor, work, jobs):
                found[key] = result
                progress.update()
        return found

    def _drawn(self, design: Design, training: Ints, k: int) -> Ints:
        """Return the training samples, from the second replicate on a bootstrap of their conditions."""
        if k == 0:
            return training
        rows = design.rows[training]
        rng = np.random.default_rng((self.seed, k))
        drawn = rng.choice(np.unique(rows), len(np.unique(rows)))
        return np.concatenate([training[rows == one] for one in drawn])


Packed: TypeAlias = tuple[PickledModel, GraphKernel | None, Ints, float]


def _fitted(
    edges: pd.DataFrame,
    design: Design,
    training: Ints,
    held: Ints,
    recipe: Recipe,
    seed: int,
    share: float,
    kept: bool,
) -> tuple[Packed | None, Floats, list[int]]:
    """Return a network on its way back, if it is wanted, what it predicts, and what does not settle."""
    found = train(edges, design, training, recipe, seed, share=share)
    values = found.predict(design)[held]
    report = found.model.base.last_convergence
    failed = [] if report is None else report.failed
    packed = (PickledModel(found.model), found.kernel, found.training, found.share)
    return packed if kept else None, values, failed


def _unpacked(packed: Packed) -> Trained:
    model, kernel, training, share = packed
    return Trained(cast(PerturbationModel, model.model), kernel, training, share)


def _validated(
    edges: pd.DataFrame, design: Design, training: Ints, held: Ints, recipe: Recipe, seed: int
) -> tuple[Floats, Floats] | None:
    """Return what the base leaves of held samples, and what the network says of that, both (m, o).

    In units of each readout's spread, but of readouts between 0 and 1. None where training diverges.
    """
    try:
        found = train(edges, design, training, recipe, seed)
        base, rest = found.parts(design)
    except Edge2TorchError as error:
        if isinstance(error.__cause__, DivergedError):
            return None
        raise
    y = masked(design, found.model, design.readouts.to_numpy(float))
    unit = np.ones(y.shape[1]) if design.is_bounded else unit_of(y[training])
    return ((y - base) / unit)[held], (rest / unit)[held]


def _kept_share(results: Sequence[tuple[Floats, Floats] | None]) -> tuple[float, float]:
    """Return how much of the networks' say to keep, 0 to 1, and the error that is left then.

    Without end where a training diverged: such settings are not chosen.
    """
    known = [pair for pair in results if pair is not None]
    if len(known) < len(results):
        return 0.0, float("inf")
    gap, says = (np.concatenate([pair[side] for pair in known]) for side in (0, 1))
    ok = ~np.isnan(gap) & ~np.isnan(says)
    gap, says = gap[ok], says[ok]
    size = float((says**2).sum())
    share = float(np.clip((gap * says).sum() / size, 0, 1)) if size > 0 else 0.0
    return share, float(((gap - share * says) ** 2).mean()) if len(gap) else float("nan")
