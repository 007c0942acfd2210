"""Commands made from signatures: flags, lists, groups of fields, and warnings of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import click
import pytest
import typer
from typer.testing import CliRunner

from edge2torch._core.console import Console
from edge2torch._core.messages import warn
from edge2torch.cli._app import app
from edge2torch.cli._options import Group, command


@dataclass(frozen=True)
class Plain:
    """As a dataclass of the library, that knows nothing of a command line.

    Parameters
    ----------
    seed : int
        First seed, as .5 or
        not. And more of it.
    max_epochs : int
        Most epochs.
    names : tuple of str
        Names; at most 3.
    """

    seed: int = 0
    max_epochs: int = 9
    kind: Literal["a", "b"] = "a"
    hidden: float = 0.5
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Own:
    """As a group of options of one command."""

    merge: Annotated[bool, "Merge.", "Elsewhere"] = False
    both: Annotated[bool, typer.Option("--both/--one", help="Both.")] = True


def told(line: str) -> list[object]:
    """What a function is given of a line, or the words of the parser."""
    small = typer.Typer(cls=Group)
    seen: list[object] = []

    @small.callback()
    def _main() -> None:
        pass

    @command(small, "go", "go x")
    def _go(
        *,
        label: Annotated[str, "Needed."],
        plain: Annotated[
            Plain,
            {"Training": ("seed", "max_epochs"), "Options": ("names",)},
            {"seed": 5},
            {"names": "N."},
        ],
        own: Annotated[Own, "Ours"],
        targets: Annotated[tuple[str, ...], "T."] = ("x", "y"),
        console: Console,
    ) -> None:
        seen.extend([label, plain, own, targets, console.quiet])
        for _ in range(2):
            warn("Something is odd.")

    result = CliRunner().invoke(small, ["go", *line.split()])
    return [*seen, result.output]


NOTE = "[edge2torch] Note: Something is odd.\n"  # once, and without a line of code


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--label l", ["l", Plain(seed=5), Own(), ("x", "y"), False, NOTE]),
        (
            "--label l --seed 2 --epochs 3 --names a,b --merge --one --targets z -q",
            ["l", Plain(2, 3, names=("a", "b")), Own(True, False), ("z",), True, ""],
        ),
    ],
)
def test_what_is_typed_is_what_the_function_gets(line, expected):
    assert told(line) == expected


def test_help_stands_in_panels_and_comes_from_the_docstring_of_the_library():
    titles = ("Options", "Elsewhere", "Training", "Ours")
    panels: dict[str, str] = {}
    for line in str(told("--help")[0]).splitlines():
        if line.startswith("╭"):
            panels[line.strip("╭─╮ ")] = ""
        elif panels:
            panels[list(panels)[-1]] += line
    assert sorted(panels) == sorted(titles)
    for title, words in (
        ("Options", ("--label", "Needed.", "--names", "N.", "--targets", "--quiet")),
        ("Training", ("--seed", "First seed, as .5 or not.", "[default: 5]", "Most epochs.")),
        ("Elsewhere", ("--merge", "Merge.")),
        ("Ours", ("--both", "Or --one.")),
    ):
        assert [word for word in words if word not in panels[title]] == []
    assert "more of it" not in panels["Training"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "Missing option"),
        ("--label l --no-merge", "No such option"),
        ("--label l --hidden 1", "No such option"),
        ("--label l --seed one", "seed"),
    ],
)
def test_what_is_not_an_option_is_refused(line, words):
    (said,) = told(line)
    assert words in said


def flags(group: click.Command, *path: str):
    """Every command, with the flags that it takes."""
    yield path, [one.opts[0] for one in group.params if getattr(one, "is_flag", False)]
    for name, one in getattr(group, "commands", {}).items():
        yield from flags(one, *path, name)


def test_help_shows_flags_as_flags():
    found = dict(flags(typer.main.get_command(app)))
    assert "--impute" in found["run",]
    for path, names in found.items():
        said = CliRunner(env={"COLUMNS": "140"}).invoke(app, [*path, "--help"]).stdout
        assert "<bool>" not in said
        assert "BOOLEAN" not in said
        assert set(names) <= set(said.split())


def test_help_cuts_no_name_on_80_columns():
    for path in dict(flags(typer.main.get_command(app))):
        said = CliRunner(env={"COLUMNS": "80"}).invoke(app, [*path, "--help"]).stdout
        assert "…" not in said, path
