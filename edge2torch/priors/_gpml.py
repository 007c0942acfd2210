"""WikiPathways' drawings in GPML files, of the dialects 2013a and 2021."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch.priors._documents import Element, read_xml
from edge2torch.priors._edges import JOINED_BY
from edge2torch.priors._network import (
    check_depth,
    check_size,
    network_table,
    no_edges,
    without_names,
)
from edge2torch.priors._rows import FilePath, bad_line

# What the later dialect calls the arrowheads and the databases of the earlier one.
_HEADS = {
    "arrow": "directed",
    "tbar": "inhibition",
    "line": "undirected",
    "": "undirected",
    "mim-modification": "conversion",
    "mim-cleavage": "conversion",
    "mim-covalent-bond": "binding",
    "mim-necessary-stimulation": "stimulation",
    "mim-branching-left": "undirected",
    "mim-branching-right": "undirected",
    "mim-gap": "undirected",
    "transcriptiontranslation": "transcription-translation",
}
_DATABASES = {  # where it is not the same in small letters, with dots for blanks
    "entrez gene": "ncbigene",
    "enzyme nomenclature": "eccode",
    "gene ontology": "go",
    "hgnc": "hgnc.symbol",
    "mirbase sequence": "mirbase",
    "pubchem-compound": "pubchem.compound",
    "tair": "tair.locus",
    "uniprot-swissprot": "uniprot",
    "uniprot-trembl": "uniprot",
}
_SIGNS = {"inhibition": -1, "stimulation": 1, "catalysis": 1, "transcription-translation": 1}
_NONE = "undirected"
_INPUT = "input"  # a line without a head that ends on another: what that one takes too


def read_gpml(
    path: FilePath,
    *,
    names: Literal["xref", "label"] = "xref",
    undirected: Literal["drop", "both"] = "drop",
    groups: Literal["members", "node"] = "members",
    quiet: bool = False,
) -> pd.DataFrame:
    r"""Read a pathway of WikiPathways: its interactions, with their signs.

    Parameters
    ----------
    path : str or path
        A file of GPML 2013a or 2021.
    names : {"xref", "label"}
        Nodes are called by their entry in a database, such as ``ncbigene:5594``, and by their label
        where they have none; or all by their label.
    undirected : {"drop", "both"}
        What becomes of lines without a head: left out, or an edge each way.
    groups : {"members", "node"}
        An edge at a group is one at each of its members, or the group is a node, named by its
        members joined by ``|``.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per edge
        ``source``, ``target``, ``sign`` (inhibition -1; stimulation, catalysis and
        transcription-translation 1; others 0), ``relation`` in the words of the dialect of 2021,
        whichever the file has, and the labels as ``source_name`` and ``target_name``. What ends on
        another interaction acts on that one's target, and what starts there comes from its source.

    Raises
    ------
    Edge2TorchError
        With file and line: for broken XML, an older dialect, an id that is there twice, and a file
        of which no edge can be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("wp.gpml").write_text('''<Pathway xmlns="http://pathvisio.org/GPML/2013a">
    ... <DataNode TextLabel="ACE" GraphId="a"><Xref Database="Entrez Gene" ID="1636"/></DataNode>
    ... <DataNode TextLabel="Ang II" GraphId="b"><Xref Database="" ID=""/></DataNode>
    ... <Interaction><Graphics><Point GraphRef="a"/><Point GraphRef="b" ArrowHead="mim-catalysis"/>
    ... </Graphics></Interaction></Pathway>''')
    >>> read_gpml("wp.gpml", quiet=True)
              source  target  sign   relation source_name target_name
    0  ncbigene:1636  Ang II     1  catalysis         ACE      Ang II
    """
    check_choice("names", names, ("xref", "label"))
    check_choice("undirected", undirected, ("drop", "both"))
    check_choice("groups", groups, ("members", "node"))
    file, root = read_xml(path, ("Pathway",), "GPML")
    drawing = _Drawing.of(file, root, names, groups)
    left_out: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for line in drawing.lines:
        for edge in drawing.edges_of(line, undirected, left_out):
            check_size(file, line.at, len(rows) + len(edge.sources) * len(edge.targets), "")
            rows += [
                {"source": one, "target": two, "sign": edge.sign, "relation": edge.word}
                for one in map(drawing.name, edge.sources) for two in map(drawing.name, edge.targets)
            ]  # fmt: skip
    left_out["graphical line(s)"] = sum(1 for _ in root.below("GraphicalLine"))
    if not rows:
        raise no_edges(file, left_out)
    if names == "xref":
        for end in ("source", "target"):
            for row in rows:
                row[f"{end}_name"] = drawing.labels.get(row[end]) or None
    frame = network_table(file, rows, left_out, quiet=quiet)
    return without_names(frame)


@dataclass(frozen=True)
class _Line:
    """An interaction: what its first and last point refer to, and the heads there."""

    at: int
    ends: tuple[str, str]
    heads: tuple[str, str]

    def ways(self) -> list[tuple[int, int]]:
        """Return from which end to which it leads: a head at both is two ways, at none no way."""
        return [way for way in ((0, 1), (1, 0)) if self.heads[way[1]] != _NONE]


@dataclass(frozen=True)
class _Edge:
    sources: list[str]
    targets: list[str]
    sign: int
    word: str


@dataclass(frozen=True)
class _Drawing:
    """What may be an end of a line, by id."""

    file: Path
    groups: str
    nodes: dict[str, str] = field(default_factory=dict)  # name by id, of a state its node's
    members: dict[str, list[str]] = field(default_factory=dict)  # ids by id of a group
    anchors: dict[str, int] = field(default_factory=dict)  # number of the line by id
    lines: list[_Line] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)  # label by name of a node
    known: dict[tuple[str, bool], list[str]] = field(default_factory=dict)  # ends met so far

    @classmethod
    def of(cls, file: Path, root: Element, names: str, groups: str) -> _Drawing:
        new, words = cls(file, groups), _dialect(file, root)
        once = _Once(file, words.own)
        # a group is known by one id to its members and, in the earlier dialect, by another to lines
        called = {group[words.member_of]: once(group) for group in root.below("Group")}
        new._add_nodes(root, names, words, once)
        for member in root.below("DataNode", "Group"):
            known = member.name == "Group" or member[words.own] in new.nodes
            if known and (group := called.get(member[words.group])):
                new.members.setdefault(group, []).append(member[words.own])
        for interaction in root.below("Interaction"):
            points = list(interaction.below("Point"))
            if len(points) < 2:
                continue
            first, last = points[0], points[-1]
            for anchor in interaction.below("Anchor"):
                new.anchors[once(anchor)] = len(new.lines)
            heads, ends = (_head(first), _head(last)), (first[words.ref], last[words.ref])
            new.lines.append(_Line(interaction.line, ends, heads))
        for known_ids in (new.nodes, new.members, new.anchors):
            known_ids.pop("", None)  # what has no id is the end of no line
        return new

    def _add_nodes(self, root: Element, names: str, words: _Words, once: _Once) -> None:
        """Add nodes and their states; the lines of a node without a name end at nothing."""
        for node in root.below("DataNode"):
            number = once(node)
            name, label = _name_of(node, names)
            if name:
                self.nodes[number] = name
                self.labels.setdefault(name, label)
                self.nodes.update((once(state), name) for state in node.below("State"))
        for state in root.of("State"):  # of the earlier dialect, beside its node
            if state[words.ref] in self.nodes:
                self.nodes[once(state)] = self.nodes[state[words.ref]]

    def edges_of(self, line: _Line, undirected: str, left_out: Counter[str]) -> Iterator[_Edge]:
        """Yield the edges that a line stands for; count it where it has none."""
        ways = line.ways()
        onto = [end for end in (1, 0) if line.ends[end] in self.anchors]
        if not ways and onto:
            sources = self._found(line.ends[1 - onto[0]], False)
            targets = self._found(line.ends[onto[0]], True)
            if sources and targets:
                yield _Edge(sources, targets, 0, _INPUT)
                return
        elif not ways and undirected == "both":
            ways = [(0, 1), (1, 0)]
        elif not ways and all(self._found(end, True) for end in line.ends):
            left_out["line(s) without a direction"] += 1
            return
        found = False
        for start, stop in ways:
            sources = self._found(line.ends[start], False)
            targets = self._found(line.ends[stop], True)
            if sources and targets:
                found = True
                word = line.heads[stop]
                yield _Edge(sources, targets, self._sign(line, stop), word)
        if not found:
            free = "" in line.ends
            left_out["open end(s)" if free else "end(s) at a label, a shape or nothing"] += 1

    def name(self, end: str, above: frozenset[str] = frozenset()) -> str:
        """Return what a node is called; a group is called by its members."""
        if end in self.nodes or end in above:
            return self.nodes.get(end, "")
        parts = [self.name(member, above | {end}) for member in self.members.get(end, ())]
        return JOINED_BY.join(dict.fromkeys(filter(None, parts)))

    def _found(self, end: str, as_target: bool, above: frozenset[str] = frozenset()) -> list[str]:
        """Return the ids that an end stands for: of a group its members, of an anchor its line's."""
        if end in self.nodes:
            return [end]
        if end in above or not end:  # a group in itself, or lines that end on each other
            return []
        check_depth(self.file, 1, len(above))
        if (end, as_target) in self.known:
            return self.known[end, as_target]
        above |= {end}
        found: dict[str, None] = {}
        if end in self.members:
            for member in self.members[end]:
                found |= dict.fromkeys(self._found(member, as_target, above))
            if self.groups == "node" and found:
                found = {end: None}
        elif end in self.anchors:
            line = self.lines[self.anchors[end]]
            start, stop = self._way(line)
            at = stop if as_target else start
            found = dict.fromkeys(self._found(line.ends[at], as_target, above))
        if len(above) == 1:  # further down it may be cut short by what stands above
            self.known[end, as_target] = list(found)
        return list(found)

    def _way(self, line: _Line) -> tuple[int, int]:
        """Return the way of a line on which others end: as drawn, unless its head says otherwise."""
        ways = line.ways()
        if not ways:  # a line without a head leads to the line that it ends on
            ways = [(1, 0)] if line.ends[0] in self.anchors else [(0, 1)]
        return ways[0]

    def _sign(self, line: _Line, stop: int, above: frozenset[str] = frozenset()) -> int:
        """Return the sign of a head; what inhibits an inhibition raises its target."""
        check_depth(self.file, line.at, len(above))
        sign, end = _SIGNS.get(line.heads[stop], 0), line.ends[stop]
        if end in self.anchors and end not in above:
            other = self.lines[self.anchors[end]]
            if self._sign(other, self._way(other)[1], above | {end}) < 0:
                return -sign
        return sign


