"""Spoiled files, the short form: a few of the long form's, in this process."""

import pytest

from tests.reliability.fuzz import FINE, run
from tests.reliability.targets import TARGETS

SLOW = ("edge2torch run", "edge2torch modules")  # a valid input trains


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_spoiled_files(target, capsys):
    if target.name == "read_sbml_qual":
        pytest.importorskip("libsbml", reason="needs libsbml: edge2torch[sbml]")
    count = 5 if target.name in SLOW else min(round(100 * target.share), 40)
    found = run(target, count, seed=1_000_000)
    assert set(found) <= set(FINE), found
