"""What is written is read again: the same edges, signs, names and weights, to the last bit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edge2torch as e2t
from edge2torch.exchange import write_network
from edge2torch.priors import (
    from_networkx,
    read_cx2,
    read_edges,
    read_graphml,
    read_sif,
    write_edges,
)
from tests.exchange.files import strict_json

_LETTERS = st.characters(
    codec="utf-8", categories=["L", "N", "P", "S", "Zs"], include_characters="\"'<>&;|,\\{}[]"
)
_NAMES = st.one_of(
    st.text(_LETTERS, min_size=1, max_size=12).map(str.strip).filter(bool),
    st.sampled_from(["1", "0", "-1", "nan", "None", "n0", "e0", "parent", "true", "x" * 10**5]),
)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Tables with signs and weights, with cycles or not, of names that are hard to write."""
    names = draw(st.lists(_NAMES, min_size=2, max_size=7, unique=True))
    pair = st.tuples(st.sampled_from(names), st.sampled_from(names))
    pairs = draw(st.lists(pair, min_size=1, max_size=12, unique=True))
    weight = st.floats(allow_nan=False, allow_infinity=False)
    return pd.DataFrame(
        {
            "source": [s for s, _ in pairs],
            "target": [t for _, t in pairs],
            "sign": [draw(st.sampled_from([1, -1, 0])) for _ in pairs],
            "weight": [draw(weight) for _ in pairs],
        }
    )


def rows(table: pd.DataFrame) -> list[tuple[object, ...]]:
    columns = [name for name in ("source", "target", "sign", "weight") if name in table]
    return list(table[columns].itertuples(index=False, name=None))


def read_cyjs(path: Path) -> pd.DataFrame:
    """As Cytoscape.js takes it: elements by id, an edge that is called like one before it is lost."""
    elements = strict_json(path)["elements"]
    known: dict[str, dict[str, object]] = {}
    for one in (*elements["nodes"], *elements["edges"]):
        known.setdefault(one["data"]["id"], one["data"])
    edges = [own for own in known.values() if "source" in own]
    table = pd.DataFrame(edges)
    for side in ("source", "target"):
        table[side] = [known[str(end)]["represents"] for end in table[side]]
    return table


@settings(max_examples=20, deadline=None, derandomize=True)
@given(tables())
def test_every_format_brings_back_the_table(table: pd.DataFrame):
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for ending, read in {
            "cx2": lambda path: read_cx2(path, names="represents", quiet=True),
            "graphml": lambda path: read_graphml(path, quiet=True),
            "cyjs": read_cyjs,
            "sif": lambda path: read_sif(path, quiet=True),
            # the table beside a SIF file has what it cannot hold
            "tables.sif": lambda path: read_edges(
                path.with_name("net.tables.edges.tsv"), quiet=True
            ),
        }.items():
            if (
                ending == "tables.sif"
                and table[["source", "target"]].map(len).max(axis=None) > 10**4
            ):
                continue  # Python's csv has a longest field
            path = write_network(table, place / f"net.{ending}", quiet=True)
            wanted = table.drop(columns="weight") if ending == "sif" else table
            back = read(path)
            assert rows(back) == rows(wanted), ending  # in the table's order
            assert "weight_sign" not in back or ending in ("cx2", "cyjs")  # theirs, for styles


def test_the_words_of_the_table_and_its_human_names_come_back(tmp_path: Path):
    table = pd.DataFrame(
        {
            "source": ["7157", "581"],
            "target": ["581", "841"],
            "sign": [1, 0],
            "relation": ["up-regulates", "binding"],
            "source_name": ["TP53", "BAX"],
            "target_name": ["BAX", "CASP8"],
        }
    )
    path = write_network(table.assign(target_name="BAX"), tmp_path / "twice.cx2", quiet=True)
    back = read_cx2(path, names="represents", quiet=True)
    assert back["target_name"].tolist() == ["BAX", "BAX"]  # of two nodes
    path = write_network(table, tmp_path / "net.cx2", quiet=True)
    back = read_cx2(path, names="represents", quiet=True)
    pd.testing.assert_frame_equal(back[list(table)].infer_objects(), table)
    assert read_cx2(path, quiet=True)["source"].tolist() == ["TP53", "BAX"]
    sif = read_sif(
        write_network(table, tmp_path / "n.sif", quiet=True), signs={"binding": 0}, quiet=True
    )
    assert sif["relation"].tolist() == table["relation"].tolist()
    with pytest.raises(
        e2t.Edge2TorchError, match=r"n\.edges\.tsv beside it has the signs: read_edges"
    ):
        read_sif(tmp_path / "n.sif", quiet=True)
    beside = read_edges(tmp_path / "n.edges.tsv", quiet=True)
    pd.testing.assert_frame_equal(beside[list(table)], table)


