"""Splits, scaling and scores, beside what they replace and what they promise."""

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.train import (
    fit_scaler,
    repeated_folds,
    sample_losses,
    score_predictions,
    split_samples,
)

DONORS = np.repeat([f"d{k}" for k in range(12)], 10)


@pytest.mark.parametrize("labels", [np.array(["a", "b", "b", "c"] * 30), np.linspace(0, 1, 120)])
@pytest.mark.parametrize("seed", range(4))
def test_no_group_is_on_both_sides(labels, seed):
    split = split_samples(labels, groups=DONORS, seed=seed)
    assert sorted([*split.fit, *split.test]) == list(range(120))
    assert len(split.folds) == 5
    for fitted, judged in [(split.fit, split.test), *split.folds]:
        assert not set(DONORS[fitted]) & set(DONORS[judged])
    judged = np.concatenate([part for _, part in split.folds])
    assert sorted(judged) == sorted(split.fit)
    assert 0.15 < len(split.test) / 120 < 0.35
    other = split_samples(labels, groups=DONORS, seed=seed + 10)
    assert set(DONORS[other.test]) != set(DONORS[split.test])


def test_repeats_divide_anew():
    for groups in (None, DONORS):
        folds = repeated_folds(["a", "b"] * 60, n_folds=3, repeats=2, groups=groups)
        assert len(folds) == 6
        for part in (folds[:3], folds[3:]):
            assert sorted(np.concatenate([judged for _, judged in part])) == list(range(120))
        assert set(folds[0][1]) != set(folds[3][1])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": ["a"] * 11}, "11 samples are too few"),
        ({"labels": [1.0] * 19 + [np.nan]}, r"labels: sample\(s\) 19 have none"),
        ({"labels": ["a"] * 19 + [None]}, r"labels: sample\(s\) 19 have none"),
        ({"labels": ["a"] * 20, "groups": ["d"] * 20}, "Three groups are the least"),
        ({"labels": ["a"] * 20, "groups": ["d"] * 19}, r"groups must have shape \(20,\)"),
        ({"labels": ["a"] * 19 + ["b"], "groups": list("abcd" * 5)}, "no sample of class 'b'"),
        ({"labels": list("abcdefghij") * 2}, "Leave small classes out"),
        (
            {"labels": ["a"] * 20, "test_fraction": 1.5},
            r"test_fraction must be a number in \(0, 1\)",
        ),
    ],
)
def test_what_cannot_be_split(options, words):
    def some():
        for seed in range(10):  # which group is held out is chance
            split_samples(**options, seed=seed)

    with pytest.raises(Edge2TorchError, match=words):
        some()


@pytest.mark.parametrize("sizes", [(5, 5, 2), (20, 20, 2, 2), (8, 2, 2, 2), (30, 30, 1), (300, 1)])
def test_a_class_of_one_sample_that_is_left_is_trained_with(sizes):
    """Of two samples one is for the test, and scikit-learn would not share the other out."""
    labels = np.repeat(list("abcd")[: len(sizes)], sizes)
    for seed in range(5):
        split = split_samples(labels, seed=seed)
        assert sorted([*split.fit, *split.test]) == list(range(len(labels)))
        for fitted, judged in split.folds:
            assert set(labels[fitted]) == set(labels)
            assert not set(fitted) & set(judged)


def test_too_few_of_too_many_classes_names_the_smallest():
    words = r"6 samples of 6 classes .* the smallest class, 'a', has 1\. Leave small classes out"
    with pytest.raises(Edge2TorchError, match=words):
        split_samples(list("abcdef") * 2)


def test_groups_of_classes_smaller_than_the_folds_are_told_by_class():
    """scikit-learn said no more than that n_splits is too large."""
    labels, groups = ["few"] * 2 + ["more"] * 3, list("abcde")
    with pytest.raises(
        Edge2TorchError, match=r"^labels: with groups.*'more', has 3\. Take 3 folds"
    ):
        repeated_folds(labels, n_folds=4, groups=groups)
    assert len(repeated_folds(labels, n_folds=3, groups=groups)) == 3


