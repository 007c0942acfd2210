"""A matrix of counts with ids on both sides, out of a DataFrame or an AnnData."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.messages import listing, warn
from edge2torch._core.tables import not_genes
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._columns import set_aside


@dataclass(frozen=True)
class Counts:
    """A matrix with ids on both sides, not yet checked."""

    values: Any  # (rows, samples), dense or sparse
    rows: pd.Index
    samples: pd.Index


def as_counts(
    counts: Any,
    transcripts: pd.DataFrame | None,
    samples: pd.DataFrame | None,
    problems: list[str],
) -> tuple[Counts, pd.DataFrame | None, pd.DataFrame | None]:
    if isinstance(counts, pd.DataFrame):
        counts = _genes_only(counts)
        if "gene_id" in counts:
            own = pd.DataFrame(
                {"transcript_id": text(counts.index), "gene_id": counts["gene_id"].to_numpy()}
            )
            transcripts = own if transcripts is None else transcripts
            counts = counts.drop(columns="gene_id")
        counts = set_aside(counts, sample_ids(samples))
        _check_named(counts.index, "counts", "row", problems)
        values = _numbers(counts, "counts", problems)
        matrix = Counts(values, text(counts.index), text(counts.columns))
        return matrix, transcripts, samples
    if hasattr(counts, "obs") and hasattr(counts, "var") and hasattr(counts, "X"):
        if others := not_genes(counts.var_names):
            _tell_not_genes(others)
            counts = counts[:, ~counts.var_names.isin(others)]
        matrix = Counts(counts.X.T, text(counts.var_names), text(counts.obs_names))
        if transcripts is None and "gene_id" in counts.var:
            transcripts = pd.DataFrame(
                {"transcript_id": matrix.rows, "gene_id": counts.var["gene_id"].to_numpy()}
            )
        if samples is None:
            samples = counts.obs.rename_axis("sample_id")
        return matrix, transcripts, samples
    raise Edge2TorchError(
        f"counts must be a DataFrame of transcripts × samples or an AnnData, found "
        f"{type(counts).__name__}. Read files with read_transcript_data(path)."
    )


def as_gene_counts(gene_counts: pd.DataFrame | None, problems: list[str]) -> Counts | None:
    if gene_counts is None:
        return None
    values = _numbers(gene_counts, "gene_counts", problems)
    return Counts(values, text(gene_counts.index), text(gene_counts.columns))


def _numbers(frame: pd.DataFrame, name: str, problems: list[str]) -> NDArray[Any]:
    """Values of a frame; columns that are no numbers are a problem, and read as one."""
    dtype = np.float64 if frame.size < 1_000_000 else np.float32
    is_number = np.array([pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes], dtype=bool)
    if is_number.all():
        return frame.to_numpy(dtype=dtype, na_value=np.nan)
    wrong = frame.columns[~is_number]
    problems.append(f"{name} has column(s) that are no numbers: {listing(wrong)}")
    values = np.ones(frame.shape, dtype)
    values[:, is_number] = frame.loc[:, is_number].to_numpy(dtype, na_value=np.nan)
    return values


def _genes_only(counts: pd.DataFrame) -> pd.DataFrame:
    others = not_genes(counts.index)
    if others:
        _tell_not_genes(others)
    return counts.loc[~counts.index.isin(others)] if others else counts


def _tell_not_genes(names: list[str]) -> None:
    warn(f"counts: {listing(names)} are reads of no gene, and were set aside.")


def _check_named(ids: pd.Index, name: str, axis: str, problems: list[str]) -> None:
    if (missing := int(np.sum(ids.isna()))) > 0:
        problems.append(f"{name} has {missing:,} {axis}(s) without an id")


def sample_ids(samples: pd.DataFrame | None) -> pd.Index:
    """Whatever may be the name of a sample in a sample table; none without it."""
    if samples is None:
        return text([])
    if "sample_id" in samples:
        return text(samples["sample_id"])
    own = [] if isinstance(samples.index, pd.RangeIndex) else list(samples.index)
    return text([*own, *samples.iloc[:, 0]] if samples.shape[1] else own)


def text(ids: Iterable[Any]) -> pd.Index:
    """Ids as text."""
    return pd.Index([str(name) for name in ids], dtype=object)
