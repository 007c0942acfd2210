"""One row per backend; a row enrols it in tests, docs and command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._baseline import baseline
from edge2torch.netmodules._graph import graph
from edge2torch.netmodules._latent import latent
from edge2torch.netmodules._request import Request
from edge2torch.netmodules._similarity import Similarity
from edge2torch.netmodules._vae import vae
from edge2torch.netmodules._wgcna import wgcna


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
        From standardised columns to vectors whose products are similarities.

    Examples
    --------
    >>> from edge2torch.netmodules import BACKENDS
    >>> BACKENDS["baseline"].summary
    'partial correlations of a Ledoit-Wolf covariance'
    """

    name: str
    summary: str
    similarity: Callable[[Request], Similarity]


BACKENDS: dict[str, ModuleBackend] = {
    row.name: row
    for row in (
        ModuleBackend("baseline", "partial correlations of a Ledoit-Wolf covariance", baseline),
        ModuleBackend("latent", "factor analysis per channel, then as baseline", latent),
        ModuleBackend("graph", "smoothing over correlated features, then as latent", graph),
        ModuleBackend("vae", "a variational autoencoder of compiled graphs", vae),
        ModuleBackend("wgcna", "R's WGCNA", wgcna),
    )
}
"""Finders of modules by name: a new finder is a new row."""


def find_backend(name: str) -> ModuleBackend:
    """Return a row, or say which there are."""
    if name not in BACKENDS:
        raise Edge2TorchError(f"backend={name!r}: no such backend. Use one of {listing(BACKENDS)}.")
    return BACKENDS[name]
