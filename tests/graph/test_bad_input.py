"""Every table that cannot be compiled is one error of ours: argument, culprits, and the fix."""

import enum
import inspect

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.compile._options import OF_ALL
from edge2torch.graph import build_edge_graph, read_edge_table
from edge2torch.priors import keep_between


def table(*pairs, **columns):
    frame = pd.DataFrame(list(pairs), columns=["source", "target"], dtype=object)
    return frame.assign(**columns)


def compile_graph(edges, **options):
    return e2t.compile_graph(edges, **{"quiet": True, **options})


def refused(edges, **options):
    """Compile, and return the message of the error that this must raise."""
    before = edges.copy() if isinstance(edges, pd.DataFrame) else edges
    with pytest.raises(e2t.Edge2TorchError) as caught:
        compile_graph(edges, **options)
    if isinstance(edges, pd.DataFrame):
        pd.testing.assert_frame_equal(edges, before)  # arguments stay as they were
    return str(caught.value)


def says(message, *parts):
    for part in parts:
        assert part.lower() in message.lower(), f"{part!r} is not in: {message}"


# ------------------------------------------------------------------------------- the table


@pytest.mark.parametrize(
    "edges", [[("a", "b")], {"source": ["a"], "target": ["b"]}, None, np.eye(2)]
)
def test_something_that_is_no_dataframe(edges):
    says(refused(edges), "edgelist", type(edges).__name__, "pd.DataFrame(")


def test_a_path_or_what_a_step_returned():
    says(refused("edges.csv"), "edgelist", "found str", "read_edges", "read_gmt")
    says(refused(keep_between(table(("a", "b")), ["a"])), "found tuple", "edges, report =")
    says(refused([table(("a", "b"))] * 2), "found list", "union_edges(*tables)")


def test_signs_as_constraints():
    says(refused(table(("a", "b"), constraint="+")), "'+'", "sign_column=")
    says(refused(table(("a", "b"), constraint=1)), "unknown value 1", "sign_column=")
    assert "sign_column" not in refused(table(("a", "b"), constraint="pos"))


def test_a_cycle_is_told_which_backends_take_it():
    edges = table(("x", "a"), ("a", "b"), ("b", "a"), ("b", "y"))
    says(refused(edges), "'a' -> 'b' -> 'a'", "backend='recurrent'", "break_cycles")


def test_what_nodes_do_is_said_elsewhere():
    says(refused(table(("a", "b")), activation="relu"), "no option 'activation'", "customize_model")
    says(refused(table(("a", "b")), backend="recurrent", n_steps=3), "It is called 'steps' here")


def test_an_option_that_is_nearly_one_of_all_backends():
    says(refused(table(("a", "b")), unit=6), "of its own it takes 'engine'", "Nearest", "'units'")
    arguments = list(inspect.signature(e2t.compile_graph).parameters)
    assert arguments[2:-1] == list(OF_ALL)  # after edgelist and backend, before the backend's own


@pytest.mark.parametrize("lost", ["source", "target"])
def test_a_missing_column(lost):
    message = refused(table(("a", "b")).rename(columns={lost: "from"}))
    says(message, "edgelist", f"no column '{lost}'", "'from'", "rename")


def test_an_empty_table():
    says(refused(table()), "edgelist", "no rows", "at least one edge")


def test_ends_in_the_index():
    says(
        refused(table().assign(source="a", target="b").set_index(["source", "target"])),
        "'source' in its index",
        "reset_index",
    )


def test_names_as_bytes():
    edges = pd.DataFrame({"source": [b"a", "c"], "target": ["b", "b"]})
    says(refused(edges), "'source'", "1 name(s) as bytes", "b'a'", ".str.decode")


def test_a_column_name_given_twice():
    edges = pd.DataFrame([["a", "b", "c"]], columns=["source", "target", "target"])
    says(refused(edges), "edgelist", "'target'", "drop")


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("weight", "initial_weight"),
        ("initial_weights", "initial_weight"),
        ("Initial Weight", "initial_weight"),
        ("constraints", "constraint"),
        ("Constraint", "constraint"),
    ],
)
def test_a_column_that_is_nearly_one_of_ours(typo, meant):
    says(
        refused(table(("a", "b"), **{typo: [1.0]})), "edgelist", f"'{typo}'", f"'{meant}'", "rename"
    )


def test_other_columns_are_kept_as_metadata():
    edges = table(("a", "b"), evidence=["PMID:1"], score=[0.5], organism=["human"], sources=["x"])
    _, artifact = compile_graph(edges)
    pd.testing.assert_frame_equal(
        artifact.graph.edges, edges.astype({"source": str, "target": str})
    )


