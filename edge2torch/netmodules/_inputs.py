"""Transcript counts, checked once: ids decide, and all problems are told together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from edge2torch.errors import Edge2TorchError, listing

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
        Columns of ``samples`` that scores are to be freed from.

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


@dataclass(frozen=True)
class Counts:
    """A matrix with ids on both sides, not yet checked."""

    values: Any  # (rows, samples), dense or sparse
    rows: pd.Index
    samples: pd.Index


def transcript_data(
    counts: pd.DataFrame | Any,
    transcripts: pd.DataFrame | None = None,
    samples: pd.DataFrame | None = None,
    *,
    gene_counts: pd.DataFrame | None = None,
    covariates: Sequence[str] = (),
    min_samples: int = _FEW_SAMPLES,
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
        ``sample_id`` (a column or the index), traits and covariates.
    gene_counts : DataFrame, optional
        Genes × samples; summed from transcripts by default.
    covariates : sequence of str
        Columns of the sample table that scores are to be freed from.
    min_samples : int, default 10
        Fewest samples that are accepted.

    Returns
    -------
    TranscriptData

    Raises
    ------
    Edge2TorchError
        One error that lists every problem of the input.

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
    - there are 2 samples, and fewer than 10 are refused: min_samples=2 (--min-samples 2) accepts them
    """
    problems: list[str] = []
    matrix, transcripts, samples = _as_counts(counts, transcripts, samples, problems)
    own_genes = _as_gene_counts(gene_counts, problems)
    return assemble(
        matrix,
        transcripts,
        samples,
        own_genes,
        covariates=tuple(covariates),
        min_samples=min_samples,
        problems=problems,
    )


def assemble(
    matrix: Counts,
    transcripts: pd.DataFrame | None,
    samples: pd.DataFrame | None,
    gene_counts: Counts | None,
    *,
    covariates: tuple[str, ...],
    min_samples: int,
    problems: list[str],
) -> TranscriptData:
    """Check all parts, say all that is wrong, or return them in canonical order."""
    from edge2torch.netmodules._covariates import covariate_problems

    _check_matrix(matrix, "counts", problems)
    gene_of = _gene_of(matrix, transcripts, problems)
    table = _sample_table(matrix.samples, samples, problems)
    if gene_counts is not None:
        _check_matrix(gene_counts, "gene_counts", problems)
        _check_same(
            gene_counts.samples, matrix.samples, "gene_counts", "counts", "sample", problems
        )
        _check_same(
            gene_counts.rows,
            pd.Index(gene_of.dropna()),
            "gene_counts",
            "transcripts",
            "gene",
            problems,
        )
    if len(matrix.samples) < min_samples:
        problems.append(
            f"there are {(n := len(matrix.samples))} samples, and fewer than {min_samples} are "
            f"refused: min_samples={n} (--min-samples {n}) accepts them"
        )
    problems.extend(covariate_problems(table, covariates))
    tell(problems)
    return _canonical(matrix, gene_of, table, gene_counts, covariates)


def tell(problems: list[str]) -> None:
    """Raise one error with all problems, if there are any."""
    if problems:
        word = "problem" if len(problems) == 1 else "problems"
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise Edge2TorchError(f"The data have {len(problems)} {word}:{lines}")


def _as_counts(
    counts: Any,
    transcripts: pd.DataFrame | None,
    samples: pd.DataFrame | None,
    problems: list[str],
) -> tuple[Counts, pd.DataFrame | None, pd.DataFrame | None]:
    if isinstance(counts, pd.DataFrame):
        values = _numbers(counts, "counts", problems)
        matrix = Counts(values, _text(counts.index), _text(counts.columns))
        return matrix, transcripts, samples
    if hasattr(counts, "obs") and hasattr(counts, "var") and hasattr(counts, "X"):
        matrix = Counts(counts.X.T, _text(counts.var_names), _text(counts.obs_names))
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


def _as_gene_counts(gene_counts: pd.DataFrame | None, problems: list[str]) -> Counts | None:
    if gene_counts is None:
        return None
    values = _numbers(gene_counts, "gene_counts", problems)
    return Counts(values, _text(gene_counts.index), _text(gene_counts.columns))


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


