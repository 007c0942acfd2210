"""Scores of samples by attribution methods, by their names or by a user's function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd
from torch import nn

from edge2torch._core.messages import listing
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._attribute import attribute
from edge2torch.interpret._methods import METHODS, find_method

Scorer: TypeAlias = Callable[[nn.Module, Any], pd.DataFrame]
_QUICK = {
    "features": ("IntegratedGradients", "InputXGradient", "Saliency"),
    "nodes": (
        *("LayerConductance", "InternalInfluence", "LayerGradientXActivation"),
        *("LayerActivation", "NodeKnockout"),
    ),
}


@dataclass(frozen=True)
class Asker:
    """What is the same for every method and every model that is asked."""

    artifact: CompileArtifact
    data: Any
    output: Any
    seed: int

    def scores(self, model: nn.Module, scorer: str | Scorer) -> pd.DataFrame:
        """Samples × features or nodes."""
        if not isinstance(scorer, str):
            return scorer(model, self.data)
        target = METHODS[scorer].target
        which: Any = {"nodes": "hidden"} if target == "nodes" else {}
        table: pd.DataFrame = attribute(
            model,
            self.data,
            target,
            scorer,
            artifact=self.artifact,
            output=self.output if METHODS[scorer].needs_output else None,
            seed=self.seed,
            quiet=True,
            **which,
        ).frame()
        return table


def scorers_of(methods: Any, artifact: CompileArtifact) -> dict[str, str | Scorer]:
    """Return what computes each method's scores, by the name that it goes by."""
    if methods is None:
        kinds = ["features", *(["nodes"] if artifact.topology.hidden else [])]
        methods = [name for kind in kinds for name in _QUICK[kind]]
    if isinstance(methods, str):
        methods = [methods]
    given = methods if isinstance(methods, Mapping) else {one: one for one in methods}
    if not given:
        raise Edge2TorchError("methods is empty. Name at least one, or leave it out.")
    found: dict[str, str | Scorer] = {}
    for name, one in given.items():
        row = one if callable(one) else _scored(one)
        found[str(name) if isinstance(methods, Mapping) or callable(row) else str(row)] = row
    return found


def _scored(method: Any) -> str:
    """Return a known method's name; its target follows from it."""
    plain = "".join(letter for letter in str(method).lower() if letter.isalnum())
    for row in METHODS.values():
        if row.name.lower() == plain:
            if row.target == "edges":
                raise Edge2TorchError(
                    f"methods: {row.name} scores edges. Curves are drawn of features and nodes."
                )
            return row.name
    return find_method(method, "nodes" if plain.startswith("layer") else "features").name


def by_target(
    tables: Mapping[str, Any], artifact: CompileArtifact
) -> dict[str, dict[str, pd.DataFrame]]:
    """Sort tables of scores by what they score, and check that those of a kind score the same."""
    known = {"features": artifact.feature_names, "nodes": artifact.topology.hidden}
    found: dict[str, dict[str, pd.DataFrame]] = {}
    for name, table in tables.items():
        if not isinstance(table, pd.DataFrame) or not table.shape[1]:
            raise Edge2TorchError(
                f"methods: {name} must give a DataFrame, samples × features or nodes, found "
                f"{type(table).__name__}."
            )
        target = next((kind for kind, all_ in known.items() if {*table} <= {*all_}), "")
        if not target:
            odd = [one for one in table if one not in {*known["features"], *known["nodes"]}]
            raise Edge2TorchError(
                f"methods: {name} scores what is neither all features nor all hidden nodes: "
                f"{listing(odd or table.columns)}."
            )
        own = found.setdefault(target, {})
        first = next(iter(own.values()), table)
        if {*first} != {*table} or len(first) != len(table):
            raise Edge2TorchError(
                f"methods: {name} scores {len(table)} samples × {table.shape[1]} {target}, and "
                f"{next(iter(own))} {len(first)} × {first.shape[1]}. All must score the same."
            )
        own[name] = table[first.columns]
    return dict(sorted(found.items()))
