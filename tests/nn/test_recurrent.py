"""The recurrent model on graphs with cycles, against a node-by-node evaluation."""

import copy
import warnings

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import edge2torch as e2t
from edge2torch.simulate import evaluate_steps
from tests.strategies import Case, batch, randomise, seeds

LOOP = pd.DataFrame(
    [
        ("u", "a"),
        ("v", "b"),
        ("a", "b"),
        ("b", "c"),
        ("c", "a"),
        ("b", "b"),
        ("c", "y"),
        ("a", "z"),
    ],
    columns=["source", "target"],
)


@st.composite
def cyclic_cases(draw, **options):
    """Tables with cycles and self loops; every node is reached by an input."""
    size = draw(st.integers(2, 7))
    names = draw(st.permutations([f"n{k}" for k in range(size)]))
    pairs = {("in0", names[0]), (names[-1], "out0")}
    pairs |= {(names[k - 1], names[k]) for k in range(1, size)}
    pairs |= draw(st.sets(st.tuples(*[st.sampled_from(names)] * 2), max_size=10))
    pairs |= {("in1", name) for name in draw(st.sets(st.sampled_from(names), max_size=2))}
    table = pd.DataFrame(draw(st.permutations(sorted(pairs))), columns=["source", "target"])
    chosen = {"bias": draw(st.booleans()), "backend": "recurrent", **options}
    if draw(st.booleans()):
        chosen["outputs"] = draw(st.permutations([names[0], "out0"]))
    return Case(table, chosen)


def history(model, artifact, x, steps, **options):
    return evaluate_steps(
        e2t.edge_weights(model, artifact),
        dict(zip(artifact.feature_names, x.detach().T.numpy(), strict=True)),
        steps,
        biases=e2t.node_biases(model, artifact),
        outputs=artifact.output_names,
        **options,
    )


def columns(values, names):
    return np.stack([values[name] for name in names], axis=1)


def assert_close(found, values, names, **tolerance):
    tolerance = {"rtol": 1e-12, "atol": 1e-12, **tolerance}
    np.testing.assert_allclose(found.detach().numpy(), columns(values, names), **tolerance)


@given(case=cyclic_cases(), steps=st.integers(1, 6), seed=seeds)
def test_every_step_is_the_peers_equation(case, steps, seed):
    model, artifact = case.compile(steps=steps)
    randomise(model, seed)
    x = batch(artifact, seed)
    seen = {}
    for name, site in model.sites().items():
        site.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
    y = model(x)
    expected = history(model, artifact, x, steps)
    assert_close(y, expected[-1], artifact.output_names)
    assert (
        list(seen) == list(artifact.node_names_by_site) == [f"step_{k + 1}" for k in range(steps)]
    )
    for k, (name, state) in enumerate(seen.items()):
        assert_close(state, expected[k + 1], artifact.node_names_by_site[name])


@given(case=cyclic_cases(), leak=st.sampled_from([0.3, "global", "node"]), seed=seeds)
def test_leaks_and_activations(case, leak, seed):
    base, artifact = case.compile(steps=4, leak=leak)
    model = e2t.customize_model(base, node_activation="tanh")
    randomise(model, seed)
    x = batch(artifact, seed)
    share = leak
    if isinstance(leak, str):
        learned = base.cells[0].leak.detach().sigmoid()
        names = artifact.node_names_by_layer["state"]
        share = dict(zip(names, learned.expand(len(names)).tolist(), strict=True))
    expected = history(model, artifact, x, 4, activation=np.tanh, leak=share)
    assert_close(model(x), expected[-1], artifact.output_names)


