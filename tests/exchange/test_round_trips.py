"""What is written is read again: the same edges, signs, names and weights, to the last bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch.exchange import write_network
from edge2torch.priors import read_cx2, read_graphml, read_sif
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


def rows(table: pd.DataFrame) -> set[tuple[object, ...]]:
    columns = [name for name in ("source", "target", "sign", "weight") if name in table]
    return set(table[columns].itertuples(index=False, name=None))


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
        }.items():
            path = write_network(table, place / f"net.{ending}", quiet=True)
            wanted = table.drop(columns="weight") if ending == "sif" else table
            assert rows(read(path)) == rows(wanted), ending


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
    pd.testing.assert_frame_equal(back[list(table)], table)
    assert read_cx2(path, quiet=True)["source"].tolist() == ["TP53", "BAX"]
    sif = read_sif(
        write_network(table, tmp_path / "n.sif", quiet=True), signs={"binding": 0}, quiet=True
    )
    assert sif["relation"].tolist() == table["relation"].tolist()


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
    assert rows(back[ends]) == rows(table[ends])
    assert np.array_equal(
        np.sort(back.loc[back["relation"] == "member", "source"]), ["g1", "g2", "g3", "g4"]
    )
