"""How far modules can be trusted: against a known truth, and in subsamples."""

from __future__ import annotations

import itertools
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_count, check_number
from edge2torch._core.console import Console
from edge2torch._core.messages import listing, require
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._config import ModulesConfig, as_config, override
from edge2torch.netmodules._fit import BACKENDS, fit_modules
from edge2torch.netmodules._input import TranscriptData, transcript_data
from edge2torch.netmodules._modules import closest_modules
from edge2torch.netmodules._result import NetworkModules
from edge2torch.simulate import planted_modules


def score_modules(result: NetworkModules, truth: pd.DataFrame) -> dict[str, float]:
    """Say how well planted modules were found.

    Parameters
    ----------
    result : NetworkModules
        What was found.
    truth : DataFrame
        ``gene_id``, ``module_id``, optionally ``role``; genes that are not in it are background. Of
        a gene in several modules the first counts for pairs and index.

    Returns
    -------
    dict of str to float
        ``modules`` found; ``recovery``, the mean over true modules of the best Jaccard index;
        ``ari`` over planted genes, a gene in no module being alone; ``pair_f1`` over all pairs of
        genes; ``background``, the share of background genes in modules; ``roles``, the share of
        planted genes whose role is right. NaN where there is nothing to measure.

    Examples
    --------
    >>> from edge2torch.netmodules import fit_modules
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=2, module_size=12, n_background=20, seed=0)
    >>> found = fit_modules(planted.counts, planted.transcripts, backend="latent", quiet=True)
    >>> round(score_modules(found, planted.modules)["recovery"], 2)
    1.0
    """
    metrics = require("sklearn.metrics", extra="modules")
    genes = result.gene_fate["gene_id"]
    single = truth.drop_duplicates("gene_id").set_index("gene_id")
    true = single["module_id"].reindex(genes)
    found = result.gene_fate.set_index("gene_id")["module_id"].reindex(genes)
    planted, inside = true.notna().to_numpy(), found.notna().to_numpy()
    alone = found.where(found.notna(), pd.Series(genes.to_numpy(), index=found.index))
    scores = {
        "modules": float(len(result.module_ids)),
        "recovery": float(closest_modules(truth, result.modules)["jaccard"].mean())
        if len(truth)
        else np.nan,
        "ari": np.nan,
        "pair_f1": _pair_f1(true, found),
        "background": float(inside[~planted].mean()) if (~planted).any() else np.nan,
        "roles": np.nan,
    }
    if planted.any():
        with warnings.catch_warnings():
            # genes that are alone look like numbers to scikit-learn 1.7
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            scores["ari"] = float(metrics.adjusted_rand_score(true[planted], alone[planted]))
    if "role" in truth and len(truth):
        roles = result.module_gene_roles.drop_duplicates("gene_id").set_index("gene_id")["role"]
        scores["roles"] = float((roles.reindex(single.index) == single["role"]).mean())
    return scores


def _pair_f1(true: pd.Series, found: pd.Series) -> float:
    both = pd.DataFrame({"true": true.to_numpy(), "found": found.to_numpy()})
    hits = _pairs(both.dropna().groupby(["true", "found"]).size())
    total = _pairs(both["true"].value_counts()) + _pairs(both["found"].value_counts())
    return 2 * hits / total if total else np.nan


def _pairs(sizes: pd.Series) -> float:
    return float((sizes * (sizes - 1) / 2).sum())


_NAMED = "confounded, covariates named"
_SWITCH: dict[str, Any] = {"roles": ("switch_only",)}
_SUITES: dict[str, dict[str, dict[str, Any]]] = {
    "core": {
        "plain": {"n_modules": 5, **_SWITCH},
        "graded": {"n_modules": 5, "amplitude": (0.2, 1.2), **_SWITCH},
        "unequal": {"n_modules": 5, "module_size": (60, 30, 15, 10, 7), **_SWITCH},
        "nonlinear": {"n_modules": 4, "nonlinear": True, "n_samples": 100, **_SWITCH},
        "noise": {"n_modules": 0, "n_background": 500},
    },
    "multiplex": {
        "plain": {"n_modules": 5},
        "graded": {"n_modules": 5, "amplitude": (0.2, 1.2)},
        "overlapping": {"n_modules": 4, "overlap": 0.25},
        "confounded": {"n_modules": 5, "confound": 0.5},
        _NAMED: {"n_modules": 5, "confound": 0.5},
    },
    "scale": {
        "5,000 genes": {"n_modules": 20, "module_size": 50, "n_background": 4000, "n_samples": 200}
    },
}


def benchmark_backends(
    suite: str,
    backends: Sequence[str],
    seeds: Sequence[int],
    config: ModulesConfig,
    console: Console,
) -> pd.DataFrame:
    """Fit planted modules: a row per fixture, seed and backend, how well they are found, and the cost."""
    if unknown := [name for name in backends if name not in BACKENDS]:
        raise Edge2TorchError(
            f"backends: no such backend {listing(unknown)}. Use some of {listing(BACKENDS)}."
        )
    if suite not in _SUITES:
        raise Edge2TorchError(f"suite: {suite!r}. Use one of {listing(_SUITES)}.")
    jobs = list(itertools.product(_SUITES[suite].items(), seeds, backends))
    rows = []
    for k, show in console.count(len(jobs), "benchmark", "fits"):
        (fixture, options), seed, backend = jobs[k]
        show(f"{fixture}, {backend}")
        planted = planted_modules(**options, seed=seed)
        start = _cpu()
        with Console(quiet=True).warnings_as_notes():  # the table counts them
            found = fit_modules(
                planted.counts, planted.transcripts, planted.samples,
                covariates=("degradation", "composition") if fixture == _NAMED else (),
                backend=backend, config=config, seed=seed, quiet=True,
            )  # fmt: skip
        seconds = _cpu() - start
        rows.append({
            "fixture": fixture, "backend": backend, "seed": seed,
            **score_modules(found, planted.modules),
            "warnings": int((found.checks["warning"] != "").sum()),
            "cpu_seconds": seconds, **_peak(),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _cpu() -> float:
    """Seconds of this process and of those it has started, such as R."""
    return sum(os.times()[:4])


def _peak() -> dict[str, float]:
    """Most memory that the process has held, in MB; Windows does not say."""
    try:
        import resource
    except ImportError:
        return {}
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # bytes there, kilobytes elsewhere
    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}


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
