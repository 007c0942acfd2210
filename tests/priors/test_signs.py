"""Signs in every dialect: read, or said not to be read; never lost without a word."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch import Edge2TorchError, Edge2TorchWarning, priors

LEMBAS = "source,target,direction,stimulation,inhibition\na,b,1,1,0\nb,c,1,0,1\nc,d,1,0,0\n"


def write(folder: Path, text: str, name: str = "net.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("mor", (1, -1), "sign='mor'"),
        ("weight", (1, -1), "sign='weight'"),
        ("effect", ("activation", "Inhibition"), "sign='effect'"),
        ("interaction", ("+", "-"), "sign='interaction'"),
        ("consensus", (1, -1), "sign='consensus'"),
        ("regulation", ("Repression", "Unknown"), "sign='regulation'"),
    ],
)
def test_a_column_that_looks_like_signs_is_told_and_read_when_named(
    tmp_path: Path, column: str, values: tuple[object, object], words: str
) -> None:
    edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"], column: values})
    for ending in (".csv", ".tsv", ".parquet"):
        path = priors.write_edges(edges, tmp_path / f"net{ending}")
        with pytest.warns(Edge2TorchWarning, match=f"not read.*{words}"):
            plain = priors.read_edges(path, quiet=True)
        pd.testing.assert_frame_equal(plain, edges)
        found = priors.read_edges(path, sign=column, quiet=True)
        expected = [-1, 0] if column == "regulation" else [1, -1]
        assert found["sign"].tolist() == expected
        kept = not set(values) <= {1, -1}
        assert (column in found) is kept


def test_weights_are_not_asked_whether_they_are_signs_but_what_they_are(tmp_path: Path) -> None:
    """As those of a trained network, which is what `edge2torch run` writes."""
    edges = pd.DataFrame({"source": ["a", "b"], "target": ["c", "c"], "weight": [0.5, -0.3]})
    path = priors.write_edges(edges, tmp_path / "edge_weights.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = priors.read_edges(path, quiet=True)
    with pytest.raises(Edge2TorchError, match=r"weight='start'.*'drop'.*sign='weight'"):
        e2t.compile_graph(found, quiet=True)
    found = priors.read_edges(path, sign="weight", quiet=True)
    assert found["sign"].tolist() == [1, -1]


def test_signs_that_are_read_are_held_by_the_model(tmp_path: Path) -> None:
    path = write(tmp_path, "source,target,mor\na,c,1\nb,c,-1\n")
    edges = priors.read_edges(path, sign="mor", quiet=True)
    model, artifact = e2t.compile_graph(edges, sign_column="sign", quiet=True)
    weight = e2t.edge_weights(model, artifact).set_index("source")["weight"]
    assert weight["a"] >= 0 >= weight["b"]


@pytest.mark.parametrize("prefix", ["", "is_", "consensus_"])
def test_pairs_of_stimulation_and_inhibition_are_told(tmp_path: Path, prefix: str) -> None:
    text = LEMBAS.replace("stim", f"{prefix}stim").replace("inhi", f"{prefix}inhi")
    with pytest.warns(Edge2TorchWarning, match=r"stimulation'.*inhibition'.*read_omnipath"):
        priors.read_edges(write(tmp_path, text), quiet=True)
    with pytest.raises(Edge2TorchError, match="one side of a sign only"):
        priors.read_edges(write(tmp_path, text), sign=f"{prefix}stimulation", quiet=True)


@pytest.mark.parametrize("separator", [",", "\t"])
def test_lembas_by_its_own_reader(tmp_path: Path, separator: str) -> None:
    name = "net.csv" if separator == "," else "net.tsv"
    for text in (LEMBAS, LEMBAS.replace("direction,", "").replace(",1,", ",", 3)):
        path = write(tmp_path, text.replace(",", separator), name)
        edges = priors.read_omnipath(path, quiet=True)
        assert edges["sign"].tolist() == [1, -1, 0]


@pytest.mark.parametrize(
    "columns",
    [
        {"curated": [1, 0]},
        {"relation": ["is_a", "part_of"]},
        {"score": [0.5, -0.5]},
        {"flag": [True, False]},
        {"level": ["0", "unknown"]},
        {"sign": [1, -1]},
        {"relation": ["activates", "inhibits"], "sign": [1, -1]},
        {"mor": [1, -1], "constraint": ["positive", "negative"]},
        {"initial_weight": [1, -1]},
    ],
)
def test_no_warning_where_nothing_is_lost(tmp_path: Path, columns: dict[str, list[object]]) -> None:
    edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"], **columns})
    priors.read_edges(priors.write_edges(edges, tmp_path / "net.csv"), quiet=True)


def test_columns_of_other_things_are_no_signs(tmp_path: Path) -> None:
    edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "refs": [["x"], ["y"]]})
    path = priors.write_edges(edges, tmp_path / "net.parquet")
    assert len(priors.read_edges(path, quiet=True)) == 2
    with pytest.raises(Edge2TorchError, match="'refs' holds neither numbers nor words"):
        priors.read_edges(path, sign="refs", quiet=True)


def test_opposite_signs_of_one_edge_are_joined_to_none(tmp_path: Path) -> None:
    path = write(tmp_path, "source,target,mor\na,c,1\na,c,-1\n")
    edges = priors.read_edges(path, sign="mor", duplicates="join", quiet=True)
    assert edges["sign"].tolist() == [0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"sign": "effect"},
            r"2 word.s. without a known sign: 'binds', 'cuts'.*signs=.'binds': 0",
        ),
        ({"sign": "mor"}, "sign='mor' is not a column"),
        ({"signs": {"binds": 1}}, "name it with sign="),
    ],
)
def test_signs_that_cannot_be_read(tmp_path: Path, options: dict[str, str], words: str) -> None:
    path = write(tmp_path, "source,target,effect\na,b,binds\nb,c,cuts\n")
    with pytest.raises(Edge2TorchError, match=words):
        priors.read_edges(path, quiet=True, **options)
    known = priors.read_edges(path, sign="effect", signs={"binds": 1, "cuts": -1}, quiet=True)
    assert known["sign"].tolist() == [1, -1]
    assert known["effect"].tolist() == ["binds", "cuts"]


def test_a_node_alone_on_a_line_of_sif(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edges = priors.read_sif(
        write(tmp_path, "A\nA Activates B\nC\n\tB\t-1\tD\t\n".replace("\n\t", "\n"))
    )
    assert edges[["source", "target", "sign"]].values.tolist() == [["A", "B", 1], ["B", "D", -1]]
    assert "1 node(s) without edges are not in the table: 'C'." in capsys.readouterr().out
    with pytest.raises(Edge2TorchError, match="no edges"):
        priors.read_sif(write(tmp_path, "A\nB\t\n"))
