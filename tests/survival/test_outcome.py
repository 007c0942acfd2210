"""What is taken for an outcome, and what is said of what is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.survival import Outcome, outcome_of, simulate, survival_folds
from tests.survival.cohort import ENTRY, EVENT, SITE, TIME

PATIENTS = pd.DataFrame(
    {
        "days": [10.0, 20.0, 30.0, 0.0],
        "died": [1, 0, 1, 0],
        "status": ["dead", "alive", "dead", "lost"],
    },
    index=["p1", "p2", "p3", "p4"],
)


def test_columns_are_read() -> None:
    table = PATIENTS.assign(since=[0, 5, 10, -1], site=["a", "a", "b", "c"])
    outcome, notes = outcome_of(table, "days", "died", entry="since", strata="site")
    assert outcome.time.tolist() == [10, 20, 30, 0]
    assert outcome.event.tolist() == [True, False, True, False]
    assert outcome.entry is not None
    assert outcome.entry.tolist() == [0, 5, 10, -1]
    assert [(name, rows.tolist()) for name, rows in outcome.by_stratum()] == [
        ("a", [0, 1]),
        ("b", [2]),
        ("c", [3]),
    ]
    assert notes == [
        "1 patient has time 0: at risk at events at time 0 only.",
        "Without an event, and so of no weight: strata 'site', of value 'c'.",
    ]


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "float32", "str", "boolean", "Int64", "category"]
)
def test_events_come_in_many_types(dtype: str) -> None:
    table = PATIENTS.assign(died=PATIENTS["died"].astype(dtype))
    outcome, _ = outcome_of(table, "days", "died")
    assert outcome.event.tolist() == [True, False, True, False]


def test_an_event_by_its_value_censors_the_others_and_says_so() -> None:
    outcome, notes = outcome_of(PATIENTS, "days", "status", event_value="dead")
    assert outcome.event.tolist() == [True, False, True, False]
    assert notes[0].startswith(
        "'status' holds 'alive', 'lost' beside 'dead': all are taken for censored."
    )
    assert "cause-specific hazard" in notes[0]
    codes = PATIENTS.assign(died=[1, 0, 2, 1])
    outcome, _ = outcome_of(codes, "days", "died", event_value="1")
    assert outcome.event.tolist() == [True, False, False, True]


def test_time_and_event_exchanged_are_asked_about_and_no_time_is_suggested() -> None:
    many = pd.DataFrame({"days": np.linspace(0.5, 9, 12), "died": [0, 1] * 6})
    with pytest.raises(Edge2TorchError, match="12 values: are time and event exchanged") as told:
        outcome_of(many, "died", "days")
    assert "event_value" not in str(told.value)


@pytest.mark.parametrize(
    ("columns", "asked", "message"),
    [
        (
            {"died": [1, 0, 2, 0]},
            {},
            "'died' holds 0, 1, 2, not 0 .* Say which is the event: event_value=1, for",
        ),
        (
            {"died": [1, 2, 1, 2]},
            {},
            "R's survival codes 1 for censored and 2 for the event; .* say event_value=2",
        ),
        ({}, {"event": "status"}, "'status' holds 'alive', 'dead', 'lost', not 0 "),
        ({}, {"event": "status", "event_value": "gone"}, "no patient has 'gone' in 'status'"),
        ({"died": [1, None, 0, 1]}, {}, r"event: 'died' is missing for 1 row \('p2'\)"),
        ({"days": [1, 2, None, 4]}, {}, r"time 'days' is missing for 1 row \('p3'\)"),
        ({"days": [1, -2, 3, 4]}, {}, r"time 'days' must be .* for 1 row \('p2'\): found -2.0"),
        (
            {"days": ["1", "2", "long", "4"]},
            {},
            r"time 'days' must hold numbers, .* \('p3'\): found 'long'",
        ),
        ({"days": [1, np.inf, 3, 4]}, {}, r"time 'days' must be finite"),
        ({"days": ["2020-01-03"] * 4}, {}, "time: 'days' holds dates. Give a duration"),
        ({"days": pd.to_datetime(["2020-01-03"] * 4)}, {}, "time: 'days' holds dates"),
        (
            {"since": [10, 0, 0, -1]},
            {"entry": "since"},
            r"entry 'since' must be before time 'days', .* \('p1'\)",
        ),
        (
            {"site": ["a", None, "b", "b"]},
            {"strata": "site"},
            r"strata 'site' is missing for 1 row \('p2'\)",
        ),
        ({"died": [0] * 4}, {}, "event 'died': all patients are censored"),
        ({"days": [3.0, 4.0, 3.0, 9.0]}, {}, "time 'days': 2 events at one time, 3, and"),
        (
            {},
            {"time": "day"},
            "time: there is no column 'day' in the table. Nearest to 'day': 'days'",
        ),
        ({}, {"event": "days"}, "time and event name the same column 'days'"),
    ],
)
def test_what_is_wrong_is_named(
    columns: dict[str, Any], asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(Edge2TorchError, match=message):
        outcome_of(PATIENTS.assign(**columns), **{"time": "days", "event": "died", **asked})


def test_folds_have_their_share_of_events_and_strata() -> None:
    outcome = simulate(np.random.default_rng(0).normal(size=200), censored=0.6, seed=1)
    outcome = Outcome(outcome.time, outcome.event, strata=np.repeat(["a", "b"], [150, 50]))
    folds = survival_folds(outcome, 5, repeats=2, seed=3)
    assert len(folds) == 10
    events = [int(outcome.event[rows].sum()) for _, rows in folds]
    assert max(events) - min(events) <= 6
    assert outcome.strata is not None
    assert all(6 <= (outcome.strata[rows] == "b").sum() <= 14 for _, rows in folds)
    assert sorted(np.concatenate([rows for _, rows in folds[:5]])) == list(range(200))


def test_rare_classes_do_not_lower_the_number_of_folds() -> None:
    rng = np.random.default_rng(0)
    outcome = Outcome(
        rng.exponential(size=80), rng.random(80) < 0.95, strata=rng.integers(0, 9, 80)
    )
    assert len(survival_folds(outcome, 10)) == 10


def test_too_few_events_for_the_folds_are_counted() -> None:
    outcome = Outcome(TIME, EVENT, ENTRY, SITE)
    with pytest.raises(
        Edge2TorchError, match=r"n_folds=5: 16 events, of 24 patients, .* most are 3"
    ):
        survival_folds(outcome, 5)


def test_groups_stay_together() -> None:
    outcome, donors = simulate(np.zeros(120), seed=0), np.repeat(np.arange(40), 3)
    for train, judged in survival_folds(outcome, 4, groups=donors):
        assert not set(donors[train]) & set(donors[judged])