def _text(ids: Iterable[Any]) -> pd.Index:
    return pd.Index([str(name) for name in ids], dtype=object)


def _check_matrix(matrix: Counts, name: str, problems: list[str]) -> None:
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
        count = int(wrong(stored).sum())
        if count:
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


def _gene_of(matrix: Counts, transcripts: pd.DataFrame | None, problems: list[str]) -> pd.Series:
    """Gene of every row of counts; missing where the table does not say."""
    if transcripts is None:
        return pd.Series(matrix.rows, index=matrix.rows, dtype=object)
    table = _with_column(transcripts, "transcript_id")
    if missing := [c for c in ("transcript_id", "gene_id") if c not in table]:
        problems.append(f"transcripts lacks column(s) {listing(missing)}")
        return pd.Series(matrix.rows, index=matrix.rows, dtype=object)
    ids = _text(table["transcript_id"])
    if repeated := sorted(set(ids[ids.duplicated()])):
        problems.append(
            f"transcripts has the same transcript_id more than once: {listing(repeated)}"
        )
    if table["gene_id"].isna().any():
        problems.append(
            f"transcripts has no gene_id for {listing(ids[table['gene_id'].isna().to_numpy()])}"
        )
    _check_same(ids, matrix.rows, "transcripts", "counts", "transcript", problems)
    genes = pd.Series(table["gene_id"].astype(str).to_numpy(dtype=object), index=ids)
    return genes[~genes.index.duplicated()].reindex(matrix.rows)


def _with_column(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table, with its index as a column where it is named so or nothing else is."""
    if name in table.columns:
        return table
    return table.rename_axis(name).reset_index() if table.index.name in (name, None) else table


def _sample_table(
    wanted: pd.Index, samples: pd.DataFrame | None, problems: list[str]
) -> pd.DataFrame:
    if samples is None:
        return pd.DataFrame(index=pd.Index(wanted, name="sample_id"))
    table = _with_column(samples, "sample_id")
    if "sample_id" not in table:
        problems.append("samples lacks column 'sample_id'")
        return pd.DataFrame(index=pd.Index(wanted, name="sample_id"))
    table = table.assign(sample_id=_text(table["sample_id"])).set_index("sample_id")
    if repeated := sorted(set(table.index[table.index.duplicated()])):
        problems.append(f"samples has the same sample_id more than once: {listing(repeated)}")
        table = table[~table.index.duplicated()]
    _check_same(table.index, wanted, "samples", "counts", "sample", problems)
    return table.reindex(pd.Index(wanted.unique(), name="sample_id"))


def _check_same(
    mine: pd.Index, others: pd.Index, name: str, other: str, kind: str, problems: list[str]
) -> None:
    """Say which ids stand on one side only."""
    for ids, here, there in ((mine, name, other), (others, other, name)):
        against = others if ids is mine else mine
        if alone := sorted(set(ids) - set(against)):
            problems.append(f"{kind}(s) in {here} but not in {there}: {listing(alone)}")


def _canonical(
    matrix: Counts,
    gene_of: pd.Series,
    table: pd.DataFrame,
    gene_counts: Counts | None,
    covariates: tuple[str, ...],
) -> TranscriptData:
    genes = gene_of.to_numpy(dtype=object)
    ids = matrix.rows.to_numpy(dtype=object)
    rows = np.lexsort((ids.astype(str), genes.astype(str)))
    columns = np.argsort(matrix.samples.to_numpy(dtype=str), kind="stable")
    counts = _dense(matrix.values, rows, columns)
    genes = genes[rows]
    gene_ids, starts = np.unique(genes.astype(str), return_index=True)
    if gene_counts is None:
        summed = np.add.reduceat(counts.astype(np.float64), starts, axis=0).astype(np.float32)
    else:
        own = pd.Index(gene_counts.rows).get_indexer(pd.Index(gene_ids, dtype=object))
        order = pd.Index(gene_counts.samples).get_indexer(matrix.samples[columns])
        summed = _dense(gene_counts.values, own, order)
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
