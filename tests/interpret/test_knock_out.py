"""Knock-outs against a computation of one node at a time, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from tests.contracts.gnn_reference import run_by_the_book
from tests.interpret.settings import SKIPS, Setting, build, customize, double
from tests.interpret.test_reference import oracle

LOOPED = pd.concat([SKIPS, pd.DataFrame({"source": ["r"], "target": ["p"]})], ignore_index=True)
GROUPS = ["p", "q", "r", "a", ("p", "r"), ("q", "b")]
VALUES: list[Any] = [0.0, -1.5, "mean", {"p": 0.3, "q": -0.2, "r": 1.0, "a": 2.0, "b": -1.0}]


def ask(setting: Setting, nodes: Any, **options: Any) -> pd.DataFrame:
    return e2t.knock_out(
        setting.model, setting.artifact, setting.data, nodes, quiet=True, **options
    )


def held_at(group: str | tuple[str, ...], value: Any) -> dict[str, float]:
    names = (group,) if isinstance(group, str) else group
    return {name: value[name] if isinstance(value, Mapping) else value for name in names}


def assert_changes(found: pd.DataFrame, row: str, expected: Any, atol: float = 1e-12) -> None:
    for output in found.columns:
        np.testing.assert_allclose(found.loc[row, output], expected[output], atol=atol)


def label(group: str | tuple[str, ...]) -> str:
    return group if isinstance(group, str) else " + ".join(group)


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_feedforward_with_edges_that_skip_layers(value: Any) -> None:
    setting = double(customize(build(SKIPS), node_activation="tanh"))
    found, every = (ask(setting, GROUPS, value=value, level=k) for k in ("summary", "samples"))
    assert list(found.columns) == setting.artifact.output_names
    whole = oracle(setting)
    for group in GROUPS:
        held = held_at(group, value)
        fed = {n: np.full(4, whole[n].mean() if v == "mean" else v) for n, v in held.items()}
        other = oracle(setting, fed)
        change = {output: other[output] - whole[output] for output in found}
        assert_changes(every, label(group), change)
        assert_changes(found, label(group), {output: c.mean() for output, c in change.items()})
    assert np.abs(found.to_numpy()).max() > 0.1


def by_steps(setting: Setting, steps: int, held: dict[str, float]) -> dict[str, np.ndarray]:
    """Update all nodes from their parents, some of them held from the first update on."""
    table = e2t.edge_weights(setting.model, setting.artifact)
    edges = list(zip(table["source"], table["target"], table["weight"], strict=True))
    biases = e2t.node_biases(setting.model, setting.artifact).to_dict()
    fed = {str(name): column.to_numpy() for name, column in setting.data.items()}
    fed |= {name: np.full(len(setting.data), held[name]) for name in fed if name in held}
    nodes = [node for node in {*table["source"], *table["target"]} if node not in fed]
    state = {**{node: np.zeros(len(setting.data)) for node in nodes}, **fed}
    for _ in range(steps):
        following = dict(fed)
        for node in nodes:
            arrives = biases[node] + sum(
                weight * state[source] for source, target, weight in edges if target == node
            )
            is_read = node in setting.artifact.output_names
            following[node] = np.asarray(arrives if is_read else np.tanh(arrives))
            if node in held:
                following[node] = np.full(len(setting.data), held[node])
        state = following
    return {output: np.asarray(state[output]) for output in setting.artifact.output_names}


@pytest.mark.parametrize("steps", [5, "converge"])
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_recurrent_with_a_cycle(steps: int | str, value: float) -> None:
    options: dict[str, Any] = {"tolerance": 1e-14} if steps == "converge" else {}
    setting = build(LOOPED, backend="recurrent", steps=steps, **options)
    setting = double(customize(setting, node_activation="tanh"))
    found = ask(setting, GROUPS, value=value)
    often = 400 if steps == "converge" else 5
    whole = by_steps(setting, often, {})
    for group in GROUPS:
        other = by_steps(setting, often, held_at(group, value))
        assert_changes(found, label(group), {o: (other[o] - whole[o]).mean() for o in found})
    assert np.abs(found.to_numpy()).max() > 0.01


@pytest.mark.parametrize("options", [{}, {"residual": False, "norm": "softmax"}], ids=str)
@pytest.mark.parametrize("value", [0.0, 0.7])
def test_gnn_in_every_layer_and_channel(options: dict[str, Any], value: float) -> None:
    setting = double(build(LOOPED, backend="gnn", steps=3, channels=2, **options))
    setting.model.eval()
    found = ask(setting, GROUPS, value=value)
    whole = run_by_the_book(setting.model, setting.artifact, setting.x)[0]
    for group in GROUPS:
        held, x = held_at(group, value), setting.x.clone()
        for name in set(held) & set(setting.artifact.feature_names):
            x[:, setting.artifact.feature_names.index(name)] = held[name]
        other = run_by_the_book(setting.model, setting.artifact, x, held=held)[0]
        assert_changes(found, label(group), {o: (other[o] - whole[o]).mean() for o in found})
    assert np.abs(found.to_numpy()).max() > 0.01


@pytest.mark.parametrize("executor", ["threads", 2])
def test_shared_out_it_is_the_same(executor: Any) -> None:
    setting = double(customize(build(SKIPS), node_activation="tanh"))
    alone = ask(setting, "all", level="samples")
    if executor == "threads":
        with ThreadPoolExecutor(2) as pool:
            found = ask(setting, "all", level="samples", executor=pool)
    else:
        pytest.importorskip("loky", reason="needs loky: edge2torch[processes]")
        found = ask(setting, "all", level="samples", executor=executor)
    pd.testing.assert_frame_equal(found, alone, rtol=1e-12)


def test_which_nodes_and_what_they_are_called() -> None:
    setting = customize(build(SKIPS), node_activation="tanh")
    assert set(ask(setting, "hidden").index) == {"p", "q", "r"}
    assert list(ask(setting, "inputs").index) == setting.artifact.feature_names
    assert len(ask(setting, "all")) == 6
    named = ask(setting, {"both": ["p", "q"], "one": "p"})
    assert list(named.index) == ["both", "one"]
    assert named.index.name == "held"
    every = ask(setting, ["q", "p"], level="samples")
    assert list(every.index[:5]) == [("q", f"cell {k}") for k in range(4)] + [("p", "cell 0")]
    assert every.index.names == ["held", "sample"]


def test_behind_a_head_and_beside_node_scores() -> None:
    head = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    setting = double(customize(build(SKIPS), output=1, head=head, node_dropout=0.5))
    setting.model.train()
    found = ask(setting, "hidden", level="samples")
    assert list(found.columns) == [0, 1]
    assert setting.model.training
    scores = setting.ask("nodes", "NodeKnockout", level="summary", nodes="hidden")
    for node in scores:
        np.testing.assert_allclose(found.loc[node, 1], -scores[node], atol=1e-12)


def test_memory_follows_the_groups_not_groups_times_samples(monkeypatch: Any) -> None:
    from edge2torch.interpret._engines import _task as chunks

    setting = double(customize(build(SKIPS), node_activation="tanh"))
    whole = ask(setting, GROUPS)
    monkeypatch.setitem(chunks.BYTES_AT_ONCE, "cpu", 1)  # two rows at once
    pd.testing.assert_frame_equal(ask(setting, GROUPS), whole, rtol=1e-12)


@pytest.mark.parametrize(
    ("nodes", "options", "said"),
    [
        (["P"], {}, "not in the graph: 'P'"),
        ("outputs", {}, "nodes must be one of 'non_input', 'hidden', 'inputs', 'all'"),
        ([], {}, "nodes is empty"),
        ([()], {}, "the group without a name is empty"),
        (["p", "p"], {}, "'p' is there more than once"),
        (["p"], {"value": "median"}, "a number, 'mean', or a Series or mapping"),
        (["p", "q"], {"value": {"p": 1.0}}, "no number for 'q'"),
        (["p"], {"level": "sites"}, "level must be one of"),
        (["p"], {"executor": "four"}, "executor must be"),
    ],
)
def test_bad_input(nodes: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(e2t.Edge2TorchError, match=said):
        ask(build(SKIPS), nodes, **options)


def test_nodes_without_a_value() -> None:
    setting = build(SKIPS, backend="gnn", steps=2)
    with pytest.raises(e2t.Edge2TorchError, match="computes no value of 1 node"):
        ask(setting, ["p", "deep"])
    model, artifact = e2t.compile_graph(
        pd.DataFrame({"source": ["a"], "target": ["y"]}), quiet=True
    )
    with pytest.raises(e2t.Edge2TorchError, match="inputs and outputs only"):
        e2t.knock_out(model, artifact, torch.ones(2, 1), quiet=True)


@pytest.mark.parametrize("backend", ["feedforward", "recurrent"])
@pytest.mark.parametrize("nodes", ["hidden", "inputs", "non_input"])
def test_a_score_is_minus_the_change_for_the_same_words(backend: str, nodes: str) -> None:
    options = {"steps": 3} if backend == "recurrent" else {}
    setting = double(customize(build(SKIPS, backend=backend, **options), node_activation="tanh"))
    changes = ask(setting, nodes, value=0.3, level="samples")
    why = e2t.attribute(
        setting.model,
        setting.data,
        "nodes",
        "NodeKnockout",
        nodes=nodes,
        output=setting.artifact.output_names,
        attribute_kwargs={"value": 0.3},
        quiet=True,
    )
    scores = why.frame()
    for output in setting.artifact.output_names:
        of_output = changes[output].unstack("held")
        assert set(of_output.columns) == set(scores[output].columns)
        pd.testing.assert_frame_equal(
            of_output[scores[output].columns], -scores[output], check_names=False, atol=1e-12
        )