# ------------------------------------------------------------------------------- the names


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("null", [None, np.nan, pd.NA, pd.NaT])
def test_a_missing_name(null, side):
    edges = table(("a", "y"), ("b", "y"))
    edges.loc[1, side] = null
    says(refused(edges), "edgelist", f"'{side}'", "1 missing name", "row(s) 1", "drop")


@pytest.mark.parametrize("blank", ["", "   ", "\t\n"])
def test_a_blank_name(blank):
    says(refused(table(("a", "y"), (blank, "y"))), "edgelist", "blank", "row(s) 1", "drop")


@pytest.mark.parametrize(
    "names", [(1, "1"), (1, 1.0), (True, "True"), (np.int64(1), "1"), (2, np.float64(2.0))]
)
@pytest.mark.parametrize("across", [False, True])
def test_names_that_collide_as_text_or_as_numbers(names, across):
    first, second = names
    edges = table((first, second), (9, 8)) if across else table((first, "y"), (second, "z"))
    shown = [repr(name.item() if isinstance(name, np.generic) else name) for name in names]
    says(refused(edges), "edgelist", *shown, "astype")


def test_names_that_collide_between_typed_columns():
    edges = pd.DataFrame({"source": [1, 2], "target": [2.0, 3.0]})
    says(refused(edges), "2", "2.0", "astype")


def test_a_name_with_the_reserved_prefix():
    message = refused(table(("__edge2torch_carry", "y")))
    says(message, "edgelist", "'__edge2torch_carry'", "rename")


# ------------------------------------------------------------------------------- the edges


@pytest.mark.parametrize("other", [("a", "y"), (" a ", "y")])
@pytest.mark.parametrize("scores", [[1, 1, 1], [1, 2, 3]])
def test_an_edge_given_twice(scores, other):
    edges = table(("a", "y"), ("b", "y"), other, score=scores)
    says(refused(edges), "edgelist", "duplicate", "'a' -> 'y'", "drop_duplicates")


def test_five_culprits_are_named_and_the_others_counted():
    pairs = [(f"g{k}", "y") for k in range(8)]
    message = refused(table(*pairs, *pairs))
    says(message, "8 duplicate", "'g0' -> 'y'", "'g4' -> 'y'", "and 3 more")
    assert "g5" not in message


@pytest.mark.parametrize(
    "pairs",
    [
        [("x", "a"), ("a", "a"), ("a", "y")],
        [("a", "a")],
        [("x", "a"), ("a", "a")],
        [("a", "a"), ("a", "y")],
    ],
)
def test_a_self_loop(pairs):
    says(refused(table(*pairs)), "edgelist", "self loop", "'a'", "remove", "take cycles")


@pytest.mark.parametrize(
    "pairs",
    [
        [("x", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "y")],
        [("a", "b"), ("b", "c"), ("c", "a")],
        [("x", "a"), ("a", "b"), ("b", "c"), ("c", "a")],
        [("a", "b"), ("b", "c"), ("c", "a"), ("c", "y")],
    ],
    ids=["in the middle", "alone", "without output", "without input"],
)
def test_a_cycle(pairs):
    message = refused(table(*pairs))
    says(message, "edgelist", "cycle", "'a'", "'b'", "'c'", "remove")
    assert "'x'" not in message
    assert "'y'" not in message


def test_of_several_cycles_one_of_the_shortest_is_named():
    long = [(f"n{k}", f"n{(k + 1) % 9}") for k in range(9)]
    message = refused(table(("x", "n0"), *long, ("n5", "n4"), ("n8", "y")))
    says(message, "cycle", "'n4'", "'n5'")
    assert "'n6'" not in message


def test_no_input():
    cycle = table(("a", "b"), ("b", "a"), ("b", "y"))
    with pytest.raises(e2t.Edge2TorchError) as caught:
        build_edge_graph(read_edge_table(cycle), acyclic=False)
    says(str(caught.value), "no input", "every node has incoming edges", "inputs=")
    says(refused(cycle), "cycle", "inputs=")  # feeding a node cuts the cycle that it stands on
    cut = pytest.warns(e2t.Edge2TorchWarning, match=r"carry nothing: 'a' -> 'b'")
    idle = pytest.warns(e2t.Edge2TorchWarning, match=r"reach no output: 'a'")
    with cut, idle:
        _, artifact = compile_graph(cycle, inputs=["b"], unused="prune")
    assert artifact.node_names_by_layer == {"layer_0": ["b"], "layer_1": ["y"]}
    says(refused(cycle, inputs=[]), "inputs", "empty")


def test_no_output():
    cycle = table(("x", "a"), ("a", "b"), ("b", "a"))
    with pytest.raises(e2t.Edge2TorchError) as caught:
        build_edge_graph(read_edge_table(cycle), acyclic=False)
    says(str(caught.value), "no output", "every node has outgoing edges", "outputs=")
    says(refused(table(("x", "a")), outputs=[]), "outputs", "empty")