def test_the_scaler_is_median_mean_and_deviation():
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=(50, 6)) * 10.0 ** np.arange(6)
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:, 4] = 1e6 + 1e-6 * rng.random(50)  # constant but for rounding
    values[:, 5] = np.nan
    table = pd.DataFrame(values, columns=list("abcdef"))
    rows = np.arange(30)
    part = np.where(np.isnan(values[rows]).all(axis=0), 0.0, values[rows])
    fill = np.nanmedian(part, axis=0)
    part = np.where(np.isnan(part), fill, part)
    scale = part.std(axis=0)
    scale[4:] = 1.0
    found = fit_scaler(table, rows)
    np.testing.assert_allclose(found.fill, fill, rtol=1e-12)
    np.testing.assert_allclose(found.mean, part.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.scale, scale, rtol=1e-12)
    scaled = found(table).to_numpy()
    assert np.abs(scaled).max() <= 10
    assert not np.isnan(scaled).any()


def test_scores_are_over_the_classes_that_are_there():
    rng = np.random.default_rng(0)
    probability = rng.dirichlet(np.ones(4), 40)
    truth = rng.integers(0, 3, 40)  # the fourth class is in no sample, but is predicted
    found = score_predictions(truth, probability)
    chosen = probability.argmax(axis=1)
    assert 3 in chosen
    recall = [(chosen[truth == k] == k).mean() for k in range(3)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recall), abs=1e-12)
    f1 = [
        2 * ((chosen == k) & (truth == k)).sum() / ((chosen == k).sum() + (truth == k).sum())
        for k in range(3)
    ]
    assert found["macro_f1"] == pytest.approx(np.mean(f1), abs=1e-12)
    area = [
        np.mean([
            (own > other) + 0.5 * (own == other)
            for own in probability[truth == k, k]
            for other in probability[truth != k, k]
        ])
        for k in range(3)
    ]  # fmt: skip
    assert found["roc_auc"] == pytest.approx(np.mean(area), abs=1e-12)
    assert found["log_loss"] == pytest.approx(-np.log(probability[range(40), truth]).mean())


def test_scores_that_the_samples_do_not_tell():
    alone = score_predictions([1, 1], [[0.2, 0.8], [0.6, 0.4]])
    assert np.isnan(alone["roc_auc"])
    assert alone["balanced_accuracy"] == 0.5
    even = score_predictions([2.0, 2.0], [1.0, 3.0])
    assert np.isnan(even["r2"])
    assert even["rmse"] == 1.0
    assert np.isnan(score_predictions([1.0, 2.0], [1.0, 1.0])["pearson_r"])
    assert sample_losses([0], [[0.0, 1.0]]) == pytest.approx(-np.log(1e-7))


def test_parts_are_disjoint_and_hold_every_class():
    labels = np.array(list("ab") * 30 + ["c"] * 5)
    split = split_samples(labels)
    ((train, validation), *_), test = split.folds, split.test
    parts = [train, validation, test]
    assert sorted(np.concatenate(parts)) == list(range(65))
    assert all(set(labels[part]) == set("abc") for part in parts)
    other = split_samples(labels, seed=1)
    assert not np.array_equal(np.sort(split.test), np.sort(other.test))


def test_scaling_knows_the_training_part_only():
    table = pd.DataFrame({"a": [0.0, 2.0, 1e6], "b": [np.nan, 4.0, np.nan], "c": [np.nan] * 3})
    scaler = fit_scaler(table, np.array([0, 1]))
    scaled = scaler(table)
    assert scaled["a"].tolist() == [-1.0, 1.0, 10.0]
    assert scaled["b"].tolist() == [0.0, 0.0, 0.0]
    assert scaled["c"].tolist() == [0.0, 0.0, 0.0]


