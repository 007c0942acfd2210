"""Which gene a transcript belongs to, from a GTF."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from edge2torch._core.gtf import gtf_blocks
from edge2torch.errors import Edge2TorchError


def genes_of_gtf(path: Path) -> pd.DataFrame:
    """``transcript_id`` and ``gene_id``, a row per transcript."""
    names = ["transcript_id", "gene_id"]
    parts = [
        block.group_by(names, use_threads=False).aggregate([]).to_pandas()
        for block in gtf_blocks(path, "transcripts")
    ]
    found = pd.concat(parts).dropna() if parts else pd.DataFrame()
    if found.empty:
        raise Edge2TorchError(
            f"transcripts: {str(path)!r} names no transcript_id with a gene_id. Counts of genes need "
            "no transcripts."
        )
    return found.drop_duplicates(ignore_index=True)
