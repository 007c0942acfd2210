"""Transcript counts, checked once: ids decide, and one error lists all problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from edge2torch._core.checks import check_type
from edge2torch._core.covariates import resolved
from edge2torch._core.messages import listing
from edge2torch._core.versions import plain_ids as without_bars
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._counts import (
    Counts,
    Scale,
    as_counts,
    as_gene_counts,
    as_scale,
    check_orientation,
    check_scale,
    text,
    with_column,
    with_id_columns,
    with_sample_ids,
)

_FEW_SAMPLES = 10


@dataclass(frozen=True, eq=False, repr=False)
class TranscriptData:
    """Checked counts in one canonical order, so that the order of the input changes nothing.

    Parameters
    ----------
    counts : ndarray of float32, shape (transcripts, samples)
        Sorted by gene, then transcript; samples sorted by id.
    transcript_ids, transcript_genes : ndarray of object, shape (transcripts,)
        Each transcript, and its gene.
    gene_counts : ndarray of float32, shape (g, samples)
        As given, or summed from transcripts.
    gene_ids : ndarray of object, shape (g,)
        Sorted.
    samples : DataFrame
        Traits and covariates, a row per sample, indexed by ``sample_id``.
    covariates : tuple of str
        Columns of ``samples`` that scores are to be freed from; ``name:category`` or
        ``name:number`` where a column of whole numbers could be either.

    Examples
    --------
    >>> from edge2torch.netmodules import transcript_data
    >>> from edge2torch.simulate import planted_modules
    >>> planted = planted_modules(n_modules=2, seed=0)
    >>> transcript_data(planted.counts, planted.transcripts, planted.samples)
    TranscriptData(... transcripts, ... genes, 60 samples)
    """

    counts: NDArray[np.float32]
    transcript_ids: NDArray[np.object_]
    transcript_genes: NDArray[np.object_]
    gene_counts: NDArray[np.float32]
    gene_ids: NDArray[np.object_]
    samples: pd.DataFrame
    covariates: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"TranscriptData({len(self.transcript_ids):,} transcripts, "
            f"{len(self.gene_ids):,} genes, {len(self.samples):,} samples)"
        )


def transcript_data(
    counts: pd.DataFrame | Any,
    transcripts: pd.DataFrame | None = None,
    samples: pd.DataFrame | None = None,
    *,
    gene_counts: pd.DataFrame | None = None,
    covariates: Sequence[str] = (),
    min_samples: int = _FEW_SAMPLES,
    scale: Scale | None = None,
    plain_ids: bool = False,
) -> TranscriptData:
    """Match counts, transcripts and samples by id, and check them.

    Parameters
    ----------
    counts : DataFrame or AnnData
        Transcripts × samples, ids in index and columns; or an AnnData of samples × transcripts,
        whose ``var`` holds ``gene_id`` and whose ``obs`` holds the sample table.
    transcripts : DataFrame, optional
        ``transcript_id`` and ``gene_id``. Left out, every row of ``counts`` is a gene of its own
        (gene counts: there is no switching to see, only abundance).
    samples : DataFrame, optional
        ``sample_id`` (a column; else the index or the first column, by which of them names samples
        of ``counts``), traits and covariates.
    gene_counts : DataFrame, optional
        Genes × samples; summed from transcripts by default.
    covariates : sequence of str
        Columns of the sample table that scores are to be freed from. Few whole numbers, each in
        several samples, are the codes of a category (a batch); ``"batch:category"`` and
        ``"age:number"`` have the last word.
    min_samples : int, default 10
        Fewest samples that are accepted.
    scale : {"counts", "log2", "log1p"}, optional
        What ``counts`` and ``gene_counts`` are: counts, also estimated ones; log2(x + 1), or log2(x)
        where some are below 0; or the natural log(x + 1). Logarithms are turned back. Left out,
        counts are expected, and values that look like logarithms are refused.
    plain_ids : bool, default False
        Take ids up to the first bar, and without their version: of
        ``ENST00000456328.2|ENSG00000290825.1|`` only ``ENST00000456328`` counts.

    Returns
    -------
    TranscriptData

    Warns
    -----
    Edge2TorchWarning
        For columns that are not samples (length, effective length, place, name and the like of a
        gene, TPM), and rows that are not genes (``__no_feature``, ``N_unmapped``), which are set aside.

    Raises
    ------
    Edge2TorchError
        When the counts are samples × transcripts; else one error that lists every problem of the
        input.

    Examples
    --------
    >>> import pandas as pd
    >>> from edge2torch.errors import Edge2TorchError
    >>> counts = pd.DataFrame({"s1": [5.0, -1.0], "s2": [0.0, 0.0]}, index=["t1", "t1"])
    >>> try:
    ...     transcript_data(counts)
    ... except Edge2TorchError as error:
    ...     print(error)
    The data have 4 problems:
    - counts has the same row id more than once: 't1'
    - counts has 1 negative value(s), in row(s) 't1'
    - counts are zero throughout in sample(s) 's2'
    - there are 2 samples, and fewer than 10 are refused: min_samples=2 accepts them
    """
    check_scale(scale)
    tables = {"transcripts": transcripts, "samples": samples, "gene_counts": gene_counts}
    for name, table in tables.items():
        if table is not None:
            check_type(name, table, pd.DataFrame, "a DataFrame (read_transcript_data takes files)")
    problems: list[str] = []
    given = transcripts, samples
    matrix, transcripts, samples = as_counts(counts, transcripts, samples, problems)
    check_orientation(matrix.rows, matrix.samples, *given)
    genes = as_gene_counts(gene_counts, problems)
    return assemble(
        matrix,
        transcripts,
        samples,
        genes,
        covariates=covariates,
        min_samples=min_samples,
        scale=scale,
        plain_ids=plain_ids,
        problems=problems,
    )


def assemble(
    matrix: Counts,
    transcripts: pd.DataFrame | None,
    samples: pd.DataFrame | None,
    gene_counts: Counts | None,
    *,
    covariates: Sequence[str],
    min_samples: int,
    scale: Scale | None,
    plain_ids: bool,
    problems: list[str],
) -> TranscriptData:
    """Check all parts; return them in canonical order, or raise one error with all problems."""
    matrix = as_scale(matrix, scale, "counts", problems)
    if gene_counts is not None:
        gene_counts = as_scale(gene_counts, scale, "gene_counts", problems)
    if plain_ids:
        matrix = replace(matrix, rows=plain(matrix.rows))
        transcripts = None if transcripts is None else with_plain_ids(transcripts)
    check_matrix(matrix, "counts", problems)
    genes = gene_of(matrix, transcripts, problems)
    table = sample_table(matrix.samples, samples, problems)
    if gene_counts is not None:
        check_matrix(gene_counts, "gene_counts", problems)
        check_same(gene_counts.samples, matrix.samples, "gene_counts", "counts", "sample", problems)
        check_same(
            gene_counts.rows,
            pd.Index(genes.dropna()),
            "gene_counts",
            "transcripts",
            "gene",
            problems,
        )
    if 0 < len(matrix.samples) < min_samples:
        problems.append(
            f"there are {(n := len(matrix.samples))} samples, and fewer than {min_samples} are "
            f"refused: min_samples={n} accepts them"
        )
    named = resolved(table, covariates, problems)
    raise_all(problems)
    return _canonical(matrix, genes, table, gene_counts, named)


def _canonical(
    matrix: Counts,
    gene_of: pd.Series,
    table: pd.DataFrame,
    gene_counts: Counts | None,
    covariates: tuple[str, ...],
) -> TranscriptData:
    genes = gene_of.to_numpy(dtype=object)
    ids = matrix.rows.to_numpy(dtype=object)
    # One order, whatever that of the input: by gene, then transcript; samples by id. NumPy sorts
    # text by code point, so that the locale has no say.
    rows = np.lexsort((ids.astype(str), genes.astype(str)))
    columns = np.argsort(matrix.samples.to_numpy(dtype=str), kind="stable")
    counts = _dense(matrix.values, rows, columns)
    genes = genes[rows]
    gene_ids, starts = np.unique(genes.astype(str), return_index=True)
    if gene_counts is None:
        # rows are sorted by gene: each gene is one stretch of them
        summed = np.add.reduceat(counts.astype(np.float64), starts, axis=0).astype(np.float32)
    else:
        gene_rows = pd.Index(gene_counts.rows).get_indexer(pd.Index(gene_ids, dtype=object))
        order = pd.Index(gene_counts.samples).get_indexer(matrix.samples[columns])
        summed = _dense(gene_counts.values, gene_rows, order)
    return TranscriptData(
        counts=counts,
        transcript_ids=ids[rows],
        transcript_genes=genes,
        gene_counts=summed,
        gene_ids=gene_ids.astype(object),
        samples=table.loc[matrix.samples[columns]],
        covariates=covariates,
    )


def _dense(values: Any, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    if sparse.issparse(values):
        values = values.tocsr()[rows].toarray()
        return np.asarray(values[:, columns], dtype=np.float32)
    return np.asarray(np.asarray(values)[np.ix_(rows, columns)], dtype=np.float32)


def raise_all(problems: list[str]) -> None:
    """Raise one error with all problems, if there are any."""
    if problems:
        word = "problem" if len(problems) == 1 else "problems"
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise Edge2TorchError(f"The data have {len(problems)} {word}:{lines}")


def check_matrix(matrix: Counts, name: str, problems: list[str]) -> None:
    for axis, ids in (("row", matrix.rows), ("sample", matrix.samples)):
        if len(ids) == 0:
            problems.append(f"{name} is empty: it has no {axis}s")
        if repeated := sorted(set(ids[ids.duplicated()])):
            problems.append(f"{name} has the same {axis} id more than once: {listing(repeated)}")
    values = matrix.values
    if values.shape != (len(matrix.rows), len(matrix.samples)):
        problems.append(
            f"{name} has shape {values.shape}, but ids for ({len(matrix.rows)}, "
            f"{len(matrix.samples)})"
        )
        return
    stored = values.data if sparse.issparse(values) else values
    for what, wrong in (
        ("missing", np.isnan),
        ("infinite", np.isinf),
        ("negative", lambda x: x < 0),
    ):
        if count := int(wrong(stored).sum()):
            rows = _rows_where(values, wrong)
            problems.append(
                f"{name} has {count} {what} value(s), in row(s) {listing(matrix.rows[rows])}"
            )
    sizes = np.asarray(values.sum(axis=0)).ravel()
    if name == "counts" and values.shape[0] and (empty := sizes == 0).any():
        problems.append(f"counts are zero throughout in sample(s) {listing(matrix.samples[empty])}")


def _rows_where(values: Any, wrong: Any) -> NDArray[np.int64]:
    if sparse.issparse(values):
        entries = values.tocoo()
        return np.unique(entries.row[wrong(entries.data)]).astype(np.int64)
    return np.flatnonzero(wrong(values).any(axis=1))


def gene_of(matrix: Counts, transcripts: pd.DataFrame | None, problems: list[str]) -> pd.Series:
    """Gene of every row of counts; missing where the table does not say."""
    if transcripts is None:
        return pd.Series(matrix.rows, index=matrix.rows, dtype=object)
    table = with_column(with_id_columns(transcripts), "transcript_id")
    if missing := [c for c in ("transcript_id", "gene_id") if c not in table]:
        known = text(transcripts.columns).isin(matrix.rows).any()
        header = ": is its header missing? Write one above it" if known else ""
        problems.append(
            f"transcripts lacks column(s) {listing(missing)}; its columns are "
            f"{listing(transcripts.columns, 10)}{header}"
        )
        return pd.Series(matrix.rows, index=matrix.rows, dtype=object)
    ids = text(table["transcript_id"])
    if repeated := sorted(set(ids[ids.duplicated()])):
        problems.append(
            f"transcripts has the same transcript_id more than once: {listing(repeated)}"
        )
    if table["gene_id"].isna().any():
        problems.append(
            f"transcripts has no gene_id for {listing(ids[table['gene_id'].isna().to_numpy()])}"
        )
    before = len(problems)
    check_same(ids, matrix.rows, "transcripts", "counts", "transcript", problems)
    if len(problems) > before and (hint := _id_hint(ids, table["gene_id"], matrix.rows)):
        problems.append(hint)
    genes = pd.Series(table["gene_id"].astype(str).to_numpy(dtype=object), index=ids)
    return genes[~genes.index.duplicated()].reindex(matrix.rows)


def plain(ids: pd.Index) -> pd.Index:
    """Ids up to the first bar, and without a version of Ensembl or RefSeq at their end."""
    bare: pd.Index = pd.Index(without_bars(pd.Series(ids, dtype=object)), dtype=object)
    return bare


def with_plain_ids(transcripts: pd.DataFrame) -> pd.DataFrame:
    """Transcripts whose ids have lost version and bars."""
    table = with_column(with_id_columns(transcripts), "transcript_id")
    if "transcript_id" not in table:
        return transcripts
    return table.assign(transcript_id=plain(text(table["transcript_id"])).to_numpy())


def _id_hint(ids: pd.Index, genes: pd.Series, rows: pd.Index) -> str:
    """Say so if rows are genes, or if ids agree but for a version or what follows a bar."""
    agree = int(rows.isin(ids).sum())
    if 2 * int(rows.isin(text(genes)).sum()) > len(rows) > 2 * agree:
        return "rows of counts are genes: leave the table of transcripts out"
    bare, known = plain(rows), plain(ids)
    if 2 * (would := int(bare.isin(known).sum())) < len(rows) or would <= 2 * agree:
        return ""
    k = int((bare.isin(known) & ~rows.isin(ids)).argmax())  # the first that differs
    twin = ids[known.get_indexer_for(pd.Index([bare[k]]))[0]]
    return (
        f"{would:,} of {len(rows):,} ids agree up to a bar or a version, such as {rows[k]!r} and "
        f"{twin!r}: plain_ids=True compares them without"
    )


def sample_table(
    wanted: pd.Index, samples: pd.DataFrame | None, problems: list[str]
) -> pd.DataFrame:
    if samples is None:
        return pd.DataFrame(index=pd.Index(wanted, name="sample_id"))
    table = with_sample_ids(samples, wanted)
    if "sample_id" not in table:
        problems.append(
            "samples lacks column 'sample_id', and neither its index nor its first column names a "
            f"sample of counts; counts has {listing(wanted)}, columns of samples are "
            f"{listing(samples.columns, 10) or 'none'}"
        )
        return pd.DataFrame(index=pd.Index(wanted, name="sample_id"))
    table = table.assign(sample_id=text(table["sample_id"])).set_index("sample_id")
    if repeated := sorted(set(table.index[table.index.duplicated()])):
        problems.append(f"samples has the same sample_id more than once: {listing(repeated)}")
        table = table[~table.index.duplicated()]
    fix = " (in samples= keep the rows of these counts alone)"
    check_same(table.index, wanted, "samples", "counts", "sample", problems, fix)
    return table.reindex(pd.Index(wanted.unique(), name="sample_id"))


def check_same(
    mine: pd.Index,
    others: pd.Index,
    name: str,
    other: str,
    kind: str,
    problems: list[str],
    fix: str = "",
) -> None:
    """Say which ids stand on one side only; of those of mine, with the fix."""
    for ids, here, there in ((mine, name, other), (others, other, name)):
        against = others if ids is mine else mine
        if alone := sorted(set(ids) - set(against)):
            more = fix if ids is mine else ""
            problems.append(f"{kind}(s) in {here} but not in {there}: {listing(alone)}{more}")
