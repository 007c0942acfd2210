"""What the two commands do, once their options are read."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from edge2torch._core.console import Console
from edge2torch._core.files import lock_folder
from edge2torch._core.messages import listing, plural
from edge2torch.cli._demo import (
    Pathways,
    choose_pathways,
    demo_files,
    direct_edges,
    pathway_edges,
    read_sets,
)
from edge2torch.cli._files import output_folder
from edge2torch.errors import Edge2TorchError
from edge2torch.study import (
    Kind,
    Normalize,
    Results,
    Settings,
    Story,
    Study,
    Words,
    check_study,
    choose_task,
    fit_network,
    from_anndata,
    identity_of,
    open_progress,
    read_dataset,
    read_edge_file,
    read_h5ad,
    run_study,
    score_summary,
    show,
    top_nodes,
    trust_sentences,
    verdicts,
    why_not,
    with_names,
    write_results,
)

_SHOWN = 3
_MIN_CLASS = 5


def run_demo(
    out: Path,
    settings: Settings,
    *,
    min_genes: int,
    max_genes: int,
    resume: bool,
    command: str,
    console: Console,
) -> Results:
    """Blood cells, Reactome pathways, ten cell types."""
    cells, gmt = demo_files()
    folder = output_folder(out)
    words = Words("cell", "gene", "pathway", "cell type")
    dataset = from_anndata(
        read_h5ad(cells), "bulk_labels", (), name="10x Genomics PBMC 68k, reduced", layer="raw"
    )
    genes = dataset.table.columns
    sets = read_sets(gmt)
    task = choose_task(dataset.label, "auto", _MIN_CLASS)
    pathways = choose_pathways(sets, genes, min_genes, max_genes)
    edges = pathway_edges(pathways, task.classes)
    network = fit_network(edges, genes, task)
    both = pd.concat([edges, direct_edges(genes, task.classes)], ignore_index=True)
    wider = fit_network(both, genes, task)
    story = Story(
        title="Which pathways tell blood cell types apart?",
        data=f"{len(dataset.table):,} peripheral blood mononuclear cells with "
        f"{plural('gene', len(genes))} each (10x Genomics, log-normalised; from the scanpy "
        f"package), labelled with {len(task.classes)} cell types.",
        graph=_pathway_words(pathways, len(sets), len(genes), min_genes, max_genes),
        caveats=(
            (
                "The cell-type labels were given by comparing each cell with sorted reference "
                "populations. The T cell labels in particular overlap, so no model can be right for "
                "all cells."
            ),
            (
                f"Only {plural('gene', len(genes))} of about 20,000 are in this data set, chosen for "
                "their variation; most pathways are seen through a few of their genes, and none that "
                f"has fewer than {min_genes} of them can be found. The pathways are of an older "
                "Reactome release."
            ),
        ),
        command=command,
    )
    console.heading("Data and network")
    console.say(story.data)
    console.say(story.graph)
    study = Study(dataset, task, network, settings, words, wider)
    extra = {"pathways": pathways.table.set_index("pathway")}
    return _finish(study, story, folder, console, extra, resume=resume)


def _pathway_words(
    pathways: Pathways, n_sets: int, n_genes: int, min_genes: int, max_genes: int
) -> str:
    pairs = sum(len(genes) for genes in pathways.members.values())
    n_rest = n_genes - len(set().union(*pathways.members.values()))
    merged = int((pathways.table["also"] != "").sum())
    return (
        f"Gene → pathway → cell type: of {n_sets} Reactome pathways (from the scvega package) "
        f"{len(pathways.table)} have {min_genes} to {max_genes} measured genes"
        + (f" ({merged} of them stand for several with the same measured genes)" if merged else "")
        + f"; {pairs:,} annotations lead from genes to pathways, and every pathway to every cell "
        f"type. {n_rest:,} measured genes are in none of these pathways, so the network does not "
        "see them."
    )


@dataclass(frozen=True)
class RunOptions:
    """What ``edge2torch run`` was asked for."""

    edges: Path
    data: Path
    label: str
    out: Path
    task: Kind | Literal["auto"]
    outputs: tuple[str, ...]
    layer: str | None
    feature_names: str | None
    normalize: Normalize
    impute: bool
    missing: Literal["drop", "error"]
    names: Path | None
    min_class_size: int
    resume: bool
    metadata: tuple[str, ...]
    all_features: bool


def run_own(options: RunOptions, settings: Settings, *, command: str, console: Console) -> Results:
    """A user's own edges and data."""
    with console.warnings_as_notes():
        edges, named = read_edge_file(options.edges, "--edges"), ""
    if options.names is not None:
        edges, named = with_names(edges, options.names)
    wanted = _names(edges)
    dataset = read_dataset(
        options.data,
        options.label,
        wanted,
        layer=options.layer,
        names_column=options.feature_names,
        normalize=options.normalize,
        metadata=options.metadata,
        all_features=options.all_features,
    )
    if odd := [name for name in options.metadata if name not in dataset.set_aside]:
        raise Edge2TorchError(
            f"--metadata: {listing(odd)} are no columns of the data that could be left out: the label, "
            "nodes of the graph, names of samples, or not there."
        )
    task = choose_task(dataset.label, options.task, options.min_class_size)
    network = fit_network(
        edges, dataset.table.columns, task, missing=options.missing, outputs=options.outputs
    )
    folder = output_folder(options.out)
    words = Words()
    label = f"label {options.label!r}"
    if task.kind == "classification":
        label += f" with {len(task.classes)} classes ({listing(task.classes, 12)})"
    story = Story(
        title=f"What {options.label} rests on",
        data=f"{plural('sample', int(task.kept.sum()))} with "
        f"{plural('feature', len(dataset.table.columns))} from {options.data.name}; {label}.",
        graph=f"Edges from {options.edges.name} "
        f"({plural('edge', len(edges))}, {plural('node', len(wanted))}). {named}".strip(),
        caveats=(),
        command=command,
    )
    console.heading("Data and network")
    for line in (story.data, story.graph, *dataset.notes, *task.notes, *network.notes):
        console.say(line)
    if "sign" in edges and "constraint" not in edges:
        console.say(
            "The column 'sign' is not used: every weight is free to take either sign. A column "
            "'constraint' holds weights to theirs; edge2torch prior --hold-signs writes it."
        )
    console.say(
        "Features are centred and scaled by the training part's mean and standard deviation."
    )
    study = Study(dataset, task, network, settings, words)
    return _finish(study, story, folder, console, {}, resume=options.resume, impute=options.impute)


