"""Which gene a transcript belongs to, from a GTF."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from edge2torch.errors import Edge2TorchError

ENDINGS = (".gtf", ".gff2")
_FEATURE, _ATTRIBUTES = 2, 8
_ROWS = 500_000  # read at once


def genes_of_gtf(path: Path) -> pd.DataFrame:
    """``transcript_id`` and ``gene_id``, a row per transcript."""
    try:
        parts = pd.read_csv(
            path, sep="\t", comment="#", header=None, quoting=3, dtype=str,
            usecols=[_FEATURE, _ATTRIBUTES], chunksize=_ROWS,
        )  # fmt: skip
        found = pd.concat([_pairs(part) for part in parts])
    except (OSError, ValueError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise Edge2TorchError(f"transcripts={str(path)!r} cannot be read: {reason}") from error
    if found.empty:
        raise Edge2TorchError(
            f"transcripts={str(path)!r} names no transcript_id with a gene_id. Counts of genes need "
            "no transcripts."
        )
    return found.drop_duplicates(ignore_index=True)


def _pairs(rows: pd.DataFrame) -> pd.DataFrame:
    whole = rows[_FEATURE] == "transcript"
    text = rows.loc[whole if whole.any() else slice(None), _ATTRIBUTES].astype(str)
    ids = {key: text.str.extract(rf'\b{key} "([^"]+)"')[0] for key in ("transcript_id", "gene_id")}
    return pd.DataFrame(ids).dropna().drop_duplicates()
