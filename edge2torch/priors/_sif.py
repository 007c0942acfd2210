"""Signed networks in SIF files, those of CellNOpt and Pathway Commons among them."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.priors._network import check_depth, check_size, network_table, without_names
from edge2torch.priors._rows import FilePath, bad_line, read_text, shown
from edge2torch.priors._signs import known_signs, sign_of

_MIN_FIELDS = 3
_GATE = re.compile(r"and\d+")  # as CellNOpt calls them
_DIALECT = "pathway commons"
_UNDIRECTED = ("in-complex-with", "interacts-with", "neighbor-of", "reacts-with")
# Read "is consumed in what B controls": the cause stands second. Older releases have the other spelling.
_PASSIVE = ("consumption-controlled-by", "consumption-controled-by")
_COMMONS = (
    "catalysis-precedes",
    "chemical-affects",
    "controls-expression-of",
    "controls-phosphorylation-of",
    "controls-production-of",
    "controls-state-change-of",
    "controls-transport-of",
    "controls-transport-of-chemical",
    "used-to-produce",
    *_PASSIVE,
    *_UNDIRECTED,
)
_HEADER = ["PARTICIPANT_A", "INTERACTION_TYPE", "PARTICIPANT_B"]  # of its extended form
_NODES, _NAME = "PARTICIPANT", "PARTICIPANT_NAME"  # of the second table there
_OURS = ("source", "target", "relation", "sign", "source_name", "target_name")
_CAPITALS = re.compile("[A-Z][A-Z_]*")
_PATHWAY = ["NAME", "ORGANISM"]  # of a third, in files of one pathway


def read_sif(
    path: FilePath,
    *,
    signs: Mapping[str, int] | Literal["pathway commons"] | None = None,
    gates: Literal["keep", "dissolve"] = "keep",
    undirected: Literal["drop", "both"] = "drop",
    isolated: Literal["error", "drop"] = "drop",
    quiet: bool = False,
) -> pd.DataFrame:
    r"""Read a signed network: ``node relation node``, with further targets on the same line.

    Parameters
    ----------
    path : str or path
        Fields are separated by tabs where the line has one, otherwise by blanks. A node alone on
        its line has no edge.
    signs : dict of str to int, or "pathway commons", optional
        Further relations and what they say: 1, -1, or 0 for neither, such as ``{"pp": 0}``.
        Known are ``1``, ``-1``, ``0``, ``+``, ``-``, ``activates``, ``inhibits`` and their kin, in
        capital letters or not. ``"pathway commons"`` knows the relations of that resource, none of
        which says a sign, and its extended form, with a header and a second table of nodes.
        ``A consumption-controlled-by B`` is an edge from B to A there.
    gates : {"keep", "dissolve"}
        What becomes of CellNOpt's gates, ``and1``, ``and2``, …: nodes like any other, or edges from
        what enters a gate to what it leads to. Their sign is the product of both, and their
        ``relation`` the gate's name.
    undirected : {"drop", "both"}
        What becomes of Pathway Commons' relations without a direction (``in-complex-with``,
        ``interacts-with``, ``neighbor-of``, ``reacts-with``): left out, or an edge each way.
    isolated : {"error", "drop"}
        What becomes of nodes without edges, which an edge table cannot hold; the note names them.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per edge
        ``source``, ``target``, ``relation`` as in the file, and ``sign``: compile it with
        ``sign_column="sign"``. Of Pathway Commons' extended form further columns, and names.

    Raises
    ------
    Edge2TorchError
        With file and line: for lines with fewer than three fields and for unknown relations.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("net.sif").write_text("EGF 1 Ras\nRas -1 Erk Akt\n")
    >>> read_sif("net.sif")
    [edge2torch] Note: net.sif: 3 edges, 1 positive and 2 negative.
      source target relation  sign
    0    EGF    Ras        1     1
    1    Ras    Erk       -1    -1
    2    Ras    Akt       -1    -1
    """
    check_choice("gates", gates, ("keep", "dissolve"))
    check_choice("undirected", undirected, ("drop", "both"))
    check_choice("isolated", isolated, ("error", "drop"))
    of_commons = isinstance(signs, str)
    if of_commons:
        check_choice("signs", signs, (_DIALECT,))
    known = (
        {**known_signs(None), **dict.fromkeys(_COMMONS, 0)}
        if isinstance(signs, str)
        else known_signs(signs)
    )
    file, text = read_text(path)
    if text.lstrip().startswith(("[{", '{"')):
        raise bad_line(file, 1, "this is JSON, not SIF. Networks in CX2 are read by read_cx2.")
    lines = _Lines()
    further: list[str] = []
    if of_commons and text.lstrip().split("\t", 1)[0].strip() == _HEADER[0]:
        _Extended(file, known).read(io.StringIO(text, newline=None), lines, further)
    else:
        lines.plain(file, io.StringIO(text, newline=None), known)
    rows, left_out = lines.rows, Counter[str]()
    if of_commons:
        rows = _directed(rows, undirected, left_out, further)
    gone: list[str] = []
    if gates == "dissolve":
        rows, gone = _dissolved(file, rows, left_out)
    if not rows:
        raise bad_line(file, 1, "the file holds no edges.")
    ends = {row[end] for row in rows for end in ("source", "target")}
    if gone:
        further.append(f"{len(gone):,} gate(s) were dissolved: {listing(gone)}")
    if alone := [node for node in lines.alone if node not in ends]:
        words = f"{len(alone):,} node(s) without edges are not in the table: {listing(alone)}"
        if isolated == "error":
            raise Edge2TorchError(f"{file}: {words}. Use isolated='drop' to leave them out.")
        further.append(words)
    frame = network_table(file, rows, left_out, further=further, quiet=quiet)
    return without_names(frame)


@dataclass
class _Lines:
    """What the lines of a file say: edges, and nodes alone."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    alone: dict[str, None] = field(default_factory=dict)

    def plain(self, file: Path, lines: Iterable[str], known: Mapping[str, int]) -> None:
        """Take lines of a source, a relation and any number of targets."""
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            fields = [part.strip() for part in (line.split("\t") if "\t" in line else line.split())]
            if not any(fields[1:]):
                self.alone[fields[0]] = None
                continue
            if len(fields) < _MIN_FIELDS or not all(fields[:_MIN_FIELDS]):
                raise bad_line(
                    file,
                    number,
                    f"a line is source, relation and target(s); found {shown(line.rstrip())}.",
                )
            sign = _sign(file, number, fields[1], known)
            self.rows += [
                {"source": fields[0], "target": target, "relation": fields[1], "sign": sign}
                for target in fields[2:]
                if target
            ]


