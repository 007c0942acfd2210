"""What is imported is kept from the garbage collector, and only as long as a command runs."""

from __future__ import annotations

import gc

import pytest

from edge2torch._core.collector import imported_for_good
from edge2torch.cli import main


def test_what_was_imported_is_out_of_the_collectors_way():
    try:
        with imported_for_good():
            assert not gc.isenabled()
            made = [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() > len(made)
    finally:
        gc.unfreeze()


def test_a_command_gives_everything_back(tmp_path):
    with pytest.raises(SystemExit):
        main(
            ["run", "--edges", "no.csv", "--data", "no.csv", "--label", "y", "--out", str(tmp_path)]
        )
    assert gc.get_freeze_count() == 0
    assert gc.isenabled()


def test_a_process_that_ends_with_its_command_is_not_gone_through_once_more(monkeypatch):
    monkeypatch.setattr("sys.argv", ["edge2torch", "--version"])
    try:
        with pytest.raises(SystemExit):
            main()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
