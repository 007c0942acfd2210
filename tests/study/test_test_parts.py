"""Which samples each seed holds out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError, load_study, run_study
from edge2torch.study import StudySettings
from edge2torch.study._task import choose_task
from edge2torch.study._test_parts import in_turn
from tests.cli.running import run

BRIEF: dict[str, Any] = {"max_epochs": 2, "replicates": 0, "quiet": True}


def task_of(*sizes: int) -> Any:
    names = [name for name, size in zip("abc", sizes, strict=False) for _ in range(size)]
    return choose_task(pd.Series(names, name="kind"), "classification", 2)


@pytest.mark.parametrize(
    ("sizes", "settings", "parts"),
    [
        ((60, 60), {"seeds": 3}, 3),
        ((400, 190), {"seeds": 3}, 3),  # a quarter is 48
        ((400, 204), {"seeds": 3}, 0),  # a quarter is 51
        ((60, 60), {"seeds": 10}, 5),
        ((60, 60), {"seeds": 6}, 6),
        ((60, 60), {"seeds": 12}, 4),
        ((60, 60), {"seeds": 2}, 0),  # half of the samples would be too few to train with
        ((60, 60), {"seeds": 11}, 0),
        ((60, 60), {"seeds": 3, "test_folds": 0}, 0),
        ((60, 60), {"seeds": 3, "test_fraction": 0.3}, 0),
        ((60, 2), {"seeds": 3}, 0),  # two of a class are in no three parts
    ],
)
def test_every_sample_is_held_out_where_a_part_would_say_little(
    sizes: tuple[int, ...], settings: dict[str, Any], parts: int
) -> None:
    chosen, said = in_turn(task_of(*sizes), StudySettings(**settings), None)
    assert chosen.test_folds == parts
    assert bool(said) == bool(parts)
    if said:
        assert said[0].startswith(
            f"A part of 0.25 would hold {round(0.25 * min(sizes))} samples of "
        )


def test_groups_too_few_for_the_parts_are_drawn_as_before() -> None:
    mixed = np.tile(["d1", "d2", "d3", "d4", "d5", "d6"], 20)
    assert in_turn(task_of(60, 60), StudySettings(seeds=3), mixed)[0].test_folds == 3
    assert in_turn(task_of(60, 60), StudySettings(seeds=5), mixed[:120] == "d1")[0].test_folds == 0


def test_a_study_holds_every_sample_out_once(edges: pd.DataFrame, cells: pd.DataFrame) -> None:
    table = cells.set_index("cell").drop(columns="dose")
    study = run_study(edges, table, "kind", seeds=3, **BRIEF)
    assert sorted(study.predictions.index) == sorted(table.index)
    assert study.settings.test_folds == 3
    assert any("every sample is held out once" in note for note in study.results.notes)
    drawn = run_study(edges, table, "kind", seeds=3, test_folds=0, **BRIEF)
    assert drawn.predictions.index.duplicated().any()


def test_parts_that_a_column_names(files, edges: pd.DataFrame, cells: pd.DataFrame) -> None:
    sites = np.array(["north", "south", "west"])[np.arange(120) % 3]
    table = cells.set_index("cell").drop(columns="dose").assign(site=sites)
    study = run_study(edges, table, "kind", seeds=3, test_folds="site", folder=files / "s", **BRIEF)
    for seed, name in enumerate(["north", "south", "west"]):
        held_out = study.predictions.index[study.predictions["seed"] == seed]
        assert set(table.loc[held_out, "site"]) == {name}
        assert len(held_out) == 40
    assert "the 3 parts that 'site' names" in (files / "s" / "report.html").read_text().replace(
        "&#39;", "'"
    )
    assert load_study(files / "s").results.study.parts.tolist() == sites.tolist()
    table.to_csv(files / "cells.csv")
    printed = run(
        files, "--seeds", "3", "--test-folds", "site", "--replicates", "0", "--epochs", "2"
    )
    assert "120 samples with 12 features" in printed  # the column is none
    written = pd.read_csv(files / "out" / "predictions.csv")
    assert written.iloc[:, 0].tolist() == study.predictions.index.tolist()
    assert written["seed"].tolist() == study.predictions["seed"].tolist()


@pytest.mark.parametrize(
    ("column", "options", "said"),
    [
        ("site", {"seeds": 4}, r"'site' has 3 parts, each of which a seed holds out: use seeds=3"),
        ("same", {"seeds": 3}, r"'same' holds 'x' only"),
        ("gap", {"seeds": 3}, r"1 sample\(s\) have no part in 'gap': 'cell_7'"),
        ("nowhere", {"seeds": 3}, r"no column 'nowhere'"),
        ("site", {"seeds": 3, "groups": "donor"}, r"2 group\(s\) are in several parts: 'd0', 'd1'"),
    ],
)
def test_parts_that_cannot_be_are_refused(
    edges: pd.DataFrame, cells: pd.DataFrame, column: str, options: dict[str, Any], said: str
) -> None:
    table = cells.set_index("cell").drop(columns="dose").assign(same="x", gap="a")
    table["site"] = np.array(["north", "south", "west"])[np.arange(120) % 3]
    table["donor"] = [f"d{k % 2}" for k in range(120)]
    table.loc["cell_0", "gap"], table.loc["cell_7", "gap"] = "b", None
    with pytest.raises(Edge2TorchError, match=f"^test_folds: .*{said}"):
        run_study(edges, table, "kind", test_folds=column, **options, **BRIEF)
