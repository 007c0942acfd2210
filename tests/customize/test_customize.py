"""Modules at hidden nodes and after the output."""

import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t

# early is an output in the middle layer; hub is hidden; a skips to out
EDGES = pd.DataFrame(
    [("a", "hub"), ("b", "hub"), ("b", "early"), ("hub", "mid"), ("mid", "out"), ("a", "out")],
    columns=["source", "target"],
)


@pytest.fixture
def compiled():
    torch.manual_seed(0)
    return e2t.compile_graph(EDGES, quiet=True)


def layer_values(model, x):
    values = {}
    hooks = [
        block.register_forward_hook(lambda module, args, out, k=k: values.__setitem__(k, out))
        for k, block in enumerate(model.base_model.blocks)
    ]
    model(x)
    for hook in hooks:
        hook.remove()
    return values


def test_node_modules_act_on_hidden_nodes_only(compiled):
    model, artifact = compiled
    x = torch.randn(9, 2)
    plain = layer_values(e2t.customize_model(model), x)
    shut = layer_values(e2t.customize_model(model, node_activation=nn.Threshold(1e9, 7.0)), x)
    hub = artifact.node_names_by_layer["layer_1"].index("hub")
    early = artifact.node_names_by_layer["layer_1"].index("early")
    assert (shut[0][:, hub] == 7).all()
    assert torch.equal(shut[0][:, early], plain[0][:, early])
    assert (shut[1] == 7).all()
    weights = e2t.edge_weights(model, artifact).set_index(["source", "target"])["weight"]
    bias = e2t.node_biases(model, artifact)["out"]
    expected = 7 * weights["mid", "out"] + x[:, 0] * weights["a", "out"] + bias
    torch.testing.assert_close(shut[2][:, 0], expected.float())


def test_the_given_model_stays_as_it_was_and_shares_its_parameters(compiled):
    model, _ = compiled
    before, x = repr(model), torch.randn(4, 2)
    plain = model(x)
    customized = e2t.customize_model(model, node_activation="tanh", head=nn.Linear(2, 3))
    assert repr(model) == before
    assert torch.equal(model(x), plain)
    shared = {id(p) for p in customized.parameters()} & {id(p) for p in model.parameters()}
    assert len(shared) == len(list(model.parameters()))


def test_each_layer_gets_a_copy_of_its_own(compiled):
    model, _ = compiled
    customized = e2t.customize_model(model, node_activation=nn.PReLU())
    slopes = [m for m in customized.modules() if isinstance(m, nn.PReLU)]
    assert len({id(m) for m in slopes}) == 2


def test_by_layer_and_by_node(compiled):
    model, artifact = compiled
    x = torch.randn(5, 2)
    plain = layer_values(e2t.customize_model(model), x)
    one = layer_values(e2t.customize_model(model, node_activation={"layer_2": "relu"}), x)
    torch.testing.assert_close(one[0], plain[0])
    torch.testing.assert_close(one[1], plain[1].relu())
    named = e2t.customize_model(model, node_activation={"hub": nn.Tanh()}, artifact=artifact)
    found = layer_values(named, x)
    hub = artifact.node_names_by_layer["layer_1"].index("hub")
    torch.testing.assert_close(found[0][:, hub], plain[0][:, hub].tanh())


def test_normalisation_comes_first_and_dropout_last(compiled):
    model, _ = compiled
    customized = e2t.customize_model(
        model, node_dropout=0.5, node_activation="relu", node_normalization="batch"
    )
    assert list(customized.base_model.blocks[1].stages) == [
        "normalization",
        "activation",
        "dropout",
    ]


