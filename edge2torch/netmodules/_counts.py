"""A matrix of counts with ids on both sides, out of a DataFrame or an AnnData.

What in a table of counts is not a sample is set aside (columns that quantifiers write beside them) or
refused (a lost header, the file of one sample). Logarithms are told from counts and turned back. A
table that lies on its side is refused: it would fit without complaint, and the donors become genes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from edge2torch._core.checks import check_choice
from edge2torch._core.columns import like_an_id, like_metadata
from edge2torch._core.messages import kind_of, listing, warn
from edge2torch._core.statistics import like_rounded_logs
from edge2torch._core.tables import not_genes
from edge2torch.errors import Edge2TorchError

# Names of columns without case, blanks and underscores.
_PLACE = {"start", "end", "strand"}
_TEST = {"stat", "pvalue", "padj", "basemean", "log2foldchange", "lfcse"}  # of DESeq2
_ANNOTATION = {
    "length", "efflength", "effectivelength", "genelength", "transcriptlength", "description",
    "genename", "genesymbol", "symbol", "genetype", "genebiotype", "transcripttype", "biotype",
    "transcriptid", "transcriptids", "transcriptname", "genedescription", "entrez", "entrezid",
    "entrezgene", "entrezgeneid", "ncbigeneid", "gc", "gccontent", "chr", "chrom", "chromosome",
    "seqname", "seqnames", "width", "len", "genelen", "exonlength", "exonlen", "meanlength",
    "medianlength", "countsfromabundance", "total", "sum", "mean", "median", "rowsum", "rowsums",
    "rowmean", "rowmeans", "basemean", "padj",
}  # fmt: skip
_COUNT_OF = {"numreads": "salmon", "estcounts": "kallisto", "expectedcount": "RSEM"}
_MEASURES = {*_COUNT_OF, "tpm", "fpkm", "rpkm", "isopct"}
# As tximport, and tables joined from those of single samples, name what they have of each sample
_OF_A_SAMPLE = re.compile(
    r"(?P<measure>{0})[._ ](?P<sample>.+)|(?P<sample_first>.+)[._ ](?P<measure_last>{0})".format(
        r"counts?|num_?reads|est_counts|expected_count|reads|abundance|tpm|[fr]pkm|cpm"
        r"|(?:eff_?|effective_?)?length|isopct"
    ),
    re.IGNORECASE,
)
_HEADS = re.compile(
    r"(?:unnamed\d+|(?:ensembl|gene|transcript|tx|target|feature|probe|row)?s?(?:ids?|names?|symbols?)?"
    r"|tracking\w*|index)"
)
# Endings of files that hold one sample, and who writes them
_ONE_SAMPLE = {".sf": "salmon", ".results": "RSEM", "readspergene.out.tab": "STAR"}

Scale = Literal["counts", "log2", "log1p"]
_INVERSE: dict[str, Callable[[Any], Any]] = {"log2": np.exp2, "log1p": np.exp}
_LARGEST_LOG = 30.0  # a log2 of a billion; counts of any depth have larger ones
_MOSTLY_FRACTIONS = 0.5  # of the values; estimated counts have some

# Ensembl genes and transcripts of any species, and RefSeq transcripts, with or without a version
_GENE = re.compile(r"(?:ENS[A-Z]{0,6}[GT]\d{6,}|[NX][MR]_\d{4,})(?:\.\d+)?(?:_.*)?$")
_MOST_NAMES = 0.5  # of the columns


@dataclass(frozen=True)
class Counts:
    """A matrix with ids on both sides, not yet checked."""

    values: Any  # (rows, samples), dense or sparse
    rows: pd.Index
    samples: pd.Index


def as_counts(
    counts: Any, transcripts: pd.DataFrame | None, samples: pd.DataFrame | None, problems: list[str]
) -> tuple[Counts, pd.DataFrame | None, pd.DataFrame | None]:
    if isinstance(counts, pd.DataFrame):
        if others := _other_rows(counts.index):
            counts = counts.loc[~counts.index.isin(others)]
        if "gene_id" in counts:
            if transcripts is None:
                transcripts = pd.DataFrame(
                    {"transcript_id": text(counts.index), "gene_id": counts["gene_id"].to_numpy()}
                )
            counts = counts.drop(columns="gene_id")
        counts = set_aside(counts, sample_ids(samples))
        if missing := int(counts.index.isna().sum()):
            problems.append(f"counts has {missing:,} row(s) without an id")
        values = _numbers(counts, "counts", problems)
        matrix = Counts(values, text(counts.index), text(counts.columns))
        return matrix, transcripts, samples
    is_anndata = all(hasattr(counts, part) for part in ("obs", "var", "X"))
    if is_anndata and not hasattr(counts, "mod"):  # as a MuData has
        if others := _other_rows(counts.var_names):
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
        "counts must be a DataFrame of transcripts × samples or an AnnData, found "
        f"{kind_of(counts)}. Read files with read_transcript_data(path)."
    )


def as_gene_counts(gene_counts: pd.DataFrame | None, problems: list[str]) -> Counts | None:
    if gene_counts is None:
        return None
    values = _numbers(gene_counts, "gene_counts", problems)
    return Counts(values, text(gene_counts.index), text(gene_counts.columns))


def _numbers(frame: pd.DataFrame, name: str, problems: list[str]) -> NDArray[Any]:
    """Values of a frame; columns that are not numbers are a problem, and become 1."""
    dtype = np.float64 if frame.size < 1_000_000 else np.float32  # large tables: half the memory
    is_number = np.array([pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes], dtype=bool)
    if is_number.all():
        return frame.to_numpy(dtype=dtype, na_value=np.nan)
    wrong = frame.columns[~is_number]
    problems.append(f"{name} has column(s) that are not numbers: {listing(wrong)}")
    values = np.ones(frame.shape, dtype)  # 1 raises no other problem of the same column
    values[:, is_number] = frame.loc[:, is_number].to_numpy(dtype, na_value=np.nan)
    return values


def _other_rows(names: pd.Index) -> list[str]:
    if others := not_genes(names):
        warn(f"counts: {listing(others)} count reads outside genes and were set aside.")
    return others


def sample_ids(samples: pd.DataFrame | None) -> pd.Index:
    """Whatever may be the name of a sample in a sample table; none without it."""
    if samples is None:
        return text([])
    if "sample_id" in samples:
        return text(samples["sample_id"])
    index = [] if isinstance(samples.index, pd.RangeIndex) else list(samples.index)
    return text([*index, *samples.iloc[:, 0]] if samples.shape[1] else index)


def with_column(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table, with its index as a column where it is named so or nothing else is."""
    if name in table.columns:
        return table
    return table.rename_axis(name).reset_index() if table.index.name in (name, None) else table


