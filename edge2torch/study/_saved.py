"""Trained networks on disk, and beside them what the command line needs to use them again."""

from __future__ import annotations

import copy
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
from torch import nn

from edge2torch.compile import CompileArtifact, edge_weights, load_compiled, save_compiled
from edge2torch.customize import JoinedModel
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret import answers_of
from edge2torch.nn import CompiledModel
from edge2torch.study._network import Network, customize_network, heads_of
from edge2torch.study._pipeline import Results
from edge2torch.study._recipe import (
    PairsRecipe,
    Reading,
    Recipe,
    read_pairs_recipe,
    read_recipe,
    write_recipe,
)

_MODEL, _RECIPE, _INDEX = "model", "run.json", "artifact.json"
PAIRS = "pairs.json"
_OLDER_PAIRS = "response_scaling.csv"  # what a run over pairs alone writes, and always has


@dataclass(frozen=True)
class Saved:
    """A model from a folder.

    Parameters
    ----------
    networks : tuple of Module
        One, or those of a run over pairs, whose mean predicts.
    artifact : CompileArtifact
        Of each of them.
    recipe : Reading, optional
        None where no run wrote it.
    note : str
        What is to be said of the folder, if anything.
    """

    networks: tuple[nn.Module, ...]
    artifact: CompileArtifact
    recipe: Reading | None
    note: str = ""

    @property
    def model(self) -> nn.Module:
        """The first network."""
        return self.networks[0]

    @property
    def is_of_pairs(self) -> bool:
        """Whether a prediction takes two partners."""
        return isinstance(self.model, JoinedModel)

    @property
    def doubt(self) -> str:
        """What is to be said of networks that the run has not found to have learned; else nothing."""
        if self.recipe is None or self.recipe.learned:
            return ""
        found = "no better than guessing"
        if isinstance(self.recipe, PairsRecipe):
            found = f"not shown to be better than the mean of each {self.recipe.entities[1]}"
        return f"The run that saved this model found it {found}"

    @property
    def answers(self) -> list[str]:
        """What the outputs are called, in order."""
        if self.recipe is not None:
            return list(self.recipe.answers)
        return ["response"] if self.is_of_pairs else answers_of(self.model, self.artifact)

    @property
    def weights(self) -> pd.DataFrame:
        """Weights of edges; of several networks the mean of their sizes alone.

        What a positive weight means is for each network to choose, as what is behind it may turn it round.
        """
        tables = [edge_weights(network, self.artifact) for network in self.networks]
        if len(tables) == 1:
            return tables[0]
        sizes = [table.get("norm", table["weight"].abs()).to_numpy() for table in tables]
        return tables[0][["source", "target"]].assign(weight=np.nan, norm=np.mean(sizes, axis=0))


def save_model(folder: Path, results: Results) -> None:
    """Write the network of the first seed, and ``run.json`` beside it, to the folder ``model``."""
    study = results.study
    for name in (PAIRS, _OLDER_PAIRS):  # of a run over pairs into this folder, whose networks go
        (folder / name).unlink(missing_ok=True)
    _remove_others(folder)
    save_compiled(folder / _MODEL, results.first.model, study.network.artifact)
    recipe = Recipe(
        answers=_answers(study.network, study.task.answers),
        head=study.network.head,
        node_activation=study.settings.node_activation,
        node_dropout=study.settings.node_dropout_of(),
        heads=heads_of(study.network, study.settings),
        normalize=study.dataset.normalize,
        set_aside=study.dataset.set_aside,
        learned=results.has_learned,
        scaler=results.first.scaler,
    )
    write_recipe(recipe, folder / _MODEL / _RECIPE)


def _answers(network: Network, answers: tuple[str, ...]) -> tuple[str, ...]:
    """What the outputs are called; a single one that is a node has its name."""
    return answers if network.head or len(answers) > 1 else (network.outputs[0],)


