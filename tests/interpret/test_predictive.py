"""Predictive power out of fold: beside scikit-learn, on noise, and where an interaction is planted."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import edge2torch as e2t
from edge2torch.interpret import predictive_power
from edge2torch.interpret._read_out import PENALTIES, ReadOut, _ridge_path, mixed, ridge
from edge2torch.simulate import layered_graph
from edge2torch.train import repeated_folds

EDGES = layered_graph([12, 5, 3, 1], [20, 8, 3], seed=1)


def network(units=3, seed=0):
    torch.manual_seed(seed)
    model, artifact = e2t.compile_graph(EDGES, units=units, seed=seed, quiet=True)
    return e2t.customize_model(model, node_activation="tanh"), artifact


def samples(artifact, n=90, seed=0):
    rng = np.random.default_rng(seed)
    shape = (n, len(artifact.feature_names))
    return pd.DataFrame(rng.normal(size=shape), [f"s{k}" for k in range(n)], artifact.feature_names)


def columns_of(model, artifact, x, node):
    seen = e2t.activations(model, artifact, x, agg="all")
    below = artifact.topology.parents(node)
    return seen[node].to_numpy(np.float64), seen[below].to_numpy(np.float64)


def test_it_is_scikit_learns_ridge_out_of_fold():
    model, artifact = network()
    x = samples(artifact)
    y = x.iloc[:, 0] + np.random.default_rng(1).normal(size=len(x))
    table = predictive_power(model, artifact, x, y, nodes=["L2_0"], folds=3, repeats=2, seed=4)
    folds = mixed(repeated_folds(y, None, 3, repeats=2, seed=4), None, 4)
    for node in ("L2_0",):
        scores = []
        for columns in columns_of(model, artifact, x, node):
            own = []
            for fit, held_out in folds:
                theirs = RidgeCV(PENALTIES, cv=KFold(5))
                pipeline = make_pipeline(StandardScaler(), theirs).fit(columns[fit], y.iloc[fit])
                found = stats.spearmanr(pipeline.predict(columns[held_out]), y.iloc[held_out])
                own.append(found.statistic)
            scores.append(np.array(own))
        parent, children = scores
        row = table.loc[node]
        np.testing.assert_allclose(row["parent"], parent.mean(), atol=1e-8)
        np.testing.assert_allclose(row["children"], children.mean(), atol=1e-8)
        gain = parent - children
        t = gain.mean() / (gain.std(ddof=1) * np.sqrt(1 / 6 + 30 / 60))
        np.testing.assert_allclose(row["p"], stats.t.sf(t, 2), atol=1e-8)


def test_sorted_samples_are_read_as_well_as_others():
    rng = np.random.default_rng(0)
    names = [f"x{k}" for k in range(20)]
    edges = pd.DataFrame({"source": [*names, "h"], "target": ["h"] * 20 + ["y"]})
    model, artifact = e2t.compile_graph(edges, units={"h": 3}, seed=0, quiet=True)
    x = rng.normal(size=(120, 3)) @ rng.normal(size=(3, 20)) + 0.5 * rng.normal(size=(120, 20))
    y = x @ rng.normal(size=20)
    y = y / y.std() + 0.7 * rng.normal(size=120)
    scores = []
    for order in (np.arange(120), rng.permutation(120), np.argsort(y)):
        own = pd.DataFrame(x[order], columns=names)
        scores.append(predictive_power(model, artifact, own, y[order]).loc["h", "parent"])
    # inner folds of consecutive rows took the heaviest penalty: 0.05 less
    assert scores[2] == pytest.approx(np.mean(scores[:2]), abs=0.025)


def test_rows_are_mixed_by_group():
    groups = np.repeat(np.arange(10), 4)
    fit, held_out = np.arange(32), np.arange(32, 40)
    ((rows, same),) = mixed([(fit, held_out)], groups, 0)
    assert sorted(rows) == fit.tolist()
    assert rows.tolist() != fit.tolist()
    assert same is held_out
    assert (np.diff(groups[rows].reshape(8, 4)) == 0).all()  # groups stay together
    ((alone, _),) = mixed([(fit, held_out)], None, 0)
    assert not (np.diff(groups[alone].reshape(8, 4)) == 0).all()


def test_wide_tables_are_fitted_from_the_other_side():
    rng = np.random.default_rng(0)
    x, y, new = rng.normal(size=(20, 60)), rng.normal(size=20), rng.normal(size=(5, 60))
    found = _ridge_path(x, y, new, np.array([0.1, 10.0]))
    for k, penalty in enumerate((0.1, 10.0)):
        np.testing.assert_allclose(found[:, k], Ridge(penalty).fit(x, y).predict(new), atol=1e-10)


def test_the_penalty_is_chosen_for_an_outcome_far_from_zero_too():
    """A time in seconds since 1970 differs by a millionth of its size, which is no rounding."""
    rng = np.random.default_rng(0)
    x, new = rng.normal(size=(60, 30)), rng.normal(size=(10, 30))
    y = 1000.0 * (x[:, 0] + 2 * rng.normal(size=60))
    found = ridge(x, y, new)
    weakest = _ridge_path(x, y, new, PENALTIES[:1])[:, 0]
    assert np.abs(found - weakest).max() > 100
    np.testing.assert_allclose(ridge(x, 1.7e9 + y, new) - 1.7e9, found, atol=0.1)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_are_read_by_logistic_regression(n_classes):
    model, artifact = network()
    x = samples(artifact, 120)
    noise = np.random.default_rng(2).normal(size=len(x))
    codes = pd.qcut(x.iloc[:, 0] + x.iloc[:, 3] + noise, n_classes, labels=False).to_numpy()
    y = np.array(["u", "v", "w"])[codes]
    table = predictive_power(
        model, artifact, x, y, nodes=["L1_1"], task="classification", folds=2, repeats=1
    )
    folds = mixed(repeated_folds(codes, None, 2, seed=0), None, 0)
    columns, _ = columns_of(model, artifact, x, "L1_1")
    scores = []
    for fit, held_out in folds:
        scaler = StandardScaler().fit(columns[fit])
        own, new = scaler.transform(columns[fit]), scaler.transform(columns[held_out])
        areas = []
        for k in range(n_classes) if n_classes > 2 else [1]:
            goal = (codes[fit] == k).astype(int)
            lost = np.zeros(len(PENALTIES))
            for a, b in KFold(5).split(own):
                for place, penalty in enumerate(PENALTIES):
                    p = _fitted(own[a], goal[a], penalty).predict_proba(own[b])[:, 1]
                    lost[place] -= np.log(np.where(goal[b] == 1, p, 1 - p)).sum()
            best = _fitted(own, goal, PENALTIES[lost.argmin()]).decision_function(new)
            areas.append(roc_auc_score(codes[held_out] == k, best))
        scores.append(np.mean(areas))
    np.testing.assert_allclose(table.loc["L1_1", "parent"], np.mean(scores), atol=1e-6)


def _fitted(x, y, penalty):
    return LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=5000).fit(x, y)


def test_the_published_numbers_are_in_sample():
    model, artifact = network(units=4)
    x = samples(artifact)
    table = predictive_power(model, artifact, x, compatible="drugcell")
    assert table.attrs["in_sample"]
    y = (
        model.eval()(torch.tensor(x.to_numpy(), dtype=torch.float32))[:, 0]
        .detach()
        .double()
        .numpy()
    )
    for node in ("L2_0",):
        scores = []
        for columns in columns_of(model, artifact, x, node):
            parts = PCA(min(4, columns.shape[1]), svd_solver="full").fit_transform(columns)
            scores.append(stats.spearmanr(RidgeCV(cv=5).fit(parts, y).predict(parts), y).statistic)
        row = table.loc[node]
        np.testing.assert_allclose([row["parent"], row["children"]], scores, atol=1e-8)
        np.testing.assert_allclose(row["rlipp"], scores[0] / scores[1], atol=1e-8)


def test_noise_is_no_finding_out_of_fold_and_one_in_sample():
    model, artifact = network(units=6)
    found, published = [], []
    for seed in range(4):
        x = samples(artifact, 100, seed)
        y = np.random.default_rng(100 + seed).normal(size=len(x))
        table = predictive_power(model, artifact, x, y, repeats=1, seed=seed)
        found += table["p"].tolist()
        assert not (table["q"] < 0.05).any()
        assert sorted(table.index) == artifact.topology.hidden
        assert table["ratio"].isna()[table["children"] <= 0.05].all()
        columns = [columns_of(model, artifact, x, node)[0] for node in ("L1_0", "L1_3", "L2_1")]
        published += [
            stats.spearmanr(RidgeCV(cv=5).fit(own, y).predict(own), y).pvalue for own in columns
        ]
    assert np.mean(np.array(found) < 0.05) < 0.15  # of 32; benchmarks/visible.py has hundreds
    assert np.mean(np.array(published) < 0.05) > 0.3


def test_a_node_that_multiplies_its_children_is_found():
    edges = pd.DataFrame(
        {
            "source": ["g1", "g2", "g3", "g4", "a", "b", "c", "a", "m", "n"],
            "target": ["a", "b", "c", "c", "m", "m", "n", "n", "y", "y"],
        }
    )
    model, artifact = e2t.compile_graph(edges, units={"m": 4, "n": 4}, seed=0, quiet=True)
    model = e2t.customize_model(model, node_activation={"m": "softplus", "n": "softplus"})
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(250, 4)), columns=["g1", "g2", "g3", "g4"])
    y = x["g1"] * x["g2"]
    with torch.no_grad():  # a and b pass their gene on; units of m see sums of them, and bend
        for layer in model.base_model.edge_layers():
            layer.set_weights(layer.edge_weights().sign() * 1.5)
    weights = e2t.edge_weights(model, artifact, level="units").query("target == 'm'")
    assert len(weights) == 8
    table = predictive_power(model, artifact, x, y, repeats=2)
    assert table["gain"].idxmax() == "m"
    assert table.loc["m", "p"] < 0.05


def test_samples_and_nodes_that_say_nothing_are_named():
    model, artifact = network()
    x = samples(artifact, 40)
    y = np.arange(40.0)
    with pytest.raises(e2t.Edge2TorchError, match="29 samples"):
        predictive_power(model, artifact, x[:29], y[:29])
    with pytest.raises(e2t.Edge2TorchError, match="trained_on: 's3', 's5'"):
        predictive_power(model, artifact, x, y, trained_on=["s3", "s5", "t1"])
    with pytest.raises(e2t.Edge2TorchError, match="read nothing"):
        predictive_power(model, artifact, x, y, nodes=[artifact.feature_names[0]])
    for nodes in ([], ["L2_0", "L2_0"]):
        with pytest.raises(e2t.Edge2TorchError, match="list of names, each once"):
            predictive_power(model, artifact, x, y, nodes=nodes)
    with pytest.raises(e2t.Edge2TorchError, match="y is missing"):
        predictive_power(model, artifact, x)
    with pytest.raises(
        e2t.Edge2TorchError, match=r"a list of names, found 'L2_0'. Write \['L2_0'\]"
    ):
        predictive_power(model, artifact, x, y, nodes="L2_0")
    with pytest.raises(e2t.Edge2TorchError, match="one class only: 'u'"):
        predictive_power(model, artifact, x, ["u"] * 40, task="classification")
    with torch.no_grad():
        for layer in model.base_model.edge_layers()[:1]:
            layer.set_weights(layer.edge_weights() * 0)
            layer.bias.zero_()
    with pytest.warns(e2t.Edge2TorchWarning, match="same values"):
        table = predictive_power(model, artifact, x, y, repeats=1)
    assert table["parent"].isna().any()


@pytest.mark.parametrize("n_components", [0, -1, True, 1.5, "2"])
def test_components_are_counted(n_components):
    model, artifact = network()
    x = samples(artifact, 40)
    with pytest.raises(e2t.Edge2TorchError, match="n_components must be a whole number >= 1"):
        predictive_power(model, artifact, x, x.iloc[:, 0], n_components=n_components)


def test_what_the_model_was_trained_on_is_said_or_not_known():
    model, artifact = network()
    x = samples(artifact, 40)
    options = {"nodes": ["L2_0"], "repeats": 1}
    unknown = predictive_power(model, artifact, x, x.iloc[:, 0], **options)
    assert unknown.attrs["in_sample"] is None
    known = predictive_power(model, artifact, x, x.iloc[:, 0], trained_on=["t1"], **options)
    assert known.attrs["in_sample"] is False
    with pytest.raises(e2t.Edge2TorchError, match="trained_on must be a list of names, found 's0'"):
        predictive_power(model, artifact, x, x.iloc[:, 0], trained_on="s0")


def test_names_of_y_have_to_be_those_of_the_samples():
    model, artifact = network()
    x = samples(artifact, 40)
    y = x.iloc[:, 0]
    options = {"nodes": ["L2_0"], "repeats": 1}
    right = predictive_power(model, artifact, x, y, **options)
    for same in (y[::-1], y.reset_index(drop=True), pd.concat([y, pd.Series({"t1": 9.0})])):
        pd.testing.assert_frame_equal(predictive_power(model, artifact, x, same, **options), right)
    with pytest.raises(e2t.Edge2TorchError, match=r"1 sample\(s\).*'s7'. Nearest to 's7': 's007'"):
        predictive_power(model, artifact, x, y.rename({"s7": "s007"}), **options)
    shifted = y.set_axis([f"s{k}" for k in range(5, 45)])
    with pytest.raises(e2t.Edge2TorchError, match=r"5 sample\(s\) of the data: 's0', 's1'"):
        predictive_power(model, artifact, x, shifted, **options)
    with pytest.raises(e2t.Edge2TorchError, match=r"groups has no value for 5 sample"):
        predictive_power(model, artifact, x, y, groups=shifted, **options)
    with pytest.raises(e2t.Edge2TorchError, match=r"1 sample.*more than once.*'s1'"):
        predictive_power(model, artifact, x, y.rename({"s7": "s1"}), **options)


@pytest.mark.parametrize(
    ("y", "options", "says"),
    [
        (np.arange(40.0), {"folds": 41}, "folds=41 needs 41 samples at least, found 40"),
        (np.arange(40.0) + 0.5, {"task": "classification"}, "numbers with fractions, such as 0.5"),
        (["u"] * 38 + ["v"] * 2, {"task": "classification"}, "5 samples in each class .*found 2"),
        (np.arange(40.0), {"groups": ["u", "v"] * 20}, "folds=5 needs 5 groups at least, found 2"),
        (np.ones(40), {}, "y is 1 for all 40 samples"),
        (np.where(np.arange(40) == 3, np.inf, 1.0), {}, "'s3' are infinite"),
    ],
)
def test_outcomes_that_cannot_be_divided_or_predicted(y, options, says):
    model, artifact = network()
    with pytest.raises(e2t.Edge2TorchError, match=says):
        predictive_power(model, artifact, samples(artifact, 40), y, **options)


def survivors(x, seed=0, ties=False):
    from edge2torch.survival import simulate

    outcome = simulate(0.8 * x.iloc[:, 0] - 0.8 * x.iloc[:, 5], seed=seed)
    time = np.ceil(outcome.time * 4) if ties else outcome.time
    return pd.DataFrame({"time": time, "event": outcome.event.astype(int)}, x.index)


@pytest.mark.parametrize("ties", [False, True])
def test_times_are_read_by_ridge_cox(ties):
    from edge2torch.interpret._read_out import _cox_path, _partial, concordance, cox
    from edge2torch.survival import Outcome, cox_regression, harrell_c

    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(80, 6)))
    y = survivors(x, ties=ties)
    time, event = y["time"].to_numpy(), y["event"].to_numpy(bool)
    outcome = Outcome(time, event)
    columns = ((x - x.mean()) / x.std(ddof=0)).to_numpy()
    for penalty in (0.5, 30.0):
        (found,) = _cox_path(columns, time, event, np.array([penalty]))
        # its penalty stands beside the loss of an event
        fitted = cox_regression(
            pd.DataFrame(columns), outcome, penalty=penalty / event.sum(), ties="breslow"
        )
        np.testing.assert_allclose(found, fitted.coefficients, atol=1e-6)
    risk = columns @ found
    lost = outcome.loss("breslow")(torch.from_numpy(risk)).item()
    np.testing.assert_allclose(_partial(risk[None], time, event)[0], -lost * event.sum())
    c = concordance(np.round(risk, 1), time, event)
    assert c == harrell_c(time, event, np.round(risk, 1))
    wide = rng.normal(size=(80, 200))  # from the other side: the same model in fewer columns
    new = rng.normal(size=(5, 200))
    (direct,) = _cox_path(wide, time, event, np.array([100.0]))
    u, s, axes = np.linalg.svd(wide, full_matrices=False)
    (turned,) = _cox_path(u * s, time, event, np.array([100.0]))
    np.testing.assert_allclose(new @ direct, new @ axes.T @ turned, atol=1e-8)
    assert np.isfinite(cox(wide, time, event, new)).all()


def test_nodes_are_scored_by_harrells_c_of_held_out_times():
    from edge2torch.survival import Outcome

    model, artifact = network()
    x = samples(artifact, 120)
    y = survivors(x)
    own = artifact.topology.parents("L1_1")
    y = survivors(x[[*own, *x.columns.drop(own)]])
    table = predictive_power(
        model, artifact, x, y.sample(frac=1, random_state=0), task="survival", repeats=1
    )
    again = predictive_power(
        model, artifact, x, Outcome(y["time"], y["event"]), task="survival", repeats=1
    )
    pd.testing.assert_frame_equal(table, again)
    assert table["parent"].between(0, 1).all()
    assert table["children"].max() > 0.6
    assert table["ratio"].notna().equals(table["children"] > 0.55)
    found = []
    for seed in range(20):  # columns that know nothing
        rng = np.random.default_rng(seed)
        y = survivors(x.set_axis(range(12), axis=1), seed=seed)
        read_out = ReadOut(y["time"].to_numpy(), event=y["event"].to_numpy(bool))
        folds = repeated_folds(read_out.labels, None, 3, seed=seed)
        found.append(read_out.scores(rng.normal(size=(120, 4)), folds).mean())
    assert np.mean(found) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y["time"], "a table with columns 'time' and 'event'"),
        (lambda y: y.assign(entry=0.0), "entry times or strata"),
        (lambda y: y.assign(event=y["event"] + 1), "0 .censored. or 1"),
        (lambda y: y.assign(time=-y["time"]), "at least 0"),
        (lambda y: y.assign(time="long"), "must be numbers"),
        (lambda y: y.assign(event=0), "5 events at least, found 0"),
        (lambda y: y.iloc[1:], "has no value for 1 sample"),
    ],
)
def test_times_that_cannot_be_read_are_refused(change, message):
    model, artifact = network()
    x = samples(artifact, 60)
    with pytest.raises(e2t.Edge2TorchError, match=message):
        predictive_power(model, artifact, x, change(survivors(x)), task="survival")