def test_edge_dropout_drops_edges_in_training_only(compiled):
    model, _ = compiled
    x = torch.ones(50, 2)
    dropped = e2t.customize_model(model, edge_dropout=0.5, node_activation="tanh")
    torch.manual_seed(0)
    outputs = torch.stack([dropped(x) for _ in range(50)])
    assert torch.equal(outputs.amax(1), outputs.amin(1))  # one draw for the whole batch
    assert outputs.std(0).min() > 0
    plain = e2t.customize_model(model, node_activation="tanh")
    torch.testing.assert_close(dropped.eval()(x), plain(x))
    assert "edge_dropout" not in repr(model)
    assert "MaskedLinear(edge_dropout=0.5)" in repr(dropped)
    assert {id(p) for p in dropped.parameters()} == {id(p) for p in model.parameters()}


def test_customizing_again_keeps_what_is_there(compiled):
    model, _ = compiled
    once = e2t.customize_model(model, node_activation="tanh", head=nn.Linear(2, 3))
    twice = e2t.customize_model(once, node_dropout=0.1)
    assert twice.head is once.head
    assert list(twice.base_model.blocks[1].stages) == ["activation", "dropout"]


def test_after_the_output(compiled):
    model, _ = compiled
    x = torch.randn(6, 2)
    customized = e2t.customize_model(model, activation=nn.ReLU(), dropout=0.3, head=nn.Linear(2, 1))
    assert list(customized.after) == ["activation", "dropout", "head"]
    customized.eval()
    torch.testing.assert_close(customized(x), customized.head(model(x).relu()))


def test_a_head_of_the_wrong_width(compiled):
    with pytest.raises(e2t.Edge2TorchError, match=r"has 2 column\(s\) \(such as nn.Linear\(2"):
        e2t.customize_model(compiled[0], head=nn.Linear(7, 1))


def test_checking_a_head_leaves_no_trace(compiled):
    head = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5), nn.Linear(2, 1))
    before = {name: value.clone() for name, value in head.state_dict().items()}
    state = torch.get_rng_state()
    e2t.customize_model(compiled[0], head=head)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())
    assert head.training


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"node_activation": {"layer_3": "relu"}}, "not layers with hidden nodes: 'layer_3'"),
        ({"node_activation": {"hob": "relu"}, "artifact": True}, "Nearest to 'hob': 'hub'"),
        ({"node_activation": {"early": "relu"}, "artifact": True}, "not hidden nodes: 'early'"),
        ({"node_activation": {"hob": "relu"}}, "Nearest to 'hob': 'hub'"),
        ({"node_activation": "rellu"}, "node_activation must be .*'relu'.*found 'rellu'"),
        ({"node_dropout": 1.5}, r"node_dropout must be a probability in \[0, 1\), found 1.5"),
        ({"node_normalization": "layer"}, "node_normalization must be"),
        ({"dropout": -0.1}, "dropout must be a probability"),
        ({"edge_dropout": "some"}, "edge_dropout must be a probability"),
        ({"head": 3}, "head must be a torch.nn.Module"),
    ],
)
def test_bad_input(compiled, options, message):
    model, artifact = compiled
    if options.get("artifact"):
        options = {**options, "artifact": artifact}
    with pytest.raises(e2t.Edge2TorchError, match=message):
        e2t.customize_model(model, **options)


def test_the_artifact_of_another_graph_is_refused(compiled):
    _, other = e2t.compile_graph(EDGES.iloc[:4], quiet=True)
    with pytest.raises(e2t.Edge2TorchError, match="another graph"):
        e2t.customize_model(compiled[0], node_activation={"hub": "relu"}, artifact=other)


def test_what_is_no_compiled_model():
    with pytest.raises(e2t.Edge2TorchError, match="found Linear"):
        e2t.customize_model(nn.Linear(1, 1))


def test_a_customized_model_prints_as_the_tutorial_shows():
    edges = pd.DataFrame({"source": ["a", "h", "g"], "target": ["h", "g", "y"]})
    base, _ = e2t.compile_graph(edges, quiet=True)
    printed = str(e2t.customize_model(model=base, head=nn.Linear(1, 1)))
    assert "(0-2): 3 x FeedforwardLayerBlock(" in printed
    assert "(linear): MaskedLinear()" in printed
    assert printed.startswith("CustomizedEdgeModel(\n  (base_model): EdgeModel(")
