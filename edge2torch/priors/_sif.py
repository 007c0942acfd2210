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
    if of_commons and text.lstrip().split("\t", 1)[0].strip() == _HEADER[0]:
        lines.extended(file, io.StringIO(text, newline=None), known)
    else:
        lines.plain(file, io.StringIO(text, newline=None), known)
    rows, left_out = lines.rows, Counter[str]()
    further: list[str] = []
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

    def extended(self, file: Path, lines: Iterable[str], known: Mapping[str, int]) -> None:
        """Take a table of edges with a header, and one of nodes below an empty line."""
        header: list[str] = []
        names: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            fields = [part.strip() for part in line.split("\t")]
            if not any(fields):
                continue
            is_header = fields[0] in (_HEADER[0], _NODES) or fields[:2] == _PATHWAY
            header = fields if is_header else header
            if is_header or header[:2] == _PATHWAY:  # what a pathway is called is no node or edge
                continue
            if len(fields) > len(header):
                words = f"{len(header)} fields were expected by the header, found {len(fields)}."
                raise bad_line(file, number, words)
            row: dict[str, Any] = dict(zip(header, fields, strict=False))
            if header[0] == _NODES:
                names[fields[0]] = row.get(_NAME, "")
                continue
            if not all(row.get(name) for name in _HEADER):
                raise bad_line(file, number, f"source, relation or target is blank: {shown(line)}.")
            source, relation, target = (row.pop(name) for name in _HEADER)
            more = {name: row.get(name) or None for name in header if name not in ("", *_HEADER)}
            sign = _sign(file, number, relation, known)
            ends: dict[str, Any] = {
                "source": source,
                "target": target,
                "relation": relation,
                "sign": sign,
            }
            self.rows.append({**ends, **{k: v for k, v in more.items() if k not in ends}})
        for row in self.rows:
            for end in ("source", "target"):
                row[f"{end}_name"] = names.get(row[end]) or None
        self.alone |= dict.fromkeys(filter(None, names))


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
