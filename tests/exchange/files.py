"""Files of networks, read as their own readers do: strictly, aspect by aspect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def _refuse(word: str) -> Any:
    raise AssertionError(f"{word} is no JSON")


def strict_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)


class Cx2:
    """Aspects of a file, and the order in which they stand."""

    def __init__(self, path: Path) -> None:
        document = strict_json(path)
        self.head, self.status = document[0], document[-1]
        self.parts = {name: part for one in document[1:-1] for name, part in one.items()}
        self.order = [name for one in document[1:-1] for name in one]
        self.declared = self.parts["attributeDeclarations"][0]
        self.about = self.parts["networkAttributes"][0]
        self.nodes = {one["v"]["represents"]: one for one in self.parts["nodes"]}
        self.edges = self.parts["edges"]
        self.style = self.parts.get("visualProperties", [None])[0]

    def pairs(self) -> list[tuple[str, str]]:
        called = {one["id"]: name for name, one in self.nodes.items()}
        return [(called[one["s"]], called[one["t"]]) for one in self.edges]
