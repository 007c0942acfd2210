"""What things are called in a report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """What samples, features, nodes and classes are called in a report, singular."""

    sample: str = "sample"
    feature: str = "feature"
    node: str = "node"
    group: str = "class"
