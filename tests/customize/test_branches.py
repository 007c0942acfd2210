"""Cells × drugs: a second branch at the graph's root, and pairs by name."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.interpret import predictive_power
from edge2torch.simulate import layered_graph

EDGES = layered_graph([12, 5, 1], [18, 5], seed=2)


def cells(n=30, seed=0):
    rng = np.random.default_rng(seed)
    genes = sorted(set(EDGES["source"]) - set(EDGES["target"]))
    return pd.DataFrame(rng.normal(size=(n, len(genes))), [f"c{k}" for k in range(n)], genes)


def joined(width=6, features=4, heads=False):
    torch.manual_seed(0)
    root = min(set(EDGES["target"]) - set(EDGES["source"]))
    terms = set(EDGES["target"])
    model, artifact = e2t.compile_graph(EDGES, units=dict.fromkeys(terms, 3), seed=0, quiet=True)
    model = e2t.customize_model(
        model, node_activation="tanh", node_normalization="batch", norm_first=False,
        node_heads=e2t.NodeHeads() if heads else None,
    )  # fmt: skip
    assert artifact.units[root] == 3
    return e2t.join_branches(model, artifact, (8, 5), features=features, width=width), artifact


def test_it_computes_as_the_paper_says():
    model, _ = joined()
    x, z = torch.randn(20, 12), torch.randn(20, 4)
    first, third, second = model.other[0], model.other[2], model.other[3]
    v = torch.tanh(first(z))
    v = third(v)
    v = model.other[5](torch.tanh(second(v)))
    u = model.root[1](torch.tanh(model.graph(x)))
    linear, norm, head, last = model.join[0], model.join[2], model.join[3], model.join[5]
    y = last(torch.tanh(head(norm(torch.tanh(linear(torch.cat([u, v], 1)))))))
    torch.testing.assert_close(model(x, z), y, rtol=1e-5, atol=1e-5)


def test_each_partner_is_computed_once():
    model, _ = joined(heads=True)
    model.eval()
    x, z = torch.randn(6, 12), torch.randn(3, 4)
    pairs = torch.tensor([[0, 0], [0, 2], [5, 1], [0, 1], [5, 2]])
    calls = []
    model.graph.register_forward_hook(lambda _m, args, _y: calls.append(len(args[0])))
    y = model(x, z, pairs)
    assert calls == [2]
    torch.testing.assert_close(y, model(x[pairs[:, 0]], z[pairs[:, 1]]))
    output, heads = model.with_heads(x, z, pairs)
    torch.testing.assert_close(output, y)
    assert heads.shape == (5, len(model.graph.head_names), 1)
    assert torch.equal(heads[0], heads[1])
    with pytest.raises(e2t.Edge2TorchError, match="table has 3 row"):
        model(x, z, torch.tensor([[0, 3]]))
    with pytest.raises(e2t.Edge2TorchError, match="whole numbers"):
        model(x, z, torch.zeros(2, 2))
    with pytest.raises(e2t.Edge2TorchError, match="row by row"):
        model(x, z)


def test_scores_are_for_a_given_drug_which_stays():
    model, artifact = joined()
    table = cells()
    drug, other = torch.tensor([1.0, 0, 0, 0]), torch.tensor([0.0, 2, 0, 1])
    one, two = (
        e2t.attribute(
            model.given(d),
            table,
            "nodes",
            nodes="all",
            delta=True,
            quiet=True,
            attribute_kwargs={"n_steps": 600},
        )
        for d in (drug, other)
    )
    assert not np.allclose(one.summary()["mean"], two.summary()["mean"])
    given = model.eval().given(drug)
    x = torch.tensor(table.to_numpy(), dtype=torch.float32)
    moved = float(given(x).detach().std())
    assert float(one.delta.abs().max().max()) < 0.01 * moved  # what moves is the cell alone
    torch.testing.assert_close(given(x), model(x, drug.expand(len(x), -1)))
    held = e2t.knock_out(given, artifact, table, artifact.topology.hidden, quiet=True)
    assert held.shape == (len(artifact.topology.hidden), 1)


@pytest.mark.parametrize("method", ["DeepLift", "DeepLiftShap", "GradientShap", "LRP"])
def test_methods_that_hook_activations_take_a_given_drug(method):
    """DeepLift failed on the drug's own branch, through which no gradient came."""
    model, artifact = joined()
    model.eval()
    given, table = model.given([1.0, 0.0, 2.0, 0.0]), cells(8)
    scores = e2t.attribute(given, table, method=method, quiet=True).frame()
    x = e2t.align_features_to_input_nodes(table, artifact)
    with torch.no_grad():
        moved = (given(x) - given(torch.zeros_like(x)))[:, 0]
    assert scores.shape == x.shape
    if method == "DeepLift":  # shares of what the cell moves, for the drug stays
        np.testing.assert_allclose(scores.sum(axis=1), moved, atol=1e-4)
    assert not given.row.requires_grad
    assert given.row.grad is None


