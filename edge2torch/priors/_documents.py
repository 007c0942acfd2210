"""XML and JSON files: every fault with its line, nothing fetched, nothing that grows without bound."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from edge2torch.errors import Edge2TorchError
from edge2torch.priors._rows import FilePath, bad_line, read_text

DECLARATION = re.compile(r"\A<\?xml\s[^>]*\?>")
_DEEPEST = 200  # elements in each other; no format of networks comes near
_Start = Callable[[str, dict[str, str], int], None]


@dataclass(slots=True)
class Element:
    """An element of an XML file, and the line that it begins on; names are without namespaces."""

    name: str
    attributes: dict[str, str]
    line: int
    namespace: str = ""
    children: list[Element] = field(default_factory=list)

    def __getitem__(self, attribute: str) -> str:
        """Return an attribute, stripped; what is not there is blank."""
        return self.attributes.get(attribute, "").strip()

    def of(self, *names: str) -> Iterator[Element]:
        """Return the children of these names."""
        return (child for child in self.children if child.name in names)

    def below(self, *names: str) -> Iterator[Element]:
        """Return what lies below at any depth and has one of these names, in the file's order."""
        for child in self.children:
            if child.name in names:
                yield child
            yield from child.below(*names)


def scan_xml(
    file: Path,
    text: str,
    start: _Start,
    end: Callable[[str], None] | None = None,
    *,
    namespaces: bool = False,
    deepest: int = _DEEPEST,
) -> None:
    """Hand every element's name, attributes and line over.

    Entities are refused: those that are declared can grow without bound, and those that a DTD
    elsewhere declares would be left out without a word, which ``standalone`` turns into an error.
    """
    parser = expat.ParserCreate(namespace_separator=" " if namespaces else None)
    depth = 0

    def started(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > deepest:
            words = f"elements are nested over {deepest:,} deep."
            raise bad_line(file, parser.CurrentLineNumber, words)
        start(name, attributes, parser.CurrentLineNumber)

    def ended(name: str) -> None:
        nonlocal depth
        depth -= 1
        if end is not None:
            end(name)

    def entity(name: str, *_: object) -> None:
        raise bad_line(
            file,
            parser.CurrentLineNumber,
            f"the file declares an entity, {name!r}, which such a file has no use for. Remove it.",
        )

    parser.StartElementHandler, parser.EndElementHandler = started, ended
    parser.EntityDeclHandler = entity
    body = DECLARATION.sub(lambda found: "\n" * found[0].count("\n"), text, count=1)
    try:
        parser.Parse(f'<?xml version="1.0" standalone="yes"?>{body}', True)
    except expat.ExpatError as error:
        words = f"broken XML ({error}). Is the file cut short?"
        raise bad_line(file, error.lineno, words) from error
    except UnicodeEncodeError as error:
        raise bad_line(file, 1, f"characters that XML cannot hold ({error.reason}).") from error


def read_xml(path: FilePath, roots: tuple[str, ...], what: str) -> tuple[Path, Element]:
    """Return a file's root, which has one of these names."""
    file, text = read_text(path)
    top = Element("", {}, 0)
    open_ones = [top]

    def start(name: str, attributes: dict[str, str], line: int) -> None:
        namespace, _, local = name.rpartition(" ")
        plain = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        element = Element(local, plain, line, namespace)
        open_ones[-1].children.append(element)
        open_ones.append(element)

    def end(_: str) -> None:
        open_ones.pop()

    scan_xml(file, text, start, end, namespaces=True)
    root = top.children[0]
    if root.name not in roots:
        raise bad_line(
            file, root.line, f"the root is <{root.name}>, that of {what} is <{roots[0]}>."
        )
    return file, root


def read_json_text(path: FilePath) -> tuple[Path, Any]:
    """Return what a JSON file holds."""
    file, text = read_text(path)
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(found, ensure_ascii=False).encode()  # halves of characters are no text
    except json.JSONDecodeError as error:
        words = f"broken JSON ({error.msg}). Is the file cut short?"
        raise bad_line(file, error.lineno, words) from error
    except UnicodeEncodeError as error:
        raise bad_line(file, 1, "an escaped character is half of one (\\ud800).") from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits; nesting without end
        raise bad_line(file, 1, f"broken JSON ({error}).") from error
    return file, found


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is not a number that JSON knows")


def wrong(file: Path, where: str, problem: str) -> Edge2TorchError:
    """Return an error about a part of a file that has no line of its own."""
    return Edge2TorchError(f"{file}: {where}: {problem}")
