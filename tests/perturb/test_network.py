"""Encoding, training, verdicts and screens, on networks whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch import Edge2TorchError, perturb
from edge2torch.nn import spectral_radius
from edge2torch.perturb._compare import held_out
from edge2torch.perturb._problem import Problem
from edge2torch.perturb._train import Recipe, masked, train
from edge2torch.perturb._verdict import judged, wiring
from edge2torch.train._steady import _settle_cycles

EDGES = pd.DataFrame(
    {
        "source": ["A", "B", "a", "b", "c", "c", "b", "d", "A"],
        "target": ["a", "b", "c", "c", "a", "y", "d", "z", "d"],
        "sign": [1, 1, 1, 1, -1, 1, 1, 1, 0],
    }
)


def given(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame(columns, [f"c{k}" for k in range(len(next(iter(columns.values()))))])


DOSES = given(
    A=[0, 1, 0, 1, 1, 0, 1],
    B=[0, 0, 1, 1, 1, 1, 0],
    drug=[0, 0, 0, 0, 1, 1, 1],
    fall=[0] * 6 + [0.4],
)
KINDS = {"drug": "inhibitor", "fall": "knock_down"}
TARGETS = {"drug": "c", "fall": "b; d"}


def design_of(doses: pd.DataFrame = DOSES, columns: tuple[str, ...] = ("y", "z")) -> perturb.Design:
    rng = np.random.default_rng(0)
    read = pd.DataFrame(rng.random((len(doses), len(columns))), doses.index, columns)
    kinds = {name: kind for name, kind in KINDS.items() if name in doses}
    targets = {name: target for name, target in TARGETS.items() if name in doses}
    return perturb.read_design(doses, read, kinds=kinds, targets=targets)


def test_what_treatments_feed_and_hold() -> None:
    model, artifact = perturb.compile(EDGES, design_of())
    assert artifact.feature_names == ["A", "B"]
    assert model.encoding.held == ["c", "b", "d"]
    x = model.encode(design_of())
    assert x[4].tolist() == [1, 1, 1, 0]
    torch.testing.assert_close(model.inputs(x), 3 * x[:, :2])
    share = model.hold(x).share
    torch.testing.assert_close(share[4], torch.tensor([0.9, 0, 0]))
    torch.testing.assert_close(share[6], torch.tensor([0.9, 0.4, 0.4]))
    assert model.efficacies.round(2).to_dict() == {"drug": 0.9}


def test_a_known_share_is_not_learned_and_two_drugs_leave_what_both_leave() -> None:
    long = design_of().to_frame()
    long.loc[long["treatment"] == "drug", "share"] = 0.5
    more = long[long["condition"] == "c4"].assign(condition="both")
    extra = more[more["treatment"] == "drug"].assign(treatment="other", share=0.2)
    design = perturb.read_design(pd.concat([long, more, extra]))
    read = pd.DataFrame({"y": 0.5}, design.doses.index)
    model, _ = perturb.compile(EDGES, perturb.read_design(pd.concat([long, more, extra]), read))
    assert not len(model.efficacy)
    share = model.hold(model.encode(design)).share
    at = design.samples["condition"].tolist().index("both")
    assert share[at, 0].item() == pytest.approx(1 - 0.5 * 0.8)


def test_each_dose_of_an_inhibitor_can_have_its_share() -> None:
    long = pd.DataFrame(
        {
            "condition": ["none", "A", "low", "low", "high", "high"],
            "treatment": ["", "A", "A", "drug", "A", "drug"],
            "target": ["", "", "", "c", "", "c"],
            "dose": [0, 1, 1, 1.0, 1, 10.0],
            "share": [np.nan, np.nan, np.nan, 0.3, np.nan, 0.8],
        }
    )
    long["kind"] = long["treatment"].map({"A": "stimulus", "drug": "inhibitor"}).fillna("")
    read = pd.DataFrame({"y": [0.0, 1, 0.7, 0.2]}, ["none", "A", "low", "high"])
    design = perturb.read_design(long, read)
    again = perturb.read_design(design.to_frame(), read)
    for one in (design, again):
        model, _ = perturb.compile(EDGES, one)
        x = model.encode(one)
        torch.testing.assert_close(
            model.hold(x).share, torch.tensor([[0.0], [0.0], [0.3], [0.8]]), atol=1e-6, rtol=0
        )
        between = torch.tensor([[1.0, 5.5], [1.0, 0.5], [1.0, 99.0]])
        shares = model.hold(between).share.flatten().tolist()
        assert shares == pytest.approx([0.55, 0.15, 0.8], abs=1e-6)
    more = long[3:4].assign(condition="other", dose=5.0, share=0.5)
    lacking = pd.concat([long, more]).replace({"share": {0.3: np.nan}})
    with pytest.raises(
        Edge2TorchError, match=r"Give one for each dose.*None is given for dose 1\.0"
    ):
        perturb.read_design(lacking)


def test_held_nodes_go_to_where_they_are_when_nothing_is_given() -> None:
    model, _ = perturb.compile(EDGES, design_of())
    torch.manual_seed(0)
    with torch.no_grad():
        model.base.cell(0).edges.bias.uniform_(-0.5, 0.5)
        model.efficacy.fill_(50.0)
    model.find_rest()
    x = model.encode(design_of())
    assert (model.rest.abs() > 0.01).all()
    at_rest = model.states(x[:1])[0, model.nodes]
    torch.testing.assert_close(model.rest, at_rest)
    torch.testing.assert_close(model.states(x)[4, model.nodes[:1]], at_rest[:1])


def test_a_readout_of_a_held_node_is_left_out_and_has_no_gradient() -> None:
    design = design_of(columns=("y", "c"))
    model, _ = perturb.compile(EDGES, design)
    y = masked(design, model, design.readouts.to_numpy(float))
    assert np.isnan(y[4:, 1]).all()
    assert not np.isnan(y[:4]).any()
    found = model(model.encode(design))
    measured = torch.from_numpy(~np.isnan(y))
    target = torch.from_numpy(np.nan_to_num(y)).float()
    found.retain_grad()
    ((found - target)[measured] ** 2).mean().backward()
    assert (found.grad[~measured] == 0).all()
    sent, _ = perturb.compile(EDGES, design, acts="output")
    assert not np.isnan(masked(design, sent, design.readouts.to_numpy(float))).any()


def test_shared_weights_are_gains_of_nodes_and_inputs_are_fixed() -> None:
    design = design_of()
    free, _ = perturb.compile(EDGES, design)
    model, artifact = perturb.compile(EDGES, design, weights="shared")
    layer = model.base.cell(0).edges
    names = artifact.node_names_by_site["steady"]
    ends = [(names[int(c)], names[int(r) + 2]) for r, c in zip(layer.row, layer.col, strict=True)]
    weights = dict(zip(ends, layer.edge_weights().tolist(), strict=True))
    assert weights["A", "a"] == pytest.approx(2**-0.5)  # fixed at 1 / sqrt(out-degree)
    assert weights["c", "a"] == pytest.approx(-1 / np.sqrt(2 * 2))
    with torch.no_grad():
        gains = layer.parametrizations.weight[0]
        gains.log_target[names.index("a") - 2] = np.log(2.0)
    assert layer.edge_weights()[ends.index(("c", "a"))].item() == pytest.approx(-1.0)
    assert layer.edge_weights()[ends.index(("A", "a"))].item() == pytest.approx(2**-0.5)
    assert len(free.base.cell(0).edges.weight) == 9


def test_shared_gains_on_cycles_are_scaled_back_before_a_steady_state_is_sought() -> None:
    loop = pd.DataFrame({"source": ["A", "a", "b", "b"], "target": ["a", "b", "a", "y"], "sign": 1})
    design = design_of(given(A=[0, 1]), ("y",))
    model, _ = perturb.compile(loop, design, weights="shared")
    gains = model.base.cell(0).edges.parametrizations.weight[0]
    with torch.no_grad():
        gains.log_source.fill_(1.0)
    assert spectral_radius(model).item() > 1.5
    _settle_cycles(model, model.base, 0.9)
    assert spectral_radius(model).item() == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize(
    ("weights", "prior_mean"), [("free", "graph_kernel"), ("shared", "none"), ("shrunk", "none")]
)
def test_every_arm_trains_and_predicts(weights: str, prior_mean: str) -> None:
    design = design_of()
    made = perturb.folds(design, {"c3": 1, "c5": 1})
    found = perturb.fit(
        EDGES, design, made, weights=weights, prior_mean=prior_mean, epochs=5, controls=False
    )
    assert np.isfinite(found.scores.loc["network", "mse"])
    table = found.predict()
    assert len(table) == 14
    bounds = pd.concat([table, found.held_out()])[["lower", "upper"]]
    assert bounds.min(axis=None) >= 0
    assert bounds.max(axis=None) <= 1
    assert (table["lower"] <= table["upper"]).all()


def test_a_planted_efficacy_and_half_dose_are_found() -> None:
    doses = given(
        A=[0, 1, 3, 10, 30, 100, 30, 30, 0, 10],
        B=[0, 0, 0, 0, 0, 0, 1, 0, 1, 1],
        drug=[0] * 7 + [1, 1, 1],
    )
    blank = design_of(doses, ("y", "z", "a"))
    teacher, _ = perturb.compile(EDGES, blank, dose="hill", seed=3)
    with torch.no_grad():
        teacher.efficacy.fill_(np.log(0.6 / 0.4))
        teacher.log_half_dose.fill_(np.log(8.0))
        teacher.base.cell(0).edges.weight.abs_().clamp_(0.4, 1.2)
        teacher.find_rest()
        read = teacher(teacher.encode(blank)).numpy()
    assert teacher.half_doses.index.tolist() == ["A"]
    read = pd.DataFrame(read, doses.index, ["y", "z", "a"])
    design = perturb.read_design(doses, read, kinds={"drug": "inhibitor"}, targets={"drug": "c"})
    recipe = Recipe(epochs=150, learning_rate=0.03, options={"dose": "hill"})
    model = train(EDGES, design, np.arange(10), recipe, 0).model
    assert model.efficacies["drug"] == pytest.approx(0.6, abs=0.15)
    assert 4 < model.half_doses["A"] < 16


def test_several_times_are_a_sequence() -> None:
    doses = DOSES[["A", "B", "drug"]]
    one = pd.DataFrame({"y": (doses["A"] + doses["B"]) * (2 - doses["drug"]), "z": doses["B"]})
    both = pd.concat([one * 0.5, one]).assign(time=[5.0] * 7 + [30.0] * 7)
    design = perturb.read_design(doses, both, kinds={"drug": "inhibitor"}, targets={"drug": "c"})
    model, artifact = perturb.compile(EDGES, design, steps=3)
    assert model.times == (5.0, 30.0)
    assert artifact.options["own"]["leak"] == "node"
    assert model(model.encode(design)).shape == (14, 2, 2)
    whole = train(EDGES, design, np.arange(14), Recipe(epochs=80, learning_rate=0.08), 0)
    y = design.readouts.to_numpy()
    error = ((whole.predict(design) - y) ** 2).mean(axis=0) / y.var(axis=0)
    assert (error < 0.3).all()


def test_updates_go_with_the_logarithm_of_time() -> None:
    read = pd.DataFrame({"y": np.arange(7.0), "z": 1.0}, DOSES.index)
    both = pd.concat([read.assign(time=time) for time in (5.0, 10.0, 100.0)])
    design = perturb.read_design(DOSES[["A", "B"]], both)
    plain, _ = perturb.compile(EDGES, design, steps=2)
    model, _ = perturb.compile(EDGES, design, steps=2, time_scale="log")
    assert plain.rounds == (1, 1, 1)
    assert model.rounds == (1, 1, 3)  # log 2, log 3, log 21: 0.58 and 2.8 times the first
    model.load_state_dict(
        {
            **plain.state_dict(),
            **{k: v for k, v in model.state_dict().items() if "fingerprint" in k},
        }
    )
    x = model.encode(design)[:7]
    later = model(x)[:, 2]
    plain.times, plain.rounds = (5.0, 10.0, 3.0, 4.0, 100.0), (1,) * 5
    torch.testing.assert_close(later, plain(x)[:, 4])
    torch.testing.assert_close(model(x)[:, 1], plain(x)[:, 1])


def test_contexts_have_biases_of_their_own() -> None:
    read = design_of(DOSES[["A", "B"]]).readouts.set_axis(DOSES.index)
    both = pd.concat([read.assign(context="HepG2"), read.assign(context="HeLa")])
    design = perturb.read_design(DOSES[["A", "B"]], both)
    model, artifact = perturb.compile(EDGES, design, context_nodes=["c"])
    assert artifact.feature_names[2:] == ["context: HepG2", "context: HeLa"]
    assert model.encode(design)[0].tolist() == [0, 0, 1, 0]
    other = perturb.read_design(DOSES[["A", "B"]].assign(context="U2OS"))
    with pytest.raises(Edge2TorchError, match="contexts that the model does not know: 'U2OS'"):
        model.encode(other)


@pytest.mark.parametrize("steps", ["converge", 4])
def test_the_engine_changes_last_digits_alone(steps: Literal["converge"] | int) -> None:
    design, found = design_of(), {}
    for engine in ("graph", "layers"):
        model, artifact = perturb.compile(EDGES, design, steps=steps, engine=engine, tolerance=1e-6)
        assert artifact.options["own"]["engine"] == model.base.engine == engine
        found[engine] = model(model.encode(design))
    torch.testing.assert_close(found["graph"], found["layers"], rtol=1e-4, atol=1e-4)


REFUSED = [
    ({"C": [0, 1], "A": [1, 0]}, ("y",), {}, "not a node: 'C'"),
    ({"A": [0, 1]}, ("q",), {}, "are not nodes: 'q'"),
    ({"A": [0, 1]}, ("b",), {}, r"no treatment of the design reaches 'b'"),
    ({"drug": [0, 1]}, ("y",), {}, "no stimulus on a node"),
    ({"A": [0, 1]}, ("y",), {"weights": "few"}, "weights must be one of"),
    ({"A": [0, 1]}, ("y",), {"engine": "graphs"}, "engine must be one of .*'graph'"),
    ({"A": [0, 1]}, ("y",), {"context_nodes": ["q"]}, "'q' are not nodes"),
]


@pytest.mark.parametrize(("doses", "columns", "options", "words"), REFUSED)
def test_what_cannot_be_compiled(
    doses: dict[str, list[float]], columns: tuple[str, ...], options: dict[str, object], words: str
) -> None:
    with pytest.raises(Edge2TorchError, match=words):
        perturb.compile(EDGES, design_of(given(**doses), columns), **options)


def test_a_new_treatment_of_a_new_design_is_told_and_unknown_ones_can_be_dropped() -> None:
    doses = given(A=[0, 1, 0], X=[0, 0, 1])
    model, _ = perturb.compile(EDGES, design_of(doses), unknown="drop")
    assert model.encoding.treatments == ["A"]
    with pytest.raises(Edge2TorchError, match=r"was not compiled for: 'B'\. It knows 'A'\."):
        model.encode(design_of(given(B=[1.0])))


# ------------------------------------------------------------------ what is said


def told(network: float, rule: float, others: float, sisters: bool) -> list[str]:
    """Sentences for predictions with planted errors."""
    design = design_of()
    made = perturb.folds(design, {"c3": 1, "c5": 2} if sisters else {"c6": 1, "c4": 1, "c5": 1})
    assert made.has_sisters is sisters
    held = held_out(design, Problem.of(design), made)
    noise = np.random.default_rng(1).choice([-1.0, 1.0], held.truth.shape)
    found = {
        "network": held.truth + network * noise,
        "ridge": held.truth + rule * noise,
        "background mean": held.base,
    }
    rewired = {str(k): held.truth + others * noise for k in range(20)}
    return judged(held, found, rewired, made, [], 0)[0]


def test_the_sentences_and_their_opposites() -> None:
    easy = "This split can be solved without the graph."
    assert told(0.1, 0.11, 0.2, True)[0] == easy
    assert told(0.01, 0.11, 0.2, True)[0].startswith("Every held-out condition has a sister")
    assert easy not in told(0.1, 0.11, 0.2, False)
    assert told(0.05, 0.2, 0.2, True)[-1].startswith("The wiring matters to the network")
    assert "20 of 20 rewired" in told(0.05, 0.2, 0.2, True)[-1]
    assert told(0.05, 0.2, 0.05, True)[-1].startswith("The wiring is not shown to matter")
    assert told(0.2, 0.05, 0.3, True)[-1].startswith("The wiring is not shown to matter")


def test_few_rewired_graphs_say_nothing() -> None:
    design = design_of()
    held = held_out(design, Problem.of(design), perturb.folds(design, {"c3": 1, "c5": 2}))
    words, table = wiring(held, "network", held.truth, held.base, {"1": held.base}, 0)
    assert "cannot be said of 1 rewired graph: give rewired=20 or more." in words
    assert len(table) == 1


def test_a_screen_says_what_was_never_disturbed() -> None:
    design = design_of(DOSES[["A", "B"]])
    way = pd.DataFrame({"source": ["c", "e", "f"], "target": ["e", "f", "y"], "sign": 1})
    far = pd.concat([EDGES, way])
    found = perturb.fit(far, design, perturb.folds(design, {"c3": 1}), epochs=3, controls=False)
    table = perturb.screen(found, nodes=["c", "f", ("a", "b")], readout="y").set_index("nodes")
    assert table.loc["f", "note"] == "never seen"
    assert table.loc["c", ["supported", "note"]].tolist() == [2, ""]
    assert set(table.index) == {"c", "f", "a + b"}
    assert table["sign_agreement"].isna().all()  # of one network
    for options, words in (
        ({"nodes": ["q"]}, "'q' are not computed"),
        ({"background": "c9"}, "not a condition"),
        ({"readout": "q"}, "not one of the design's"),
        ({"share": 2.0}, "share must be"),
    ):
        with pytest.raises(Edge2TorchError, match=words):
            perturb.screen(found, **options)


def test_a_screen_asks_how_often_a_rewired_graph_gives_as_much() -> None:
    design = design_of(DOSES[["A", "B"]])
    made = perturb.folds(design, {"c3": 1})
    found = perturb.fit(EDGES, design, made, epochs=3, controls=False, rewired=3, quiet=True)
    n = len(found.rewired_networks)
    assert n == len(found.rewired) > 1
    table = perturb.screen(found, nodes=["a", "d"])
    assert table["pvalue"].isin([(1 + k) / (1 + n) for k in range(n + 1)]).all()
    own = found.networks[0]
    less = EDGES[~EDGES["source"].isin(["d"]) & ~EDGES["target"].isin(["d"])]
    less = pd.concat([less, pd.DataFrame({"source": ["b"], "target": ["z"], "sign": [1]})])
    without_d = train(less, design, np.arange(7), Recipe(epochs=3), 0)
    for others, node, p in (([own] * 3, "d", 1.0), ([without_d] * 3, "d", 0.25)):
        known = perturb.screen(
            replace(found, rewired_networks=others), nodes=[node], readout="z", share=0.5
        )
        assert known["effect"].abs().item() > 0
        assert known["pvalue"].item() == pytest.approx(p)
        assert known["qvalue"].item() == pytest.approx(p)
    without = perturb.screen(replace(found, rewired_networks=[]), nodes=["d"])
    assert not {"pvalue", "qvalue"} & set(without)


def test_a_node_has_no_effect_where_no_path_leads() -> None:
    """However roughly a steady state is found: less than nothing would be a small p-value."""
    design = design_of(DOSES[["A", "B"]])
    own = [("c", "y"), ("a", "y"), ("b", "c"), ("c", "b"), ("A", "a"), ("B", "b"), ("b", "z")]
    table = pd.DataFrame(own, columns=["source", "target"]).assign(sign=1)
    made = perturb.folds(design, {"c3": 1})
    found = perturb.fit(
        table, design, made, epochs=3, controls=False, steps="converge", tolerance=0.1, quiet=True
    )
    effect = perturb.screen(found, nodes=["a", "b"]).set_index(["nodes", "readout"])["effect"]
    assert effect["a", "z"] == 0
    assert effect["a", "y"] != 0
    assert (effect["b"] != 0).all()


def test_what_diverges_is_named() -> None:
    """Its nodes, a loop that they are on, and the conditions."""
    design = design_of(DOSES[["A", "B"]])
    options = {"node_activation": "relu"}
    ways = EDGES.assign(sign=1)
    whole = train(ways, design, np.arange(7), Recipe(epochs=3, options=options), 0)
    with torch.no_grad():
        whole.model.base.cell(0).edges.weight.fill_(1e9)
    words = r"update \d+, at \d+ node\(s\): .*in \d condition\(s\) 'c\d'.*the loop (a -> c -> a|c -> a -> c)"
    with pytest.raises(Edge2TorchError, match=words):
        whole.predict(design)


def test_a_sequence_that_diverges_is_named() -> None:
    doses = DOSES[["A", "B"]]
    one = pd.DataFrame({"y": doses["A"], "z": doses["B"]})
    both = pd.concat([one * 0.5, one]).assign(time=[5.0] * 7 + [30.0] * 7)
    design = perturb.read_design(doses, both)
    recipe = Recipe(epochs=9, learning_rate=1e30, options={"node_activation": "relu"})
    with pytest.raises(Edge2TorchError, match=r"epoch \d, at .*in \d condition\(s\) 'c\d'"):
        train(EDGES, design, np.arange(14), recipe, 0)


def test_conditions_that_do_not_settle_are_said() -> None:
    design = design_of(DOSES[["A", "B"]])
    made = perturb.folds(design, {"c3": 1})
    found = perturb.fit(EDGES, design, made, epochs=3, controls=False, quiet=True, max_steps=1)
    said = next(one for one in found.verdicts if "does not settle" in one)
    assert said.startswith("In 1 of 1 folds")
    assert "'c1'" in said
    assert "loops are among 'a', 'c' (radius" in said or "loops are among 'c', 'a' (radius" in said


def test_a_readout_that_a_stimulus_feeds_is_refused_alone_and_beside_others():
    doses = pd.DataFrame({"EGF": [0, 1, 0, 1], "TNF": [0, 0, 1, 1]}, index=list("abcd"))
    edges = pd.DataFrame({"source": ["EGF", "TNF", "A"], "target": ["A", "A", "ERK"], "sign": 1})
    read = pd.DataFrame({"EGF": [0.0, 1.0, 0.1, 0.9], "ERK": 0.5}, index=doses.index)
    for columns in (["EGF"], ["ERK", "EGF"]):
        design = perturb.read_design(doses, read[columns])
        with pytest.raises(
            Edge2TorchError, match="readouts: 'EGF' stand for what a stimulus gives"
        ):
            perturb.compile(edges, design)
