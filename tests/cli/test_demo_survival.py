"""The demo of survival: patients whose truth is known, from the command to its last line."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from edge2torch.cli import _demo_survival
from edge2torch.cli._app import app
from edge2torch.cli._demo_survival import PLANTED, simulated_patients, truth_words
from edge2torch.survival import cox_regression, outcome_of


def test_the_hazard_is_what_the_planted_pathways_make_it() -> None:
    edges, table = simulated_patients()
    outcome, notes = outcome_of(table, "years", "died")
    assert notes == []
    assert 0.6 < outcome.event.mean() < 0.8
    np.testing.assert_allclose(table["years"] * 12, (table["years"] * 12).round(), atol=0.01)
    means = {
        name: table[own].mean(axis=1)
        for name, own in edges[edges["target"] != "hazard"].groupby("target")["source"]
    }
    z = pd.DataFrame(means)
    z = (z - z.mean()) / z.std()
    fitted = cox_regression(z, outcome, penalty=0.0)
    ratio = pd.Series(np.exp(fitted.coefficients), index=z.columns)
    for name, expected in PLANTED.items():
        assert ratio[name] == pytest.approx(expected, rel=0.2)
    others = ratio.drop(list(PLANTED))
    assert len(others) == 18
    assert others.between(0.75, 1.35).all()
    again = simulated_patients()[1]
    pd.testing.assert_frame_equal(table, again)


@pytest.mark.parametrize(
    ("claimed", "said"),
    [
        (["pathway 04", "pathway 13"], "pathway 04 is found and pathway 13 is found; no other is."),
        (["pathway 13"], "pathway 04 is not found and pathway 13 is found; no other is."),
        (["pathway 07"], "pathway 13 is not found; so is pathway 07, in error."),
        (None, "pathway 04 and pathway 13. No pathway was judged, so none could be found."),
        ([], "pathway 04 is not found and pathway 13 is not found; no other is."),
    ],
)
def test_the_last_line_holds_what_was_claimed_to_the_truth(
    claimed: list[str] | None, said: str
) -> None:
    trust = None if claimed is None else SimpleNamespace(claimed=claimed)
    assert truth_words(SimpleNamespace(trust=trust)).endswith(said)  # type: ignore[arg-type]


@pytest.mark.usefixtures("no_figures")
def test_the_command_needs_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_demo_survival, "_PATIENTS", 120)
    monkeypatch.setattr("edge2torch.cli._demo._find", lambda *_: None)  # of the blood cells
    quick = ["--seeds", "1", "--epochs", "3", "--replicates", "0"]
    done = CliRunner().invoke(app, ["demo", "--survival", "--out", str(tmp_path / "out"), *quick])
    assert done.exit_code == 0, done.output
    assert done.stdout.rstrip().splitlines()[-1].startswith("What drives the hazard is known here:")
    page = (tmp_path / "out" / "report.html").read_text()
    for words in ("Nothing here was measured", "How long until", "held-out patients"):
        assert words in page
    refused = CliRunner().invoke(app, ["demo", "--survival", "--min-genes", "5"])
    assert "min_genes= and max_genes= are of the blood cells" in str(refused.exception)