def with_id_columns(transcripts: pd.DataFrame) -> pd.DataFrame:
    """The table with ``transcript_id`` and ``gene_id``, as ``TXNAME`` and ``GENEID`` of tximport."""
    wanted = {
        "transcript_id": {"txname", "txid", "transcriptid", "transcript", "tx"},
        "gene_id": {"geneid", "gene"},
    }
    renamed = {}
    for name, words in wanted.items():
        own = [column for column in transcripts.columns if _plain(column) in words]
        if name not in transcripts and len(own) == 1:
            renamed[own[0]] = name
    return transcripts.rename(columns=renamed) if renamed else transcripts


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
    matches = [int(wanted.isin(text(table["sample_id"])).sum()) for table in tables]
    return tables[matches.index(max(matches))] if any(matches) else samples


def text(ids: Iterable[Any]) -> pd.Index:
    """Ids as text."""
    return pd.Index([str(name) for name in ids], dtype=object)


def set_aside(table: pd.DataFrame, samples: pd.Index) -> pd.DataFrame:
    """Return the samples of a table of counts, and warn of columns that are not.

    What the sample table knows (``samples``) is a sample, whatever its name.
    """
    plain = {name: _plain(name) for name in table.columns if str(name) not in samples}
    words = _ANNOTATION | _MEASURES
    for company in ({*_PLACE, "chr", "chrom", "chromosome", "seqname", "seqnames"}, _TEST):
        if len(company & set(plain.values())) > 1:  # one alone may be a sample called so
            words = words | company
    others = _not_counts_of_samples(plain)
    beside = [name for name, word in plain.items() if word in words or name in others]
    if len(beside) == table.shape[1] and _MEASURES & set(plain.values()):
        programs = [_COUNT_OF[word] for word in plain.values() if word in _COUNT_OF]
        raise _one_sample(f"the columns {listing(beside)} are", next(iter(programs), ""))
    if beside:
        warn(
            f"counts: column(s) {listing(beside)} are not samples, by their names, and were set aside. "
            "A sample of that name has to stand in the sample table."
        )
    return table.drop(columns=beside)