@given(case=cyclic_cases(), seed=seeds)
@settings(max_examples=30)
def test_own_weights_per_step(case, seed):
    model, artifact = case.compile(steps=3, share_weights=False)
    randomise(model, seed)
    x = batch(artifact, seed)
    rows = artifact.execution_plan.edge_rows()[0]
    weights = np.full((3, len(case.edges)), np.nan)
    for k, layer in enumerate(model.edge_layers()):
        weights[k, rows] = layer.edge_weights().detach()
    mean = e2t.edge_weights(model, artifact)["weight"]
    np.testing.assert_allclose(mean, weights.mean(0))
    for cell in model.cells:  # the oracle has one bias for all steps
        if cell.edges.bias is not None:
            nn.init.constant_(cell.edges.bias, 0.25)
    expected = history(model, artifact, x, 3, weights=weights)
    assert_close(model(x), expected[-1], artifact.output_names)


def test_a_gated_cell_is_the_gated_equation():
    case = Case(LOOP, {"backend": "recurrent", "steps": 3, "cell": "gated"})
    base, artifact = case.compile()
    model = randomise(e2t.customize_model(base, node_activation="tanh"), 1)
    x = batch(artifact, 1)
    edges, update, reset = (
        (layer.to_dense(layer.edge_weights()), layer.bias) for layer in base.edge_layers()
    )
    names = artifact.node_names_by_site["step_1"]
    hidden = torch.tensor([name not in artifact.output_names for name in names[2:]])
    state = torch.cat([x, torch.zeros(len(x), len(names) - 2, dtype=x.dtype)], 1)
    for _ in range(3):
        z, r = (torch.sigmoid(state @ w.T + b) for w, b in (update, reset))
        drive = r * (state @ edges[0].T + edges[1])
        new = torch.where(hidden, drive.tanh(), drive)
        state = torch.cat([x, (1 - z) * state[:, 2:] + z * new], 1)
    read = [names.index(name) for name in artifact.output_names]
    np.testing.assert_allclose(model(x).detach(), state[:, read].detach(), atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 4},
        {"steps": 3, "leak": "node"},
        {"steps": 3, "share_weights": False},
        {"steps": 3, "cell": "gated"},
        {"steps": "converge", "tolerance": 1e-13, "max_steps": 500},
        {"steps": "converge", "leak": "global", "tolerance": 1e-13, "max_steps": 2000},
        {"steps": "converge", "cell": "gated", "tolerance": 1e-13, "max_steps": 3000},
        {"steps": "converge", "gradient": "unroll", "tolerance": 1e-13, "max_steps": 500},
    ],
    ids=str,
)
def test_gradients_are_right(options):
    base, artifact = Case(LOOP, {"backend": "recurrent", **options}).compile()
    model = e2t.customize_model(base, node_activation="tanh")
    with torch.no_grad():  # contractive, so that a steady state exists
        for parameter in model.parameters():
            parameter.uniform_(-0.6, 0.6, generator=torch.Generator().manual_seed(3))
    names, parameters = zip(*model.named_parameters(), strict=True)
    x = batch(artifact, 0, rows=3).requires_grad_()

    def run(x, *values):
        return torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *(p.detach().requires_grad_() for p in parameters)))


@given(seed=seeds, steps=st.integers(1, 4))
@settings(max_examples=30)
def test_influence_reaches_as_far_as_the_steps_and_no_further(seed, steps):
    base, artifact = Case(LOOP, {"backend": "recurrent"}).compile(steps=steps)
    model = randomise(e2t.customize_model(base, node_activation="tanh"), seed)
    jacobian = torch.autograd.functional.jacobian(model, batch(artifact, seed, rows=1))[0, :, 0]
    graph = nx.from_pandas_edgelist(LOOP, create_using=nx.DiGraph)
    for row, output in zip(jacobian, artifact.output_names, strict=True):
        for value, name in zip(row, artifact.feature_names, strict=True):
            assert (value != 0) == (nx.shortest_path_length(graph, name, output) <= steps)


def settled(options=None, activation="tanh", edges=LOOP, seed=0):
    options = {"steps": "converge", "tolerance": 1e-12, "max_steps": 500, **(options or {})}
    base, artifact = Case(edges, {"backend": "recurrent"}).compile(**options)
    model = base if activation is None else e2t.customize_model(base, node_activation=activation)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.6, 0.6, generator=generator)
    return model, base, artifact


