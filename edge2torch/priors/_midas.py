"""Conditions and what was measured in them: MIDAS files (DataRail, CellNOpt)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import listing, note
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import read_edge_table
from edge2torch.priors._rows import FilePath, Rows, bad_line, check_width, read_text, rows_of

_PARTS = ("TR", "DA", "DV", "ID")
_NO_NUMBER = ("", "nan", "na", "null", "none")
_ALL = "all"  # DA:ALL, the time of every readout


@dataclass(frozen=True, eq=False)
class Midas:
    """What a MIDAS file holds: a row per condition and time.

    Parameters
    ----------
    cues : DataFrame, shape (b, treatments)
        Doses: a column per stimulus, and ``<node>_inhibitor`` per node that is inhibited.
    readouts : DataFrame, shape (b, readouts)
        What was measured; NaN where nothing was.
    times : Series, shape (b,)
        When, in the file's unit.
    contexts : Series of str, shape (b,)
        The cell line, "" where the file has none.
    inhibited : list of str
        Nodes that some cue inhibits.

    Examples
    --------
    >>> frame = pd.DataFrame({"EGF": [0.0, 1.0]})
    >>> Midas(frame, frame, pd.Series([0.0, 10.0]), pd.Series(["", ""]), [])
    Midas(2 rows, 1 cue, 1 readout, times 0, 10)
    """

    cues: pd.DataFrame
    readouts: pd.DataFrame
    times: pd.Series[float]
    contexts: pd.Series[str]
    inhibited: list[str]

    def __repr__(self) -> str:
        def counted(n: int, word: str) -> str:
            return f"{n:,} {word}{'' if n == 1 else 's'}"

        when = ", ".join(f"{time:g}" for time in sorted(self.times.unique())[:5])
        return (
            f"Midas({counted(len(self.cues), 'row')}, {counted(self.cues.shape[1], 'cue')}, "
            f"{counted(self.readouts.shape[1], 'readout')}, times {when})"
        )


def read_midas(
    path: FilePath,
    edges: EdgesLike | None = None,
    *,
    inhibitors: Iterable[str] | None = None,
    quiet: bool = False,
) -> Midas:
    r"""Read a MIDAS file: treatments (``TR:``), times (``DA:``), readouts (``DV:``).

    Parameters
    ----------
    path : str or path
        Comma, semicolon or tab; ``TR:name`` or ``TR:name:word``. ``TR:line:CellLine`` is the
        context of a row, ``DA:ALL`` the time of every readout.
    edges : DataFrame or Prior, optional
        The network. A cue ``xi`` is an inhibitor of ``x`` where ``x`` is a node and ``xi`` is not.
    inhibitors : list of str, optional
        Cues that are inhibitors, as the file calls them. A cue with the word ``Inhibitors`` is one
        in any case.
    quiet : bool
        Print no note.

    Returns
    -------
    Midas
        Rows in the file's order; a row whose readouts have several times becomes one for each.

    Raises
    ------
    Edge2TorchError
        With file and line, for cells that are no numbers; for files without ``DV:`` columns, a
        readout without time or values, and a cue ``xi`` where both ``x`` and ``xi`` are nodes.

    References
    ----------
    Terfve et al. 2012, BMC Systems Biology 6:133, doi:10.1186/1752-0509-6-133.

    Examples
    --------
    >>> from pathlib import Path
    >>> lines = ["TR:mock:CellLine,TR:EGF,TR:Rafi,DA:ALL,DV:Erk", "1,1,0,0,0", "1,1,0,10,0.8"]
    >>> _ = Path("data.csv").write_text("\n".join(lines))
    >>> edges = pd.DataFrame({"source": ["EGF", "Raf"], "target": ["Raf", "Erk"]})
    >>> midas = read_midas("data.csv", edges)
    [edge2torch] Note: data.csv: 2 rows, 2 cues, 1 of them inhibitors ('Raf'), 1 readout, 2 times.
    >>> midas.cues.columns.tolist(), midas.inhibited
    (['EGF', 'Raf_inhibitor'], ['Raf'])
    """
    file, text = read_text(path)
    first = text.partition("\n")[0]
    rows = rows_of(file, text, max(",;\t", key=first.count), quoted=True)
    # lines of separators alone, as spreadsheets leave at the end, hold nothing
    kept = [k for k, row in enumerate(rows.fields) if any(map(str.strip, row))]
    if not kept:
        raise bad_line(file, 1, "the file holds no rows.")
    rows = Rows(file, [rows.fields[k] for k in kept], [rows.lines[k] for k in kept])
    header = _header(rows)
    body = rows.without(1)
    if not len(body):
        raise bad_line(file, 1, "no rows below the header.")
    check_width(body, len(header), "as in the header")
    values = _numbers(body, header)
    nodes = None if edges is None else set(read_edge_table(edges).node_names.tolist())
    cues, inhibited, near = _cues(file, header, values, nodes, inhibitors)
    contexts = _contexts(body, header, values)
    midas = _by_time(file, header, values, cues, contexts, inhibited)
    n_times = midas.times.nunique()
    words = [
        f"{len(midas.cues):,} row{'s' * (len(midas.cues) != 1)}",
        f"{cues.shape[1]:,} cue{'s' * (cues.shape[1] != 1)}"
        + (f", {len(inhibited)} of them inhibitors ({listing(inhibited)})" if inhibited else ""),
        f"{midas.readouts.shape[1]:,} readout{'s' * (midas.readouts.shape[1] != 1)}",
        f"{n_times:,} time{'s' * (n_times != 1)}",
    ]
    if near:
        words.append(f"taken for stimuli, though nodes have nearly their names: {listing(near)}")
    named = [str(name) for name in cues if str(name).endswith("i") and len(str(name)) > 1]
    if edges is None and named:
        words.append(
            f"taken for stimuli: {listing(named)} (inhibitors by their names? Give edges= or inhibitors=)"
        )
    note(f"{file.name}: {', '.join(words)}.", quiet=quiet)
    return midas


def add_inhibitors(edges: EdgesLike, inhibited: Iterable[str]) -> pd.DataFrame:
    """Give inhibited nodes a node that inhibits them, for the columns of :class:`Midas` to enter by.

    :func:`edge2torch.perturb.compile` needs none: it holds the node itself, and so can tell what an
    inhibitor does that was never given.

    Parameters
    ----------
    edges : DataFrame or Prior
        The network.
    inhibited : list of str
        Nodes of it, such as ``midas.inhibited``.

    Returns
    -------
    DataFrame
        With an edge ``<node>_inhibitor`` to each node, of sign -1; an edge that is there stays.

    Raises
    ------
    Edge2TorchError
        For nodes that are not in the network.

    Examples
    --------
    >>> edges = pd.DataFrame({"source": ["Raf"], "target": ["Erk"], "sign": [1]})
    >>> add_inhibitors(edges, ["Raf"]).values.tolist()
    [['Raf', 'Erk', 1], ['Raf_inhibitor', 'Raf', -1]]
    """
    table = read_edge_table(edges)
    wanted = list(dict.fromkeys(str(node).strip() for node in inhibited))
    known = set(table.node_names.tolist())
    if unknown := [node for node in wanted if node not in known]:
        raise Edge2TorchError(
            f"inhibited: {listing(unknown)} are not nodes of the network."
            f"{nearest(unknown[0], known)}"
        )
    there = set(zip(table.frame["source"], table.frame["target"], strict=True))
    more = pd.DataFrame(
        [
            {"source": f"{node}_inhibitor", "target": node, "sign": -1}
            for node in wanted
            if (f"{node}_inhibitor", node) not in there
        ]
    )
    if more.empty:
        return table.frame
    return pd.concat([table.frame, more], ignore_index=True)


@dataclass(frozen=True)
class _Column:
    """A column of the header: its part (TR, DA, DV), its name and its word."""

    place: int
    part: str
    name: str
    word: str


def _header(rows: Rows) -> list[_Column]:
    found = []
    for place, cell in enumerate(rows.fields[0]):
        fields = [part.strip() for part in cell.split(":")]
        part = fields[0].upper()
        if part not in _PARTS or len(fields) < 2 or not fields[1]:
            raise rows.error(
                0, f"a column is 'TR:name', 'DA:name', 'DV:name' or 'ID:name'; found {cell!r}."
            )
        found.append(_Column(place, part, fields[1], ":".join(fields[2:])))
    for part in ("TR", "DA", "DV"):
        names = [(c.name, c.word) for c in found if c.part == part]
        if twice := [name for k, name in enumerate(names) if name in names[:k]]:
            raise rows.error(0, f"the column {part}:{twice[0][0]} is there twice.")
        if not names and part != "TR":
            what = "readouts" if part == "DV" else "times"
            raise rows.error(0, f"the file has no {part}: columns, so it holds no {what}.")
    return found


def _numbers(body: Rows, header: list[_Column]) -> NDArray[np.float64]:
    """Return the cells as numbers (rows, columns); what is missing is NaN, ids are."""
    values = np.full((len(body), len(header)), np.nan)
    for row, fields in enumerate(body.fields):
        for column in header:
            cell = fields[column.place].strip()
            if column.part == "ID" or cell.lower() in _NO_NUMBER:
                continue
            try:
                number = float(cell)
            except ValueError:
                number = np.inf
            if not np.isfinite(number):
                raise body.error(
                    row, f"{cell!r} in column {column.part}:{column.name} is not a number."
                )
            values[row, column.place] = number
    for part, what in (("TR", "dose"), ("DA", "time")):
        columns = [column for column in header if column.part == part]
        given = values[:, [column.place for column in columns]]
        # a readout that was not measured needs no time; a row without any is none
        lost = np.isnan(given)
        if part == "DA":
            lost &= lost.all(axis=1, keepdims=True)
        for wrong, problem in ((lost, f"has no {what}"), (given < 0, f"has a negative {what}")):
            if wrong.any():
                row, place = np.argwhere(wrong)[0].tolist()
                raise body.error(row, f"column {part}:{columns[place].name} {problem}.")
    return values


def _cues(
    file: Path,
    header: list[_Column],
    values: NDArray[np.float64],
    nodes: set[str] | None,
    inhibitors: Iterable[str] | None,
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return doses by cue, the nodes inhibited, and cues that are nearly an inhibitor's name."""
    named = [c for c in header if c.part == "TR" and not _is_line(c)]
    wanted = set() if inhibitors is None else {str(one).strip() for one in inhibitors}
    if unknown := sorted(wanted - {c.name for c in named}):
        raise Edge2TorchError(
            f"inhibitors: {file} has no cue {listing(unknown)}; its cues are "
            f"{listing([c.name for c in named], 20)}."
        )
    columns: dict[str, NDArray[np.float64]] = {}
    inhibited, near, both = [], [], []
    plain = {} if nodes is None else {node.casefold(): node for node in nodes}
    for cue in named:
        rest = cue.name[:-1] if cue.name.endswith("i") else ""
        told = cue.name in wanted or cue.word.casefold().startswith("inhibitor")
        if nodes is not None and not told and rest in nodes and cue.name in nodes:
            both.append(cue.name)
        by_name = nodes is not None and bool(rest) and rest in nodes and cue.name not in nodes
        if not (told or by_name):
            if rest.casefold() in plain and cue.name not in (nodes or ()):
                near.append(f"{cue.name} ({plain[rest.casefold()]}?)")
            name = cue.name
        else:
            is_node = cue.name in nodes if nodes is not None else not rest
            target = cue.name if is_node or not rest else rest
            inhibited.append(target)
            name = f"{target}_inhibitor"
        if name in columns:
            raise Edge2TorchError(f"{file} has two cues that are {name!r}. Name one of them anew.")
        columns[name] = values[:, cue.place]
    if both:
        raise Edge2TorchError(
            f"{file}: {listing(both)}: with and without the final i these are nodes of the network. "
            "Say with inhibitors=[...] which are inhibitors, and rename the nodes that are none."
        )
    return pd.DataFrame(columns, index=range(len(values))), inhibited, near


