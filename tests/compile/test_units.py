"""Several units per node: the graph written out by hand, and names that stay the nodes'."""

import math
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.compile import BACKENDS, _units
from edge2torch.interpret import stack_replicates
from edge2torch.interpret._trust._held import Held
from edge2torch.simulate import random_dag

EDGES = random_dag(14, 34, seed=3, n_inputs=4)
BACKEND = [("feedforward", {"engine": "layers"}), ("feedforward", {"engine": "graph"})]
BACKEND += [("recurrent", {"steps": 9})]


def written_out(artifact):
    """The same graph as a user would write it: a node name|k for every unit, an edge for every weight."""
    table = e2t.edge_weights(artifact_model(artifact), artifact, level="units")
    units = artifact.units
    name = lambda node, k: node if units[node] == 1 else f"{node}|{k}"  # noqa: E731
    return pd.DataFrame(
        {
            "source": [
                name(*row) for row in zip(table["source"], table["source_unit"], strict=True)
            ],
            "target": [
                name(*row) for row in zip(table["target"], table["target_unit"], strict=True)
            ],
            "initial_weight": table["weight"],
        }
    )


MODELS = {}


def artifact_model(artifact):
    return MODELS[artifact.fingerprint]


def pair(backend, options, units=3, seed=0, edges=EDGES):
    """A model with units in float64, and the same one written out by hand."""
    model, artifact = e2t.compile_graph(
        edges, backend=backend, units=units, seed=seed, quiet=True, **options
    )
    with torch.no_grad():
        for bias in model.node_biases():
            bias.uniform_(-1, 1, generator=torch.Generator().manual_seed(seed))
    MODELS[artifact.fingerprint] = model.double()
    by_hand, other = e2t.compile_graph(
        written_out(artifact),
        backend=backend,
        inputs=artifact.feature_names,
        outputs=[
            node if artifact.units[node] == 1 else f"{node}|{k}"
            for node in artifact.output_names
            for k in range(artifact.units[node])
        ],
        quiet=True,
        **options,
    )
    by_hand = by_hand.double()
    with torch.no_grad():  # float32 weights in the table, float64 in the model
        known = e2t.edge_weights(model, artifact, level="units")["weight"].to_numpy()
        for rows, layer in other.bind(by_hand).edge_layers():
            layer.set_weights(torch.from_numpy(known[rows]))
        biases = e2t.node_biases(model, artifact, level="units")
        named = {
            (n if artifact.units[n] == 1 else f"{n}|{k}"): value for (n, k), value in biases.items()
        }
        for nodes, bias in other.bind(by_hand).biases():
            bias.copy_(torch.tensor([named[name] for name in other.graph.names(nodes)]))
    modules = {"node_activation": "tanh"}
    return (
        (e2t.customize_model(model, **modules), artifact),
        (e2t.customize_model(by_hand, **modules), other),
    )


def samples(artifact, n=6):
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        rng.normal(size=(n, len(artifact.feature_names))), columns=artifact.feature_names
    )


def by_node(table):
    """Columns name|k of the graph that was written out, added up by node."""
    names = [column.split("|")[0] for column in table.columns]
    return table.T.groupby(names).sum().T[sorted(set(names))]


@pytest.mark.parametrize("backend", [row.name for row in BACKENDS if row.takes_units])
def test_one_unit_changes_nothing(backend):
    plain, artifact = e2t.compile_graph(EDGES, backend=backend, seed=5, quiet=True)
    model, other = e2t.compile_graph(EDGES, backend=backend, units=1, seed=5, quiet=True)
    assert other.fingerprint == artifact.fingerprint
    assert "units" not in other.options
    for name, value in plain.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])


