"""What README and docs show, runs; and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import pytest

from tests.pages import ROOT, code_of, pages

_LINK = re.compile(r"\[[^\]]*\]\((?!https?://|#|mailto:)([^)#\s]+)")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    exec(compile(code_of(page), page, "exec"), {"__name__": "__main__"})  # noqa: S102 (our own pages)


@pytest.mark.parametrize(
    "page", [*pages(), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=_name
)
def test_the_links_of_a_page_lead_to_files(page: Path) -> None:
    links = _LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_of_docs_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = set(_LINK.findall(index.read_text(encoding="utf-8")))
    there = {str(page.relative_to(index.parent)) for page in pages()[1:]} - {"index.md"}
    assert there - linked == set()
