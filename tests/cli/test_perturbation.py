"""The shell takes a design of treatments, and writes what follows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import edge2torch as e2t
from edge2torch.cli import main

SIF = "EGF 1 RAS\nRAS 1 ERK\nTNF 1 IKK\nIKK 1 NFKB\nERK -1 IKK\n"
MIDAS = """TR:x:CellLine,TR:EGF,TR:TNF,TR:RASi,DA:ALL,DV:ERK,DV:NFKB
1,0,0,0,0,0,0
1,0,0,0,10,0,0
1,1,0,0,10,0.9,0.1
1,0,1,0,10,0.1,0.8
1,1,1,0,10,0.8,0.5
1,1,0,1,10,0.1,0.1
"""


def test_a_midas_file_becomes_tables_and_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.sif").write_text(SIF)
    (tmp_path / "m.csv").write_text(MIDAS)
    arguments = [
        *[
            "run",
            "--task",
            "perturbation",
            "--edges",
            "net.sif",
            "--midas",
            "m.csv",
            "--leave",
            "combination",
        ],
        *["--epochs", "5", "--replicates", "1", "--out", "R"],
        *["--prior-mean", "graph_kernel", "--inner-folds", "2"],
    ]
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code in (None, 0), capsys.readouterr().err
    assert "graph kernel" in capsys.readouterr().out
    scores = pd.read_csv(tmp_path / "R" / "perturbation_scores.csv", index_col="model")
    assert {"network", "rewired network", "targets exchanged", "ridge", "graph kernel"} <= set(
        scores.index
    )
    found = pd.read_csv(tmp_path / "R" / "predictions.csv")
    assert set(found["condition"]) == {"EGF + TNF", "EGF + RAS_inhibitor"}
    assert {"fold", "sister", "lower", "upper", "measured"} <= set(found)
    nodes = pd.read_csv(tmp_path / "R" / "knock_outs.csv")
    assert set(nodes["nodes"]) >= {"RAS", "IKK"}
    assert (tmp_path / "R" / "design.csv").exists()
    assert {"share", "chosen"} <= set(pd.read_csv(tmp_path / "R" / "settings.csv"))
    verdicts = (tmp_path / "R" / "verdicts.txt").read_text()
    assert "held-out conditions have a sister" in verdicts
    assert "give --rewired 20 or more" in verdicts  # as the shell has it


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--task perturbation --midas m.csv --label y", "--label is not for --task perturbation"),
        ("--task perturbation --midas m.csv --patience 3", "--patience is not for"),
        ("--task perturbation", "takes --design and --readouts, or --midas"),
        ("--task perturbation --design d.csv", "go together"),
        ("--midas m.csv --data d.csv --label y", "--midas is for --task perturbation only"),
        ("--label y", "--data is missing"),
    ],
)
def test_options_of_other_tasks_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.sif").write_text(SIF)
    (tmp_path / "m.csv").write_text(MIDAS)
    with pytest.raises(SystemExit) as end:
        main(["run", "--edges", "net.sif", "--out", "R", *line.split()])
    assert end.value.code == 1
    assert words in capsys.readouterr().err


def test_a_study_refuses_the_task() -> None:
    empty = pd.DataFrame()
    with pytest.raises(e2t.Edge2TorchError, match=r"use edge2torch\.perturb\.fit"):
        e2t.run_study(empty, empty, "y", task="perturbation")
