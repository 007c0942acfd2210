"""The command line: options in, one call, one line for each error."""

from __future__ import annotations

import importlib.metadata
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edge2torch._core.console import Console
from edge2torch._core.messages import wording
from edge2torch.cli._annotate_structure import annotate_structure_command
from edge2torch.cli._draw import draw
from edge2torch.cli._explain_module import explain_module_command
from edge2torch.cli._export import export
from edge2torch.cli._info import info
from edge2torch.cli._interpret import interpret
from edge2torch.cli._modules import modules
from edge2torch.cli._options import DATA, FEATURE_NAMES, LAYER, OUTPUTS, Group, command
from edge2torch.cli._prior import prior
from edge2torch.cli._treatments import Treatments
from edge2torch.errors import Edge2TorchError
from edge2torch.study import StudySettings

_HELP = """A table of named edges in; a trained network and its explanation out.

Gene sets or a network become an edge table with `prior`, `run` trains and explains a network of it
and writes a report, `interpret` asks a trained one again, `draw` makes pictures, `export`
writes networks for Cytoscape and others. `demo` does it all on real cells. Every command has --help,
with an example.
"""
_END = """Exit code 0: done; 1: something in your files or options is wrong, and one line on stderr
says what; 2: there is no such option; 130: interrupted."""
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

# What both commands that train take; its types and defaults are those of the settings.
_TRAINING = {
    "seeds": "Repeats, each with its own split, start and shuffle.",
    "seed": "First seed; same seed and versions, same results.",
    "max_epochs": "Most passes over the training samples.",
    "replicates": "Networks per fold to judge the nodes; 0: none.",
    "controls": "Times that features are exchanged for it; 0: none judged.",
}
_ALL = {
    "task": "auto: by the label's type.",
    "outputs": OUTPUTS,
    "layer": LAYER,
    "feature_names": FEATURE_NAMES,
    "normalize": "counts: scale samples to one depth, then log; log1p: log only.",
    "metadata": "Columns that are no features, separated by commas.",
    "all_features": "Take every column of numbers for a feature.",
    "impute": "Fill missing values with training medians.",
    "missing": "What to do with inputs of the graph that the data lack.",
    "min_class_size": "Leave smaller classes out.",
    **_TRAINING,
    "test_folds": "Hold out another of so many parts, or part of a column, per seed; 0: draw.",
    "test_fraction": "Share of samples held out for testing.",
    "patience": "Stop after so many epochs without improvement.",
    "learning_rate": "Of Adam.",
    "weight_decay": "Decoupled weight decay.",
    "batch_size": "Samples per step; 0: by their number.",
    "input_dropout": "Share of features hidden; .5, of survival .8.",
    "node_dropout": "Share of inner nodes hidden at each step.",
    "node_activation": "At inner nodes: tanh, relu, gelu, ...",
    "class_weights": "Weigh rare classes up.",
    "units": "Units of every inner node.",
    "node_heads": "Let every inner node predict, too, in training.",
    "head_weight": "Weight of the nodes' own predictions.",
}
_OF_TREATMENTS = {
    "design": "What was given: rows of conditions and treatments, or a column each.",
    "readouts": "What was read: a row per condition.",
    "midas": "Both, in a MIDAS file.",
    "leave": "What is held out.",
    "rewired": "Rewired graphs to train on; 20 for a sentence on the wiring.",
    "prior_mean": "graph_kernel: learn what the kernel leaves.",
    "inner_folds": "Parts of the training that choose how much of a network to take.",
    "executor": "Worker processes that train.",
}
_OF_UNITS = ("units", "node_heads", "head_weight")
# Of comparing priors: all but what explains one network.
_COMPARED = {
    name: text
    for name, text in _ALL.items()
    if name not in {"seeds", "replicates", "controls", "test_fraction", "impute", *_OF_UNITS}
}
# The demo's smallest cell types have five cells.
_OF_DEMO = {"seeds": 5, "layer": "raw", "min_class_size": 5, "direct_edges": True}
_RESUME = "Go on where a run into this folder was stopped."


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


