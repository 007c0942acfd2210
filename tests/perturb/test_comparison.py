"""Folds, sisters, rules and the kernel, against values that were worked out by hand."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError
from edge2torch.perturb import GraphKernel, baselines, folds, read_design
from edge2torch.perturb._compare import _by_kernel, held_out
from edge2torch.perturb._design import _exchanged
from edge2torch.perturb._problem import Problem, levels
from edge2torch.perturb._rewired import rewired_for, rewired_graphs
from edge2torch.perturb._rules import additive, nearest, ridge, sister
from edge2torch.perturb._scores import Held, scored
from edge2torch.perturb._verdict import wiring


def screen(n: int = 6, seed: int = 0):
    """Ligands with and without LPS, of which two each share a receptor."""
    rng = np.random.default_rng(seed)
    ligands = [f"L{k}" for k in range(n)]
    doses = pd.DataFrame(0.0, ["none", "LPS"], [*ligands, "LPS"])
    doses.loc["LPS", "LPS"] = 1.0
    for ligand in ligands:
        doses.loc[ligand] = doses.loc[f"{ligand} LPS"] = 0.0
        doses.loc[[ligand, f"{ligand} LPS"], ligand] = 1.0
        doses.loc[f"{ligand} LPS", "LPS"] = 1.0
    effect = rng.normal(size=(n // 2, 8))
    y = doses[ligands].to_numpy() @ np.repeat(effect, 2, axis=0)
    y = y + np.outer(doses["LPS"], rng.normal(size=8)) + 0.05 * rng.normal(size=y.shape)
    read = pd.DataFrame(y, doses.index, [f"y{k}" for k in range(8)])
    edges = pd.DataFrame({"source": ligands, "target": [f"R{k // 2}" for k in range(n)]})
    more = pd.DataFrame({"source": ["R0", "R1", "R2"], "target": ["y0", "y1", "y2"]})
    return read_design(doses, read), pd.concat([edges, more], ignore_index=True)


def test_sisters_are_counted() -> None:
    design, _ = screen()
    by_condition = folds(design, {"L0": 1, "L3 LPS": 2})
    assert (by_condition.sisters, by_condition.conditions) == (2, 2)
    assert "can be solved without the graph" in repr(by_condition)
    by_treatment = folds(design, "treatment")
    assert len(by_treatment) == 6  # LPS is what the others are given on
    assert by_treatment.sisters == 0
    assert "solved" not in repr(by_treatment)
    for fold in by_treatment:
        name = fold.left_out[0]
        assert set(design.samples["condition"].iloc[fold.held_out]) == {name, f"{name} LPS"}


def test_a_sister_by_a_treatment_that_is_new_is_none() -> None:
    doses = pd.DataFrame({"A": [0, 1, 0, 1], "B": [0, 0, 1, 1], "C": [0, 0, 0, 0]}, list("0abc"))
    design = read_design(doses.assign(C=[0, 0, 0, 1]), pd.DataFrame({"y": range(4)}, list("0abc")))
    # c differs from b by A and C; from nothing by one treatment
    assert not design.sisters(["0", "a", "b"], ["c"])["c"]
    # b differs from 0 by B, which nobody else was given
    assert not design.sisters(["0", "a"], ["b"])["b"]


@pytest.mark.parametrize(
    ("leave", "n"), [("condition", 10), ("treatment", 6), ("target", 6), ("combination", 6)]
)
def test_replicates_never_part(leave: str, n: int) -> None:
    design, _ = screen()
    twice = read_design(
        design.doses,
        pd.concat([design.readouts.set_axis(design.doses.index)] * 2),
    )
    made = folds(twice, leave, k=10)
    assert len(made) == n
    for fold in made:
        inside = set(twice.samples["condition"].iloc[fold.training])
        assert not inside & set(twice.samples["condition"].iloc[fold.held_out])


def test_doses_times_and_contexts_can_be_left_out() -> None:
    doses = pd.DataFrame({"A": [0, 1, 10, 0], "B": [0, 0, 0, 1]}, list("0abc"))
    read = pd.DataFrame({"y": np.arange(8.0)}, list("0abc") * 2)
    design = read_design(doses, read.assign(time=[5] * 4 + [9] * 4))
    assert {fold.left_out for fold in folds(design, "time")} == {("5",), ("9",)}
    assert {fold.left_out for fold in folds(design, "dose")} == {("A 1",), ("A 10",)}
    with pytest.raises(Edge2TorchError, match=r"leave='context': the design has only ''"):
        folds(design, "context")


def test_a_fold_without_a_treated_condition_is_refused() -> None:
    design = read_design(
        pd.DataFrame({"A": [0, 1], "B": [0, 0]}, list("0a")),
        pd.DataFrame({"y": [0.0, 1]}, list("0a")),
    )
    with pytest.raises(Edge2TorchError, match="no treated condition is left"):
        folds(design, "condition", k=2)
    with pytest.raises(Edge2TorchError, match="leave names condition"):
        folds(design, {"z": 1})


def test_levels_of_doses() -> None:
    doses = pd.DataFrame({"A": [0.0, 1.0, 9.0], "B": [0.0, 5.0, 5.0]})
    low, high = pd.Series({"A": 1.0, "B": np.nan}), doses.max()
    expected = [[0, 0], [np.log(2) / np.log(10), 1], [1, 1]]
    np.testing.assert_allclose(levels(doses, low, high), expected)


def test_rules_by_hand() -> None:
    doses = pd.DataFrame({"A": [0, 1, 0, 1], "B": [0, 0, 1, 1]}, list("0abc"))
    design = read_design(doses, pd.DataFrame({"y": [1.0, 3.0, 2.0, 9.0]}, list("0abc")))
    problem, training = Problem.of(design), np.arange(3)
    # a + (B's shift, 1) is 4, b + (A's shift, 2) is 4
    assert sister(problem, training)[3, 0] == 4.0
    assert additive(problem, training)[3, 0] == pytest.approx(4.0)
    assert nearest(1)(problem, training)[3, 0] == pytest.approx(2.5)  # a and b are as near
    x, y = problem.u[:3], problem.y[:3]
    a = x - x.mean(axis=0)
    b = np.linalg.solve(a.T @ a + np.eye(2), a.T @ (y - y.mean(axis=0)))
    by_hand = (problem.u - x.mean(axis=0)) @ b + y.mean(axis=0)
    np.testing.assert_allclose(ridge(1.0)(problem, training), by_hand)


def test_what_was_not_measured_changes_nothing_but_itself() -> None:
    design, edges = screen()
    holes = design.readouts.mask(np.random.default_rng(1).random(design.readouts.shape) < 0.3)
    holes["y0"] = design.readouts["y0"]
    gappy = read_design(design.doses, holes.set_axis(design.doses.index))
    training = folds(design, "treatment", k=2)[0].training
    kernel = GraphKernel(edges)
    for rule in (ridge(1.0), sister, nearest(5), additive):
        full, less = (rule(Problem.of(d), training) for d in (design, gappy))
        np.testing.assert_allclose(full[:, 0], less[:, 0])
        assert not np.isnan(less).any()
    full, less = (kernel.predict(d, training) for d in (design, gappy))
    np.testing.assert_allclose(full["y0"], less["y0"])
    assert less.notna().all(axis=None)


def test_the_kernel_equals_its_equation() -> None:
    design, edges = screen()
    edges = edges.assign(sign=[-1, 1, 1, -1, 1, 1, 1, -1, 1])
    kernel = GraphKernel(edges, damping=0.8, penalty=2.0)
    names = list(kernel.nodes)
    n = len(names)
    w = np.zeros((n, n))
    for s, t, sign in edges.itertuples(index=False):
        w[names.index(t), names.index(s)] = sign
    into, out = (np.maximum((w != 0).sum(axis=k), 1) for k in (1, 0))
    spread = np.linalg.inv(np.eye(n) - 0.8 * w / np.sqrt(np.outer(into, out)))
    z = np.zeros((len(design.doses), n))
    for row, (_, given) in enumerate(design.doses.iterrows()):
        for name in given.index[(given > 0) & (given.index != "LPS")]:
            z[row] = spread[:, names.index(name)]
            z[row, names.index(name)] = 0
    length = np.linalg.norm(z, axis=1, keepdims=True)
    z = np.divide(z, length, out=np.zeros_like(z), where=length > 0)
    training = np.array([0, 1, 2, 3, 6, 7, 8])
    lps = design.doses["LPS"].to_numpy()
    y = design.readouts.to_numpy()
    base = np.stack([y[training][lps[training] == state].mean(axis=0) for state in lps])
    gram = z[training] @ z[training].T + 2.0 * np.eye(len(training))
    expected = base + z @ z[training].T @ np.linalg.solve(gram, (y - base)[training])
    np.testing.assert_allclose(kernel.predict(design, training).to_numpy(), expected)


def test_the_kernel_knows_a_new_ligand_by_its_receptor_and_ridge_does_not() -> None:
    design, edges = screen()
    made = folds(design, "treatment")
    problem = Problem.of(design)
    held = held_out(design, problem, made)
    by_ridge = np.concatenate([ridge(1.0)(problem, f.training)[f.held_out] for f in made])
    found = {"kernel": _by_kernel(design, problem, made, GraphKernel(edges)), "ridge": by_ridge}
    beyond = scored(held, found, 0)["beyond_r"]
    assert beyond["kernel"] > 0.9
    assert beyond["ridge"] < 0.5


def test_a_new_design_is_predicted_as_a_held_out_one() -> None:
    design, edges = screen()
    training = np.flatnonzero(~design.samples["condition"].isin(["L1", "L1 LPS"]))
    kernel = GraphKernel(edges)
    whole = kernel.predict(design, training)
    new = read_design(pd.DataFrame({"L1": [1.0, 1.0], "LPS": [0.0, 1.0]}, ["p", "q"]))
    found = kernel.predict(design.at(training), new=new)
    at = design.samples.index[design.samples["condition"].isin(["L1", "L1 LPS"])]
    np.testing.assert_allclose(found, whole.loc[at])


def test_scores_by_hand() -> None:
    truth = np.array([[1.0, 2.0], [3.0, 1.0], [0.0, np.nan]])
    base = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    found = np.array([[1.5, 1.5], [2.0, 0.5], [0.5, 9.0]])
    count = np.arange(3)
    held = Held(count, count, count, count, truth, base)
    row = scored(held, {"m": found, "background mean": base}, 0).loc["m"]
    ok = ~np.isnan(truth)
    assert row["mse"] == pytest.approx(((found - truth)[ok] ** 2).mean())
    assert row["skill"] == pytest.approx(
        1 - ((found - truth)[ok] ** 2).sum() / ((base - truth)[ok] ** 2).sum()
    )
    assert row["beyond_r"] == pytest.approx(
        np.corrcoef((found - base)[ok], (truth - base)[ok])[0, 1]
    )
    assert row["beyond_lower"] <= row["beyond_r"] <= row["beyond_upper"]


def test_the_sentence_on_sisters_comes_first_and_only_then() -> None:
    design, edges = screen()
    easy = "This split can be solved without the graph."
    assert baselines(design, folds(design, {"L0": 1, "L0 LPS": 1})).verdicts == []
    both = baselines(design, folds(design, {"L0": 1}), edges, rewired=2).verdicts
    assert both[0] == easy
    assert "cannot be said of 2 rewired graphs" in both[1]


def wiring_of_kernels(design, edges, rewired, seed):
    """What is said of the kernel, without the rules that take time."""
    problem, made = Problem.of(design), folds(design, "treatment", k=4)
    held = held_out(design, problem, made)

    def told(table):
        return _by_kernel(design, problem, made, GraphKernel(table, unknown="drop"))

    rule = np.concatenate([ridge(1.0)(problem, f.training)[f.held_out] for f in made])
    others = {str(k): told(table) for k, table in enumerate(rewired)}
    return wiring(held, "graph kernel", told(edges), rule, others, seed)[0]


def test_the_wiring_matters_where_it_does_and_not_with_targets_exchanged() -> None:
    design, edges = screen(12)
    rewired = [rewired_for(edges, design, seed) for seed in range(20)]
    assert wiring_of_kernels(design, edges, rewired, 0).startswith(
        "The wiring matters to the graph kernel"
    )
    exchanged = [
        wiring_of_kernels(design.with_targets_exchanged(seed), edges, rewired, seed)
        for seed in range(1, 11)
    ]
    assert sum(words.startswith("The wiring matters") for words in exchanged) <= 1


def test_exchanged_targets_are_never_the_networks_own() -> None:
    doses = pd.DataFrame(np.eye(7), list("0123456"), ["s", "t", "i", "j", "k", "m", "n"])
    kinds = dict.fromkeys("ijkmn", "inhibitor")
    design = read_design(
        doses, kinds=kinds, targets={"i": "P", "j": "P", "k": "P", "m": "Q", "n": "R"}
    )
    for seed in range(20):
        found = design.with_targets_exchanged(seed).targets
        assert (found["s"], found["t"]) == (["t"], ["s"])
        assert sorted(found[name][0] for name in "ijkmn") == ["P", "P", "P", "Q", "R"]
        # of three that share a target two find another
        assert sum(found[name] != design.targets[name] for name in "ijkmn") == 4
    one = read_design(doses[["s", "i", "j"]], kinds={"i": "inhibitor", "j": "inhibitor"},
                      targets={"i": "P", "j": "P"})  # fmt: skip
    assert not one.can_exchange_targets
    with pytest.raises(Edge2TorchError, match="targets cannot be exchanged"):
        one.with_targets_exchanged(0)


def test_a_target_that_most_share_still_moves() -> None:
    own = np.array(["P"] * 30 + [f"Q{k}" for k in range(30)], object)
    found = _exchanged(own, np.random.default_rng(0))  # hardly ever drawn: the long run is moved on
    assert (found != own).all()
    assert sorted(found) == sorted(own)


def test_a_graph_that_a_rewiring_leaves_as_it_is_is_no_control() -> None:
    doses = pd.DataFrame({"A": [0, 1, 0, 1.0], "B": [0, 0, 1.0, 1]}, list("0abc"))
    design = read_design(doses, pd.DataFrame({"y": [0, 1.0, 2, 3]}, list("0abc")))
    chain = pd.DataFrame({"source": ["A", "B", "r"], "target": ["r", "r", "y"], "sign": 1})
    graphs, words = rewired_graphs(chain, design, 3, 0)
    assert graphs == {}
    assert words == "rewired 20 times, this small network gave itself 20 times"
    assert rewired_graphs(chain, design, 0, 0) == ({}, "")
    two = pd.DataFrame({"source": ["A", "B"], "target": ["y", "z"], "sign": 1})
    graphs, words = rewired_graphs(two, design, 20, 0)
    assert len(graphs) == 1  # A to z, B to y
    assert next(iter(graphs.values()))["target"].tolist() == ["z", "y"]
    assert re.fullmatch(
        r"rewired \d+ times, this small network gave itself \d+ times and 1 other graph", words
    )
    assert len(rewired_graphs(two, design, 1, 0)[0]) == 1
    said = baselines(design, folds(design, {"c": 1}), chain).verdicts
    # one sentence, which asks for nothing that cannot be given
    assert said[1:] == [
        (
            "Whether the wiring matters to the graph kernel cannot be said: rewired 20 times, this small network "
            "gave itself 20 times; 20 others are needed."
        )
    ]


def test_sisters_of_any_dose() -> None:
    doses = pd.DataFrame(
        {"A": [0, 1, 10, 100, 0], "B": [0, 0, 0, 0, 1]}, ["c", "a1", "a10", "a100", "b"]
    )
    design = read_design(doses, pd.DataFrame({"y": np.arange(5.0)}, doses.index))
    for name in doses.index:
        others = [one for one in doses.index if one != name]
        assert design.sisters(others, [name])[name] == (name != "b")
    assert folds(design, k=5).sisters == 4
    by_dose = folds(design, "dose")
    assert (by_dose.sisters, by_dose.conditions) == (3, 3)
    # A was seen in the sister alone
    assert not design.sisters(["a10", "b"], ["a1"])["a1"]


def test_conditions_that_are_the_same_under_two_names_never_part() -> None:
    doses = pd.DataFrame(
        {"A": [0, 1, 1, 0, 2], "B": [0, 0, 0, 1, 1]}, ["0", "a", "again", "b", "ab"]
    )
    design = read_design(doses, pd.DataFrame({"y": np.arange(5.0)}, doses.index))
    made = folds(design, k=4)
    assert repr(made).startswith("4 folds, one condition left out; 5 of 5")
    assert [len(f.held_out) for f in made if f.left_out == ("a = again",)] == [2]
    assert design.sisters(["again", "b"], ["a"])["a"]  # a mapping may part them


def test_the_kernel_refuses_treatments_that_it_cannot_place() -> None:
    design, edges = screen()
    less = edges[edges["source"] != "L5"]
    with pytest.raises(Edge2TorchError, match=r"1 treatment\(s\) whose target is not a node: 'L5'"):
        GraphKernel(less).predict(design)
    assert GraphKernel(less, unknown="drop").predict(design).notna().all(axis=None)
    said = baselines(design, folds(design, {"L0": 1}), less, rewired=0).verdicts
    assert said[1:] == [
        "The graph kernel knows nothing of 1 treatment(s) whose target is not a node: 'L5'."
    ]


def test_a_background_without_error_has_no_skill(recwarn: pytest.WarningsRecorder) -> None:
    count, flat = np.arange(3), np.ones((3, 1))
    held = Held(count, count, count, count, flat, flat)
    assert np.isnan(scored(held, {"m": flat + 1}, 0).loc["m", "skill"])
    # of a readout that is .1 always rounding may leave the mean an error, and a correlation
    rng = np.random.default_rng(0)
    steady = Held(count, count, count, count, np.full((3, 2), 0.1), np.full((3, 2), 0.1 + 1e-17))
    steady.base[0] += 1.5e-17
    row = scored(steady, {"m": rng.normal(size=(3, 2))}, 0).loc["m"]
    assert row[["skill", "skill_lower", "r", "r_readouts"]].isna().all()
    assert not recwarn.list
    design, _ = screen()
    assert repr(folds(design, k=2)).startswith("2 folds, 7 conditions left out;")
