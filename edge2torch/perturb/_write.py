"""A fit as tables."""

from __future__ import annotations

import os
from pathlib import Path

from edge2torch._core.checks import check_type
from edge2torch._core.files import output_folder, path_of, write_file
from edge2torch._core.messages import wording
from edge2torch._core.tables import write_table
from edge2torch.perturb._fit import PerturbationFit
from edge2torch.perturb._screen import screen


def write_fit(found: PerturbationFit, folder: str | os.PathLike[str]) -> Path:
    """Write scores, held-out predictions, knock-outs, the design and the sentences.

    Parameters
    ----------
    found : PerturbationFit
        What :func:`fit` returned.
    folder : path
        Gets ``perturbation_scores.csv``, ``predictions.csv``, ``knock_outs.csv``, ``design.csv``,
        ``rewired.csv`` where graphs were rewired, ``settings.csv`` where inner folds chose, and
        ``verdicts.txt``.

    Returns
    -------
    Path
        The folder.

    Examples
    --------
    >>> import pandas as pd
    >>> from edge2torch import perturb
    >>> edges = pd.DataFrame({"source": ["A", "B", "a"], "target": ["a", "a", "y"], "sign": 1})
    >>> doses = pd.DataFrame({"A": [0, 1, 0, 1.0], "B": [0, 0, 1.0, 1]}, list("0abc"))
    >>> design = perturb.read_design(doses, pd.DataFrame({"y": [0, 0.5, 0.5, 0.8]}, list("0abc")))
    >>> found = perturb.fit(edges, design, epochs=3, controls=False)
    >>> sorted(path.name for path in write_fit(found, "results").glob("[kp]*"))
    ['knock_outs.csv', 'perturbation_scores.csv', 'predictions.csv']
    """
    into = path_of(folder, "folder")
    check_type("found", found, PerturbationFit, "what perturb.fit returned")
    place = output_folder(into, "folder")
    tables = {
        "perturbation_scores.csv": found.scores.rename_axis("model").reset_index(),
        "predictions.csv": found.held_out(),
        "knock_outs.csv": screen(found),
        "design.csv": found.design.to_frame(),
    }
    if len(found.rewired):
        tables["rewired.csv"] = found.rewired.rename_axis("graph").reset_index()
    if len(found.chosen):
        tables["settings.csv"] = found.chosen
    for name, table in tables.items():
        write_table(place / name, table)
    said = map(wording.get(), found.verdicts)  # in a shell options stand where arguments do here
    lines = "\n".join([str(found.folds).splitlines()[0], *said]) + "\n"
    write_file(place / "verdicts.txt", lambda path: path.write_text(lines, encoding="utf-8"))
    return place
