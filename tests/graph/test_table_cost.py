"""What a table of edges costs to read and to keep: counted, not timed."""

from __future__ import annotations

import cProfile
import pstats
import tracemalloc

import numpy as np
import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.graph import _node_names, build_edge_graph, read_edge_table
from edge2torch.priors import dense_block


def _held(make) -> tuple[object, int]:
    """What a function makes, and the bytes that stay with it."""
    make()  # what is imported on the way does not count
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        made = make()
        return made, tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_a_dense_block_holds_no_name_per_pair():
    """Two pointers to names and one to the relation were 24 bytes a pair; 51 were in a model, now 23."""
    first, second = [f"gene{k}" for k in range(1000)], [f"set{k}" for k in range(100)]
    block, held = _held(lambda: dense_block(first, second))
    assert held < 8 * len(block)
    peaks = []

    def compiled():
        made = e2t.compile_graph(block, quiet=True)
        peaks.append(tracemalloc.get_traced_memory()[1] if tracemalloc.is_tracing() else 0)
        return made

    (_, artifact), held = _held(compiled)
    assert held < 27 * len(block)  # a complete block's ends are counted out when they are asked for
    assert peaks[-1] < 60 * len(
        block
    )  # 81 while edges were sorted anew for each that reads them so
    edges = artifact.graph.edges
    assert list(edges.columns) == ["source", "target", "relation"]
    assert not any(isinstance(kind, pd.CategoricalDtype) for kind in edges.dtypes[:2])
    expected = [(a, b) for a in first for b in second]
    assert list(edges[["source", "target"]].itertuples(index=False, name=None)) == expected


def test_twice_the_edges_are_not_more_calls():
    """Nothing is done edge by edge or node by node in Python but to spell names."""

    def calls(n: int) -> int:
        rng = np.random.default_rng(0)
        names = np.array([f"n{k}" for k in range(n)], object)
        ends = np.sort(rng.integers(0, n, (4 * n, 2)), axis=1)
        ends = np.unique(ends[ends[:, 0] < ends[:, 1]], axis=0)
        table = pd.DataFrame({"source": names[ends[:, 0]], "target": names[ends[:, 1]]})
        profile = cProfile.Profile()
        profile.runcall(lambda: build_edge_graph(read_edge_table(table)))
        return pstats.Stats(profile).total_calls

    few, many = calls(2000), calls(4000)
    assert many - few < 2.2 * 2 * 2000


@pytest.mark.parametrize("shared", [True, False])
def test_names_of_many_rows_are_hashed_once_where_rows_share_them(shared, monkeypatch):
    monkeypatch.setattr(_node_names, "_IN_CACHE", 100)
    numbers = np.random.default_rng(0).integers(0, 300, (2, 3000))
    numbers = np.unique(numbers[:, numbers[0] != numbers[1]], axis=1)
    names = np.array([f" n{k:03d}" for k in range(300)], object)
    ends = (
        names[numbers]
        if shared
        else np.array([[f" n{k:03d}" for k in one] for one in numbers], object)
    )
    hashed, factorize = [], pd.factorize

    def counted(values):
        hashed.append(len(values))
        return factorize(values)

    monkeypatch.setattr(_node_names.pd, "factorize", counted)
    edges = pd.DataFrame(dict(zip(("source", "target"), ends, strict=True)), dtype=object)
    table = read_edge_table(edges)
    assert table.node_names.tolist() == [f"n{k:03d}" for k in range(300)]
    np.testing.assert_array_equal([table.source, table.target], numbers)
    assert hashed[0] == (300 if shared else numbers.size)


@pytest.mark.parametrize("apart", [16, 1 << 13, 1 << 40])
def test_objects_are_numbered_by_address_however_far_apart(apart, monkeypatch):
    """In a table of places where they lie near each other, else by sorting; an odd start is no matter."""
    rng = np.random.default_rng(0)
    address = 8 + (1 << 44) + apart * rng.permutation(60) + 16 * rng.integers(0, 3, 60)
    address = np.unique(address)
    drawn = rng.integers(0, len(address), 5000)
    monkeypatch.setattr(_node_names, "_AT_ONCE", 700)
    codes, first = _node_names._numbered(np.split(address[drawn].astype(np.intp), [2000]))
    assert address[drawn][first].tolist() == address.tolist()
    assert codes.tolist() == drawn.tolist()


def test_a_missing_name_is_told_where_rows_share_objects(monkeypatch):
    monkeypatch.setattr(_node_names, "_IN_CACHE", 100)
    names = np.array([*(f"n{k}" for k in range(9)), None], object)
    table = pd.DataFrame({"source": names[np.arange(500) % 10], "target": "y"})
    with pytest.raises(e2t.Edge2TorchError, match=r"'source' has 50 missing name\(s\)"):
        read_edge_table(table)


@pytest.mark.parametrize("order", [["target", "note", "source"], ["source", "target", "note"]])
def test_categories_are_read_as_the_same_names_as_text(order):
    text = pd.DataFrame(
        {"source": [" b", "a", "c"], "target": ["d", "d ", "e"], "note": [1, 2, 3]}, index=[7, 8, 9]
    )
    coded = text.astype({"source": "category", "target": "category"})
    coded["source"] = coded["source"].cat.add_categories(["", "never", "__edge2torch_x"])
    one, two = (read_edge_table(table[order]) for table in (text, coded))
    assert one.node_names.tolist() == two.node_names.tolist() == ["a", "b", "c", "d", "e"]
    pd.testing.assert_frame_equal(one.frame, two.frame)
    assert two.frame.columns.tolist() == order
    assert two.frame["source"].tolist() == ["b", "a", "c"]
    mixed = text.assign(target=coded["target"])
    pd.testing.assert_frame_equal(read_edge_table(mixed[order]).frame, one.frame)


def test_text_of_pandas_own_kind_is_read_as_objects_are():
    text = pd.DataFrame({"source": [" b", "a", "c"], "target": ["d", "d ", "e"]}, dtype=object)
    own = read_edge_table(text.astype("string"))
    one = read_edge_table(text)
    assert own.node_names.tolist() == one.node_names.tolist() == ["a", "b", "c", "d", "e"]
    assert own.frame["source"].tolist() == ["b", "a", "c"]
    with pytest.raises(e2t.Edge2TorchError, match=r"'source' has 1 missing name\(s\)"):
        read_edge_table(text.astype("string").replace("a", pd.NA))


def test_a_missing_category_is_a_missing_name():
    table = pd.DataFrame({"source": ["a", None], "target": ["b", "c"]}).astype("category")
    with pytest.raises(
        e2t.Edge2TorchError, match=r"'source' has 1 missing name\(s\), at row\(s\) 1"
    ):
        read_edge_table(table)


def test_categories_of_numbers_beside_text_are_still_two_spellings():
    table = pd.DataFrame({"source": pd.Categorical([1, 2]), "target": ["1", "x"]})
    with pytest.raises(e2t.Edge2TorchError, match="read the same as text or as numbers"):
        read_edge_table(table)
