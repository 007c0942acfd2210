import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from edge2torch.compile import compile_graph
from edge2torch.data import AlignmentReport, align_features_to_input_nodes
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import read_edge_table

ARTIFACT = SimpleNamespace(feature_names=["a", "b", "c"])
FRAME = pd.DataFrame({"c": [3.0, 6.0], "x": ["no", "number"], "a": [1.0, 4.0], "b": [2.0, 5.0]})
EXPECTED = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def align(data, **options):
    return align_features_to_input_nodes(data, ARTIFACT, **options)


def test_columns_come_in_the_order_of_the_input_nodes():
    x = align_features_to_input_nodes(data=FRAME, artifact=ARTIFACT)
    assert x.dtype == torch.float32
    assert x.tolist() == EXPECTED
    assert align(FRAME[FRAME.columns[::-1]]).tolist() == EXPECTED


@pytest.mark.parametrize("data", [FRAME, np.array(EXPECTED), torch.tensor(EXPECTED)])
def test_the_result_is_laid_out_by_feature_and_shares_no_memory(data):
    x = align(data)
    assert x.shape == (2, 3)
    assert x.stride() == (1, 2)
    before = x.clone()
    if isinstance(data, pd.DataFrame):
        data = data.copy()
        x = align(data)
        data.loc[:, ["a", "b", "c"]] = -1.0
    else:
        data = data.copy() if isinstance(data, np.ndarray) else data.clone()
        x = align(data)
        data[:] = -1.0
    assert torch.equal(x, before)
    x.zero_()  # and it may be written to


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, np.int64, np.uint8, bool])
def test_arrays_of_every_kind_are_taken_by_position(kind, order):
    array = np.array([[0, 1, 1], [1, 0, 1]], dtype=kind, order=order)
    assert align(array).tolist() == [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]
    assert align(array[:, ::-1]).tolist() == [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix])
def test_sparse_matrices_are_taken_by_position_as_arrays_are(kind):
    assert align(kind(np.array(EXPECTED))).tolist() == EXPECTED
    with pytest.raises(Edge2TorchError, match="sparse matrix has 2 column"):
        align(kind(np.array(EXPECTED)[:, :2]))


