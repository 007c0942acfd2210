"""``run --pairs``: cells × drugs, trained in folds, scored within each drug beside what has to be beaten."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.console import Console
from edge2torch._core.edges import edges_called
from edge2torch._core.files import folder_of_results, write_file
from edge2torch._core.messages import listing, plural
from edge2torch._core.names import turned_hint
from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.errors import Edge2TorchError
from edge2torch.study._ask import scored
from edge2torch.study._ask_pairs import pairs_of_files, read_others, read_pairs, without_words
from edge2torch.study._data import Dataset, read_dataset
from edge2torch.study._edges import nodes_named, read_edge_file
from edge2torch.study._fit_pairs import ROOT_UNITS, FoldRun, run_fold
from edge2torch.study._judge_pairs import PairResults, judge_pairs, learned
from edge2torch.study._network import _quietly, _without
from edge2torch.study._recipe import PairsRecipe
from edge2torch.study._report_pairs import counts, pairs_page
from edge2torch.study._saved import PAIRS, in_units, save_pairs
from edge2torch.study._settings import StudySettings
from edge2torch.train import Pairs

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_FOLDS = 5
# What is of samples alone; it would be ignored.
_OF_STUDIES = (
    "test_fraction", "validation_fraction", "class_weights", "controls", "task", "explain_samples",
    "impute", "missing", "min_class_size", "direct_edges",
)  # fmt: skip


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
        raise Edge2TorchError(
            f"Runs over pairs= have no use for {named}. Leave it out."
            + (" Fill missing values in the files of data= and other=." if "impute" in odd else "")
        )
    if isinstance(settings.test_folds, str):
        raise Edge2TorchError("test_folds must be a number of folds for runs over pairs=.")
    if settings.replicates < 1:
        raise Edge2TorchError("replicates must be 1 or more for runs over pairs=: they predict.")
    n_folds = settings.test_folds or _FOLDS
    if settings.seeds > n_folds:
        raise Edge2TorchError(
            f"seeds={settings.seeds}: runs over pairs= run as many of the {n_folds} folds, and there are no more. "
            f"Give seeds={n_folds}, or test_folds={settings.seeds} too."
        )
    with folder_of_results(out, "out") as folder:
        graph = read_edge_file(edges, "edges")
        read = _read(graph, data, table, other, label, entities, settings, console)
        return _carry_out(*read, label, n_folds, hold_out, settings, folder, console)


def _carry_out(
    both: Pairs,
    artifact: CompileArtifact,
    dataset: Dataset,
    label: str,
    n_folds: int,
    hold_out: Any,
    settings: StudySettings,
    folder: Path,
    console: Console,
) -> PairResults:
    entities = both.entities
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
        run_fold(both, artifact, *fold, hold_out, settings, settings.seed + k, console)
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
    first = runs[0]
    recipe = PairsRecipe(
        answers=(label,),
        normalize=dataset.normalize,
        scaler=first.scalers[0],
        set_aside=dataset.set_aside,
        learned=learned(results.verdicts),
        entities=both.entities,
        others=first.scalers[1],
        response=first.response,
        networks=(),
    )
    _write(folder, both, artifact, first, results, recipe, hold_out, settings, console)
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
) -> tuple[Pairs, CompileArtifact, Dataset]:
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
            + turned_hint(len(set(dataset.table.columns).intersection(whole.output_names)))
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
        units[ends[0]] = max(settings.units, ROOT_UNITS)
        _, artifact = compile_graph(kept, outputs=ends, units=units, quiet=True)
    for note in dataset.notes:
        console.say(note)
    partners, said = without_words(read_others(other, entities[1]))
    if said:
        console.say(f"other=: {said}")
    given = read_pairs(table, entities)
    cells = dataset.table[artifact.feature_names]
    both = pairs_of_files(given, cells, partners, label, entities)
    return both, artifact, dataset


def _write(
    folder: Path,
    both: Pairs,
    artifact: CompileArtifact,
    run: FoldRun,
    results: PairResults,
    recipe: PairsRecipe,
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
    if recipe.learned:
        nodes = tables["node_attribution"] = _nodes(both, artifact, run)
    else:  # what has learned nothing of cells has no nodes to show
        (folder / "node_attribution.csv").unlink(missing_ok=True)
        console.say(
            f"No node is ranked: within {second}s the network is not shown to have learned anything."
        )
    for name, table in tables.items():
        write_file(folder / f"{name}.csv", partial(pd.DataFrame.to_csv, table, float_format="%.6g"))
    saved = save_pairs(folder, run.models, artifact, recipe)
    page = pairs_page(
        both, results.scores, results.by_drug, results.verdicts, nodes, hold_out,
        has_heads=settings.node_heads, facts={"epochs, first fold": ", ".join(map(str, run.epochs)), **_chosen(settings)},
    )  # fmt: skip
    write_file(folder / "report.html", lambda path: path.write_text(page, encoding="utf-8"))
    written = [*(f"{name}.csv" for name in tables), *saved, PAIRS, "report.html"]
    console.say(f"Written: {', '.join(written)}")


def _chosen(settings: StudySettings) -> dict[str, Any]:
    """Return what training went by."""
    names = ("seed", "replicates", "units", "weight_decay", "max_epochs", "patience")
    return {
        **{name: getattr(settings, name) for name in names},
        "learning_rate": settings.learning_rate_of(pairs=True),
        "node_dropout": settings.node_dropout_of(pairs=True),
    }


def _nodes(both: Pairs, artifact: CompileArtifact, run: FoldRun) -> pd.DataFrame:
    """Scores of nodes for each drug, on the held-out cells of the first fold; those of the mean network."""
    cells = np.unique(both.index[run.held_out, 0])
    table = run.scalers[0](both.cells.iloc[cells])
    models = [in_units(model, run.response) for model in run.models]
    parts = {}
    for k in np.unique(both.index[run.held_out, 1]).tolist():
        given = [model.given(run.drugs[k]) for model in models]
        found = scored(given, artifact, table, target="nodes", nodes="hidden")
        parts[both.drugs.index[k]] = found.set_index("node")
    names = {"attribution": "mean", "magnitude": "mean_abs"}
    scores: pd.DataFrame = pd.concat(parts, names=[both.entities[1]]).rename(columns=names)
    return scores
