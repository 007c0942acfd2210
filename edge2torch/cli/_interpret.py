"""``edge2torch interpret``: a saved model and data in, tables of scores out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from edge2torch._core.console import Console
from edge2torch._core.messages import listing, plural
from edge2torch.cli._options import DATA, FEATURE_NAMES, LAYER
from edge2torch.errors import Edge2TorchError

_TARGETS = ("features", "nodes", "edges")


def interpret(
    *,
    model: Annotated[Path, typer.Argument(help="Folder of a run, or of save_compiled.")],
    data: Annotated[Path, DATA],
    out: Annotated[Path, "Folder for features.csv, nodes.csv and edges.csv."],
    targets: Annotated[
        tuple[str, ...], "Any of features, nodes and edges, separated by commas."
    ] = _TARGETS,
    method: Annotated[
        str | None, "One for the target, if there is one; default: by target."
    ] = None,
    output: Annotated[str, "What to explain, separated by commas; default: every output."] = "",
    label: Annotated[str | None, "Column (of obs, for h5ad) by which samples are averaged."] = None,
    layer: Annotated[str | None, LAYER] = None,
    feature_names: Annotated[str | None, FEATURE_NAMES] = None,
    seed: Annotated[int, "For methods that draw random numbers."] = 0,
    console: Console,
) -> None:
    """Score inputs, nodes and edges of a saved model on your data; write tables."""
    from edge2torch._core.files import output_folder, write_file
    from edge2torch.study import positions_of, read_samples, read_saved, score

    _check_targets(targets, method)
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
    for target in targets:
        table = score(saved, dataset, target, method, positions, seed)
        path = write_file(folder / f"{target}.csv", partial(table.to_csv, index=False))
        console.say(f"Written: {path} ({plural('row', len(table))})")


def _check_targets(targets: tuple[str, ...], method: str | None) -> None:
    if not targets or set(targets) - set(_TARGETS):
        raise Edge2TorchError(f"--targets {','.join(targets)!r}: choose among {listing(_TARGETS)}.")
    if method is not None and len(targets) > 1:
        raise Edge2TorchError("--method belongs to one target. Give --targets one of its three.")
