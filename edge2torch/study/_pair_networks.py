"""``load_pairs``: the networks of a run over pairs, which predict and are asked what they rest on."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import pandas as pd

from edge2torch._core.checks import check_choice
from edge2torch._core.console import Console
from edge2torch._core.files import path_of
from edge2torch._core.messages import called, warn
from edge2torch.compile import CompileArtifact
from edge2torch.customize import JoinedModel
from edge2torch.errors import Edge2TorchError
from edge2torch.study._ask import doubt_words, read_samples
from edge2torch.study._ask_pairs import AskedPairs, asked_pairs, predicted_table, score_pairs
from edge2torch.study._data import Dataset
from edge2torch.study._recipe import PairsRecipe
from edge2torch.study._saved import Saved, read_saved
from edge2torch.train import Scaler


@dataclass(frozen=True)
class PairNetworks:
    """Networks of pairs, such as cells and drugs, whose mean predicts.

    Made by :func:`load_pairs`.

    Parameters
    ----------
    entities : tuple of two str
        What the partners are called.
    label : str
        What is predicted.
    learned : bool
        Whether the run found its networks better than the second partners' means.
    artifact : CompileArtifact
        Names of the graph.

    Examples
    --------
    >>> from edge2torch.study import load_pairs
    >>> response = load_pairs("results").predict("cells.csv", "drugs.csv")  # doctest: +SKIP
    """

    entities: tuple[str, str]
    label: str
    learned: bool
    artifact: CompileArtifact
    _saved: Saved = field(repr=False)

    @property
    def networks(self) -> tuple[JoinedModel, ...]:
        """The networks; they take scaled features, and answer in the response's own units."""
        return cast("tuple[JoinedModel, ...]", self._saved.networks)

    @property
    def scalers(self) -> tuple[Scaler, Scaler]:
        """What makes scaled tables of first and of second partners; both are called with a table.

        Missing values become the median of the samples trained with.
        """
        recipe = cast(PairsRecipe, self._saved.recipe)
        return recipe.scaler, recipe.others

    def predict(self, data: Any, other: Any, pairs: Any = None) -> pd.DataFrame:
        """Predict pairs by the mean of the networks.

        Parameters
        ----------
        data : DataFrame, AnnData or path
            A row per first partner, with every input of the graph, in the units of the run's data.
        other : DataFrame or path
            A row per second partner, named by the index or by the column that is called like it.
        pairs : DataFrame or path, optional
            Which pairs, by a column for each partner; all by default.

        Returns
        -------
        DataFrame
            First × second partners; of given pairs a row for each of theirs, with ``predicted``.

        Warns
        -----
        Edge2TorchWarning
            Where many values lie so far from those trained with that the scale may be another.

        Raises
        ------
        Edge2TorchError
            Where features or values of them are missing, and for pairs of partners that have none.
        """
        _, asked = self._asked(data, other, pairs)
        found = predicted_table(self._saved, asked)
        if pairs is not None:
            return found
        values = found["predicted"].to_numpy().reshape(len(asked.cells), -1)
        return pd.DataFrame(values, asked.cells.index.rename(self.entities[0]), asked.names)

    def score(
        self,
        data: Any,
        other: Any,
        target: Literal["features", "nodes", "edges"] = "nodes",
        method: str | None = None,
        *,
        pairs: Any = None,
        groups: str | pd.Series | None = None,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Score inputs, nodes or edges of the graph, for each second partner, which is held.

        Parameters
        ----------
        data, other, pairs
            As in :meth:`predict`.
        target, method, seed
            As in :func:`attribute`.
        groups : str or Series, optional
            A column of ``data``, by which these are averaged; all together by default. Who has no value
            there is in no score.

        Returns
        -------
        DataFrame
            What ``edge2torch interpret`` writes: a row per second partner, group, and feature, node or
            edge. Attributions of the mean of the networks, in the response's units: those of features
            add up to the prediction less that of the average cell trained with.

        Warns
        -----
        Edge2TorchWarning
            As in :meth:`predict`; where the run has not found its networks to have learned anything, and
            where first partners are in no group.

        Raises
        ------
        Edge2TorchError
            As in :meth:`predict`.
        """
        check_choice("target", target, ("features", "nodes", "edges"))
        if said := doubt_words(self._saved):
            warn(said)
        with called("label", "groups"):
            dataset, asked = self._asked(data, other, pairs, groups)
            quiet = Console(quiet=True)
            return score_pairs(self._saved, asked, dataset.label, target, method, seed, quiet)

    def _asked(
        self, data: Any, other: Any, pairs: Any, groups: Any = None
    ) -> tuple[Dataset, AskedPairs]:
        dataset = read_samples(self._saved, data, groups, None, None)
        asked = asked_pairs(self._saved, dataset, other, pairs)
        for said in (*dataset.notes, *asked.notes):
            if said.startswith("WARNING: "):
                warn(said.removeprefix("WARNING: "))
        return dataset, asked


def load_pairs(folder: str | os.PathLike[str]) -> PairNetworks:
    """Load the networks that ``edge2torch run --pairs`` wrote, and how data come to them.

    Parameters
    ----------
    folder : path
        The folder; that of one network in it for this one alone.

    Returns
    -------
    PairNetworks

    Raises
    ------
    Edge2TorchError
        Where there are none, or damaged ones.

    Examples
    --------
    >>> from edge2torch.study import load_pairs
    >>> load_pairs("no_such_folder")
    Traceback (most recent call last):
        ...
    edge2torch.errors.Edge2TorchError: folder: there is no folder 'no_such_folder'.
    """
    place = path_of(folder, "folder")
    saved = read_saved(place, "folder")
    if not isinstance(saved.recipe, PairsRecipe):
        raise Edge2TorchError(
            f"folder: {str(place)!r} is not of a run over pairs. load_study reads other runs, and "
            "load_compiled what save_compiled wrote."
        )
    recipe = saved.recipe
    return PairNetworks(recipe.entities, recipe.answers[0], recipe.learned, saved.artifact, saved)
