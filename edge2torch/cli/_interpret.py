"""``edge2torch interpret``: a saved model and data in, tables of scores out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from edge2torch.cli._console import Console
from edge2torch.cli._data import Dataset, Normalize, read_dataset
from edge2torch.cli._files import output_folder
from edge2torch.cli._saved import Saved, read_saved
from edge2torch.cli._settings import plural
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError, listing
from edge2torch.files import write_file
from edge2torch.interpret import interpret_model

_TARGETS = ("features", "nodes", "edges")


def interpret(
    model: Annotated[Path, typer.Argument(help="Folder of a run, or of save_compiled.")],
    data: Annotated[Path, typer.Option(help="h5ad, or CSV, TSV or Parquet with a row per sample.")],
    out: Annotated[Path, typer.Option(help="Folder for features.csv, nodes.csv and edges.csv.")],
    targets: Annotated[
        str, typer.Option(help="Any of features, nodes and edges, separated by commas.")
    ] = "features,nodes,edges",
    method: Annotated[
        str | None, typer.Option(help="One for the target, if there is one; default: by target.")
    ] = None,
    output: Annotated[
        str, typer.Option(help="What to explain, separated by commas; default: every output.")
    ] = "",
    label: Annotated[
        str | None, typer.Option(help="Column (of obs, for h5ad) by which samples are averaged.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Layer of the h5ad file, or raw; default X.")
    ] = None,
    feature_names: Annotated[
        str | None, typer.Option(help="Column of var (h5ad) that holds the nodes' names.")
    ] = None,
    seed: Annotated[int, typer.Option(help="For methods that draw random numbers.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Score inputs, nodes and edges of a saved model on your data; write tables."""
    console = Console(quiet)
    wanted = _wanted(targets, method)
    saved = read_saved(model, "MODEL")
    positions = _positions(saved, output)
    dataset = _read(saved, data, label, layer, feature_names)
    folder = output_folder(out)
    console.say(
        f"{plural('sample', len(dataset.table))}, {plural('output', len(positions))}: "
        f"{listing(positions, 10)}."
    )
    for note in dataset.notes:
        console.say(note)
    for target in wanted:
        table = _explain(saved, dataset, target, method, positions, seed)
        path = write_file(folder / f"{target}.csv", partial(table.to_csv, index=False))
        console.say(f"Written: {path} ({plural('row', len(table))})")


def _wanted(targets: str, method: str | None) -> list[str]:
    wanted = [part.strip() for part in targets.split(",") if part.strip()]
    if not wanted or set(wanted) - set(_TARGETS):
        raise Edge2TorchError(f"--targets {targets!r}: choose among {listing(_TARGETS)}.")
    if method is not None and len(wanted) > 1:
        raise Edge2TorchError("--method belongs to one target. Give --targets one of its three.")
    return wanted


def _positions(saved: Saved, output: str) -> dict[str, int]:
    """What is explained, and where it stands among the model's outputs."""
    answers = saved.answers
    asked = [part.strip() for part in output.split(",") if part.strip()] or answers
    if unknown := [name for name in asked if name not in answers]:
        raise Edge2TorchError(
            f"--output: the model has no output {listing(unknown)}. It has {listing(answers, 10)}."
        )
    return {name: answers.index(name) for name in asked}


def _read(
    saved: Saved, path: Path, label: str | None, layer: str | None, names_column: str | None
) -> Dataset:
    normalize: Normalize = saved.recipe.normalize if saved.recipe else "none"
    dataset = read_dataset(
        path,
        label,
        saved.artifact.feature_names,
        layer=layer,
        names_column=names_column,
        normalize=normalize,
    )
    needed = saved.artifact.feature_names
    if absent := [name for name in needed if name not in dataset.table.columns]:
        raise Edge2TorchError(
            f"--data lacks {len(absent)} of {len(needed)} inputs of the model: {listing(absent)}."
        )
    if not len(dataset.table):
        raise Edge2TorchError(f"--data: {path.name!r} has no sample to explain.")
    return dataset


def _explain(
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
    asked: dict[str, Any] = {"target": target, "method": method, "seed": seed, "quiet": True}
    if target == "nodes":
        asked |= {"level": "summary"}
    groups = dataset.label.astype(str)
    parts: list[pd.DataFrame] = []
    for name, position in positions.items():
        for group, rows in table.groupby(groups.to_numpy(), sort=True):
            found = interpret_model(saved.model, saved.artifact, rows, output=position, **asked)
            tidy = found if target == "edges" else _means(found, target, saved.artifact)
            tidy = tidy.assign(output=name, group=str(group))
            parts.append(tidy[["output", "group", *tidy.columns[:-2]]])
    return pd.concat(parts, ignore_index=True)


def _means(found: pd.DataFrame, target: str, artifact: CompileArtifact) -> pd.DataFrame:
    """Mean over samples with and without the sign, the strongest first."""
    name = target.removesuffix("s")
    tidy = pd.DataFrame({"attribution": found.mean(), "magnitude": found.abs().mean()})
    tidy.insert(0, name, found.columns.astype(str))
    if artifact.labels:
        tidy.insert(1, "label", [artifact.label(node) for node in tidy[name]])
    ordered: pd.DataFrame = tidy.sort_values("magnitude", ascending=False, kind="stable")
    return ordered
