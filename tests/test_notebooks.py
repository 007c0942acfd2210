"""Every notebook runs from top to bottom, and is kept without outputs."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.pages import ROOT

FULL = os.environ.get("EDGE2TORCH_FULL") == "1"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def _name(notebook: Path) -> str:
    return notebook.name


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=_name)
def test_a_notebook_is_numbered_and_kept_without_outputs(notebook: Path) -> None:
    assert re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", notebook.name)
    cells = [
        cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"
    ]
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


@pytest.mark.timeout(0 if FULL else 600)  # in full, only its cells have a limit
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=_name)
def test_a_notebook_runs(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    NotebookClient(
        nbformat.read(notebook, as_version=4),
        timeout=1800 if FULL else 300,  # seconds of a cell
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