@command(app, "demo", "demo --out demo_output", panel=_START)
def demo(
    *,
    out: Annotated[Path, "Folder for the results."] = Path("demo_output"),
    min_genes: Annotated[int, "Fewest measured genes of a pathway."] = 3,
    max_genes: Annotated[int, "Most measured genes of a pathway."] = 60,
    survival: Annotated[
        bool, "Times to an event of simulated patients instead; needs no data."
    ] = False,
    settings: Annotated[StudySettings, _TRAINING, _OF_DEMO],
    resume: Annotated[bool, _RESUME] = False,
    console: Console,
) -> None:
    """Train and explain a pathway network on 700 real blood cells; write a report."""
    if survival:
        from edge2torch.cli._demo_survival import run_survival_demo

        if (min_genes, max_genes) != (3, 60):
            raise Edge2TorchError(
                "min_genes= and max_genes= are of the blood cells, not of survival=."
            )
        run_survival_demo(
            out, settings, resume=resume, command=_command(), progress=_say, quiet=console.quiet
        )
        return
    from edge2torch.cli._commands import run_demo

    run_demo(
        out,
        settings,
        min_genes=min_genes,
        max_genes=max_genes,
        resume=resume,
        command=_command(),
        progress=_say,
        quiet=console.quiet,
    )


@command(
    app,
    "run",
    "run --edges edges.csv --data cells.h5ad --label cell_type --out results",
    panel=_NETWORK,
)
def run(
    *,
    edges: Annotated[Path, "CSV, TSV or Parquet with columns source and target."],
    data: Annotated[Path | None, DATA] = None,
    label: Annotated[str | None, "Column to predict (of obs, for h5ad)."] = None,
    out: Annotated[Path, "Folder for the results."],
    treatments: Annotated[Treatments, _OF_TREATMENTS],
    time: Annotated[str | None, "Column of the time, for --task survival."] = None,
    event: Annotated[str | None, "Column that says whether the event was seen (1)."] = None,
    event_value: Annotated[str | None, "Value of --event that is the event."] = None,
    entry: Annotated[str | None, "Column of the time of coming under observation."] = None,
    strata: Annotated[str | None, "Column whose values have a baseline hazard each."] = None,
    horizon: Annotated[float | None, "Time up to which survival is predicted and judged."] = None,
    ties: Annotated[Literal["efron", "breslow"], "How events at one time are counted."] = "efron",
    survival: Annotated[
        Literal["cox", "discrete"], "One log hazard, or hazards by interval, not proportional."
    ] = "cox",
    bins: Annotated[int, "Intervals of --survival discrete."] = 10,
    permutations: Annotated[
        int, "Repeat all with survival times exchanged, so often, for p-values; 999 is usual."
    ] = 0,
    force_few_events: Annotated[bool, "Go on with fewer than 20 events."] = False,
    groups: Annotated[
        str | None, "Column, as donor: its samples stay on one side of a split."
    ] = None,
    covariates: Annotated[
        tuple[str, ...],
        typer.Option(
            "--covariates",
            "--clinical",
            help="Columns beside the network, as age,sex,batch; not attributed.",
        ),
    ] = (),
    test_data: Annotated[
        Path | None, "Another cohort to test on; all of the data is trained with."
    ] = None,
    names: Annotated[Path | None, "Table of node and name, to be shown in the report."] = None,
    pairs: Annotated[Path | None, "Table of pairs, as of cell, drug and response."] = None,
    other: Annotated[Path | None, "Table of the second partners' features, with --pairs."] = None,
    entities: Annotated[
        tuple[str, ...], "Columns of --pairs: who stands in --data and --other."
    ] = (
        "cell",
        "drug",
    ),
    hold_out: Annotated[
        Literal["cell", "drug", "both", "pair"], "What held-out pairs have that no other has."
    ] = "cell",
    settings: Annotated[StudySettings, _ALL],
    resume: Annotated[bool, _RESUME] = False,
    console: Console,
) -> None:
    """Train and explain a network of your own edges on your own data; write a report."""
    if settings.task == "perturbation":
        from edge2torch.cli._perturbation import run_perturbation

        of_samples = {
            "data": data,
            "label": label,
            "groups": groups,
            "covariates": covariates,
            "test_data": test_data,
            "names": names,
            "resume": resume,
            "time": time,
            "event": event,
            "pairs": pairs,
            "other": other,
        }
        run_perturbation(edges, out, treatments, settings, console, of_samples)
        return
    treatments.refuse(settings.task)
    if data is None:
        raise Edge2TorchError("data= is missing: the table of samples.")
    if pairs is not None or other is not None:
        _of_pairs(
            {"edges": edges, "data": data, "table": pairs, "other": other, "label": label},
            {
                "groups": groups,
                "covariates": covariates,
                "test_data": test_data,
                "names": names,
                "time": time,
                "event": event,
                "resume": resume,
            },
            entities=entities,
            hold_out=hold_out,
            settings=settings,
            out=out,
            console=console,
        )
        return
    from edge2torch.study import ReportText, run_study

    run_study(
        edges,
        data,
        _label(
            label,
            settings.task,
            time=time,
            event=event,
            event_value=event_value,
            entry=entry,
            strata=strata,
            horizon=horizon,
            ties=ties,
            survival=survival,
            bins=bins,
            permutations=permutations,
            force_few_events=force_few_events,
        ),
        groups=groups,
        covariates=covariates,
        test_data=test_data,
        names=names,
        settings=settings,
        text=ReportText(command=_command()),
        folder=out,
        resume=resume,
        progress=_say,
        quiet=console.quiet,
    )


