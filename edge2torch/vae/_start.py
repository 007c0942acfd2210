"""Where a fit starts: at the mean profile, with each gene as spread out as the data show."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch.compile import find_edge_model
from edge2torch.vae._cells import Cells, Survey
from edge2torch.vae._named import NamedVAE

_RUN, _RUNS = 512, 8  # cells that are read together, and how many such runs are enough


@torch.no_grad()
def start_from(vae: NamedVAE, cells: Cells, rows: NDArray[np.int64], found: Survey) -> None:
    """Set biases, spread and a learned library's prior from data; spread from ``rows`` alone."""
    if vae.learned_library:
        vae.library_prior.copy_(torch.tensor(found.library))
    counts = vae.likelihood.is_count
    mean = (np.maximum(found.totals, 0.5) if counts else found.totals) / len(cells)
    if counts:
        start = np.log(mean / mean.sum())
    elif vae.likelihood.support == "binary":
        start = np.log(np.clip(mean, 1e-3, 0.999) / np.clip(1 - mean, 1e-3, 0.999))
    else:
        start = mean
    _set_biases(vae, start)
    own = vae.decoder.own
    if "disp" in own:
        share = mean / mean.sum()
        own["disp"].copy_(torch.from_numpy(_log_dispersion(_some(cells, rows), share)))
    elif "log_sd" in own:
        own["log_sd"].copy_(torch.from_numpy(_log_sd(_some(cells, rows), mean)))


def _set_biases(vae: NamedVAE, start: NDArray[np.float64]) -> None:
    artifact = vae.artifact.decoder
    by_node = np.full(artifact.graph.n_nodes, np.nan)
    by_node[artifact.graph.outputs] = start
    biases = find_edge_model(vae.decoder.network, artifact).node_biases()
    for nodes, bias in zip(artifact.execution_plan.biased_nodes(), biases, strict=True):
        if bias is not None:
            wanted = torch.from_numpy(by_node[nodes]).to(bias)
            bias.copy_(torch.where(wanted.isnan(), bias, wanted))


def _some(cells: Cells, rows: NDArray[np.int64]) -> Iterator[Tensor]:
    """Yield values of neighbours, from a few places spread over the rows."""
    starts = np.arange(0, len(rows), _RUN)
    few = starts[np.unique(np.linspace(0, len(starts) - 1, _RUNS).round().astype(int))]
    for start in few:
        yield cells.read(rows[start : start + _RUN]).double()


def _log_dispersion(values: Iterator[Tensor], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log inverse dispersion by gene, from variance = mean + mean² / dispersion."""
    squares = np.zeros_like(share)
    excess = np.zeros_like(share)
    part = torch.from_numpy(share)
    for x in values:
        mean = x.sum(1, keepdim=True) * part
        squares += mean.square().sum(0).numpy()
        excess += ((x - mean).square() - mean).sum(0).numpy()
    # genes of a few counts would give any number
    return np.log(np.clip(squares / np.maximum(excess, 1e-12), 0.05, 20))


def _log_sd(values: Iterator[Tensor], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log standard deviation by gene."""
    squares, n = np.zeros_like(mean), 0
    for x in values:
        squares += (x - torch.from_numpy(mean)).square().sum(0).numpy()
        n += len(x)
    return 0.5 * np.log(np.maximum(squares / n, 1e-6))
