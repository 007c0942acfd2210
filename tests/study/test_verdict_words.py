"""Sentences of a study that are made of few numbers, by hand."""

from types import SimpleNamespace

import pandas as pd
import pytest

from edge2torch.study import _trust_words, _verdict
from edge2torch.study._learned import Interval, Learned
from edge2torch.study._outcomes import outcome_of
from edge2torch.study._words import Words

BEHIND, AHEAD = Interval(-0.2, -0.3, -0.1), Interval(0.2, 0.1, 0.3)
UNKNOWN = Interval(0.1, -0.1, 0.3)


@pytest.mark.parametrize(
    ("learned", "expected"),
    [
        (
            Learned(BEHIND, UNKNOWN),
            (
                "is not better than guessing either: log loss higher by 0.200, 95 % interval 0.100 to 0.300. It "
                "names more classes rightly than guessing would (accuracy 60.0 %), but is too sure where it is "
                "wrong, which the loss counts."
            ),
        ),
        (
            Learned(BEHIND, BEHIND),
            (
                "is not better than guessing either: log loss higher by 0.200, 95 % interval 0.100 to 0.300 "
                "(accuracy 60.0 %)."
            ),
        ),
        (
            Learned(UNKNOWN, UNKNOWN),
            (
                "is not shown to be better than guessing either: log loss lower by 0.100, 95 % interval -0.100 "
                "to 0.300 (accuracy 60.0 %)."
            ),
        ),
        (
            Learned(AHEAD, BEHIND),
            (
                "is not better than guessing either: it names fewer classes rightly than always saying the most "
                "common one, by 20.0 points, 95 % interval 10.0 to 30.0 (accuracy 60.0 %)."
            ),
        ),
    ],
)
def test_what_a_linear_model_is_not_better_by_is_named(learned, expected):
    """It said "predicts worse than guessing either (60.0 %)" where guessing had 50 %."""
    outcome, key = outcome_of("classification"), ("logistic regression", 52)
    task = SimpleNamespace(outcome=outcome, covariates=None)
    results = SimpleNamespace(
        study=SimpleNamespace(words=Words(), task=task),
        learned={key: learned},
        metric=outcome.metrics[0],
        outcome=outcome,
    )
    said = _verdict._what_linear_learned(results, pd.Series([0.5, 0.7]), key).text
    assert said == f"Logistic regression on 52 features {expected}"


def test_no_class_is_named_that_is_no_more_than_another():
    """Of two classes both have the same gain, and the first of them was called "most for"."""

    def of(*gains):
        return pd.DataFrame({"gain": gains, "q_use": 0.01}, ["first", "second"])

    two = SimpleNamespace(by_class={"a": of(0.3, 0.1), "b": of(0.3, 0.1)})
    assert not _trust_words._class_of(two)
    three = SimpleNamespace(by_class={"a": of(0.3, 0.1), "b": of(0.3, 0.2), "c": of(0.1, 0.1)})
    assert _trust_words._class_of(three) == {"second": "b"}