def _not_counts_of_samples(names: Iterable[object]) -> set[object]:
    """Names such as ``abundance.s1`` and ``s1.tpm`` where there are counts of s1, too."""
    found: dict[object, tuple[str, bool]] = {}
    for name in names:
        if match := _OF_A_SAMPLE.fullmatch(str(name)):
            measure = match["measure"] or match["measure_last"]
            is_count = bool(re.search("count|reads", measure, re.IGNORECASE))
            found[name] = (match["sample"] or match["sample_first"], is_count)
    counted = {sample for sample, is_count in found.values() if is_count} | set(map(str, names))
    return {name for name, (sample, count) in found.items() if not count and sample in counted}


def _one_sample(what: str, program: str) -> Edge2TorchError:
    """Return the error about a file that holds what one sample gave."""
    writer = f", as {program} writes them" if program else ""
    columns = {
        "salmon": ")['NumReads']",
        "kallisto": ")['est_counts']",
        "RSEM": ")['expected_count']",
        "STAR": ", header=None)[1]",  # 2 and 3 are those of one strand
    }
    return Edge2TorchError(
        f"counts: {what} of one sample{writer}. Join the counts of all samples into one table, ids "
        "first and a column per sample; in pandas: pd.concat({'S1': pd.read_csv('S1.tsv', "
        f"sep='\\t', index_col=0{columns.get(program, ')[...]')}, 'S2': ...}}, axis=1)"
        ".to_csv('counts.csv')."
    )


def check_not_one_sample(path: Path) -> None:
    """Refuse a file that by its name holds what one sample gave."""
    for ending, program in _ONE_SAMPLE.items():
        if path.name.lower().endswith(ending):
            raise _one_sample(f"{path.name!r} holds the counts", program)


def check_header(path: Path, table: pd.DataFrame, known: pd.Index, *, turned: bool = False) -> None:
    """Refuse counts whose first row has become the names of the columns: samples, or ``turned`` genes.

    Names that are numbers are right where the table that goes with them has them (``known``), where
    they count up, and where the name of the first column is one.
    """
    first = "" if table.index.name is None else str(table.index.name)
    names = [str(name) for name in table.columns]
    if not names or not all(re.fullmatch(r"[\d.]+(?:e\+?\d+)?", name) for name in names):
        return
    # in the order of the numbers, which may be longer than Python makes a number of
    bare = [name.lstrip("0") for name in names if name.isdecimal()]
    numbers = [(len(digits), digits) for digits in bare]
    counts_up = len(numbers) == len(names) > 2 and sorted(set(numbers)) == numbers
    if counts_up or _HEADS.fullmatch(_plain(first)) or set(names) <= set(known):
        return
    # genes by number are common: a heading such as "donor" or "mouse" is not one more of the samples
    if turned and (
        like_an_id(first)
        or like_metadata(first)
        or (not re.search(r"\d", first) and all(re.search(r"\d", str(row)) for row in table.index))
    ):
        return
    kind = "genes" if turned else "samples"
    raise Edge2TorchError(
        f"counts: the first line of {path.name!r} holds numbers where names of {kind} belong: "
        f"{listing([first, *names])}. If it is the first row of counts, write a header above it; the "
        "files of HTSeq and STAR hold one sample each and no header, join those of all samples. If "
        f"the {kind} are called so, begin it with 'id'."
    )


def _plain(name: object) -> str:
    return re.sub(r"[\W_]+", "", str(name).lower())


def check_scale(scale: str | None) -> None:
    """Refuse an unknown scale."""
    if scale is not None:
        check_choice("scale", scale, ("counts", *_INVERSE))


