"""Feature tables: made of counts, or matched by id with genes and eigengene and checked where they enter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import kind_of, listing
from edge2torch.errors import Edge2TorchError
from edge2torch.explain._config import FEWEST_SAMPLES, LEAST_SAMPLES
from edge2torch.netmodules import TranscriptData

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
    by_sample = pd.to_numeric(eigengene.set_axis(eigengene.index.astype(str)).loc[samples])
    eigengenes = by_sample.to_numpy(dtype=np.float64)[:, None]
    tested = np.zeros(len(meta), dtype=np.int64)
    if without_gene is not None:
        left_out = _left_out(without_gene, samples)
        eigengenes = np.concatenate([eigengenes, left_out.to_numpy(dtype=np.float64).T], axis=1)
        # get_indexer has -1 for a gene outside the module: 0, the whole eigengene
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
            f"{kind_of(feature_table)}."
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
    table: pd.Index, eigengene: pd.Index, min_samples: int = FEWEST_SAMPLES, advice: str = ""
) -> pd.Index:
    """Samples of both, sorted; an error, which ends with the advice, where they are too few."""
    others = pd.Index(eigengene.astype(str))
    common = table.intersection(others).sort_values()
    if len(common) < min_samples:
        alone = table.difference(others)
        hint = (
            f" Only there: {listing(alone)}; only in the eigengenes: "
            f"{listing(others.difference(table))}."
            if len(alone)
            else ""
        )
        few = f" min_samples={len(common)} accepts them." if len(common) >= LEAST_SAMPLES else ""
        raise Edge2TorchError(
            f"feature_table has {len(common)} sample(s) in common with the eigengenes; at least "
            f"{min_samples} are needed.{hint} Samples are rows of features, named as in the fit."
            f"{few}{advice}"
        )
    return common


def _numbers(part: pd.DataFrame) -> NDArray[np.float64]:
    try:
        values = part.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        wrong = [c for c in part.columns if not pd.api.types.is_numeric_dtype(part[c].dtype)]
        raise Edge2TorchError(
            f"feature_table has column(s) that are not numbers: {listing(wrong)}."
        ) from error
    if np.isinf(values).any():
        wrong = part.columns[np.isinf(values).any(axis=0)].to_list()
        raise Edge2TorchError(
            f"feature_table has infinite values in {listing(wrong)}. Leave unknown values empty."
        )
    return values


_FLOOR = 1e-8


def usage_features(data: TranscriptData) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make a feature table from counts: usage of transcripts, and abundance of genes.

    Usage is ``(c + 0.5) / sum(c + 0.5)`` within the gene, as a centred log-ratio; genes of one
    transcript have none. Abundance is log2 of counts per million plus one half.

    Parameters
    ----------
    data : TranscriptData
        What :func:`edge2torch.netmodules.transcript_data` or ``read_transcript_data`` returned.

    Returns
    -------
    feature_table : DataFrame, samples × features
        Columns are transcript ids and ``GENE::abundance``.
    feature_meta : DataFrame
        ``feature_id``, ``gene_id``, ``feature_type`` (``switch`` or ``abundance``),
        ``transcript_id``.

    Examples
    --------
    >>> from edge2torch.netmodules import transcript_data
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=1, module_size=5, n_background=0, seed=0)
    >>> table, meta = usage_features(
    ...     transcript_data(planted.counts, planted.transcripts, planted.samples))
    >>> meta.head(2)
      feature_id gene_id feature_type transcript_id
    0      G0.t0      G0       switch         G0.t0
    1      G0.t1      G0       switch         G0.t1
    """
    genes = data.transcript_genes.astype(str)
    _, code, size = np.unique(genes, return_inverse=True, return_counts=True)
    logs = np.log(np.maximum(_shares(data.counts.astype(np.float64) + 0.5, code), _FLOOR))
    # Centred log-ratio: usage by gene sums to 1, and its logarithm less the gene's mean does not.
    ratio = logs - (_sums(logs, code) / size[:, None])[code]
    kept = size[code] > 1
    library = data.gene_counts.sum(axis=0, dtype=np.float64)
    abundance = np.log2(1e6 * data.gene_counts / library + 0.5)
    transcripts = data.transcript_ids[kept]
    names = [*transcripts, *(f"{gene}::abundance" for gene in data.gene_ids)]
    values = np.concatenate([ratio[kept], abundance])
    n_genes = len(data.gene_ids)
    meta = pd.DataFrame(
        {
            "feature_id": names,
            "gene_id": np.concatenate([genes[kept], data.gene_ids]),
            "feature_type": ["switch"] * len(transcripts) + ["abundance"] * n_genes,
            "transcript_id": [*transcripts, *[None] * n_genes],
        }
    )
    return pd.DataFrame(values.T, index=data.samples.index, columns=names), meta


def _sums(values: NDArray[Any], code: NDArray[Any]) -> NDArray[Any]:
    """Sums over the rows of a gene, (g, s)."""
    total = np.zeros((int(code.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(total, code, values)
    return total


def _shares(values: NDArray[Any], code: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(values / _sums(values, code)[code])
