"""What must not matter to a compiled model, does not."""

import numpy as np
import pandas as pd
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import edge2torch as e2t
from tests.strategies import (
    POSITIVE,
    Case,
    batch,
    cases,
    edge_tables,
    leaves_of,
    nodes_of,
    randomise,
    roots_of,
    seeds,
)

NAMES = (
    st.text(min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda name: name and not name.startswith("__edge2torch_"))
)


def outputs_by_name(model, artifact, x):
    return dict(zip(artifact.output_names, model(x).detach().T.numpy(), strict=True))


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12, atol=1e-12, err_msg=name)


@given(case=cases(), seed=seeds, data=st.data())
def test_the_order_of_rows_does_not_matter(case, seed, data):
    order = data.draw(st.permutations(range(len(case.edges))))
    other_case = case.with_edges(case.edges.iloc[order])
    model, artifact = case.compile()
    other, other_artifact = other_case.compile()
    x = batch(artifact, seed)
    assert torch.equal(model(x), other(x))  # the same seed draws the same weights
    assert other_artifact.fingerprint == artifact.fingerprint
    randomise(model, seed)
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(x), other(x))
    weights = e2t.edge_weights(model, artifact).iloc[order].reset_index(drop=True)
    assert e2t.edge_weights(other, other_artifact).reset_index(drop=True).equals(weights)
    assert list(other_artifact.graph.edges["source"]) == list(other_case.edges["source"])


@given(edges=edge_tables(attributes=False), seed=seeds, data=st.data())
@settings(max_examples=50)
def test_the_order_of_data_columns_does_not_matter(edges, seed, data):
    _, artifact = e2t.compile_graph(edges, quiet=True)
    x = batch(artifact, seed)
    frame = pd.DataFrame(x.numpy(), columns=artifact.feature_names).assign(unused="text")
    shuffled = frame[data.draw(st.permutations(list(frame.columns)))]
    aligned = e2t.align_features_to_input_nodes(shuffled, artifact, dtype=torch.float64)
    assert torch.equal(aligned, x)


@given(case=cases(all_weighted=True), seed=seeds, data=st.data())
def test_new_names_rename_the_outputs_and_nothing_else(case, seed, data):
    nodes = nodes_of(case.edges)
    drawn = data.draw(st.lists(NAMES, min_size=len(nodes), max_size=len(nodes), unique=True))
    new = dict(zip(nodes, drawn, strict=True))
    ends = {
        end: [new[name] for name in case.options[end]]
        for end in ("inputs", "outputs")
        if end in case.options
    }
    renamed = case.with_edges(
        case.edges.assign(
            source=case.edges["source"].map(new), target=case.edges["target"].map(new)
        ),
        **ends,
    )
    model, artifact = case.compile()
    other, other_artifact = renamed.compile()
    x = batch(artifact, seed)
    column = {new[name]: x[:, k] for k, name in enumerate(artifact.feature_names)}
    other_x = torch.stack([column[name] for name in other_artifact.feature_names], dim=1)
    expected = {new[k]: v for k, v in outputs_by_name(model, artifact, x).items()}
    assert_same(outputs_by_name(other, other_artifact, other_x), expected)


@given(
    edges=edge_tables(all_weighted=True),
    seed=seeds,
    unused=st.sampled_from(["keep", "prune"]),
    data=st.data(),
)
def test_a_node_that_reaches_no_output_changes_no_output(edges, seed, unused, data):
    case_options = {"inputs": roots_of(edges), "outputs": leaves_of(edges)}
    model, artifact = e2t.compile_graph(edges, quiet=True, **case_options)
    x = batch(artifact, seed)
    expected = outputs_by_name(model.double(), artifact, x)

    parents = data.draw(st.sets(st.sampled_from(nodes_of(edges)), min_size=1, max_size=3))
    chain = [(parent, "dead_end") for parent in sorted(parents)] + [("dead_end", "deader_end")]
    if data.draw(st.booleans(), label="the dead end also has a source of its own"):
        chain.append(("lonely", "dead_end"))
    more = pd.DataFrame(chain, columns=["source", "target"])
    more["initial_weight"] = data.draw(POSITIVE)
    larger = pd.concat([edges, more], ignore_index=True)
    other, other_artifact = Case(larger, {**case_options, "unused": unused}).compile()
    assert_same(outputs_by_name(other, other_artifact, x), expected)


@given(depth=st.integers(2, 12), scale=POSITIVE, seed=seeds)
@settings(max_examples=30)
def test_values_are_carried_across_layers_as_they_are(depth, scale, seed):
    """Of a path of length k and a direct edge beside it, the direct one stays exactly linear."""
    chain = [(f"c{k}", f"c{k + 1}") for k in range(depth)]
    table = pd.DataFrame([*chain, ("c0", f"c{depth}")], columns=["source", "target"])
    table["initial_weight"] = [0.0] * depth + [scale]
    table["constraint"] = ["fixed"] * depth + ["positive"]
    model, artifact = e2t.compile_graph(table, quiet=True, bias=False)
    x = batch(artifact, seed)
    assert torch.equal(model.double()(x), x * scale)
