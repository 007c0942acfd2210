"""A trained model on disk, and beside it what the command line needs to use it again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from torch import nn

from edge2torch._core.files import read_json, write_file
from edge2torch.compile import CompileArtifact, load_compiled, save_compiled
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import CompiledModel
from edge2torch.study._network import Network, customize_network, heads_of
from edge2torch.study._normalize import Normalize
from edge2torch.study._pipeline import Results
from edge2torch.train import Scaler

_MODEL, _RECIPE, _INDEX = "model", "run.json", "artifact.json"
_OF_PAIRS = "response_scaling.csv"  # what a run over pairs alone writes
_FORMAT, _VERSION = "edge2torch-run", 1


@dataclass(frozen=True)
class Recipe:
    """How a run brought data to its network, and what the network's outputs mean.

    Parameters
    ----------
    answers : tuple of str
        What the outputs are: the classes, or the label.
    head : int
        Width of the linear layer on top, 0 for none.
    node_activation, node_dropout
        At every hidden node.
    normalize : {"none", "log1p", "counts"}
        What was done to the values, before features were scaled.
    scaler : Scaler
        Fitted on the training part.
    set_aside : tuple of str
        Columns of the data that the run took for no features.
    learned : bool
        Whether the run found its networks better than guessing.
    heads : int
        Width of each hidden node's head, 0 for none.
    """

    answers: tuple[str, ...]
    head: int
    node_activation: str
    node_dropout: float
    normalize: Normalize
    scaler: Scaler
    set_aside: tuple[str, ...] = ()
    learned: bool = True
    heads: int = 0


@dataclass(frozen=True)
class Saved:
    """A model from a folder; ``recipe`` is None where no run wrote it."""

    model: nn.Module
    artifact: CompileArtifact
    recipe: Recipe | None

    @property
    def answers(self) -> list[str]:
        """What the outputs are called, in order."""
        return list(self.recipe.answers) if self.recipe else self.artifact.output_names


def save_model(folder: Path, results: Results) -> None:
    """Write the network of the first seed, and ``run.json`` beside it, to the folder ``model``."""
    study, scaler = results.study, results.first.scaler
    save_compiled(folder / _MODEL, results.first.model, study.network.artifact)
    content = {
        "format": _FORMAT,
        "format_version": _VERSION,
        "answers": list(_answers(study.network, study.task.answers)),
        "head": study.network.head,
        "node_activation": study.settings.node_activation,
        "node_dropout": study.settings.node_dropout_of(),
        "heads": heads_of(study.network, study.settings),
        "normalize": study.dataset.normalize,
        "set_aside": list(study.dataset.set_aside),
        "learned": results.has_learned,
        "features": [str(name) for name in scaler.names],
        "fill": scaler.fill.tolist(),
        "mean": scaler.mean.tolist(),
        "scale": scaler.scale.tolist(),
    }
    text = json.dumps(content, allow_nan=False)
    write_file(folder / _MODEL / _RECIPE, lambda draft: draft.write_text(text, encoding="utf-8"))


def _answers(network: Network, answers: tuple[str, ...]) -> tuple[str, ...]:
    """What the outputs are called; a single one that is a node has its name."""
    return answers if network.head or len(answers) > 1 else (network.outputs[0],)


def read_saved(path: Path, option: str) -> Saved:
    """Read the model of a run's folder, or of one that ``save_compiled`` wrote."""
    if not path.is_dir():
        raise Edge2TorchError(f"{option}: there is no folder {str(path)!r}.")
    for place in (path, path.parent):
        if (place / _OF_PAIRS).is_file():
            raise Edge2TorchError(
                f"{option}: {str(path)!r} is of a run over pairs, whose networks take both partners of a pair: "
                "no table of samples is enough for them. Its scores of nodes, where it found any, are in "
                f"node_attribution.csv of {str(place)!r}: draw and export take that as scores=, and the edge table in "
                "place of the folder. In Python such models are opened as the page on visible networks says."
            )
    folder = path / _MODEL if (path / _MODEL / _INDEX).is_file() else path
    if not (folder / _INDEX).is_file():
        raise Edge2TorchError(
            f"{option}: {str(path)!r} holds no saved model. Give a folder that `edge2torch run` or "
            "`save_compiled` wrote."
        )
    if not (folder / _RECIPE).is_file():
        model, artifact = load_compiled(folder)
        return Saved(model.eval(), artifact, None)
    recipe = _read_recipe(folder / _RECIPE)
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
    return Saved(model.eval(), artifact, recipe)


def _read_recipe(path: Path) -> Recipe:
    found = read_json(path)
    try:
        if found["format"] != _FORMAT or int(found["format_version"]) > _VERSION:
            raise Edge2TorchError(f"{path} was written by another edge2torch. Upgrade it.")
        numbers = (np.asarray(found[name], np.float64) for name in ("fill", "mean", "scale"))
        return Recipe(
            answers=tuple(map(str, found["answers"])),
            head=int(found["head"]),
            node_activation=str(found["node_activation"]),
            node_dropout=float(found["node_dropout"]),
            normalize=cast(Normalize, found["normalize"]),
            scaler=Scaler(pd.Index(found["features"]), *numbers),
            # what the first versions wrote has neither
            set_aside=tuple(map(str, found.get("set_aside", ()))),
            learned=bool(found.get("learned", True)),
            heads=int(found.get("heads", 0)),
        )
    except Edge2TorchError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise Edge2TorchError(f"{path} is damaged: {type(error).__name__}: {error}") from error
