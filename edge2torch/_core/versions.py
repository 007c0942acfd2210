"""Versions at the end of identifiers: which databases write them, and ids without them."""

from __future__ import annotations

import pandas as pd

# Ensembl and GENCODE, genes and transcripts (with the mapping version of lifted files; the mark of
# chrY's copy stays), and RefSeq. A number after the dot of any other identifier may be that of an
# isoform: AT1G01010.2, MSTRG.5.1, PB.1.1.
_PATTERNS = {
    r"^(ENS[A-Z]*[GT]\d+)\.\d+(?:_\d+)?(_PAR_Y)?$": r"\1\2",
    r"^([NX][MR]_\d+)\.\d+(_\d+|_dup\d+)?$": r"\1\2",
}


_UNIPROT = r"^(?:sp|tr)\|([^|]+)\|.*$"  # its accession stands between bars, and not before them


def plain_ids(ids: pd.Series) -> pd.Series:
    """The ids up to the first bar, without a version; of UniProt's FASTA the accession."""
    ids = ids.astype(str).str.replace(_UNIPROT, r"\1", regex=True)
    return without_version(ids.str.split("|").str[0])


def without_version(ids: pd.Series) -> pd.Series:
    """The ids, those of databases that have versions without theirs."""
    for pattern, kept in _PATTERNS.items():
        ids = ids.str.replace(pattern, kept, regex=True)
    return ids
