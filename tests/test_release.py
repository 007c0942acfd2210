"""What says the version says the same, and the files that a release needs are there."""

from __future__ import annotations

import re

import edge2torch
from tests.pages import ROOT


def test_the_citation_is_of_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", text, re.MULTILINE).group(1) == edge2torch.__version__


def test_the_changelog_has_this_version_or_what_is_to_come() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert heads[0] == "Unreleased" or heads[0] == edge2torch.__version__


def test_the_package_is_typed() -> None:
    assert (ROOT / "edge2torch" / "py.typed").exists()
