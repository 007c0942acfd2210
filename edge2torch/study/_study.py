"""Edges, data and a label in; a trained network, held against others and judged, out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_type
from edge2torch._core.console import Console
from edge2torch._core.covariates import covariate_names
from edge2torch._core.files import folder_of_results, lock_folder, path_of
from edge2torch._core.messages import listing, plural
from edge2torch.errors import Edge2TorchError
from edge2torch.priors import Prior, add_names
from edge2torch.study._cohort import group_names, with_cohort
from edge2torch.study._covariates import bare_name, covariates_of, telling, twins_of
from edge2torch.study._data import Dataset, read_dataset
from edge2torch.study._edges import edges_of, nodes_named, with_names
from edge2torch.study._features import repeats_words
from edge2torch.study._groups_like import group_warnings
from edge2torch.study._heads import head_note
from edge2torch.study._lines import plan_words, say_results
from edge2torch.study._network import Network, fit_network
from edge2torch.study._outcomes._outcome import Task
from edge2torch.study._permutations import with_what_can_be_exchanged
from edge2torch.study._pipeline import Study, check_study, train_and_judge
from edge2torch.study._progress import Progress, identity_of, open_progress
from edge2torch.study._report_words import ReportText
from edge2torch.study._result import StudyResult, write_study
from edge2torch.study._settings import StudySettings, settings_of
from edge2torch.study._task import as_asked, choose_task
from edge2torch.study._test_parts import with_parts

_SIGNS_UNUSED = (
    "The column 'sign' is not used: every weight is free to take either sign. A column 'constraint' "
    "holds weights to theirs; edge2torch prior --hold-signs writes it."
)
_SCALED = "Features are centred and scaled by the training part's mean and standard deviation."


def run_study(
    edges: Any,
    data: Any,
    label: Any,
    *,
    groups: str | pd.Series | None = None,
    covariates: Sequence[str] | pd.DataFrame = (),
    test_data: Any = None,
    names: Any = None,
    settings: StudySettings | None = None,
    text: ReportText | None = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Callable[[str], None] | None = None,
    quiet: bool = False,
    **options: Any,
) -> StudyResult:
    """Train a network of the edges, hold it against others, and say what it rests on.

    Over several seeds samples are held out, and a network of the edges is trained, the same network
    with its edges shuffled, and a linear model. Where the network predicts better than guessing,
    its nodes are scored, and judged by networks trained again on the data and on control inputs.
    ``edge2torch run`` on the command line calls this function.

    Parameters
    ----------
    edges : DataFrame, Prior or path
        Columns ``source`` and ``target``; what is not a table may have one as its ``edges``. The
        outputs of a prior are read, unless ``outputs`` names others.
    data : DataFrame, AnnData or path
        A row per sample. The columns of a table that are no features, such as ids, are set aside.
    label : str, Series or outcome
        Column to predict (of ``obs``, for an AnnData), values by sample, or an object for an outcome
        of more than one column, as :class:`edge2torch.survival.TimeToEvent`.
    groups : str or Series, optional
        Column (of ``obs``), or values by sample, of what samples share, such as their donor: all
        samples of one are on the same side of every split. Warns where no two share a group.
    covariates : sequence of str, or DataFrame
        Columns (of ``obs``), or a table by sample, of what is known beside the features, such as age,
        sex and batch. A linear function of them is added to the network's output and trained with
        it; attributions and node scores are of the rest. ``"batch:category"`` and ``"age:number"``
        say how whole numbers are meant.
    test_data : DataFrame, AnnData or path, optional
        Another cohort, with the same label and features. Then it is what the study is tested on,
        and all samples of ``data`` are trained with.
    names : Series, mapping or path, optional
        Name of each node, to be shown in the report.
    settings : StudySettings, optional
        How to read, split, train and explain.
    text : ReportText, optional
        What a report says of where the data come from.
    folder : path, optional
        Where tables, figures, report and the study itself are written.
    resume : bool
        Go on where the same study, into the same folder, was stopped; with the same bits.
    progress : callable, optional
        Takes each line that is said, in place of the screen.
    quiet : bool
        Say nothing.
    **options
        Single settings by name, as ``seeds=1``; see :class:`StudySettings`.

    Returns
    -------
    StudyResult

    Raises
    ------
    Edge2TorchError
        Where edges and data do not fit, or too few samples have a label.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from edge2torch.study import run_study
    >>> rng = np.random.default_rng(0)
    >>> cells = pd.DataFrame(rng.normal(size=(200, 4)), columns=["CD3", "CD4", "CD19", "CD20"])
    >>> kind = pd.Series(np.where(cells["CD3"] + cells["CD4"] > 0, "T", "B"), name="kind")
    >>> edges = pd.DataFrame({
    ...     "source": ["CD3", "CD4", "CD19", "CD20", "signal", "other"],
    ...     "target": ["signal", "signal", "other", "other", "answer", "answer"],
    ... })
    >>> study = run_study(
    ...     edges, cells, kind, seeds=1, max_epochs=40, input_dropout=0.1, replicates=0, quiet=True
    ... )
    >>> study.learned, study.nodes["node"].iloc[0]
    (True, 'signal')
    """
    settings = settings_of(settings, options)
    _check_types(
        ("groups", groups, (str, pd.Series), "a column, or a Series of values by sample"),
        ("text", text, ReportText, "a ReportText"),
        ("folder", folder, (str, os.PathLike), "a path"),
        ("progress", progress, Callable, "a function that takes each line"),
    )
    _check_label(label)
    if isinstance(edges, Prior) and edges.outputs and not settings.outputs:
        settings = replace(settings, outputs=edges.outputs)
    console = Console(quiet, progress)
    if resume and folder is None:
        raise Edge2TorchError("resume: give the folder of the study that was stopped.")
    with console.warnings_as_notes():
        table, origin = edges_of(edges)
    table, named = _named(table, names)
    design = _design_of(groups, covariates, settings.test_folds)
    if test_data is not None and settings.test_folds:
        raise Edge2TorchError("test_folds: the test part is test_data; leave one of the two out.")
    dataset = read_dataset(data, label, nodes_named(table), design=design, **settings.reading)
    repeats = repeats_words(dataset.table, dataset.given("groups"))
    dataset = replace(dataset, notes=(*dataset.notes, *repeats))
    if odd := [name for name in settings.metadata if name not in dataset.set_aside]:
        raise Edge2TorchError(
            f"metadata: not among the columns of the data that can be left out: {listing(odd)}. The "
            "label, nodes of the graph and names of samples stay."
        )
    asked = as_asked(label)
    task = choose_task(dataset.label, settings.task, settings.min_class_size, asked)
    predicted = {
        one for one in (asked.columns.values() if asked else [label]) if isinstance(one, str)
    }
    task = _with_covariates(task, dataset, covariates, nodes_named(table), predicted)
    network = _network_of(table, dataset, task, settings)
    place = None if folder is None else path_of(folder, "folder")
    text = _filled(text or ReportText(), dataset, task, table, f"{origin} {named}".strip())
    if not text.command:
        text = replace(text, command=_call(data, asked or task.label, settings))
    console.heading("Data and network")
    for line in (text.data, text.graph, *dataset.notes, *task.notes, *network.notes):
        console.say(line)
    if "sign" in table and "constraint" not in table:
        console.say(_SIGNS_UNUSED)
    console.say(_SCALED)
    wider = _with_direct_edges(table, dataset, network, task) if settings.direct_edges else None
    donors = None if groups is None else _donors(dataset, task)
    suspects = group_warnings(
        dataset.given("others")[task.kept],
        dataset.table.loc[task.kept, network.features],
        task,
        donors,
    )
    said = len(task.notes)
    task, settings, parts = with_parts(
        task, dataset, settings, donors, has_cohort=test_data is not None
    )
    _say(console, (*suspects, *task.notes[said:]))
    study = Study(
        dataset, task, network, settings, text.words, wider, donors, None, tuple(suspects), parts
    )
    if test_data is not None:
        cohort = read_dataset(
            test_data,
            label,
            nodes_named(table),
            argument="test_data",
            design=design,
            **settings.reading,
        )
        study = with_cohort(study, cohort)
        _say(console, study.task.notes[len(task.notes) :])
    return _carry_out(study, text, place, console, resume=resume)


def _say(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.say(line)


def _donors(dataset: Dataset, task: Task) -> NDArray[np.str_]:
    if task.options.get("permutations"):
        raise Edge2TorchError(
            "permutations= exchange outcomes of single samples, and with groups= those of a group belong "
            "together: leave one of the two out."
        )
    return group_names(dataset.given("groups").iloc[:, 0], task.kept)


def _check_label(label: Any) -> None:
    if label is None:
        raise Edge2TorchError(
            "label is missing: name the column of data to predict, or give a Series by sample, or an "
            "outcome such as TimeToEvent."
        )


def _check_types(*each: tuple[str, Any, Any, str]) -> None:
    """Check what may be left out."""
    for name, value, kinds, wanted in each:
        if value is not None:
            check_type(name, value, kinds, wanted)


def _carry_out(
    study: Study, text: ReportText, folder: Path | None, console: Console, *, resume: bool
) -> StudyResult:
    before = len(study.task.notes)
    study = replace(study, task=with_what_can_be_exchanged(study.task, study.held_out))
    notes = check_study(study, impute=study.settings.impute)
    for note in (*study.task.notes[before:], *notes):
        console.say(note)
    console.heading(f"Training ({plural('seed', study.settings.seeds)})")
    console.say(plan_words(study))
    if folder is None:
        results = train_and_judge(study, console, notes, Progress())
        say_results(results, console)
        return StudyResult(results, text)
    tables = {
        "data": study.dataset.table,
        "labels": pd.DataFrame(study.dataset.label),
        "edges": study.network.edges,
        # given only where there are any, so that what was begun without them can go on
        **({} if study.groups is None else {"groups": pd.DataFrame({"group": study.groups})}),
        **(
            {}
            if not (said := study.task.options)
            else {"label": pd.Series(said).map(repr).to_frame("said")}
        ),
        **({} if (beside := study.task.covariates) is None else {"covariates": beside}),
        **({} if study.parts is None else {"test_folds": pd.DataFrame({"part": study.parts})}),
        **({} if study.held_out is None else {"test_data": pd.DataFrame({"test": study.held_out})}),
    }
    with folder_of_results(folder, "folder"), lock_folder(folder):
        if resume and (folder / "summary.json").exists() and not (folder / ".progress").exists():
            console.say(
                "The folder holds a study that was finished, so there is nothing to go on with: all is "
                "trained anew, and the files are replaced."
            )
        progress = open_progress(folder, identity_of(study.settings, tables), resume=resume)
        results = train_and_judge(study, console, notes, progress)
        say_results(results, console)
        result = StudyResult(results, text)
        files = write_study(result, folder)
        progress.end()
    console.heading("Written")
    console.say(", ".join(path.name for path in files[:-1]))
    console.say(f"Open {files[-1]} in a browser, and network.cx2 in Cytoscape.")
    return result


def _design_of(groups: Any, covariates: Any, test_folds: Any) -> list[tuple[str, Any]]:
    """Columns beside label and features, each with the argument that it came by."""
    design: list[tuple[str, Any]] = [] if groups is None else [("groups", groups)]
    design += [("covariates", column) for column in _columns_of(covariates)]
    return design + ([("test_folds", test_folds)] if isinstance(test_folds, str) else [])


def _columns_of(covariates: Sequence[str] | pd.DataFrame) -> list[str | pd.Series]:
    """Where covariates come from; a table of their own has a row per sample."""
    if isinstance(covariates, pd.DataFrame):
        return [covariates[name].rename(str(name)) for name in covariates]
    check_type("covariates", covariates, (tuple, list), "a list of columns, or a table by sample")
    return [bare_name(name) for name in covariates]


def _with_covariates(
    task: Task,
    dataset: Dataset,
    given: Sequence[str] | pd.DataFrame,
    nodes: set[str],
    predicted: set[str],
) -> Task:
    """Put covariates beside the values of the task, and say how each is taken."""
    columns = [*given]
    if not columns:
        return task
    samples = dataset.given("covariates")[task.kept]
    if fed := sorted({*samples.columns} & nodes):
        raise Edge2TorchError(
            f"covariates: what is a node of the graph is attributed, and no covariate: {listing(fed)}. "
            "Leave it out of the covariates, or of the edges."
        )
    if asked := sorted({*samples.columns} & predicted):
        raise Edge2TorchError(
            f"covariates: what is to be predicted is none: {listing(asked)}. Leave it out of the covariates."
        )
    found = covariates_of(samples, [str(name) for name in columns])
    label = dataset.label[task.kept]
    if same := twins_of(samples, label):
        raise Edge2TorchError(
            f"covariates: the same as the label {task.label!r} under another name: {listing(same)}. "
            "Beside the answer a network has nothing to add. Leave it out of the covariates."
        )
    notes = [f"Covariates beside the network: {covariate_names(samples, [*found.columns])}."]
    if told := telling(samples, label):
        notes.append(
            f"WARNING: the label {task.label!r} follows without exception from a covariate: "
            f"{listing(told)}. What stands beside it can add nothing, and the two cannot be told apart."
        )
    return replace(task, covariates=found, notes=(*task.notes, *notes))


def _named(edges: pd.DataFrame, names: Any) -> tuple[pd.DataFrame, str]:
    if names is None:
        return edges, ""
    if isinstance(names, str | os.PathLike):
        return with_names(edges, Path(names))
    return add_names(edges, pd.Series(names, dtype=object)), ""


def _filled(
    text: ReportText, dataset: Dataset, task: Task, edges: pd.DataFrame, origin: str
) -> ReportText:
    """Write the sentences that nobody gave."""
    sizes = f"({plural('edge', len(edges))}, {plural('node', len(nodes_named(edges)))})."
    start, _, named = origin.partition(" Names of ")
    return replace(
        text,
        title=text.title or f"What {task.outcome.called(task)} rests on",
        data=text.data
        or f"{plural('sample', int(task.kept.sum()))} with "
        f"{plural('feature', len(dataset.table.columns))} from {dataset.name}; {task.outcome.described(task)}.",
        graph=text.graph or f"{start} {sizes}" + (f" Names of {named}" if named else ""),
    )


def _call(data: Any, label: Any, settings: StudySettings) -> str:
    """Return the call that gives the same study again."""
    usual = vars(StudySettings())
    given = [f"{name}={value!r}" for name, value in vars(settings).items() if value != usual[name]]
    where = repr(str(data)) if isinstance(data, str | os.PathLike) else "data"
    return f"edge2torch.run_study(edges, {', '.join([where, f'label={label!r}', *given])})"


def _network_of(
    table: pd.DataFrame, dataset: Dataset, task: Task, settings: StudySettings
) -> Network:
    """Return the network that fits data and task, with what is to be said of it."""
    network = fit_network(
        table,
        dataset.table.columns,
        task,
        missing=settings.missing,
        outputs=tuple(settings.outputs),
        units=settings.units,
    )
    said = (head_note(network, settings),) if settings.node_heads else ()
    return replace(network, notes=(*network.notes, *said))


def _with_direct_edges(
    edges: pd.DataFrame, dataset: Dataset, network: Network, task: Task
) -> Network:
    """Return the network with an edge from every feature to every output as well."""
    features = dataset.table.columns
    direct = pd.DataFrame(
        [(feature, output) for feature in features for output in network.outputs],
        columns=["source", "target"],
    )
    both = pd.concat([edges, direct], ignore_index=True).drop_duplicates(["source", "target"])
    return fit_network(both, features, task, outputs=network.outputs, units=network.units)
