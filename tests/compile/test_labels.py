"""Human names beside identifiers: on tables, in the drawing, and after a save."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.plot import draw_graph


@pytest.fixture
def named() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "source": ["P1", "P2", "R1"],
            "target": ["R1", "R1", "out"],
            "source_name": [None, "Albumin", "Repair"],
            "target_name": ["Repair", "Repair", None],
        }
    )


def test_labels_stand_on_every_axis(named: pd.DataFrame) -> None:
    _, artifact = e2t.compile_graph(named, quiet=True)
    assert artifact.labels == {"P2": "Albumin (P2)", "R1": "Repair (R1)"}
    assert artifact.label("P1") == "P1"
    scores = pd.DataFrame({"R1": [0.5], "out": [1.0]}, index=["P2"])
    shown = artifact.with_labels({"layer_1": scores})["layer_1"]
    assert list(shown.columns) == ["Repair (R1)", "out"]
    assert list(shown.index) == ["Albumin (P2)"]
    assert list(scores.columns) == ["R1", "out"]
    assert "Repair (R1)" in artifact._repr_html_()


def test_labels_in_the_ends_of_a_table_and_after_a_save(
    named: pd.DataFrame, tmp_path: Path
) -> None:
    model, artifact = e2t.compile_graph(named, quiet=True)
    weights = artifact.with_labels(e2t.edge_weights(model, artifact))
    assert weights["source"].tolist() == ["P1", "Albumin (P2)", "Repair (R1)"]
    e2t.save_compiled(tmp_path / "model", model, artifact)
    assert e2t.load_compiled(tmp_path / "model")[1].labels == artifact.labels


def test_the_drawing_shows_labels(named: pd.DataFrame) -> None:
    _, artifact = e2t.compile_graph(named, quiet=True)
    axes = draw_graph(artifact, engine="matplotlib")
    assert {"P1", "Albumin (P2)", "Repair (R1)"} <= {text.get_text() for text in axes.texts}


def test_a_table_without_names_has_no_labels() -> None:
    _, artifact = e2t.compile_graph(pd.DataFrame({"source": ["a"], "target": ["b"]}), quiet=True)
    assert artifact.labels == {}