@pytest.mark.parametrize("activation", [None, "tanh", "mml"])
def test_implicit_and_unrolled_gradients_agree_at_convergence(activation):
    gradients = []
    for gradient in ("implicit", "unroll"):
        model, _, artifact = settled({"gradient": gradient}, activation)
        x = batch(artifact, 5).requires_grad_()
        y = model(x)
        assert_close(
            y,
            history(
                model,
                artifact,
                x,
                500,
                activation={"tanh": np.tanh, "mml": mml, None: None}[activation],
            )[-1],
            artifact.output_names,
            atol=1e-9,
        )
        (y**2).sum().backward()
        gradients.append([x.grad, *(p.grad for p in model.parameters())])
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6, rtol=1e-6)


def mml(x):
    return np.where(x > 0.5, 1 - 0.25 / np.maximum(x, 0.5), np.where(x < 0, 0.01 * x, x))


def test_the_implicit_gradient_holds_one_step_in_memory():
    def saved(gradient):
        model, _, artifact = settled({"gradient": gradient})
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: sizes.append(t.numel()) or t, lambda t: t
        ):
            model(batch(artifact, 0, rows=64))
        return sum(sizes)

    assert saved("unroll") > 8 * saved("implicit")


def test_a_sample_does_not_depend_on_the_others_of_its_batch():
    model, _, artifact = settled({"tolerance": 1e-4})
    x = batch(artifact, 2, rows=8)
    together = model(x)
    alone = torch.cat([model(row[None]) for row in x])
    np.testing.assert_allclose(together.detach(), alone.detach(), atol=1e-12)


def test_dropout_rests_while_a_steady_state_is_sought():
    _, base, artifact = settled()
    with torch.no_grad():
        for parameter in base.parameters():
            parameter.mul_(0.3)
    model = e2t.customize_model(base, node_dropout=0.5, edge_dropout=0.2).train()
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = model(batch(artifact, 0))
    assert model.base_model.last_convergence.converged.all()
    assert not torch.equal(first, model(batch(artifact, 0)))


def test_samples_that_do_not_settle_are_named():
    edges = pd.DataFrame(
        {"source": ["u", "a", "a"], "target": ["a", "a", "y"], "initial_weight": [1.0, -1.0, 1.0]}
    )
    with pytest.warns(e2t.Edge2TorchWarning, match="grow without end.*'a'"):
        model, artifact = e2t.compile_graph(
            edges, backend="recurrent", steps="converge", max_steps=30, quiet=True
        )
    x = torch.tensor([[0.0], [1.0], [0.0], [2.0]])
    with pytest.warns(e2t.Edge2TorchWarning, match=r"2 of 4 sample.* at 'a'\): numbers 1, 3"):
        model(x)
    assert model.last_convergence.failed == [1, 3]
    table = e2t.interpret.convergence(model, artifact, x)
    assert table["settled"].tolist() == [True, False, True, False]
    assert table["node"].tolist() == ["a"] * 4


def test_a_diverging_cycle_is_said_at_which_step_and_node():
    edges = pd.DataFrame(
        {"source": ["u", "a", "a"], "target": ["a", "a", "y"], "initial_weight": [1.0, 1e6, 1.0]}
    )
    with pytest.warns(e2t.Edge2TorchWarning, match="spectral radius"):
        model, artifact = e2t.compile_graph(
            edges, backend="recurrent", steps="converge", quiet=True
        )
    with pytest.raises(e2t.Edge2TorchError, match=r"update 8, at 'a'; in 2 .*number.s. 0, 1"):
        model(torch.ones(2, 1))
    table = e2t.interpret.convergence(model, artifact, torch.ones(2, 1))
    assert table["step"].tolist() == [8, 8]
    assert table["node"].tolist() == ["a", "a"]
    assert e2t.interpret.cycles(model, artifact)["radius"].tolist() == [1e6]
    with pytest.warns(e2t.Edge2TorchWarning, match="-fold in steps=3.*'a'"):
        e2t.compile_graph(edges, backend="recurrent", steps=3, quiet=True)


