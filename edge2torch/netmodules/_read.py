"""Counts from files: a bundle folder, h5ad, or a table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from edge2torch._core.columns import gene_symbols, like_an_id, like_metadata
from edge2torch._core.covariates import resolved
from edge2torch._core.damage import DAMAGE
from edge2torch._core.files import path_of, read_json
from edge2torch._core.gtf import ENDINGS, gtf_blocks
from edge2torch._core.h5ad import read_h5ad
from edge2torch._core.messages import listing, warn
from edge2torch._core.packed import check_npz, plain_suffix
from edge2torch._core.tables import TABLES, read_table
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._counts import (
    Counts,
    Scale,
    check_header,
    check_not_one_sample,
    check_orientation,
    check_scale,
    sample_ids,
    text,
    with_id_columns,
)
from edge2torch.netmodules._input import TranscriptData, assemble, plain, raise_all, transcript_data

_IDS = (0, "sample_id", "transcript_id", "gene_id")  # text, though they may look like numbers
_TABLE = "a DataFrame or a path"
Table = pd.DataFrame | str | os.PathLike[str] | None


def read_transcript_data(
    path: str | os.PathLike[str],
    *,
    transcripts: Table = None,
    samples: Table = None,
    covariates: Sequence[str] = (),
    min_samples: int = 10,
    transpose: bool = False,
    all_features: bool = False,
    scale: Scale | None = None,
    plain_ids: bool = False,
) -> TranscriptData:
    r"""Read and check transcript counts.

    Parameters
    ----------
    path : path
        A bundle folder (``samples.parquet``, ``transcripts.parquet``, ``transcript_counts.npz``
        with key ``data``, optionally ``genes.parquet`` and ``gene_counts.npz``); an ``.h5ad``; or
        a table of transcripts × samples (CSV, TSV, GCT, Parquet) whose first column holds ids and
        which may have a column ``gene_id``; the output of featureCounts as it is.
    transcripts, samples : DataFrame or path, optional
        Tables that the file does not hold. Transcripts may be a GTF, too; those of its transcripts
        that ``path`` does not count are left out.
    covariates : sequence of str
        Columns of the sample table that scores are to be freed from, as for
        :func:`transcript_data`.
    min_samples : int, default 10
        Fewest samples that are accepted.
    scale, plain_ids
        As for :func:`transcript_data`.
    transpose : bool, default False
        The table is samples × transcripts (or genes).
    all_features : bool, default False
        With ``transpose``: take columns for genes, also those called like what is known of samples
        (``age``, ``batch``, ids), which are set aside otherwise.

    Returns
    -------
    TranscriptData

    Raises
    ------
    Edge2TorchError
        When a file cannot be read; one error with all problems of what it holds.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("counts.csv").write_text("id,gene_id,s1,s2\nt1,g,5,3\nt2,g,1,4\n")
    >>> read_transcript_data("counts.csv", min_samples=2)
    TranscriptData(2 transcripts, 1 genes, 2 samples)
    >>> _ = Path("turned.csv").write_text("sample,g1,g2\ns1,5,1\ns2,3,4\n")
    >>> read_transcript_data("turned.csv", min_samples=2, transpose=True)
    TranscriptData(2 transcripts, 2 genes, 2 samples)
    """
    where = path_of(path)
    check_scale(scale)
    options: dict[str, Any] = {
        "covariates": covariates,
        "min_samples": min_samples,
        "scale": scale,
        "plain_ids": plain_ids,
    }
    genes_of, sample_table = _transcripts(transcripts), _table(samples, "samples")
    if transpose and (where.is_dir() or where.suffix == ".h5ad"):
        raise Edge2TorchError(
            "transpose=True: a bundle folder and an h5ad say which axis holds samples. "
            "Only tables (CSV, TSV, Parquet) can be turned."
        )
    if where.is_dir():
        return _read_bundle(where, genes_of, sample_table, options)
    if where.suffix == ".h5ad":
        counts = read_h5ad(where)
        counted = counts.var_names
    else:
        counts = (
            _turned(where, genes_of, all_features=all_features)
            if transpose
            else _counts(where, sample_table)
        )
        counted = counts.index
    if transpose:
        check_orientation(text(counted), text(counts.columns), genes_of, sample_table, turned=True)
    if _is_gtf(transcripts) and genes_of is not None:
        genes_of = _counted_only(genes_of, counted, plain_ids=plain_ids)
    return transcript_data(counts, genes_of, sample_table, **options)


def _counted_only(genes_of: pd.DataFrame, counted: pd.Index, *, plain_ids: bool) -> pd.DataFrame:
    """Transcripts of a GTF that are counted; all of them where none is, for the error to name."""
    ids = pd.Index(genes_of["transcript_id"])
    if plain_ids:
        ids, counted = plain(ids), plain(counted)
    known = ids.isin(counted.astype(str))
    return genes_of[known] if known.any() else genes_of


def _is_gtf(table: Table) -> bool:
    if table is None or isinstance(table, pd.DataFrame):
        return False
    return plain_suffix(path_of(table, "transcripts", _TABLE)) in ENDINGS


def _transcripts(table: Table) -> pd.DataFrame | None:
    if _is_gtf(table) and Path(str(table)).is_file():
        return genes_of_gtf(Path(str(table)))
    found = _table(table, "transcripts")
    return None if found is None else with_id_columns(found)


def _table(table: Table, name: str) -> pd.DataFrame | None:
    if table is None or isinstance(table, pd.DataFrame):
        return table
    return _read_table(path_of(table, name, _TABLE), name)


def _read_table(path: Path, name: str) -> pd.DataFrame:
    if not path.exists():
        raise Edge2TorchError(f"{name}={str(path)!r}: there is no such file or folder.")
    if plain_suffix(path) not in TABLES:
        raise Edge2TorchError(
            f"{name}={str(path)!r}: unknown file type. Use a folder, .h5ad, or one of "
            f"{listing(TABLES, 8)} (text may be compressed)."
        )
    try:
        return read_table(path, text=_IDS)
    except Edge2TorchError as error:
        raise Edge2TorchError(f"{name}: {error}") from error


def _counts(path: Path, samples: pd.DataFrame | None) -> pd.DataFrame:
    """Counts with their ids as index; a column ``gene_id`` beside transcripts stays one."""
    check_not_one_sample(path)
    table = _read_table(path, "path")
    if isinstance(table.index, pd.RangeIndex):
        table = table.set_index("transcript_id" if "transcript_id" in table else table.columns[0])
    check_header(path, table, sample_ids(samples))
    return table


def _turned(path: Path, transcripts: pd.DataFrame | None, *, all_features: bool) -> pd.DataFrame:
    """Samples × transcripts, turned round; what the transcripts name is one, whatever its name."""
    table = _read_table(path, "path")
    ids = (
        [transcripts[name] for name in _IDS[2:] if name in transcripts]
        if transcripts is not None
        else []
    )
    named = {str(name) for column in ids for name in column}
    if isinstance(table.index, pd.RangeIndex):
        table = table.set_index("sample_id" if "sample_id" in table else table.columns[0])
    other = [name for name, kind in table.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if other:
        raise Edge2TorchError(
            f"path: column(s) of the table to transpose are not numbers: {listing(other)}. "
            "Leave them out; what is known of samples belongs in the sample table of the fit."
        )
    check_header(path, table, pd.Index(named, dtype=object), turned=True)
    known = gene_symbols(table.columns) | named
    beside = [
        name
        for name in table.columns
        if str(name) not in known and (like_metadata(name) or like_an_id(name))
    ]
    if beside and not all_features:
        warn(
            f"counts: column(s) {listing(beside)} are called like what is known of samples, not like "
            "genes, and were set aside. Traits and covariates belong in the sample table; "
            "all_features=True takes all columns for genes."
        )
        table = table.drop(columns=beside)
    return table.T


def _read_bundle(
    folder: Path,
    transcripts: pd.DataFrame | None,
    samples: pd.DataFrame | None,
    options: dict[str, Any],
) -> TranscriptData:
    needed = ["transcript_counts.npz", "transcripts.parquet", "samples.parquet"]
    if missing := [name for name in needed if not (folder / name).is_file()]:
        raise Edge2TorchError(f"path={str(folder)!r} lacks {listing(missing)}.")
    if (folder / "manifest.json").exists():
        read_json(folder / "manifest.json")  # one that is damaged says that the rest may be, too
    if transcripts is None:
        transcripts = _read_table(folder / "transcripts.parquet", "transcripts")
    if samples is None:
        samples = _read_table(folder / "samples.parquet", "samples")
    problems: list[str] = []
    columns = _ids(samples, "sample_id", "samples", problems)
    rows = _ids(transcripts, "transcript_id", "transcripts", problems)
    counts = Counts(_read_matrix(folder / "transcript_counts.npz"), rows, columns)
    gene_counts = None
    if (folder / "gene_counts.npz").is_file() and (folder / "genes.parquet").is_file():
        table = _read_table(folder / "genes.parquet", "genes")
        genes = _ids(table, "gene_id", "genes", problems)
        gene_counts = Counts(_read_matrix(folder / "gene_counts.npz"), genes, columns)
    raise_all(problems)
    return assemble(counts, transcripts, samples, gene_counts, problems=problems, **options)


def _ids(table: pd.DataFrame, column: str, name: str, problems: list[str]) -> pd.Index:
    if column not in table:
        problems.append(f"{name} lacks column {column!r}")
        return pd.Index([], dtype=object)
    return pd.Index(table[column].astype(str), dtype=object)


def _read_matrix(path: Path) -> Any:
    """Dense under the key ``data``, or a sparse matrix as scipy writes it."""
    check_npz(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            if "indptr" in file:
                matrix = sparse.load_npz(path)
                # indices beyond the matrix would be followed anywhere in memory
                if hasattr(matrix, "check_format"):
                    matrix.check_format(full_check=True)
                return matrix
            return np.asarray(file["data"])
    except (*DAMAGE, MemoryError) as error:
        raise Edge2TorchError(f"{path} cannot be read: {error}") from error


def genes_of_gtf(path: Path) -> pd.DataFrame:
    """``transcript_id`` and ``gene_id``, a row per transcript."""
    names = ["transcript_id", "gene_id"]
    parts = [
        block.group_by(names, use_threads=False).aggregate([]).to_pandas()
        for block in gtf_blocks(path, "transcripts")
    ]
    table = pd.concat(parts).dropna() if parts else pd.DataFrame()
    if table.empty:
        raise Edge2TorchError(
            f"transcripts: {str(path)!r} has no transcript_id with a gene_id. Counts of genes need "
            "no transcripts."
        )
    return table.drop_duplicates(ignore_index=True)


def as_transcript_data(
    counts: Any,
    transcripts: pd.DataFrame | None,
    samples: pd.DataFrame | None,
    gene_counts: pd.DataFrame | None,
    covariates: Sequence[str],
    min_samples: int,
    scale: Scale | None,
) -> TranscriptData:
    """Checked data out of whatever ``fit_modules`` is given."""
    tables: dict[str, Any] = {"transcripts": transcripts, "samples": samples}
    options: dict[str, Any] = {"covariates": covariates, "min_samples": min_samples, "scale": scale}
    if isinstance(counts, TranscriptData):
        for name, value in (*tables.items(), ("gene_counts", gene_counts), ("scale", scale)):
            if value is not None:
                raise Edge2TorchError(
                    f"{name}: counts is TranscriptData, which holds it already. Leave it out."
                )
        if not covariates:
            return counts
        problems: list[str] = []
        named = resolved(counts.samples, covariates, problems)
        raise_all(problems)
        return replace(counts, covariates=named)
    if isinstance(counts, (str, os.PathLike)):
        if gene_counts is not None:
            raise Edge2TorchError(
                "gene_counts: counts is a path, and a file holds both or has them summed. Leave it "
                "out, or read the file and pass both tables."
            )
        return read_transcript_data(counts, **tables, **options)
    return transcript_data(counts, **tables, gene_counts=gene_counts, **options)
