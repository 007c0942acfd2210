"""What ``edge2torch interpret`` does: data in, a saved model's scores of them out, as tables."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from edge2torch._core.console import Console
from edge2torch._core.files import folder_of_results
from edge2torch._core.messages import listing, plural
from edge2torch._core.tables import write_table
from edge2torch.errors import Edge2TorchError
from edge2torch.study._ask import doubt_words, positions_of, read_samples, score
from edge2torch.study._ask_pairs import (
    asked_pairs,
    predicted_table,
    refuse_partners,
    score_pairs,
)
from edge2torch.study._saved import read_saved

_TARGETS = ("features", "nodes", "edges")


def interpret_saved(
    model: Path,
    data: Path,
    out: Path,
    *,
    targets: Collection[str] = _TARGETS,
    method: str | None = None,
    output: str = "",
    label: str | None = None,
    layer: str | None = None,
    feature_names: str | None = None,
    other: Path | None = None,
    pairs: Path | None = None,
    seed: int = 0,
    console: Console,
) -> None:
    """Score inputs, nodes and edges of a saved model; write ``features.csv`` and the like.

    ``other`` and ``pairs`` are for networks of pairs: the second partners' features, and which pairs are
    meant; all by default. What is predicted of these is written, too.
    """
    if not targets or set(targets) - set(_TARGETS):
        raise Edge2TorchError(f"targets={','.join(targets)!r}: choose among {listing(_TARGETS)}.")
    if method is not None and len(targets) > 1:
        raise Edge2TorchError("method= belongs to one target. Give targets= one of its three.")
    saved = read_saved(model, "MODEL")
    positions = positions_of(saved, output)
    refuse_partners(saved, {"other": other, "pairs": pairs})
    dataset = read_samples(saved, data, label, layer, feature_names)
    asked = asked_pairs(saved, dataset, other, pairs) if saved.is_of_pairs else None
    with folder_of_results(out, "out") as folder:
        what = plural("sample", len(dataset.table))
        if asked is not None:
            what = f"{plural('pair', len(asked.index))}, {plural('network', len(saved.networks))}"
        console.say(f"{what}, {plural('output', len(positions))}: {listing(positions, 10)}.")
        more = () if asked is None else asked.notes
        for note in filter(None, (doubt_words(saved), saved.note, *dataset.notes, *more)):
            console.say(note)
        for target in targets:
            if asked is None:
                table = score(saved, dataset, target, method, positions, seed)
            else:
                table = score_pairs(saved, asked, dataset.label, target, method, seed, console)
            _written(console, folder / f"{target}.csv", table)
        if asked is not None:
            _written(console, folder / "predicted.csv", predicted_table(saved, asked))


def _written(console: Console, path: Path, table: pd.DataFrame) -> None:
    """Write a table, and say so."""
    console.say(f"Written: {write_table(path, table)} ({plural('row', len(table))})")
