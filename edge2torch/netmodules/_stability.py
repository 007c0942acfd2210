"""Stability selection: which edges come back in subsamples, and at which threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_count, check_number
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._config import ModulesConfig
from edge2torch.netmodules._fit import fit_modules
from edge2torch.netmodules._input import TranscriptData, transcript_data
from edge2torch.netmodules._overrides import as_config, override

_AGREED = 0.5


@dataclass(frozen=True, eq=False)
class Stability:
    """What subsamples agree on.

    Parameters
    ----------
    curve : DataFrame
        A row per alpha: ``alpha``, ``edges`` (mean per subsample), ``stable`` (edges in the share
        of subsamples that is asked for), ``agreement`` (stable over all edges seen), ``failed``.
    edges : DataFrame
        ``alpha``, ``source``, ``target``, ``share`` of the subsamples; stable ones only.
    recommended : float
        The smallest alpha at which at least half of the edges seen are stable; else the one with
        the best agreement.
    failures : tuple of str
        Why single fits failed.

    Examples
    --------
    >>> import pandas as pd
    >>> Stability(pd.DataFrame(), pd.DataFrame(), 0.5, ()).recommended
    0.5
    """

    curve: pd.DataFrame
    edges: pd.DataFrame
    recommended: float
    failures: tuple[str, ...]


def stability_selection(
    data: TranscriptData,
    *,
    alphas: Sequence[float] = (0.3, 0.4, 0.5, 0.6, 0.7),
    backend: str = "vae",
    config: ModulesConfig | Mapping[str, Any] | None = None,
    subsamples: int = 50,
    fraction: float = 0.8,
    kept: float = 0.6,
    seed: int = 0,
) -> Stability:
    """Fit subsamples at several thresholds and keep the edges that come back.

    Parameters
    ----------
    data : TranscriptData
        Checked counts.
    alphas : sequence of float
        Thresholds; each holds for all kinds of pairs.
    backend : str
        One of :data:`BACKENDS`.
    config : ModulesConfig or dict, optional
        Other settings.
    subsamples : int, default 50
        Fits per alpha.
    fraction, kept : float
        Share of samples in each, and share of subsamples in which a stable edge is found.
    seed : int
        Draws the subsamples.

    Returns
    -------
    Stability

    Raises
    ------
    Edge2TorchError
        For shares that are not above 0 and up to 1, or when every fit failed.

    Examples
    --------
    >>> from edge2torch.netmodules import transcript_data
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=2, module_size=8, n_background=8, seed=0)
    >>> data = transcript_data(planted.counts, planted.transcripts)
    >>> found = stability_selection(
    ...     data, alphas=[0.05, 0.5], subsamples=3, backend="latent")
    >>> found.curve["alpha"].tolist()
    [0.05, 0.5]

    References
    ----------
    Meinshausen & Buehlmann 2010, doi:10.1111/j.1467-9868.2010.00740.x.
    """
    check_number("fraction", fraction, above=0, most=1)
    check_number("kept", kept, above=0, most=1)
    check_count("subsamples", subsamples)
    if not alphas:
        raise Edge2TorchError("alphas is empty. Give thresholds to compare, such as [0.3, 0.5].")
    settings = as_config(config)
    seen: list[pd.DataFrame] = []
    failures: list[str] = []
    done = dict.fromkeys(alphas, 0)
    for k in range(subsamples):
        # the same subsamples for every alpha, so that only the threshold differs
        rng = np.random.default_rng([seed, 7, k])
        n = len(data.samples)
        rows = np.sort(rng.choice(n, max(2, round(fraction * n)), replace=False))
        for alpha in alphas:
            names = ("alpha", "alpha_switch", "alpha_abundance")
            fixed = override(settings, dict.fromkeys(names, alpha))
            try:
                part = _subsample(data, rows)
                fit = fit_modules(part, backend=backend, config=fixed, seed=seed, quiet=True)
            except Edge2TorchError as error:
                failures.append(f"alpha {alpha}, subsample {k}: {error}")
                continue
            done[alpha] += 1
            seen.append(fit.edges[["source", "target"]].assign(alpha=alpha))
    if not any(done.values()):
        raise Edge2TorchError(f"Every fit failed; the first: {failures[0]}")
    return _summary(pd.concat(seen), done, subsamples, kept, tuple(failures))


def _subsample(data: TranscriptData, rows: NDArray[np.int64]) -> TranscriptData:
    names = data.samples.index[rows]
    return transcript_data(
        pd.DataFrame(data.counts[:, rows], data.transcript_ids, names),
        pd.DataFrame({"transcript_id": data.transcript_ids, "gene_id": data.transcript_genes}),
        data.samples.iloc[rows],
        gene_counts=pd.DataFrame(data.gene_counts[:, rows], data.gene_ids, names),
        covariates=data.covariates,
        min_samples=2,
        scale="counts",
    )


def _summary(
    seen: pd.DataFrame,
    done: dict[float, int],
    subsamples: int,
    kept: float,
    failures: tuple[str, ...],
) -> Stability:
    table = seen.groupby(["alpha", "source", "target"]).size().rename("share").reset_index()
    table["share"] /= table["alpha"].map(done)
    rows = []
    for alpha, fits in done.items():
        shares = table.loc[table["alpha"] == alpha, "share"]
        stable = int((shares >= kept).sum())
        rows.append(
            {
                "alpha": alpha,
                "edges": float(shares.sum()),  # shares of subsamples sum to the mean of one
                "stable": stable,
                "agreement": stable / len(shares) if len(shares) else 0.0,
                "failed": subsamples - fits,
            }
        )
    curve = pd.DataFrame(rows)
    agreement = curve["agreement"].to_numpy()
    good = np.flatnonzero(agreement >= _AGREED)
    best = good[np.argmin(curve["alpha"].to_numpy()[good])] if len(good) else agreement.argmax()
    stable_edges = table[table["share"] >= kept].reset_index(drop=True)
    return Stability(curve, stable_edges, float(list(done)[int(best)]), failures)