def test_truth_values_of_arrow_are_numbers_as_those_of_numpy_are():
    arrow = pd.ArrowDtype(pytest.importorskip("pyarrow").bool_())
    frame = pd.DataFrame({"a": [True, False], "b": [0, 1], "c": [False, True]})
    expected = [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    assert align(frame.astype({"a": arrow, "c": arrow})).tolist() == expected
    with pytest.raises(Edge2TorchError, match=r"'a', 'b' \(dtype 'category'\)"):
        align(frame.astype({"a": "category", "b": "category"}))


def test_tables_of_other_packages_are_told_how_they_become_ours():
    arrow = pytest.importorskip("pyarrow").Table.from_pydict({"a": [1.0], "source": ["x"]})
    hint = r"pyarrow Table \(call its \.to_pandas\(\) first\)"
    with pytest.raises(Edge2TorchError, match=rf"data: found a {hint}"):
        align(arrow)
    with pytest.raises(Edge2TorchError, match=rf"edges must be a pandas DataFrame.*{hint}"):
        read_edge_table(arrow)
    with pytest.raises(Edge2TorchError, match=r"\(an AnnData is its \.mod\['rna'\]\)"):
        align(SimpleNamespace(mod={"rna": FRAME}, obs=FRAME, var=FRAME))


def test_tensors_keep_device_and_gradient():
    data = torch.tensor(EXPECTED, dtype=torch.float64, requires_grad=True)
    align(data, dtype=torch.float64).sum().backward()
    assert data.grad is not None
    assert data.grad.tolist() == [[1.0] * 3] * 2
    assert align(torch.tensor(EXPECTED).to_sparse()).tolist() == EXPECTED
    assert align(torch.tensor([[1, 2, 3]])).tolist() == [[1.0, 2.0, 3.0]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_is_the_one_asked_for(dtype):
    for data in (FRAME, np.array(EXPECTED), torch.tensor(EXPECTED)):
        x = align(data, dtype=dtype)
        assert x.dtype == dtype
        assert x.tolist() == EXPECTED


def test_float64_keeps_every_digit():
    exact = pd.DataFrame({"a": [0.1], "b": [1 / 3], "c": [1e-300]})
    assert align(exact, dtype=torch.float64).tolist() == exact.to_numpy().tolist()


@pytest.mark.parametrize(
    "kind",
    ["int8", "int64", "uint16", "Int64", "UInt8", "Float32", "boolean", "bool", "float16",
     "Sparse[int]", "Sparse[float]"],
)  # fmt: skip
def test_columns_of_every_numeric_kind_work(kind):
    frame = pd.DataFrame({"a": [1, 0], "b": [0, 1], "c": [1, 1]})
    typed = frame.astype(kind)
    assert align(typed).tolist() == frame.astype(float).to_numpy().tolist()
    mixed = frame.astype({"b": kind, "c": "float64"})
    assert align(mixed).tolist() == frame.astype(float).to_numpy().tolist()


def test_pyarrow_columns_work():
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": [1.5, 2.0], "b": [0.0, 1.0], "c": [1.0, 1.0]})
    assert align(frame.astype("float64[pyarrow]")).tolist() == frame.to_numpy().tolist()


def test_integer_columns_match_integer_node_names():
    artifact = SimpleNamespace(feature_names=["1", "2", "10"])
    frame = pd.DataFrame([[10.0, 1.0, 2.0]], columns=[10, 1, 2])
    assert align_features_to_input_nodes(frame, artifact).tolist() == [[1.0, 2.0, 10.0]]


def test_names_are_compared_without_surrounding_space():
    assert align(FRAME.rename(columns={"a": " a "})).tolist() == EXPECTED


def test_another_spelling_is_told():
    artifact = SimpleNamespace(feature_names=["HLA-A", "TP53"])
    with pytest.raises(Edge2TorchError, match=r"but for punctuation \('HLA-A' -> 'HLA.A'\)"):
        align_features_to_input_nodes(pd.DataFrame({"HLA.A": [1.0], "TP53": [2.0]}), artifact)


def test_missing_nodes_are_refused_by_name_or_filled():
    frame = FRAME.drop(columns=["a", "b"])
    with pytest.raises(Edge2TorchError, match=r"data: .*2 of 3 input node.*'a', 'b'.*missing=0.0"):
        align(frame)
    assert align(frame, missing=-1).tolist() == [[-1.0, -1.0, 3.0], [-1.0, -1.0, 6.0]]
    many = SimpleNamespace(feature_names=["c", *(f"g{k}" for k in range(20))])
    with pytest.raises(Edge2TorchError, match=r"'g4' and 15 more"):
        align_features_to_input_nodes(frame, many)


def test_data_without_any_of_the_nodes_is_refused_even_with_a_fill_value():
    with pytest.raises(Edge2TorchError, match=r"3 of 3.*Its columns are 'x'"):
        align(FRAME[["x"]], missing=0.0)
    turned = FRAME[["a", "b", "c"]].T
    with pytest.raises(Edge2TorchError, match=r"data\.T"):
        align(turned)


def test_extra_columns_are_named_in_the_report_or_refused():
    x, report = align(FRAME, report=True)
    assert x.tolist() == EXPECTED
    assert report == AlignmentReport("DataFrame", 2, 3, extra=("x",))
    with pytest.raises(Edge2TorchError, match=r"not input nodes: 'x'"):
        align(FRAME, extra="error")
    assert align(FRAME.drop(columns="x"), extra="error").tolist() == EXPECTED


def test_the_report_says_what_was_filled():
    _, report = align(FRAME.drop(columns="b"), missing=0.5, report=True)
    assert (report.missing, report.fill_value, report.n_found) == (("b",), 0.5, 2)
    assert "filled with 0.5 (1): 'b'" in repr(report)
    assert "not used (1): 'x'" in repr(report)
    _, full = align(np.array(EXPECTED), report=True)
    assert repr(full) == "AlignmentReport: 2 sample(s), 3 of 3 input node(s) found in the array"
    _, full = align(torch.tensor(EXPECTED), report=True)
    assert full == AlignmentReport("tensor", 2, 3)


def test_a_name_that_fits_two_columns_is_refused():
    twice = FRAME.set_axis(["c", "a", "a", "b"], axis=1)
    with pytest.raises(Edge2TorchError, match=r"more than one column: 'a'"):
        align(twice)
    by_text = pd.DataFrame([[1.0, 2.0]], columns=pd.Index([1, "1"], dtype=object))
    with pytest.raises(Edge2TorchError, match="'1'"):
        align_features_to_input_nodes(by_text, SimpleNamespace(feature_names=["1"]))


def test_a_name_that_fits_two_unused_columns_harms_nobody():
    frame = pd.concat([FRAME, FRAME[["x"]]], axis=1)
    assert align(frame).tolist() == EXPECTED


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite_are_refused_by_column(value):
    frame = FRAME.assign(b=[2.0, value])
    with pytest.raises(Edge2TorchError, match=r"1 value\(s\) are NaN or infinite.*'b'"):
        align(frame)
    array = np.array([[1.0, 2.0, 3.0], [value, 5.0, 6.0]])
    with pytest.raises(Edge2TorchError, match=r"1 column\(s\): 'a'"):
        align(array)
    with pytest.raises(Edge2TorchError, match=r"1 column\(s\): 'a'"):
        align(torch.from_numpy(array))


def test_missing_values_of_nullable_columns_are_nan():
    frame = FRAME.assign(b=pd.array([1, None], dtype="Int64"), c=pd.array([None, True], "boolean"))
    with pytest.raises(Edge2TorchError, match=r"2 value\(s\).*'b', 'c'"):
        align(frame)


def test_masked_values_of_an_array_are_nan():
    masked = np.ma.masked_array(np.array(EXPECTED), mask=[[False, True, False]] * 2)
    with pytest.raises(Edge2TorchError, match="'b'"):
        align(masked)


def test_values_not_finite_in_unused_columns_harm_nobody():
    assert align(FRAME.assign(x=np.nan)).tolist() == EXPECTED


@pytest.mark.parametrize(
    "column",
    [
        ["1", "2"],
        pd.to_datetime(["2020-01-01", "2020-01-02"]),
        pd.Categorical([1, 2]),
        np.array([1.0, 2.0], dtype=object),
        np.array([1j, 2j]),
        pd.to_timedelta([1, 2]),
    ],
)
def test_columns_that_hold_no_numbers_are_refused(column):
    with pytest.raises(Edge2TorchError, match=r"1 column\(s\).*do not hold numbers: 'b'.*dtype"):
        align(FRAME.assign(b=column))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            np.zeros((2, 4)),
            r"array has 4 column\(s\) and the model 3 .*'a', 'b', 'c'.*feature_names",
        ),
        (torch.zeros(2, 2), r"tensor has 2 column\(s\)"),
        (np.zeros(3), r"1-D array.*reshape\(1, -1\)"),
        (torch.zeros(1, 1, 3), r"3-D tensor of shape \(1, 1, 3\)"),
        (np.array([["1", "2", "3"]]), r"array holds values of dtype <U1"),
        (torch.zeros(2, 3, dtype=torch.complex64), r"complex64"),
        ([[1.0, 2.0, 3.0]], r"found a list"),
        (pd.Series([1.0], index=["a"]), r"to_frame\(\)\.T"),
        (None, r"found a NoneType"),
    ],
)
def test_data_that_cannot_be_read_is_refused(data, message):
    with pytest.raises(Edge2TorchError, match=message):
        align(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"missing": "ignore"},
            "missing must be 'error', or a number to fill with, such as 0[.]0, that is finite, found 'ignore'",
        ),
        (
            {"missing": float("nan")},
            "missing must be 'error', or a number to fill with, such as 0[.]0, that is finite, found nan",
        ),
        (
            {"missing": True},
            "missing must be 'error', or a number to fill with, such as 0[.]0, that is finite, found True",
        ),
        (
            {"missing": None},
            "missing must be 'error', or a number to fill with, such as 0[.]0, that is finite, found None",
        ),
        ({"extra": "drop"}, "extra must be one of 'ignore', 'error', found 'drop'"),
        ({"dtype": torch.int64}, "dtype: found torch.int64"),
        ({"dtype": "float32"}, "dtype: found 'float32'"),
        ({"layer": "counts"}, "layer: 'counts' was given.*DataFrame"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(Edge2TorchError, match=message):
        align(FRAME, **options)


def test_something_else_in_the_place_of_the_artifact_is_refused():
    with pytest.raises(Edge2TorchError, match="artifact: found a Linear"):
        align_features_to_input_nodes(FRAME, torch.nn.Linear(3, 1))


def test_data_without_rows_gives_a_tensor_without_rows():
    assert align(FRAME.head(0)).shape == (0, 3)
    assert align(np.zeros((0, 3))).shape == (0, 3)


def test_twenty_thousand_names_are_looked_up_in_milliseconds():
    genes = [f"gene_{k}" for k in range(20_000)]
    frame = pd.DataFrame(np.ones((2, 20_000), np.float32), columns=genes[::-1])
    artifact = SimpleNamespace(feature_names=genes)
    start = time.thread_time()
    align_features_to_input_nodes(frame, artifact)
    assert time.thread_time() - start < 0.5  # of the processor; one by one they take 20


def test_a_graph_that_runs_the_wrong_way_is_told():
    turned = compile_graph(
        pd.DataFrame({"source": "out", "target": ["g1", "g2", "g3"]}), quiet=True
    )
    table = pd.DataFrame({"g1": [0.0], "g2": [0.0], "age": [1.0]})
    for artifact in (turned[1], turned[0]):
        for missing in ("error", 0.0):
            with pytest.raises(
                Edge2TorchError, match="ends in 2 of the features: exchange the columns source and"
            ):
                align_features_to_input_nodes(table, artifact, missing=missing)
