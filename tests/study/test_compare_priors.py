from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import edge2torch as e2t
from edge2torch import compare_priors
from edge2torch.errors import Edge2TorchError
from edge2torch.simulate import layered_graph
from edge2torch.study._ignorant import IGNORANT
from edge2torch.study._judge_priors import DENSE, OWN, holm, judge
from edge2torch.study._network import fit_network
from edge2torch.study._task import choose_task
from edge2torch.study._train_priors import networks_of, side_by_side

GENES = [f"g{k:02d}" for k in range(24)]
QUICK = {"draws": 2, "starts": 1, "folds": 2, "max_epochs": 2, "quiet": True}


def sets(seed: int, n: int = 6) -> pd.DataFrame:
    order = np.random.default_rng(seed).permutation(GENES)
    size = len(GENES) // n
    pairs = [(gene, f"s{k}") for k in range(n) for gene in order[k * size : (k + 1) * size]]
    pairs += [(f"s{k}", "y") for k in range(n)]
    return pd.DataFrame(pairs, columns=["source", "target"])


def samples(n: int, seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n, len(GENES))), columns=GENES)


def outcome(edges: pd.DataFrame, data: pd.DataFrame, seed: int = 0) -> pd.Series:
    """What the sets make of their genes, with noise."""
    rng = np.random.default_rng(seed)
    total = sum(
        np.tanh(4 * (data[own["source"]] * rng.choice([-1, 1], len(own))).sum(axis=1) / 2)
        for _, own in edges[edges["target"] != "y"].groupby("target")
    )
    return total + 0.3 * total.std() * rng.normal(size=len(data))


# ------------------------------------------------------------------------------ controls


@pytest.mark.parametrize("kind", list(IGNORANT))
def test_a_control_keeps_how_many_features_each_node_reads(kind: str) -> None:
    edges = layered_graph([40, 12, 4, 1], [80, 16, 4], seed=0, skip_edges=5)
    names = sorted(set(edges["source"]) - set(edges["target"]))
    data = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 40)), columns=names)
    made = IGNORANT[kind](edges, data, 1)
    assert not made.duplicated(["source", "target"]).any()
    assert set(made["source"]) <= set(edges["source"])

    def read(table: pd.DataFrame) -> pd.Series:
        return table[table["source"].isin(names)].groupby("target").size()

    pd.testing.assert_series_equal(read(made), read(edges), check_names=False)
    same = len(made.merge(edges, on=["source", "target"])) - (~edges["source"].isin(names)).sum()
    assert same < len(edges[edges["source"].isin(names)]) / 2
    assert made.equals(IGNORANT[kind](edges, data, 1))
    assert not made.equals(IGNORANT[kind](edges, data, 2))


