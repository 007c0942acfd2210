"""What a CX2 file holds: nodes and edges with attributes of the types that the file declares."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge2torch._core.messages import listing
from edge2torch.priors._documents import read_json_text, wrong
from edge2torch.priors._edges import JOINED_BY
from edge2torch.priors._rows import FilePath, bad_line

_READ = ("attributeDeclarations", "networkAttributes", "nodes", "edges")
_WHOLE = re.compile(r"[+-]?\d{1,30}")
_LIST = "list_of_"


@dataclass(frozen=True)
class Item:
    """A node, or an edge with its ends."""

    number: int
    values: dict[str, Any]
    ends: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Network:
    """A CX2 file: aliases replaced, defaults filled in, values of their types."""

    path: Path
    about: dict[str, Any]
    nodes: dict[int, Item]
    edges: list[Item]
    types: dict[
        str, dict[str, str]
    ]  # of what, such as "edges", by attribute; "" where not declared


def read_network(path: FilePath) -> Network:
    """Read a CX2 file; its parts may come in pieces and in any order."""
    file, document = read_json_text(path)
    parts = _parts(file, document)
    declared: dict[str, dict[str, dict[str, Any]]] = {}
    for piece in parts["attributeDeclarations"]:
        for what, attributes in _object(file, "attributeDeclarations", piece).items():
            for name, rule in _object(file, what, attributes).items():
                declared.setdefault(what, {})[name] = _object(file, f"{what}, {name!r}", rule)
    readers = {what: _Values(file, what, declared.get(what, {})) for what in _READ[1:]}
    about: dict[str, Any] = {}
    for piece in parts["networkAttributes"]:
        about |= readers["networkAttributes"].read(piece, "the network", defaults=False)
    nodes: dict[int, Item] = {}
    for node in _items(file, "nodes", parts["nodes"]):
        number = _number(file, "nodes: an id", node.get("id"))
        if number in nodes:
            raise wrong(file, "nodes", f"the id {number} is there twice.")
        nodes[number] = Item(number, readers["nodes"].read(node.get("v"), f"node {number}"))
    edges: list[Item] = []
    seen: set[int] = set()
    for edge in _items(file, "edges", parts["edges"]):
        number = _number(file, "edges: an id", edge.get("id"))
        if number in seen:
            raise wrong(file, "edges", f"the id {number} is there twice.")
        seen.add(number)
        source, target = (_number(file, f"edge {number}: {end!r}", edge.get(end)) for end in "st")
        if unknown := [end for end in (source, target) if end not in nodes]:
            raise wrong(file, f"edge {number}", f"there is no node {listing(unknown)}.")
        values = readers["edges"].read(edge.get("v"), f"edge {number}")
        edges.append(Item(number, values, (source, target)))
    return Network(
        file, about, nodes, edges, {what: reader.types for what, reader in readers.items()}
    )


def _parts(file: Path, document: Any) -> dict[str, list[Any]]:
    """Return the pieces of each aspect, put together; check that the file is whole."""
    blocks = document if isinstance(document, list) else []
    if isinstance(document, dict) and "elements" in document:
        raise bad_line(
            file,
            1,
            "a CX2 file is an array of objects; this is JSON of Cytoscape.js, which is written and not read. Write .cx2 or .graphml, as "
            "Cytoscape does, too.",
        )
    if not blocks or not all(isinstance(block, dict) for block in blocks):
        raise bad_line(file, 1, "a CX2 file is an array of objects, [{...}, ...]; this is not.")
    version = str(blocks[0].get("CXVersion", "1"))
    if version.partition(".")[0] != "2":
        raise bad_line(
            file,
            1,
            f"this is CX of version {version}, and version 2 is read. Cytoscape (File, Export, "
            "Network to File) and NDEx (Download) save networks as CX2.",
        )
    parts: dict[str, list[Any]] = {name: [] for name in (*_READ, "metaData", "status")}
    for block in blocks[1:]:
        for name in block.keys() & parts.keys():
            if not isinstance(block[name], list):
                raise wrong(file, name, "a list was expected.")
            parts[name] += block[name]
    _check_whole(file, parts)
    return parts


def _check_whole(file: Path, parts: dict[str, list[Any]]) -> None:
    status = parts["status"][-1] if parts["status"] else None
    if not isinstance(status, dict):
        raise wrong(file, "status", "there is none at the end: the file is cut short.")
    if status.get("success") is not True:
        said = status.get("error") or "no reason is given"
        raise wrong(file, "status", f"the program that wrote it failed: {str(said)[:200]}.")
    for entry in parts["metaData"]:
        if not isinstance(entry, dict) or entry.get("name") not in _READ:
            continue
        name, count = entry["name"], entry.get("elementCount")
        if count is not None and count != len(parts[name]):
            raise wrong(
                file,
                name,
                f"metaData says {str(count)[:20]} element(s), there are {len(parts[name]):,}. Is the file cut short?",
            )


def _items(file: Path, what: str, pieces: list[Any]) -> Iterator[dict[str, Any]]:
    for piece in pieces:
        yield _object(file, what, piece)


def _object(file: Path, where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(file, where, f"an object was expected, found {_shown(value)}.")
    return value


def _number(file: Path, where: str, value: Any) -> int:
    """Return an id; some programs write it as text."""
    try:
        return _whole(value)
    except (ValueError, TypeError, OverflowError):
        raise wrong(file, where, f"a whole number was expected, found {_shown(value)}.") from None


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}..."


class _Values:
    """Turns what stands at one kind of element into values by name."""

    def __init__(self, file: Path, what: str, declared: Mapping[str, Mapping[str, Any]]) -> None:
        self.file, self.what = file, what
        self.types: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.defaults: dict[str, Any] = {}
        for name, rule in declared.items():
            kind = rule.get("d") or "string"
            if not isinstance(kind, str) or kind.removeprefix(_LIST) not in _CASTS:
                raise wrong(file, f"{what}, {name!r}", f"unknown type {_shown(kind)}.")
            self.types[name] = kind
            if rule.get("a") is not None:
                self.names[str(rule["a"])] = name
            if rule.get("v") is not None:  # false and 0 are defaults like any other
                self.defaults[name] = self._cast(name, rule["v"], "the default")

    def read(self, given: Any, where: str, *, defaults: bool = True) -> dict[str, Any]:
        """Return an element's values; null is missing, what is not declared is text."""
        found: dict[str, Any] = {}
        for key, value in _object(self.file, where, {} if given is None else given).items():
            name = self.names.get(key, key)
            if name in found:
                raise wrong(self.file, where, f"{name!r} is there twice, by name and by alias.")
            found[name] = self._cast(name, value, where)
        return {**self.defaults, **found} if defaults else found

    def _cast(self, name: str, value: Any, where: str) -> Any:
        if value is None:
            return None
        kind = self.types.setdefault(name, "")
        try:
            if not kind.startswith(_LIST):
                return _CASTS[kind](value)
            if not isinstance(value, list):
                raise TypeError
            items = [_CASTS[kind.removeprefix(_LIST)](item) for item in value]
        except (ValueError, TypeError, OverflowError):
            raise wrong(
                self.file,
                f"{self.what}, {where}",
                f"{name!r} is declared as {kind}, found {_shown(value)}.",
            ) from None
        return tuple(items)


def as_text(value: Any) -> str:
    """Return a value as a table shows it; of a list its parts, joined by ``|``."""
    return JOINED_BY.join(map(_text, value)) if isinstance(value, tuple) else _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _double(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    number = float(value)
    if not math.isfinite(number) or (isinstance(value, str) and "_" in value):
        raise ValueError
    return number


def _whole(value: Any) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise TypeError
    return int(value)


def _boolean(value: Any) -> bool:
    word = value.strip().lower() if isinstance(value, str) else value
    if isinstance(word, list | dict) or word not in ("true", "false", 0, 1):
        raise TypeError
    return word in ("true", 1)


_CASTS: dict[str, Callable[[Any], Any]] = {
    "": _text,
    "string": _text,
    "double": _double,
    "integer": _whole,
    "long": _whole,
    "boolean": _boolean,
}
