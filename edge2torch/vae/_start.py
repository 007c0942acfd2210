"""Where a fit starts: at the mean profile, with each gene as spread out as the data show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge2torch._core.messages import listing, warn
from edge2torch.vae._cells import Cells, Survey
from edge2torch.vae._likelihoods import Likelihood, gaussian_log_prob
from edge2torch.vae._named import NamedVAE

_RUN, _RUNS = 512, 8  # cells that are read together, and how many such runs are enough


@dataclass(frozen=True, eq=False)
class MeanProfile:
    """The model that knows no cell from another: a mean, and what else the likelihood has, by gene.

    Parameters
    ----------
    likelihood : Likelihood
        What values follow.
    level : Tensor, shape (g,)
        What a decoder would predict for every cell: log proportions, means or logits.
    own : mapping of str to Tensor, each (g,)
        The genes' further parameters that are read off the data.
    surprise : Tensor, shape (g,), or None
        Of a Gaussian, how far from the mean a further training cell may lie; see ``_spread``.
    n : int
        Training cells.
    """

    likelihood: Likelihood
    level: Tensor
    own: Mapping[str, Tensor]
    surprise: Tensor | None
    n: int

    def log_likelihood(
        self, values: Tensor, log_library: Tensor, own: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Return the log likelihood of cells (b,), perhaps with a model's own gene parameters."""
        level = self.level.to(values)
        if self.likelihood.is_count:
            level = level + log_library
        chosen = {name: part.to(values) for name, part in (own or self.own).items()}
        return self.likelihood.log_prob(values, level.expand_as(values), chosen).sum(1)

    def surprise_loss(self, log_sd: Tensor) -> Tensor:
        """Return what one more training cell costs, whose genes are off by their surprise, per cell.

        With it a standard deviation has its optimum where ``_spread`` puts it, and cannot fall to
        zero on a gene that all training cells but one or none show alike.
        """
        if self.surprise is None:
            return log_sd.sum() * 0
        off = self.surprise.to(log_sd)
        return -gaussian_log_prob(off, torch.zeros_like(off), log_sd).sum() / self.n


def mean_profile(
    likelihood: Likelihood, cells: Cells, rows: NDArray[np.int64], found: Survey
) -> MeanProfile:
    """Read the mean profile off training cells; ``found`` is their survey."""
    own: dict[str, Tensor] = {}
    surprise = None
    mean = found.totals / found.n
    if likelihood.is_count:
        mean = np.maximum(found.totals, 0.5) / found.n
        level = np.log(mean / mean.sum())
    elif likelihood.support == "binary":  # as if half a cell more had shown each gene, half not
        level = np.log(found.totals + 0.5) - np.log(found.n - found.totals + 0.5)
    else:
        level = mean
    if "disp" in likelihood.own:
        own["disp"] = torch.from_numpy(_log_dispersion(_some(cells, rows), mean / mean.sum()))
    if "dropout_logit" in likelihood.own:
        own["dropout_logit"] = torch.full((len(mean),), -3.0)
    if "log_sd" in likelihood.own:
        variance, squared = _spread(_some(cells, rows), mean, found)
        own["log_sd"] = torch.from_numpy(0.5 * np.log(variance))
        surprise = torch.from_numpy(np.sqrt(squared))
    return MeanProfile(likelihood, torch.from_numpy(level), own, surprise, found.n)


def warn_of_rare(vae: NamedVAE, found: Survey) -> None:
    """Name the genes whose standard deviation the cells cannot tell."""
    if "log_sd" not in vae.likelihood.own or not found.is_rare.any():
        return
    names = [vae.artifact.feature_names[k] for k in np.flatnonzero(found.is_rare)]
    warn(
        f"{len(names):,} of {len(found.is_rare):,} genes are nearly constant, at one and the same "
        f"value in all cells but two or fewer: {listing(names)}. Their standard deviation cannot be "
        "told from the data alone and was drawn towards other genes'. Leave them out, for example "
        "with scanpy.pp.filter_genes(adata, min_cells=3), or model raw counts with likelihood='nb'."
    )


@torch.no_grad()
def start_from(vae: NamedVAE, profile: MeanProfile, found: Survey) -> None:
    """Set biases, the genes' own parameters and a learned library's prior from data."""
    if vae.learned_library:
        vae.library_prior.copy_(torch.tensor(found.library))
    _set_biases(vae, profile.level.numpy())
    for name, values in profile.own.items():
        vae.decoder.own[name].copy_(values)


def _set_biases(vae: NamedVAE, start: NDArray[np.float64]) -> None:
    artifact = vae.artifact.decoder
    by_node = np.full(artifact.graph.n_nodes, np.nan)
    by_node[artifact.graph.outputs] = start
    for nodes, bias in artifact.bind(vae.decoder.network).biases():
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


def _spread(
    values: Iterator[Tensor], mean: NDArray[np.float64], found: Survey
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return variances (g,), each with one cell more than there are, and that cell's square (g,).

    Of n cells and one more, the last lies farthest from the mean with probability 1 / (n + 1),
    whatever the gene. So each gene gets one more cell, as far off as its farthest one. A gene that k
    cells show at another value than the rest has that distance from k cells only; its logarithm is
    weighed, k to 1, against the typical gene's, the median over genes that are not rare.
    """
    squares, farthest = np.zeros((2, len(mean)))
    n = 0
    for x in values:
        square = (x - torch.from_numpy(mean)).square()
        squares += square.sum(0).numpy()
        farthest = np.maximum(farthest, square.amax(0).numpy())
        n += len(x)
    telling = farthest[~found.is_rare & (farthest > 0)]
    if not len(telling):
        telling = farthest[farthest > 0]
    typical = np.median(telling) if len(telling) else 1.0  # nothing varies: there is no scale
    seen = np.where(farthest > 0, found.differing, 0)
    log_own = np.log(np.where(seen > 0, farthest, 1))
    more = np.exp((seen * log_own + np.log(typical)) / (seen + 1))  # a gene of many keeps its scale
    return (found.n * squares / n + more) / (found.n + 1), more
