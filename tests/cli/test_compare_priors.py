"""``edge2torch compare-priors``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from edge2torch.cli import main
from edge2torch.cli._app import app

QUICK = ["--draws", "2", "--starts", "1", "--folds", "2", "--epochs", "3"]


def test_files_of_priors_are_compared_by_their_names(files) -> None:
    edges = pd.read_csv(files / "edges.csv")
    is_gene = edges["source"].str.startswith("g")
    other = edges.copy()
    other.loc[is_gene, "source"] = np.roll(edges.loc[is_gene, "source"], 2)
    other.to_csv(files / "shifted.v2.csv", index=False)
    cells = pd.read_csv(files / "cells.csv")
    cells.assign(donor=[f"d{k % 8}" for k in range(len(cells))]).to_csv(
        files / "d.csv", index=False
    )
    result = CliRunner().invoke(
        app,
        ["compare-priors", str(files / "edges.csv"), str(files / "shifted.v2.csv"),
         "--data", str(files / "d.csv"), "--label", "kind", "--groups", "donor",
         "--out", str(files / "which"), *QUICK],
        catch_exceptions=False,
    )  # fmt: skip
    assert result.exit_code == 0
    assert "Gain over guessing: edges " in result.stdout
    table = pd.read_csv(files / "which" / "table.csv")
    assert table["prior"].dropna().unique().tolist() == ["edges", "shifted"]
    tests = pd.read_csv(files / "which" / "tests.csv")
    assert {"edges", "shifted"} <= set(tests["prior"])
    assert {"rewired", "guessing", "shifted"} <= set(tests["against"])


def test_help_is_of_what_can_be_compared(monkeypatch, capsys) -> None:
    """Texts of settings that `run` shares speak of pairs and survival, too."""
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit):
        main(["compare-priors", "--help"])
    said = capsys.readouterr().out
    assert "Of Adam; .002." in said
    assert "pairs" not in said
    assert "survival" not in said


def test_a_failure_leaves_no_folder_behind(files) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(
            ["compare-priors", str(files / "edges.csv"), "--data", str(files / "cells.csv"),
             "--label", "no such column", "--out", str(files / "o")]
        )  # fmt: skip
    assert not (files / "o").exists()


def test_two_files_of_one_name_are_refused(files, capsys) -> None:
    (files / "b").mkdir()
    (files / "b" / "edges.csv").write_text((files / "edges.csv").read_text())
    with pytest.raises(SystemExit, match="1"):
        main(
            ["compare-priors", str(files / "edges.csv"), str(files / "b" / "edges.csv"), "--data",
             str(files / "cells.csv"), "--label", "kind", "--out", str(files / "o")]
        )  # fmt: skip
    assert "several files are called 'edges'" in capsys.readouterr().err