@pytest.mark.parametrize(("backend", "options"), BACKEND, ids=str)
@pytest.mark.parametrize(
    "units", [3, {"n10": 2, "n12": 5, "n06": 3}, lambda n: max(2, math.ceil(n / 2))]
)
def test_it_is_the_graph_written_out_by_hand(backend, options, units):
    (model, artifact), (by_hand, other) = pair(backend, options, units)
    x = torch.tensor(samples(artifact).to_numpy(), requires_grad=True)
    again = x.detach().clone().requires_grad_()
    y, expected = model(x), by_hand(again)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    y.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(x.grad, again.grad, rtol=1e-12, atol=1e-12)
    n_weights = sum(len(layer.weight) for layer in model.base_model.edge_layers())
    blocks = artifact.units[EDGES["source"]].to_numpy() * artifact.units[EDGES["target"]].to_numpy()
    assert n_weights == blocks.sum() == other.graph.n_edges


@pytest.mark.parametrize(("backend", "options"), BACKEND[1:], ids=str)
def test_scores_are_those_of_the_units_added_up(backend, options):
    (model, artifact), (by_hand, _other) = pair(backend, options, {"n10": 2, "n12": 4, "n07": 3})
    x = samples(artifact)
    for method in ("LayerConductance", "LayerGradientXActivation"):
        scores, units = (
            e2t.attribute(one, x, "nodes", method, quiet=True, output=0, nodes="all").frame("sites")
            for one in (model, by_hand)
        )
        for site, table in units.items():
            expected = by_node(table)
            np.testing.assert_allclose(scores[site][expected.columns], expected, atol=1e-9)
    edges = e2t.attribute(model, x, "edges", quiet=True, output=0).frame()
    of_units = e2t.attribute(by_hand, x, "edges", quiet=True, output=0).frame()
    for side in ("source", "target"):
        of_units[side] = of_units[side].str.split("|").str[0]
    total = of_units.groupby(["source", "target"])["attribution"].sum()
    wanted = total[list(zip(edges["source"], edges["target"], strict=True))]
    np.testing.assert_allclose(edges["attribution"], wanted, atol=1e-9)


@pytest.mark.parametrize(("backend", "options"), BACKEND[1:], ids=str)
@pytest.mark.parametrize("value", [0.0, 0.5, "mean"])
def test_a_knock_out_holds_all_units(backend, options, value):
    (model, artifact), (by_hand, other) = pair(backend, options, {"n10": 2, "n12": 4})
    x = samples(artifact)
    groups = {"n10": ["n10|0", "n10|1"], "n12": [f"n12|{k}" for k in range(4)], "n07": ["n07"]}
    held = e2t.knock_out(model, artifact, x, list(groups), value=value, quiet=True)
    expected = e2t.knock_out(by_hand, other, x, groups, value=value, quiet=True)
    np.testing.assert_allclose(held, expected, atol=1e-9)
    scores = e2t.attribute(
        model, x, "nodes", "NodeKnockout", output=0, nodes=list(groups), quiet=True,
        attribute_kwargs={"value": value}, by_site=False,
    ).frame("summary", site_aggregation="last")  # fmt: skip
    np.testing.assert_allclose(scores.mean()[list(groups)], -held.iloc[:, 0], atol=1e-9)


def mixed(model, artifact, node):
    """The same function: units of a node in another order, every other one with its sign changed."""
    base = model.base_model
    units = artifact.unit_graph
    own = units.units_of(artifact.graph.numbers([node], "nodes"))
    order = np.random.default_rng(0).permutation(len(own))
    sign = np.where(np.arange(len(own)) % 2, -1.0, 1.0)
    new = np.arange(len(units.node))
    new[own] = own[order]
    factor = np.ones(len(units.node))
    factor[own] = sign
    source, target = units.graph.source, units.graph.target
    # a weight goes to the edge between the units that its ends have become
    key = {pair: k for k, pair in enumerate(zip(source.tolist(), target.tolist(), strict=True))}
    with torch.no_grad():
        was = np.zeros(units.graph.n_edges)
        bound = artifact.bind(base)
        for numbers, values in bound.weight_values():
            was[numbers] = values.numpy()
        moved = np.array([was[key[pair]] for pair in zip(new[source], new[target], strict=True)])
        moved *= factor[source] * factor[target]
        for numbers, layer in bound.weight_layers():
            layer.set_weights(torch.from_numpy(moved[numbers]))
        flat = np.zeros(len(units.node))
        for numbers, bias in bound.unit_biases():
            flat[numbers] = bias.numpy()
        for numbers, bias in bound.unit_biases():
            bias.copy_(torch.from_numpy(flat[new[numbers]] * factor[numbers]))


