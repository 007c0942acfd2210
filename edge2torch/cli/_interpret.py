"""``edge2torch interpret``: a saved model and data in, tables of scores out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from edge2torch._core.console import Console
from edge2torch._core.messages import listing, plural
from edge2torch.errors import Edge2TorchError

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
    from edge2torch._core.files import output_folder, write_file
    from edge2torch.study import positions_of, read_samples, read_saved, score

    console = Console(quiet)
    wanted = _wanted(targets, method)
    saved = read_saved(model, "MODEL")
    positions = positions_of(saved, output)
    dataset = read_samples(saved, data, label, layer, feature_names)
    folder = output_folder(out, "--out")
    console.say(
        f"{plural('sample', len(dataset.table))}, {plural('output', len(positions))}: "
        f"{listing(positions, 10)}."
    )
    if saved.recipe is not None and not saved.recipe.learned:
        console.say(
            "The run that saved this model found it no better than guessing: these scores say what "
            "its noise rests on. Read none of them as a finding."
        )
    for note in dataset.notes:
        console.say(note)
    for target in wanted:
        table = score(saved, dataset, target, method, positions, seed)
        path = write_file(folder / f"{target}.csv", partial(table.to_csv, index=False))
        console.say(f"Written: {path} ({plural('row', len(table))})")


def _wanted(targets: str, method: str | None) -> list[str]:
    wanted = [part.strip() for part in targets.split(",") if part.strip()]
    if not wanted or set(wanted) - set(_TARGETS):
        raise Edge2TorchError(f"--targets {targets!r}: choose among {listing(_TARGETS)}.")
    if method is not None and len(wanted) > 1:
        raise Edge2TorchError("--method belongs to one target. Give --targets one of its three.")
    return wanted
