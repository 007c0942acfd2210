"""What a study is asked for, when the outcome is a time to an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from edge2torch._core.checks import check_choice, check_count, check_number
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import TIES, Ties

BINS = 10


@dataclass(frozen=True, eq=False)
class TimeToEvent:
    """Label of a study of times to an event: ``run_study(edges, data, TimeToEvent("years", "died"))``.

    Parameters
    ----------
    time, event : str or Series
        Columns of the samples' table, or values by sample: how long, and whether the event was seen.
    event_value : optional
        Value of the event; needed where the column does not hold 0 and 1.
    entry, strata : str or Series, optional
        When a patient came under observation; the stratum, which has a baseline hazard of its own.
    horizon : float, optional
        Time at which survival is predicted, and up to which predictions are judged; by default the
        time before which 80 % of the events are.
    ties : {"efron", "breslow"}
        How events at the same time are counted.
    survival : {"cox", "discrete"}
        What the network is trained for: one log hazard beside a common baseline, or a hazard for each
        of ``bins`` intervals of time (:class:`DiscreteTime`), which need not be proportional.
    bins : int
        Intervals of ``survival="discrete"``.
    permutations : int
        How often all is done again with the outcomes of patients exchanged, for p-values of the curves
        by risk and of the concordance: within strata, and within what ``covariates`` say (numbers in
        thirds). Each time costs what training costs; 999 are usual, 19 the least for p = .05.
    force_few_events : bool
        Go on with fewer than 20 events.

    Examples
    --------
    >>> TimeToEvent("years", "died").columns
    {'time': 'years', 'event': 'died'}
    """

    time: str | pd.Series
    event: str | pd.Series
    event_value: Any = None
    entry: str | pd.Series | None = None
    strata: str | pd.Series | None = None
    horizon: float | None = None
    ties: Ties = "efron"
    survival: Literal["cox", "discrete"] = "cox"
    bins: int = BINS
    permutations: int = 0
    force_few_events: bool = False

    def __post_init__(self) -> None:
        check_choice("ties", self.ties, TIES)
        check_choice("survival", self.survival, ("cox", "discrete"))
        if check_count("bins", self.bins, 2) != BINS and self.survival == "cox":
            raise Edge2TorchError(
                f"bins={self.bins} are intervals of survival='discrete', and Cox's model has none."
            )
        if self.survival == "discrete" and self.strata is not None:
            raise Edge2TorchError(
                "strata= have a baseline hazard each, which survival='discrete' does not have. Give the column to "
                "covariates=: each of its values then moves the hazard of every interval by itself."
            )
        if check_count("permutations", self.permutations, 0) and self.entry is not None:
            raise Edge2TorchError(
                "permutations= need patients who were watched from the start: with entry= a time may come before "
                "another patient's entry."
            )
        if self.horizon is not None:
            check_number("horizon", self.horizon, above=0)

    @property
    def task(self) -> str:
        """Name of the outcome among those of a study."""
        return "survival"

    @property
    def name(self) -> str:
        """What the event is called."""
        return self.event if isinstance(self.event, str) else str(self.event.name)

    @property
    def columns(self) -> Mapping[str, str | pd.Series]:
        """Where the values come from, by role."""
        asked = {"time": self.time, "event": self.event, "entry": self.entry, "strata": self.strata}
        return {role: column for role, column in asked.items() if column is not None}

    @property
    def options(self) -> Mapping[str, Any]:
        """What else was asked for."""
        return {
            "time": _name(self.time, "time"),
            "columns": {role: _name(column, role) for role, column in self.columns.items()},
            "event_value": self.event_value,
            "horizon": self.horizon,
            "ties": self.ties,
            "survival": self.survival,
            "bins": self.bins,
            "permutations": self.permutations,
            "force_few_events": self.force_few_events,
        }


def _name(column: str | pd.Series, role: str) -> str:
    if isinstance(column, str):
        return column
    return role if column.name is None else str(column.name)