def test_no_table_tells_units_apart():
    def tables(model, artifact, x):
        methods = ["LayerConductance", "InternalInfluence", "NodeDifference", "NodeKnockout"]
        methods += ["LayerDeepLift", "LayerIntegratedGradients", "LayerLRP", "LayerFeatureAblation"]
        found = [
            e2t.attribute(model, x, "nodes", method, output=0, quiet=True, seed=1).frame()
            for method in [
                *methods,
                "LayerFeaturePermutation",
                "LayerGradientShap",
                "LayerActivation",
            ]
        ]
        values = e2t.activations(model, artifact, x)
        weights = e2t.edge_weights(model, artifact)["norm"]
        return [*found, values, values.attrs["explained"], weights]

    (model, artifact), _ = pair("feedforward", {}, 3)
    x = samples(artifact, 12)
    before = tables(model, artifact, x)
    y = model(torch.tensor(x.to_numpy()))
    for node in ("n10", "n12"):
        mixed(model, artifact, node)
    torch.testing.assert_close(model(torch.tensor(x.to_numpy())), y, rtol=1e-12, atol=1e-12)
    for one, other in zip(before, tables(model, artifact, x), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-8)


def test_a_difference_goes_along_the_gradient():
    (model, artifact), _ = pair("feedforward", {}, 4)
    x = samples(artifact)
    scores = e2t.attribute(
        model,
        x,
        "nodes",
        "NodeDifference",
        output=0,
        quiet=True,
        attribute_kwargs={"epsilon": 1e-5},
    ).frame()
    seen = e2t.get_node_activations(model, artifact, torch.tensor(x.to_numpy()))
    y = model(torch.tensor(x.to_numpy()))[:, 0].sum()
    node = artifact.node_names_by_layer["layer_1"][0]
    seen = e2t.get_node_activations(model, artifact, torch.tensor(x.to_numpy()))
    assert seen[node].shape == (6, 4)
    assert (scores[node] >= 0).all()
    assert y.isfinite()


def test_all_units_are_shown_when_asked_for():
    (model, artifact), _ = pair("feedforward", {}, {"n10": 2, "n12": 4})
    table = e2t.activations(model, artifact, samples(artifact), agg="all")
    assert table.shape == (6, artifact.units.sum())
    assert table["n12"].shape == (6, 4)
    first = e2t.activations(model, artifact, samples(artifact))
    assert list(first.columns) == [
        n for names in artifact.node_names_by_layer.values() for n in names
    ]
    centred = table["n12"] - table["n12"].mean()
    assert first.attrs["explained"]["n12"] == pytest.approx(
        first["n12"].var() / centred.var().sum(), rel=1e-9
    )


def test_names_and_shapes_stay_the_nodes(tmp_path):
    model, artifact = e2t.compile_graph(EDGES, units=4, seed=0, quiet=True)
    plain = e2t.compile_graph(EDGES, seed=0, quiet=True)[1]
    assert artifact.node_names_by_layer == plain.node_names_by_layer
    assert artifact.topology.outputs == plain.topology.outputs
    assert artifact.fingerprint != plain.fingerprint
    for layer, names in artifact.node_names_by_layer.items():
        width = sum(artifact.units[names])
        last = artifact.unit_slices[names[-1]]
        assert last.stop == width, layer
    e2t.save_compiled(tmp_path / "m", model)
    again, loaded = e2t.load_compiled(tmp_path / "m")
    x = torch.randn(3, len(artifact.feature_names))
    assert torch.equal(model(x), again(x))
    assert loaded.units.equals(artifact.units)
    with pytest.raises(e2t.Edge2TorchError, match="another graph, other options"):
        e2t.compile_graph(EDGES, units=3, quiet=True)[0].load_state_dict(model.state_dict())


