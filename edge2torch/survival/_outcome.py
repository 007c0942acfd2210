"""How long each patient was watched, and whether the event was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edge2torch._core.checks import check_type, shown
from edge2torch._core.columns import numbers_of
from edge2torch._core.messages import listing, plural
from edge2torch._core.names import nearest
from edge2torch._core.samples import by_sample
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import CoxLoss, Ties

_EVENTS = {"1", "dead", "deceased", "died", "death", "event", "relapse", "recurrence", "yes", "true"}  # fmt: skip
_MOST_CODES = 10  # values of a column that are listed, when one of them has to be chosen


@dataclass(frozen=True, eq=False)
class Outcome:
    """Times to an event, right censored.

    Parameters
    ----------
    time : array, shape (n,)
        Of the event, or of the last look, in any unit: finite and at least 0.
    event : array of bool or of 0 and 1, shape (n,)
        Whether the event was seen; 0 is censored.
    entry : array, shape (n,), optional
        When a patient came under observation, before its time: at risk where ``entry < t <= time``.
    strata : array, shape (n,), optional
        Such as the study or centre: each has a baseline hazard of its own.

    Raises
    ------
    Edge2TorchError
        For values that are missing or out of range, with their rows.

    Examples
    --------
    >>> outcome = Outcome(time=[2.0, 5.0, 3.5], event=[1, 0, 1])
    >>> len(outcome), outcome.n_events
    (3, 2)
    """

    time: NDArray[np.float64]
    event: NDArray[np.bool_]
    entry: NDArray[np.float64] | None = None
    strata: NDArray[np.str_] | None = None
    # Patients by name, where a Series gave them: whatever is set beside an outcome is put into this order.
    names: ClassVar[pd.Index[Any] | None] = None

    def __post_init__(self) -> None:
        names = _row_names(self.time, self.event, self.entry, self.strata)
        object.__setattr__(self, "names", names)
        for argument in ("time", "event", "entry", "strata"):
            given = getattr(self, argument)
            object.__setattr__(self, argument, in_order(argument, given, names))
        time = _numbers("time", self.time, names)
        n = len(time)
        if (bad := np.flatnonzero(~np.isfinite(time) | (time < 0))).size:
            raise Edge2TorchError(
                f"{_called('time', self.time)} must be finite and at least 0, and is not for {_rows(bad, names)}: found "
                f"{listing(time[bad].tolist())}."
            )
        flags = _numbers("event", self.event, names, n)
        if odd := sorted(set(flags.tolist()) - {0.0, 1.0}):
            raise Edge2TorchError(
                f"{_called('event', self.event)} must be 0 (censored) or 1 (event), found {listing(odd)}. Say which value is "
                "the event: outcome_of(..., event_value=1)."
            )
        entry = self.entry
        if entry is not None:
            entry = _numbers("entry", entry, names, n)
            if (bad := np.flatnonzero(~(entry < time))).size:
                raise Edge2TorchError(
                    f"{_called('entry', self.entry)} must be before {_called('time', self.time)}, and is not for "
                    f"{_rows(bad, names)}."
                )
        strata = self.strata
        if strata is not None:
            if np.shape(strata) != (n,):
                raise Edge2TorchError(f"strata must have shape ({n},), found {np.shape(strata)}.")
            given = pd.Series(np.asarray(strata, object))
            if (bad := np.flatnonzero(given.isna())).size:
                raise Edge2TorchError(
                    f"{_called('strata', self.strata)} is missing for {_rows(bad, names)}."
                )
            strata = given.astype(str).to_numpy(str)
        for name, value in {
            "time": time,
            "event": flags.astype(bool),
            "entry": entry,
            "strata": strata,
        }.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.time)

    @property
    def n_events(self) -> int:
        """Patients whose event was seen."""
        return int(self.event.sum())

    def take(self, rows: ArrayLike) -> Outcome:
        """Return the outcome of some patients.

        Parameters
        ----------
        rows : array of int or bool
            Row numbers, or which rows.

        Returns
        -------
        Outcome
        """
        which = np.asarray(rows)
        return replace(
            self,
            time=self.time[which],
            event=self.event[which],
            entry=None if self.entry is None else self.entry[which],
            strata=None if self.strata is None else self.strata[which],
        )

    def loss(self, ties: Ties = "efron") -> CoxLoss:
        """Return the partial likelihood's loss over these patients' risk sets.

        Parameters
        ----------
        ties : {"efron", "breslow"}
            How events at the same time are counted.

        Returns
        -------
        CoxLoss
            To be called with log hazards (n,).
        """
        return CoxLoss(self.time, self.event, entry=self.entry, strata=self.strata, ties=ties)

    def by_stratum(self) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Give the name and the row numbers of each stratum; of one without a name, all rows.

        Yields
        ------
        tuple of (str, ndarray)
        """
        if self.strata is None:
            yield "", np.arange(len(self))
            return
        for name in np.unique(self.strata):
            yield str(name), np.flatnonzero(self.strata == name)