def _names(edges: pd.DataFrame) -> set[str]:
    """Names in an edge table that is yet to be checked."""
    columns = [column for column in ("source", "target") if column in edges]
    return {str(name).strip() for column in columns for name in edges[column].dropna()}


def _finish(
    study: Study,
    story: Story,
    folder: Path,
    console: Console,
    extra: dict[str, pd.DataFrame],
    *,
    resume: bool,
    impute: bool = False,
) -> Results:
    notes = check_study(study, impute=impute)
    for note in notes:
        console.say(note)
    typed = [part for part in shlex.split(story.command) if part != "--resume"]
    story = replace(story, command=shlex.join(typed))
    console.heading(f"Training ({plural('seed', study.settings.seeds)})")
    console.say(_plan(study))
    dataset = study.dataset
    tables = {
        "data": dataset.table,
        "labels": dataset.label.to_frame(),
        "edges": study.network.edges,
    }
    with lock_folder(folder):
        progress = open_progress(folder, identity_of(study.settings, tables), resume=resume)
        results = run_study(study, console, notes, progress)
        _tell(results, console)
        files = write_results(results, story, folder, extra)
        progress.end()
    console.heading("Written")
    console.say(", ".join(path.name for path in files[:-1]))
    console.say(f"Open {files[-1]} in a browser.")
    return results


def _plan(study: Study) -> str:
    """How many networks there are to train, before any is."""
    settings, kinds = study.settings, 3 if study.wider else 2
    of_seeds = kinds * settings.seeds
    judging = 0 if why_not(study.network, settings) else settings.replicates + settings.controls
    said = (
        f"{of_seeds + judging} networks will be trained: "
        f"{plural('seed', settings.seeds)} × {kinds} (the given edges, shuffled ones"
        f"{', direct ones as well' if study.wider else ''}; each twice, first to find the number of "
        "epochs)"
    )
    if judging:
        said += (
            f", then {settings.replicates} replicates and {settings.controls} controls, which "
            "--replicates 0 leaves out"
        )
    return f"{said}."


def _tell(results: Results, console: Console) -> None:
    words, metric = results.study.words, results.metric
    several = results.study.settings.seeds > 1
    what = metric.upper() if metric == "r2" else metric
    console.heading(f"Held-out {what}" + (", mean ± sd" if several else ""))
    for row in score_summary(results).to_dict("records"):
        mean, sd = show(row[f"{metric}_mean"], metric), show(row[f"{metric}_sd"], metric)
        name = f"{row['model']} ({plural(words.feature, row['features'])})"
        console.say(
            f"{name:<48} {mean.removesuffix(' %'):>6} ± {sd}"
            if several
            else f"{name:<48} {mean:>8}"
        )
    console.say()
    for verdict in verdicts(results):
        console.say(f"- {verdict.text}")
    if results.trust is not None:
        console.heading("How far the ranking can be trusted")
        for sentence in trust_sentences(results)[:-2]:  # the last two are verdicts
            console.say(f"- {sentence}")
    table = top_nodes(results, _SHOWN)[: None if results.has_learned else 0]
    if len(table):
        console.heading(f"Top {plural(words.node)} (+ for, - against)")
    for group, part in table.groupby("class", sort=False):
        console.say(f"{group}")
        for row in part.to_dict("records"):
            sign = "+" if row["direction"] == "for" else "-"
            console.say(
                f"  {sign} {row['label']}  {row['attribution']:+.3f}"
                + (f" ± {row['sd']:.3f}" if several else "")
                + (f"  ({row['drivers']})" if row["drivers"] else "")
            )