def _of_pairs(files: dict[str, Any], without: dict[str, Any], **how: Any) -> None:
    """Train on pairs; what they do not take is refused."""
    from edge2torch.study import run_pairs

    words = {"table": "pairs=", "other": "other=", "label": "label="}
    if lacking := [word for name, word in words.items() if files[name] is None]:
        raise Edge2TorchError(
            f"pairs= and other= go together, with label=: {', '.join(lacking)} is missing."
        )
    if given := [name for name, value in without.items() if value]:
        raise Edge2TorchError(f"{given[0]}= is not for runs over pairs=.")
    run_pairs(**files, **how)


def _label(label: str | None, task: str, **until: Any) -> Any:
    """Return the column to predict, or time and event."""
    usual = {"ties": "efron", "survival": "cox", "bins": 10, "permutations": 0}
    usual["force_few_events"] = False
    given = [name for name, value in until.items() if value != usual.get(name)]
    if task == "survival":
        if label is not None:
            raise Edge2TorchError("label is not for task='survival': it takes time= and event=.")
        if lacking := [name for name in ("time", "event") if until[name] is None]:
            raise Edge2TorchError(
                f"task='survival' needs {' and '.join(f'{x}=' for x in lacking)}."
            )
        from edge2torch.survival import TimeToEvent

        return TimeToEvent(**until)
    if given:
        raise Edge2TorchError(f"{given[0]}= is for task='survival' only, found task={task!r}.")
    if label is None:
        raise Edge2TorchError("label= is missing: the column to predict.")
    return label


@command(
    app,
    "compare-priors",
    "compare-priors reactome.csv hallmark.csv --data cells.h5ad --label cell_type --out which",
    panel=_NETWORK,
)
def compare_priors(
    *,
    edges: Annotated[list[Path], typer.Argument(help="Edge tables, one or more.")],
    data: Annotated[Path, DATA],
    label: Annotated[str, "Column to predict (of obs, for h5ad)."],
    out: Annotated[Path, "Folder for table.csv and tests.csv."],
    groups: Annotated[str | None, "Column, as donor: its samples are held out together."] = None,
    draws: Annotated[int, "Graphs of each control and prior."] = 5,
    starts: Annotated[int, "Networks of each prior."] = 3,
    folds: Annotated[int, "Parts of the samples, each held out once."] = 5,
    settings: Annotated[StudySettings, _COMPARED],
    console: Console,
) -> None:
    """Which prior helps, or would any graph of its shape do? Several, beside controls."""
    from edge2torch.cli._compare_priors import compare_files

    compare_files(edges, data, label, out, groups, draws, starts, folds, settings, console)


command(
    app,
    "prior",
    "prior sets.gmt --features cells.h5ad --outputs B,T --connect --out edges.csv",
    panel=_NETWORK,
)(prior)
command(
    app,
    "interpret",
    "interpret results --data new.h5ad --label cell_type --out scores",
    panel=_NETWORK,
)(interpret)
command(
    app,
    "draw",
    "draw results --scores scores/nodes.csv --where output=B --out network.svg",
    panel=_NETWORK,
)(draw)
command(
    app,
    "export",
    "export results --to network.graphml",
    panel=_NETWORK,
)(export)
command(app, "info", "info", panel=_START)(info)
app.add_typer(
    modules,
    name="modules",
    rich_help_panel=_MODULES,
    epilog="Example: `edge2torch modules fit --data counts.csv --backend latent --out modules`",
)
command(
    app,
    "explain-module",
    "explain-module --artifact-dir modules --data counts.csv --output-dir why",
    panel=_MODULES,
)(explain_module_command)
command(
    app,
    "annotate-structure",
    "annotate-structure --gtf genes.gtf --artifact-dir modules --out pairs.csv",
    panel=_MODULES,
)(annotate_structure_command)


def _command() -> str:
    """What the user typed, to be repeated; to go on is no part of it."""
    typed = [part for part in sys.argv[1:] if part != "--resume"]
    return shlex.join(["edge2torch", *typed])


def _say(line: str) -> None:
    """Print a line of the library as one of the command line."""
    print(wording.get()(line), flush=True)
