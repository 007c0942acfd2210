"""The options of ``run --task perturbation`` alone."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from edge2torch.errors import Edge2TorchError

Leave = Literal["condition", "treatment", "target", "combination", "dose", "time", "context"]

PriorMean = Literal["none", "graph_kernel"]


@dataclass(frozen=True)
class Treatments:
    """What was given and read, and what is held out."""

    design: Path | None = None
    readouts: Path | None = None
    midas: Path | None = None
    leave: Leave = "condition"
    rewired: int = 0
    prior_mean: PriorMean = "none"
    inner_folds: int = 0
    executor: int | None = None

    def refuse(self, task: str) -> None:
        """Refuse what no other task takes."""
        given = [one.name for one in fields(self) if getattr(self, one.name) != one.default]
        if given:
            raise Edge2TorchError(
                f"{given[0]}= is for task='perturbation' only, found task={task!r}."
            )
