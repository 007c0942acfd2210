"""Which samples each seed holds out: drawn, another part in turn, or parts that the user names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.study._data import Dataset
from edge2torch.study._outcomes._outcome import Task
from edge2torch.study._settings import StudySettings
from edge2torch.train import Split, repeated_folds, split_samples

_USUAL = 5  # parts, where the number of seeds leaves a choice
_FEWEST, _MOST = 3, 10  # with two parts a network would be trained on half of the samples


def with_parts(
    task: Task,
    dataset: Dataset,
    settings: StudySettings,
    groups: NDArray[np.str_] | None,
    *,
    has_cohort: bool,
) -> tuple[Task, StudySettings, NDArray[np.str_] | None]:
    """Choose the parts that seeds hold out, where no other cohort is; a note says why."""
    if isinstance(settings.test_folds, str):
        parts = named_parts(dataset.given("test_folds").iloc[:, 0], task, settings)
        check_groups(parts, groups)
        return task, settings, parts
    if has_cohort:
        return task, settings, None
    settings, said = in_turn(task, settings, groups)
    return replace(task, notes=(*task.notes, *said)), settings, None


def named_parts(column: pd.Series, task: Task, settings: StudySettings) -> NDArray[np.str_]:
    """Return the part of every sample, as a column of the user's has it."""
    own = column[task.kept]
    if lost := own.index[own.isna().to_numpy()].tolist():
        raise Edge2TorchError(
            f"test_folds: {len(lost)} sample(s) have no part in {column.name!r}: {listing(lost)}."
        )
    parts = own.astype(str).to_numpy(str)
    names = sorted(set(parts.tolist()))
    if len(names) < 2:
        raise Edge2TorchError(
            f"test_folds: {column.name!r} holds {listing(names)} only. Two parts are the least."
        )
    if settings.seeds % len(names):
        raise Edge2TorchError(
            f"test_folds: {column.name!r} has {len(names)} parts, each of which a seed holds out: use "
            f"seeds={len(names)}, or a multiple."
        )
    return parts


def check_groups(parts: NDArray[np.str_], groups: NDArray[np.str_] | None) -> None:
    """Refuse parts that tear a group."""
    if groups is None:
        return
    several = pd.Series(parts).groupby(groups).nunique()
    if torn := several.index[several > 1].tolist():
        raise Edge2TorchError(
            f"test_folds: {len(torn)} group(s) are in several parts: {listing(torn)}. A group is "
            "held out as a whole."
        )


def in_turn(
    task: Task, settings: StudySettings, groups: NDArray[np.str_] | None
) -> tuple[StudySettings, list[str]]:
    """Hold every sample out once where a part that is drawn would say little; say so.

    Only where nothing was said of parts, and the seeds are as many as the parts, or a multiple.
    """
    if settings.test_folds is not None:
        return settings, []
    drawn = replace(settings, test_folds=0)
    why = task.outcome.few_held_out(task, settings.test_fraction)
    able = [k for k in range(_FEWEST, _MOST + 1) if settings.seeds % k == 0]
    if not why or not able or settings.test_fraction != StudySettings.test_fraction:
        return drawn, []
    chosen = replace(settings, test_folds=min(able, key=lambda k: abs(k - _USUAL)))
    try:
        for seed in range(settings.seed, settings.seed + settings.seeds):
            split_of(task, chosen, groups, seed)
    except Edge2TorchError:  # of few groups, or small classes, some part cannot be held out
        return drawn, []
    said = f"by each seed another of {chosen.test_folds} parts. test_folds=0 draws a part for each seed."
    return chosen, [f"{why}, so every sample is held out once, {said}"]


def split_of(
    task: Task,
    settings: StudySettings,
    groups: NDArray[np.str_] | None,
    seed: int,
    *,
    held_out: NDArray[np.bool_] | None = None,
    parts: NDArray[np.str_] | None = None,
) -> Split:
    """Divide the samples for one seed; another cohort, and parts by name, are held out as they are."""
    if parts is not None:
        names = np.unique(parts)
        held_out = parts == names[(seed - settings.seed) % len(names)]
    elif held_out is None and settings.test_folds:
        held_out = _part(task, settings, groups, seed)
    return split_samples(
        task.outcome.strata(task),
        groups=groups,
        test=held_out,
        test_fraction=settings.test_fraction,
        validation_fraction=settings.validation_fraction,
        seed=seed,
    )


def _part(
    task: Task, settings: StudySettings, groups: NDArray[np.str_] | None, seed: int
) -> NDArray[np.bool_]:
    n_folds = int(settings.test_folds or 0)
    repeat, fold = divmod(seed - settings.seed, n_folds)
    parts = repeated_folds(
        task.outcome.strata(task), n_folds=n_folds, groups=groups, seed=settings.seed + repeat
    )
    if len(parts) < n_folds:
        raise Edge2TorchError(
            f"test_folds={n_folds}: the samples can be divided into {len(parts)} parts at most, by "
            "their groups and the smallest of their classes."
        )
    test = np.zeros(len(task.values), bool)
    test[parts[fold][1]] = True
    return test
