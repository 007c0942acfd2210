"""The doors that import-linter has no word for: private files, the root, and late imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import edge2torch
from tests.pages import ROOT

PACKAGE = ROOT / "edge2torch"
FILES = sorted(PACKAGE.rglob("*.py"))

# Modules of a room that stand beside its __init__ as doors of their own.
SECOND_DOORS = {"edge2torch.nn.model", "edge2torch.compile.artifact"}
OPEN_TO_ALL = "_core"  # private to the package: every room enters it, file by file

# Import by name at run time, errors.require("captum"), counts like the statement.
WITHOUT = {
    "graph": {"torch", "captum", "anndata"},
    "priors": {"torch", "captum", "anndata"},
    "simulate": {"torch", "captum", "anndata"},
    "nn": {"pandas", "anndata", "captum", "networkx"},
}
WITH_CAPTUM = {"interpret", "explain"}


class Import(NamedTuple):
    """One imported module, and where."""

    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def imports(file: Path) -> Iterator[Import]:
    """Every import of a file: at the top, in functions, under TYPE_CHECKING, through require()."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(file, node.lineno, alias.name)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                yield Import(file, node.lineno, module)
                for alias in names:
                    if alias.name.startswith("_") and not alias.name.startswith("__"):
                        yield Import(file, node.lineno, f"{module}.{alias.name}")
            case ast.Call(
                func=ast.Name(id="require" | "import_module")
                | ast.Attribute(attr="require" | "import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield Import(file, node.lineno, module)


def room(file: Path) -> str:
    """The room a file belongs to; the package's own __init__ is in none."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


ALL = [imported for file in FILES for imported in imports(file)]


def broken(rule: object) -> list[str]:
    return [str(imported) for imported in ALL if rule(imported)]  # type: ignore[operator]


def test_the_reader_of_imports_sees_every_kind(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        "import a.b\nif TYPE_CHECKING:\n    from c import _d\ndef f():\n    errors.require('e.f')\n"
    )
    assert [found.module for found in imports(file)] == ["a.b", "c", "c._d", "e.f"]


def test_another_room_is_entered_by_its_door() -> None:
    def by_the_window(imported: Import) -> bool:
        parts = imported.module.split(".")
        if parts[0] != "edge2torch" or len(parts) < 3 or parts[1] == room(imported.file):
            return False
        if parts[1] == OPEN_TO_ALL:
            return any(part.startswith("_") for part in parts[2:])
        return imported.module not in SECOND_DOORS

    assert broken(by_the_window) == []


def test_nothing_inside_imports_the_root() -> None:
    assert broken(lambda imported: imported.module == "edge2torch") == []


def test_late_imports_keep_the_rules_of_the_room() -> None:
    def forbidden(imported: Import) -> bool:
        top = imported.module.split(".")[0]
        here = room(imported.file)
        return top in WITHOUT.get(here, ()) or (top == "captum" and here not in WITH_CAPTUM)

    assert broken(forbidden) == []


UNIX = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}


def test_every_file_can_be_imported_on_windows() -> None:
    at_the_top = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in FILES
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if (isinstance(node, ast.Import) and UNIX & {alias.name for alias in node.names})
        or (isinstance(node, ast.ImportFrom) and node.module in UNIX)
    ]
    assert at_the_top == []


def fresh(code: str) -> str:
    """What a new process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_edge2torch_is_light() -> None:
    code = (
        "import sys; before = set(sys.modules); import edge2torch; dir(edge2torch)\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - sys.stdlib_module_names))"
    )
    assert fresh(code) == "['edge2torch']"


def test_what_reads_a_prior_needs_no_torch() -> None:
    code = "import sys, edge2torch as e2t; e2t.read_gmt; e2t.priors; print('torch' in sys.modules)"
    assert fresh(code) == "False"


def test_rooms_can_be_asked_for_without_an_import_of_their_own() -> None:
    for name in {room(file) for file in FILES} - {"__init__", "__main__", OPEN_TO_ALL}:
        assert edge2torch.__getattr__(name) is sys.modules[f"edge2torch.{name}"]


def test_type_checkers_see_the_names_that_there_are() -> None:
    seen = {
        name.asname: node.module
        for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("edge2torch.")
        for name in node.names
    }
    assert seen == {name: f"edge2torch.{home}" for name, home in edge2torch._HOME.items()}
    assert set(seen) == set(edge2torch.__all__) <= set(dir(edge2torch))


def test_a_wrong_name_of_the_root_is_told() -> None:
    with pytest.raises(AttributeError, match="'edge2torch' has no attribute 'no_such_name'"):
        edge2torch.no_such_name  # noqa: B018


@pytest.mark.parametrize(
    "name", sorted({room(file) for file in FILES if file.parent != PACKAGE}), ids=str
)
def test_every_room_has_its_tests(name: str) -> None:
    assert list((ROOT / "tests" / name).glob("test_*.py"))
