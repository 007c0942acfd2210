"""Which outcome the label asks for, and the samples' values of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.study._outcomes import OUTCOMES, outcome_of
from edge2torch.study._outcomes._outcome import Label, Outcome, Task


class Asked(Protocol):
    """A label that is more than a column: ``label=`` takes any object that has these.

    ``columns`` is by role, as ``{"time": "years", "event": "died"}``, a column of the sample table or
    values by sample; ``options`` are plain values for the outcome's own use.
    """

    @property
    def task(self) -> str:
        """The row of the registry."""

    @property
    def name(self) -> str:
        """What it is called in sentences."""

    @property
    def columns(self) -> Mapping[str, str | pd.Series]:
        """Where its values come from."""

    @property
    def options(self) -> Mapping[str, Any]:
        """What else it says; JSON can hold it."""


def choose_task(label: Label, task: str, min_class_size: int, asked: Asked | None = None) -> Task:
    """Decide by the label's type, unless told; leave classes out that are too small to split.

    ``asked`` is the object that ``label=`` was, where it was more than a column.
    """
    name = str(label.name) if asked is None else asked.name
    if len(label) < 2:
        raise Edge2TorchError(
            f"label: {len(label)} sample(s) have a value of {name!r}; two are needed."
        )
    if asked is None and task == "auto":
        outcome, why = _suited(label)
        note = f"{outcome.name.capitalize()}: {name!r} {why}."
    else:
        if asked is not None and task not in ("auto", asked.task):
            raise Edge2TorchError(f"task: the label asks for {asked.task!r}, not for {task!r}.")
        outcome = outcome_of(task if asked is None else asked.task)
        note = f"{outcome.name.capitalize()} of {name!r}, as asked for."
    options = {} if asked is None else dict(asked.options)
    return outcome.read(label, name, [note], options, min_class_size)


def _suited(label: Label) -> tuple[Outcome, str]:
    """The first outcome of the registry that a label looks like, and why."""
    for name in OUTCOMES:
        outcome = outcome_of(name)
        if why := outcome.suits(label):
            return outcome, why
    raise Edge2TorchError(
        f"label: no task suits {label.name!r} ({label.dtype}). Name one by task=."
    )


def as_asked(label: Any) -> Asked | None:
    """Return the label as what it is, if it is more than a column or values by sample."""
    if label is None or isinstance(label, str | pd.Series):
        return None
    found: Asked = label
    if not all(hasattr(label, name) for name in ("task", "name", "columns", "options")):
        raise Edge2TorchError(
            "label must be the name of a column, a Series by sample, or an outcome, found a "
            f"{type(label).__name__}. Of values in the order of the samples make one: "
            "pd.Series(values, index=data.index), of an AnnData index=data.obs_names."
        )
    if found.task not in OUTCOMES:
        raise Edge2TorchError(
            f"label asks for the task {found.task!r}, which is not known: there are {listing(OUTCOMES)}."
        )
    return found
