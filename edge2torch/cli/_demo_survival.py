"""The demo of survival: patients that are simulated, so that the answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from edge2torch.study import ReportText, StudyResult, StudySettings, run_study
from edge2torch.survival import TimeToEvent, simulate

_PATIENTS, _PATHWAYS, _SIZE, _SHARED = 400, 20, 12, 2
_SEED = 0  # one cohort, whatever the seed of the study is
# What the hazard is multiplied by, for each standard deviation of the mean of a pathway's genes.
PLANTED = {"pathway 04": 2.5, "pathway 13": 0.5}


def simulated_patients() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return edges, gene to pathway to hazard, and patients: genes, ``years`` and ``died``.

    Genes of a pathway go together, and neighbouring pathways share two. Times are in whole months.
    """
    rng = np.random.default_rng(_SEED)
    step = _SIZE - _SHARED
    genes = [f"gene {k:03d}" for k in range(_PATHWAYS * step + _SHARED)]
    members = {f"pathway {k + 1:02d}": genes[k * step : k * step + _SIZE] for k in range(_PATHWAYS)}
    names = pd.Index([f"patient {k:03d}" for k in range(_PATIENTS)], name="patient")
    x = pd.DataFrame(rng.normal(size=(_PATIENTS, len(genes))), names, genes)
    for own in members.values():
        x[own] += rng.normal(size=(_PATIENTS, 1))
    log_hazard = np.zeros(_PATIENTS)
    for name, ratio in PLANTED.items():
        mean = x[members[name]].mean(axis=1)
        log_hazard += np.log(ratio) * ((mean - mean.mean()) / mean.std()).to_numpy()
    outcome = simulate(log_hazard - 1.5, censored=0.3, seed=_SEED)
    months = np.ceil(outcome.time * 12) / 12
    pairs = [(gene, name) for name, own in members.items() for gene in own]
    pairs += [(name, "hazard") for name in members]
    table = x.round(3).assign(years=months.round(4), died=outcome.event.astype(int))
    return pd.DataFrame(pairs, columns=["source", "target"]), table


def run_survival_demo(
    settings: StudySettings, command: str, progress: Callable[[str], None], quiet: bool, **told: Any
) -> StudyResult:
    """Train and explain a pathway network of the simulated patients, and hold it to the truth."""
    edges, table = simulated_patients()
    up, down = PLANTED
    planted = (
        f"{up!r} multiplies it by {PLANTED[up]:g} for each standard deviation of the mean of its genes, "
        f"{down!r} by {PLANTED[down]:g}, and no other has a part in it"
    )
    usual = StudySettings()
    result = run_study(
        edges,
        table,
        TimeToEvent("years", "died"),
        # the settings of the blood cells are for blood cells
        settings=replace(
            settings, layer=None, direct_edges=False, min_class_size=usual.min_class_size
        ),
        text=ReportText(
            title="Which pathways tell who dies sooner?",
            data=f"{_PATIENTS} simulated patients with {len(table.columns) - 2} genes each, followed until "
            f"death ({int(table['died'].sum())}) or the last visit. Nothing here was measured. Of the hazard {planted}.",
            graph=f"Gene → pathway → hazard: {_PATHWAYS} pathways of {_SIZE} genes, of which neighbours share {_SHARED}.",
            caveats=(
                (
                    "These patients are simulated as the methods assume: hazards are proportional, censoring does "
                    "not depend on the genes, and a pathway acts through the mean of its genes. Real ones are harder."
                ),
            ),
            command=command,
            sample="patient",
            feature="gene",
            node="pathway",
        ),
        progress=progress,
        quiet=quiet,
        **told,
    )
    if not quiet:
        progress(truth_words(result))
    return result


def truth_words(result: StudyResult) -> str:
    """Say which of the planted pathways may be claimed, and which others are."""
    known = "What drives the hazard is known here:"
    if result.trust is None:  # --replicates 0, or nothing was learned
        return f"{known} {' and '.join(PLANTED)}. No pathway was judged, so none could be found."
    claimed = set(result.trust.claimed)
    said = [f"{name} {'is' if name in claimed else 'is not'} found" for name in PLANTED]
    others = sorted(claimed - set(PLANTED))
    wrong = (
        f"; so {'are' if len(others) > 1 else 'is'} {', '.join(others)}, in error" if others else ""
    )
    return f"{known} {' and '.join(said)}{wrong or '; no other is'}."