def test_every_weight_of_a_block_has_its_sign_and_its_scale():
    edges = EDGES.assign(sign=[1, -1, 0] * (len(EDGES) // 3) + [0] * (len(EDGES) % 3))
    model, artifact = e2t.compile_graph(edges, units=5, sign_column="sign", seed=0, quiet=True)
    weights = e2t.edge_weights(model, artifact, level="units")
    sign = edges.set_index(["source", "target"])["sign"]
    own = sign[list(zip(weights["source"], weights["target"], strict=True))].to_numpy()
    assert (weights["weight"][own == 1] > 0).all()
    assert (weights["weight"][own == -1] < 0).all()
    free, _ = e2t.compile_graph(EDGES, units=5, seed=0, quiet=True)
    table = e2t.edge_weights(free, level="units")
    fan_in = table.groupby(["target", "target_unit"]).size()
    power = (
        table.assign(square=table["weight"] ** 2).groupby(["target", "target_unit"])["square"].sum()
    )
    big = fan_in >= 10
    assert power[big].between(0.5, 1.7).all()  # a sum over units keeps the variance of one


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"units": 0}, "units"),
        ({"units": 2.5}, "units"),
        ({"units": {"n10": 0}}, r"units\['n10'\]"),
        ({"units": {"nowhere": 2}}, "nowhere"),
        ({"units": lambda n: n / 2 + 0.25}, "math.ceil"),
        ({"units": 2, "backend": "gnn"}, "channels"),
        ({"units": 10**7}, "GiB"),
    ],
)
def test_units_that_cannot_be_are_refused(options, said):
    with pytest.raises(e2t.Edge2TorchError, match=said):
        e2t.compile_graph(EDGES, quiet=True, **options)


def test_inputs_and_given_weights_have_one_unit():
    inputs = sorted(set(EDGES["source"]) - set(EDGES["target"]))
    with pytest.raises(e2t.Edge2TorchError, match="one column"):
        e2t.compile_graph(EDGES, units={inputs[0]: 2}, quiet=True)
    some = EDGES.assign(initial_weight=[0.5] + [np.nan] * (len(EDGES) - 1))
    first = EDGES.iloc[0]
    others = list({*EDGES["source"], *EDGES["target"]} - {*inputs, *first})
    e2t.compile_graph(some, units=dict.fromkeys(others, 2), quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match=f"'{first['source']}' -> '{first['target']}'"):
        e2t.compile_graph(some, units=dict.fromkeys([*others, first["target"]], 2), quiet=True)


def test_inputs_below_a_node_are_counted():
    asked = []
    _, artifact = e2t.compile_graph(EDGES, units=lambda n: asked.append(n) or 1, quiet=True)
    view = artifact.topology
    inputs = set(artifact.feature_names)
    wanted = {len(inputs.intersection(view.ancestors(node))) for node in view.hidden}
    assert sorted(wanted) == asked


def test_norm_last_is_batchnorm_of_the_activation():
    model, artifact = e2t.compile_graph(EDGES, units=2, seed=0, quiet=True)
    model = e2t.customize_model(
        model, node_activation="tanh", node_normalization="batch", norm_first=False
    )
    layer = model.base_model.block(0)
    x = torch.randn(32, len(artifact.feature_names))
    h = layer.linear(x)
    hidden = [k for k, n in enumerate(artifact.column_names(artifact.node_names_by_layer["layer_1"]))
              if n not in artifact.output_names]  # fmt: skip
    norm = nn.BatchNorm1d(len(hidden))
    torch.testing.assert_close(layer(x)[:, hidden], norm(h.tanh()[:, hidden]), atol=1e-5, rtol=1e-5)
    kept = e2t.customize_model(model, node_activation="relu")
    assert list(kept.base_model.block(0).stages) == ["activation", "normalization"]


def test_nodes_are_dropped_whole_and_units_alone():
    model, artifact = e2t.compile_graph(EDGES, units=3, seed=0, quiet=True)
    x = torch.randn(500, len(artifact.feature_names))
    torch.manual_seed(0)
    for options, whole in (({"node_dropout": 0.4}, True), ({"unit_dropout": 0.4}, False)):
        own = e2t.customize_model(model, **options).train()
        values = own.base_model.block(0)(x).detach()
        names = artifact.node_names_by_layer["layer_1"]
        node = next(n for n in names if n not in artifact.output_names)
        gone = values[:, artifact.unit_slices[node]] == 0
        assert 0.3 < gone.float().mean() < 0.5
        assert bool((gone.all(1) == gone.any(1)).all()) == whole


