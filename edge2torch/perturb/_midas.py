"""A design out of a MIDAS file."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pandas as pd

from edge2torch._core.edges import EdgesLike
from edge2torch.errors import Edge2TorchError
from edge2torch.perturb._design import INHIBITOR, Design
from edge2torch.perturb._read_design import read_design
from edge2torch.priors import read_midas as read_file


def read_midas(
    path: str | os.PathLike[str],
    edges: EdgesLike | None = None,
    *,
    inhibitors: Iterable[str] | None = None,
    relative_to: str | None = None,
    quiet: bool = False,
) -> Design:
    r"""Read a design and its readouts from a MIDAS file.

    Parameters
    ----------
    path : str or path
        As :func:`edge2torch.priors.read_midas` takes it. The cell line is the context; rows at time
        0 are the state at rest, of which the means are kept in ``at_rest``.
    edges : DataFrame or Prior, optional
        The network: a cue ``xi`` is an inhibitor of ``x`` where ``x`` is a node and ``xi`` is not.
    inhibitors : list of str, optional
        Cues that are inhibitors, as the file calls them.
    relative_to : {"control"}, optional
        Subtract the control's mean, of the same time and context.
    quiet : bool
        Print no note.

    Returns
    -------
    Design
        Conditions are named by what was given, ``"EGF + Raf_inhibitor"``, ``"control"`` where that
        is nothing.

    Raises
    ------
    Edge2TorchError
        As the two readers do.

    Examples
    --------
    >>> from pathlib import Path
    >>> head = "TR:mock:CellLine,TR:EGF,TR:Rafi,DA:ALL,DV:Erk"
    >>> _ = Path("data.csv").write_text("\n".join([head, "1,1,0,0,0", "1,1,0,10,.8", "1,1,1,10,.1"]))
    >>> edges = pd.DataFrame({"source": ["EGF", "Raf"], "target": ["Raf", "Erk"]})
    >>> design = read_midas("data.csv", edges, quiet=True)
    >>> design.doses.index.tolist(), design.targets
    (['EGF', 'EGF + Raf_inhibitor'], {'EGF': ['EGF'], 'Raf_inhibitor': ['Raf']})
    """
    midas = read_file(path, edges, inhibitors=inhibitors, quiet=quiet)
    if not midas.cues.shape[1]:
        raise Edge2TorchError(
            f"{path}: the file has no TR: column of a treatment, so it says not what was given. Name "
            "them 'TR:EGF', 'TR:Rafi'."
        )
    names = [_condition(row) for _, row in midas.cues.iterrows()]
    own = pd.DataFrame({"condition": names, "time": midas.times, "context": midas.contexts})
    stopped = {f"{node}{INHIBITOR}": node for node in midas.inhibited}
    return read_design(
        midas.cues.assign(condition=names).drop_duplicates(),
        pd.concat([own, midas.readouts], axis=1),
        relative_to=relative_to,
        kinds=dict.fromkeys(stopped, "inhibitor"),
        targets=stopped,
    )


def _condition(doses: pd.Series[float]) -> str:
    given = [
        str(name) if dose == 1 else f"{name} {dose:g}" for name, dose in doses.items() if dose > 0
    ]
    return " + ".join(given) or "control"
