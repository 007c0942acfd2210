"""What a user is told, and folders that hold a state."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch._core.files import read_json, write_file
from edge2torch._core.messages import listing, note, require, warn
from edge2torch._core.state_folder import StateFolder
from edge2torch._core.tables import missing_words, not_genes
from edge2torch.errors import Edge2TorchWarning


def test_culprits_are_the_first_few_and_how_many_more() -> None:
    assert listing(["a", "b", "c"], limit=2) == "'a', 'b' and 1 more"
    assert listing([("a", "b")]) == "'a' -> 'b'"
    assert len(listing(["x" * 500])) == 60
    assert listing([np.str_("a"), np.int64(3), np.float32(0.5), np.True_]) == "'a', 3, 0.5, True"
    assert "2020-01-02" in listing([np.datetime64("2020-01-02", "ns")])
    assert listing([np.zeros(1), torch.tensor(2)]) == "array([0.]), tensor(2)"


def test_a_note_is_a_line_unless_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    note("Graph contains 11 node(s).", quiet=False)
    note("nothing", quiet=True)
    assert capsys.readouterr().out == "[edge2torch] Note: Graph contains 11 node(s).\n"


def test_a_warning_points_at_the_line_of_the_user() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn("3 node(s) carry nothing.")
    assert caught[0].category is Edge2TorchWarning
    assert caught[0].filename == __file__


def test_a_package_that_is_there_is_imported() -> None:
    assert require("json") is json


def test_a_state_comes_back_as_it_was_written(tmp_path) -> None:
    kind = StateFolder("one.json", "an example", 1, writer="an example", needed=("name",))
    written = kind.write(tmp_path / "model", {"w": torch.ones(2)}, {"name": "x"})
    index, tensors = kind.read(written)
    assert index == {"name": "x"}
    assert torch.equal(tensors["w"], torch.ones(2))


def test_a_file_is_whole_or_not_there(tmp_path) -> None:
    path = write_file(tmp_path / "one.json", lambda draft: draft.write_text('{"seed": 1}'))
    assert read_json(path) == {"seed": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["one.json"]


def test_words_that_look_like_missing_values_and_rows_that_are_no_genes() -> None:
    (said,) = missing_words(pd.Series(["wt", "null", "wt"]), "genotype")
    assert said.startswith("'null' is taken as a genotype (1 sample(s))")
    assert not_genes(["TP53", "__no_feature", "N_unmapped"]) == ["__no_feature", "N_unmapped"]