def _is_line(column: _Column) -> bool:
    return column.word.replace(" ", "").casefold() in ("cellline", "celltype")


def _contexts(body: Rows, header: list[_Column], values: NDArray[np.float64]) -> list[str]:
    lines = [c for c in header if c.part == "TR" and _is_line(c)]
    if not lines:
        return [""] * len(values)
    given = values[:, [c.place for c in lines]] > 0
    body.check(given.sum(axis=1) != 1, "the row has no cell line, or several.")
    return [lines[k].name for k in given.argmax(axis=1).tolist()]


def _by_time(
    file: Path,
    header: list[_Column],
    values: NDArray[np.float64],
    cues: pd.DataFrame,
    contexts: list[str],
    inhibited: list[str],
) -> Midas:
    """Give every row one time, and the readouts that were measured then."""
    clocks = {c.name: c.place for c in header if c.part == "DA"}
    every = [place for name, place in clocks.items() if name.casefold() == _ALL]
    readouts = [c for c in header if c.part == "DV"]
    if lost := [c.name for c in readouts if c.name not in clocks and not every]:
        raise Edge2TorchError(f"{file}: no DA: column for the readout(s) {listing(lost)}.")
    if unread := sorted(
        set(clocks) - {c.name for c in readouts} - {n for n in clocks if n.casefold() == _ALL}
    ):
        raise Edge2TorchError(f"{file}: no DV: column for the time(s) of {listing(unread)}.")
    found = values[:, [c.place for c in readouts]]
    if empty := [
        c.name for c, column in zip(readouts, found.T, strict=True) if np.isnan(column).all()
    ]:
        raise Edge2TorchError(
            f"{file}: the readout column(s) {listing(empty)} have no value. Take them out of the file."
        )
    when = values[:, [clocks.get(c.name, every[0] if every else -1) for c in readouts]]
    if (~np.isnan(found) & np.isnan(when)).any():
        row, column = np.argwhere(~np.isnan(found) & np.isnan(when))[0]
        raise Edge2TorchError(
            f"{file}, row {row + 1}: DV:{readouts[column].name} has a value and no time."
        )
    at, time, table = [], [], []
    for row in range(len(values)):
        for now in np.unique(when[row][~np.isnan(when[row])]).tolist():
            at.append(row)
            time.append(now)
            table.append(np.where(when[row] == now, found[row], np.nan))
    return Midas(
        cues.iloc[at].reset_index(drop=True),
        pd.DataFrame(np.array(table), columns=[c.name for c in readouts]),
        pd.Series(time, dtype=float, name="time"),
        pd.Series([contexts[row] for row in at], dtype=object, name="context"),
        inhibited,
    )
