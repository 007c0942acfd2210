import numpy as np
import pandas as pd
import pytest

from edge2torch.errors import Edge2TorchError
from edge2torch.simulate import evaluate, random_dag

CHAIN = pd.DataFrame({"source": ["a", "b", "h", "a"], "target": ["h", "h", "y", "y"]})
DATA = {"a": [1.0, 2.0], "b": [0.0, -3.0]}


def relu(value):
    return np.maximum(value, 0.0)


def test_values_worked_out_by_hand():
    values = evaluate(CHAIN, DATA, [1.0, 2.0, 0.5, 10.0], {"h": 1.0, "y": -1.0}, activation=relu)
    assert values["h"].tolist() == [2.0, 0.0]
    assert values["y"].tolist() == [10.0, 19.0]
    assert values["a"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("seed", range(5))
def test_a_linear_network_equals_the_solution_of_its_linear_system(seed):
    edges = random_dag(15, 40, seed=seed, n_inputs=4)
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=len(edges))
    names = sorted(set(edges["source"]) | set(edges["target"]))
    place = {name: k for k, name in enumerate(names)}
    matrix = np.zeros((15, 15))
    matrix[edges["target"].map(place), edges["source"].map(place)] = weight
    fed = sorted(set(edges["source"]) - set(edges["target"]))
    bias = pd.Series(rng.normal(size=15), index=names)
    given = bias.to_numpy()[:, None].repeat(3, axis=1)
    data = {name: rng.normal(size=3) for name in fed}
    for name in fed:
        given[place[name]] = data[name]
    expected = np.linalg.solve(np.eye(15) - matrix, given)

    values = evaluate(edges, data, weight, bias)

    np.testing.assert_allclose(np.stack([values[name] for name in names]), expected, rtol=1e-9)


def test_weights_may_be_a_column_a_sequence_or_a_mapping():
    numbers = [1.0, 2.0, 0.5, 10.0]
    pairs = list(zip(CHAIN["source"], CHAIN["target"], strict=True))
    as_sequence = evaluate(CHAIN, DATA, numbers)["y"].tolist()
    assert evaluate(CHAIN.assign(weight=numbers), DATA)["y"].tolist() == as_sequence
    mapping = dict(zip(pairs, numbers, strict=True))
    assert evaluate(CHAIN, DATA, mapping)["y"].tolist() == as_sequence
    assert evaluate(CHAIN, DATA)["h"].tolist() == [1.0, -1.0]  # without weights: ones


def test_inputs_may_be_a_frame_and_names_may_be_numbers():
    edges = pd.DataFrame({"source": [1, 2], "target": [3, 3]})
    values = evaluate(edges, pd.DataFrame({2: [5.0], 1: [7.0]}), [1.0, 10.0])
    assert values["3"].tolist() == [57.0]


def test_outputs_and_inputs_stay_without_activation():
    def spoil(value):
        return value * np.nan

    values = evaluate(CHAIN, DATA, activation=spoil, outputs=["h", "y"])
    assert values["y"].tolist() == [2.0, 1.0]
    assert np.isnan(evaluate(CHAIN, DATA, activation=spoil)["y"]).all()


def test_an_activation_may_differ_by_node():
    edges = pd.DataFrame({"source": ["a", "a", "h", "k"], "target": ["h", "k", "y", "y"]})
    values = evaluate(edges, {"a": [-2.0]}, activation={"h": relu})
    assert (values["h"].item(), values["k"].item()) == (0.0, -2.0)


def test_feeding_a_node_cuts_the_edges_that_point_at_it():
    values = evaluate(CHAIN, {**DATA, "h": [100.0, 200.0]})
    assert values["y"].tolist() == [101.0, 202.0]


def test_a_cycle_is_refused_unless_a_fed_node_interrupts_it():
    cycle = pd.DataFrame({"source": ["a", "b", "c", "c"], "target": ["b", "c", "b", "y"]})
    with pytest.raises(Edge2TorchError, match=r"cycle.*'(b|c)'"):
        evaluate(cycle, {"a": [1.0]})
    values = evaluate(cycle, {"a": [1.0], "b": [4.0]}, outputs=["y"])
    assert values["y"].tolist() == [4.0]


def test_what_does_not_fit_the_edges_is_refused():
    with pytest.raises(Edge2TorchError, match=r"3 weight\(s\) for 4 edge"):
        evaluate(CHAIN, DATA, [1.0, 2.0, 3.0])
    with pytest.raises(Edge2TorchError, match=r"no weight for 'b' -> 'h'"):
        evaluate(CHAIN.head(2), DATA, {("a", "h"): 1.0})
    with pytest.raises(Edge2TorchError, match=r"more than once: 'a' -> 'h'"):
        evaluate(pd.concat([CHAIN, CHAIN.head(1)]), DATA)
