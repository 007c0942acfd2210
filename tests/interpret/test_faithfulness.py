from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import node_connectivity
from edge2torch.simulate import layered_graph, planted_nodes

EDGES = pd.DataFrame(
    {
        "source": ["a", "b", "c", "p", "q", "a"],
        "target": ["p", "q", "q", "y", "y", "y"],
        "initial_weight": [1.0, 2.0, -1.0, 2.0, 0.5, 0.3],
    }
)


def cells(names: list[str], n: int = 12, seed: int = 0) -> pd.DataFrame:
    index = [f"s{k}" for k in range(n)]
    return pd.DataFrame(np.random.default_rng(seed).normal(1, 1, (n, len(names))), index, names)


@pytest.mark.parametrize("target", ["features", "nodes"])
def test_the_curve_of_deletion_is_that_of_knock_outs(target: str) -> None:
    torch.manual_seed(0)
    edges = layered_graph([6, 4, 1], [12, 4], seed=0)
    model, artifact = e2t.compile_graph(edges, quiet=True)
    model = e2t.customize_model(model, node_activation="tanh")
    names = artifact.feature_names if target == "features" else artifact.topology.hidden
    data = cells(artifact.feature_names)
    rng = np.random.default_rng(1)
    scores = pd.DataFrame(rng.normal(size=(len(data), len(names))), data.index, names)
    found = e2t.faithfulness(model, data, {"mine": lambda *_: scores}, redraws=0, quiet=True)
    every = {"/".join(sorted(names)): names}
    held = e2t.knock_out(model, artifact, data, every, value="mean", level="samples", quiet=True)
    whole = held.abs().mean().item()
    for curve in ("deletion", "insertion"):
        own = found.frame.query("method == 'mine' and curve == @curve")
        for share, change in zip(own["share"], own["change"], strict=True):
            count = round(share * len(names))
            gaps = []
            for k, sample in enumerate(data.index):
                order = scores.loc[sample].abs().sort_values(ascending=False).index
                group = order[:count] if curve == "deletion" else order[count:]
                if not len(group):
                    gaps.append(0.0)
                    continue
                one = e2t.knock_out(
                    model, artifact, data, [tuple(group)], value="mean", level="samples", quiet=True
                )
                gaps.append(abs(one.iloc[k].item()))
            assert change == pytest.approx(np.mean(gaps) / whole, abs=1e-5)


def test_the_right_order_of_a_linear_model_has_the_largest_area() -> None:
    rng = np.random.default_rng(0)
    weight = pd.Series(rng.normal(size=20) ** 3, [f"g{k:02d}" for k in range(20)])
    edges = pd.DataFrame({"source": weight.index, "target": "y", "initial_weight": weight})
    model, _ = e2t.compile_graph(edges, quiet=True)
    data = cells(list(weight.index), 80)
    moved = (data - data.mean()) * weight
    found = e2t.faithfulness(
        model,
        data,
        {
            "right": lambda *_: moved,
            "weights": lambda *_: moved * 0 + weight,
            "wrong": lambda *_: 1 / moved,
        },
        redraws=0,
        quiet=True,
    ).summary()
    assert found.index.get_level_values("method").tolist() == ["right", "weights", "wrong"]
    assert found.loc[("features", "weights"), "low"] > 0
    assert found.loc[("features", "wrong"), "high"] < 0


def test_areas_and_intervals_are_those_of_the_samples() -> None:
    model, artifact = e2t.compile_graph(EDGES, quiet=True)
    found = e2t.faithfulness(model, cells(artifact.feature_names), redraws=0, quiet=True)
    own = found.areas["features"]["Saliency"].mean(axis=1)
    row = found.summary().loc[("features", "Saliency")]
    assert row["area"] == pytest.approx(own.mean())
    assert row["high"] - row["area"] == pytest.approx(2.201 * own.sem(), rel=1e-3)
    assert own.index.tolist() == [f"s{k}" for k in range(12)]