@dataclass
class _Extended:
    """Pathway Commons' extended form: a table of edges with a header, and one of nodes below an empty line."""

    file: Path
    known: Mapping[str, int]
    rows: list[dict[str, Any]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    header: list[str] = field(default_factory=list)
    renamed: dict[str, None] = field(default_factory=dict)
    unread: dict[str, None] = field(default_factory=dict)
    pathways: int = 0

    def read(self, lines: Iterable[str], into: _Lines, further: list[str]) -> None:
        """Take all lines, and say what was not taken."""
        after_blank = True
        for number, line in enumerate(lines, 1):
            fields = [part.strip() for part in line.split("\t")]
            if any(fields):
                if _is_header(fields, after_blank):
                    self._begin(number, fields)
                elif self.header[0] not in (_HEADER[0], _NODES):  # what a pathway is called
                    self.pathways += 1
                else:
                    self._take(number, line, fields)
            after_blank = not any(fields)
        for row in self.rows:
            for end in ("source", "target"):
                row[f"{end}_name"] = self.names.get(row[end]) or None
        into.rows, into.alone = self.rows, dict.fromkeys(filter(None, self.names))
        if self.renamed:
            words = f"{len(self.renamed):,} node(s) have two names, the first was taken"
            further.append(f"{words}: {listing(self.renamed)}")
        if self.unread:
            further.append(f"of nodes only the name is read, not {listing(self.unread)}")
        if self.pathways:
            further.append(f"{self.pathways:,} line(s) on pathways were not read")

    def _begin(self, line: int, fields: list[str]) -> None:
        if twice := [name for name, n in Counter(filter(None, fields)).items() if n > 1]:
            words = f"columns come more than once: {listing(twice)}. Rename them."
            raise bad_line(self.file, line, words)
        if fields[0] == _HEADER[0] and (ours := [name for name in fields if name in _OURS]):
            words = (
                f"{listing(ours)} would take the place of columns of the edge table. Rename them."
            )
            raise bad_line(self.file, line, words)
        if fields[0] == _NODES:
            self.unread |= dict.fromkeys(n for n in fields if n not in ("", _NODES, _NAME))
        self.header = fields

    def _take(self, line: int, text: str, fields: list[str]) -> None:
        if len(fields) > len(self.header):
            words = f"{len(self.header)} fields were expected by the header, found {len(fields)}."
            raise bad_line(self.file, line, words)
        if any(own for name, own in zip(self.header, fields, strict=False) if not name):
            words = f"a field stands below a header without a name: {shown(text)}."
            raise bad_line(self.file, line, words)
        row: dict[str, Any] = dict(zip(self.header, fields, strict=False))
        if self.header[0] == _NODES:
            name = row.get(_NAME, "")
            if self.names.setdefault(fields[0], name) != name:
                self.renamed[fields[0]] = None
            return
        if not all(row.get(name) for name in _HEADER):
            raise bad_line(self.file, line, f"source, relation or target is blank: {shown(text)}.")
        source, relation, target = (row.pop(name) for name in _HEADER)
        sign = _sign(self.file, line, relation, self.known)
        more = {n: row.get(n) or None for n in self.header if n not in ("", *_HEADER)}
        ends = {"source": source, "target": target, "relation": relation, "sign": sign}
        self.rows.append({**ends, **more})


def _is_header(fields: list[str], after_blank: bool) -> bool:
    """Tell a header from an edge or a node of the same name: tables begin after an empty line."""
    if fields[0] == _NODES:
        return after_blank or fields[1:2] in (["PARTICIPANT_TYPE"], [_NAME])
    if fields[0] == _HEADER[0] or fields[:2] == _PATHWAY:
        return True
    # of a further table: neither an edge nor a node has nothing but words in capitals
    return after_blank and len(fields) > 1 and all(map(_CAPITALS.fullmatch, filter(None, fields)))


def _sign(file: Path, line: int, relation: str, known: Mapping[str, int]) -> int:
    sign = sign_of(relation, known)
    if sign is None:
        table = file.with_name(f"{file.stem}.edges.tsv")  # as write_network leaves it
        commons = relation in _COMMONS or relation == _HEADER[1]
        raise bad_line(
            file,
            line,
            f"unknown relation {relation!r}; known are {listing(known, 20)}. Say what it means "
            f"with signs={{{relation!r}: 0}}, or 1, or -1."
            + (f" It is one of Pathway Commons: signs={_DIALECT!r}." if commons else "")
            + (f" {table.name} beside it has the signs: read_edges." if table.exists() else ""),
        )
    return sign


def _directed(
    rows: list[dict[str, Any]], undirected: str, left_out: Counter[str], further: list[str]
) -> list[dict[str, Any]]:
    """Turn what is said in the passive; where there is no direction, make two edges or none."""
    there = {"source": "target", "target": "source"}
    there |= {f"{end}_name": f"{other}_name" for end, other in there.items()}
    found: list[dict[str, Any]] = []
    for row in rows:
        back = {name: row[there.get(name, name)] for name in row}
        if row["relation"] in _PASSIVE:
            found.append(back)
        elif row["relation"] not in _UNDIRECTED:
            found.append(row)
        elif undirected == "both":
            found += [row, back]
        else:
            left_out["row(s) without a direction"] += 1
    if turned := sum(row["relation"] in _PASSIVE for row in found):
        further.append(f"{turned:,} row(s) of a controlled consumption start at what controls it")
    return found


@dataclass(frozen=True)
class _Gates:
    """CellNOpt's gates: the sources of what enters each, with signs."""

    file: Path
    into: dict[str, list[tuple[str, int]]]
    known: dict[str, dict[tuple[str, int], None]] = field(default_factory=dict)

    @classmethod
    def of(cls, file: Path, rows: list[dict[str, Any]]) -> _Gates:
        ends = dict.fromkeys(row[end] for row in rows for end in ("source", "target"))
        into: dict[str, list[tuple[str, int]]] = {n: [] for n in ends if _GATE.fullmatch(n)}
        for row in rows:
            if row["target"] in into:
                into[row["target"]].append((row["source"], row["sign"]))
        return cls(file, into)

    def entering(self, gate: str, above: tuple[str, ...] = ()) -> dict[tuple[str, int], None]:
        """Return sources and signs of what enters a gate; for another gate what enters that one."""
        if gate in above:
            words = f"gates lead to themselves: {listing((*above, gate))}."
            raise bad_line(self.file, 1, words)
        check_depth(self.file, 1, len(above))
        if gate not in self.known:
            found: dict[tuple[str, int], None] = {}
            for source, sign in self.into[gate]:
                if source in self.into:
                    below = self.entering(source, (*above, gate))
                    found |= {(one, its * sign): None for one, its in below}
                else:
                    found[source, sign] = None
            self.known[gate] = found
        return self.known[gate]


def _dissolved(
    file: Path, rows: list[dict[str, Any]], left_out: Counter[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Let what enters a gate lead to where the gate leads; the rows stand where the gate's did."""
    gates = _Gates.of(file, rows)
    leading = {row["source"] for row in rows}
    lost = [len(ends) for gate, ends in gates.into.items() if gate not in leading]
    left_out["edge(s) to gates that lead nowhere"] = sum(lost)
    found: list[dict[str, Any]] = []
    for row in rows:
        gate = row["source"]
        if row["target"] in gates.into:
            continue
        if gate not in gates.into:
            found.append(row)
            continue
        below = gates.entering(gate)
        left_out["edge(s) from gates that nothing enters"] += not below
        check_size(file, 1, len(found) + len(below), "")
        found += [
            {**row, "source": one, "relation": gate, "sign": sign * row["sign"]}
            for one, sign in below
        ]
    return found, list(gates.into)
