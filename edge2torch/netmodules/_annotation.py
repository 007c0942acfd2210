"""Which gene a transcript belongs to, from a GTF."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from edge2torch._core.gtf import attribute, gtf_blocks
from edge2torch.errors import Edge2TorchError, require


def genes_of_gtf(path: Path) -> pd.DataFrame:
    """``transcript_id`` and ``gene_id``, a row per transcript."""
    pa = require("pyarrow", extra="modules")
    names = ["transcript_id", "gene_id"]
    parts = []
    for block in gtf_blocks(path, "transcripts"):
        genes = attribute(block["attributes"], "gene_id")
        pairs = pa.table([block["transcript_id"], genes], names).group_by(names, use_threads=False)
        parts.append(pairs.aggregate([]).to_pandas())
    found = pd.concat(parts).dropna() if parts else pd.DataFrame()
    if found.empty:
        raise Edge2TorchError(
            f"transcripts: {str(path)!r} names no transcript_id with a gene_id. Counts of genes need "
            "no transcripts."
        )
    return found.drop_duplicates(ignore_index=True)
