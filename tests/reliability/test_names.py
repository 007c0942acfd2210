"""Node, feature and module names that would be paths: what is written stays in its folder."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.cli import main

HOSTILE = ["../../x", "/etc/x", "CON", "n" * 300, "..", "a/b", "\u202e", "-rf", "<b>&amp;", "%s%n"]
INPUTS = ["../in", "C:\\in", "in\nput", "nul"]


def edges() -> pd.DataFrame:
    pairs = [(a, b) for a in INPUTS for b in HOSTILE] + [(b, "../../out") for b in HOSTILE]
    return pd.DataFrame(pairs, columns=["source", "target"])


def around(folder: Path) -> set[Path]:
    """Return all that is beside the folder and above it, two levels up."""
    up = folder.parent.parent
    return {path for path in up.rglob("*") if folder not in path.parents and path != folder}


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "one" / "two" / "three"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "gnn"])
def test_saved_models(home, backend):
    before = around(home)
    torch.manual_seed(0)
    model, artifact = e2t.compile_graph(edges(), backend=backend, quiet=True)
    e2t.save_compiled(home, model, artifact)
    _, its = e2t.load_compiled(home)
    assert its.graph.node_names.tolist() == artifact.graph.node_names.tolist()
    assert around(home) == before
    assert len(list(home.iterdir())) == 2


def test_a_run_of_the_command_line(home, monkeypatch):
    rng = np.random.default_rng(0)
    cells = pd.DataFrame(rng.normal(size=(30, len(INPUTS))), columns=INPUTS)
    cells["kind"] = ["../T", "B/../.."] * 15
    edges().to_csv(home / "edges.csv", index=False)
    cells.to_csv(home / "cells.csv", index=False)
    monkeypatch.chdir(home)
    before, there = around(home), set(home.iterdir())
    words = "run --edges edges.csv --data cells.csv --label kind --out results --seeds 1 --epochs 1"
    with pytest.raises(SystemExit) as end:
        main([*words.split(), "--replicates", "0", "--controls", "0", "--quiet"])
    assert end.value.code == 0
    assert around(home) == before
    assert set(home.iterdir()) == there | {home / "results"}
    assert all(len(path.name) < 60 for path in (home / "results").rglob("*"))


def test_a_name_that_ends_text():
    """NUL cannot be in a file's name, nor in many a table: as a node's name it is kept or refused."""
    table = pd.DataFrame({"source": ["a\0b"], "target": ["c"]})
    _, artifact = e2t.compile_graph(table, quiet=True)
    assert artifact.feature_names == ["a\0b"]
