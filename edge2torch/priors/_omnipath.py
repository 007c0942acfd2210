"""OmniPath's interaction tables."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.messages import listing, note
from edge2torch._core.packed import plain_suffix
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._edges import Bool, join_rows, plain_edges, stacked
from edge2torch.priors._rows import (
    FilePath,
    Rows,
    check_filled,
    check_header,
    check_width,
    read_text,
    rows_of,
    typed,
)
from edge2torch.priors._signs import FLAGS

_TRUE, _FALSE = ("1", "true", "1.0"), ("0", "false", "0.0")


def read_omnipath(
    path: FilePath,
    *,
    evidence: Literal["consensus", "any"] = "any",
    undirected: Literal["drop", "both"] = "drop",
    conflicts: Literal["unsigned", "drop", "error"] = "unsigned",
    quiet: bool = False,
) -> pd.DataFrame:
    r"""Read interactions with their direction, and their sign from stimulation and inhibition.

    Parameters
    ----------
    path : str or path
        Separated by tabs, or ``.csv``; with a header: ``source``, ``target``, and ``is_directed``,
        ``is_stimulation``, ``is_inhibition`` (LEMBAS writes ``direction``, ``stimulation``,
        ``inhibition``). Without a column of directions every row has one. All other columns are
        kept.
    evidence : {"any", "consensus"}
        Whether any resource or OmniPath's consensus says what an edge does.
    undirected : {"drop", "both"}
        What becomes of rows without a direction: left out, or an edge each way.
    conflicts : {"unsigned", "drop", "error"}
        What becomes of edges that both stimulate and inhibit, in one row or in several.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per edge
        ``source``, ``target``, ``sign`` (1, -1, or 0 for neither or both), ``conflict``, and the
        file's other columns.

    Raises
    ------
    Edge2TorchError
        With file and line: for missing columns, and for values that are neither true nor false.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("omni.tsv").write_text(
    ...     "source\ttarget\tis_directed\tis_stimulation\tis_inhibition\n"
    ...     "A\tB\tTrue\tTrue\tFalse\nA\tC\tTrue\tTrue\tTrue\n")
    >>> read_omnipath("omni.tsv")
    [edge2torch] Note: omni.tsv: 2 edges, 1 positive, 0 negative, 1 without a sign; 1 both stimulate and inhibit: 'A' -> 'C'.
      source target  sign  conflict
    0      A      B     1     False
    1      A      C     0      True
    """
    check_choice("evidence", evidence, ("any", "consensus"))
    check_choice("undirected", undirected, ("drop", "both"))
    check_choice("conflicts", conflicts, ("unsigned", "drop", "error"))
    file, text = read_text(path)
    is_csv = plain_suffix(file) == ".csv"
    rows = rows_of(file, text, "," if is_csv else "\t", quoted=is_csv)
    # columns of signs are known in capital letters too; all others keep their names
    used = {name for group in FLAGS.values() for names in group.values() for name in names}
    header = [name.strip() for name in rows.fields[0]]
    header = [name.lower() if name.lower() in used else name for name in header]
    body = rows.without(1)
    if not len(body):
        raise rows.error(0, "the file holds nothing but a header.")
    check_header(rows, header)
    check_width(body, len(header), "by the header")
    frame = body.frame(header)
    for column in ("source", "target"):
        _column(rows, frame, (column,))
    check_filled(body, frame, ["source", "target"])
    flags = {
        what: _flag(body, frame, _column(rows, frame, names))
        for what, names in FLAGS[evidence].items()
        if what != "direction" or any(name in frame for name in names)
    }
    extra = {name: typed(frame[name]) for name in header if name not in used | {"source", "target"}}
    sign = flags["stimulation"].astype(int) - flags["inhibition"].astype(int)
    both_ways = flags["stimulation"] & flags["inhibition"]
    edges = plain_edges(
        frame["source"], frame["target"], {"sign": sign, "conflict": both_ways, **extra}
    )
    edges, words = _directed(edges, flags.get("direction", np.ones(len(edges), bool)), undirected)
    joined = join_rows(edges)
    edges, clash_words = _settled(joined.frame, joined.conflicts, conflicts)
    counts = [int((edges["sign"] == value).sum()) for value in (1, -1, 0)]
    words = [
        "{:,} positive, {:,} negative, {:,} without a sign".format(*counts),
        *words,
        *([f"{joined.n_joined:,} repeated row(s) were joined"] if joined.n_joined else []),
        *clash_words,
    ]
    note(f"{rows.path.name}: {len(edges):,} edges, {'; '.join(words)}.", quiet=quiet)
    return edges


def _column(rows: Rows, frame: pd.DataFrame, names: tuple[str, ...]) -> str:
    for name in names:
        if name in frame:
            return name
    raise rows.error(
        0, f"no column {' or '.join(map(repr, names))}; there are {listing(frame.columns, 12)}."
    )


def _flag(rows: Rows, frame: pd.DataFrame, column: str) -> Bool:
    text = frame[column].str.lower()
    is_true = text.isin(_TRUE).to_numpy(bool)
    rows.check(
        ~is_true & ~text.isin(_FALSE).to_numpy(bool),
        lambda row: f"{column} must be true or false (1 or 0), found {frame[column][row]!r}.",
    )
    return is_true


def _directed(
    edges: pd.DataFrame, is_directed: Bool, undirected: str
) -> tuple[pd.DataFrame, list[str]]:
    free = ~is_directed
    if not free.any():
        return edges, []
    if undirected == "drop":
        return edges[is_directed], [f"{int(free.sum()):,} row(s) without a direction were left out"]
    back = edges[free].rename(columns={"source": "target", "target": "source"})[edges.columns]
    words = f"{int(free.sum()):,} row(s) without a direction became an edge each way"
    return stacked([edges, back]), [words]


def _settled(
    edges: pd.DataFrame, clashing: list[tuple[str, str]], conflicts: str
) -> tuple[pd.DataFrame, list[str]]:
    """Mark conflicts between rows beside those within one; do with them what was asked."""
    pairs = pd.MultiIndex.from_frame(edges[["source", "target"]])
    conflict = edges["conflict"].to_numpy(bool) | pairs.isin(clashing)
    edges = edges.assign(conflict=conflict, sign=np.where(conflict, 0, edges["sign"]).astype(int))
    if not conflict.any():
        return edges, []
    named = listing(edges.loc[conflict, ["source", "target"]].itertuples(index=False, name=None))
    found = f"{int(conflict.sum()):,} both stimulate and inhibit"
    if conflicts == "error":
        raise Edge2TorchError(
            f"{found}: {named}. Use conflicts='unsigned' to keep them without a sign, or 'drop'."
        )
    if conflicts == "drop":
        return edges[~conflict].reset_index(drop=True), [f"{found} and were left out: {named}"]
    return edges, [f"{found}: {named}"]
