"""The commands: what they are called, in which panel they stand, and an example of each."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from edge2torch._core.collector import imported_for_good
from edge2torch._core.console import Console
from edge2torch.cli._explain import annotate_structure_command, explain_module_command
from edge2torch.cli._info import info
from edge2torch.cli._modules import modules
from edge2torch.cli._options import Group, command
from edge2torch.cli._prior import prior
from edge2torch.cli._run import RESUME, TRAINING, compare_priors, run
from edge2torch.cli._saved import draw, export, interpret
from edge2torch.cli._wording import say, typed
from edge2torch.errors import Edge2TorchError
from edge2torch.study import StudySettings

_HELP = """A table of named edges in; a trained network and its explanation out.

Gene sets or a network become an edge table with `prior`, `run` trains and explains a network of it
and writes a report, `interpret` asks a trained one again, `draw` makes pictures, `export`
writes networks for Cytoscape and others. `demo` does it all on real cells. Every command has --help,
with an example.
"""
_END = """Exit code 0: done; 1: something in your files, or asked of them, is wrong, and one line on
stderr says what; 2: there is no such option, or choice of one; 130: interrupted."""
_START, _NETWORK, _MODULES = "Start here", "From edges to a report", "Modules of genes"

app = typer.Typer(
    name="edge2torch",
    help=_HELP,
    epilog=_END,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    cls=Group,
)

# The demo's smallest cell types have five cells.
_OF_DEMO = {"seeds": 5, "layer": "raw", "min_class_size": 5, "direct_edges": True}


def _version(wanted: bool) -> None:
    if wanted:
        print(f"edge2torch {importlib.metadata.version('edge2torch')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    _debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the code an error arose.")
    ] = False,
) -> None:
    pass


def demo(
    *,
    out: Annotated[Path, "Folder for the results."] = Path("demo_output"),
    min_genes: Annotated[int, "Fewest measured genes of a pathway."] = 3,
    max_genes: Annotated[int, "Most measured genes of a pathway."] = 60,
    survival: Annotated[bool, "Survival of simulated patients instead; needs no data."] = False,
    settings: Annotated[StudySettings, TRAINING, _OF_DEMO],
    resume: Annotated[bool, RESUME] = False,
    console: Console,
) -> None:
    """Train and explain a pathway network on 700 real blood cells; write a report."""
    told: dict[str, Any] = {"folder": out, "resume": resume, "progress": say}
    told["quiet"] = console.quiet
    if survival:
        from edge2torch.cli._demo_survival import run_survival_demo

        if (min_genes, max_genes) != (3, 60):
            raise Edge2TorchError(
                "min_genes= and max_genes= are of the blood cells, not of survival=."
            )
        run_survival_demo(settings, typed(), **told)
    else:
        with imported_for_good():
            from edge2torch.cli._demo import run_demo
        run_demo(settings, min_genes, max_genes, typed(), **told)


for _function, _name, _panel, _example in (
    (demo, "demo", _START, "--out demo_output"),
    (run, "run", _NETWORK, "--edges edges.csv --data cells.h5ad --label cell_type --out results"),
    (compare_priors, "compare-priors", _NETWORK,
     "reactome.csv hallmark.csv --data cells.h5ad --label cell_type --out which"),
    (prior, "prior", _NETWORK, "sets.gmt --features cells.h5ad --outputs B,T --connect --out edges.csv"),
    (interpret, "interpret", _NETWORK, "results --data new.h5ad --label cell_type --out scores"),
    (draw, "draw", _NETWORK,
     "results --scores scores/nodes.csv --where output=B --out network.svg"),
    (export, "export", _NETWORK, "results --to network.graphml"),
    (info, "info", _START, ""),
    (explain_module_command, "explain-module", _MODULES,
     "--artifact-dir modules --data counts.csv --output-dir why"),
    (annotate_structure_command, "annotate-structure", _MODULES,
     "--gtf genes.gtf --artifact-dir modules --out pairs.csv"),
):  # fmt: skip
    command(app, _name, f"{_name} {_example}".strip(), panel=_panel)(_function)
app.add_typer(
    modules,
    name="modules",
    rich_help_panel=_MODULES,
    epilog="Example: `edge2torch modules fit --data counts.csv --backend latent --out modules`",
)
