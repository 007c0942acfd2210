"""Samples × features that modules are explained by, from tables or of counts."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd

from edge2torch._core.tables import read_table
from edge2torch.errors import Edge2TorchError
from edge2torch.explain import usage_features
from edge2torch.netmodules import read_transcript_data

_IDS = ("feature_id", "gene_id", "transcript_id")


def indexed(path: Path, option: str) -> pd.DataFrame:
    """A table whose first column holds ids, unless its index does."""
    table = read_table(path, option, text=(0,))
    if isinstance(table.index, pd.RangeIndex) and len(table.columns):
        table = table.set_index(table.columns[0])
    return table.set_axis(table.index.astype(str), axis=0)


def read_features(
    table: Path | None,
    meta: Path | None,
    *,
    data: Path | None,
    transcripts: Path | None,
    transpose: bool,
    all_features: bool,
    plain_ids: bool,
    scale: Literal["counts", "log2", "log1p"] | None,
    min_samples: int,
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Features of the counts, or as given, or nothing: then the fit's own scores are used."""
    if data is not None:
        if table is not None or meta is not None:
            raise Edge2TorchError(
                "--data: features are made of the counts; leave --feature-table and "
                "--feature-meta out, or --data."
            )
        counts = read_transcript_data(
            data,
            transcripts=transcripts,
            transpose=transpose,
            all_features=all_features,
            min_samples=min_samples,
            scale=scale,
            plain_ids=plain_ids,
        )
        return usage_features(counts)
    if transcripts is not None:
        raise Edge2TorchError("--transcripts says which gene a count belongs to; give --data too.")
    for option, given in (
        ("--transpose", transpose),
        ("--all-features", all_features),
        ("--plain-ids", plain_ids),
        ("--scale", scale),
    ):
        if given:
            raise Edge2TorchError(f"{option} is about the counts of --data; give --data too.")
    return (
        None if table is None else indexed(table, "--feature-table"),
        None if meta is None else read_table(meta, "--feature-meta", text=_IDS),
    )
