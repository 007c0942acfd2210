"""Commands run into their errors speak of options: a shell takes no `min_samples=6`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge2torch.cli import main
from tests.contracts.test_options import parameters

QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`")
CALL = re.compile(r"[\w.]+\([^()]*\)")  # Python's, where a shell has nothing like it
NAMED = re.compile(r"(?<![\w.:/-])([a-z]\w*)=|(?<![\w./-])([a-z]+(?:_[a-z]+)+)(?![\w./(-])")
FIRST = re.compile(r"^error: (?:the prior )?([a-z_]+)(?: and [a-z_]+)?(?::| must| has | names )")
# They name a table's column, or a step of the prior's report.
NO_ARGUMENTS = {"gene_id", "transcript_id", "initial_weight", "sample_id"}

PERTURB = "run --task perturbation --edges edges.csv --out out"
RUN = "run --edges edges.csv --data cells.csv --label kind --out out"
COMPARE = "compare-priors edges.csv --data cells.csv --label kind --out out"
PRIOR = "prior edges.csv --features cells.csv --out fitted.csv"
CASES = [
    f"{RUN} --label colour",
    f"{RUN} --task survival",
    f"{RUN} --task regression",
    f"{RUN} --edges cyclic.csv",
    f"{RUN} --edges sets.gmt",
    f"{RUN} --edges headless.csv",
    f"{RUN} --edges turned.csv",
    f"{RUN} --edges weights.csv",
    f"{RUN} --data holes.csv",
    f"{RUN} --data labels.csv",
    f"{RUN} --groups donor",
    f"{RUN} --groups nobody",
    f"{RUN} --covariates nothing",
    f"{RUN} --covariates donor,donor",
    f"{RUN} --learning-rate 0",
    f"{RUN} --epochs 0",
    f"{RUN} --test-folds 7",
    f"{RUN} --head-weight 2",
    f"{RUN} --outputs nowhere",
    f"{RUN} --normalize counts",
    f"{RUN} --min-class-size 999",
    f"{RUN} --pairs cells.csv",
    f"{RUN} --rewired 3",
    f"{RUN} --names cells.csv",
    f"{RUN} --test-data labels.csv",
    f"{COMPARE} --draws 1",
    f"{COMPARE} --starts 0",
    f"{COMPARE} --data holes.csv",
    f"{COMPARE} --data other.csv",
    f"{COMPARE} --groups donor",
    f"{COMPARE} --outputs nowhere",
    f"{COMPARE} --node-activation sine",
    f"{PRIOR} --outputs nowhere",
    f"{PRIOR} --latent -1",
    f"{PRIOR} --layers 0",
    f"{PRIOR} --min-genes 99",
    f"{PRIOR} --max-genes 1",
    f"{PRIOR} --data-types @",
    f"{PRIOR} --root top --outputs B",
    f"{PRIOR} --connect",
    f"{PRIOR} --hold-signs",
    f"{PRIOR} --signs binds=2",
    f"{PRIOR} --weight start",
    f"{PRIOR} --source from",
    f"{PRIOR} --sign effect",
    f"{PRIOR} --skips drop",
    f"{PRIOR} --features other.csv",
    f"{PRIOR} --features turned.csv",
    f"{PRIOR} --out fitted.xlsx",
    f"{PRIOR} --out nowhere/fitted.csv",
    "prior cyclic.csv --features cells.csv --out fitted.csv",
    "prior repeated.csv --features cells.csv --out fitted.csv",
    "prior weights.csv --features cells.csv --out fitted.csv",
    "prior words.csv --features cells.csv --out fitted.csv --sign effect",
    "prior words.sif --features cells.csv --out fitted.csv",
    "prior edges.foo --features cells.csv --out fitted.csv",
    "draw edges.csv --out p.foo",
    "draw edges.csv --out p.svg --max-nodes 0",
    "draw edges.csv --out p.svg --outputs nowhere",
    "draw edges.csv --out p.svg --flow weights.csv",
    "draw edges.csv --out p.svg --scores cells.csv --where kind=Z",
    "draw repeated.csv --out p.svg",
    "export edges.csv --to p.foo",
    "export edges.csv --to p.graphml --relations signs",
    "export edges.csv --to p.graphml --interactome edges.csv",
    "export edges.csv --to nowhere/p.sif",
    "export repeated.csv --to p.sif",
    "interpret edges.csv --data cells.csv --out scores",
    f"{PERTURB} --midas words.sif",
    f"{PERTURB} --midas nowhere.csv",
    "explain-module --artifact-dir nowhere --output-dir out",
    "explain-module --artifact-dir nowhere --output-dir out --new-data nowhere.csv",
    "annotate-structure --gtf cells.csv --out pairs.csv --artifact-dir nowhere",
    "modules fit --data nowhere.csv --out modules",
    "modules fit --data cells.csv --out modules",
    "explain-module --artifact-dir nowhere --output-dir out --min-samples 2 --data cells.csv",
    "explain-module --artifact-dir nowhere --output-dir out --data cells.csv --transpose",
    "explain-module --artifact-dir nowhere --output-dir out --feature-meta cells.csv",
    "explain-module --artifact-dir nowhere --output-dir out --ig-n-steps 9",
    "annotate-structure --gtf cells.csv --out pairs.csv",
    "annotate-structure --gtf cells.csv --out pairs.csv --pairs cells.csv",
    "modules fit --data cells.csv --out modules --transpose --backend nothing",
    "modules fit --data cells.csv --out modules --transpose --seed -1",
    "modules fit --data cells.csv --out modules --transpose --scale log2",
    "modules fit --data cells.csv --out modules --transpose --covariates dose",
    "modules fit --data cells.csv --out modules --transpose vae.latent_dim=0",
    "modules compare nowhere nowhere",
]


@pytest.fixture(name="world")
def _world(files: Path, edges, cells) -> Path:
    cells = cells.assign(donor="d0")
    tables = {
        "cells": cells,
        "holes": cells.assign(g1=cells["g1"].where(cells.index > 3)),
        "labels": cells[["cell", "kind"]],
        "other": cells.rename(columns=lambda name: name.replace("g", "ENSG")),
        "repeated": edges.iloc[[0, *range(len(edges))]],
        "weights": edges.assign(weight=[0.5, -0.25, 0.75] * (len(edges) // 3)),
        "words": edges.assign(effect="binds"),
        "turned": edges.set_axis(["target", "source"], axis=1),
    }
    back = edges[edges["source"] == "signal"].iloc[:1].set_axis(["target", "source"], axis=1)
    tables["cyclic"] = edges.merge(back, how="outer")
    for name, table in tables.items():
        table.to_csv(files / f"{name}.csv", index=False)
    edges.to_csv(files / "headless.csv", index=False, header=False)
    (files / "edges.foo").write_text("source\ttarget\n")
    (files / "sets.gmt").write_text("signal\tof\tg0\tg1\n")
    rows = (f"{one.source}\tbinds\t{one.target}" for one in edges.itertuples())
    (files / "words.sif").write_text("\n".join(rows))
    return files


def arguments_in(said: str, known: set[str]) -> list[str]:
    """Arguments that a text names, but for what stands in quotes and in calls of Python's."""
    plain = CALL.sub("", QUOTED.sub("''", said))
    found = [word for pair in NAMED.findall(plain) for word in pair if word]
    found += FIRST.findall(plain)
    return [word for word in found if word in known - NO_ARGUMENTS]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("use impute=True, or", ["impute"]),
        ("error: features has none", ["features"]),
        ("of --impute and 'min_samples=3' in compile_graph(backend=) or p.edge_weights.csv", []),
        ("give feature_table, too", ["feature_table"]),
    ],
)
def test_arguments_in_a_text(said: str, expected: list[str]) -> None:
    known = {"impute", "features", "feature_table", "min_samples", "backend", "edge_weights"}
    assert arguments_in(said, known) == expected