@pytest.mark.parametrize("engine", ["graph", "layers"])
@pytest.mark.parametrize("gradient", ["implicit", "unroll"])
@pytest.mark.filterwarnings("ignore:Without an activation")
def test_what_is_told_of_a_steady_state_calls_nodes_and_samples_as_the_user_does(engine, gradient):
    edges = pd.DataFrame({"source": ["u", "a", "a", "v"], "target": ["a", "a", "y", "y"]})
    backend = e2t.Recurrent(steps="converge", max_steps=60, engine=engine, gradient=gradient)
    found = {}
    for name, weight in {"swings": -0.5, "grows": -1e6}.items():  # of two units that feed both
        model, _ = e2t.compile_graph(edges, backend, quiet=True, units=2, bias=False)
        with torch.no_grad():
            model.cell(0).edges.weight.fill_(weight)
        found[name] = copy.deepcopy(e2t.customize_model(model, head=nn.Linear(1, 1)))
    x = torch.zeros(3, 4, 2)
    x[1, 0, 0] = 1.0
    for inputs, lengths in ((x[:, 0], None), (x, [1, 4, 2]), (x, [2, 1, 4])):
        for grads in (True, False):
            with torch.set_grad_enabled(grads):
                with pytest.warns(e2t.Edge2TorchWarning, match=r"at '[ay]'\): numbers 1\."):
                    found["swings"](inputs, lengths=lengths)
                with pytest.raises(e2t.Edge2TorchError, match=r"at 'a'(, 'y')?; in 1 .* 1\. Is x"):
                    found["grows"](inputs, lengths=lengths)
    found["grows"].base_model.artifact = None
    with pytest.raises(
        e2t.Edge2TorchError, match=r"at number.s. .* of those computed; in 1 sample"
    ):
        found["grows"](x[:, 0])


def test_too_few_steps_are_warned_of_with_the_number_needed():
    chain = pd.DataFrame(
        [("u", "a"), ("a", "b"), ("b", "c"), ("c", "y"), ("v", "c")], columns=["source", "target"]
    )
    with pytest.warns(e2t.Edge2TorchWarning, match=r"1 input.*'u'.*steps=4 or more"):
        e2t.compile_graph(chain, backend="recurrent", quiet=True)
    with pytest.warns(e2t.Edge2TorchWarning, match=r"no input reaches 1 output.*'y'.*steps=4"):
        e2t.compile_graph(chain, backend="recurrent", steps=1, quiet=True)
    e2t.compile_graph(chain, backend="recurrent", steps=4, quiet=True)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"leak": 0}, "leak"),
        ({"leak": "some"}, "leak must be .*found 'some'"),
        ({"cell": "lstm"}, "cell must be .*found 'lstm'"),
        ({"cell": "gated", "leak": 0.5}, "exclude"),
        ({"tolerance": -1}, "tolerance"),
        ({"max_steps": 0}, "max_steps"),
        ({"gradient": "none"}, "gradient"),
        ({"share_weights": 1}, "share_weights"),
        ({"steps": "converge", "share_weights": False}, "share_weights"),
        ({"steps": "forever"}, "steps"),
        ({"toleranze": 1}, "Nearest to 'toleranze': 'tolerance'"),
    ],
    ids=str,
)
def test_wrong_options_are_named(options, word):
    with pytest.raises(e2t.Edge2TorchError, match=word):
        e2t.compile_graph(LOOP, backend="recurrent", quiet=True, **options)


def test_bad_graphs_are_refused_by_name():
    ring = pd.DataFrame({"source": ["a", "b"], "target": ["b", "a"]})
    with pytest.raises(e2t.Edge2TorchError, match="no input"):
        e2t.compile_graph(ring, backend="recurrent", quiet=True)
    apart = pd.concat([LOOP, pd.DataFrame({"source": ["p", "q", "q"], "target": ["q", "p", "y"]})])
    with pytest.raises(e2t.Edge2TorchError, match=r"no input reaches.*'p', 'q'"):
        e2t.compile_graph(apart, backend="state_update", quiet=True)