def test_scores_by_hand():
    truth = np.array([0, 0, 1])
    predicted = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
    found = score_predictions(truth, predicted)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["balanced_accuracy"] == pytest.approx(0.75)
    assert found["macro_f1"] == pytest.approx(2 / 3)
    assert found["roc_auc"] == 1.0  # the b has a higher chance of b than either a
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.8]).mean())
    three = np.arange(3)
    chances = np.array([[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
    # a: above one of two; b: a tie and a win; c: above both
    assert score_predictions(three, chances)["roc_auc"] == pytest.approx((0.5 + 0.75 + 1) / 3)
    assert np.isnan(score_predictions(three[:1], chances[:1])["roc_auc"])
    number = np.array([0.0, 1.0, 2.5])
    found = score_predictions(number, number[:, None])
    assert found == {"r2": 1.0, "pearson_r": pytest.approx(1.0), "rmse": 0.0}


def test_another_cohort_is_the_test_part():
    labels, test = np.array(["a", "b"] * 20), np.arange(40) >= 30
    split = split_samples(labels, test=test, seed=3)
    assert split.test.tolist() == list(range(30, 40))
    assert sorted(split.fit) == list(range(30))
    for wrong in (test[:5], np.zeros(40, bool), np.ones(40, bool)):
        with pytest.raises(Edge2TorchError, match=r"^test must say True or False for each of 40"):
            split_samples(labels, test=wrong)


def test_one_group_cannot_be_held_out():
    with pytest.raises(Edge2TorchError, match="Two groups are the least"):
        repeated_folds(["a", "b"] * 10, n_folds=3, groups=["x"] * 20)


@pytest.mark.parametrize("truth", [[0, 1, 1], [0.5, 1.0, 2.0]])
def test_predictions_that_are_no_numbers_are_not_scored(truth):
    for odd in (np.nan, np.inf):
        predicted = [[0.2, 0.8], [odd, 0.1], [0.4, 0.6]] if truth[0] == 0 else [0.1, odd, 2]
        with pytest.raises(Edge2TorchError, match="1 of 3 samples have NaN or infinity"):
            score_predictions(truth, predicted)


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([0, 1, 1], [[2.0, -1], [-3, 4], [0.5, 0.5]], r"2 of 3 rows are no probabilities.*softmax"),
        ([0, 1], [[0.2, 0.2], [0.5, 0.5]], r"1 of 2 rows .*\(0\)"),
        (
            [1, 2],
            [[0.5, 0.5], [0.5, 0.5]],
            "class numbers 1, 2, and predicted has 2 columns: 0 to 1",
        ),
        ([-1, 0], [[0.5, 0.5], [0.5, 0.5]], "class numbers -1, 0"),
        (["b", "a"], [[0.5, 0.5], [0.5, 0.5]], "truth holds no numbers .*searchsorted"),
        ([0, 1], [0.2, 0.8], r"a column for each class.*\[1 - p, p\]"),
        ([0, 1], [[0.2], [0.8]], "a column for each class"),
        ([0.5, 1.5], [[0.2, 0.8], [0.8, 0.2]], "truth holds values, and predicted 2 columns"),
        ([0, 1], [[0.5, 0.5]], "an entry of truth for each row"),
        ([[0], [1]], [[0.5, 0.5], [0.5, 0.5]], "an entry of truth for each row"),
    ],
)
def test_what_are_no_classes_or_probabilities_is_refused(truth, predicted, message):
    with pytest.raises(Edge2TorchError, match=message):
        score_predictions(truth, predicted)


def test_probabilities_may_be_rounded_and_classes_booleans():
    chances = np.array([[1 / 3, 1 / 3, 1 / 3], [0.1, 0.2, 0.7]], np.float16)
    assert score_predictions([2, 2], chances)["accuracy"] == 0.5
    assert score_predictions(np.array([True, False]), [[0.1, 0.9], [0.6, 0.4]])["accuracy"] == 1.0


def test_a_scaler_names_what_a_table_lacks():
    table = pd.DataFrame(np.eye(4), columns=list("abcd"))
    scaler = fit_scaler(table, [0, 1, 2])
    for ask in (scaler, scaler.cuts_off):
        with pytest.raises(Edge2TorchError, match=r"2 columns of those .* 'b', 'd'"):
            ask(table[["a", "c"]])


@pytest.mark.parametrize("size", [1e-12, 1e-9, 1.0, 1e9])
def test_what_is_a_constant_does_not_depend_on_the_unit(size):
    """Concentrations in mol/l have spreads of 1e-9 and are signal."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"signal": rng.normal(3, 1, 50), "flat": 0.1, "zero": 0.0})
    table["rounding"] = 1 + 1e-10 * rng.normal(size=50)
    scaled = fit_scaler(table * size, range(50))(table * size)
    assert scaled["signal"].std(ddof=0) == pytest.approx(1, rel=1e-5)
    assert scaled["signal"].to_numpy() == pytest.approx(
        ((table["signal"] - table["signal"].mean()) / table["signal"].std(ddof=0)).to_numpy(),
        abs=1e-5,
    )
    assert scaled[["flat", "zero", "rounding"]].abs().max().max() <= 1e-8 * max(size, 1)
