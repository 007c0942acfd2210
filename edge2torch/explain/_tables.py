"""Which genes and transcripts move with a module, and in which direction."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.statistics import benjamini_hochberg
from edge2torch.errors import Edge2TorchError
from edge2torch.explain._config import FEWEST_SAMPLES
from edge2torch.explain._match import Matched, match, sample_rows
from edge2torch.explain._statistics import compare, correlate

_DIGITS = 12
AGAINST = np.array(["eigengene", "eigengene without the gene"], dtype=object)


def gene_driver_table(
    feature_table: pd.DataFrame,
    feature_meta: pd.DataFrame,
    eigengene: pd.Series,
    genes: Iterable[str] | None = None,
    *,
    min_samples: int = FEWEST_SAMPLES,
    without_gene: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Correlate every gene with an eigengene (by sample id), through the feature that follows it best.

    Features are samples × features, ids in the index or in a column ``sample_id``; values may be missing.
    q-values are adjusted over all features that were correlated, before the best is picked. Genes in the
    index of ``without_gene`` (genes × samples) are tested against the eigengene without them: against one
    that a gene is a part of, its p-value is circular.
    """
    matched = match(feature_table, feature_meta, eigengene, genes, min_samples, without_gene)
    columns = ["gene_id", "feature_id", "feature_type"]
    found = correlated(matched, columns)
    return by_size(found, "r").drop_duplicates("gene_id").reset_index(drop=True)


def transcript_polarity_table(
    feature_table: pd.DataFrame,
    feature_meta: pd.DataFrame,
    eigengene: pd.Series,
    genes: Iterable[str] | None = None,
    *,
    min_samples: int = FEWEST_SAMPLES,
    without_gene: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Say which transcripts rise with an eigengene and which fall; arguments of :func:`gene_driver_table`.

    Transcripts are the features with a ``transcript_id``; where no feature has one, they are the
    features of type ``switch``. ``switch_strength`` is the largest less the smallest r of the gene's
    transcripts, 0 with fewer than two.
    """
    meta = transcript_rows(feature_meta)
    table = sample_rows(feature_table)
    of_transcripts = table.columns.intersection(
        pd.Index(meta.get("feature_id", ()), dtype=object).astype(str)
    )
    matched = match(table[of_transcripts], meta, eigengene, genes, min_samples, without_gene)
    columns = ["feature_id", "gene_id", *(["transcript_id"] if "transcript_id" in meta else [])]
    found = correlated(matched, columns)
    by_gene = found.groupby("gene_id")["r"]
    strength = by_gene.transform("max") - by_gene.transform("min")
    found["switch_strength"] = strength.fillna(0.0)
    return by_size(found, "r")


def transcript_rows(feature_meta: pd.DataFrame) -> pd.DataFrame:
    """Rows of the features that are transcripts."""
    if "transcript_id" in feature_meta and feature_meta["transcript_id"].notna().any():
        return feature_meta[feature_meta["transcript_id"].notna()]
    meta = feature_meta.drop(columns="transcript_id", errors="ignore")
    return meta[meta["feature_type"] == "switch"] if "feature_type" in meta else meta


def high_vs_low_table(
    feature_table: pd.DataFrame,
    feature_meta: pd.DataFrame,
    eigengene: pd.Series,
    genes: Iterable[str] | None = None,
    *,
    percentile: float = 25.0,
    min_samples: int = FEWEST_SAMPLES,
    without_gene: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Compare the samples of highest with those of lowest eigengene, feature by feature (Welch).

    ``percentile`` of the samples are in each tail; those without an eigengene are in neither. Other
    arguments are those of :func:`gene_driver_table`.
    """
    if not 0 < percentile < 50:
        raise Edge2TorchError(f"percentile={percentile!r} must lie above 0 and below 50.")
    matched = match(feature_table, feature_meta, eigengene, genes, min_samples, without_gene)
    high, low = (
        np.where(tail[:, matched.tested], matched.values, np.nan)
        for tail in tails(matched.eigengenes, percentile)
    )
    found = pd.DataFrame(compare(high, low)._asdict())
    named = matched.meta[["feature_id", "gene_id"]].assign(tested_against=_against(matched))
    found = pd.concat([named, found], axis=1).assign(missing_fraction=matched.missing_fraction)
    return by_size(found, "tstat")


def tails(
    eigengene: NDArray[np.float64], percentile: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which samples of an eigengene (s,), or of several (s, e), are high and which are low."""
    low, high = np.nanpercentile(eigengene, [percentile, 100 - percentile], axis=0)
    # > low: where ties fill both tails, a sample is not in both
    return (eigengene >= high) & (eigengene > low), eigengene <= low


def correlated(matched: Matched, columns: list[str]) -> pd.DataFrame:
    found = correlate(matched.values, matched.eigengenes[:, matched.tested])
    return matched.meta[columns].assign(
        tested_against=_against(matched),
        r=found.r,
        pvalue=found.pvalue,
        qvalue=benjamini_hochberg(found.pvalue),
        n_samples=found.n,
        missing_fraction=matched.missing_fraction,
    )


def _against(matched: Matched) -> NDArray[np.object_]:
    return AGAINST[np.minimum(matched.tested, 1)]


def by_size(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Rows with the largest magnitude first, ties by id, missing values last.

    The two transcripts of a gene mirror each other: what rounding makes of that is a tie.
    """
    return (
        table.assign(_size=table[column].abs().round(_DIGITS))
        .sort_values(["_size", "feature_id"], ascending=[False, True], kind="stable")
        .drop(columns="_size")
        .reset_index(drop=True)
    )
