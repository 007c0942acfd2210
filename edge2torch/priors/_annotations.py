"""Which gene is annotated with which term: GAF, GPAD, or a table of two columns."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_choice
from edge2torch._core.messages import listing, note, plural
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._edges import join_rows, plain_edges
from edge2torch.priors._rows import (
    FilePath,
    Rows,
    bad_line,
    check_filled,
    check_width,
    read_text,
    rows_of,
)


class _Layout(NamedTuple):
    """Where a file of annotations has what; places count from 0."""

    name: str
    widths: tuple[int, ...]
    id: int
    symbol: int | None
    term: int
    evidence: int
    negation: int
    aspect: int | None


_GAF = _Layout("GAF", (17, 16, 15), 1, 2, 4, 6, 3, 8)
_GPAD1 = _Layout("GPAD 1", (12,), 1, None, 3, 5, 2, None)
_GPAD2 = _Layout("GPAD 2", (12,), 0, None, 3, 5, 1, None)
_ASPECTS = {"P": "biological_process", "F": "molecular_function", "C": "cellular_component"}
_LINE = re.compile(r"[^\r\n]+")
_VERSION = re.compile(r"!\s*(gaf|gpad?)-version\s*:\s*(\d)", re.IGNORECASE)
_NOT = re.compile(r"(?<![a-z])not(?![a-z])", re.IGNORECASE)  # NOT|enables, NOT involved_in, not
_QUALIFIER = re.compile(
    r"not|acts_upstream_of(_or_within)?(_(positive|negative)_effect)?|colocalizes_with|"
    r"contributes_to|enables|involved_in|is_active_in|located_in|part_of"
)
# Columns that say how gene and term go together, and flags that turn it round (KGX, Monarch).
_RELATION_COLUMN = re.compile(r"qualif|relation|predicate|association", re.IGNORECASE)
_NEGATED_COLUMN = re.compile(r"(is_?)?(not|negated|negation)", re.IGNORECASE)
_TRUE = ("true", "t", "yes", "y", "1", "not")
# In a column of unknown meaning only a qualifier as GO writes it: free text may hold the word, too.
_LEADING_NOT = re.compile(rf"(.*[|,;]\s*)?NOT([|,;].*|[\s_]+({_QUALIFIER.pattern}))?")
_BETWEEN = re.compile(r"(?<=[a-z]) (?=[a-z])")  # words
_EVIDENCE = ("evidence", "evidence code", "evidence_code", "evidencecode", "go evidence code")
_TERM = re.compile(r"(?:GO|HP|MP|DOID|MONDO|PW):\d+")
_ID = re.compile(r"[A-Za-z][\w.-]*:\S+")


def read_annotations(
    path: FilePath,
    *,
    gene: str | int = 0,
    term: str | int = 1,
    identifier: Literal["symbol", "id"] = "symbol",
    without_evidence: Collection[str] = ("ND",),
    quiet: bool = False,
) -> pd.DataFrame:
    r"""Read which gene is annotated with which term; every gene leads to its terms.

    Parameters
    ----------
    path : str or path
        GAF or GPAD of any version, known by their first lines, or by their form where these are
        missing; NCBI's ``gene2go``; otherwise a table separated by tabs, with a header where
        ``gene`` or ``term`` is a name.
    gene, term : str or int
        Columns of such a table, by name or by place from 0; its other columns are kept where it
        has a header.
    identifier : {"symbol", "id"}
        What GAF calls the gene's node; one without a symbol is called by its identifier. GPAD and
        ``gene2go`` have identifiers only.
    without_evidence : list of str
        Evidence codes to leave out; ``ND`` says that nothing is known. A table's column of evidence
        is known by its name.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per gene and term
        ``source`` (gene), ``target`` (term), ``relation``, ``evidence`` and, of GAF, ``aspect``;
        evidence codes of one pair are joined by ``|``. Annotations with ``NOT`` in their qualifiers
        are left out; a table's column of qualifiers is known by its name or by what it holds.

    Raises
    ------
    Edge2TorchError
        With file and line: for wrong column counts, blank names, and a header where columns were
        given by place.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("genes.tsv").write_text("gene\tgo\tevidence\nTP53\tGO:1\tIDA\nTP53\tGO:1\tIEA\n")
    >>> read_annotations("genes.tsv", gene="gene", term="go")
    [edge2torch] Note: genes.tsv: 1 gene, 1 term, 1 annotation; 1 row(s) with further evidence were joined.
      source target   relation evidence
    0   TP53   GO:1  annotated  IDA|IEA
    """
    check_choice("identifier", identifier, ("symbol", "id"))
    file, text = read_text(path)
    layout = _layout(file, text, by_form=(gene, term) == (0, 1))
    rows = rows_of(file, text, comment=None if layout is None else "!")
    edges, dropped = (
        _from_table(rows, gene, term) if layout is None else _from_go(rows, layout, identifier)
    )
    known = [column for column in edges if str(column).lower() in _EVIDENCE]
    if known and without_evidence:
        out = edges[known].isin(list(without_evidence)).any(axis=1).to_numpy(bool)
        if out.any():
            codes = listing(sorted(set(edges.loc[out, known].to_numpy().ravel())))
            dropped.append(f"{int(out.sum()):,} with evidence {codes} were left out")
            edges = edges[~out]
    joined = join_rows(edges)
    if joined.n_joined:
        dropped.append(f"{joined.n_joined:,} row(s) with further evidence were joined")
    frame = joined.frame
    words = f"{plural('gene', frame['source'].nunique())}, "
    words += f"{plural('term', frame['target'].nunique())}, {plural('annotation', len(frame))}"
    note("; ".join([f"{file.name}: {words}", *dropped]) + ".", quiet=quiet)
    return frame


def _layout(file: Path, text: str, *, by_form: bool) -> _Layout | None:
    """Tell GAF and GPAD by their version, or by their first row where no version is given."""
    has_comments = text.startswith("!")
    first = ""
    for row in _LINE.finditer(text):  # one by one: of a large file only the head is needed
        line = row[0]
        if found := _VERSION.match(line):
            gpad = _GPAD2 if found[2] == "2" else _GPAD1
            return _GAF if found[1].lower() == "gaf" else gpad
        if line.strip() and not line.startswith("!"):
            first = line
            break
    layout = _by_form([field.strip() for field in first.split("\t")])
    if layout is None and has_comments:
        raise bad_line(
            file,
            1,
            "a comment without !gaf-version or !gpad-version, and rows of neither form. Remove the "
            "comments to read another table.",
        )
    return layout if has_comments or by_form else None


def _by_form(fields: list[str]) -> _Layout | None:
    for layout in (_GAF, _GPAD1):
        if len(fields) not in layout.widths or not _ID.fullmatch(fields[layout.term]):
            continue
        if layout is _GAF and fields[8] in _ASPECTS and fields[layout.evidence].isupper():
            return _GAF
        if layout is _GPAD1 and fields[layout.evidence].startswith("ECO:"):
            return _GPAD2 if ":" in fields[0] else _GPAD1
    return None


def _from_go(rows: Rows, layout: _Layout, identifier: str) -> tuple[pd.DataFrame, list[str]]:
    width = len(rows.fields[0])
    if width not in layout.widths:
        raise rows.error(0, f"{layout.name} has {layout.widths[0]} columns, found {width}.")
    check_width(rows, width, layout.name)
    table = rows.frame([str(k) for k in range(width)])
    of_symbol = identifier == "symbol" and layout.symbol is not None
    check_filled(rows, table, [str(layout.term), *([] if of_symbol else [str(layout.id)])])
    gene, dropped = table[str(layout.id)], []
    if of_symbol:
        symbol = table[str(layout.symbol)]
        blank = symbol.isin(("", "-"))
        rows.check(
            (blank & (gene == "")).to_numpy(bool), "neither a symbol nor an identifier is there."
        )
        if blank.any():
            named = listing(gene[blank].unique())
            dropped.append(
                f"{int(blank.sum()):,} without a symbol are called by identifier: {named}"
            )
        gene = symbol.where(~blank, gene)
    columns = {"relation": "annotated", "evidence": table[str(layout.evidence)]}
    if layout.aspect is not None:
        aspect = table[str(layout.aspect)]
        rows.check(
            ~aspect.isin(_ASPECTS).to_numpy(bool),
            lambda row: f"the aspect must be one of {listing(_ASPECTS)}, found {aspect[row]!r}.",
        )
        columns["aspect"] = aspect.map(_ASPECTS)
    edges = plain_edges(gene, table[str(layout.term)], columns)
    negated = table[str(layout.negation)].str.contains(_NOT).to_numpy(bool)
    return _without_negated(edges, negated, dropped)


def _without_negated(
    edges: pd.DataFrame, negated: NDArray[np.bool_], said: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Leave out rows with NOT among their qualifiers."""
    if not negated.any():
        return edges, said
    return edges[~negated], [f"{int(negated.sum()):,} with NOT were left out", *said]


