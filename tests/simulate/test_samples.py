"""Data drawn from a graph follow its equations."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.simulate import disconnected_pathways, evaluate_steps, random_dag, simulate


def test_nodes_are_signed_sums_of_their_parents_and_noise():
    edges = random_dag(12, 25, seed=3, n_inputs=4)
    edges["sign"] = np.random.default_rng(0).choice([-1, 1], len(edges))
    nodes = sorted({*edges["source"], *edges["target"]})
    inputs = sorted(set(edges["source"]) - set(edges["target"]))
    x, _, y, _ = simulate(edges, 4000, 1, inputs, nodes, noise_scale=0.5, seed=2)
    for node in set(nodes) - set(inputs):
        own = edges[edges["target"] == node]
        left = y[node] - sum(s * y[p] for p, s in zip(own["source"], own["sign"], strict=True))
        assert left.std() == pytest.approx(0.5, rel=0.06)
    pd.testing.assert_frame_equal(y[inputs], x)


def test_special_functions_replace_the_sum_and_networkx_gives_arrays():
    graph = nx.DiGraph([("a", "h"), ("b", "h"), ("h", "y")])
    x, x_test, y, y_test = simulate(
        graph,
        6,
        3,
        ["b", "a"],
        ["y"],
        noise_scale=0.0,
        seed=1,
        special_functions={"h": lambda parents: parents[0] * parents[1]},
        signed_edges={("h", "y"): -1},
    )
    assert [part.shape for part in (x, x_test, y, y_test)] == [(6, 2), (3, 2), (6, 1), (3, 1)]
    np.testing.assert_allclose(y[:, 0], -x[:, 0] * x[:, 1])


def test_a_cycle_at_its_steady_state_reproduces_itself():
    edges = pd.DataFrame(
        [("u", "a", 1.0), ("a", "b", 0.9), ("b", "c", -0.8), ("c", "a", 0.7), ("c", "y", 1.0)],
        columns=["source", "target", "sign"],
    )
    nodes = ["a", "b", "c", "y"]
    x, _, y, _ = simulate(edges, 20, 1, ["u"], nodes, noise_scale=0.0, seed=0)
    last = evaluate_steps(edges.rename(columns={"sign": "weight"}), {"u": x["u"]}, 200)[-1]
    for node in nodes:
        np.testing.assert_allclose(y[node], last[node], atol=1e-7)


def test_euler_keeps_the_noise_of_a_cycle_moving():
    edges = pd.DataFrame({"source": ["u", "a"], "target": ["a", "a"], "sign": [1.0, -1.0]})
    x, _, y, _ = simulate(edges, 5000, 1, ["u"], ["a"], noise_scale=1.0, cycles="euler", seed=0)
    left = y["a"] - x["u"] / 2  # dx = (u - 2x) dt + sqrt(2) dB: mean u / 2, variance 1 / 2
    assert left.var() == pytest.approx(0.5, rel=0.12)


def test_a_cycle_that_grows_is_refused_by_name():
    edges = pd.DataFrame({"source": ["u", "a", "b"], "target": ["a", "b", "a"], "sign": [1, 2, 1]})
    with pytest.raises(e2t.Edge2TorchError, match=r"'a', 'b'.*special function"):
        simulate(edges, 5, 5, ["u"], ["b"])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"input_nodes": ["nobody"]}, "input_nodes.*'nobody'"),
        ({"output_nodes": ["nobody"]}, "output_nodes.*'nobody'"),
        ({"special_functions": {"nobody": np.sum}}, "special_functions.*'nobody'"),
        ({"signed_edges": {("y", "a"): 1}}, "signed_edges.*'y' -> 'a'"),
        ({"noise_scale": -1}, "noise_scale"),
        ({"cycles": "what"}, "cycles"),
        ({"n_train": -1}, "n_train"),
    ],
)
def test_wrong_arguments_are_named(change, word):
    edges = pd.DataFrame({"source": ["a"], "target": ["y"]})
    with pytest.raises(e2t.Edge2TorchError, match=word):
        simulate(**{"graph": edges, "n_train": 2, "n_test": 2, **change})


def test_the_same_seed_gives_the_same_data():
    edges = random_dag(10, 20, seed=0)
    first, again = (simulate(edges, 5, 5, seed=7) for _ in range(2))
    assert all(one.equals(other) for one, other in zip(first, again, strict=True))


def test_pathways_share_no_edge_but_spurious_ones():
    problem = disconnected_pathways(seed=4)
    owner = {node: path for path, nodes in problem.membership.items() for node in nodes}
    spurious = problem.edges[problem.edges["is_spurious"]]
    assert len(spurious) == 8
    assert not spurious.duplicated().any()
    assert (spurious["source"].map(owner) != spurious["target"].map(owner)).all()
    np.testing.assert_allclose(problem.y_train.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(problem.y_train.std(ddof=0), 1)
    assert list(problem.x_test.columns) == problem.input_nodes
    with pytest.raises(e2t.Edge2TorchError, match="n_spurious"):
        disconnected_pathways(n_spurious=10_000)
    with pytest.raises(e2t.Edge2TorchError, match=r"functions.*'sine'"):
        disconnected_pathways(functions=["sine"])
