"""All that can be wrong with counts and their tables, told together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from edge2torch._core.messages import listing
from edge2torch._core.versions import without_version
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._counts import Counts, text


def tell(problems: list[str]) -> None:
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


def gene_of(matrix: Counts, transcripts: pd.DataFrame | None, problems: list[str]) -> pd.Series:
    """Gene of every row of counts; missing where the table does not say."""
    if transcripts is None:
        return pd.Series(matrix.rows, index=matrix.rows, dtype=object)
    table = _with_column(transcripts, "transcript_id")
    if missing := [c for c in ("transcript_id", "gene_id") if c not in table]:
        problems.append(f"transcripts lacks column(s) {listing(missing)}")
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
    if len(problems) > before and (hint := _hint(ids, table["gene_id"], matrix.rows)):
        problems.append(hint)
    genes = pd.Series(table["gene_id"].astype(str).to_numpy(dtype=object), index=ids)
    return genes[~genes.index.duplicated()].reindex(matrix.rows)


def plain(ids: pd.Index) -> pd.Index:
    """Ids up to the first bar, and without a version of Ensembl or RefSeq at their end."""
    text = pd.Series(ids, dtype=object).astype(str).str.split("|").str[0]
    bare: pd.Index = pd.Index(without_version(text), dtype=object)
    return bare


def with_plain_ids(transcripts: pd.DataFrame) -> pd.DataFrame:
    """Transcripts whose ids have lost version and bars."""
    table = _with_column(transcripts, "transcript_id")
    if "transcript_id" not in table:
        return transcripts
    return table.assign(transcript_id=plain(text(table["transcript_id"])).to_numpy())


def _hint(ids: pd.Index, genes: pd.Series, rows: pd.Index) -> str:
    """Say so where rows are genes, or ids agree but for a version or what follows a bar."""
    agree = int(rows.isin(ids).sum())
    if 2 * int(rows.isin(text(genes)).sum()) > len(rows) > 2 * agree:
        return "rows of counts are genes: leave the transcripts (--transcripts) out"
    own, known = plain(rows), plain(ids)
    if 2 * (found := int(own.isin(known).sum())) < len(rows) or found <= 2 * agree:
        return ""
    differs = next(k for k, there in enumerate(own.isin(known) & ~rows.isin(ids)) if there)
    twin = ids[list(known).index(own[differs])]
    return (
        f"{found:,} of {len(rows):,} ids agree up to a bar or a version, such as {rows[differs]!r} and "
        f"{twin!r}: plain_ids=True (--plain-ids) compares them without"
    )


def _with_column(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table, with its index as a column where it is named so or nothing else is."""
    if name in table.columns:
        return table
    return table.rename_axis(name).reset_index() if table.index.name in (name, None) else table


def with_sample_ids(samples: pd.DataFrame, wanted: pd.Index) -> pd.DataFrame:
    """The table with ids in the column ``sample_id``.

    Without such a column they are in the index or in the first column, whichever names more of the
    wanted samples; without any of them the table stays as it is.
    """
    if "sample_id" in samples.columns or samples.index.nlevels > 1:
        return samples
    tables = [samples.rename_axis("sample_id").reset_index()]
    if len(samples.columns):
        first = samples.columns[0]
        tables.append(samples.rename(columns={first: "sample_id"}))
    found = [int(wanted.isin(text(table["sample_id"])).sum()) for table in tables]
    return tables[found.index(max(found))] if any(found) else samples


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
    check_same(table.index, wanted, "samples", "counts", "sample", problems)
    return table.reindex(pd.Index(wanted.unique(), name="sample_id"))


def check_same(
    mine: pd.Index, others: pd.Index, name: str, other: str, kind: str, problems: list[str]
) -> None:
    """Say which ids stand on one side only."""
    for ids, here, there in ((mine, name, other), (others, other, name)):
        against = others if ids is mine else mine
        if alone := sorted(set(ids) - set(against)):
            problems.append(f"{kind}(s) in {here} but not in {there}: {listing(alone)}")
