"""Control inputs: every feature tells as much as any other."""

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.interpret import control_inputs

RNG = np.random.default_rng(0)
DATA = pd.DataFrame(RNG.normal(3, 2, size=(4000, 6)), columns=list("abcdef"))
LABELS = np.arange(4000) % 2


def correlations(table, labels):
    return table.corrwith(pd.Series(labels)).abs().to_numpy()


def test_features_are_equally_predictive_and_keep_mean_and_spread():
    made = control_inputs(DATA, LABELS, strength=0.4, seed=1)
    np.testing.assert_allclose(correlations(made, LABELS), 0.4, atol=0.05)
    np.testing.assert_allclose(made.mean(), DATA.mean())
    np.testing.assert_allclose(made.std(), DATA.std())
    assert made.columns.equals(DATA.columns)
    assert (made.nunique() == 2).all()


def test_the_default_strength_is_that_of_the_data():
    data = DATA.copy()
    data["a"] += 4 * LABELS  # correlation 0.7, the others none: root mean square 0.29
    made = correlations(control_inputs(data, LABELS, seed=1), LABELS)
    expected = np.sqrt(np.mean(correlations(data, LABELS) ** 2))
    np.testing.assert_allclose(made, expected, atol=0.05)


@pytest.mark.parametrize("classes", [3, 4, 7])
def test_of_several_classes_each_feature_marks_half(classes):
    labels = RNG.integers(classes, size=len(DATA))
    made = control_inputs(DATA, labels, strength=1.0)
    means = made.groupby(labels).mean()
    high = (means > DATA.mean()).sum()
    assert (high == classes // 2).all()


def test_numbers_are_halved_and_words_are_classes():
    numbers = RNG.normal(size=len(DATA))
    made = control_inputs(DATA, numbers, strength=0.5)
    np.testing.assert_allclose(correlations(made, numbers > np.median(numbers)), 0.5, atol=0.05)
    words = np.where(LABELS == 1, "T cell", "B cell")
    assert control_inputs(DATA, words, seed=2).equals(control_inputs(DATA, LABELS, seed=2))


@pytest.mark.parametrize(
    ("data", "labels", "options", "said"),
    [
        (DATA.to_numpy(), LABELS, {}, "DataFrame"),
        (DATA[:0], LABELS[:0], {}, "empty"),
        (DATA.assign(g="x"), LABELS, {}, "'g'"),
        (DATA.assign(g=np.nan), LABELS, {}, "'g'"),
        (DATA, LABELS[:5], {}, "5 for 4000"),
        (DATA, np.zeros(4000), {}, "one class"),
        (DATA, [None] * 4000, {}, "missing"),
        (DATA, LABELS, {"strength": 2.0}, "strength"),
    ],
)
def test_bad_input(data, labels, options, said):
    with pytest.raises(e2t.Edge2TorchError, match=said):
        control_inputs(data, labels, **options)
