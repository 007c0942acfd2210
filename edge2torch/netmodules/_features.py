"""Two channels of one network: ``GENE::switch`` and ``GENE::abundance``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
from edge2torch.netmodules._covariates import Design, apply_recipe, make_design
from edge2torch.netmodules._input import TranscriptData

SWITCH, ABUNDANCE, LOW = "switch", "abundance", "low"
_NEARLY_ALL = 0.9
_STILL = 1e-6  # a standard deviation under which nothing moves


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


def make_features(data: TranscriptData, config: ModulesConfig) -> Features:
    """Scores of all genes that vary and are counted well enough."""
    reliability = config.reliability
    design = make_design(data.samples, data.covariates)
    basis, solver = design.basis, design.solver
    gene_of = np.searchsorted(data.gene_ids.astype(str), data.transcript_genes.astype(str))
    kept = well_counted(data.counts, config.min_count, config.min_count_share)
    switches = switch_coordinates(
        data.counts, gene_of, basis, solver, _degradation(data, reliability), kept=kept
    )
    levels = abundances(data.gene_counts, basis, solver, robust=config.library == "robust")
    counted = well_counted(data.gene_counts, config.min_count, config.min_count_share)
    low = ~counted
    low[switches.genes] = False
    gene = np.concatenate([switches.genes, np.arange(len(data.gene_ids))])
    kind = np.repeat([SWITCH, ABUNDANCE], [len(switches.genes), len(data.gene_ids)])
    scores = np.concatenate([switches.scores, levels.scores])
    before = np.concatenate([switches.r2_before, levels.r2_before])
    trust = np.concatenate([_trust(switches, reliability), np.ones(len(data.gene_ids))])
    sd = scores.std(axis=1, dtype=np.float64)
    moves = (sd > _STILL) & ((kind == SWITCH) | counted[gene])
    if not moves.any():
        raise Edge2TorchError(_nothing_moves(data, config, low))
    return _collect(data, design, switches, levels, gene, kind, scores, before, trust, moves, low)


def warn_of_few(features: Features, config: ModulesConfig) -> None:
    """Warn where hardly a gene is counted well enough to have a feature."""
    low, total = int(features.low.sum()), len(features.low)
    if low > _NEARLY_ALL * total:
        needed = samples_needed(len(features.samples), config.min_count_share)
        warn(
            f"{low:,} of {total:,} genes have fewer than {config.min_count:g} counts in all but "
            f"{needed - 1} samples and are left out ('low counts' in gene_fate). Are these counts? "
            "scale= (--scale) says so of logarithms, a smaller min_count keeps more genes."
        )


def _nothing_moves(data: TranscriptData, config: ModulesConfig, low: NDArray[np.bool_]) -> str:
    if not low.any():
        return "counts: no gene varies over the samples, so there is no network."
    needed = samples_needed(len(data.samples), config.min_count_share)
    return (
        f"counts: {low.sum():,} of {len(low):,} genes have not {config.min_count:g} counts in "
        f"{needed} samples, and no other varies, so there is no network. Give raw counts (or "
        "say with scale=, --scale, that these are logarithms), or a smaller min_count; min_count=0 keeps all genes."
    )


def _collect(
    data: TranscriptData,
    design: Design,
    switches: Switches,
    levels: Abundances,
    gene: NDArray[np.int64],
    kind: NDArray[np.str_],
    scores: NDArray[np.float32],
    before: NDArray[np.float64],
    trust: NDArray[np.float64],
    moves: NDArray[np.bool_],
    low: NDArray[np.bool_],
) -> Features:
    gene, kind, scores, before = gene[moves], kind[moves], scores[moves], before[moves]
    mean = scores.mean(axis=1, dtype=np.float64)
    sd = scores.std(axis=1, dtype=np.float64)
    names = data.gene_ids[gene]
    feature_ids = np.array([f"{g}::{k}" for g, k in zip(names, kind, strict=True)], dtype=object)
    values = ((scores - mean[:, None]) / sd[:, None]).astype(np.float32)
    table = pd.DataFrame(
        {"feature_id": feature_ids, "gene_id": names, "feature_type": kind, "mean": mean, "sd": sd}
    )
    rows = switches.rows
    loadings = pd.DataFrame(
        {
            "transcript_id": data.transcript_ids[rows],
            "gene_id": data.transcript_genes[rows],
            "loading": switches.loading,
        }
    )
    return Features(
        values=np.ascontiguousarray(values.T),
        table=table,
        gene=gene,
        gene_ids=data.gene_ids,
        reliability=trust[moves],
        loadings=loadings,
        residualization=_residualization(design, feature_ids, before, values),
        transform=_transform(data, design, switches, levels),
        design=design,
        samples=data.samples,
        library=levels.library,
        low=low,
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
            f"reliability.column={name!r} is no column of samples. Name the one that measures "
            "degradation, such as an RNA integrity number."
        )
    values = pd.to_numeric(data.samples[name], errors="coerce").to_numpy(dtype=float)
    values = np.where(np.isnan(values), np.nanmean(values), values)
    values = values - values.mean()
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-12))


def _trust(switches: Switches, reliability: ReliabilityConfig) -> NDArray[np.float64]:
    """Reliability of each switch coordinate, 1 where none is asked for."""
    if reliability.kind == "none":
        return np.ones(len(switches.genes))
    share = 1 - switches.degraded
    if reliability.kind == "estimability":
        share = switches.minor / 0.1
    power: NDArray[np.float64] = np.maximum(share, 0) ** reliability.power
    return np.clip(power, reliability.floor, 1)


def _residualization(
    design: Design,
    feature_ids: NDArray[np.object_],
    before: NDArray[np.float64],
    values: NDArray[np.float32],
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
    data: TranscriptData,
    design: Design,
    switches: Switches,
    levels: Abundances,
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


def score_samples(
    data: TranscriptData, table: pd.DataFrame, features: pd.DataFrame, recipe: Mapping[str, Any]
) -> pd.DataFrame:
    """Standardised scores, samples × features, in the order of the result's features."""
    design = apply_recipe(data.samples, recipe)
    switch, abundance, low = (table[table["kind"] == kind] for kind in (SWITCH, ABUNDANCE, LOW))
    _check_ids(abundance["id"], data.gene_ids, "gene")
    at = _positions(switch["id"], data.transcript_ids, "transcript")
    _check_whole(switch, low, data)
    counts = data.gene_counts[_positions(abundance["id"], data.gene_ids, "gene")]
    logs = log_abundance(counts, library_sizes(counts, abundance["reference"].to_numpy()))
    parts = [_left(logs, abundance, design)]
    if len(switch):
        clr = _left(log_ratios(data.counts[at], switch["gene_id"].to_numpy()), switch, design)
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
    found = pd.DataFrame(weighted, columns=scores.index).groupby(table["module_id"].to_numpy())
    summed = found.sum().reindex(module_ids).astype(float)
    return summed.rename_axis("module_id")


