"""Two channels of one network: ``GENE::switch`` and ``GENE::abundance``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.columns import numbers_of
from edge2torch._core.covariates import Design, apply_recipe, make_design
from edge2torch._core.messages import listing, warn
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._channels import (
    Abundances,
    Switches,
    abundances,
    library_sizes,
    log_abundance,
    log_ratios,
    samples_needed,
    switch_coordinates,
    well_counted,
)
from edge2torch.netmodules._config import ModulesConfig, ReliabilityConfig
from edge2torch.netmodules._input import TranscriptData

SWITCH, ABUNDANCE, LOW = "switch", "abundance", "low"
_NEARLY_ALL = 0.9
_CONSTANT = 1e-6  # a standard deviation below which rounding is all that moves


@dataclass(frozen=True, eq=False)
class Features:
    """Standardised scores and how they were made.

    ``values`` (samples, p) float32, mean 0 and variance 1 (ddof 0); ``table`` has a row per
    feature; ``gene`` (p,) are positions in ``gene_ids``; ``reliability`` (p,) weighs edges;
    ``library`` (samples,) is what counts are divided by; ``low`` (g,) are genes that have no
    feature because they are counted too little.
    """

    values: NDArray[np.float32]
    table: pd.DataFrame
    gene: NDArray[np.int64]
    gene_ids: NDArray[np.object_]
    reliability: NDArray[np.float64]
    loadings: pd.DataFrame
    residualization: pd.DataFrame
    transform: pd.DataFrame
    design: Design
    samples: pd.DataFrame
    library: NDArray[np.float64]
    low: NDArray[np.bool_]

    @property
    def is_switch(self) -> NDArray[np.bool_]:
        """Which features are switch coordinates, (p,)."""
        return (self.table["feature_type"] == SWITCH).to_numpy()


@dataclass(frozen=True, eq=False)
class _Scores:
    """Raw scores of both channels, a row per candidate for a feature.

    ``gene`` (c,) are positions in the genes; ``kind`` (c,) the channel; ``values`` (c, samples);
    ``r2_before`` (c,) what the design explained of it; ``reliability`` (c,).
    """

    gene: NDArray[np.int64]
    kind: NDArray[np.str_]
    values: NDArray[np.float32]
    r2_before: NDArray[np.float64]
    reliability: NDArray[np.float64]

    def where(self, kept: NDArray[np.bool_]) -> _Scores:
        return _Scores(*(getattr(self, entry.name)[kept] for entry in fields(self)))


def make_features(data: TranscriptData, config: ModulesConfig) -> Features:
    """Scores of all genes that vary and are counted well enough."""
    design = make_design(data.samples, data.covariates)
    basis, solver = design.basis, design.solver
    gene_of = np.searchsorted(data.gene_ids.astype(str), data.transcript_genes.astype(str))
    enough = config.min_count, config.min_count_share
    switches = switch_coordinates(
        data.counts,
        gene_of,
        basis,
        solver,
        _degradation(data, config.reliability),
        kept=well_counted(data.counts, *enough),
    )
    levels = abundances(data.gene_counts, basis, solver, robust=config.library == "robust")
    n_genes = len(data.gene_ids)
    scores = _Scores(
        gene=np.concatenate([switches.genes, np.arange(n_genes)]),
        kind=np.repeat([SWITCH, ABUNDANCE], [len(switches.genes), n_genes]),
        values=np.concatenate([switches.scores, levels.scores]),
        r2_before=np.concatenate([switches.r2_before, levels.r2_before]),
        reliability=np.concatenate([_reliability(switches, config.reliability), np.ones(n_genes)]),
    )
    counted = well_counted(data.gene_counts, *enough)
    low = ~counted
    low[switches.genes] = False
    # Transcripts of a switch were chosen by their counts already; an abundance is by its gene's.
    moves = scores.values.std(axis=1, dtype=np.float64) > _CONSTANT
    moves &= (scores.kind == SWITCH) | counted[scores.gene]
    if not moves.any():
        raise Edge2TorchError(_nothing_moves(data, config, low))
    scores = scores.where(moves)
    table, values = _standardised(scores, data.gene_ids)
    return Features(
        values=np.ascontiguousarray(values.T),
        table=table,
        gene=scores.gene,
        gene_ids=data.gene_ids,
        reliability=scores.reliability,
        loadings=pd.DataFrame(
            {
                "transcript_id": data.transcript_ids[switches.rows],
                "gene_id": data.transcript_genes[switches.rows],
                "loading": switches.loading,
            }
        ),
        residualization=_residualization(design, table["feature_id"], scores.r2_before, values),
        transform=_transform(data, design, switches, levels),
        design=design,
        samples=data.samples,
        library=levels.library,
        low=low,
    )


def _standardised(
    scores: _Scores, gene_ids: NDArray[np.object_]
) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """The table of the features, and their values of mean 0 and variance 1, (p, samples)."""
    mean = scores.values.mean(axis=1, dtype=np.float64)
    sd = scores.values.std(axis=1, dtype=np.float64)
    genes = gene_ids[scores.gene]
    table = pd.DataFrame(
        {
            "feature_id": pd.Series(genes, dtype=object)
            + "::"
            + pd.Series(scores.kind).astype(object),
            "gene_id": genes,
            "feature_type": scores.kind,
            "mean": mean,
            "sd": sd,
        }
    )
    return table, ((scores.values - mean[:, None]) / sd[:, None]).astype(np.float32)


def warn_if_few(features: Features, config: ModulesConfig) -> None:
    """Warn where hardly a gene is counted well enough to have a feature."""
    low, total = int(features.low.sum()), len(features.low)
    if low > _NEARLY_ALL * total:
        needed = samples_needed(len(features.samples), config.min_count_share)
        warn(
            f"{low:,} of {total:,} genes have fewer than {config.min_count:g} counts in all but "
            f"{needed - 1} samples and are left out ('low counts' in gene_fate). Are these counts? "
            "If they are logarithms, name them in scale=; a smaller min_count keeps more genes."
        )


def _nothing_moves(data: TranscriptData, config: ModulesConfig, low: NDArray[np.bool_]) -> str:
    if not low.any():
        return "counts: no gene varies over the samples, so there is no network."
    needed = samples_needed(len(data.samples), config.min_count_share)
    return (
        f"counts: {low.sum():,} of {len(low):,} genes do not have {config.min_count:g} counts in "
        f"{needed} samples, and no other varies, so there is no network. Give raw counts (or, if "
        "these are logarithms, name them in scale=), or a smaller min_count; min_count=0 keeps all "
        "genes."
    )


def _degradation(
    data: TranscriptData, reliability: ReliabilityConfig
) -> NDArray[np.float64] | None:
    """The column that measures degradation, centred and of unit length."""
    if reliability.kind != "degradation":
        return None
    name = reliability.column
    if name not in data.samples:
        raise Edge2TorchError(
            f"reliability.column={name!r} is not a column of samples. Name the one that measures "
            "degradation, such as an RNA integrity number."
        )
    values = numbers_of(data.samples[name])
    values = np.where(np.isnan(values), np.nanmean(values), values)
    values = values - values.mean()
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-12))


def _reliability(switches: Switches, reliability: ReliabilityConfig) -> NDArray[np.float64]:
    """Reliability of each switch coordinate, 1 by default."""
    if reliability.kind == "none":
        return np.ones(len(switches.genes))
    share = 1 - switches.degraded
    if reliability.kind == "estimability":
        share = switches.minor / 0.1  # minor isoforms with a tenth of the counts are trusted fully
    power: NDArray[np.float64] = np.maximum(share, 0) ** reliability.power
    return np.clip(power, reliability.floor, 1)


def _residualization(
    design: Design, feature_ids: pd.Series, before: NDArray[np.float64], values: NDArray[np.float32]
) -> pd.DataFrame:
    columns = ["feature_id", "variance_kept", "r2_before", "r2_after"]
    if len(design.columns) == 1:
        return pd.DataFrame(columns=columns).astype(dict.fromkeys(columns[1:], float))
    after = ((values @ design.basis) ** 2).sum(axis=1) / values.shape[1]
    return pd.DataFrame(
        {
            "feature_id": feature_ids,
            "variance_kept": 1 - before,
            "r2_before": before,
            "r2_after": after,
        }
    )


def _transform(
    data: TranscriptData, design: Design, switches: Switches, levels: Abundances
) -> pd.DataFrame:
    """Everything linear that lies between log-ratios or log abundances and raw scores.

    Transcripts that are left out of the log-ratios of their gene are named, too.
    """
    rows, low = switches.rows, switches.left_out
    none = np.full((len(low), len(design.columns)), np.nan)
    parts = []
    for kind, ids, genes, loading, fitted, reference in (
        (SWITCH, data.transcript_ids[rows], data.transcript_genes[rows], switches.loading,
         switches.coefficients, np.nan),
        (ABUNDANCE, data.gene_ids, data.gene_ids, 1.0, levels.coefficients, levels.reference),
        (LOW, data.transcript_ids[low], data.transcript_genes[low], np.nan, none, np.nan),
    ):  # fmt: skip
        if not len(ids):
            continue
        part = pd.DataFrame({
            "kind": kind, "id": ids, "gene_id": genes, "loading": loading, "reference": reference,
        })  # fmt: skip
        names = [f"design:{name}" for name in design.columns]
        parts.append(pd.concat([part, pd.DataFrame(fitted, columns=names)], axis=1))
    return pd.concat(parts, ignore_index=True)


_GENES_OF = "In the fit these are transcripts: give the table that says which gene each is of (transcripts=)."


def score_samples(
    data: TranscriptData, table: pd.DataFrame, features: pd.DataFrame, recipe: Mapping[str, Any]
) -> pd.DataFrame:
    """Standardised scores, samples × features, in the order of the result's features."""
    design = apply_recipe(data.samples, recipe)
    switch, abundance, low = (table[table["kind"] == kind] for kind in (SWITCH, ABUNDANCE, LOW))
    # The library is that of all genes: they must be the same.
    transcripts = {*switch["id"], *low["id"]}
    more = () if transcripts.isdisjoint(data.gene_ids) else (_GENES_OF,)
    _check_seen(pd.Index(data.gene_ids), abundance["id"], "gene", *more)
    at = _positions(switch["id"], data.transcript_ids, "transcript")
    # Usage is a share of all transcripts of a gene: they must be the same, too.
    switching = pd.Index(data.transcript_genes).isin(switch["gene_id"].unique())
    _check_seen(pd.Index(data.transcript_ids[switching]), transcripts, "transcript")
    counts = data.gene_counts[_positions(abundance["id"], data.gene_ids, "gene")]
    logs = log_abundance(counts, library_sizes(counts, abundance["reference"].to_numpy()))
    parts = [_left(logs, abundance, design)]
    if len(switch):
        clr = _left(log_ratios(data.counts[at], switch["gene_id"].to_numpy()), switch, design)
        # rows are sorted by gene, so that each gene is one stretch of them
        starts = np.flatnonzero((switch["gene_id"] != switch["gene_id"].shift()).to_numpy())
        parts.append(np.add.reduceat(clr * switch["loading"].to_numpy()[:, None], starts, axis=0))
    names = [f"{gene}::{ABUNDANCE}" for gene in abundance["gene_id"]]
    names += [f"{gene}::{SWITCH}" for gene in switch["gene_id"].drop_duplicates()]
    raw = pd.DataFrame(np.concatenate(parts), index=names, columns=data.samples.index)
    raw = raw.loc[features["feature_id"]]
    mean, sd = (features[name].to_numpy()[:, None] for name in ("mean", "sd"))
    return pd.DataFrame(((raw - mean) / sd).T)