def test_it_is_saved_and_joined_again(tmp_path):
    model, _ = joined()
    model.eval()
    e2t.save_compiled(tmp_path / "m", model)

    def again(base):
        graph = e2t.customize_model(
            base, node_activation="tanh", node_normalization="batch", norm_first=False
        )
        return e2t.join_branches(graph, other=(8, 5), features=4)

    loaded, _ = e2t.load_compiled(tmp_path / "m", customize=again)
    x, z = torch.randn(5, 12), torch.randn(5, 4)
    assert torch.equal(loaded.eval()(x, z), model(x, z))
    with pytest.raises(e2t.Edge2TorchError, match=r"with other modules.*other.0: saved Linear"):
        e2t.load_compiled(
            tmp_path / "m",
            customize=lambda base: e2t.join_branches(again(base).graph, other=(7, 5), features=4),
        )


@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("older", [False, True])
def test_it_comes_back_by_itself(tmp_path, heads, older):
    model, artifact = joined(heads=heads)
    model.eval()
    e2t.save_compiled(tmp_path / "m", model)
    index = tmp_path / "m" / "artifact.json"
    told = json.loads(index.read_text())
    assert told["modules"]["around"]["class"] == "JoinedModel"
    if older:  # as it was called where customize= was needed
        told["modules"]["around"]["class"] = "edge2torch.nn._joined.JoinedModel"
        index.write_text(json.dumps(told))
    loaded, its = e2t.load_compiled(tmp_path / "m")
    assert its.fingerprint == artifact.fingerprint
    assert loaded.features == 4
    x, z = torch.randn(5, 12), torch.randn(5, 4)
    assert torch.equal(loaded.eval()(x, z), model(x, z))
    if heads:
        assert torch.equal(loaded.with_heads(x, z)[1], model.with_heads(x, z)[1])
    with pytest.raises(e2t.Edge2TorchError, match=r"must have shape \(b, 4\)"):
        loaded(x, z[:, :3])


class OwnBranch(nn.Linear):
    """Code of the user's."""


def test_a_branch_of_ones_own_is_not_stored(tmp_path):
    graph, _ = e2t.compile_graph(EDGES, quiet=True)
    e2t.save_compiled(tmp_path / "own", e2t.join_branches(graph, other=OwnBranch(3, 2)))
    with pytest.raises(e2t.Edge2TorchError, match=r"OwnBranch' are code that is not stored"):
        e2t.load_compiled(tmp_path / "own")
    e2t.save_compiled(tmp_path / "own", joined()[0])
    index = tmp_path / "own" / "artifact.json"
    told = json.loads(index.read_text())
    around = told["modules"]["around"]
    around["parts"]["other"] = json.loads(
        json.dumps(around)
    )  # a graph beside the graph, which nothing writes
    index.write_text(json.dumps(told))
    with pytest.raises(e2t.Edge2TorchError, match="'JoinedModel' are code that is not stored"):
        e2t.load_compiled(tmp_path / "own")


def test_branches_that_do_not_fit_are_refused():
    base, artifact = e2t.compile_graph(EDGES, quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="features is missing"):
        e2t.join_branches(base, other=(8, 5))
    with pytest.raises(e2t.Edge2TorchError, match="does not take features"):
        e2t.join_branches(base, other=nn.Linear(3, 2), features=4)
    with pytest.raises(e2t.Edge2TorchError, match="model has a head"):
        e2t.join_branches(e2t.customize_model(base, head=nn.Linear(1, 1)), other=nn.Linear(3, 2))
    with pytest.raises(e2t.Edge2TorchError, match="other is empty"):
        e2t.join_branches(base, artifact, (), features=3)