def test_nodes_that_influence_an_output_but_that_no_input_reaches():
    message = refused(table(("a", "y"), ("z", "h"), ("h", "y")), inputs=["a"])
    says(message, "no input reaches", "'h'", "'z'", "inputs")


def test_nodes_that_reach_no_output_are_named_never_silent():
    edges = table(("a", "y"), ("a", "d"))
    for unused, did in (("keep", "kept"), ("prune", "left out")):
        with pytest.warns(e2t.Edge2TorchWarning, match=rf"'d'.*{did}"):
            compile_graph(edges, outputs=["y"], unused=unused)
    says(refused(edges, outputs=["y"], unused="error"), "'d'", "outputs")


@pytest.mark.parametrize("end", ["inputs", "outputs"])
@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["gene_1", "gene_3"], ["'gene_3'", "'gene_2'"]),
        (["gene_1", " gene_1"], ["twice", "'gene_1'"]),
        (5, ["5"]),
        ([None], ["None"]),
    ],
)
def test_inputs_and_outputs_that_are_not_in_the_graph(end, names, parts):
    edges = table(("gene_1", "tf"), ("gene_2", "tf"))
    says(refused(edges, **{end: names}), end, *parts)


# ------------------------------------------------------------------ weights and constraints


@pytest.mark.parametrize("value", ["strong", np.inf, -np.inf, "", 1j, True, [1.0]])
def test_an_initial_weight_that_is_no_finite_number(value):
    weights = pd.Series([1.0, value], dtype=object)
    message = refused(table(("a", "y"), ("b", "y"), initial_weight=weights))
    says(message, "initial_weight", "finite", "'b' -> 'y'")


@pytest.mark.parametrize(
    ("value", "constraint"), [(1e300, None), (-1e39, "fixed"), (1e-60, "positive")]
)
def test_an_initial_weight_that_the_model_s_precision_cannot_hold(value, constraint):
    edges = table(("a", "y"), ("b", "y"), initial_weight=[1.0, value], constraint=constraint)
    says(refused(edges), "initial_weight", "float32", str(value), "'b' -> 'y'", "rescale")


@pytest.mark.parametrize("value", ["inhibits", "", 1, True])
def test_an_unknown_constraint(value):
    message = refused(table(("a", "y"), ("b", "y"), constraint=["positive", value]))
    says(message, "constraint", repr(value), "'b' -> 'y'", "'unconstrained'", "'negative'")


@pytest.mark.parametrize(
    ("constraint", "weight"),
    [("positive", -1.0), ("positive", 0.0), ("negative", 1.0), ("negative", 0.0)],
)
def test_a_weight_of_the_wrong_sign(constraint, weight):
    edges = table(("a", "y"), ("b", "y"), constraint=constraint, initial_weight=[np.nan, weight])
    says(refused(edges), "initial_weight", "sign", "'b' -> 'y'", str(weight), "change")


@pytest.mark.parametrize("columns", [{}, {"initial_weight": [1.0, None]}])
def test_fixed_without_a_weight(columns):
    edges = table(("a", "y"), ("b", "y"), constraint=[None, "fixed"], **columns)
    says(refused(edges), "'fixed'", "initial_weight", "'b' -> 'y'")


def test_constraints_in_any_case_and_missing_ones_work():
    edges = table(
        *[(f"g{k}", "y") for k in range(6)],
        constraint=["Positive", "NEGATIVE", "fixed ", "Unconstrained", None, np.nan],
        initial_weight=[1.0, -1.0, 0.0, -2.0, None, None],
    )
    weights = e2t.edge_weights(*compile_graph(edges))["weight"]
    assert weights[:4].tolist() == [1.0, -1.0, 0.0, -2.0]
    assert np.isfinite(weights).all()


def test_numbers_written_as_text_and_nullable_columns_are_weights():
    for weights in (["0.5", None], pd.array([0.5, None], dtype="Float64")):
        edges = table(("a", "y"), ("b", "y"), initial_weight=weights)
        assert e2t.edge_weights(*compile_graph(edges))["weight"][0] == 0.5


@pytest.mark.parametrize("signs", [[2, 1], ["up", "down"], [0.5, 1.0], [np.inf, 1]])
def test_a_sign_column_with_other_values(signs):
    edges = table(("a", "y"), ("b", "y"), effect=signs)
    says(refused(edges, sign_column="effect"), "sign_column", "'effect'", "+1, -1, 0", "'a' -> 'y'")


def test_a_sign_column_that_is_not_there_or_contradicts():
    says(refused(table(("a", "y")), sign_column="effect"), "sign_column", "'effect'", "'source'")
    opposed = table(("a", "y"), ("b", "y"), constraint="positive", effect=[1, -1])
    says(refused(opposed, sign_column="effect"), "'constraint'", "'effect'", "'b' -> 'y'")
    weighted = table(("a", "y"), initial_weight=[1.0], effect=[-1])
    says(refused(weighted, sign_column="effect"), "initial_weight", "sign", "'a' -> 'y'")