def outcome_of(
    table: pd.DataFrame,
    time: str,
    event: str,
    *,
    event_value: Any = None,
    entry: str | None = None,
    strata: str | None = None,
) -> tuple[Outcome, list[str]]:
    """Read an outcome from the columns of a table.

    Parameters
    ----------
    table : DataFrame
        A row per patient.
    time, event : str
        Columns of the time, in any unit, and of whether the event was seen: 0 and 1, or booleans,
        unless ``event_value`` says which value is the event.
    event_value : optional
        Value of the event. All others are censored, also where they are events of another kind.
    entry, strata : str, optional
        Columns of when a patient came under observation, and of the stratum.

    Returns
    -------
    tuple of (Outcome, list of str)
        And what is to be known about it, as sentences.

    Raises
    ------
    Edge2TorchError
        For columns that are not there, dates, values out of range, no event at all, and all events
        at one time.

    Examples
    --------
    >>> table = pd.DataFrame({"days": [10, 40, 35], "status": ["dead", "alive", "dead"]})
    >>> outcome, notes = outcome_of(table, "days", "status", event_value="dead")
    >>> outcome.event.tolist()
    [True, False, True]
    """
    check_type("table", table, pd.DataFrame, "a DataFrame with a row per patient")
    asked = {"time": time, "event": event, "entry": entry, "strata": strata}
    for argument, name in asked.items():
        if not isinstance(name, str | int) and (name is not None or argument in ("time", "event")):
            raise Edge2TorchError(f"{argument} must be the name of a column, found {shown(name)}.")
        if name is not None and name not in table.columns:
            hint = nearest(str(name), [str(column) for column in table.columns])
            raise Edge2TorchError(f"{argument}: there is no column {name!r} in the table.{hint}")
    given = {name: column for name, column in asked.items() if column is not None}
    twice = [column for column in given.values() if list(given.values()).count(column) > 1]
    if twice:
        raise Edge2TorchError(
            f"{' and '.join(k for k, v in given.items() if v == twice[0])} name the same column "
            f"{twice[0]!r}."
        )
    for argument in ("time", "entry"):
        if argument in given:
            _refuse_dates(argument, table[given[argument]])
    flags, notes = _events(table[event], event_value)
    columns: list[Any] = [
        table[time],
        flags,
        *(None if name is None else table[name] for name in (entry, strata)),
    ]
    outcome = Outcome(*columns)
    return outcome, [*notes, *check_outcome(outcome, given)]


def require_outcome(outcome: Any, argument: str = "outcome") -> None:
    """Refuse what is not an outcome; a pair is what :func:`outcome_of` returns."""
    wanted = "an Outcome: Outcome(time, event), or the first of what outcome_of() returns"
    check_type(argument, outcome, Outcome, wanted)