def read_saved(path: Path, option: str) -> Saved:
    """Read the model of a run's folder, or of one that ``save_compiled`` wrote."""
    if not path.is_dir():
        raise Edge2TorchError(f"{option}: there is no folder {str(path)!r}.")
    whole = path.resolve()  # what "." is called
    is_one = re.fullmatch(rf"{_MODEL}(_\d+)?", whole.name) is not None
    parent = path.parent if path.name == whole.name else whole.parent
    for place, only in ((path, None), (parent, whole.name)) if is_one else ((path, None),):
        if (place / PAIRS).is_file():
            return _read_pairs(place, only)
        if (place / _OLDER_PAIRS).is_file():
            raise Edge2TorchError(
                f"{option}: {str(place)!r} is of a run over pairs and has no {PAIRS}, which says how data come to "
                "its networks: an earlier edge2torch wrote it, or it was stopped. Run it again. In Python "
                "load_compiled opens the networks, and the tables beside them say what they scale by."
            )
    folder = path / _MODEL if (path / _MODEL / _INDEX).is_file() else path
    if not (folder / _INDEX).is_file():
        raise Edge2TorchError(
            f"{option}: {str(path)!r} holds no saved model. Give a folder that `edge2torch run` or "
            "`save_compiled` wrote."
        )
    if not (folder / _RECIPE).is_file():
        model, artifact = _load_alone(folder, option)
        return Saved((model.eval(),), artifact, None)
    recipe = read_recipe(folder / _RECIPE)
    model, artifact = load_compiled(
        folder,
        customize=lambda base: customize_network(
            cast(CompiledModel, base),
            width=recipe.head,
            node_activation=recipe.node_activation,
            node_dropout=recipe.node_dropout,
            heads=recipe.heads,
        ),
    )
    return Saved((model.eval(),), artifact, recipe)


def _load_alone(folder: Path, option: str) -> tuple[nn.Module, CompileArtifact]:
    """Load what ``save_compiled`` wrote; classes of one's own are code, which nobody can give here."""
    try:
        return load_compiled(folder)
    except Edge2TorchError as error:
        said, asks, _ = str(error).partition(" Give customize=")
        if not asks:
            raise
        raise Edge2TorchError(
            f"{option}: {said} In Python load_compiled opens it with the function that adds them, and "
            "attribute, draw_graph and write_network take the model."
        ) from error


# ------------------------------------------------------------------------------------- pairs


def save_pairs(
    folder: Path, models: list[JoinedModel], artifact: CompileArtifact, recipe: PairsRecipe
) -> tuple[str, ...]:
    """Write the networks of a run over pairs, and last how data come to them; return their folders."""
    names = tuple(_MODEL if k == 0 else f"{_MODEL}_{k + 1}" for k in range(len(models)))
    (folder / PAIRS).unlink(missing_ok=True)  # of other networks
    for name, model in zip(names, models, strict=True):
        save_compiled(folder / name, model, artifact)
    write_recipe(replace(recipe, networks=names), folder / PAIRS)
    _remove_others(folder, names)
    return names


def _remove_others(folder: Path, kept: tuple[str, ...] = ()) -> None:
    """Remove the second network and those after it of a run that had more of them."""
    for old in folder.glob(f"{_MODEL}_*"):
        if old.name not in kept and re.fullmatch(rf"{_MODEL}_\d+", old.name):
            shutil.rmtree(old)


def in_units(model: JoinedModel, response: tuple[float, float]) -> JoinedModel:
    """Return a copy that answers in the response's own units, where it was trained on scaled ones."""
    level, spread = response
    own = copy.deepcopy(model).eval()
    last = cast(nn.Linear, cast(nn.Sequential, own.join)[-1])
    with torch.no_grad():
        last.weight.mul_(spread)
        last.bias.mul_(spread).add_(level)
    return own


def _read_pairs(place: Path, only: str | None) -> Saved:
    recipe = read_pairs_recipe(place / PAIRS)
    names = recipe.networks if only is None else (only,)
    note = ""
    if only is not None and len(recipe.networks) > 1:
        note = (
            f"{only!r} is one of {len(recipe.networks)} networks, whose mean predicts: give {str(place)!r} "
            "for all of them."
        )
    networks: list[nn.Module] = []
    for name in names:
        if not (place / name / _INDEX).is_file():
            raise Edge2TorchError(f"{place} is damaged: its network {name!r} is not there.")
        model, artifact = load_compiled(place / name)
        if not isinstance(model, JoinedModel):
            raise Edge2TorchError(f"{place} is damaged: {name!r} is not a model of pairs.")
        if list(recipe.scaler.names) != artifact.feature_names:
            raise Edge2TorchError(
                f"{place} is damaged: {PAIRS} scales other features than {name!r} takes."
            )
        networks.append(in_units(model, recipe.response))
    return Saved(tuple(networks), artifact, recipe, note)
