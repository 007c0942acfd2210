"""``run --pairs``: cells × drugs, trained in folds, scored within each drug beside what has to be beaten."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.console import Console
from edge2torch._core.edges import edges_called
from edge2torch._core.files import output_folder, write_file
from edge2torch._core.messages import listing, plural
from edge2torch._core.tables import existing_file, read_table
from edge2torch.compile import CompileArtifact, compile_graph, save_compiled
from edge2torch.customize import JoinedModel, NodeHeads, customize_model, join_branches
from edge2torch.data import align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import attribute
from edge2torch.nn import drop_values, head_loss
from edge2torch.study._data import read_dataset
from edge2torch.study._edges import nodes_named, read_edge_file
from edge2torch.study._judge_pairs import JOINED, PairResults, judge_pairs, learned
from edge2torch.study._network import _quietly, _without
from edge2torch.study._report_pairs import counts, pairs_page
from edge2torch.study._settings import StudySettings
from edge2torch.study._train import still_falling
from edge2torch.train import Fit, Pairs, Scaler, fit, fit_scaler, pairs

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_FOLDS = 5
# What the branch is joined to. Interactions of cells and drugs pass through here, and six units, as
# published, hold no more than six of them: chosen on simulated tables of 12 pathways as targets.
_ROOT_UNITS = 24
_BRANCH = (100, 50)
_BATCH = 256
# What is of samples alone; it would be ignored.
_OF_STUDIES = (
    "test_fraction", "validation_fraction", "class_weights", "controls", "task", "explain_samples",
     "impute", "missing", "min_class_size", "direct_edges",
)  # fmt: skip
# The tables of `pairs` are files here.
_TABLE = re.compile(r"^(?:table|cells|drugs)\b|(?<=that )(?:cells|drugs)(?= has)")
_FILES = {"table": "pairs", "cells": "data", "drugs": "other"}
_APART = 1_000  # between the seeds of the networks of a fold: folds are fewer
_STEPS = 480  # waited for at least without a better validation loss: it has long plateaus


def run_pairs(
    edges: Path,
    data: Path,
    table: Path,
    other: Path,
    *,
    label: str,
    entities: Sequence[str],
    hold_out: Any,
    settings: StudySettings,
    out: Path,
    console: Console,
) -> PairResults:
    """Train joined networks in each of ``settings.seeds`` folds; write scores, models and nodes.

    What predicts is the mean of ``settings.replicates`` networks, each of another start and with
    epochs found on another part: what one start has missed, others have not.
    """
    if len(entities) != 2:
        raise Edge2TorchError(
            f"entities must be two columns of the table of pairs, found {listing(entities)}."
        )
    usual = StudySettings()
    odd = [name for name in _OF_STUDIES if getattr(settings, name) != getattr(usual, name)]
    if odd:
        named = ", ".join(f"{name}={getattr(settings, name)}" for name in odd)
        raise Edge2TorchError(f"Runs over pairs= have no use for {named}. Leave it out.")
    if isinstance(settings.test_folds, str):
        raise Edge2TorchError("test_folds must be a number of folds for runs over pairs=.")
    if settings.replicates < 1:
        raise Edge2TorchError("replicates must be 1 or more for runs over pairs=: they predict.")
    folder = output_folder(out, "out")
    graph = read_edge_file(edges, "edges")
    both, artifact = _read(graph, data, table, other, label, entities, settings, console)
    n_folds = settings.test_folds or _FOLDS
    folds = both.folds(hold_out, n_folds, seed=settings.seed)[: settings.seeds]
    if not any(len(both.within(both.y[rows], rows)) for _, rows in folds):
        raise Edge2TorchError(
            f"label: no {entities[1]} has three held-out pairs of unlike {label!r} in a fold, so nothing can be "
            f"scored. Give more {entities[0]}s, or fewer test_folds=."
        )
    console.heading("Data and network")
    console.say(f"{counts(both)}; {len(artifact.feature_names):,} inputs of the graph.")
    judged = sum(len(held_out) for _, held_out in folds)
    console.say(
        f"{len(folds)} of {n_folds} folds are run, in each {plural('network', settings.replicates)} trained "
        f"twice: {judged:,} of {len(both.y):,} pairs are predicted while held out."
        + (f" seeds={n_folds} runs all." if len(folds) < n_folds else "")
    )
    if hold_out == "pair":
        console.say(
            f"hold_out='pair': both partners of every held-out pair were seen in training, so the "
            f"scores say nothing of a new {entities[0]} or {entities[1]}."
        )
    runs = [
        _run(both, artifact, *fold, hold_out, settings, settings.seed + k, console)
        for k, fold in enumerate(folds)
    ]
    results = judge_pairs(both, [(run.held_out, run.predicted) for run in runs])
    cut = [is_cut for run in runs for is_cut in run.is_cut]
    if n_cut := sum(cut):
        console.say(
            f"The validation loss was still falling at the last of {plural('epoch', settings.max_epochs)}, in "
            f"{n_cut} of {plural('network', len(cut))}: they may do better with a larger max_epochs=."
        )
    console.heading(f"Held-out scores, within each {entities[1]} first")
    means = results.scores.drop(columns="fold").groupby("model", sort=False).mean()
    console.say(means.round(3).to_string())
    for verdict in results.verdicts:
        console.say(f"- {verdict}")
    _write(folder, both, artifact, runs[0], results, hold_out, settings, console)
    return results


def _read(
    edges: pd.DataFrame,
    data: Path,
    table: Path,
    other: Path,
    label: str,
    entities: Sequence[str],
    settings: StudySettings,
    console: Console,
) -> tuple[Pairs, CompileArtifact]:
    """Read all tables, and keep of the graph what the data can feed."""
    dataset = read_dataset(data, None, nodes_named(edges), **settings.reading)
    with _quietly(), edges_called("edges"):
        _, whole = compile_graph(edges, quiet=True)
    kept, wanted = whole.graph.edges, whole.feature_names
    absent = [name for name in wanted if name not in dataset.table.columns]
    if len(absent) == len(wanted):
        raise Edge2TorchError(
            f"edges and data share no names: the graph's inputs are {listing(wanted)}, the data's "
            f"features {listing(dataset.table.columns)}."
        )
    if absent:
        kept, _ = _without(kept, absent)
        console.say(f"{len(absent):,} of {len(wanted):,} inputs are not in the data: left out.")
    ends = list(settings.outputs) or sorted(set(kept["target"]) - set(kept["source"]))
    if len(ends) != 1:
        raise Edge2TorchError(
            f"outputs: the graph ends in {len(ends)} nodes ({listing(ends)}), and pairs are joined at "
            "one root. Name it with outputs=."
        )
    with _quietly():
        _, plain = compile_graph(kept, outputs=ends, unused="prune", quiet=True)
        kept = kept[plain.graph.is_active].reset_index(drop=True)
        _, plain = compile_graph(kept, outputs=ends, quiet=True)  # without what was cut
        units = dict.fromkeys(plain.topology.hidden, settings.units)
        units[ends[0]] = max(settings.units, _ROOT_UNITS)
        _, artifact = compile_graph(kept, outputs=ends, units=units, quiet=True)
    for note in dataset.notes:
        console.say(note)
    partners = read_table(existing_file(other, "other"), "other")
    named = entities[1] if entities[1] in partners else partners.columns[0]
    given = read_table(existing_file(table, "pairs"), "pairs")
    cells = dataset.table[artifact.feature_names]
    try:
        both = pairs(given, cells, partners.set_index(named), label=label, entities=entities)
    except Edge2TorchError as error:  # the three tables are files here
        raise Edge2TorchError(
            re.sub(_TABLE, lambda m: _FILES[m[0]] + "=" * bool(m.start()), str(error))
        ) from error
    return both, artifact


@dataclass(frozen=True)
class _Run:
    """The networks of one fold, and what their mean and the baselines predict."""

    models: list[JoinedModel]
    scalers: list[Scaler]  # of cells and of drugs
    response: tuple[float, float]  # mean and standard deviation
    drugs: Tensor
    held_out: Ints
    predicted: dict[str, Floats]
    epochs: list[int]
    is_cut: list[bool]  # whether the validation loss was still falling at the last epoch


def _run(
    both: Pairs,
    artifact: CompileArtifact,
    rows: Ints,
    held_out: Ints,
    hold_out: str,
    settings: StudySettings,
    seed: int,
    console: Console,
) -> _Run:
    # what is fitted to cells and drugs is fitted to those of the training part
    scalers = [
        fit_scaler(table, np.unique(both.index[rows, k]))
        for k, table in enumerate((both.cells, both.drugs))
    ]
    x = align_features_to_input_nodes(scalers[0](both.cells), artifact)
    z = torch.from_numpy(scalers[1](both.drugs).to_numpy(np.float32, copy=True))
    level, spread = float(both.y[rows].mean()), float(both.y[rows].std()) or 1.0
    y = torch.from_numpy((both.y - level) / spread).float()[:, None]
    part = Pairs(both.index[rows], both.y[rows], both.cells, both.drugs, both.entities)

    def trained(
        own: Ints, judged: Ints | None, epochs: int, size: int, seed: int, name: str
    ) -> tuple[JoinedModel, Fit]:
        model = _joined(artifact, z.shape[1], settings, seed)
        return model, fit(
            model,
            partial(_loss, model, both, x, z, y, settings),
            own,
            held_out=judged,
            max_epochs=epochs,
            batch_size=size,
            learning_rate=settings.learning_rate_of(pairs=True),
            weight_decay=settings.weight_decay,
            patience=max(settings.patience, -(-_STEPS // max(round(len(own) / size), 1))),
            keep_best=False,  # the number of epochs is what is looked for
            seed=seed,
            progress=lambda to_come: console.count(
                to_come.stop, name, "epochs", first=to_come.start
            ),
        )

    models, said, found, is_cut = [], [], [], []
    for start in range(settings.replicates):
        own = seed + _APART * start
        name = f"fold {seed - settings.seed + 1}, network {start + 1}"
        # As a study does: the epochs are found on a part, then all but the held-out pairs are trained with.
        parts = _parts(part, hold_out)
        fitted, validation = part.folds(cast(Any, hold_out), parts, seed=own)[0]
        size = settings.batch_size or min(_BATCH, max(len(fitted) // 8, 16))
        _, search = trained(rows[fitted], rows[validation], settings.max_epochs, size, own, name)
        epochs = int(search.best_epoch or 0) + 1
        model, _ = trained(rows, None, epochs, size, own, f"{name}, all")
        model.eval()
        with torch.no_grad():
            said.append(model(x, z, both.rows(held_out))[:, 0].double().numpy())
        losses = tuple(search.history["held_out_loss"])
        is_cut.append(search.stopped_by == "max_epochs" and still_falling(losses, epochs))
        models.append(model)
        found.append(epochs)
    predicted = {
        JOINED: np.mean(said, axis=0) * spread + level,
        **both.baselines(rows, held_out),
    }
    return _Run(models, scalers, (level, spread), z, held_out, predicted, found, is_cut)


def _parts(part: Pairs, hold_out: str) -> int:
    """Return into how many parts the trained pairs are divided to find the number of epochs."""
    if hold_out != "both":
        return _FOLDS
    numbers = [len(np.unique(part.index[:, k])) for k in range(2)]  # both sides are divided
    if min(numbers) < 2:
        named = " and ".join(
            plural(f"{who}", n) for who, n in zip(part.entities, numbers, strict=True)
        )
        raise Edge2TorchError(
            f"hold_out='both' leaves {named} to train with, and two of each are needed: the epochs are "
            "found on others than are fitted. Take more test_folds=, or hold out one of the two."
        )
    return min(_FOLDS, *numbers)


def _loss(
    model: JoinedModel,
    both: Pairs,
    x: Tensor,
    z: Tensor,
    y: Tensor,
    settings: StudySettings,
    batch: Tensor,
) -> Tensor:
    """Return the mean squared error of some pairs, and of the heads where there are any."""
    seen = drop_values(x, settings.input_dropout or 0.0) if model.training else x
    which = both.rows(batch.numpy())
    for k, who in enumerate(both.entities if model.training else ()):
        if bool((which[:, k] == which[0, k]).all()):
            raise Edge2TorchError(
                f"A step of training has pairs of one {who} alone, and batch normalisation compares two or "
                f"more: give more {who}s, or larger batches by batch_size=."
            )
    if not (settings.node_heads and model.training):
        return nn.functional.mse_loss(model(seen, z, which), y[batch])
    output, heads = model.with_heads(seen, z, which)
    return head_loss(nn.functional.mse_loss, output, heads, y[batch], alpha=settings.head_weight)


def _joined(
    artifact: CompileArtifact, features: int, settings: StudySettings, seed: int
) -> JoinedModel:
    with torch.random.fork_rng(devices=[]), _quietly():
        torch.manual_seed(seed)
        graph, _ = compile_graph(
            artifact.graph.edges,
            inputs=artifact.feature_names,
            outputs=artifact.output_names,
            units=artifact.options.get("units"),
            quiet=True,
        )
        hidden = bool(artifact.topology.hidden)
        model = customize_model(
            graph,
            node_activation=settings.node_activation,
            node_normalization="batch",
            norm_first=False,
            node_dropout=settings.node_dropout_of(pairs=True),
            node_heads=NodeHeads() if settings.node_heads and hidden else None,
        )
        width = max(settings.units, _ROOT_UNITS)
        return join_branches(
            model, artifact, other=(*_BRANCH, width), features=features, width=width
        )


def _write(
    folder: Path,
    both: Pairs,
    artifact: CompileArtifact,
    run: _Run,
    results: PairResults,
    hold_out: str,
    settings: StudySettings,
    console: Console,
) -> None:
    first, second = both.entities
    tables = {
        "scores": results.scores,
        f"{second}_scores": results.by_drug,
        "predictions": results.predictions.set_index(first),
        "scaling": run.scalers[0].as_frame(),
        f"{second}_scaling": run.scalers[1].as_frame(),
        "response_scaling": pd.DataFrame([run.response], ["response"], ["mean", "scale"]),
    }
    nodes = None
    if learned(results.verdicts):
        nodes = tables["node_attribution"] = _nodes(both, artifact, run)
    else:  # what has learned nothing of cells has no nodes to show
        (folder / "node_attribution.csv").unlink(missing_ok=True)
        console.say(
            f"No node is ranked: within {second}s the network is not shown to have learned anything."
        )
    for name, table in tables.items():
        write_file(folder / f"{name}.csv", partial(pd.DataFrame.to_csv, table, float_format="%.6g"))
    saved = ["model", *(f"model_{k}" for k in range(2, len(run.models) + 1))]
    for model_name, model in zip(saved, run.models, strict=True):
        save_compiled(folder / model_name, model, artifact)
    for old in folder.glob("model_*"):  # of a run with more networks
        if old.name not in saved and re.fullmatch(r"model_\d+", old.name):
            shutil.rmtree(old)
    page = pairs_page(
        both, results.scores, results.by_drug, results.verdicts, nodes, hold_out,
        has_heads=settings.node_heads, facts={"epochs, first fold": ", ".join(map(str, run.epochs)), **_chosen(settings)},
    )  # fmt: skip
    write_file(folder / "report.html", lambda path: path.write_text(page, encoding="utf-8"))
    written = [*(f"{name}.csv" for name in tables), *saved, "report.html"]
    console.say(f"Written: {', '.join(written)}")


def _chosen(settings: StudySettings) -> dict[str, Any]:
    """Return what training went by."""
    names = ("seed", "replicates", "units", "weight_decay", "max_epochs", "patience")
    return {
        **{name: getattr(settings, name) for name in names},
        "learning_rate": settings.learning_rate_of(pairs=True),
        "node_dropout": settings.node_dropout_of(pairs=True),
    }


def _nodes(both: Pairs, artifact: CompileArtifact, run: _Run) -> pd.DataFrame:
    """Scores of nodes for each drug, on the held-out cells of the first fold; means of the networks."""
    cells = np.unique(both.index[run.held_out, 0])
    table = run.scalers[0](both.cells.iloc[cells])
    parts = {}
    for k in np.unique(both.index[run.held_out, 1]).tolist():
        each = [
            attribute(
                model.given(run.drugs[k]),
                table,
                "nodes",
                nodes="hidden",
                artifact=artifact,
                quiet=True,
            ).summary()
            for model in run.models
        ]
        parts[both.drugs.index[k]] = pd.concat(each).groupby(level=0, sort=False).mean()
    found: pd.DataFrame = pd.concat(parts, names=[both.entities[1]])
    return found
