"""``edge2torch compare-priors``: edge tables, data and a label in, one verdict out."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from edge2torch._core.console import Console
from edge2torch._core.files import output_folder, write_file
from edge2torch._core.messages import listing, plural
from edge2torch.errors import Edge2TorchError
from edge2torch.study import StudySettings, compare_priors, read_dataset, read_edge_file


def compare_files(
    edges: list[Path],
    data: Path,
    label: str,
    out: Path,
    groups: str | None,
    draws: int,
    starts: int,
    folds: int,
    settings: StudySettings,
    console: Console,
) -> None:
    """Compare the priors of some files, by the names of these."""
    names = [path.name.partition(".")[0] for path in edges]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Edge2TorchError(
            f"EDGES: several files are called {listing(twice)}, and priors go by the names of their "
            "files. Rename them."
        )
    priors = {name: read_edge_file(path, "EDGES") for name, path in zip(names, edges, strict=True)}
    tables = priors.values()
    wanted = {
        str(one).strip() for t in tables for c in ("source", "target") for one in t[c].dropna()
    }
    dataset = read_dataset(
        data,
        label,
        wanted,
        design=[] if groups is None else [("groups", groups)],
        layer=settings.layer,
        names_column=settings.feature_names,
        normalize=settings.normalize,
        metadata=settings.metadata,
        all_features=settings.all_features,
    )
    for note in dataset.notes:
        console.say(note)
    found = compare_priors(
        priors,
        dataset.table,
        dataset.label,
        groups=None if groups is None else dataset.design.iloc[:, 0],
        draws=draws,
        starts=starts,
        folds=folds,
        settings=settings,
        quiet=console.quiet,
    )
    folder = output_folder(out, "--out")
    for line in (found.summary(), found.table.round(4).to_string(index=False)):
        console.say(line)
    for name, table in (("table", found.table), ("tests", found.tests)):
        path = write_file(folder / f"{name}.csv", partial(table.to_csv, index=False))
        console.say(f"Written: {path} ({plural('row', len(table))})")
