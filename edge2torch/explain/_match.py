"""Feature table, feature meta and eigengene, matched by id and checked where they enter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError

FEWEST_SAMPLES = 10
LEAST_SAMPLES = 3  # of two pairs every correlation is 1
_META = ("feature_id", "gene_id", "feature_type")


@dataclass(frozen=True, eq=False)
class Matched:
    """Numbers in one order: ``values`` (s, f), ``meta`` a row per feature.

    A feature is tested against one of ``eigengenes`` (s, e), whose index ``tested`` (f,) has: the
    first is that of the whole module, the others lack a gene each.
    """

    values: NDArray[np.float64]
    eigengenes: NDArray[np.float64]
    tested: NDArray[np.int64]
    meta: pd.DataFrame
    samples: pd.Index

    @property
    def missing_fraction(self) -> NDArray[np.float64]:
        """Share of samples without a value, (f,)."""
        share: NDArray[np.float64] = np.isnan(self.values).mean(axis=0)
        return share


def match(
    feature_table: pd.DataFrame,
    feature_meta: pd.DataFrame,
    eigengene: pd.Series,
    genes: Iterable[str] | None = None,
    min_samples: int = FEWEST_SAMPLES,
    without_gene: pd.DataFrame | None = None,
) -> Matched:
    """Match by id; rows and columns may come in any order. ``genes`` keeps theirs only."""
    table = sample_rows(feature_table)
    meta = feature_rows(table, feature_meta)
    samples = common_samples(table.index, eigengene.index, min_samples)
    if genes is not None:
        meta = meta[meta["gene_id"].isin(set(genes))]
    values = _numbers(table.loc[samples, meta["feature_id"]])
    own = pd.to_numeric(eigengene.set_axis(eigengene.index.astype(str)).loc[samples])
    eigengenes = own.to_numpy(dtype=np.float64)[:, None]
    tested = np.zeros(len(meta), dtype=np.int64)
    if without_gene is not None:
        left_out = _left_out(without_gene, samples)
        eigengenes = np.concatenate([eigengenes, left_out.to_numpy(dtype=np.float64).T], axis=1)
        tested = 1 + left_out.index.get_indexer(pd.Index(meta["gene_id"]))
    return Matched(values, eigengenes, tested, meta.reset_index(drop=True), samples)


def _left_out(without_gene: pd.DataFrame, samples: pd.Index) -> pd.DataFrame:
    """Genes × samples, by the same samples as the eigengene."""
    columns = without_gene.columns.astype(str)
    if len(absent := samples.difference(columns)):
        raise Edge2TorchError(
            f"without_gene lacks {len(absent)} sample(s) of the eigengene: {listing(absent)}. Make "
            "it with NetworkModules.eigengenes_without_genes of the same fit."
        )
    table = without_gene.set_axis(columns, axis=1)[samples]
    return table.set_axis(table.index.astype(str), axis=0)


def sample_rows(feature_table: pd.DataFrame) -> pd.DataFrame:
    """The table with sample ids as text in its index."""
    if not isinstance(feature_table, pd.DataFrame):
        raise Edge2TorchError(
            f"feature_table must be a DataFrame of samples × features, found "
            f"{type(feature_table).__name__}."
        )
    table = feature_table
    if "sample_id" in table.columns:
        table = table.set_index("sample_id")
    table = table.set_axis(table.index.astype(str), axis=0).set_axis(
        table.columns.astype(str), axis=1
    )
    for ids, what in ((table.index, "sample"), (table.columns, "feature")):
        if repeated := sorted(set(ids[ids.duplicated()])):
            raise Edge2TorchError(
                f"feature_table has the same {what} id more than once: {listing(repeated)}."
            )
    return table


def feature_rows(table: pd.DataFrame, feature_meta: pd.DataFrame) -> pd.DataFrame:
    """Rows of the meta table for the features of the table, by feature id."""
    if missing := [column for column in _META if column not in feature_meta]:
        raise Edge2TorchError(
            f"feature_meta lacks column(s) {listing(missing)}. It needs {listing(_META)}, and "
            "transcript_id where features are transcripts."
        )
    meta = feature_meta.assign(feature_id=feature_meta["feature_id"].astype(str))
    ids = meta["feature_id"]
    if repeated := sorted(set(ids[ids.duplicated()])):
        raise Edge2TorchError(
            f"feature_meta has the same feature_id more than once: {listing(repeated)}."
        )
    if absent := table.columns.difference(pd.Index(ids), sort=True).to_list():
        raise Edge2TorchError(
            f"feature_meta has no row for {len(absent)} feature(s) of feature_table: "
            f"{listing(absent)}. Add them with their gene_id, or drop their columns."
        )
    meta = meta[ids.isin(table.columns)].sort_values("feature_id", kind="stable")
    homeless = meta["gene_id"].isna() | (meta["gene_id"].astype(str).str.strip() == "")
    if homeless.any():
        raise Edge2TorchError(
            f"feature_meta: {int(homeless.sum())} feature(s) without a gene: "
            f"{listing(meta.loc[homeless, 'feature_id'])}. Fill gene_id, or drop them."
        )
    return meta.assign(gene_id=meta["gene_id"].astype(str))


def common_samples(
    table: pd.Index, eigengene: pd.Index, min_samples: int = FEWEST_SAMPLES
) -> pd.Index:
    """Samples of both, sorted; an error where they are too few."""
    others = pd.Index(eigengene.astype(str))
    common = table.intersection(others).sort_values()
    if len(common) < min_samples:
        alone = table.difference(others)
        hint = (
            f" In feature_table only: {listing(alone)}; in the eigengenes only: "
            f"{listing(others.difference(table))}."
            if len(alone)
            else ""
        )
        few = (
            f" min_samples={len(common)} (--min-samples {len(common)}) accepts them."
            if len(common) >= LEAST_SAMPLES
            else ""
        )
        raise Edge2TorchError(
            f"feature_table and the eigengenes have {len(common)} sample(s) in common; at least "
            f"{min_samples} are needed.{hint} Rows of feature_table are samples, named as in "
            f"the fit.{few}"
        )
    return common


def _numbers(part: pd.DataFrame) -> NDArray[np.float64]:
    try:
        values = part.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        wrong = [c for c in part.columns if not pd.api.types.is_numeric_dtype(part[c].dtype)]
        raise Edge2TorchError(
            f"feature_table has column(s) that are no numbers: {listing(wrong)}."
        ) from error
    if np.isinf(values).any():
        wrong = part.columns[np.isinf(values).any(axis=0)].to_list()
        raise Edge2TorchError(
            f"feature_table has infinite values in {listing(wrong)}. Leave unknown values empty."
        )
    return values