# ------------------------------------------------------------------------------------- pairs


def responses(n_cells=30, n_drugs=8, seed=0):
    """A drug's level, and its own pathway's activity in the cell."""
    rng = np.random.default_rng(seed)
    table = cells(n_cells, seed)
    drugs = pd.DataFrame(np.eye(n_drugs), index=[f"d{k}" for k in range(n_drugs)])
    level = rng.normal(size=n_drugs) * 3
    rows = [
        (cell, drug, level[k] + table.iloc[c, k % 12] + 0.1 * rng.normal())
        for c, cell in enumerate(table.index)
        for k, drug in enumerate(drugs.index)
    ]
    return pd.DataFrame(rows, columns=["cell", "drug", "auc"]), table, drugs


def test_pairs_are_aligned_by_name_whatever_their_order():
    table, first, second = responses()
    both = e2t.pairs(table, first, second, label="auc")
    shuffled = e2t.pairs(
        table, first.sample(frac=1, random_state=0), second.iloc[::-1], label="auc"
    )
    for one in (both, shuffled):
        names = one.cells.index[one.index[:, 0]], one.drugs.index[one.index[:, 1]]
        assert (names[0] == table["cell"]).all()
        assert (names[1] == table["drug"]).all()


@pytest.mark.parametrize("hold_out", ["cell", "drug", "both", "pair"])
def test_what_is_held_out_was_not_seen(hold_out):
    table, first, second = responses()
    both = e2t.pairs(table, first, second, label="auc")
    folds = both.folds(hold_out, 4, seed=1)
    assert len(folds) == 4
    for fit, held_out in folds:
        assert len(fit)
        assert len(held_out)
        seen = [set(both.index[fit, k]) & set(both.index[held_out, k]) for k in range(2)]
        assert bool(seen[0]) == (hold_out in ("drug", "pair"))
        assert bool(seen[1]) == (hold_out in ("cell", "pair"))
        assert not set(fit) & set(held_out)


def test_scores_are_within_drugs_and_baselines_stand_beside():
    table, first, second = responses(40)
    both = e2t.pairs(table, first, second, label="auc")
    fit, held_out = both.folds("cell", 4)[0]
    scores = both.compare({"truth": both.y[held_out]}, fit, held_out)
    assert list(scores.index) == [
        "truth", "drug mean", "drug mean + cell mean", "ridge per drug", "ridge on both"
    ]  # fmt: skip
    assert list(scores.columns[:2]) == ["spearman", "pearson"]
    assert scores.loc["truth", "spearman"] == pytest.approx(1)
    assert scores.loc["drug mean", "spearman"] == 0
    assert scores.loc["drug mean", "pooled_pearson"] > 0.8  # means of drugs alone
    assert scores.loc["ridge per drug", "spearman"] > 0.8
    assert scores.loc["ridge on both", "spearman"] < 0.5


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t, c, d: (t, c.iloc[3:], d), r"names 3 of 30 cell\(s\) .* Drop their 24 pair"),
        (lambda t, c, d: (t, c, d.iloc[1:]), r"1 of 8 drug\(s\)"),
        (lambda t, c, d: (pd.concat([t, t.iloc[:2]]), c, d), r"2 row\(s\) repeat a pair"),
        (lambda t, c, d: (t.assign(auc=t["auc"].where(t.index > 4)), c, d), r"5 row\(s\) have no"),
        (lambda t, c, d: (t.assign(drug=t["drug"].where(t.index > 0)), c, d), r"1 row\(s\) have no cell"),
        (lambda t, c, d: (t, pd.concat([c, c.iloc[:1]]), d), "more than once: 'c0'"),
        (lambda t, c, d: (t, c.assign(**{c.columns[0]: c.iloc[:, 0].where(c.index != "c4")}), d), "'c4'"),
        (lambda t, c, d: (t.rename(columns={"auc": "y"}), c, d), "no column 'auc'"),
        (lambda t, c, d: (pd.concat([t, t["auc"]], axis=1), c, d), "table has columns more than once: 'auc'"),
        (lambda t, c, d: (t, c, pd.concat([d, d.iloc[:, :1]], axis=1)), "drugs has columns more than once: 0"),
        (lambda t, c, d: (t, c.assign(when=pd.Timestamp("2020")), d), r"cells: 30 cell\(s\) have features"),
        (lambda t, c, d: (t, c, d.assign(big=pd.Series([10**400] + [1] * 7, d.index, dtype=object))), r"drugs: 1 drug\(s\) have features"),
        (lambda t, c, d: (t.assign(auc=[1j, *t["auc"][1:]]), c, d), r"240 row\(s\) have no number in 'auc'"),
    ],
)  # fmt: skip
def test_pairs_that_do_not_fit_are_counted(spoil, said):
    with pytest.raises(e2t.Edge2TorchError, match=said):
        e2t.pairs(*spoil(*responses()), label="auc")


