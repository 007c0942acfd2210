"""What only prints starts at once: neither help nor completion waits for torch."""

from __future__ import annotations

import runpy
import subprocess
import sys

import pytest

from tests.pages import ROOT

HEAVY = (
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "anndata",
    "captum",
    "sklearn",
    "matplotlib",
    "networkx",
)
PROLOGUE = f"""
import contextlib, io, os, sys
import typer
from edge2torch.cli import main
from edge2torch.cli._app import app

def said(*arguments):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        try:
            main(arguments)
        except SystemExit:
            return out.getvalue()

def light(asked, text, words):
    assert words in text, (asked, text)
    assert not (here := [name for name in {HEAVY!r} if name in sys.modules]), (asked, here)
"""
HELP = """
def commands(group, *path):
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, *path, name)

found = list(commands(typer.main.get_command(app)))
assert ("run",) in found and ("modules", "fit") in found
for path in found:
    light(path, said(*path, "--help"), "Usage: " + " ".join(["edge2torch", *path]))
light("version", said("--version"), "edge2torch ")
light("wrong", said("run", "--nope"), "No such option")
light("absent", said("prior", "sets.gmt"), "Missing option")
"""
COMPLETION = """
asked = {
    "edge2torch in": "interpret",
    "edge2torch run --lab": "--label",
    "edge2torch run --task c": "classification",
    "edge2torch modules b": "benchmark",
    "edge2torch prior --format g": "graphml",
}
os.environ["_EDGE2TORCH_COMPLETE"] = "complete_bash"
sys.argv = ["edge2torch"]
for typed, offered in asked.items():
    os.environ |= {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    light(typed, said(), offered)
"""


@pytest.mark.parametrize("code", [HELP, COMPLETION], ids=["help", "completion"])
def test_printing_needs_no_heavy_library(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + code],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_python_m_is_the_command_line() -> None:
    command = [sys.executable, "-m", "edge2torch"]
    done = subprocess.run(
        [*command, "--help"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "Usage: edge2torch [OPTIONS] COMMAND" in done.stdout
    done = subprocess.run([*command, "rn"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "No such command 'rn'" in done.stderr


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit) as end:
        runpy.run_module("edge2torch", run_name="__main__")
    assert end.value.code == 1
    assert capsys.readouterr().err == (
        'error: typer is not installed. Install it with: pip install "edge2torch[cli]"\n'
    )
