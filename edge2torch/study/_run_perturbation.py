"""``run --task perturbation``: a design of treatments is read, fitted and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge2torch._core.console import Console
from edge2torch._core.packed import plain_suffix
from edge2torch._core.tables import existing_file
from edge2torch.errors import Edge2TorchError
from edge2torch.perturb import PerturbationFit, fit, folds, read_design, read_midas, write_fit
from edge2torch.priors import read_sif
from edge2torch.study._edges import read_edge_file
from edge2torch.study._settings import StudySettings


def run_perturbation(
    edges: Path,
    design: Path | None,
    readouts: Path | None,
    midas: Path | None,
    *,
    leave: Any,
    settings: StudySettings,
    out: Path,
    console: Console,
    **options: Any,
) -> PerturbationFit:
    """Fit what was read to what was given, and say what follows; ``options`` are those of :func:`fit`."""
    if (midas is not None) == (design is not None or readouts is not None):
        raise Edge2TorchError("task='perturbation' takes design= and readouts=, or midas=.")
    if (design is None) != (readouts is None):
        raise Edge2TorchError("design= and readouts= go together.")
    is_sif = plain_suffix(edges) == ".sif"
    table = read_sif(edges, quiet=console.quiet) if is_sif else read_edge_file(edges, "edges")
    if design is not None:
        asked = read_design(design, readouts, edges=table)
    if midas is not None:
        asked = read_midas(existing_file(midas, "midas"), table, quiet=console.quiet)
    console.say(str(asked))
    found = fit(
        table,
        asked,
        folds(asked, leave, seed=settings.seed),
        replicates=max(settings.replicates, 1),
        epochs=settings.max_epochs,
        seed=settings.seed,
        quiet=console.quiet,
        **options,
    )
    place = write_fit(found, out)
    console.say(str(found))
    console.say(f"Written: {place}")
    return found
