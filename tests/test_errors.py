"""The words that users are told errors in."""

from __future__ import annotations

import contextlib
from types import FunctionType

import pytest

from edge2torch._core.messages import listing, note, require, warn
from edge2torch.errors import Edge2TorchError, Edge2TorchWarning, MissingDependencyError


def test_one_class_catches_all_bad_input() -> None:
    assert issubclass(Edge2TorchError, ValueError)
    assert issubclass(Edge2TorchWarning, UserWarning)


def test_a_missing_package_is_no_bad_input() -> None:
    assert issubclass(MissingDependencyError, ImportError)
    with pytest.raises(MissingDependencyError), contextlib.suppress(ValueError):
        require("no_such_package")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "'a'"),
        (["a", 1], "'a', 1"),
        (list("abcde"), "'a', 'b', 'c', 'd', 'e'"),
        (list("abcdefgh"), "'a', 'b', 'c', 'd', 'e' and 3 more"),
        ([("a", "b"), ("b", "a")], "'a' -> 'b', 'b' -> 'a'"),
        (iter("ab"), "'a', 'b'"),
        (["it's"], '"it\'s"'),
    ],
)
def test_listing_shows_the_first_five_and_counts_the_rest(names: object, text: str) -> None:
    assert listing(names) == text


def test_listing_cuts_names_that_would_fill_the_screen() -> None:
    text = listing(["x" * 10_000, "short"])
    assert len(text) < 100
    assert text.endswith("...', 'short'")


def test_note_prints_unless_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    note("Hello.", quiet=False)
    note("Hush.", quiet=True)
    assert capsys.readouterr().out == "[edge2torch] Note: Hello.\n"


def test_require_says_what_to_install() -> None:
    with pytest.raises(MissingDependencyError, match=r'pip install "edge2torch\[plot\]"'):
        require("no_such_package.pyplot", extra="plot")
    with pytest.raises(MissingDependencyError, match='pip install "no_such_package"'):
        require("no_such_package")


def test_require_does_not_hide_what_a_package_itself_lacks(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency") as caught:
        require("broken_package")
    assert not isinstance(caught.value, MissingDependencyError)


def _speak():
    warn("odd")


@pytest.mark.parametrize(("room", "its_own"), [("edge2torch.nn", False), ("analysis", True)])
def test_a_warning_points_at_the_line_of_the_user(room, its_own):
    speak = FunctionType(_speak.__code__, {"warn": warn, "__name__": room})
    with pytest.warns(Edge2TorchWarning) as caught:
        speak()
    assert (caught[0].lineno == _speak.__code__.co_firstlineno + 1) is its_own