def as_scale(matrix: Counts, scale: str | None, name: str, problems: list[str]) -> Counts:
    """Counts out of logarithms where the user says that they are; a problem where they look so."""
    values = matrix.values.data if sparse.issparse(matrix.values) else matrix.values
    known = values[np.isfinite(values)]
    largest = float(known.max(initial=0))
    limit = _LARGEST_LOG * (np.log(2) if scale == "log1p" else 1)
    if scale in _INVERSE and largest > limit:
        problems.append(
            f"{name} are not logarithms as scale={scale!r} says: the largest value is {largest:,.4g}, "
            f"and no such logarithm of a count is over {limit:.3g}. Give scale='counts' if they are "
            "counts, or leave scale out"
        )
        return matrix
    if scale is None and _looks_like_logs(values):
        problems.append(
            f"{name} look like logarithms, or like shares, not like counts: most are not whole "
            f"numbers and none is over {_LARGEST_LOG:g} (the largest is {np.nanmax(values):.3g}). "
            "Give raw or estimated counts, or say what they are: scale='log2' (log2(x + 1)) or "
            "'log1p' (natural) turns them back, 'counts' takes them as they are"
        )
    elif scale is None and (known == np.round(known)).all() and like_rounded_logs(known):
        warn(
            f"{name} are whole numbers, most above 3 and none above 25, as few counts are. If they are "
            "logarithms without their fractions, name them in scale=; fractions tell more."
        )
    if scale not in _INVERSE or not values.size:
        return matrix
    return replace(matrix, values=_turned_back(matrix.values, _INVERSE[str(scale)]))


def _looks_like_logs(values: Any) -> bool:
    known = values[np.isfinite(values) & (values != 0)]  # 0 is 0 on every scale
    if not known.size or known.max() > _LARGEST_LOG:
        return False
    return float(np.mean(known != np.round(known))) > _MOSTLY_FRACTIONS


def _turned_back(values: Any, inverse: Callable[[Any], Any]) -> Any:
    """``2 ** x - 1``, or ``2 ** x`` where values below 0 say that nothing was added to the counts."""
    if sparse.issparse(values) and values.data.min() >= 0:
        turned = values.copy()
        turned.data = inverse(turned.data.astype(np.float64)) - 1
        return turned
    dense = np.asarray(values.toarray() if sparse.issparse(values) else values, np.float64)
    return inverse(dense) - float(np.nanmin(dense) >= 0)


def check_orientation(
    rows: pd.Index,
    columns: pd.Index,
    transcripts: pd.DataFrame | None,
    samples: pd.DataFrame | None,
    *,
    turned: bool = False,
) -> None:
    """Refuse a table of samples × genes; ``turned`` is one that the user has had transposed."""
    if evidence := _looks_transposed(rows, columns, transcripts, samples):
        fix = (
            "Leave out transpose=True: it has turned a table that was right."
            if turned
            else "Pass data.T, or read_transcript_data(transpose=True) (in a shell: --transpose)."
        )
        raise Edge2TorchError(
            f"counts: the table looks transposed: {evidence}. Rows are genes or transcripts, columns "
            f"are samples. {fix}"
        )


def _looks_transposed(
    rows: pd.Index,
    columns: pd.Index,
    transcripts: pd.DataFrame | None,
    samples: pd.DataFrame | None,
) -> str:
    """Say which ids show that the table lies on its side; "" where it does not.

    The tables that go with it decide: their ids stand on the other axis, and none where they
    belong. Without such tables, ids that look like genes or transcripts do.
    """
    if samples is not None:
        ids = _ids(with_sample_ids(samples, rows.union(columns)), "sample_id")
        if columns.isin(ids).any():
            return ""
        if (known := rows.isin(ids)).any():
            return f"{_share(rows, known, 'row')} a sample_id of the samples"
    if transcripts is not None:
        ids = _ids(transcripts, "transcript_id")
        if rows.isin(ids).any():
            return ""
        genes = text(transcripts["gene_id"].dropna()) if "gene_id" in transcripts else ids[:0]
        if (known := columns.isin(ids.union(genes))).any():
            return f"{_share(columns, known, 'column')} an id of the transcripts"
    named = np.array([bool(_GENE.match(name)) for name in columns], dtype=bool)
    if named.sum() > _MOST_NAMES * len(named) and not any(_GENE.match(name) for name in rows):
        return f"{_share(columns, named, 'column')} an Ensembl or RefSeq id by its look"
    return ""


def _ids(table: pd.DataFrame, column: str) -> pd.Index:
    return text(table.get(column, table.index))


def _share(ids: pd.Index, known: NDArray[np.bool_], axis: str) -> str:
    chosen = ids[known]
    return f"{len(chosen):,} of {len(ids):,} {axis}s ({listing(chosen, 3)}) have"