@pytest.mark.parametrize("with_interactome", [True, False])
def test_a_hierarchy_comes_back_turned_round_again(tmp_path: Path, with_interactome: bool):
    table = pd.DataFrame(
        {
            "source": ["g1", "g2", "g3", "low", "low2", "mid", "g4"],
            "target": ["low", "low", "mid", "mid", "mid", "root", "low2"],
        }
    )
    below = pd.DataFrame({"source": ["g1", "g3"], "target": ["g2", "g4"]})
    options = {"interactome": below} if with_interactome else {}
    path = write_network(table, tmp_path / "net.hcx", quiet=True, **options)
    back = read_cx2(path, quiet=True)
    ends = ["source", "target"]
    assert set(rows(back[ends])) == set(rows(table[ends]))
    assert np.array_equal(
        np.sort(back.loc[back["relation"] == "member", "source"]), ["g1", "g2", "g3", "g4"]
    )


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (lambda table, to: write_network(table, to / "net.cx2", quiet=True), read_cx2),
        (lambda table, to: write_network(table, to / "net.graphml", quiet=True), read_graphml),
        (lambda table, to: write_edges(table, to / "net.csv"), read_edges),
    ],
)
def test_training_goes_on_from_the_weights_of_a_file(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    write: Callable[[pd.DataFrame, Path], Path],
    read: Callable[..., pd.DataFrame],
):
    table = pd.DataFrame({"source": ["g1", "g2", "tf"], "target": ["tf", "tf", "out"]})
    weights = table.assign(weight=[0.25, 1e-3, 2.0])
    path = write(weights.assign(initial_weight=[1.0, 2.0, 3.0]), tmp_path)
    kept = read(path, quiet=True)
    assert kept["weight"].tolist() == weights["weight"].tolist()
    with pytest.raises(e2t.Edge2TorchError, match=r"weight='start'.*prior --weight start"):
        e2t.compile_graph(kept, quiet=True)
    dropped = read(path, weight="drop")
    assert "'weight' is left out" in capsys.readouterr().out
    assert dropped["initial_weight"].tolist() == [1.0, 2.0, 3.0]
    e2t.compile_graph(dropped, quiet=True)
    start = read(path, weight="start")
    assert "'weight' -> 'initial_weight'" in capsys.readouterr().out
    assert start["weight_before"].tolist() == [1.0, 2.0, 3.0]
    model, _ = e2t.compile_graph(start, quiet=True)
    found = e2t.edge_weights(model)
    assert found["weight"].tolist() == np.float32(weights["weight"]).tolist()
    with pytest.raises(e2t.Edge2TorchError, match="have no 'weight'"):
        read(write(table, tmp_path), weight="start")


@pytest.mark.parametrize(("ending", "read"), [("cx2", read_cx2), ("graphml", read_graphml)])
def test_columns_that_look_like_slips_get_another_name(
    tmp_path: Path, ending: str, read: Callable[..., pd.DataFrame]
):
    table = pd.DataFrame({"source": ["g"], "target": ["t"], "constraints": ["A"], "Weights": [1]})
    back = read(write_network(table, tmp_path / f"net.{ending}", quiet=True), quiet=True)
    assert back[["edge_constraints", "edge_Weights"]].to_numpy().tolist() == [["A", 1]]
    e2t.compile_graph(back, quiet=True)


def test_a_networkx_graph_with_weights_compiles(capsys: pytest.CaptureFixture[str]):
    graph = nx.DiGraph([("a", "b", {"weight": 0.5})])
    edges = from_networkx(graph, weight="start")
    assert edges["initial_weight"].tolist() == [0.5]
    assert "graph: called otherwise" in capsys.readouterr().out