def test_a_sign_column_is_read_only_when_asked_for():
    edges = table(("a", "y"), ("b", "y"), ("c", "y"), ("d", "y"), sign=[1, -1, 0, None])
    assert compile_graph(edges)[1].graph.constraint.tolist() == [0, 0, 0, 0]
    assert compile_graph(edges, sign_column="sign")[1].graph.constraint.tolist() == [1, -1, 0, 0]


# ----------------------------------------------------------------------------- the options


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"backend": "feedfoward"}, ["backend", "'feedfoward'", "'feedforward'"]),
        ({"backend": None}, ["backend", "None", "'feedforward'"]),
        ({"quiet": "no"}, ["quiet", "'no'", "True or False"]),
        ({"quiet": 1}, ["quiet", "1", "True or False"]),
        ({"bias": 0}, ["bias", "0", "True or False"]),
        ({"bias": None}, ["bias", "None", "True or False"]),
        ({"steps": 3}, ["steps", "3", "'feedforward'", "leave"]),
        ({"steps": np.int64(3)}, ["steps", "3", "'feedforward'", "leave"]),
        ({"init": "xavier"}, ["init", "'xavier'", "'sparse'", "'dense'"]),
        ({"kernel": "cuda"}, ["kernel", "'cuda'", "'sparse'", "'dense'"]),
        ({"unused": "drop"}, ["unused", "'drop'", "'keep'", "'prune'"]),
    ],
)
def test_an_option_that_means_nothing(options, parts):
    says(refused(table(("a", "y")), **options), *parts)


# ----------------------------------------------------------------------- names that do work


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("HLA A", "HLA-B"),
        ("NM_000.1", "blocks.0.weight"),
        ("it's", 'say "b"'),
        ("🧬", "é"),
        ("a__b", "a__b__c"),
        ("layer_1", "layer_0"),
        ("g" * 10_000, "g" * 10_001),
        ("nan", "None"),
        ("a\\b", "a/b"),
        ("a\nb", "a\tb"),
        (3, 20),
        (np.int32(3), np.int64(20)),
        (3.5, 1e10),
        (("a", 1), ("b", 2)),
        (pd.Timestamp("2020-01-01"), pd.Timestamp("2021-01-01")),
    ],
)
def test_odd_names_work(first, second, tmp_path):
    edges = table((first, "h"), (second, "h"), (first, "y"), ("h", "y"))
    model, artifact = compile_graph(edges)
    names = sorted(str(name) for name in (first, second))
    assert artifact.feature_names == names
    data = pd.DataFrame(
        [[1.0, 2.0]], columns=pd.Index([second, first], dtype=object, tupleize_cols=False)
    )
    x = e2t.align_features_to_input_nodes(data, artifact)
    assert dict(zip(names, x[0].tolist(), strict=True)) == {str(first): 2.0, str(second): 1.0}
    e2t.save_compiled(tmp_path / "model", model, artifact)
    again, loaded = e2t.load_compiled(tmp_path / "model")
    assert loaded.feature_names == names
    assert again(x).equal(model(x))


@pytest.mark.parametrize("kind", ["int64", "Int64", "uint8", "category", "string", "object"])
def test_integer_names_of_any_kind_align_with_integer_columns(kind):
    edges = pd.DataFrame({"source": [1, 2, 10, 7], "target": [7, 7, 7, 8]}).astype(kind)
    _, artifact = compile_graph(edges)
    assert artifact.feature_names == ["1", "10", "2"]
    data = pd.DataFrame([[10.0, 2.0, 1.0]], columns=[10, 2, 1])
    assert e2t.align_features_to_input_nodes(data, artifact).tolist() == [[1.0, 10.0, 2.0]]
    assert compile_graph(edges, inputs=[2, 1, 10])[1].feature_names == ["2", "1", "10"]


def test_names_are_stripped():
    _, artifact = compile_graph(table((" a", "y "), ("b\n", "y")))
    assert artifact.feature_names == ["a", "b"]
    assert artifact.graph.edges["target"].tolist() == ["y", "y"]


def test_names_that_differ_in_case_or_spelling_stay_apart():
    _, artifact = compile_graph(table(("TP53", "y"), ("Tp53", "y"), ("tp53", "y")))
    assert artifact.feature_names == ["TP53", "Tp53", "tp53"]


def test_names_that_are_an_enum_of_text_are_spelled_as_it_says():
    class Gene(str, enum.Enum):
        A = "a"
        B = "b"

    edges = pd.DataFrame({"source": list(Gene), "target": ["z", "z"]})
    _, artifact = e2t.compile_graph(edges, quiet=True)
    assert artifact.feature_names == [str(Gene.A), str(Gene.B)]