def module_scores(scores: pd.DataFrame, table: pd.DataFrame, module_ids: list[str]) -> pd.DataFrame:
    """Loading × score, summed over each module's features, modules × samples."""
    weighted = scores[table["feature_id"]].to_numpy().T * table["loading"].to_numpy()[:, None]
    parts = pd.DataFrame(weighted, columns=scores.index).groupby(table["module_id"].to_numpy())
    return parts.sum().reindex(module_ids).astype(float).rename_axis("module_id")


def _left(values: NDArray[np.float64], table: pd.DataFrame, design: Design) -> NDArray[np.float64]:
    """What the fitted design leaves of (rows, samples)."""
    fitted = table[[f"design:{name}" for name in design.columns]].to_numpy()
    return np.asarray(values - fitted @ design.matrix.T)


def _check_seen(
    ids: pd.Index, seen: Iterable[str], kind: str, fix: str = "Leave them out."
) -> None:
    if extra := sorted(set(ids) - set(seen)):
        raise Edge2TorchError(
            f"data has {kind}(s) {listing(extra)} that the fit did not see. {fix}"
        )


def _positions(wanted: pd.Series, there: NDArray[np.object_], kind: str) -> NDArray[np.int64]:
    at = pd.Index(there).get_indexer(pd.Index(wanted))
    if (at < 0).any():
        raise Edge2TorchError(
            f"data lacks {kind}(s) {listing(wanted[at < 0])}, which the fit saw. Add them; a "
            f"{kind} that was not found has count 0."
        )
    return np.asarray(at, dtype=np.int64)
