"""What a study found: asked in Python, written as a report, saved and loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from edge2torch._core.complete import check_complete
from edge2torch._core.files import lock_folder, output_folder, path_of
from edge2torch._core.messages import listing, plural, warn
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.study._attribute import Attribution
from edge2torch.study._covariates import bare_name, check_known
from edge2torch.study._data import read_dataset
from edge2torch.study._metrics import answers_frame
from edge2torch.study._other_scale import other_scale
from edge2torch.study._pipeline import Results
from edge2torch.study._report_words import ReportText
from edge2torch.study._saved import save_model
from edge2torch.study._settings import StudySettings
from edge2torch.study._store import read_state, write_state
from edge2torch.study._summary import summary
from edge2torch.study._tables import top_nodes
from edge2torch.study._trust import Trust
from edge2torch.study._verdict import Verdict, verdicts
from edge2torch.study._write import write_results

_NAN = float("nan")
# Columns of ``find_nodes``, and what stands where a node was not judged.
_OF_NODES: dict[str, Any] = {
    **dict.fromkeys(("gain", "gain_se", "p_use", "q_use", "coherent_gain"), _NAN),
    **dict.fromkeys(("n_held", "p_specific", "q_specific"), _NAN),
    "found": False,
    "explained_by": "",
}


@dataclass(frozen=True, repr=False)
class StudyResult:
    """What :func:`run_study` found.

    Parameters
    ----------
    results : Results
        Everything that was computed; the properties below are what most ask for.
    text : ReportText
        What a report says beside the numbers.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from edge2torch.study import run_study
    >>> rng = np.random.default_rng(0)
    >>> x = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"])
    >>> edges = pd.DataFrame({"source": ["a", "b", "h", "i"], "target": ["h", "i", "y", "y"]})
    >>> study = run_study(
    ...     edges, x, x["a"].rename("dose"), seeds=1, max_epochs=40, input_dropout=0.1,
    ...     replicates=0, quiet=True,
    ... )
    >>> study.predict(x).columns.tolist()
    ['predicted']
    >>> study.learned, study.nodes["node"].tolist()
    (True, ['h', 'i'])
    """

    results: Results = field(repr=False)
    text: ReportText = field(repr=False)

    @property
    def scores(self) -> pd.DataFrame:
        """A row per model and seed: ``model``, ``features``, ``seed`` and metrics on held-out samples."""
        return self.results.scores

    @property
    def learned(self) -> bool:
        """Whether the network predicts better than guessing, so that it can be asked why."""
        return self.results.has_learned

    @property
    def nodes(self) -> pd.DataFrame:
        """Nodes of each class by magnitude of their score; empty where nothing was learned.

        ``gain`` to ``explained_by`` are of ``edge2torch.interpret.find_nodes``, over all classes, and
        ``class_gain``, ``class_q_use`` for the class against the rest; NaN where none was judged.
        ``found``: which pass both tests. ``claimed``: which of them may be claimed, none where as many
        are found with rewired edges.
        """
        size = len(self.results.attribution.nodes)
        table = top_nodes(self.results, size if self.learned else 0)
        table = table if self.learned else table.iloc[:0]
        trust = self.trust
        for name, missing in _OF_NODES.items():
            known = {} if trust is None else trust.table[name].to_dict()
            table[name] = [known.get(node, missing) for node in table["node"]]
        claimed = [] if trust is None else trust.claimed
        table.insert(list(table.columns).index("found") + 1, "claimed", table["node"].isin(claimed))
        by_class = {} if trust is None else trust.by_class
        for column in ("gain", "q_use"):
            table[f"class_{column}"] = [
                float(by_class[str(group)][column].get(node, float("nan")))
                if str(group) in by_class
                else float("nan")
                for group, node in zip(table["class"], table["node"], strict=True)
            ]
        return table

    @property
    def attribution(self) -> Attribution:
        """Scores of nodes and features for each class, with their spread over seeds."""
        return self.results.attribution

    @property
    def trust(self) -> Trust | None:
        """Which nodes are found, and what stands beside that; None where none was judged."""
        return self.results.trust

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What the numbers say, in sentences."""
        return tuple(verdicts(self.results))

    @property
    def predictions(self) -> pd.DataFrame:
        """Held-out samples of every seed: what each is, and what it was taken for."""
        return self.results.predictions

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the data and left out, in sentences."""
        return self.results.notes

    @property
    def settings(self) -> StudySettings:
        """How it was read, split, trained and explained."""
        return self.results.study.settings

    @property
    def model(self) -> nn.Module:
        """The network of the first seed."""
        return self.results.first.model

    @property
    def artifact(self) -> CompileArtifact:
        """The names of its tensors."""
        return self.results.study.network.artifact

    def summary(self) -> dict[str, Any]:
        """Return the numbers and sentences of the report, ready for JSON.

        Returns
        -------
        dict
        """
        return summary(self.results, self.text)

    def predict(self, data: Any, *, covariates: pd.DataFrame | None = None) -> pd.DataFrame:
        """Predict samples with the network of the first seed.

        Parameters
        ----------
        data : DataFrame, AnnData or path
            Holds every feature that the network takes, in the units of the study's data, and its
            covariates, if it has any.
        covariates : DataFrame, optional
            Has them instead, by sample.

        Returns
        -------
        DataFrame, samples × columns
            ``predicted`` and, of classes, ``probability <class>``.

        Warns
        -----
        Edge2TorchWarning
            Where a feature has no value in any sample, and where many values lie so far from those of
            the training samples that the scale may be another.

        Raises
        ------
        Edge2TorchError
            Where features or covariates are missing.
        """
        settings, features = self.settings, self.results.study.network.features
        of_anndata = hasattr(data, "var") or str(data).endswith(".h5ad")
        dataset = read_dataset(
            data,
            None,
            features,
            layer=settings.layer if of_anndata else None,
            names_column=settings.feature_names if of_anndata else None,
            normalize=settings.normalize,
            metadata=self.results.study.dataset.set_aside,
            design=self._design(covariates),
        ).with_features(features, "data")
        check_complete(dataset.table, impute=settings.impute, trained=False)
        empty = dataset.table.columns[dataset.table.isna().all()].tolist()
        if empty and len(dataset.table):
            warn(
                f"data: {plural('feature', len(empty))} {'has' if len(empty) == 1 else 'have'} no value in any "
                f"sample: {listing(empty)}. Medians of the training samples are taken."
            )
        if said := other_scale(self.results.first.scaler, dataset.table, "data"):
            warn(said)
        beside = None
        if self.results.first.beside is not None:
            check_known(beside := dataset.given("covariates"))
        predicted = self.results.first.predict(dataset.table, beside)
        return answers_frame(self.results.study.task, dataset.table.index, predicted)

    def _design(self, given: pd.DataFrame | None) -> list[tuple[str, Any]]:
        """Where the covariates of new samples come from."""
        beside = self.results.first.beside
        names = [] if beside is None else [bare_name(name) for name in beside.encoding.names]
        if given is None:
            return [("covariates", name) for name in names]
        if not names:
            raise Edge2TorchError("covariates: the study has none.")
        if absent := [name for name in names if name not in given]:
            raise Edge2TorchError(
                f"covariates lacks {listing(absent)}, beside which the network was trained."
            )
        return [("covariates", given[name]) for name in names]

    def report(self, folder: str | os.PathLike[str]) -> Path:
        """Write the report, and all tables and figures that belong to it.

        Parameters
        ----------
        folder : path
            Made if it is not there.

        Returns
        -------
        Path
            Of ``report.html``.
        """
        place = output_folder(path_of(folder, "folder"), "folder")
        with lock_folder(place):
            return write_results(self.results, self.text, place)[-1]

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write what :func:`load_study` reads; the samples' features are not part of it.

        Parameters
        ----------
        folder : path
            Made if it is not there.

        Returns
        -------
        Path
            The folder.
        """
        place = output_folder(path_of(folder, "folder"), "folder")
        with lock_folder(place):
            save_model(place, self.results)
            write_state(place, self.results, self.text)
        return place

    def __repr__(self) -> str:
        """Say what was studied, and the verdicts."""
        task, network = self.results.study.task, self.results.study.network
        size = plural("sample", len(task.values))
        head = f"StudyResult: {task.label!r} of {size}, {plural('edge', len(network.edges))}"
        return "\n".join([head, *(f"- {verdict.text}" for verdict in self.verdicts)])


def write_study(result: StudyResult, folder: Path) -> list[Path]:
    """Write report, tables and figures, and the study itself; return the files, the report last."""
    files = write_results(result.results, result.text, folder)
    return [*files[:-1], write_state(folder, result.results, result.text), files[-1]]


def load_study(folder: str | os.PathLike[str]) -> StudyResult:
    """Load a study that :meth:`StudyResult.save`, or a study into a folder, wrote.

    Parameters
    ----------
    folder : path
        The folder.

    Returns
    -------
    StudyResult
        With everything but the samples' features; reports are the same.

    Raises
    ------
    Edge2TorchError
        Where there is no study, a damaged one, or one of a newer or much older version.

    Examples
    --------
    >>> from edge2torch.study import load_study
    >>> load_study("no_such_folder")
    Traceback (most recent call last):
        ...
    edge2torch.errors.Edge2TorchError: folder: there is no folder 'no_such_folder'.
    """
    place = path_of(folder, "folder")
    if not place.is_dir():
        raise Edge2TorchError(f"folder: there is no folder {str(place)!r}.")
    return StudyResult(*read_state(place))
