"""Whether a table of counts lies on its side: samples × genes in place of genes × samples.

Such a table fits without complaint, and the donors become genes.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._counts import text
from edge2torch.netmodules._problems import with_sample_ids

# Ensembl genes and transcripts of any species, and RefSeq transcripts, with or without a version
_GENE = re.compile(r"(?:ENS[A-Z]{0,6}[GT]\d{6,}|[NX][MR]_\d{4,})(?:\.\d+)?(?:_.*)?$")
_MOST = 0.5


def check_orientation(
    rows: pd.Index,
    columns: pd.Index,
    transcripts: pd.DataFrame | None,
    samples: pd.DataFrame | None,
    *,
    turned: bool = False,
) -> None:
    """Refuse a table of samples × genes; ``turned`` is one that the user has had transposed."""
    if sign := _looks_transposed(rows, columns, transcripts, samples):
        fix = (
            "Leave out transpose=True (--transpose): it has turned a table that was right."
            if turned
            else "Pass data.T, or for a file transpose=True to read_transcript_data (--transpose)."
        )
        raise Edge2TorchError(
            f"counts: the table looks transposed: {sign}. Rows are genes or transcripts, columns "
            f"are samples. {fix}"
        )


def _looks_transposed(
    rows: pd.Index,
    columns: pd.Index,
    transcripts: pd.DataFrame | None,
    samples: pd.DataFrame | None,
) -> str:
    """Say by which ids the table lies on its side; nothing where it does not.

    The tables that go with it decide: their ids stand on the other axis, and none on their own.
    Without a word from them, ids that look like genes or transcripts do.
    """
    if samples is not None:
        ids = _ids(with_sample_ids(samples, rows.union(columns)), "sample_id")
        if columns.isin(ids).any():
            return ""
        if (found := rows.isin(ids)).any():
            return f"{_so_many(rows, found, 'row')} a sample_id of the samples"
    if transcripts is not None:
        ids = _ids(transcripts, "transcript_id")
        if rows.isin(ids).any():
            return ""
        genes = text(transcripts["gene_id"].dropna()) if "gene_id" in transcripts else ids[:0]
        if (found := columns.isin(ids.union(genes))).any():
            return f"{_so_many(columns, found, 'column')} an id of the transcripts"
    named = np.array([bool(_GENE.match(name)) for name in columns], dtype=bool)
    if named.sum() > _MOST * len(named) and not any(_GENE.match(name) for name in rows):
        return f"{_so_many(columns, named, 'column')} an Ensembl or RefSeq id by its look"
    return ""


def _ids(table: pd.DataFrame, column: str) -> pd.Index:
    return text(table.get(column, table.index))


def _so_many(ids: pd.Index, found: NDArray[np.bool_], axis: str) -> str:
    chosen = ids[found]
    return f"{len(chosen):,} of {len(ids):,} {axis}s ({listing(chosen, 3)}) have"