def says_not(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Mark rows of text that say NOT: in a column of qualifiers, by a flag, or as GO writes it."""
    negated = np.zeros(len(table), bool)
    for column in table:
        # by distinct values: pandas' text methods take a millisecond a column, of which there may be
        # as many as a line has tabs
        cells = zip(table[column], table[column].isna(), strict=True)
        values = ["" if missing else str(value).strip() for value, missing in cells]
        distinct = set(values)
        words = {value.lower() for value in distinct} - {"", "-"}
        parts = (part for value in words for part in re.split(r"[|,;\s]+", value))
        of_go = bool(words) and all(map(_QUALIFIER.fullmatch, parts))
        if _NEGATED_COLUMN.fullmatch(str(column).strip()):
            says = {value for value in distinct if value.lower() in _TRUE}
        elif of_go or _RELATION_COLUMN.search(str(column)):
            says = {value for value in distinct if _NOT.search(value)}
        else:
            says = {value for value in distinct if _LEADING_NOT.fullmatch(_BETWEEN.sub("_", value))}
        if says:
            negated |= np.fromiter((value in says for value in values), bool, len(values))
    return negated


def _from_table(rows: Rows, gene: str | int, term: str | int) -> tuple[pd.DataFrame, list[str]]:
    first = [text.strip() for text in rows.fields[0]]
    if (gene, term) == (0, 1) and {"GeneID", "GO_ID"} <= set(first):
        gene, term = "GeneID", "GO_ID"
    has_header = isinstance(gene, str) or isinstance(term, str)
    width = len(first)
    check_width(rows, width, "as in the first line")
    header = first if has_header else []
    names = header or [str(k) for k in range(width)]
    body = rows.without(1) if has_header else rows
    if not len(body):
        raise rows.error(0, "the file holds nothing but a header.")
    if len(set(names)) < len(names):
        raise rows.error(0, "two columns have the same name.")
    ends = [_place(rows, column, names, what) for column, what in ((gene, "gene"), (term, "term"))]
    table = body.frame(names)
    check_filled(body, table, [names[place] for place in ends])
    source, target = (table[names[place]] for place in ends)
    if (gene, term) == (0, 1):
        _check_places(body, table, header=first)
    extra = {name: table[name] for k, name in enumerate(header) if k not in ends}
    edges = plain_edges(source, target, {"relation": "annotated", **extra})
    others = [name for k, name in enumerate(names) if k not in ends]
    return _without_negated(edges, says_not(table[others]), [])


def _check_places(rows: Rows, table: pd.DataFrame, *, header: list[str]) -> None:
    """Refuse a table with a header, or with its terms elsewhere, that would be read by place."""
    is_id = table["1"].str.fullmatch(_ID)
    if len(table) > 1 and not is_id.iloc[0] and is_id.iloc[1:].all():
        known = f"gene={header[0]!r}, term={header[1]!r}"
        raise rows.error(0, f"this looks like a header. Name the columns: {known}.")
    is_term = table.iloc[-1].str.fullmatch(_TERM)
    if not is_id.any() and is_term.any():
        place = int(is_term.to_numpy().argmax())
        raise rows.error(
            0,
            f"the terms, such as {table.iloc[-1, place]!r}, are in column {place} (counted from 0), "
            f"not in column 1: give gene= and term={place}, or their names if this is a header: "
            f"{listing(header, 12)}.",
        )


def _place(rows: Rows, column: str | int, names: list[str], what: str) -> int:
    if isinstance(column, str) and column in names:
        return names.index(column)
    if isinstance(column, int | np.integer) and 0 <= column < len(names):
        return int(column)
    error: Edge2TorchError = rows.error(
        0, f"{what}={column!r} is not a column; there are {listing(names, 12)}."
    )
    raise error