def test_genes_are_permuted_among_those_of_about_the_same_mean() -> None:
    edges = sets(0)
    data = samples(10) * 0 + np.arange(24.0)
    made = IGNORANT["permuted genes"](edges, data, 0)
    old, new = (t["source"][t["source"].isin(GENES)].str[1:].astype(int) for t in (edges, made))
    assert sorted(new) == list(range(24))
    assert (old != new).any()
    assert (old // 6 == new // 6).all()  # four bins of six


def test_co_expression_modules_are_genes_that_go_together() -> None:
    data = samples(200)
    for k in range(24):
        data[GENES[k]] = (-1) ** k * data[GENES[k % 6]] + 0.3 * data[GENES[k]]
    made = IGNORANT["co-expression modules"](sets(0), data, 0)
    for _, own in made[made["target"] != "y"].groupby("target"):
        assert own["source"].str[1:].astype(int).mod(6).nunique() == 1


# ------------------------------------------------------------------------------ protocol


def test_networks_side_by_side_share_features_and_nothing_else() -> None:
    data, edges = samples(40), sets(0)
    task = choose_task(pd.Series(["a", "b", "c", "d"] * 10), "auto", 1)
    own = fit_network(edges[edges["target"] != "y"], GENES, task)
    networks = networks_of({"sets": own}, data, ["rewired"], 2, 1, 0)
    assert [one.model for one in networks] == [OWN, "rewired", "rewired", DENSE]
    table, inputs, outputs = side_by_side(networks, 4)
    view = e2t.graph_topology(
        e2t.compile_graph(table, inputs=inputs, outputs=outputs, quiet=True)[1]
    )
    assert len(outputs) == 4 * 4
    for k, one in enumerate(networks):
        below = [set(view.ancestors(name)) for name in outputs[4 * k : 4 * k + 4]]
        assert all(group == below[0] for group in below)
        assert below[0] & set(GENES) == set(one.edges["source"])
        assert {name.split("\x1f")[0] for name in below[0] - set(GENES)} == {str(k)}
        assert len(below[0] - set(GENES)) == len(set(one.edges["target"]))


def test_the_right_prior_is_found_and_noise_is_not() -> None:
    """The short form of a hundred runs each."""
    data = samples(300, 1)
    priors = {name: sets(k) for k, name in enumerate("abc")}
    how = {
        "draws": 3,
        "starts": 2,
        "folds": 3,
        "max_epochs": 60,
        "batch_size": 64,
        "learning_rate": 0.02,
        "weight_decay": 0.05,
        "input_dropout": 0.0,
        "node_dropout": 0.0,
        "quiet": True,
    }
    found = compare_priors(priors, data, outcome(priors["b"], data), **how)
    assert (found.verdict, found.best) == ("knowledge", ("b",))
    assert found.summary().startswith("Knowledge helps: 'b' does better than graphs of its shape")
    assert "Better than ridge regression: " in found.summary()
    assert "; ridge regression " in found.summary()
    gain = found.table.set_index(["prior", "model"])["gain"]
    for kind in IGNORANT:
        assert gain["b", OWN] > gain["b", kind]
    assert gain.loc["b", "untrained network"] < gain["b", OWN]
    assert found.leads["b", OWN].mean() == pytest.approx(gain["b", OWN])
    noise = pd.Series(np.random.default_rng(0).normal(size=300))
    nothing = compare_priors(priors, data, noise, controls=["rewired"], **how)
    assert (nothing.verdict, nothing.best) == ("nothing", ())


def test_classes_groups_and_labels_by_name() -> None:
    data = samples(60)
    data.index = [f"c{k}" for k in range(60)]
    data.iloc[3, 2] = np.nan
    kind = pd.Series(np.where(data["g00"] > 0, "up", "down"), data.index, name="kind")
    donors = pd.Series([f"d{k % 6}" for k in range(60)], data.index)
    mixed = kind.sample(frac=1, random_state=0)
    found = compare_priors(
        {"sets": sets(0)}, data, mixed, groups=donors.sort_index(), impute=True, **QUICK
    )
    again = compare_priors({"sets": sets(0)}, data, kind, groups=donors, impute=True, **QUICK)
    pd.testing.assert_frame_equal(found.table, again.table)
    assert "logistic regression" in set(found.table["model"])
    own = found.leads["sets", OWN]
    means = own.groupby(donors).mean()
    half = stats.t.ppf(0.975, 5) * means.sem()
    row = found.table.iloc[0]
    assert row["high"] - row["gain"] == pytest.approx(half)
    assert own.index.equals(data.index)


def test_what_was_lowered_and_what_was_cut_short_stand_before_the_verdict() -> None:
    data, edges = samples(60), sets(0)
    y, donors = outcome(edges, data), np.arange(60) % 3
    how = {**QUICK, "folds": 4, "max_epochs": 6, "controls": ["rewired"], "groups": donors}
    found = compare_priors({"a": edges}, data, y, learning_rate=1e-3, **how)
    assert found.summary().startswith(" ".join(found.notes))
    lowered, cut = found.notes
    assert lowered.startswith("4 folds were lowered to 3: ")
    assert cut == (
        "The validation loss, mean over networks, was still falling at the last of 6 epochs, in 3 of "
        "3 folds: raise max_epochs=."
    )
    how |= {"folds": 3, "learning_rate": 5.0}  # so that the loss rises
    assert compare_priors({"a": edges}, data, y, **how).notes == ()


# ------------------------------------------------------------------------------ judgement


def judged(
    rng: np.random.Generator, own: float, rivals: float, draws: float, dense: float, spread: float
) -> tuple[str, tuple[str, ...]]:
    """Judge made-up gains of two priors, four draws of each of two controls, and a dense network."""
    keys, leads, common = [], [], rng.normal(size=150)
    for prior, gain in (("a", own), ("b", rivals)):
        keys += [(prior, OWN)] + [(prior, k) for k in ("rewired", "random sets") for _ in range(4)]
        leads += [gain + spread * rng.normal()]
        leads += (draws + spread * rng.normal(size=8)).tolist()
    keys += [("", DENSE)]
    leads += [dense]
    table = np.array(leads)[:, None] + 0.3 * common + 0.3 * rng.normal(size=(len(keys), 150))
    *_, verdict, best = judge(table, keys, pd.RangeIndex(150), None, 0.95)
    return verdict, best


def test_a_prior_that_is_one_more_draw_is_rarely_called_knowledge() -> None:
    rng = np.random.default_rng(0)
    found = [judged(rng, 0.5, 0.5, 0.5, 0.5, 0.2)[0] for _ in range(400)]
    assert np.mean([verdict == "knowledge" for verdict in found]) <= 0.05


@pytest.mark.parametrize(
    ("gains", "verdict", "best"),
    [
        ((0.9, 0.5, 0.5, 0.5), "knowledge", ("a",)),
        ((0.5, 0.9, 0.5, 0.5), "knowledge", ("b",)),
        ((0.9, 0.9, 0.5, 0.5), "knowledge", ("a", "b")),
        ((0.5, 0.5, 0.5, 0.2), "sparsity", ()),
        ((0.5, 0.5, 0.5, 0.9), "neither", ()),
        ((-0.3, -0.3, -0.3, -0.3), "nothing", ()),
        # worse than guessing, though the others are worse still
        ((-0.3, -0.9, -0.9, -0.9), "nothing", ()),
    ],
)
def test_what_helps_is_told(gains: tuple[float, ...], verdict: str, best: tuple[str, ...]) -> None:
    assert judged(np.random.default_rng(1), *gains, 0.02) == (verdict, best)


def test_holm_is_that_of_the_paper() -> None:
    assert holm(np.array([0.04, 0.01, 0.03])).tolist() == pytest.approx([0.06, 0.03, 0.06])


# ------------------------------------------------------------------------------ refusals


def test_what_cannot_be_compared_is_refused() -> None:
    data, y = samples(40), np.arange(40.0)
    with pytest.raises(Edge2TorchError, match=r"the prior 'other': edges and data share no names"):
        compare_priors({"other": sets(0).replace("^g", "x", regex=True)}, data, y, **QUICK)
    with pytest.raises(
        Edge2TorchError, match=r"controls must be one of.*Nearest to 'rewird': 'rewired'"
    ):
        compare_priors({"a": sets(0)}, data, y, controls=["rewird"], **QUICK)
    with pytest.raises(Edge2TorchError, match="controls must be one of"):
        compare_priors({"a": sets(0)}, data, y, controls=[], **QUICK)
    with pytest.raises(Edge2TorchError, match="priors must be edge tables by name"):
        compare_priors(sets(0), data, y, **QUICK)
    with pytest.raises(Edge2TorchError, match="y has 39 values for 40 samples"):
        compare_priors({"a": sets(0)}, data, y[:39], **QUICK)
    with pytest.raises(Edge2TorchError, match="y has no value for 1 sample"):
        compare_priors({"a": sets(0)}, data, pd.Series(y[:39]), **QUICK)
    with pytest.raises(Edge2TorchError, match="draws must be a whole number >= 2, found 1"):
        compare_priors({"a": sets(0)}, data, y, **{**QUICK, "draws": 1})
    with pytest.raises(Edge2TorchError, match="not numbers: 'g00'"):
        compare_priors({"a": sets(0)}, data.assign(g00="x"), y, **QUICK)
    with pytest.raises(Edge2TorchError, match="task='survival': priors are compared by"):
        compare_priors({"a": sets(0)}, data, y, task="survival", **QUICK)
    with pytest.raises(Edge2TorchError, match="seedz"):
        compare_priors({"a": sets(0)}, data, y, seedz=1, **QUICK)