def _left(values: NDArray[np.float64], table: pd.DataFrame, design: Design) -> NDArray[np.float64]:
    """What the fitted design leaves of (rows, samples)."""
    fitted = table[[f"design:{name}" for name in design.columns]].to_numpy()
    return np.asarray(values - fitted @ design.matrix.T)


def _check_whole(switch: pd.DataFrame, low: pd.DataFrame, data: TranscriptData) -> None:
    """Usage is a share of all transcripts of a gene: they must be the same."""
    of_gene = pd.Series(data.transcript_genes, index=data.transcript_ids)
    of_gene = of_gene[of_gene.isin(switch["gene_id"].unique())]
    if extra := sorted(set(of_gene.index) - set(switch["id"]) - set(low["id"])):
        raise Edge2TorchError(
            f"data has transcript(s) {listing(extra)} that the fit did not see. Leave them out."
        )


def _check_ids(wanted: pd.Series, there: NDArray[np.object_], kind: str) -> None:
    """Library size is that of all genes: they must be the same."""
    if extra := sorted(set(there) - set(wanted)):
        raise Edge2TorchError(
            f"data has {kind}(s) {listing(extra)} that the fit did not see. Leave them out."
        )


def _positions(wanted: pd.Series, there: NDArray[np.object_], kind: str) -> NDArray[np.int64]:
    at = pd.Index(there).get_indexer(pd.Index(wanted))
    if (at < 0).any():
        raise Edge2TorchError(
            f"data lacks {kind}(s) {listing(wanted[at < 0])}, which the fit saw. Add them; a "
            f"{kind} that was not found has count 0."
        )
    return np.asarray(at, dtype=np.int64)
