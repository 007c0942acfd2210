"""What README and docs show, runs; and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args
from unittest import mock

import matplotlib as mpl
import pytest
import torch
from packaging.version import Version

import edge2torch as e2t
import edge2torch.compile as compile_room
from docs.pictures import PICTURES
from edge2torch import netmodules, perturb, priors, study, vae
from edge2torch.cli._prior import Format
from edge2torch.interpret import METHODS
from tests.contracts.test_docstrings import doors
from tests.pages import ROOT, code_of, pages

# Rooms of helpers, and the command line, which has a page of its own.
NOT_FOR_USERS = {"cli"}
_LINK = re.compile(r"\[[^\]]*\]\((?!https?://|#|mailto:)([^)#\s]+)")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = page.read_text(encoding="utf-8")
    if "before torch 2.13:" in text and Version(torch.__version__) < Version("2.13"):
        pytest.skip("its code is for torch 2.13; what to write before is in its text")
    if "edge2torch[sbml]" in text:
        pytest.importorskip("libsbml", reason="needs libsbml: edge2torch[sbml]")
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    with mock.patch.dict(METHODS):  # one page adds a method
        exec(compile(code_of(page), page, "exec"), {"__name__": "__main__"})  # noqa: S102 (our own)


@pytest.mark.parametrize(
    "page", [*pages(), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=_name
)
def test_the_links_of_a_page_lead_to_files(page: Path) -> None:
    links = _LINK.findall(page.read_text(encoding="utf-8"))
    drawn = {str(ROOT / "docs" / "pictures" / name) for name in PICTURES}  # by `make docs`
    missing = [link for link in links if not (page.parent / link).exists()]
    assert [link for link in missing if str((page.parent / link).resolve()) not in drawn] == []


def test_every_page_of_docs_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = set(_LINK.findall(index.read_text(encoding="utf-8")))
    there = {str(page.relative_to(index.parent)) for page in pages()[1:]} - {"index.md"}
    assert there - linked == set()


def test_every_page_of_docs_has_a_place_in_the_site() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    placed = set(re.findall(r"[\w/-]+\.md", text[text.index("\nnav:") :]))
    made = {f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert placed == made | {str(page.relative_to(ROOT / "docs")) for page in pages()[1:]}


def test_every_reader_and_every_format_of_the_shell_is_on_the_page_of_formats() -> None:
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    rooms = (priors, perturb, netmodules, compile_room, vae, study)
    readers = {
        name
        for room in rooms
        for name in room.__all__
        if name.startswith(("read_", "load_", "from_"))
    }
    assert {
        name for name in readers if f"`{name}`" not in text and f".{name}`" not in text
    } == set()
    named = {*re.findall(r"`read_(\w+)`", text)}
    assert set(get_args(Format)) - {"auto"} - named == set()


def test_every_notebook_is_on_the_page_of_notebooks() -> None:
    text = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    there = {f"../notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert set(_LINK.findall(text)) == there


@pytest.mark.parametrize("page", pages()[1:], ids=_name)
def test_no_page_is_without_an_example(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "```" in text or "\n::: " in text


def test_every_room_has_an_api_page_and_every_name_of_the_package_is_told_where_it_lives() -> None:
    folder = ROOT / "docs" / "api"
    told = " ".join(page.read_text(encoding="utf-8") for page in folder.glob("*.md"))
    rooms = {door.split(".")[1] for door in doors() if "." in door} - NOT_FOR_USERS
    assert {room for room in rooms if f"::: edge2torch.{room}" not in told} == set()
    front = (folder / "edge2torch.md").read_text(encoding="utf-8")
    assert [name for name in e2t.__all__ if f"`{name}`" not in front] == []


def test_the_page_of_interpret_leaves_no_name_out() -> None:
    text = (ROOT / "docs" / "api" / "interpret.md").read_text(encoding="utf-8")
    named = re.findall(r"\w+", text[text.index("members: [") + len("members: ") : text.index("]")])
    assert sorted(named) == sorted(e2t.interpret.__all__)