def test_no_command_asks_for_an_argument(world: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(world)
    known, found = parameters(), {}
    for case in CASES:
        with pytest.raises(SystemExit) as end:
            main(case.split())  # of an option that is given twice the last counts
        said = capsys.readouterr()
        assert end.value.code == 1, f"{case}: {said}"
        if named := arguments_in(said.out + said.err, known):
            found[case] = (named, said.out + said.err)
    assert found == {}


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("modules fit --data nowhere.csv --out modules", "--data nowhere.csv: there is no"),
        ("modules fit --data . --out modules", "--data . lacks"),
        ("modules compare nowhere nowhere", "'nowhere' is not a folder"),
        ("explain-module --artifact-dir nowhere --output-dir out", "--artifact-dir nowhere is not"),
        ("explain-module --artifact-dir . --output-dir out", "--artifact-dir . is not a folder"),
        ("annotate-structure --gtf a --out p.csv --artifact-dir nowhere", "--artifact-dir nowhere"),
        (f"{PERTURB} --midas nowhere.csv", "--midas: there is no file"),
        (f"{PERTURB} --midas edges.csv", "edges.csv, line 1: a column is"),
        ("prior none.gmt --features cells.csv --out f.csv", "there is no file 'none.gmt'."),
        ("interpret none --data cells.csv --out scores", "there is no folder 'none'."),
        (COMPARE.replace("edges", "none"), "there is no file 'none.csv'."),
        (
            COMPARE.replace("edges.csv", "edges.csv ./edges.foo"),
            "several files are called 'edges': 'edges.csv', 'edges.foo'.",
        ),
        (f"{RUN} --edges sets.gmt", "--edges: 'sets.gmt' has an unknown ending"),
        ("prior edges.foo --features cells.csv --out f.csv", "'edges.foo' has an unknown ending"),
    ],
)
def test_a_file_is_told_by_its_own_option(world, capsys, monkeypatch, words, first) -> None:
    """And not by that of the file which is written, which stands for `path` elsewhere."""
    monkeypatch.chdir(world)
    with pytest.raises(SystemExit):
        main(words.split())
    assert capsys.readouterr().err.startswith(f"error: {first}")
