"""Pathway membership in every form, and what is wrong with it."""

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.regularize import PathwayLatentRegularizer

EDGES = pd.DataFrame({"source": ["x", "y", "a", "b", "c"], "target": ["a", "b", "c", "c", "out"]})


@pytest.fixture(scope="module")
def compiled():
    return e2t.compile_graph(EDGES, backend="gnn", quiet=True)


def made(compiled, membership, **options):
    model, artifact = compiled
    return PathwayLatentRegularizer(model, membership, artifact=artifact, **options)


def test_dict_matrix_frame_and_gmt_are_the_same(compiled, tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_text("p\thttp://p\ta\tb\nq\t\tb\tc\n\n")
    matrix = np.array([[1, 1, 0], [0, 1, 1]])
    frame = pd.DataFrame(matrix, index=["p", "q"], columns=list("abc"))[["c", "a", "b"]]
    forms = [{"p": ["a", "b"], "q": ["c", "b"]}, matrix, torch.tensor(matrix), frame, path]
    found = [made(compiled, form).membership for form in forms]
    for table in found:
        np.testing.assert_array_equal(table.to_numpy(), matrix)
        assert list(table.columns) == ["a", "b", "c"]
    assert list(found[-1].index) == ["p", "q"]


@pytest.mark.parametrize(
    ("membership", "says"),
    [
        ({"p": ["a", "bb"]}, r"1 node\(s\) without values .*'bb'.* Nearest to 'bb': 'b'"),
        ({"p": ["a", "x"]}, "'x' is an input, whose values are the data's"),
        ({"p": ["a", "out"]}, "'out' is an output"),
        ({"p": ["a"], "q": []}, r"1 pathway\(s\) have no member .*'q'"),
        ({}, "holds no pathway"),
        ({"p": "abc"}, "the members of 'p' are one string"),
        (np.ones((2, 5)), r"shape \(2, 5\).* 3 nodes"),
        (-np.ones((2, 3)), "finite numbers"),
        (np.full((2, 3), np.nan), "finite numbers"),
        ("no_such_file.gmt", "is no file"),
    ],
)
def test_wrong_membership_is_named(compiled, membership, says):
    with pytest.raises(e2t.Edge2TorchError, match=says):
        made(compiled, membership)


def test_names_may_be_left_out_on_request(compiled):
    table = made(compiled, {"p": ["a", "b", "unheard of"], "q": ["c"]}, missing="ignore").membership
    assert table.loc["p"].sum() == 2


def test_a_broken_gmt_line_is_quoted(compiled, tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_text("p\tonly a description\n")
    with pytest.raises(e2t.Edge2TorchError, match="line 1"):
        made(compiled, path)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"form": "other"}, "form must be one of"),
        ({"align": "other"}, "align must be one of"),
        ({"phi": "other"}, "phi must be"),
        ({"lambda_sim": -1.0}, "lambda_sim must be a number >= 0"),
        ({"temperature": 0.0}, "temperature must be a number > 0"),
        ({"dissim_pairs": [("p", "nope")]}, "not in pathway_membership: 'nope'"),
        ({"lambda_dis": 1.0}, "Give dissim_pairs"),
    ],
)
def test_wrong_options_are_named(compiled, options, says):
    with pytest.raises(e2t.Edge2TorchError, match=says):
        made(compiled, {"p": ["a"], "q": ["b"]}, **options)


def test_a_list_of_names_is_no_membership(compiled):
    model, artifact = compiled
    with pytest.raises(e2t.Edge2TorchError, match="found list of other things"):
        PathwayLatentRegularizer(model, ["A"], artifact=artifact)