def test_methods_that_do_not_look_at_the_weights_are_named() -> None:
    torch.manual_seed(0)
    edges = layered_graph([30, 12, 4, 1], [60, 16, 4], seed=1, skip_edges=6)
    model, artifact = e2t.compile_graph(edges, quiet=True)
    model = e2t.customize_model(
        model, node_activation="tanh", node_normalization="batch", head=torch.nn.Linear(1, 1)
    )
    hidden = artifact.topology.hidden
    degree = node_connectivity(artifact)["degree"][hidden].to_numpy(float)
    data = cells(artifact.feature_names, 30)

    def by_degree(_model: torch.nn.Module, x: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(np.tile(degree, (len(x), 1)), x.index, hidden)

    looking = ["LayerConductance", "LayerGradientXActivation", "NodeKnockout", "Saliency"]
    methods = {one: one for one in [*looking, "LayerActivation"]} | {"degree": by_degree}
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = e2t.faithfulness(model, data, methods, quiet=True, redraws=3)
    ignores = found.summary()["ignores"].droplevel("target")
    assert ignores["degree"] == "all weights"
    assert ignores["LayerActivation"] == "weights behind"
    assert (ignores[looking] == "").all()
    assert sorted(found.ignoring) == ["LayerActivation", "degree"]
    layers = found.randomised.query("method == 'LayerActivation'").set_index("layer")
    assert layers.index.tolist() == ["head", "layer_3", "layer_2", "layer_1"]
    assert layers["unchanged"].tolist() == [True, True, False, False]
    assert layers["correlation"].iloc[-1] < 0.9
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_weights_that_the_table_gives_are_drawn_anew_and_fixed_ones_are_not() -> None:
    data = cells(["a", "b", "c"], 30)
    model, _ = e2t.compile_graph(EDGES, quiet=True)
    found = e2t.faithfulness(model, data, ["IntegratedGradients"], quiet=True, redraws=4)
    assert found.ignoring == []
    fixed, _ = e2t.compile_graph(EDGES.assign(constraint="fixed"), quiet=True, bias=False)
    found = e2t.faithfulness(fixed, data, ["IntegratedGradients"], quiet=True)
    assert found.randomised.empty
    assert found.ignoring == []


@pytest.mark.parametrize(
    "options",
    [{"backend": "gnn"}, {"backend": "recurrent"}, {"backend": "recurrent", "steps": "converge"}],
    ids=lambda one: "-".join(one.values()),
)
def test_other_backends(options: dict[str, str]) -> None:
    torch.manual_seed(0)
    edges = EDGES[["source", "target"]]
    model, artifact = e2t.compile_graph(edges, quiet=True, **options)
    data = cells(artifact.feature_names)
    found = e2t.faithfulness(model, data, ["LayerConductance", "Saliency"], quiet=True, redraws=1)
    both = found.frame.query("method == 'LayerConductance' and curve == 'deletion'")
    assert both["change"].iloc[[0, -1]].tolist() == pytest.approx([0, 1], abs=1e-5)
    assert set(found.randomised["layer"]) == {"graph"}


def test_areas_rank_methods_as_recovery_of_the_planted_node_does() -> None:
    """The short form: in the long one Spearman's correlation is .56 to .79 over ten seeds."""
    edges = layered_graph([40, 15, 1], [100, 15], seed=3)
    task = planted_nodes(edges, depth=1, how="values", n_train=300, n_test=60, seed=3)
    torch.manual_seed(0)
    model, artifact = e2t.compile_graph(edges, quiet=True)
    net = e2t.customize_model(model, node_activation="tanh")
    x = torch.tensor(task.x_train[artifact.feature_names].to_numpy(np.float32))
    y = torch.tensor(task.y_train.to_numpy(np.float32))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02, weight_decay=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(net(x)[:, 0], y).backward()
        optimizer.step()
    hidden = artifact.topology.hidden
    drawn = np.random.default_rng(0).normal(size=(60, len(hidden)))
    found = e2t.faithfulness(
        net,
        task.x_test,
        {
            "conductance": "LayerConductance",
            "knock-out": "NodeKnockout",
            "any order": lambda _, x: pd.DataFrame(drawn, x.index, hidden),
        },
        redraws=0,
        quiet=True,
    ).summary()
    table = found.droplevel("target")
    assert table.loc["any order", "low"] < 0 < table.loc["any order", "high"]
    for method in ("conductance", "knock-out"):
        assert table.loc[method, "low"] > table.loc["any order", "high"] + 0.1
    scores = e2t.attribute(net, task.x_test, "nodes", nodes="hidden", quiet=True).summary()
    assert scores.index[0] in task.causal


def test_what_cannot_be_asked_is_refused() -> None:
    model, artifact = e2t.compile_graph(EDGES, quiet=True)
    data = cells(artifact.feature_names)

    def ask(methods: object, **options: object) -> None:
        e2t.faithfulness(model, options.pop("data", data), methods, quiet=True, **options)

    with pytest.raises(Edge2TorchError, match="EdgeConductance scores edges"):
        ask(["EdgeConductance"])
    with pytest.raises(Edge2TorchError, match=r"'Salincy' is not known.*Saliency"):
        ask(["Salincy"])
    with pytest.raises(Edge2TorchError, match=r"mine scores what is neither .*: 'zebra'"):
        ask({"mine": lambda *_: data.assign(zebra=1.0)})
    with pytest.raises(Edge2TorchError, match="mine scores 12 samples × 2 features, and Saliency"):
        ask({"Saliency": "Saliency", "mine": lambda *_: data[["a", "b"]]})
    with pytest.raises(Edge2TorchError, match="Two are the least"):
        ask(["Saliency"], data=data[:1])
    with pytest.raises(Edge2TorchError, match="the output is the same with all features held"):
        ask(["InputXGradient"], data=data * 0 + 1)
    with pytest.raises(Edge2TorchError, match="methods is empty"):
        ask([])
