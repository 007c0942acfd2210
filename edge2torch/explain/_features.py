"""Usage of every transcript and abundance of every gene, as a feature table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch.netmodules import TranscriptData

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
