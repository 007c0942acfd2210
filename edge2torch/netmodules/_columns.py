"""What in a table of counts is no sample: what quantifiers write beside them, and a lost header."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from edge2torch._core.messages import listing, warn
from edge2torch.errors import Edge2TorchError

# Names without case, blanks and underscores.
_PLACE = {"chr", "start", "end", "strand"}
_ANNOTATION = {
    "length", "efflength", "effectivelength", "genelength", "transcriptlength", "description",
    "genename", "genesymbol", "symbol", "genetype", "genebiotype", "transcripttype", "biotype",
    "transcriptid", "transcriptids", "transcriptname", "genedescription", "entrez", "entrezid",
    "entrezgene", "entrezgeneid", "ncbigeneid", "gc", "gccontent",
}  # fmt: skip
_COUNT_OF = {"numreads": "salmon", "estcounts": "kallisto", "expectedcount": "RSEM"}
_MEASURES = {*_COUNT_OF, "tpm", "fpkm", "rpkm", "isopct"}
_HEADS = re.compile(
    r"(?:unnamed\d+|(?:ensembl|gene|transcript|tx|target|feature|probe|row)?s?(?:ids?|names?|symbols?)?"
    r"|tracking\w*|index)"
)
_WHOLE = re.compile(r"\d+")
_ONE_SAMPLE = {".sf": "salmon", ".results": "RSEM", "readspergene.out.tab": "STAR"}


def set_aside(table: pd.DataFrame, samples: pd.Index) -> pd.DataFrame:
    """Return the samples of a table of counts, and warn of columns that are none.

    What the sample table knows (``samples``) is a sample, whatever its name.
    """
    plain = {name: _plain(name) for name in table.columns if str(name) not in samples}
    is_place = len(_PLACE & set(plain.values())) > 1
    beside = [
        name
        for name, word in plain.items()
        if word in _ANNOTATION | _MEASURES or (word in _PLACE and is_place)
    ]
    if len(beside) == table.shape[1] and _MEASURES & set(plain.values()):
        programs = [_COUNT_OF[word] for word in plain.values() if word in _COUNT_OF]
        raise one_sample(f"the columns {listing(beside)} are", next(iter(programs), ""))
    if beside:
        warn(
            f"counts: column(s) {listing(beside)} are no samples, by their name, and were set aside. "
            "A sample of that name has to stand in the sample table."
        )
    return table.drop(columns=beside)


def one_sample(found: str, program: str) -> Edge2TorchError:
    """Return the error about a file that holds what one sample gave."""
    writer = f", as {program} writes them" if program else ""
    columns = {
        "salmon": ")['NumReads']",
        "kallisto": ")['est_counts']",
        "RSEM": ")['expected_count']",
        "STAR": ", header=None)[1]",  # 2 and 3 are those of one strand
    }
    return Edge2TorchError(
        f"counts: {found} of one sample{writer}. Join the counts of all samples into one table, ids "
        "first and a column per sample; in pandas: pd.concat({'S1': pd.read_csv('S1.tsv', "
        f"sep='\\t', index_col=0{columns.get(program, ')[...]')}, 'S2': ...}}, axis=1)"
        ".to_csv('counts.csv')."
    )


def refuse_one_sample(path: Path) -> None:
    """Say by its name that a file holds what one sample gave."""
    for ending, program in _ONE_SAMPLE.items():
        if path.name.lower().endswith(ending):
            raise one_sample(f"{path.name!r} holds the counts", program)


def refuse_headless(path: Path, table: pd.DataFrame, samples: pd.Index) -> None:
    """Refuse counts whose first row has become the names of the samples.

    Names that are numbers are right where the sample table has them, where they count up, and
    where the name of the first column is one.
    """
    first = "" if table.index.name is None else str(table.index.name)
    names = [str(name) for name in table.columns]
    if not names or not all(re.fullmatch(r"[\d.]+(?:e\+?\d+)?", name) for name in names):
        return
    numbers = [int(name) for name in names if _WHOLE.fullmatch(name)]
    counts_up = len(numbers) == len(names) > 2 and sorted(set(numbers)) == numbers
    if counts_up or _HEADS.fullmatch(_plain(first)) or set(names) <= set(samples):
        return
    raise Edge2TorchError(
        f"counts: the first line of {path.name!r} holds numbers where names of samples belong: "
        f"{listing([first, *names])}. If it is the first row of counts, write a header above it; the "
        "files of HTSeq and STAR hold one sample each and no header, join those of all samples. If "
        "the samples are called so, begin it with 'id'."
    )


def _plain(name: object) -> str:
    return re.sub(r"[\W_]+", "", str(name).lower())
