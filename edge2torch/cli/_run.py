"""``run`` and ``compare-priors``: edges and data in, trained and judged networks out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edge2torch._core.collector import imported_for_good
from edge2torch._core.console import Console
from edge2torch._core.messages import listing, plural
from edge2torch.cli._options import DATA, FEATURE_NAMES, LAYER, OUTPUTS, File, Text, changed, refuse
from edge2torch.cli._wording import say, typed
from edge2torch.errors import Edge2TorchError
from edge2torch.study import StudySettings

RESUME = "Go on where a run into this folder was stopped."
# What all commands that train take; types, defaults and help are those of the settings.
_DATA, _EVIDENCE = "Data", "Held-out samples and evidence"
TRAINING = {"Training": ("seed", "seeds", "max_epochs")}
TRAINING[_EVIDENCE] = ("test_folds", "replicates", "controls")
_ALL = {
    "Options": ("task",),
    _DATA: ("layer", "feature_names", "normalize", "metadata", "all_features", "impute", "min_class_size"),
    "Graph": ("outputs", "missing"),
    "Network": ("node_activation", "units", "node_heads", "head_weight"),
    "Training": (
        "seed", "max_epochs", "patience", "learning_rate", "weight_decay", "batch_size",
        "input_dropout", "node_dropout", "class_weights",
    ),
    _EVIDENCE: ("seeds", "test_folds", "test_fraction", "replicates", "controls"),
}  # fmt: skip
# Comparing priors explains no network, and has folds of its own.
_OF_ONE_NETWORK = {"seeds", "replicates", "controls", "test_fraction", "test_folds"}
_OF_ONE_NETWORK |= {"units", "node_heads", "head_weight"}
_COMPARED = {
    panel: tuple(name for name in names if name not in _OF_ONE_NETWORK)
    for panel, names in _ALL.items()
}
# Of these the command line has more to say, or less.
_WORDS = {
    "outputs": OUTPUTS,
    "layer": LAYER,
    "feature_names": FEATURE_NAMES,
    "metadata": "Columns that are no features, separated by commas.",
}
_OF_COMPARING = {  # which knows neither pairs nor survival
    "task": Annotated[
        Literal["auto", "classification", "regression"],
        "What the label asks for; auto: by its type.",
    ],
    "learning_rate": "Of Adam; .002.",
    "input_dropout": "Share of features hidden; .5.",
    "node_dropout": "Share of inner nodes hidden at each step; .2.",
}
_OF_TREATMENTS = {"task", "seed", "replicates", "max_epochs"}  # settings that these take

Held = Literal["condition", "treatment", "target", "combination", "dose", "time", "context"]


@dataclass(frozen=True)
class Treatments:
    """Options of ``--task perturbation``: what was given and read, and what is held out."""

    design: Annotated[File, "What was given: rows of treatments, or a column each."] = None
    readouts: Annotated[File, "What was read: a row per condition."] = None
    midas: Annotated[File, "Both, in a MIDAS file."] = None
    leave: Annotated[Held, "What is held out."] = "condition"
    rewired: Annotated[int, "Rewired graphs to train on; 20 for a sentence on the wiring."] = 0
    prior_mean: Annotated[
        Literal["none", "graph_kernel"], "graph_kernel: learn what the kernel leaves."
    ] = "none"
    inner_folds: Annotated[int, "Parts of training that choose how much of a network to take."] = 0
    executor: Annotated[int | None, "Worker processes that train."] = None


@dataclass(frozen=True)
class Survival:
    """Options of ``--task survival``: arguments of :class:`~edge2torch.survival.TimeToEvent`."""

    time: Annotated[Text, "Column of the time, for --task survival."] = None
    event: Annotated[Text, "Column that says whether the event was seen (1)."] = None
    event_value: Annotated[Text, "Value of --event that is the event."] = None
    entry: Annotated[Text, "Column of the time of coming under observation."] = None
    strata: Annotated[Text, "Column whose values have a baseline hazard each."] = None
    horizon: Annotated[float | None, "Time up to which survival is predicted and judged."] = None
    ties: Annotated[Literal["efron", "breslow"], "How events at one time are counted."] = "efron"
    survival: Annotated[
        Literal["cox", "discrete"], "One log hazard, or hazards by interval, not proportional."
    ] = "cox"
    bins: Annotated[int, "Intervals of --survival discrete."] = 10
    permutations: Annotated[int, "Repeats with times exchanged, for p-values; 999 is usual."] = 0
    force_few_events: Annotated[bool, "Go on with fewer than 20 events."] = False


@dataclass(frozen=True)
class Samples:
    """Options that :func:`~edge2torch.study.run_study` takes as they are."""

    groups: Annotated[Text, "Column, as donor: its samples stay on one side of a split."] = None
    covariates: Annotated[
        tuple[str, ...],
        typer.Option(
            "--covariates",
            "--clinical",
            help="Columns beside the network, as age,sex,batch; not attributed.",
        ),
    ] = ()
    test_data: Annotated[File, "Another cohort to test on; all of the data is trained with."] = None
    names: Annotated[File, "Table of node and name, to be shown in the report.", "Graph"] = None


@dataclass(frozen=True)
class Partners:
    """Options of runs over pairs."""

    pairs: Annotated[File, "Table of pairs, as of cell, drug and response."] = None
    other: Annotated[File, "Table of the second partners' features, with --pairs."] = None
    entities: Annotated[
        tuple[str, ...], "Columns of --pairs: who stands in --data and --other."
    ] = ("cell", "drug")
    hold_out: Annotated[
        Literal["cell", "drug", "both", "pair"], "What held-out pairs have that no other has."
    ] = "cell"


def run(
    *,
    edges: Annotated[Path, "CSV, TSV or Parquet with columns source and target."],
    data: Annotated[File, DATA] = None,
    label: Annotated[Text, "Column to predict (of obs, for h5ad)."] = None,
    out: Annotated[Path, "Folder for the results."],
    samples: Annotated[Samples, _DATA],
    settings: Annotated[StudySettings, _ALL, {}, _WORDS],
    survival: Annotated[Survival, "Outcome: --task survival"],
    treatments: Annotated[Treatments, "Outcome: --task perturbation"],
    partners: Annotated[Partners, "Outcome of pairs, as of cells and drugs"],
    resume: Annotated[bool, RESUME + " Not with --pairs."] = False,
    console: Console,
) -> None:
    """Train and explain a network of your own edges on your own data; write a report."""
    task = settings.task
    of_task = f"task={task!r}"
    if task == "perturbation":
        others = [*changed(settings), *changed(samples), *changed(survival), *changed(partners)]
        others += [k for k, v in {"data": data, "label": label, "resume": resume}.items() if v]
        others = [name for name in others if name not in _OF_TREATMENTS]
        refuse(others, f"is not for {of_task}. Leave it out.")
        from edge2torch.study import run_perturbation

        run_perturbation(edges, **vars(treatments), settings=settings, out=out, console=console)
        return
    refuse(changed(treatments), f"is for task='perturbation' only, found {of_task}.")
    if data is None:
        raise Edge2TorchError("data= is missing: the table of samples.")
    if partners.pairs is not None or partners.other is not None:
        words = {"pairs": partners.pairs, "other": partners.other, "label": label}
        if lacking := [f"{name}=" for name, value in words.items() if value is None]:
            raise Edge2TorchError(
                f"pairs= and other= go together, with label=: {', '.join(lacking)} is missing."
            )
        of_samples = [*changed(samples), *changed(survival), *(["resume"] if resume else [])]
        refuse(of_samples, "is not for runs over pairs=.")
        from edge2torch.study import run_pairs

        run_pairs(
            edges, data, partners.pairs, partners.other, label=label,  # type: ignore[arg-type]
            entities=partners.entities, hold_out=partners.hold_out, settings=settings, out=out,
            console=console,
        )  # fmt: skip
        return
    refuse(changed(partners), "is for runs over pairs= only.")
    asked: Any = label
    if task == "survival":
        asked = _time_to_event(label, survival)
    else:
        refuse(changed(survival), f"is for task='survival' only, found {of_task}.")
        if label is None:
            raise Edge2TorchError("label= is missing: the column to predict.")
    with imported_for_good():
        from edge2torch.study import ReportText, run_study
    run_study(
        edges, data, asked, **vars(samples), settings=settings, text=ReportText(command=typed()),
        folder=out, resume=resume, progress=say, quiet=console.quiet,
    )  # fmt: skip


def _time_to_event(label: str | None, asked: Survival) -> Any:
    if label is not None:
        raise Edge2TorchError("label is not for task='survival': it takes time= and event=.")
    if lacking := [f"{name}=" for name in ("time", "event") if getattr(asked, name) is None]:
        raise Edge2TorchError(f"task='survival' needs {' and '.join(lacking)}.")
    from edge2torch.survival import TimeToEvent

    return TimeToEvent(**vars(asked))


def compare_priors(
    *,
    edges: Annotated[list[Path], typer.Argument(help="Edge tables, one or more.")],
    data: Annotated[Path, DATA],
    label: Annotated[str, "Column to predict (of obs, for h5ad)."],
    out: Annotated[Path, "Folder for table.csv and tests.csv."],
    groups: Annotated[Text, "Column, as donor: its samples are held out together."] = None,
    draws: Annotated[int, "Graphs of each control and prior."] = 5,
    starts: Annotated[int, "Networks of each prior."] = 3,
    folds: Annotated[int, "Parts of the samples, each held out once."] = 5,
    settings: Annotated[StudySettings, _COMPARED, {}, _WORDS | _OF_COMPARING],
    console: Console,
) -> None:
    """Which prior helps, or would any graph of its shape do? Several, beside controls."""
    from edge2torch._core.files import folder_of_results
    from edge2torch._core.tables import write_table
    from edge2torch.study import compare_priors as compare
    from edge2torch.study import nodes_named, read_dataset, read_edge_file

    names = [path.name.partition(".")[0] for path in edges]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Edge2TorchError(
            f"several files are called {listing(twice)}: "
            f"{listing(str(path) for path, name in zip(edges, names, strict=True) if name in twice)}. "
            "Priors go by the names of their files: rename them."
        )
    with folder_of_results(out, "--out") as folder:
        tables = [read_edge_file(path, "EDGES") for path in edges]
        design = [] if groups is None else [("groups", groups)]
        dataset = read_dataset(data, label, nodes_named(*tables), design=design, **settings.reading)
        for note in dataset.notes:
            console.say(note)
        found = compare(
            dict(zip(names, tables, strict=True)),
            dataset.table,
            dataset.label,
            groups=None if groups is None else dataset.design.iloc[:, 0],
            draws=draws,
            starts=starts,
            folds=folds,
            settings=settings,
            quiet=console.quiet,
        )
        for line in (found.summary(), found.table.round(4).to_string(index=False)):
            console.say(line)
        for name, table in (("table", found.table), ("tests", found.tests)):
            path = write_table(folder / f"{name}.csv", table)
            console.say(f"Written: {path} ({plural('row', len(table))})")
