"""Every mistake is one line on stderr and exit code 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from edge2torch.cli import main


def fail(capsys, *arguments: str) -> str:
    """Run to an error of ours, and return its one line."""
    with pytest.raises(SystemExit) as end:
        main(["run", *arguments])
    said = capsys.readouterr().err
    assert end.value.code == 1, said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    return said


def arguments(folder: Path, **changes: str) -> list[str]:
    """Return good arguments but for what is changed."""
    options = {
        "edges": str(folder / "edges.csv"),
        "data": str(folder / "cells.csv"),
        "label": "kind",
        "out": str(folder / "out"),
        "seeds": "1",
        "epochs": "2",
    }
    options.update(changes)
    return [part for name, value in options.items() for part in (f"--{name}", value)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": "nowhere.csv"}, "there is no file 'nowhere.csv'"),
        ({"data": "nowhere.h5ad"}, "there is no file 'nowhere.h5ad'"),
        ({"label": "colour"}, "has no column 'colour'"),
        ({"outputs": "Z"}, "not in the graph: 'Z'"),
        ({"layer": "counts"}, "is for h5ad files"),
        ({"task": "regression"}, "not numbers"),
        ({"normalize": "counts"}, "negative values"),
        ({"epochs": "0"}, "--epochs must be at least 1"),
        ({"test-fraction": "1.5"}, "--test-fraction must be between"),
        ({"learning-rate": "-1"}, "--learning-rate"),
        ({"node-activation": "sine"}, "--node-activation"),
        ({"min-class-size": "500"}, "two are needed"),
    ],
)
def test_options(files: Path, capsys, changes, message):
    assert message in fail(capsys, *arguments(files, **changes))


def test_names_of_other_nodes(files: Path, capsys):
    (files / "names.csv").write_text("node,name\nR-HSA-1,Apoptosis\n")
    said = fail(capsys, *arguments(files, names=str(files / "names.csv")))
    assert "--names: names has no node of the edges: it names" in said
    (files / "names.csv").write_text("signal\nother\n")
    assert "node and name are needed" in fail(
        capsys, *arguments(files, names=str(files / "names.csv"))
    )


def test_features_as_rows(files: Path, cells, capsys):
    turned = cells.drop(columns=["kind", "dose"]).set_index("cell").T
    turned.to_csv(files / "turned.csv", index_label="gene")
    said = fail(capsys, *arguments(files, data=str(files / "turned.csv")))
    assert "looks transposed: 12 of the 12 names in its first column ('gene')" in said
    design = cells.set_index("cell")[["kind", "dose"]]
    table = pd.read_csv(files / "turned.csv")
    mended = table.set_index("gene").T.join(design["kind"])  # what the error says
    assert ".set_index('gene').T.join(design['kind'])" in said
    pd.testing.assert_frame_equal(
        mended, cells.set_index("cell").drop(columns="dose"), check_names=False
    )


def test_unknown_file_types(files: Path, capsys):
    for name in ("edges.xlsx", "cells.rds"):
        (files / name).write_bytes(b"x")
    said = fail(capsys, *arguments(files, edges=str(files / "edges.xlsx")))
    assert "unknown ending" in said
    assert "edges.xlsx" in said
    said = fail(capsys, *arguments(files, data=str(files / "cells.rds")))
    assert "unknown file type 'cells.rds'" in said
    assert "'.h5ad'" in said


def test_files_that_are_not_what_they_claim(files: Path, capsys):
    for name in ("cells.h5ad", "cells.parquet", "cells.csv.gz"):
        (files / name).write_bytes(b"not this")
        said = fail(capsys, *arguments(files, data=str(files / name)))
        assert ("it is not gzip-compressed" if name.endswith(".gz") else "cannot be read") in said
    (files / "empty.csv").write_bytes(b"")
    said = fail(capsys, *arguments(files, data=str(files / "empty.csv")))
    assert "the file is empty" in said
    said = fail(capsys, *arguments(files, edges=str(files / "empty.csv")))
    assert "--edges:" in said
    assert "the file is empty" in said
    said = fail(capsys, *arguments(files, data=str(files)))
    assert "is a folder" in said


def test_names_that_do_not_meet(files: Path, cells, capsys):
    cells.rename(columns=lambda c: c.replace("g", "ENSG")).to_csv(files / "cells.csv", index=False)
    said = fail(capsys, *arguments(files))
    assert "share no names" in said
    assert "'g0'" in said
    assert "'ENSG0'" in said


def test_missing_inputs_when_they_are_an_error(files: Path, cells, capsys):
    cells.drop(columns="g3").to_csv(files / "cells.csv", index=False)
    said = fail(capsys, *arguments(files, missing="error"))
    assert "lacks 1 of 12 inputs" in said
    assert "'g3'" in said


def test_missing_and_infinite_values(files: Path, cells, capsys):
    cells.loc[3, "g3"] = np.nan
    cells.to_csv(files / "cells.csv", index=False)
    assert "--impute" in fail(capsys, *arguments(files))
    cells.loc[3, "g3"] = np.inf
    cells.to_csv(files / "cells.csv", index=False)
    assert "infinite values in 'g3'" in fail(capsys, *arguments(files))


def test_text_where_numbers_belong(files: Path, cells, capsys):
    cells["g3"] = "high"
    cells.to_csv(files / "cells.csv", index=False)
    said = fail(capsys, *arguments(files))
    assert "not numbers: 'g3'" in said


def test_errors_of_the_edge_table_come_through(files: Path, edges, capsys):
    pd.concat([edges, edges[:1]]).to_csv(files / "edges.csv", index=False)
    assert "'g0' -> 'signal'" in fail(capsys, *arguments(files))
    edges.to_csv(files / "edges.csv", index=False, sep=";")
    assert "separated by ';'" in fail(capsys, *arguments(files))
    edges.rename(columns={"source": "from"}).to_csv(files / "edges.csv", index=False)
    assert "source" in fail(capsys, *arguments(files))


def test_a_label_without_variety(files: Path, cells, capsys):
    cells.assign(kind="B").to_csv(files / "cells.csv", index=False)
    assert "is 'B' for all 120 samples, so there is nothing to tell apart" in fail(
        capsys, *arguments(files)
    )
    cells.assign(kind=1.5).to_csv(files / "cells.csv", index=False)
    assert "is 1.5 for all 120 samples" in fail(capsys, *arguments(files))


def test_too_few_samples(files: Path, cells, capsys):
    cells[:8].to_csv(files / "cells.csv", index=False)
    said = fail(capsys, *arguments(files, **{"min-class-size": "1"}))
    assert "too few" in said


def test_the_output_is_a_file(files: Path, capsys):
    (files / "out").write_text("in the way")
    assert "is a file" in fail(capsys, *arguments(files))


def test_a_wrong_option_is_told_by_the_parser(files: Path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["run", "--edge", "x"])
    assert end.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "run --edges a --out b --hold-out cells",
            "'--hold-out': 'cells' is not one of 'cell', 'drug', 'both', 'pair'. Nearest to 'cells': 'cell'.",
        ),
        (
            "prior a --features b --out c --cycles maybe",
            "Invalid value for '--cycles': 'maybe' is not one of 'error', 'break', 'keep'.",
        ),
    ],
)
def test_a_choice_that_is_none_is_told_with_the_nearest(line: str, message: str, capsys):
    with pytest.raises(SystemExit) as end:
        main(line.split())
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert message in " ".join(said.replace("│", " ").split())
    assert said.count("Nearest") == message.count("Nearest")


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("edge2torch ")