def test_replicates_train_side_by_side():
    x = samples(e2t.compile_graph(EDGES, quiet=True)[1], 40)

    def start():
        model, artifact = e2t.compile_graph(EDGES, units={"n10": 3, "n12": 2}, quiet=True)
        return e2t.customize_model(
            model, node_activation="tanh", node_normalization="batch"
        ), artifact

    stack = stack_replicates(start, 3, seed=1)
    data = torch.tensor(x.to_numpy(), dtype=torch.float32)
    stack.eval()
    models = stack.unstack()
    for k, model in enumerate(models):
        torch.testing.assert_close(stack(data)[k], model(data), atol=1e-5, rtol=1e-5)


def test_it_is_mapped_and_cast_as_others_are():
    model, artifact = e2t.compile_graph(EDGES, units=3, seed=0, quiet=True)
    x = torch.randn(5, len(artifact.feature_names))
    each = torch.vmap(lambda row: model(row[None])[0])(x)
    torch.testing.assert_close(each, model(x), rtol=1e-5, atol=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.allclose(model(x).float(), model(x).float())
    assert model.to("meta")(x.to("meta")).shape == (5, len(artifact.output_names))


@pytest.mark.parametrize("units", [3, {"n10": 2, "n12": 5, "n06": 3}], ids=str)
def test_held_nodes_are_computed_along_edges_as_through_the_whole_model(units):
    torch.manual_seed(0)
    model, artifact = e2t.compile_graph(EDGES, units=units, seed=0, quiet=True)
    model = e2t.customize_model(
        model, node_activation="tanh", node_normalization="batch", node_dropout=0.2
    )
    x = torch.randn(40, len(artifact.feature_names))
    for _ in range(3):
        model(x)  # moments that are not those of a start
    model.eval()
    graph = artifact.graph
    groups = [graph.numbers(names, "nodes") for names in (["n10"], ["n12", "n07"], [], ["n04"])]
    held = Held(artifact, groups)
    fast = torch.cat([y for _, y in held.outputs(model, x[:9], x)])
    slow = torch.cat([y for _, y in held._by_hooks(model, x[:9], x)])
    assert held._dag is not None
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(fast[0], fast[2])


def test_what_a_weight_takes_is_no_more_than_is_asked_for():
    edges = pd.DataFrame({"source": ["g", "a", "b"], "target": ["a", "b", "y"]})
    e2t.compile_graph(edges, units=2, quiet=True)
    tracemalloc.start()
    e2t.compile_graph(edges, units=400, quiet=True)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    n = 400 * 400 + 2 * 400
    assert 28 < most / n < _units._BYTES_OF_A_WEIGHT  # of numpy's alone; torch's come on top


def test_units_that_do_not_fit_into_memory_are_refused(monkeypatch):
    edges = pd.DataFrame({"source": ["g", "a", "b"], "target": ["a", "b", "y"]})
    monkeypatch.setattr(_units, "free_memory", lambda: 140.0 * (100 * 100 + 2 * 100))
    with pytest.raises(e2t.Edge2TorchError, match="up to 100 a node make 10,200 weights"):
        e2t.compile_graph(edges, units=100, quiet=True)
    e2t.compile_graph(edges, units=50, quiet=True)


def test_a_series_of_units_is_a_mapping():
    edges = pd.DataFrame({"source": ["g", "a", "b"], "target": ["a", "b", "y"]})
    _, artifact = e2t.compile_graph(edges, units=pd.Series({"a": 3, "b": 2}), quiet=True)
    assert artifact.units.to_dict() == {"g": 1, "a": 3, "b": 2, "y": 1}
    with pytest.raises(e2t.Edge2TorchError, match="units names 'a' more than once"):
        e2t.compile_graph(edges, units=pd.Series([3, 2], ["a", "a"]), quiet=True)