@pytest.mark.parametrize(
    "roles",
    [{"entities": ("cell", "cell")}, {"entities": ("cell",)}, {"entities": 3}, {"entities": "cd"},
     {"label": "drug"}, {"entities": ("cell", "auc")}],
    ids=str,
)  # fmt: skip
def test_roles_of_pairs_are_three_columns(roles):
    with pytest.raises(e2t.Edge2TorchError, match="entities must be two columns"):
        e2t.pairs(*responses(), **{"label": "auc", **roles})
    with pytest.raises(e2t.Edge2TorchError, match="label must be the name of a column"):
        e2t.pairs(*responses(), label=["auc"])


def test_partners_that_are_missing_or_of_another_length_are_named():
    model, artifact = joined()
    model.eval()
    table = cells()
    for call in (
        lambda: e2t.attribute(model, table, "nodes", quiet=True),
        lambda: e2t.knock_out(model, artifact, table, artifact.topology.hidden, quiet=True),
        lambda: predictive_power(model, artifact, table, table.iloc[:, 0]),
        lambda: model(torch.zeros(2, 12)),
    ):
        with pytest.raises(e2t.Edge2TorchError, match=r"joined\.given\(drug\)"):
            call()
    with pytest.raises(e2t.Edge2TorchError, match=r"features of one partner.*found 'd1'"):
        model.given("d1")
    with pytest.raises(e2t.Edge2TorchError, match="other must be the features"):
        model.given(3)
    with pytest.raises(e2t.Edge2TorchError, match=r"one partner, .* found shape \(4, 4\)"):
        model.given(pd.DataFrame(np.eye(4)))  # its column names are numbers, too
    with pytest.raises(e2t.Edge2TorchError, match="missing or infinite"):
        model.given([0.0, 1.0, np.nan, 0.0])
    with pytest.raises(e2t.Edge2TorchError, match="others must be a Tensor"):
        model(torch.zeros(2, 12), np.zeros((2, 4)))
    with pytest.raises(e2t.Edge2TorchError, match="pairs must be a Tensor"):
        model(torch.zeros(2, 12), torch.zeros(2, 4), np.array([[0, 0]]))
    for wrong in ([1.0, 0], torch.zeros(2, 4)[0, :3]):
        with pytest.raises(e2t.Edge2TorchError, match=r"shape \(b, 4\), found \(1, "):
            model.given(wrong)
    with pytest.raises(e2t.Edge2TorchError, match=r"shape \(b, 4\), found \(2, 3\)"):
        model(torch.zeros(2, 12), torch.zeros(2, 3))


def test_comparisons_are_of_held_out_pairs():
    both = e2t.pairs(*responses(), label="auc")
    fit, held_out = both.folds()[0]
    right = both.y[held_out]
    table = both.compare({"joined": torch.tensor(right)}, fit, held_out)
    assert table.loc["joined", "pearson"] == pytest.approx(1)
    for predicted, parts, said in [
        ({"joined": both.y[fit]}, (fit, fit), "are among fit"),
        ({"joined": right[:-1]}, (fit, held_out), r"predicted\['joined'\] must have shape"),
        ({"joined": right * np.nan}, (fit, held_out), "not finite"),
        ({"joined": ["a"] * len(right)}, (fit, held_out), "array of numbers"),
        (right, (fit, held_out), "predicted must be predictions by"),
        ({"joined": right}, (fit, held_out + len(both.y)), "held_out must be from 0 to 239"),
        ({"joined": right}, (fit, [0.5]), "held_out must be numbers of rows"),
    ]:
        with pytest.raises(e2t.Edge2TorchError, match=said):
            both.compare(predicted, *parts)
    with pytest.raises(e2t.Edge2TorchError, match="numbers must be from 0 to 239"):
        both.rows([240])
