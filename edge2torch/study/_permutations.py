"""How good the whole procedure looks where outcomes are exchanged among samples."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.console import Console
from edge2torch._core.messages import listing, plural
from edge2torch.study._metrics import predictions_frame
from edge2torch.study._network import Network
from edge2torch.study._outcomes._outcome import Task
from edge2torch.study._progress import Progress
from edge2torch.study._settings import StudySettings
from edge2torch.study._test_parts import split_of
from edge2torch.study._train import Trained, train
from edge2torch.train import Split

_FEW_VALUES, _PARTS = 5, 3  # numbers with more values than that are exchanged within thirds
_ARRANGEMENTS = 20  # of the outcomes, the data's own among them: with fewer no p is below .05
Rows = NDArray[np.int64]


def permuted_statistics(
    network: Network,
    table: pd.DataFrame,
    task: Task,
    settings: StudySettings,
    *,
    held_out: NDArray[np.bool_] | None,
    parts: NDArray[np.str_] | None,
    console: Console,
    progress: Progress,
) -> pd.DataFrame:
    """Return a row per permutation, with what the outcome's ``statistics`` says of its predictions.

    Everything that follows the outcome is done anew, splits and the number of epochs among it; what
    samples share beside the features stays with them.
    """
    rows = []
    cells = cells_of(task, held_out)
    own = table[network.features]
    for k in range(int(task.options.get("permutations", 0))):
        order = exchanged(cells, np.random.default_rng([settings.seed, k, 5]))
        mixed = replace(task, values=task.values[order])
        predictions = []
        for seed in range(settings.seed, settings.seed + settings.seeds):
            split = split_of(mixed, settings, None, seed, held_out=held_out, parts=parts)
            found = train(
                network, table, mixed, split, settings, seed,
                console=console, progress=progress, name=f"permuted {k + 1}, seed {seed}",
            )  # fmt: skip
            predictions.append(_held_out(found, own, mixed, split).assign(seed=seed))
        rows.append(task.outcome.statistics(pd.concat(predictions)))
    return pd.DataFrame(rows).rename_axis("permutation")


def with_what_can_be_exchanged(task: Task, held_out: NDArray[np.bool_] | None) -> Task:
    """Say which outcomes stay where they are, and ask for no permutations where hardly any other exists."""
    asked = int(task.options.get("permutations", 0))
    if not asked:
        return task
    sizes = np.bincount(cells_of(task, held_out))
    alone = int((sizes == 1).sum())
    if not alone:
        return task
    n, by = (
        len(task.values),
        ["the stratum"] if len(np.unique(task.outcome.exchangeable(task))) > 1 else [],
    )
    by += ["the cohort"] if held_out is not None else []
    by += [] if task.covariates is None else [listing(task.covariates.columns)]
    said = (
        f"Permutations exchange outcomes among samples that are alike in {' and '.join(by)}. {alone:,} of {n:,} samples "
        "have none that is alike, so their outcomes stay where they are"
    )
    # logarithm of how many ways there are to hand the outcomes out
    ways = sum(math.lgamma(size + 1) for size in sizes.tolist())
    if ways < math.log(_ARRANGEMENTS) - 1e-9:
        said += (
            f", and {plural('arrangement', round(math.exp(ways)))} of all outcomes can be made in place of "
            f"{_ARRANGEMENTS} at least: none of the {plural('permutation', asked)} was done, and no p-value is of them. "
            "Give fewer covariates, or those of fewer values."
        )
        return replace(task, notes=(*task.notes, said), options={**task.options, "permutations": 0})
    return replace(task, notes=(*task.notes, f"{said}."))


def _held_out(found: Trained, table: pd.DataFrame, task: Task, split: Split) -> pd.DataFrame:
    """What a network predicts of the test part, as a study writes it down."""
    predicted = task.outcome.completed(
        task,
        split.fit,
        lambda: found.predict_rows(table, task, split.fit),
        split.test,
        found.predict_rows(table, task, split.test),
    )
    return predictions_frame(task, table.index, split.test, predicted)


def cells_of(task: Task, held_out: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Number of the cell (n,) within which a sample's outcome may be another's.

    Its stratum, its cohort, and its covariates: categories as they are, numbers in thirds.
    """
    told = pd.DataFrame({"stratum": task.outcome.exchangeable(task)})
    if held_out is not None:
        told["cohort"] = held_out
    for name, column in ({} if task.covariates is None else dict(task.covariates.items())).items():
        by_number = pd.api.types.is_numeric_dtype(column.dtype) and not str(name).endswith(
            ":category"
        )
        many = by_number and column.nunique() > _FEW_VALUES
        value = pd.qcut(column.rank(), _PARTS, labels=False) if many else column
        told[f"covariate {name}"] = value.astype(str).to_numpy()
    return np.asarray(told.groupby(list(told), sort=False).ngroup())


def exchanged(cells: NDArray[np.int64], rng: np.random.Generator) -> Rows:
    """Rows in random order, each cell among itself."""
    order = np.arange(len(cells), dtype=np.int64)
    for cell in np.unique(cells):
        own = np.flatnonzero(cells == cell)
        order[own] = rng.permutation(own)
    return order
