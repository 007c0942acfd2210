"""Which samples belong together, and another cohort that a study is tested on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import listing, plural, warn
from edge2torch.errors import Edge2TorchError
from edge2torch.study._covariates import check_known
from edge2torch.study._data import Dataset
from edge2torch.study._other_scale import other_scale
from edge2torch.study._pipeline import Study
from edge2torch.train import fit_scaler


def group_names(column: pd.Series, kept: NDArray[np.bool_]) -> NDArray[np.str_]:
    """Return the group of every sample that is kept."""
    missing = column.index[column.isna().to_numpy() & kept]
    if len(missing):
        raise Edge2TorchError(
            f"groups: {len(missing)} sample(s) have none: {listing(missing)}. Name theirs, or leave "
            "these samples out."
        )
    names = column.astype(str).to_numpy(str)[kept]
    if len(np.unique(names)) == len(names):
        warn(
            "groups: every sample is of a group of its own, so nothing is kept together and samples "
            "are split one by one. Name what several share, such as the donor, or leave groups= out."
        )
    return names


def with_cohort(study: Study, cohort: Dataset) -> Study:
    """Put another cohort behind the samples of a study, as all that it is tested on."""
    cohort.with_features(study.network.features, "test_data", of="network")
    own, task = study.dataset, study.task
    values, known, notes = task.outcome.of_cohort(cohort.label, task)
    shared = [name for name in own.table.columns if name in cohort.table.columns]
    first, second = own.table.loc[task.kept, shared], cohort.table.loc[known, shared]
    if twice := first.index.intersection(second.index).tolist():
        notes.append(
            f"{plural('name', len(twice))} of samples in the test data occur in the data as well "
            f"({listing(twice)}): if they are the same samples, the test says nothing."
        )
    notes.append(
        f"Tested on {plural('sample', len(second))} from {cohort.name}, of which none is trained with."
    )
    own_features = study.network.features
    scaler = fit_scaler(first[own_features], np.arange(len(first)))
    if said := other_scale(scaler, second, "the test data"):
        notes.append(f"WARNING: {said}")
    n = len(first) + len(second)
    labels = pd.concat([own.label[task.kept].astype(object), cohort.label[known].astype(object)])
    groups = study.groups
    if groups is not None:
        added = group_names(cohort.given("groups").iloc[:, 0], known)
        if both := sorted({*groups.tolist()} & {*added.tolist()}):
            raise Edge2TorchError(
                f"test_data: {len(both)} group(s) are in the data as well: {listing(both)}. A group "
                "belongs to one side; leave its samples out of the other."
            )
        groups = np.concatenate([groups, added])
    covariates = task.covariates
    if covariates is not None:
        more = cohort.given("covariates")[known]
        check_known(more)
        covariates = pd.concat([covariates, more.set_axis(covariates.columns, axis=1)])
    return replace(
        study,
        dataset=replace(own, table=pd.concat([first, second]), label=labels, design=pd.DataFrame()),
        task=replace(
            task,
            values=np.concatenate([task.values, values]),
            kept=np.ones(n, bool),
            notes=(*task.notes, *notes),
            covariates=covariates,
        ),
        groups=groups,
        held_out=np.arange(n) >= len(first),
    )
