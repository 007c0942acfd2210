"""What held a network back is said before it is judged."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from edge2torch.study._train import Trained
from tests.cli.running import run

ALONE = ["--replicates", "0", "--controls", "0"]
FALLING = [1 - 0.01 * k for k in range(50)]
PLATEAU = [0.3 + 0.7 * 0.9**k for k in range(100)]  # creeps down to the end


@pytest.mark.parametrize(
    ("losses", "stalled", "cut_off"),
    [
        (FALLING, False, True),
        ([*FALLING[:-1], 0.52], False, True),  # a little noise at the end of a fall
        ([*FALLING[:20], *[1.0] * 30], False, False),
        (PLATEAU, False, False),
        ([0.7], False, False),
        (FALLING, True, False),
    ],
)
def test_a_loss_that_falls_to_the_end_is_cut_off(losses, stalled, cut_off):
    epochs = int(np.argmin(losses)) + 1
    found = Trained(None, None, None, None, epochs, tuple(losses), stalled)
    assert found.cut_off is cut_off


@pytest.mark.usefixtures("no_figures")
def test_a_limit_that_was_reached_is_said_before_nothing_learned(files):
    printed = run(files, *ALONE, "--epochs", "3", "--learning-rate", "0.0001")
    said = [v["text"] for v in json.loads((files / "out" / "summary.json").read_text())["verdicts"]]
    assert said[0] == (
        "The validation loss was still falling at the last of 3 epochs, in 1 of 1 seed: raise max_epochs=."
    )
    assert said[1].startswith("The KPNN is not shown to have learned anything")
    assert printed.index(said[0]) < printed.index("have learned anything")
    page = (files / "out" / "report.html").read_text()
    assert page.index(said[0]) < page.index("have learned anything")


@pytest.mark.usefixtures("no_figures")
def test_one_output_for_three_classes_is_said(files, edges, cells):
    cells["kind"] = np.resize(["A", "B", "C"], len(cells))
    cells.to_csv(files / "cells.csv", index=False)
    one = edges[edges["target"] != "T"].replace({"B": "outcome"})
    pd.DataFrame(one).to_csv(files / "edges.csv", index=False)
    printed = run(files, *ALONE)
    narrow = "WARNING: 1 output for 3 classes: all classes are read off one number."
    said = json.loads((files / "out" / "summary.json").read_text())["verdicts"]
    assert printed.count(narrow) == 2  # with the data, and before the verdict
    assert any(v["text"].startswith(narrow) for v in said)
    assert "--outputs A,B,C --connect" in printed


@pytest.mark.usefixtures("no_figures")
def test_one_output_for_two_classes_and_a_plateau_are_not_warned_of(files, edges):
    edges[edges["target"] != "T"].replace({"B": "outcome"}).to_csv(files / "edges.csv", index=False)
    printed = run(files, *ALONE, "--epochs", "300")
    assert "WARNING" not in printed
    assert "still falling" not in printed
