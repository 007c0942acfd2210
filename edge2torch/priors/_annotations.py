"""Which gene is annotated with which term: GAF, GPAD, or a table of two columns."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError, listing, note
from edge2torch.priors._edges import check_choice, join_rows, plain_edges
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
        GAF 2 or GPAD 1 and 2, known by their first line; otherwise a table separated by tabs,
        with a header where ``gene`` or ``term`` is a name.
    gene, term : str or int
        Columns of such a table, by name or by place from 0; its other columns are kept where it
        has a header.
    identifier : {"symbol", "id"}
        What GAF calls the gene's node; GPAD has identifiers only.
    without_evidence : list of str
        Evidence codes to leave out; ``ND`` says that nothing is known.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per gene and term
        ``source`` (gene), ``target`` (term), ``relation``, ``evidence`` and, of GAF, ``aspect``;
        evidence codes of one pair are joined by ``|``. Annotations with ``NOT`` are left out.

    Raises
    ------
    Edge2TorchError
        With file and line: for wrong column counts and blank names.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("genes.tsv").write_text("gene\tgo\tevidence\nTP53\tGO:1\tIDA\nTP53\tGO:1\tIEA\n")
    >>> read_annotations("genes.tsv", gene="gene", term="go")
    [edge2torch] Note: genes.tsv: 1 gene, 1 term, 1 annotation; 1 row(s) with further evidence were joined.
      source target   relation evidence
    0   TP53   GO:1  annotated  IDA|IEA
    """
    check_choice(identifier, "identifier", ("symbol", "id"))
    file, text = read_text(path)
    layout = _layout(file, text)
    rows = rows_of(file, text, comment=None if layout is None else "!")
    edges, dropped = (
        _from_table(rows, gene, term) if layout is None else _from_go(rows, layout, identifier)
    )
    if "evidence" in edges and without_evidence:
        out = edges["evidence"].isin(list(without_evidence)).to_numpy(bool)
        if out.any():
            codes = listing(sorted(set(edges.loc[out, "evidence"])))
            dropped.append(f"{int(out.sum()):,} with evidence {codes} were left out")
            edges = edges[~out]
    joined = join_rows(edges)
    if joined.n_joined:
        dropped.append(f"{joined.n_joined:,} row(s) with further evidence were joined")
    frame = joined.frame
    counts = (
        (frame["source"].nunique(), "gene"),
        (frame["target"].nunique(), "term"),
        (len(frame), "annotation"),
    )
    words = ", ".join(f"{n:,} {word}{'' if n == 1 else 's'}" for n, word in counts)
    note("; ".join([f"{file.name}: {words}", *dropped]) + ".", quiet=quiet)
    return frame


def _layout(file: Path, text: str) -> _Layout | None:
    head = text[:200].lstrip().lower()
    if not head.startswith("!"):
        return None
    for line in text[:2_000].splitlines():
        key, _, version = line.lower().partition(":")
        if key.strip() == "!gaf-version":
            return _GAF
        if key.strip() in ("!gpa-version", "!gpad-version"):
            return _GPAD2 if version.strip().startswith("2") else _GPAD1
    raise bad_line(file, 1, "a comment without !gaf-version or !gpad-version: neither can be told.")


def _from_go(rows: Rows, layout: _Layout, identifier: str) -> tuple[pd.DataFrame, list[str]]:
    width = len(rows.fields[0])
    if width not in layout.widths:
        raise rows.error(0, f"{layout.name} has {layout.widths[0]} columns, found {width}.")
    check_width(rows, width, layout.name)
    table = rows.frame([str(k) for k in range(width)])
    of_symbol = identifier == "symbol" and layout.symbol is not None
    place = str(layout.symbol if of_symbol else layout.id)
    check_filled(rows, table, [place, str(layout.term)])
    columns = {"relation": "annotated", "evidence": table[str(layout.evidence)]}
    if layout.aspect is not None:
        aspect = table[str(layout.aspect)]
        rows.check(
            ~aspect.isin(_ASPECTS).to_numpy(bool),
            lambda row: f"the aspect must be one of {listing(_ASPECTS)}, found {aspect[row]!r}.",
        )
        columns["aspect"] = aspect.map(_ASPECTS)
    negated = table[str(layout.negation)].str.split("|").map(lambda words: "NOT" in words)
    edges = plain_edges(table[place], table[str(layout.term)], columns)
    dropped = [f"{int(negated.sum()):,} with NOT were left out"] if negated.any() else []
    return edges[~negated.to_numpy(bool)], dropped


def _from_table(rows: Rows, gene: str | int, term: str | int) -> tuple[pd.DataFrame, list[str]]:
    has_header = isinstance(gene, str) or isinstance(term, str)
    width = len(rows.fields[0])
    check_width(rows, width, "as in the first line")
    header = [text.strip() for text in rows.fields[0]] if has_header else []
    names = header or [str(k) for k in range(width)]
    body = rows.without(1) if has_header else rows
    if not len(body):
        raise rows.error(0, "the file holds nothing but a header.")
    if len(set(names)) < len(names):
        raise rows.error(0, "two columns have the same name.")
    ends = [_place(rows, column, names, what) for column, what in ((gene, "gene"), (term, "term"))]
    table = body.frame(names)
    check_filled(body, table, [names[place] for place in ends])
    extra = {name: table[name] for k, name in enumerate(header) if k not in ends}
    source, target = (table[names[place]] for place in ends)
    return plain_edges(source, target, {"relation": "annotated", **extra}), []


def _place(rows: Rows, column: str | int, names: list[str], what: str) -> int:
    if isinstance(column, str) and column in names:
        return names.index(column)
    if isinstance(column, int | np.integer) and 0 <= column < len(names):
        return int(column)
    error: Edge2TorchError = rows.error(
        0, f"{what}={column!r} is no column; there are {listing(names, 12)}."
    )
    raise error
