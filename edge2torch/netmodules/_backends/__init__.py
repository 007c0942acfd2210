"""One row per backend; a row enrols it in tests, docs and command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge2torch._core.checks import check_choice
from edge2torch.netmodules._backends._correlation import baseline, graph, latent
from edge2torch.netmodules._backends._vae import vae
from edge2torch.netmodules._backends._wgcna import wgcna
from edge2torch.netmodules._similarity import Request, Similarity


@dataclass(frozen=True)
class ModuleBackend:
    """A way to say how similar two features are.

    Parameters
    ----------
    name : str
        What ``backend=`` is called with.
    summary : str
        One line for tables and help.
    similarity : callable
        From standardised columns, decoys among them, to their similarities, which find their own
        thresholds and pairs.
    suggested : bool, default True
        Whether to propose it where another backend found no module.
    """

    name: str
    summary: str
    similarity: Callable[[Request], Similarity]
    suggested: bool = True


BACKENDS: dict[str, ModuleBackend] = {
    row.name: row
    for row in (
        ModuleBackend(
            "baseline",
            "partial correlations of a Ledoit-Wolf covariance",
            baseline,
            suggested=False,
        ),
        ModuleBackend("latent", "factor analysis per channel, then as baseline", latent),
        ModuleBackend("graph", "smoothing over correlated features, then as latent", graph),
        ModuleBackend("vae", "a variational autoencoder of compiled graphs", vae),
        ModuleBackend("wgcna", "R's WGCNA", wgcna, suggested=False),
    )
}
"""Backends by name: a new one is a file in this folder and a row."""


def find_backend(name: str) -> ModuleBackend:
    return BACKENDS[check_choice("backend", name, BACKENDS)]