class _Words(NamedTuple):
    """What a dialect calls ids, references, the group of a member, and a group's id for members."""

    own: str
    ref: str
    group: str
    member_of: str


class _Once:
    """Returns an element's id, and refuses one that another element has."""

    def __init__(self, file: Path, own: str) -> None:
        self.file, self.own = file, own
        self.seen: dict[str, Element] = {}

    def __call__(self, element: Element) -> str:
        number = element[self.own]
        if number and (first := self.seen.setdefault(number, element)) is not element:
            words = f"the id {number!r} is there twice, first on line {first.line}."
            raise bad_line(self.file, element.line, words)
        return number


def _dialect(file: Path, root: Element) -> _Words:
    year = root.namespace.rpartition("/")[2]
    if year == "2013a":
        return _Words("GraphId", "GraphRef", "GroupRef", "GroupId")
    if year == "2021":
        return _Words("elementId", "elementRef", "groupRef", "elementId")
    raise bad_line(
        file,
        root.line,
        f"this is GPML {year or 'without a namespace'}; 2013a and 2021 are read. WikiPathways gives every "
        "pathway in both, and PathVisio saves older files anew.",
    )


def _name_of(node: Element, names: str) -> tuple[str, str]:
    """Return what a node is called, and its label."""
    label = " ".join((node["TextLabel"] or node["textLabel"]).split())
    for xref in node.of("Xref"):
        database = xref["Database"] or xref["dataSource"]
        number = xref["ID"] or xref["identifier"]
        if names == "xref" and database and number:
            plain = database.lower()
            return f"{_DATABASES.get(plain, plain.replace(' ', '.'))}:{number}", label
    return label, label


def _head(point: Element) -> str:
    word = (point["ArrowHead"] or point["arrowHead"]).lower()
    return _HEADS.get(word, word.removeprefix("mim-"))
