"""Human names beside identifiers, where the edge table has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd


def read_labels(edges: pd.DataFrame) -> dict[str, str]:
    """Return ``name (identifier)`` by identifier, from ``source_name`` and ``target_name``."""
    labels: dict[str, str] = {}
    for side in ("source", "target"):
        column = f"{side}_name"
        if column not in edges:
            continue
        known = edges[[side, column]].dropna().drop_duplicates(side).astype(str)
        for node, name in known.itertuples(index=False, name=None):
            if name.strip() and name != node:
                labels.setdefault(node, f"{name} ({node})")
    return labels


def with_labels(table: Any, labels: Mapping[str, str]) -> Any:
    """Return a table with identifiers on its axes and in its ends replaced by labels."""
    if isinstance(table, Mapping):
        return {key: with_labels(own, labels) for key, own in table.items()}
    shown = table.rename(index=labels)
    if isinstance(table, pd.DataFrame):
        shown = shown.rename(columns=labels)
        ends = [side for side in ("source", "target") if side in table]
        shown = shown.assign(**{side: shown[side].replace(labels) for side in ends})
    return shown


def bare_labels(labels: Mapping[str, str], nodes: Iterable[str]) -> dict[str, str]:
    """What nodes are called in pictures: without the identifier, unless two bear the same name."""
    short = {node: label.removesuffix(f" ({node})") for node, label in labels.items()}
    times = Counter([*short.values(), *(node for node in nodes if node not in short)])
    return {node: name if times[name] == 1 else labels[node] for node, name in short.items()}