def test_edges_into_inputs_carry_nothing():
    edges = LOOP[LOOP["source"] != "u"]
    with pytest.warns(e2t.Edge2TorchWarning, match="carry nothing"):
        model, artifact = e2t.compile_graph(
            edges, backend="recurrent", inputs=["v", "a"], quiet=True
        )
    weights = e2t.edge_weights(model, artifact)
    assert weights["weight"].isna().tolist() == (edges["target"] == "a").tolist()


# ------------------------------------------------------------------ sequences


def sequence_model(**options):
    base, artifact = Case(LOOP, {"backend": "recurrent"}).compile(**{"steps": 2, **options})
    return randomise(e2t.customize_model(base, node_activation="tanh"), 4), artifact


def test_a_sequence_is_the_same_steps_with_new_inputs_at_each_time():
    model, artifact = sequence_model(steps=1)
    x = batch(artifact, 0, rows=5)
    still = torch.stack([x] * 4, 1)
    y = model(still)
    assert y.shape == (5, 4, 2)
    values = history(model, artifact, x, 4, activation=np.tanh)
    for time in range(4):
        assert_close(y[:, time], values[time + 1], artifact.output_names)


@pytest.mark.parametrize("options", [{}, {"cell": "gated"}, {"steps": "converge"}], ids=str)
def test_padding_has_no_influence_and_packed_sequences_agree(options):
    model, _ = sequence_model(**options)
    if options.get("steps") == "converge":
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(0.3)
    x = torch.randn(3, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([2, 5, 3])
    y = model(x, lengths=lengths)
    junk = x.clone()
    for k, length in enumerate(lengths):
        junk[k, length:] = torch.nan
        torch.testing.assert_close(y[k, :length], model(x[k : k + 1, :length])[0])
        assert (y[k, length:] == 0).all()
    assert torch.equal(model(junk, lengths=lengths), y)
    packed = model(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
    assert torch.equal(pad_packed_sequence(packed, batch_first=True)[0], y)


@pytest.mark.parametrize(
    ("lengths", "word"), [([1, 2], "3 integers"), ([0, 1, 1], "between 1 and 5"), ([6, 1, 1], "5")]
)
def test_wrong_lengths_are_named(lengths, word):
    model, _ = sequence_model()
    with pytest.raises(e2t.Edge2TorchError, match=word):
        model(torch.zeros(3, 5, 2, dtype=torch.float64), lengths=lengths)
    with pytest.raises(e2t.Edge2TorchError, match="lengths"):
        model(torch.zeros(3, 2, dtype=torch.float64), lengths=[1, 1, 1])


# ------------------------------------------------------------------ sites and modules


@pytest.mark.parametrize("steps", [3, "converge"])
def test_what_a_hook_returns_is_what_the_rest_computes_with(steps):
    model, _, artifact = settled({"steps": steps})
    x = batch(artifact, 0)
    name, site = list(model.base_model.sites().items())[-1]
    handle = site.register_forward_hook(lambda _m, _i, out: torch.full_like(out, 7.0))
    assert (model(x) == 7).all()
    handle.remove()
    assert len(artifact.node_names_by_site[name]) == len(artifact.graph.node_names)


def test_batch_normalisation_is_shared_by_the_steps_and_saved(tmp_path):
    base, artifact = Case(LOOP, {"backend": "recurrent", "steps": 3}).compile()

    def wrap(model):
        return e2t.customize_model(model, node_normalization="batch", node_activation=nn.PReLU())

    model = wrap(base).double()
    model(batch(artifact, 0, rows=16))
    e2t.save_compiled(tmp_path, model.eval(), artifact)
    again, _ = e2t.load_compiled(tmp_path, customize=wrap)
    x = batch(artifact, 1)
    assert torch.equal(again.eval()(x), model(x))
    twice = copy.deepcopy(model)
    assert torch.equal(twice(x), model(x))
    assert (
        twice.base_model.step_blocks[0].normalization
        is twice.base_model.step_blocks[2].normalization
    )


def test_node_modules_can_be_given_by_name():
    base, artifact = Case(LOOP, {"backend": "recurrent", "steps": 4}).compile()
    model = randomise(
        e2t.customize_model(base, node_activation={"b": "tanh", "c": "mml"}, artifact=artifact), 0
    )
    x = batch(artifact, 0)
    expected = history(model, artifact, x, 4, activation={"b": np.tanh, "c": mml})
    assert_close(model(x), expected[-1], artifact.output_names)


@pytest.mark.parametrize("steps", [3, "converge"])
def test_attribution_by_node_and_step(steps):
    model, _, artifact = settled({"steps": steps})
    data = pd.DataFrame(batch(artifact, 0).numpy(), columns=artifact.feature_names)
    scores = e2t.interpret_model(
        model, artifact, data, target="nodes", output="y", quiet=True, nodes="non_input"
    )
    assert list(scores) == list(artifact.node_names_by_site)
    whole, gaps = e2t.interpret_model(
        model,
        artifact,
        data,
        target="nodes",
        output="y",
        quiet=True,
        nodes="all",
        return_convergence_delta=True,
        attribute_kwargs={"n_steps": 300},
    )
    assert gaps[list(scores)].abs().max(axis=None) < 1e-5  # every site is a complete cut
    x = torch.tensor(data.to_numpy())
    column = artifact.output_names.index("y")
    difference = (model(x) - model(torch.zeros_like(x)))[:, column].detach()
    for name in set(scores) - {"steady"}:  # where nodes stand behind one another
        np.testing.assert_allclose(whole[name].sum(axis=1), difference, atol=1e-5)


# ------------------------------------------------------------------ as a plain module


@pytest.mark.parametrize("steps", [3, "converge"])
@pytest.mark.filterwarnings("ignore:.*isinstance.*LeafSpec")
def test_the_model_is_a_plain_module(steps):
    model, _, artifact = settled({"steps": steps, "tolerance": 1e-6, "max_steps": 40})
    model, x = model.float(), batch(artifact, 0).float()
    y = model(x)
    exported = torch.export.export(model, (x,)).module()
    torch.testing.assert_close(exported(x), y, rtol=1e-4, atol=1e-5)
    meta = copy.deepcopy(model).to("meta")
    assert meta(x.to("meta")).shape == y.shape
    dropping = e2t.customize_model(meta, node_activation="tanh", node_dropout=0.2).train()
    dropping(x.to("meta")).sum().backward()  # no random numbers are drawn there, nor rewound
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(x).float(), y, rtol=0.1, atol=0.1)
    assert model(x[:0]).shape == (0, 2)


def test_transforms_and_second_derivatives_of_steps():
    model, _, artifact = settled({"steps": 3})
    x = batch(artifact, 0)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda row: model(row[None])[0]))(x)
    whole = torch.autograd.functional.jacobian(model, x)
    torch.testing.assert_close(jacobian, torch.stack([whole[k, :, k] for k in range(len(x))]))
    assert torch.autograd.gradgradcheck(model, x[:2].requires_grad_())


def test_second_derivatives_of_a_steady_state_need_unrolling():
    model, _, artifact = settled()
    x = batch(artifact, 0).requires_grad_()
    with pytest.raises(e2t.Edge2TorchError, match="gradient='unroll'"):
        torch.autograd.grad(model(x).sum(), x, create_graph=True)
    model, _, _ = settled({"gradient": "unroll"})
    (first,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
    first.sum().backward()


def test_convergence_wants_a_tensor():
    edges = pd.DataFrame({"source": ["u", "a", "b"], "target": ["a", "b", "a"]})
    model, artifact = e2t.compile_graph(
        edges, backend="recurrent", outputs=["b"], steps=3, quiet=True
    )
    with pytest.raises(e2t.Edge2TorchError, match="Tensor, found DataFrame"):
        e2t.interpret.convergence(model, artifact, pd.DataFrame({"u": [1.0]}))
