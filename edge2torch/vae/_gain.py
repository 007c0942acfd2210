"""Whether a model tells more about cells than the mean profile does, of which no single cell decides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from scipy import stats
from torch import Tensor

from edge2torch._core.trimmed import trimmed_count, trimmed_mean
from edge2torch.vae._core import VAECore
from edge2torch.vae._start import MeanProfile

PROFILES = ("from data", "from the model")


@dataclass(frozen=True)
class ProfileGain:
    """What a model gains over the mean profile on given cells, in nats per cell.

    The mean profile gives every cell the same expectation by gene (times its library, for counts),
    with the genes' standard deviations or dispersions from the data or from the fitted model,
    whichever does better.

    Parameters
    ----------
    elbo : float
        Evidence lower bound of the model, the mean over cells.
    mean_profile : float
        Log likelihood of the mean profile, the mean over cells.
    gain : float
        Mean difference of the two (of a fit, by the epoch that was best on the other half of the
        cells, so that it is not the best of many by chance), without the tenth of the cells that gains least and the tenth
        that gains most (rounded up; nothing is left out of one or two cells).
    interval : tuple of float
        95 % confidence interval of the gain; infinite below four cells.
    n_cells : int
        Cells.

    Examples
    --------
    >>> found = ProfileGain.of(torch.tensor([3.0, 2.0, 4.0, 3.0, -90.0]), torch.zeros(5))
    >>> round(found.gain, 3), found.beats_mean_profile
    (2.667, True)

    References
    ----------
    Interval of a trimmed mean: Tukey & McLaughlin 1963, Sankhya A 25, 331-352.
    """

    elbo: float
    mean_profile: float
    gain: float
    interval: tuple[float, float]
    n_cells: int = field(repr=False)

    @property
    def beats_mean_profile(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.interval[0] > 0

    @classmethod
    def of(cls, elbo: Tensor, mean_profile: Tensor, gains: Tensor | None = None) -> ProfileGain:
        """Compare log likelihoods of the same cells (cells,), perhaps with their gains apart."""
        elbo, mean_profile = elbo.double().cpu(), mean_profile.double().cpu()
        gains, n = elbo - mean_profile if gains is None else gains.double().cpu(), len(elbo)
        gain, cut = float(trimmed_mean(gains)), trimmed_count(n)
        left, half = n - 2 * cut, math.inf
        if n > 3:
            order = gains.sort().values
            sd = float(order.clamp(order[cut], order[n - 1 - cut]).std())
            half = float(stats.t.ppf(0.975, left - 1)) * sd * math.sqrt(n) / left
        return cls(
            elbo=float(elbo.mean()),
            mean_profile=float(mean_profile.mean()),
            gain=gain,
            interval=(gain - half, gain + half),
            n_cells=n,
        )

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"ELBO {self.elbo:,.5g}, mean profile {self.mean_profile:,.5g} nats per cell; without "
            f"the extreme cells the model is ahead by {self.gain:.3g} (95 % interval {low:.3g} to "
            f"{high:.3g}, {self.n_cells:,} cells)"
        )


def profiles(
    vae: VAECore, profile: MeanProfile, values: Tensor, terms: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the log likelihood of cells under the mean profile (b,), with each set of parameters.

    A learned library costs the mean profile what it costs the model.
    """
    log_library = terms["log_library"][:, None]
    return {
        name: profile.log_likelihood(values, log_library, own) - terms["library_kl"]
        for name, own in zip(PROFILES, (None, vae.decoder.own), strict=True)
    }


def gain_of(parts: Iterable[Mapping[str, Tensor]], epochs: Sequence[Tensor] = ()) -> ProfileGain:
    """Compare chunks of cells, with what ``profiles`` gives and ``elbo`` (b,).

    The better of both sets of parameters is taken: a model of no use beside its own dispersions is
    not ahead only because those are fitted and the data's are moments. ``epochs`` are the gains of
    the same cells over either (2, cells), after each epoch of the fit of which one was chosen.
    """
    names = ("elbo", *PROFILES)
    chunks = [[part[name] for name in names] for part in parts]
    elbo, *both = (torch.cat(column) for column in zip(*chunks, strict=True))
    best = max(both, key=lambda values: float(trimmed_mean(values)))
    return ProfileGain.of(elbo, best, _cross_fitted(epochs) if len(elbo) > 3 else None)


def _cross_fitted(epochs: Sequence[Tensor]) -> Tensor | None:
    """Return every cell's gain after the epoch that was best for the other half of the cells (n,)."""
    if not epochs:
        return None
    n = epochs[0].shape[1]
    found = torch.empty(n)
    for half in (0, 1):
        own, other = slice(half, None, 2), slice(1 - half, None, 2)
        lower = [min(gains, key=lambda x: float(trimmed_mean(x[other]))) for gains in epochs]
        found[own] = max(lower, key=lambda x: float(trimmed_mean(x[other])))[own]
    return found
