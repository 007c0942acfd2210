"""KEGG's pathways in KGML files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from edge2torch._core.checks import check_choice, check_flag
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

# Phosphorylation, binding and their kin say nothing of up or down by themselves.
_SIGNS = {"activation": 1, "expression": 1, "inhibition": -1, "repression": -1}
_COMPOUND = ("compound", "hidden compound")  # kinds of subtype whose value is an entry
_NAMELESS = ("", "undefined")
_NO_GENES = ("path", "cpd", "gl", "dr")  # maps and molecules, whose prefixes stay


def read_kgml(
    path: FilePath,
    *,
    genes: Literal["each", "entry"] = "each",
    compounds: Literal["drop", "node"] = "drop",
    maps: Literal["drop", "keep"] = "drop",
    strip: bool = False,
    names: bool = False,
    quiet: bool = False,
) -> pd.DataFrame:
    r"""Read a pathway of KEGG: its relations between genes, with their signs.

    Parameters
    ----------
    path : str or path
        A KGML file, as KEGG's pages and its REST service give it (``.xml``, ``.kgml``).
    genes : {"each", "entry"}
        A box of the drawing may hold several genes: each of them is a node, or all are one, named
        by their ids joined by ``|``. Members of a group are taken each by each.
    compounds : {"drop", "node"}
        Whether small molecules are left out, with relations that end at them, or are nodes: a
        relation by way of a compound then leads through it.
    maps : {"drop", "keep"}
        What becomes of links to other pathways, which can serve as outputs.
    strip : bool
        Cut ``hsa:`` and the like off, if all genes have the same; ``path:`` and ``cpd:`` stay.
    names : bool
        Add ``source_name`` and ``target_name``: the first name in the box, where it is one gene's.
    quiet : bool
        Print no note.

    Returns
    -------
    DataFrame, one row per edge
        ``source``, ``target``, ``sign`` (activation and expression 1, inhibition and repression -1,
        anything else, and both, 0), ``relation``, the file's words joined by ``|``, and ``kind``,
        such as ``PPrel``.

    Raises
    ------
    Edge2TorchError
        With file and line: for a relation with an entry that is not there, an entry that is there
        twice, another root, and a file without relations, such as a map of nothing but reactions.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("map.xml").write_text('''<pathway name="path:hsa1">
    ... <entry id="1" name="hsa:5594 hsa:5595" type="gene"/><entry id="2" name="hsa:2002" type="gene"/>
    ... <relation entry1="1" entry2="2" type="PPrel"><subtype name="activation" value="--&gt;"/></relation>
    ... </pathway>''')
    >>> read_kgml("map.xml")
    [edge2torch] Note: map.xml: 2 edges, 2 positive and 0 negative.
         source    target  sign    relation   kind
    0  hsa:5594  hsa:2002     1  activation  PPrel
    1  hsa:5595  hsa:2002     1  activation  PPrel
    """
    check_choice("genes", genes, ("each", "entry"))
    check_choice("compounds", compounds, ("drop", "node"))
    check_choice("maps", maps, ("drop", "keep"))
    check_flag("strip", strip)
    check_flag("names", names)
    file, root = read_xml(path, ("pathway",), "KGML")
    boxes = _Boxes.of(file, root, genes)
    left_out: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for relation in root.of("relation"):
        for source, target, what in _edges_of(relation, boxes, compounds, maps, left_out):
            ends = [boxes.nodes(entry) for entry in (source, target)]
            if not all(ends):
                left_out["relation(s) with a box without a name"] += 1
                continue
            check_size(
                file, relation.line, len(rows) + len(ends[0]) * len(ends[1]), " Use genes='entry'."
            )
            rows += [
                {"source": one, "target": two, "sign": sign, "relation": what[0], "kind": what[1],
                 "source_name": boxes.labels.get(one), "target_name": boxes.labels.get(two)}
                for one in ends[0] for two in ends[1] for sign in what[2]
            ]  # fmt: skip
    if not rows:
        chemistry = sum(1 for _ in root.of("reaction"))
        raise no_edges(
            file,
            left_out,
            f" It has {chemistry:,} reaction(s): a map of chemistry, which says what becomes of what "
            "and not what acts on what. Take a signalling pathway."
            if chemistry
            else "",
        )
    frame = network_table(file, rows, left_out, further=_stripped(rows, strip), quiet=quiet)
    return without_names(frame) if names else frame.drop(columns=["source_name", "target_name"])


@dataclass(frozen=True)
class _Boxes:
    """The entries of a file: what each stands for."""

    file: Path
    by_id: dict[str, Element]
    genes: str
    labels: dict[str, str]  # the human name of a node, of boxes of a single gene
    known: dict[str, list[str]] = field(default_factory=dict)  # nodes of the groups met so far

    @classmethod
    def of(cls, file: Path, root: Element, genes: str) -> _Boxes:
        by_id: dict[str, Element] = {}
        labels: dict[str, str] = {}
        for entry in root.of("entry"):
            if (first := by_id.setdefault(entry["id"], entry)) is not entry:
                raise bad_line(
                    file,
                    entry.line,
                    f"entry {entry['id']!r} is there twice, first on line {first.line}.",
                )
            drawn = next((graphics["name"] for graphics in entry.of("graphics")), "")
            # of several genes it lists the names of the first alone, and is cut short by dots
            label = drawn.split(",")[0].removeprefix("TITLE:").removesuffix("...").strip()
            if len(entry["name"].split()) == 1 and label:
                labels.setdefault(entry["name"], label)
        return cls(file, by_id, genes, labels)

    def entry(self, at: Element, number: str) -> Element:
        """Return the entry of this id, which something on a line names."""
        if number not in self.by_id:
            raise bad_line(self.file, at.line, f"there is no entry {number!r}.")
        return self.by_id[number]

    def nodes(self, entry: Element, above: frozenset[str] = frozenset()) -> list[str]:
        """Return the nodes that an entry stands for: a group for those of its components."""
        if entry["type"] == "group" or any(entry.of("component")):
            if entry["id"] in above:
                raise bad_line(self.file, entry.line, f"group {entry['id']!r} contains itself.")
            if entry["id"] in self.known:
                return self.known[entry["id"]]
            above |= {entry["id"]}
            check_depth(self.file, entry.line, len(above))
            found: dict[str, None] = {}
            for component in entry.of("component"):
                found |= dict.fromkeys(self.nodes(self.entry(component, component["id"]), above))
            self.known[entry["id"]] = list(found)
            return list(found)
        ids = list(dict.fromkeys(entry["name"].split()))
        if " ".join(ids) in _NAMELESS:
            return []
        return ids if self.genes == "each" else [JOINED_BY.join(ids)]


def _edges_of(
    relation: Element, boxes: _Boxes, compounds: str, maps: str, left_out: Counter[str]
) -> Iterator[tuple[Element, Element, tuple[str | None, str | None, tuple[int, ...]]]]:
    """Yield the edges of a relation between entries, with words, kind and signs."""
    one, two = (boxes.entry(relation, relation[end]) for end in ("entry1", "entry2"))
    subtypes = [(kind["name"], kind) for kind in relation.of("subtype")]
    words = list(dict.fromkeys(word for word, _ in subtypes if word))
    types = {one["type"], two["type"]}
    if "missing interaction" in words:
        left_out["missing interaction(s)"] += 1
    elif maps == "drop" and (relation["type"] == "maplink" or "map" in types):
        left_out["link(s) to other maps"] += 1
    elif compounds == "drop" and (relation["type"] == "PCrel" or "compound" in types):
        left_out["relation(s) with compounds"] += 1
    else:
        # both an activation and an inhibition: two rows, of which joining makes one without a sign
        signs = tuple(dict.fromkeys(_SIGNS[word] for word in words if word in _SIGNS)) or (0,)
        kind = relation["type"]
        through = [
            boxes.entry(relation, kind["value"]) for word, kind in subtypes if word in _COMPOUND
        ]
        if compounds == "drop" or not through:
            yield one, two, (JOINED_BY.join(words) or None, kind or None, signs)
            return
        for compound in through:
            yield one, compound, ("compound", kind or None, (0,))
            yield compound, two, (JOINED_BY.join(words) or None, kind or None, signs)


def _stripped(rows: list[dict[str, Any]], strip: bool) -> list[str]:
    """Cut the prefix of the ids off in place, if there is one; else say why not."""
    if not strip:
        return []
    ids = [
        part for row in rows for end in ("source", "target") for part in row[end].split(JOINED_BY)
    ]
    prefixes = list(dict.fromkeys(name.partition(":")[0] for name in ids))
    of_genes = [prefix for prefix in prefixes if prefix not in _NO_GENES]
    if len(of_genes) > 1 or not all(":" in name for name in ids):
        shown = ", ".join(f"{prefix}:" for prefix in prefixes[:5])
        return [f"prefixes differ ({shown}) and stay"]
    for row in rows:
        for end in ("source", "target"):
            parts = [part.partition(":") for part in row[end].split(JOINED_BY)]
            row[end] = JOINED_BY.join(
                "".join(part) if part[0] in _NO_GENES else part[2] for part in parts
            )
    return []
