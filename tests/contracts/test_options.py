"""Messages name options and arguments that there are: a remedy that nothing takes is a dead end."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from typer.main import get_command

from edge2torch.cli._app import app
from edge2torch.netmodules import read_transcript_data
from tests.pages import ROOT

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
OTHER_PROGRAMS = re.compile(r"pip install [^.]*")
ARGUMENT = re.compile(r"(?<![\w.:/?&'\"{<-])([a-z][a-z0-9_]+)=(?!=)")
# torch's and pandas's
OF_OTHERS = {"create_graph", "index_col", "index_label", "sep", "min_cells", "use_buffers"}
# The command line has another name for a file, and makes a list of its covariates itself.
ONLY_FROM_PYTHON = {"path", "covariates"}
SAYS = {"Edge2TorchError", "append", "note", "warn"}


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


TREES = {
    file: ast.parse(file.read_text(encoding="utf-8"))
    for file in sorted((ROOT / "edge2torch").rglob("*.py"))
}


def strings(file: Path, below: ast.AST) -> Iterator[tuple[str, str]]:
    """Where each string below a node of the syntax stands, and what it says."""
    for node in ast.walk(below):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield f"{file.relative_to(ROOT)}:{node.lineno}", node.value


def messages(file: Path) -> Iterator[tuple[str, str]]:
    """Strings of what is raised, warned of, noted, or collected to be."""
    for node in ast.walk(TREES[file]):
        call = node.func if isinstance(node, ast.Call) else None
        name = getattr(call, "id", getattr(call, "attr", None))
        if isinstance(node, ast.Raise) or name in SAYS:
            yield from strings(file, node)


def parameters() -> set[str]:
    """Names of all arguments and fields of the package."""
    nodes = [node for tree in TREES.values() for node in ast.walk(tree)]
    fields = {
        node.target.id
        for node in nodes
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return fields | {node.arg for node in nodes if isinstance(node, ast.arg)}


def imported_with(file: Path) -> set[Path]:
    """A file, and those of its room that it imports, directly or not."""
    seen: set[Path] = set()
    todo = [file]
    while todo:
        seen.add(here := todo.pop())
        names = [n.module for n in ast.walk(TREES[here]) if isinstance(n, ast.ImportFrom)]
        near = {file.with_name(f"{str(name).rpartition('.')[2]}.py") for name in names}
        todo += [one for one in near & set(TREES) if one not in seen]
    return seen


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
        (place, word)
        for file, tree in TREES.items()
        for place, text in strings(file, tree)
        for word in named(text)
        if word not in known
    ]
    assert unknown == []


def test_every_argument_that_is_named_is_one_of_a_function() -> None:
    known = parameters() | OF_OTHERS
    assert {"seed", "min_samples"} <= known
    found = [
        (place, word)
        for file in TREES
        for place, text in messages(file)
        for word in ARGUMENT.findall(text)
    ]
    assert len(found) > 100
    assert [(place, word) for place, word in found if word not in known] == []


@pytest.mark.parametrize("command", [("modules", "fit"), ("explain-module",)], ids=" ".join)
def test_who_reads_counts_has_the_options_that_the_reader_names(command: tuple[str, ...]) -> None:
    here = get_command(app)
    for name in command:
        here = here.commands[name]
    reader = ROOT / "edge2torch" / "netmodules" / "_read.py"
    of_the_reader = set(inspect.signature(read_transcript_data).parameters)
    found = [
        (place, word)
        for file in imported_with(reader)
        for place, text in strings(file, TREES[file])
        for word in ARGUMENT.findall(text)
        if word in of_the_reader - ONLY_FROM_PYTHON
    ]
    assert {"min_samples", "plain_ids", "transpose", "scale"} <= {word for _, word in found}
    known = options(here)
    assert [one for one in found if f"--{one[1].replace('_', '-')}" not in known] == []
