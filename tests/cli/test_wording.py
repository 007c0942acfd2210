"""What the library says of its arguments, said of the options of a command."""

from __future__ import annotations

import pytest
from typer.main import get_command

from edge2torch.cli import main
from edge2torch.cli._app import app
from edge2torch.cli._wording import as_options, options_of

OPTIONS = {
    "--min-samples",
    "--plain-ids",
    "--scale",
    "--covariates",
    "--config",
    "--no-description",
}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("min_samples=6 accepts them", "--min-samples 6 accepts them"),
        ("plain_ids=True compares", "--plain-ids compares"),
        ("scale='log2' (log2(x + 1))", "--scale log2 (log2(x + 1))"),
        ("name it in covariates=, or", "name it in --covariates, or"),
        ("config='my file.yaml': no", "--config 'my file.yaml': no"),
        ("sep=',' is pandas's", "sep=',' is pandas's"),  # not an option of this command
        ("vae.scale=3 and a == b", "vae.scale=3 and a == b"),
        ("--scale=log2 stays", "--scale=log2 stays"),
        ("Give description=False if", "Give --no-description if"),
        ("means with scale={'up 2': -1}, or 1", "means with --scale 'up 2=-1', or 1"),
        ("path='a.grap': no", "path='a.grap': no"),
        ("covariates=['Patient ID'] adjusts for it", "--covariates 'Patient ID' adjusts for it"),
        ("covariates=['donor'] adjusts for it", "--covariates donor adjusts for it"),
        ("covariates=['age', \"it's\", 'age [y]'].", "--covariates 'age,it'\"'\"'s,age [y]'."),
        ("covariates=['age', 'sex'], or", "--covariates age,sex, or"),
    ],
)
def test_arguments_become_options(said: str, expected: str) -> None:
    assert as_options(said, OPTIONS) == expected


def test_options_are_those_of_the_command_that_was_called() -> None:
    command = get_command(app)
    fit = options_of(command, ["modules", "fit", "--data", "run"])
    assert {"--min-samples", "--plain-ids", "--scale"} <= fit
    assert "--min-samples" not in options_of(command, ["draw", "edges.csv"])


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("label: 'x' is not a column.", "--label: 'x' is not a column."),
        ("edges and data share no names", "--edges and --data share no names"),
        ("data lacks 1 input. Use impute=True.", "--data lacks 1 input. Use --impute."),
        ("max_epochs must be at least 1", "--epochs must be at least 1"),
        ("folder: cannot write", "--out: cannot write"),
        ("path='a.grap': no such format", "--to a.grap: no such format"),
        ("database: no such thing", "database: no such thing"),
    ],
)
def test_an_argument_that_comes_first_is_an_option(said, wanted):
    options = {"--label", "--edges", "--data", "--impute", "--epochs", "--out", "--to"}
    assert as_options(said, options, first=True) == wanted
    assert as_options("label 3", options) == "label 3"
    assert as_options("path='a.xlsx'", {"--out"}) == "--out a.xlsx"


def test_notes_are_worded_as_errors_are(tmp_path, capsys):
    (tmp_path / "sets.gmt").write_text("SET\tTP53\tEGFR\tMYC\n")
    (tmp_path / "data.csv").write_text("sample,EGFR,MYC,TP53,KRAS\ns1,1,2,3,4\n")
    out = tmp_path / "edges.csv"
    with pytest.raises(SystemExit) as end:
        main(
            [
                "prior",
                f"{tmp_path}/sets.gmt",
                "--features",
                f"{tmp_path}/data.csv",
                "--out",
                f"{out}",
            ]
        )
    said = capsys.readouterr()
    assert "--no-description" in said.out + said.err, said
    assert "description=" not in said.out + said.err
    assert end.value.code == 0
