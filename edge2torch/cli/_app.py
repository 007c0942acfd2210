"""The command line: options in, one call, one line for each error."""

from __future__ import annotations

import importlib.metadata
import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from edge2torch.cli._annotate_structure import annotate_structure_command
from edge2torch.cli._draw import draw
from edge2torch.cli._explain_module import explain_module_command
from edge2torch.cli._info import info
from edge2torch.cli._interpret import interpret
from edge2torch.cli._modules_app import modules
from edge2torch.cli._prior import prior
from edge2torch.cli._wording import as_options, options_of
from edge2torch.study import StudySettings

_HELP = """A table of named edges in; a trained network and its explanation out.

Gene sets or a network become an edge table with `prior`, `run` trains and explains a network of it
and writes a report, `interpret` asks a trained one again, `draw` makes pictures. `demo` does it all
on real cells. Every command has --help, with an example.
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
)

Seed = Annotated[int, typer.Option(help="First seed; same seed, same results.")]
Seeds = Annotated[int, typer.Option(help="Repeats, each with its own split, start and shuffle.")]
Epochs = Annotated[int, typer.Option(help="Most passes over the training samples.")]
Patience = Annotated[int, typer.Option(help="Stop after so many epochs without improvement.")]
LearningRate = Annotated[float, typer.Option(help="Of Adam.")]
WeightDecay = Annotated[float, typer.Option(help="Decoupled weight decay.")]
BatchSize = Annotated[int, typer.Option(help="Samples per step; 0: by their number.")]
InputDropout = Annotated[float, typer.Option(help="Share of features hidden at each step.")]
NodeDropout = Annotated[float, typer.Option(help="Share of inner nodes hidden at each step.")]
NodeActivation = Annotated[str, typer.Option(help="At inner nodes: tanh, relu, gelu, ...")]
ClassWeights = Annotated[bool, typer.Option("--class-weights", help="Weigh rare classes up.")]
TestFraction = Annotated[float, typer.Option(help="Share of samples held out for testing.")]
Replicates = Annotated[
    int, typer.Option(help="Networks trained anew to judge node scores; 0: none.")
]
Controls = Annotated[int, typer.Option(help="The same on control inputs; 0: none.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where a run into this folder was stopped.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]

_DEFAULT = StudySettings  # its attributes are the defaults
_MIN_CLASS = 5  # the demo's smallest cell types have as many cells


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


def _example(line: str) -> str:
    return f"Example: `edge2torch {line}`"


@app.command(rich_help_panel=_START, epilog=_example("demo --out demo_output"))
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("demo_output"),
    min_genes: Annotated[int, typer.Option(help="Fewest measured genes of a pathway.")] = 3,
    max_genes: Annotated[int, typer.Option(help="Most measured genes of a pathway.")] = 60,
    seeds: Seeds = 5,
    seed: Seed = _DEFAULT.seed,
    epochs: Epochs = _DEFAULT.max_epochs,
    replicates: Replicates = _DEFAULT.replicates,
    controls: Controls = _DEFAULT.controls,
    resume: Resume = False,
    quiet: Quiet = False,
) -> None:
    """Train and explain a pathway network on 700 real blood cells; write a report."""
    from edge2torch.cli._commands import run_demo

    settings = StudySettings(
        seed=seed,
        seeds=seeds,
        max_epochs=epochs,
        replicates=replicates,
        controls=controls,
        layer="raw",
        min_class_size=_MIN_CLASS,
        direct_edges=True,
    )
    run_demo(
        out,
        settings,
        min_genes=min_genes,
        max_genes=max_genes,
        resume=resume,
        command=_command(),
        progress=_say,
        quiet=quiet,
    )


@app.command(
    rich_help_panel=_NETWORK,
    epilog=_example("run --edges edges.csv --data cells.h5ad --label cell_type --out results"),
)
def run(
    edges: Annotated[
        Path, typer.Option(help="CSV, TSV or Parquet with columns source and target.")
    ],
    data: Annotated[Path, typer.Option(help="h5ad, or CSV, TSV or Parquet with a row per sample.")],
    label: Annotated[str, typer.Option(help="Column to predict (of obs, for h5ad).")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    groups: Annotated[
        str | None, typer.Option(help="Column, as donor: its samples stay on one side of a split.")
    ] = None,
    test_data: Annotated[
        Path | None,
        typer.Option(help="Another cohort to test on; all of the data is trained with."),
    ] = None,
    task: Annotated[
        Literal["auto", "classification", "regression"],
        typer.Option(help="auto: by the label's type."),
    ] = "auto",
    outputs: Annotated[
        str, typer.Option(help="Nodes to read, separated by commas; default: the graph's ends.")
    ] = "",
    layer: Annotated[
        str | None, typer.Option(help="Layer of the h5ad file, or raw; default X.")
    ] = None,
    feature_names: Annotated[
        str | None, typer.Option(help="Column of var (h5ad) that holds the nodes' names.")
    ] = None,
    normalize: Annotated[
        Literal["none", "log1p", "counts"],
        typer.Option(help="counts: scale samples to one depth, then log; log1p: log only."),
    ] = "none",
    metadata: Annotated[
        str, typer.Option(help="Columns that are no features, separated by commas.")
    ] = "",
    all_features: Annotated[
        bool, typer.Option("--all-features", help="Take every column of numbers for a feature.")
    ] = False,
    impute: Annotated[
        bool, typer.Option("--impute", help="Fill missing values with training medians.")
    ] = False,
    missing: Annotated[
        Literal["drop", "error"],
        typer.Option(help="What to do with inputs of the graph that the data lack."),
    ] = "drop",
    names: Annotated[
        Path | None, typer.Option(help="Table of node and name, to be shown in the report.")
    ] = None,
    min_class_size: Annotated[int, typer.Option(help="Leave smaller classes out.")] = 8,
    seeds: Seeds = _DEFAULT.seeds,
    seed: Seed = _DEFAULT.seed,
    test_fraction: TestFraction = _DEFAULT.test_fraction,
    epochs: Epochs = _DEFAULT.max_epochs,
    patience: Patience = _DEFAULT.patience,
    learning_rate: LearningRate = _DEFAULT.learning_rate,
    weight_decay: WeightDecay = _DEFAULT.weight_decay,
    batch_size: BatchSize = _DEFAULT.batch_size,
    input_dropout: InputDropout = _DEFAULT.input_dropout,
    node_dropout: NodeDropout = _DEFAULT.node_dropout,
    node_activation: NodeActivation = _DEFAULT.node_activation,
    class_weights: ClassWeights = False,
    replicates: Replicates = _DEFAULT.replicates,
    controls: Controls = _DEFAULT.controls,
    resume: Resume = False,
    quiet: Quiet = False,
) -> None:
    """Train and explain a network of your own edges on your own data; write a report."""
    from edge2torch.study import ReportText, run_study

    settings = StudySettings(
        seed=seed,
        seeds=seeds,
        test_fraction=test_fraction,
        max_epochs=epochs,
        patience=patience,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        batch_size=batch_size,
        input_dropout=input_dropout,
        node_dropout=node_dropout,
        node_activation=node_activation,
        class_weights=class_weights,
        replicates=replicates,
        controls=controls,
        task=task,
        outputs=_parts(outputs),
        layer=layer,
        feature_names=feature_names,
        normalize=normalize,
        metadata=_parts(metadata),
        all_features=all_features,
        impute=impute,
        missing=missing,
        min_class_size=min_class_size,
    )
    run_study(
        edges,
        data,
        label,
        groups=groups,
        test_data=test_data,
        names=names,
        settings=settings,
        text=ReportText(command=_command()),
        folder=out,
        resume=resume,
        progress=_say,
        quiet=quiet,
    )


def _parts(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


app.command(
    rich_help_panel=_NETWORK,
    epilog=_example("prior sets.gmt --features cells.h5ad --outputs B,T --connect --out edges.csv"),
)(prior)
app.command(
    rich_help_panel=_NETWORK,
    epilog=_example("interpret results --data new.h5ad --label cell_type --out scores"),
)(interpret)
app.command(
    rich_help_panel=_NETWORK,
    epilog=_example("draw results --scores scores/nodes.csv --where output=B --out network.svg"),
)(draw)
app.command(rich_help_panel=_START, epilog=_example("info"))(info)
app.add_typer(
    modules,
    name="modules",
    rich_help_panel=_MODULES,
    epilog=_example("modules fit --data counts.csv --backend latent --out modules"),
)
app.command(
    "explain-module",
    rich_help_panel=_MODULES,
    epilog=_example("explain-module --artifact-dir modules --data counts.csv --output-dir why"),
)(explain_module_command)
app.command(
    "annotate-structure",
    rich_help_panel=_MODULES,
    epilog=_example("annotate-structure --gtf genes.gtf --artifact-dir modules --out pairs.csv"),
)(annotate_structure_command)


def _command() -> str:
    """What the user typed, to be repeated; to go on is no part of it."""
    typed = [part for part in sys.argv[1:] if part != "--resume"]
    return shlex.join(["edge2torch", *typed])


def _say(line: str) -> None:
    """Print a line of the library as one of the command line."""
    options = options_of(typer.main.get_command(app), ["run"])
    print(as_options(line, options), flush=True)
