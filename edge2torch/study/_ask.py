"""A saved model is asked: what about, on which samples, and what it says, as tidy tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from torch import nn

from edge2torch._core.messages import listing, plural
from edge2torch._core.names import nearest
from edge2torch._core.packed import plain_suffix
from edge2torch._core.tables import existing_file, read_table
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import interpret_model
from edge2torch.study._data import Dataset, read_dataset, read_h5ad
from edge2torch.study._normalize import Normalize
from edge2torch.study._other_scale import other_scale
from edge2torch.study._sample_table import missing_of
from edge2torch.study._saved import Saved
from edge2torch.study._settings import StudySettings
from edge2torch.study._task import choose_task


def label_outputs(path: Path, label: str) -> list[str]:
    """What a study of a label reads: its classes, or the label itself where it holds numbers."""
    samples = _samples(path, "data")
    if label not in samples:
        raise Edge2TorchError(
            f"label: {path.name!r} has no column {label!r}.{nearest(label, samples.columns)}"
        )
    task = choose_task(samples[label].dropna(), "auto", StudySettings().min_class_size)
    return list(task.classes) or [label]


def _samples(path: Path, argument: str, *, text: tuple[int, ...] = ()) -> pd.DataFrame:
    """What a file says of its samples: the ``obs`` of an h5ad, or the table itself."""
    if plain_suffix(existing_file(path, argument)) != ".h5ad":
        return read_table(path, argument, text=text)
    data = read_h5ad(path, argument, backed="r")
    data.file.close()
    return cast(pd.DataFrame, data.obs)


def refuse_in_rows(
    path: Path, argument: str, measured: Collection[str], nodes: Collection[str]
) -> None:
    """Say so where the rows of the data, and not its columns, are called as nodes are."""
    if not set(nodes).isdisjoint(measured):
        return
    samples = _samples(path, argument, text=(0,))
    names = samples.index if plain_suffix(path) == ".h5ad" else samples.iloc[:, 0]
    rows = names.astype(str).str.strip().tolist()
    if known := [name for name in rows if name in nodes]:
        raise Edge2TorchError(
            f"{argument}: {path.name!r} looks transposed: {len(known):,} of its {len(rows):,} rows are "
            f"called as nodes of the graph ({listing(known)}), none of its columns is. Features have "
            "to be columns: write the table's transpose (.T in pandas and AnnData)."
        )


def positions_of(saved: Saved, output: str) -> dict[str, int]:
    """What is explained, and where it stands among the model's outputs."""
    answers = saved.answers
    asked = [part.strip() for part in output.split(",") if part.strip()] or answers
    if unknown := [name for name in asked if name not in answers]:
        hint = nearest(unknown[0], answers)
        if unknown[0] in saved.artifact.output_names:
            hint = " What follows the graph's outputs takes their names away."
        raise Edge2TorchError(
            f"output: the model has no output {listing(unknown)}. It has {listing(answers, 10)}."
            f"{hint}"
        )
    return {name: answers.index(name) for name in asked}


def read_samples(
    saved: Saved,
    data: Any,
    label: str | pd.Series | None,
    layer: str | None,
    names_column: str | None,
) -> Dataset:
    """Read data that hold every input of the model, prepared as for its training.

    Of pairs a sample without a label stays: it is in no group, and in pairs all the same.
    """
    normalize: Normalize = saved.recipe.normalize if saved.recipe else "none"
    beside = [("label", label)] if saved.is_of_pairs and label is not None else []
    dataset = read_dataset(
        data,
        None if beside else label,
        saved.artifact.feature_names,
        layer=layer,
        names_column=names_column,
        normalize=normalize,
        metadata=saved.recipe.set_aside if saved.recipe else (),
        chosen=True,
        design=beside,
    )
    if beside:
        groups = dataset.given("label").iloc[:, 0].set_axis(dataset.table.index)
        notes = (*dataset.notes, *missing_of(groups))
        dataset = replace(dataset, label=groups, notes=notes)
    if not len(dataset.table):
        raise Edge2TorchError(f"data: {dataset.name!r} has no sample to explain.")
    dataset = dataset.with_features(saved.artifact.feature_names, "data")
    lacking = dataset.table.isna().any()
    if saved.recipe is not None and lacking.any():
        names = lacking.index[lacking]
        filled = (
            f"{plural('feature', len(names))} with missing values ({listing(names)}): filled with the "
            "median of the samples that the model was trained on."
        )
        dataset = replace(dataset, notes=(*dataset.notes, filled))
    if saved.recipe is not None and (
        said := other_scale(saved.recipe.scaler, dataset.table, "data")
    ):
        dataset = replace(dataset, notes=(*dataset.notes, f"WARNING: {said}"))
    return dataset


def doubt_words(saved: Saved) -> str:
    """Warn of scores of networks that have learned nothing; empty where they have."""
    rests = "these scores say what its noise rests on. Read none of them as a finding."
    return saved.doubt and f"{saved.doubt}: {rests}"


def score(
    saved: Saved,
    dataset: Dataset,
    target: str,
    method: str | None,
    positions: dict[str, int],
    seed: int,
) -> pd.DataFrame:
    """Return one row per output, group of samples, and feature, node or edge."""
    table = dataset.table[saved.artifact.feature_names]
    if saved.recipe is not None:
        table = saved.recipe.scaler(table)
    asked: dict[str, Any] = {"target": target, "method": method, "seed": seed}
    groups = dataset.label.astype(str)
    parts: list[pd.DataFrame] = []
    for name, position in positions.items():
        for group, rows in table.groupby(groups.to_numpy(), sort=True):
            tidy = scored(saved.networks, saved.artifact, rows, output=position, **asked)
            tidy.insert(0, "output", name)
            tidy.insert(1, "group", str(group))
            parts.append(tidy)
    return pd.concat(parts, ignore_index=True)


def scored(
    networks: Sequence[nn.Module],
    artifact: CompileArtifact,
    table: pd.DataFrame,
    *,
    target: str,
    **asked: Any,
) -> pd.DataFrame:
    """Score the mean of networks on scaled samples: one row per feature, node or edge.

    Means over samples with and without the sign, features and nodes by the strongest. Of several
    networks also their standard deviation, and the share whose sign is that of the mean.
    """
    if target == "nodes":
        asked["level"] = "summary"
    own, found, mean = [], pd.DataFrame(), pd.DataFrame()
    for k, network in enumerate(networks):
        found = interpret_model(
            network, artifact, table, target=cast(Any, target), quiet=True, **asked
        )
        if target == "edges":
            own.append(found["attribution"].to_numpy(np.float64))
        else:
            own.append(found.mean().to_numpy(np.float64))
            mean = found if k == 0 else mean + found
    of_each = np.stack(own)
    if target == "edges":
        tidy = found if len(networks) == 1 else found.assign(attribution=of_each.mean(axis=0))
    else:
        mean = mean / len(networks) if len(networks) > 1 else mean
        tidy = pd.DataFrame({"attribution": mean.mean(), "magnitude": mean.abs().mean()})
        tidy.insert(0, target.removesuffix("s"), mean.columns.astype(str))
        if artifact.labels:
            tidy.insert(1, "label", [artifact.label(node) for node in tidy.iloc[:, 0]])
    if len(networks) > 1:
        tidy["sd"] = of_each.std(axis=0, ddof=1)
        sign = np.sign(of_each.mean(axis=0))
        tidy["agreement"] = (np.sign(of_each) == sign).mean(axis=0)
    if target != "edges":
        tidy = tidy.sort_values("magnitude", ascending=False, kind="stable")
    return tidy
