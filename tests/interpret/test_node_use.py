"""Found means found: use and specificity of nodes, on data of which the truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

import edge2torch as e2t
from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.interpret import (
    CrossFitted,
    cross_fit,
    find_nodes,
    node_alone,
    node_specific,
    node_use,
    set_test,
)
from edge2torch.interpret._trust import _coherent
from edge2torch.interpret._trust._coherent import association
from edge2torch.interpret._trust._findings import _explained
from edge2torch.interpret._trust._gene_sets import _rank_sum
from edge2torch.interpret._trust._held import Held
from edge2torch.interpret._trust._specific import NullFit
from edge2torch.interpret._trust._use import chosen_nodes, loss_changes, with_target
from edge2torch.simulate import layered_graph

GENES = [f"g{k}" for k in range(80)]
OPTIONS = {"max_epochs": 25, "learning_rate": 0.01, "weight_decay": 0.1}


def sets(n=20, size=8, seed=0):
    """P00 holds g0 ... g7, the others eight genes each at random; P01 holds g8 as well."""
    rng = np.random.default_rng(seed)
    members = {"P00": GENES[:size], "P01": [GENES[size], *GENES[20 : 19 + size]]}
    for k in range(2, n):
        members[f"P{k:02d}"] = rng.choice(GENES[size + 1 :], size, replace=False).tolist()
    rows = [(gene, name) for name, own in members.items() for gene in own]
    return pd.DataFrame(rows, columns=["source", "target"])


def cells(n=300, seed=0):
    """Class a: all genes of P00 a little higher; and g8, which only P01 reads, much higher."""
    rng = np.random.default_rng(seed)
    y = np.repeat(["a", "b", "c"], n // 3)
    x = pd.DataFrame(rng.normal(size=(n, len(GENES))), columns=GENES)
    x.loc[y == "a", GENES[:8]] += 0.8
    x.loc[y == "b", GENES[8]] += 2.5
    return x, y


def start(edges, head=3, **options):
    model, artifact = e2t.compile_graph(edges, quiet=True, **options)
    custom = {"node_activation": "tanh", "node_normalization": "batch", "node_dropout": 0.2}
    if options.get("backend", "feedforward") != "feedforward":
        custom = {}
    return e2t.customize_model(model, head=nn.Linear(model.out_features, head), **custom), artifact


@pytest.fixture(scope="module")
def fitted():
    x, y = cells()
    pair = start(sets())
    networks = cross_fit(pair, x, y, starts=2, **OPTIONS)
    controls = [cross_fit(pair, x, y, starts=2, exchange_features=k, **OPTIONS) for k in range(4)]
    return x, y, networks, controls


# ------------------------------------------------------------------ holding nodes


@pytest.mark.parametrize("norm", [None, "batch"])
def test_only_what_changes_is_computed_and_the_outputs_are_those_of_the_whole(norm):
    edges = layered_graph([30, 12, 6, 2], [60, 24, 12], seed=1, skip_edges=9)
    model, artifact = e2t.compile_graph(edges, quiet=True)
    generator = torch.Generator().manual_seed(0)
    model = e2t.customize_model(
        model, node_activation="relu", node_normalization=norm, head=nn.Linear(2, 3)
    ).train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(40, 30, generator=generator))
    x, rest = (torch.randn(n, 30, generator=generator) for n in (20, 50))
    rng = np.random.default_rng(0)
    free = np.setdiff1d(np.arange(artifact.graph.n_nodes), artifact.graph.outputs)
    groups = [free[:0], *(rng.choice(free, k, replace=False) for k in (1, 1, 1, 2, 4, 7))]
    held = Held(artifact, groups)
    quick = torch.cat([y for _, y in held.outputs(model, x, rest)])
    whole = torch.cat([y for _, y in held._by_hooks(model, x, rest)])
    torch.testing.assert_close(quick, whole, atol=1e-5, rtol=0)
    assert (quick[1:] - quick[:1]).abs().amax((1, 2)).min() > 1e-3
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(quick[0], model(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "gnn"])
def test_gain_is_the_rise_of_the_held_out_loss(backend):
    edges = pd.DataFrame({"source": ["a", "b", "c", "p", "q"], "target": ["p", "p", "q", "y", "y"]})
    options = {"recurrent": {"steps": 3}, "gnn": {"channels": 2}}.get(backend, {})
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(40, 3)), columns=["a", "b", "c"])
    y = (x["a"] + 0.3 * rng.normal(size=40) > 0).map({True: "yes", False: "no"}).to_numpy()
    pair = start(edges, head=2, backend=backend, **options)
    networks = cross_fit(pair, x, y, folds=4, starts=1, max_epochs=10, learning_rate=0.05)
    table = node_use(networks, x, y)
    assert table.index.tolist() == ["p", "q"]
    rise = np.zeros(40)
    for (rows, out), (model,), scaler in zip(
        networks.folds, networks.models, networks.scalers, strict=True
    ):
        seen = torch.from_numpy(scaler(x).to_numpy())
        target = torch.from_numpy((y == "yes").astype(int))
        held = Held(networks.artifact, [networks.artifact.graph.numbers(["p"], "nodes")])
        ((_, changed),) = held._by_hooks(model, seen[out], seen[rows])
        with torch.no_grad():
            before, after = (
                F.cross_entropy(z, target[out], reduction="none")
                for z in (model(seen[out]), changed[0])
            )
        rise[out] = (after - before).numpy()
    assert table.loc["p", "gain"] == pytest.approx(rise.mean(), abs=1e-6)
    expected = stats.ttest_1samp(rise, 0, alternative="greater")
    assert table.loc["p", "p_use"] == pytest.approx(expected.pvalue, abs=1e-5)


# ------------------------------------------------------------------ use


def test_used_nodes_are_told_from_idle_ones(fitted):
    x, y, networks, _ = fitted
    table = node_use(networks, x, y)
    assert {"P00", "P01"} <= set(table.index[table["q_use"] < 0.05])
    by_class = node_use(networks, x, y, by_class=True)
    assert by_class.index.names == ["class", "node"]
    assert by_class.loc["a", "t"].idxmax() == "P00"
    assert by_class.loc["b", "t"].idxmax() == "P01"
    assert by_class.loc["c", "gain"].drop(["P00", "P01"]).abs().max() < 0.05


def test_labels_of_the_same_names_are_put_into_the_order_of_the_samples(fitted):
    x, y, networks, _ = fitted
    named = x.set_axis([f"s{k}" for k in range(len(x))])
    labels = pd.Series(np.asarray(y), named.index)
    pd.testing.assert_frame_equal(
        node_use(networks, named, labels[::-1]), node_use(networks, named, labels)
    )
    donors = pd.Series(np.arange(len(x)) // 30, named.index).astype(str)
    one, other = (
        cross_fit(
            start(sets(3)), named, labels[::step], groups=donors[::step], starts=1,
            **(OPTIONS | {"max_epochs": 1}),
        )
        for step in (1, -1)
    )  # fmt: skip
    pd.testing.assert_frame_equal(one.predictions, other.predictions)


def test_every_sample_is_predicted_by_networks_that_have_not_seen_it(fitted):
    x, y, networks, _ = fitted
    assert networks.predictions.index.tolist() == x.index.tolist()
    held_out = np.concatenate([out for _, out in networks.folds])
    assert sorted(held_out.tolist()) == list(range(len(x)))
    assert (networks.predictions.idxmax(axis=1) == y).mean() > 0.6


def test_without_signal_nodes_are_not_used():
    x, y = cells(n=150)
    y = np.random.default_rng(5).permutation(y)
    table = node_use(cross_fit(start(sets()), x, y, starts=2, **OPTIONS), x, y)
    assert (table["q_use"] > 0.05).all()
    assert (table["p_use"] < 0.05).mean() <= 0.15


def test_donors_are_the_units_where_there_are_any():
    x, y = cells(n=120)
    donor = np.tile(np.arange(10), 12).astype(str)
    networks = cross_fit(start(sets(6)), x, y, starts=1, groups=donor, **OPTIONS)
    for rows, out in networks.folds:
        assert not set(donor[rows]) & set(donor[out])
    few = node_use(networks, x, y, groups=donor)
    alone = node_use(networks, x, y)
    np.testing.assert_allclose(few["gain"], alone["gain"], atol=1e-9)  # ten donors of equal size
    expected = stats.t.sf(few["t"], 9)
    np.testing.assert_allclose(few["p_use"], expected)


def test_numbers_and_networks_of_ones_own():
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(120, len(GENES))), columns=GENES)
    y = x[GENES[:8]].sum(axis=1).to_numpy() + rng.normal(size=120)
    networks = cross_fit(start(sets(6), head=1), x, y, starts=2, **OPTIONS)
    table = node_use(networks, x, y)
    assert table["t"].idxmax() == "P00"
    assert networks.predictions.columns.tolist() == ["value"]
    assert np.corrcoef(networks.predictions["value"], y)[0, 1] > 0.4

    labels = np.arange(120) % 3
    models = [
        m
        for (m,) in cross_fit(
            start(sets(6), head=1), x, y, starts=1, folds=labels, **OPTIONS
        ).models
    ]
    own = node_use(models, x, (y - y.mean()) / y.std(), folds=labels)
    assert own["t"].idxmax() == "P00"


# ------------------------------------------------------------------ specific


def test_a_set_that_holds_one_strong_gene_is_used_but_not_specific(fitted):
    x, y, networks, controls = fitted
    table = node_specific(networks, controls, x, y)
    assert table.loc["P00", "q_specific"] < 0.05
    assert table.loc["P01", "q_specific"] > 0.05
    assert (table["n_held"] == 2).all()  # a third of eight
    by_class = node_specific(networks, controls, x, y, by_class=True)
    assert by_class.loc["a", "p_specific"].idxmin() == "P00"
    assert by_class.loc[("b", "P01"), "q_specific"] > 0.05


def test_the_strongest_inputs_of_a_fold_are_looked_for_once(fitted, monkeypatch):
    x, y, networks, controls = fitted
    calls = []

    def noted(values, *rest):
        calls.append(len(values))
        return association(values, *rest)

    monkeypatch.setattr(_coherent, "association", noted)
    node_specific(networks, controls, x, y)
    assert len(calls) == sum(len(one.folds) for one in (networks, *controls))


def test_found_are_the_pathways_and_none_of_rewired_ones():
    x, y = cells()
    nested = pd.DataFrame({"source": GENES[:6], "target": "nested"})
    edges = pd.concat([sets(), nested], ignore_index=True)
    found = find_nodes(start(edges), x, y, starts=2, quiet=True, **OPTIONS)
    assert found.found[0] in {"P00", "nested"}
    assert set(found.found) <= {"P00", "nested"}
    assert found.n_rewired == 0
    assert found.calibration["p<.05"].mean() < 0.12
    assert "of 21 nodes found (with rewired edges: 0)" in repr(found)
    # with the genes of P00 held nothing is left to a set of some of them
    _, own, _ = with_target(found.networks, x, y, None, None)
    assert _explained(found.networks, x, own, None, ["P00", "P01", "nested"]) == {"nested": "P00"}


def test_where_the_signal_is_everywhere_no_node_is_needed_and_all_suffice():
    rng = np.random.default_rng(1)
    y = np.repeat(["a", "b"], 60)
    x = pd.DataFrame(rng.normal(size=(120, len(GENES))), columns=GENES)
    x[y == "b"] += 1.0
    pair = start(sets(), head=2)
    networks = cross_fit(pair, x, y, starts=2, **OPTIONS)
    controls = [cross_fit(pair, x, y, starts=2, exchange_features=k, **OPTIONS) for k in range(2)]
    alone = node_alone(networks, controls, x, y)
    assert (alone["q_alone"] < 0.05).all()
    assert (alone["p_alone_specific"] > 0.001).all()  # and so do other genes
    # what is left of all held nodes' network is no more than the class frequencies
    _, own, _ = with_target(networks, x, y, None, None)
    every = chosen_nodes(networks.artifact, None, networks.models[0][0])
    rise = loss_changes(networks, x, own, lambda _: [every])[0, 0]
    right = networks.predictions.to_numpy()[np.arange(120), (y == "b").astype(int)]
    assert (rise - np.log(right)).mean() == pytest.approx(np.log(2), abs=0.1)
    assert alone["gain_alone"].max() < rise.mean()


def test_the_null_is_calibrated_also_with_a_trend_and_a_heavy_tail():
    rng = np.random.default_rng(0)
    rows = pd.MultiIndex.from_product([range(6), range(150)], names=["control", "node"])
    size = np.tile(rng.integers(3, 60, 150), 6)
    for freedom in (3.5, 1e6):
        draws = stats.t.rvs(freedom, size=900, random_state=rng)
        t = 0.5 * np.log(size) + (0.5 + 0.3 * np.log(size)) * draws
        table = pd.DataFrame({"t": t, "n_inputs": size, "degree": size + 10}, rows)
        calibration = NullFit.of(table).calibration()
        assert calibration["p<.05"].mean() == pytest.approx(0.05, abs=0.02)
        assert calibration["p<.01"].mean() == pytest.approx(0.01, abs=0.01)
        assert (calibration["q<.05"] > 0).sum() <= 1
        p = NullFit.of(table).pvalue(table)
        large, small = p[size > 30], p[size < 8]
        assert np.quantile(large, 0.5) == pytest.approx(np.quantile(small, 0.5), abs=0.12)


# ------------------------------------------------------------------ without a network


def test_without_correlation_the_set_test_is_wilcoxons():
    x, y = cells()
    _, artifact = start(sets())
    table = set_test(artifact, x, y)
    assert table["p_set"].idxmin() == "P00"
    strength = np.array(
        [stats.f_oneway(*(x.loc[y == c, g] for c in "abc"))[0] for g in artifact.feature_names]
    )
    inside = np.isin(artifact.feature_names, GENES[:8])
    plain = stats.mannwhitneyu(
        strength[inside], strength[~inside], alternative="greater", method="asymptotic"
    )
    rank = stats.rankdata(strength)
    assert _rank_sum(rank, np.flatnonzero(inside), 0.0) == pytest.approx(plain.pvalue, rel=1e-6)
    assert _rank_sum(rank, np.flatnonzero(inside), 0.3) > plain.pvalue


# ------------------------------------------------------------------ what is refused


def test_what_cannot_be_asked_is_refused(fitted):
    x, y, networks, controls = fitted
    with pytest.raises(Edge2TorchError, match=r"nodes.*P0O"):
        node_use(networks, x, y, nodes=["P0O"])
    with pytest.raises(Edge2TorchError, match="data and target: 300 samples of 'p', 'q'"):
        node_use(networks, x, np.where(y == "a", "p", "q"))
    with pytest.raises(Edge2TorchError, match="folds must say which samples"):
        node_use(list(networks.models), x, y)
    with pytest.raises(Edge2TorchError, match="on both sides of fold 0"):
        node_use(networks, x, y, groups=np.tile(["d1", "d2"], 150))
    with pytest.raises(Edge2TorchError, match="the features of number 0 stand where"):
        node_specific(networks, [networks, controls[0]], x, y)
    with pytest.raises(Edge2TorchError, match="two or more"):
        node_specific(networks, controls[:1], x, y)
    with pytest.raises(Edge2TorchError, match=r"has 3 output.*target holds numbers"):
        cross_fit(start(sets()), x, np.arange(300.0), max_epochs=1)
    with pytest.raises(Edge2TorchError, match="fold 0 holds samples out that it is fitted to"):
        cross_fit(start(sets()), x, y, folds=[(range(200), range(150, 300))])
    with pytest.raises(Edge2TorchError, match="class 'c'"):
        cross_fit(
            start(sets()), x, y, folds=[(range(200), range(200, 300)), (range(9), range(9, 20))]
        )
    assert isinstance(networks, CrossFitted)


def test_names_of_target_and_groups_have_to_be_those_of_the_samples():
    x, y = cells(60)
    x.index = [f"s{k}" for k in range(len(x))]
    y = pd.Series(y, x.index)
    options = {"starts": 1, "max_epochs": 1, "folds": 2}
    networks = cross_fit(start(sets()), x, y, **options)
    rng = np.random.default_rng(0)
    donors = pd.Series([f"d{k % 12}" for k in range(len(x))], x.index)
    by_donor = cross_fit(start(sets()), x, y, groups=donors, **options)
    right = node_use(by_donor, x, y, groups=donors)
    shuffled = rng.permutation(len(x))
    same = node_use(by_donor, x, y.iloc[shuffled], groups=donors.iloc[shuffled])
    pd.testing.assert_frame_equal(same, right)
    wrong = y.rename({"s7": "s007"})
    said = r"target has no value for 1 sample\(s\) of the data: 's7'"
    for call in (
        lambda: cross_fit(start(sets()), x, wrong, **options),
        lambda: node_use(networks, x, wrong),
        lambda: set_test(networks.artifact, x, wrong),
        lambda: find_nodes(start(sets()), x, wrong, quiet=True, **options),
    ):
        with pytest.raises(Edge2TorchError, match=said):
            call()
    with pytest.raises(Edge2TorchError, match="groups has no value for 1 sample"):
        node_use(by_donor, x, y, groups=donors.rename({"s7": "s007"}))


def test_few_samples_and_targets_that_say_nothing_are_told():
    x, _ = cells(12)
    edges = sets(6)
    top = pd.DataFrame({"source": edges["target"].unique(), "target": "y"})
    model, artifact = e2t.compile_graph(pd.concat([edges, top]), quiet=True)
    options = {"starts": 1, "max_epochs": 1, "quiet": True}
    with pytest.warns(Edge2TorchWarning, match=r"12 samples .* fewer than 30"):
        find_nodes((model, artifact), x, x["g0"], controls=2, rewired=False, **options)
    with pytest.raises(Edge2TorchError, match="target is 1 for all 12 samples"):
        find_nodes((model, artifact), x, np.ones(12), **options)
    with pytest.raises(Edge2TorchError, match="12 samples cannot be divided into 13 parts"):
        find_nodes((model, artifact), x, x["g0"], folds=13, **options)


class Wrapped(nn.Module):
    """A module of the user's own that computes weights, asks for gradients and changes in place."""

    def __init__(self, net, out):
        super().__init__()
        self.net, self.last = net, nn.Linear(out, 2)

    def forward(self, x):
        computed = {name: torch.tanh(one) for name, one in self.net.named_parameters()}
        h = torch.func.functional_call(self.net, computed, (x,))
        if torch.is_grad_enabled():
            torch.autograd.grad(self.net(x).sum(), [*self.net.parameters()])
        h *= 2
        return self.last(h)


def test_a_module_of_the_users_own_around_the_network_learns_as_layers_do():
    edges = layered_graph([30, 10, 3], [30, 12], seed=0)
    found = []
    for engine in ("graph", "layers"):
        net, artifact = e2t.compile_graph(edges, quiet=True, seed=0, engine=engine)
        rng = np.random.default_rng(0)
        x = pd.DataFrame(rng.normal(size=(60, 30)), columns=artifact.feature_names)
        y = pd.Series(np.where(x.iloc[:, 0] > 0, "a", "b"))
        torch.manual_seed(0)
        start = Wrapped(net, 3), artifact
        fitted = cross_fit(start, x, y, folds=2, starts=1, max_epochs=5, quiet=True, seed=0)
        found.append([one.detach() for one in fitted.models[0][0].parameters()])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)
