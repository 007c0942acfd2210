"""The graph neural network, option by option, against one edge, node and channel at a time."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import NODE_NORMS
from tests.contracts.gnn_reference import gnn_reference, run_by_the_book
from tests.strategies import batch, randomise

# Two cycles, a self loop, a skip, an edge from an input to an output, and an output (c) that
# also passes on.
EDGES = pd.DataFrame(
    [
        *[("x", "a"), ("y", "b"), ("a", "b"), ("b", "a"), ("b", "c"), ("c", "a"), ("a", "a")],
        *[("c", "out"), ("x", "out"), ("a", "out"), ("b", "other"), ("x", "c")],
    ],
    columns=["source", "target"],
)
OPTIONS = [
    *[{"norm": norm} for norm in NODE_NORMS],
    {"norm_first": False},
    {"activation": "softplus", "norm": "none"},
    {"residual": False},
    {"share_layers": False},
    {"self_edges": True},
    {"node_mlp": 5},
    {"node_attention": True},
    {"bias": False},
    {"kernel": "sparse"},
    {"kernel": "dense", "share_layers": False, "self_edges": True, "node_mlp": 2, "norm": "rms"},
    {"share_layers": False, "norm_first": False, "node_attention": True, "residual": False},
]


def built(edges=EDGES, seed=0, keep_sign=True, **options):
    defaults = {"steps": 3, "channels": 3, "outputs": ["out", "other", "c"]}
    torch.manual_seed(seed)
    model, artifact = e2t.compile_graph(edges, backend="gnn", quiet=True, **{**defaults, **options})
    return randomise(model.double(), seed, keep_sign=keep_sign), artifact


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_computes_what_the_book_says(options, training):
    model, artifact = built(keep_sign=False, **options)
    model.train(training)
    x = batch(artifact, 0)
    activation = {"softplus": lambda v: np.log1p(np.exp(v))}.get(options.get("activation"))
    expected = gnn_reference(model, artifact, x, activation=activation)
    found = dict(zip(artifact.output_names, model(x).T.detach().numpy(), strict=True))
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradients_are_exact(options):
    model, artifact = built(**options)
    names, values = zip(*model.named_parameters(), strict=True)
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    x = batch(artifact, 1, rows=3).requires_grad_()

    def run(x, *parameters):
        state = {name: value.clone() for name, value in buffers.items()}
        state.update(zip(names, parameters, strict=True))
        return torch.func.functional_call(model, state, (x,))

    inputs = (x, *(value.detach().requires_grad_() for value in values))
    assert torch.autograd.gradcheck(run, inputs, atol=1e-4)


@pytest.mark.filterwarnings("ignore:With steps=3")  # without residual, as it should be
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_what_is_not_upstream_has_exactly_no_influence(options):
    apart = pd.DataFrame(
        [("x", "a"), ("a", "b"), ("b", "a"), ("b", "out"), ("y", "c"), ("c", "d"), ("d", "other")],
        columns=["source", "target"],
    )
    model, artifact = built(apart, **{**options, "outputs": None})
    x = batch(artifact, 0)
    jacobian = torch.autograd.functional.jacobian(lambda v: model.eval()(v).sum(0), x)
    size = pd.DataFrame(
        jacobian.abs().amax(1).numpy(), artifact.output_names, artifact.feature_names
    )
    assert size.loc["out", "y"] == size.loc["other", "x"] == 0


def test_parameters_are_counted_as_the_equations_say():
    edges = pd.DataFrame(
        [("x", "a"), ("y", "b"), ("a", "b"), ("b", "a"), ("a", "out"), ("b", "out")],
        columns=["source", "target"],
    )
    c, layers, n, e = 5, 4, 2, 6 + 2
    model, _ = built(edges, steps=layers, channels=c, outputs=None, self_edges=True)
    e_in, e_out = 4 + 2, 4 + 2
    expected = c * (e_in + e_out) + c * n + e + 2 * n * layers + layers
    assert sum(p.numel() for p in model.parameters()) == expected


def test_an_edge_from_input_to_output_has_a_weight_of_its_own():
    edges = pd.DataFrame({"source": ["x", "x", "a"], "target": ["out", "a", "out"]})
    model, artifact = built(edges, outputs=None)
    assert model.direct is not None
    x = batch(artifact, 0)
    base = model(x).detach()
    with torch.no_grad():
        model.direct.weight.zero_()
    assert not torch.equal(model(x), base)


def test_an_output_that_is_an_input_is_read_as_it_is():
    edges = pd.DataFrame({"source": ["x", "a"], "target": ["a", "out"]})
    model, artifact = built(edges, outputs=["out", "x"])
    x = batch(artifact, 0)
    assert torch.equal(model(x)[:, 1], x[:, 0])


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_checkpointing_changes_nothing_but_memory(norm):
    runs = []
    for checkpoint in (False, True):
        model, artifact = built(norm=norm, checkpoint=checkpoint, dropout=0.3)
        x = batch(artifact, 0)
        torch.manual_seed(3)
        model(x).square().sum().backward()
        runs.append((model, [p.grad for p in model.parameters()], list(model.buffers())))
    for found, expected in zip(runs[0][1], runs[1][1], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for found, expected in zip(runs[0][0].state_dict(), runs[1][0].state_dict(), strict=True):
        if "running" in found:
            assert torch.equal(runs[0][0].state_dict()[found], runs[1][0].state_dict()[expected])


def test_the_order_of_rows_does_not_matter():
    order = np.random.default_rng(0).permutation(len(EDGES))
    model, artifact = built()
    other, other_artifact = built(EDGES.iloc[order])
    x = batch(artifact, 0)
    assert other_artifact.fingerprint == artifact.fingerprint
    assert torch.equal(model(x), other(x))


def test_save_and_load_are_bit_equal(tmp_path):
    model, artifact = built(norm="batch", node_mlp=4, node_attention=True, share_layers=False)
    x = batch(artifact, 0)
    model(x)
    e2t.save_compiled(tmp_path, model, artifact)
    again, _ = e2t.load_compiled(tmp_path)
    assert torch.equal(model.eval()(x), again.eval()(x))


def test_sites_see_the_channels_of_the_function_nodes():
    model, artifact = built()
    x = batch(artifact, 0)
    _, expected = run_by_the_book(model, artifact, x)
    every = e2t.get_node_activations(model, artifact, x, agg="all")
    assert list(every) == ["a", "b", "c"]
    for (layer, node), values in expected.items():
        np.testing.assert_allclose(
            every[node][:, layer - 1].detach().numpy(), values, rtol=1e-12, atol=1e-12
        )
    for agg in ("last", "sum", "mean", "max"):
        found = e2t.get_node_activations(model, artifact, x, agg=agg)["b"]
        stack = every["b"]
        wanted = {
            "last": stack[:, -1],
            "sum": stack.sum(1),
            "mean": stack.mean(1),
            "max": stack.amax(1),
        }[agg]
        torch.testing.assert_close(found, wanted)


def test_signs_hold_along_every_path_where_the_model_is_monotone():
    edges = pd.DataFrame(
        {
            "source": ["x", "a", "b", "x"],
            "target": ["a", "b", "out", "other"],
            "constraint": ["positive", "negative", "positive", "negative"],
        }
    )
    model, artifact = built(edges, outputs=None, norm="none", keep_sign=False, residual=True)
    signs = e2t.edge_weights(model, artifact)["weight"]
    assert (signs * [1, -1, 1, -1] >= 0).all()
    with torch.no_grad():
        for layer in model.edge_layers():
            layer.weight.abs_()
        model.rho.abs_()
    x = batch(artifact, 0)
    jacobian = torch.autograd.functional.jacobian(lambda v: model(v).sum(0), x)[..., 0]
    by_name = dict(zip(artifact.output_names, jacobian, strict=True))
    assert (by_name["out"] < 0).all()
    assert (by_name["other"] < 0).all()


def test_given_weights_are_the_strength_an_edge_starts_with():
    weight = [1.0, -0.5, np.nan, 0.25, 2.0, -1.0, 0.0, 3.0, -4.0, np.nan, 0.5, 1.5]
    edges = EDGES.assign(initial_weight=weight, constraint=["fixed", *[None] * 11])
    options = {"outputs": ["out", "other", "c"], "quiet": True}
    for share in (True, False):
        model, artifact = e2t.compile_graph(edges, backend="gnn", share_layers=share, **options)
        found = e2t.edge_weights(model, artifact)["weight"].to_numpy()
        given = ~np.isnan(weight)
        np.testing.assert_allclose(found[given], np.array(weight)[given], rtol=1e-5)
        before = found[0]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(torch.randn(8, 2)).square().sum().backward()
        optimizer.step()
        assert e2t.edge_weights(model, artifact)["weight"][0] == before


@pytest.mark.parametrize("kind", ["uniform", "xavier", "kaiming", "normal", "zeros"])
def test_every_start_is_finite_and_of_its_kind(kind):
    model, _ = e2t.compile_graph(EDGES, backend="gnn", weight_init=kind, quiet=True)
    weights = torch.cat([layer.weight.flatten() for layer in model.edge_to_node])
    assert torch.isfinite(weights).all()
    assert bool((weights == 0).all()) == (kind == "zeros")
    assert torch.isfinite(model(torch.randn(3, 2))).all()


class TestCustomizing:
    def test_an_activation_replaces_the_compiled_one(self):
        base, artifact = built()
        model = e2t.customize_model(base, node_activation="tanh", head=nn.Linear(3, 1).double())
        x = batch(artifact, 0)
        expected = gnn_reference(model, artifact, x, activation=np.tanh)
        stacked = np.stack([expected[name] for name in artifact.output_names], 1)
        np.testing.assert_allclose(
            model.base_model(x).detach().numpy(), stacked, rtol=1e-12, atol=1e-12
        )
        assert model(x).shape == (4, 1)

    def test_one_node_s_activation_leaves_the_others_as_they_are(self):
        base, artifact = built()
        model = e2t.customize_model(base, node_activation={"b": "tanh"}, artifact=artifact)
        x = batch(artifact, 0)
        before = e2t.get_node_activations(base, artifact, x, agg="all")
        after = e2t.get_node_activations(model, artifact, x, agg="all")
        assert torch.equal(before["a"][:, 0], after["a"][:, 0])
        assert not torch.equal(before["b"][:, 0], after["b"][:, 0])

    def test_parameters_are_shared_and_the_original_is_left_as_it_was(self):
        base, artifact = built()
        x = batch(artifact, 0)
        before = base(x).detach()
        model = e2t.customize_model(base, node_normalization="batch", edge_dropout=0.5).double()
        assert {id(p) for p in model.base_model.edge_to_node.parameters()} == {
            id(p) for p in base.edge_to_node.parameters()
        }
        assert model.base_model.rho is base.rho
        model(x)
        assert torch.equal(base(x), before)

    def test_edge_dropout_leaves_out_whole_edges_in_training_only(self):
        base, artifact = built()
        model = e2t.customize_model(base, edge_dropout=0.5)
        x = batch(artifact, 0)
        assert not torch.equal(model(x), model(x))
        assert torch.equal(model.eval()(x), base.eval()(x))

    def test_a_module_for_another_shape_is_refused(self):
        base, _ = built()
        with pytest.raises(Edge2TorchError, match="does not map node values"):
            e2t.customize_model(base, node_normalization=nn.LayerNorm(7))


def test_models_of_many_seeds_train_at_once_under_vmap():
    """Dense kernels batch over weights; nothing in the model stands in the way."""
    models = [built(seed=seed, kernel="dense")[0] for seed in range(3)]
    parameters, _ = torch.func.stack_module_state(models)
    x = batch(built()[1], 0)

    def loss(parameters):
        return torch.func.functional_call(models[0], parameters, (x,)).square().mean()

    gradients = torch.func.vmap(torch.func.grad(loss))(parameters)
    loss(dict(models[1].named_parameters())).backward()
    torch.testing.assert_close(gradients["rho"][1], models[1].rho.grad)


@pytest.mark.parametrize("kernel", ["sparse", "dense"])
class TestAPlainModule:
    def test_autocast_keeps_close(self, kernel):
        model, artifact = built(kernel=kernel)
        model, x = model.float(), batch(artifact, 0).float()
        expected = model(x)
        with torch.autocast("cpu", torch.bfloat16):
            found = model(x)
        torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.1)

    def test_meta_device_and_jacobians(self, kernel):
        model, artifact = built(kernel=kernel)
        x = batch(artifact, 0)
        jacobian = torch.func.vmap(torch.func.jacrev(lambda v: model(v[None])[0]))(x)
        assert jacobian.shape == (4, 3, 2)
        assert copy.deepcopy(model).to("meta")(x.to("meta")).shape == (4, 3)

    def test_compile_and_export_capture_the_whole(self, kernel):
        model, artifact = built(kernel=kernel)
        x = batch(artifact, 0)
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(x), model(x))
        dim = torch.export.Dim("batch", min=2)
        exported = torch.export.export(model, (x,), dynamic_shapes=({0: dim},)).module()
        torch.testing.assert_close(exported(x[:3]), model(x[:3]))


def test_elu_writes_over_a_norms_values_only_where_nobody_looks():
    model, artifact = built()
    x, kept, seen = batch(artifact, 0), [], []

    def keep(tensor):
        kept[-1].add(tensor.untyped_storage().data_ptr())
        return tensor

    gradients = []
    for watched in (False, True):
        kept.append(set())
        if watched:
            for update in model.nodes:
                update.normalization.register_forward_hook(lambda *found: seen.append(found[-1]))
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            y = model(x)
        gradients.append(torch.autograd.grad(y.sum(), list(model.parameters())))
    assert all((values < -1).any() for values in seen)  # what the norm gave, not ELU of it
    assert len(kept[0]) == len(kept[1]) - len(model.nodes)
    torch.testing.assert_close(*gradients)
