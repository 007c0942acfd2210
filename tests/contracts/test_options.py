"""Messages name options that there are: a remedy which no command takes is a dead end."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import click
import pytest
from typer.main import get_command

from edge2torch.cli._app import app
from tests.pages import ROOT

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
OTHER_PROGRAMS = re.compile(r"pip install [^.]*")


def options(command: click.Command) -> set[str]:
    """Of a command and of all below it."""
    own = {
        word
        for parameter in command.params
        for word in (*parameter.opts, *parameter.secondary_opts)
    }
    return own.union({"--help"}, *map(options, getattr(command, "commands", {}).values()))


def named(text: str) -> list[str]:
    """Options in a string, those of other programs left out."""
    return OPTION.findall(OTHER_PROGRAMS.sub("", text))


def strings() -> Iterator[tuple[str, str]]:
    """Where each string of the package stands, and what it says."""
    for file in sorted((ROOT / "edge2torch").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Leave --layer out, or (--min-samples 6).", ["--layer", "--min-samples"]),
        ("Use pip install --upgrade edge2torch. --debug shows where.", ["--debug"]),
        ("a -- b, a--b, ---, well-known", []),
    ],
)
def test_options_in_a_text(text: str, expected: list[str]) -> None:
    assert named(text) == expected


def test_every_option_that_is_named_is_one_of_a_command() -> None:
    known = options(get_command(app))
    assert {"--edges", "--min-samples", "--module-id", "--cache-dir"} <= known
    unknown = [
        (place, word) for place, text in strings() for word in named(text) if word not in known
    ]
    assert unknown == []
