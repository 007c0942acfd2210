"""``edge2torch run --task perturbation``: treatments and readouts in, tables and sentences out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge2torch._core.console import Console
from edge2torch._core.packed import plain_suffix
from edge2torch.cli._treatments import Treatments
from edge2torch.errors import Edge2TorchError
from edge2torch.perturb import fit, folds, read_design, read_midas, write_fit
from edge2torch.priors import read_sif
from edge2torch.study import StudySettings, read_edge_file

_USED = ("task", "seed", "replicates", "max_epochs")


def run_perturbation(
    edges: Path,
    out: Path,
    treatments: Treatments,
    settings: StudySettings,
    console: Console,
    others: Mapping[str, Any],
) -> None:
    """Read, fit, write, and say what follows."""
    usual = StudySettings()
    changed = [name for name, value in others.items() if value]
    changed += [
        name
        for name, value in vars(settings).items()
        if name not in _USED and value != getattr(usual, name)
    ]
    if changed:
        raise Edge2TorchError(f"{changed[0]}= is not for task='perturbation'. Leave it out.")
    given = treatments.design is not None or treatments.readouts is not None
    if (treatments.midas is not None) == given:
        raise Edge2TorchError("task='perturbation' takes design= and readouts=, or midas=.")
    if given and (treatments.design is None or treatments.readouts is None):
        raise Edge2TorchError("design= and readouts= go together.")
    if plain_suffix(edges) == ".sif":
        table = read_sif(edges, quiet=console.quiet)
    else:
        table = read_edge_file(edges, "--edges")
    if treatments.midas is not None:
        design = read_midas(treatments.midas, table, quiet=console.quiet)
    else:
        design = read_design(treatments.design, treatments.readouts, edges=table)  # type: ignore[arg-type]
    console.say(str(design))
    made = folds(design, treatments.leave, seed=settings.seed)
    found = fit(
        table,
        design,
        made,
        replicates=max(settings.replicates, 1),
        rewired=treatments.rewired,
        prior_mean=treatments.prior_mean,
        inner_folds=treatments.inner_folds,
        executor=treatments.executor,
        epochs=settings.max_epochs,
        seed=settings.seed,
        quiet=console.quiet,
    )
    place = write_fit(found, out)
    console.say(str(found))
    console.say(f"Written: {place}")