def check_outcome(outcome: Outcome, columns: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """Refuse what no model can be fitted to; return what is to be known, as sentences.

    ``columns`` says what time, event and strata are called by the user.
    """

    def called(role: str) -> str:
        return f"{role} {columns[role]!r}" if columns.get(role, role) != role else role

    if not outcome.n_events:
        raise Edge2TorchError(
            f"{called('event')}: all patients are censored, so there is nothing to learn from. Is 1 the event?"
        )
    when = outcome.time[outcome.event]
    if len(outcome) > 1 and (when == when[0]).all():
        raise Edge2TorchError(
            f"{called('time')}: {plural('event', len(when))} at one time, {when[0]:g}, and no other: nothing tells who "
            "has it sooner."
        )
    notes = []
    if zero := int((outcome.time == 0).sum()):
        notes.append(
            f"{plural('patient', zero)} {'has' if zero == 1 else 'have'} time 0: at risk at events at "
            "time 0 only."
        )
    bare = [name for name, rows in outcome.by_stratum() if not outcome.event[rows].any()]
    if bare:
        notes.append(
            f"Without an event, and so of no weight: {called('strata')}, of value {listing(bare)}."
        )
    return notes


def _events(column: pd.Series, value: Any) -> tuple[pd.Series, list[str]]:
    """Which patients had the event."""
    if (bad := np.flatnonzero(column.isna())).size:
        raise Edge2TorchError(f"event: {column.name!r} is missing for {_rows(bad, column.index)}.")
    if column.dtype == object:  # lists and what else cannot be told apart as it is
        kept = (bool, int, float, str, np.generic)
        column = column.map(lambda one: one if isinstance(one, kept) else str(one))
    values = sorted(set(column.tolist()), key=str)
    if value is None:
        if set(values) <= {0, 1} and not any(isinstance(one, str) for one in values):
            return column.astype(int), []
        as_text = [str(one) for one in values]
        if set(as_text) <= {"0", "1"}:
            return column.astype(str).astype(int), []
        raise Edge2TorchError(
            f"event: {column.name!r} holds {listing(values, _MOST_CODES)}, not 0 (censored) and 1 "
            f"(event). {_which_event(values)}"
        )
    is_event = column.map(lambda one: _same(one, value))
    if not is_event.any():
        raise Edge2TorchError(
            f"event_value: no patient has {value!r} in {column.name!r}, which holds "
            f"{listing(values, _MOST_CODES)}."
        )
    others = sorted({str(one) for one in column[~is_event]})
    if len(others) > 1:
        return is_event.astype(int), [
            (
                f"{column.name!r} holds {listing(others, _MOST_CODES)} beside {str(value)!r}: all are taken "
                "for censored. If one of them is another event, what is modelled is the cause-specific "
                "hazard, and 1 - Kaplan-Meier is not the probability of the event."
            )
        ]
    return is_event.astype(int), []


def _which_event(values: list[Any]) -> str:
    """What to do about codes other than 0 and 1."""
    if len(values) > _MOST_CODES and not any(isinstance(one, str) for one in values):
        return f"These are {len(values):,} values: are time and event exchanged?"
    if {str(one).removesuffix(".0") for one in values} == {"1", "2"}:
        two = next(one for one in values if _same(one, 2))
        return (
            "R's survival codes 1 for censored and 2 for the event; where that is so, say "
            f"event_value={two!r}. Where 1 is the event and 2 another end, say event_value=1."
        )
    likely = next((one for one in values if str(one).strip().lower() in _EVENTS), values[-1])
    return f"Say which is the event: event_value={likely!r}, for instance."


def _same(one: Any, value: Any) -> bool:
    """Whether two values are the same, as numbers where both are, or as they are written."""
    try:
        return float(one) == float(value)
    except (TypeError, ValueError):
        return str(one).strip() == str(value).strip()


def _refuse_dates(argument: str, column: pd.Series) -> None:
    kind = column.dtype
    is_date = pd.api.types.is_datetime64_any_dtype(kind)
    if not is_date and not pd.api.types.is_numeric_dtype(kind):
        text = column.dropna().astype(str)
        is_date = len(text) > 0 and bool(
            text.str.match(r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}").all()
        )
    if is_date:
        raise Edge2TorchError(
            f"{argument}: {column.name!r} holds dates. Give a duration in one unit, such as days "
            "from diagnosis: (last - first).dt.days."
        )


def _called(argument: str, values: Any) -> str:
    """Name an argument, and the column that it was given by."""
    name = values.name if isinstance(values, pd.Series) else None
    return argument if name is None or str(name) == argument else f"{argument} {str(name)!r}"


def in_order(argument: str, values: Any, names: pd.Index[Any] | None) -> Any:
    """Put values by patient into the order of an outcome's names, where both have any."""
    return values if names is None else by_sample(argument, values, names)


def _row_names(*values: Any) -> pd.Index[Any] | None:
    return next((one.index for one in values if isinstance(one, pd.Series)), None)


def _rows(positions: NDArray[np.int64], names: pd.Index[Any] | None) -> str:
    found = positions.tolist() if names is None else names[positions].tolist()
    return f"{plural('row', len(found))} ({listing(found)})"


def _is_plain(value: Any) -> bool:
    return bool(np.isscalar(value)) and not isinstance(value, complex | bytes)


def _numbers(
    argument: str, values: Any, names: pd.Index[Any] | None, n: int | None = None
) -> NDArray[np.float64]:
    argument = _called(argument, values)
    found = np.asarray(values)
    if found.ndim != 1 or not len(found) or (n is not None and len(found) != n):
        wanted = "(n,), n at least 1" if n is None else f"({n},), as time"
        raise Edge2TorchError(f"{argument} must have shape {wanted}, found {found.shape}.")
    if found.dtype.kind in "biuf":
        column = pd.Series(found)
    else:  # text of numbers counts as what it says, a list as no number
        plain = [one if one is None or _is_plain(one) else str(one) for one in found]
        column = pd.Series(plain, dtype=object)
    numbers = numbers_of(column)
    missing = column.isna().to_numpy()
    if (bad := np.flatnonzero(np.isnan(numbers) & ~missing)).size:
        raise Edge2TorchError(
            f"{argument} must hold numbers, and does not for {_rows(bad, names)}: found "
            f"{listing(found[bad].tolist())}."
        )
    if (bad := np.flatnonzero(missing)).size:
        raise Edge2TorchError(f"{argument} is missing for {_rows(bad, names)}. Leave them out.")
    return numbers
