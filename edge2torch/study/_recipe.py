"""How a run brought data to its networks, as it is kept beside them: of samples, or of pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd

from edge2torch._core.files import read_json, write_file
from edge2torch.errors import Edge2TorchError
from edge2torch.study._normalize import Normalize
from edge2torch.train import Scaler

_VERSION = 1
_RUN, _PAIRS = "edge2torch-run", "edge2torch-pairs"
Read = TypeVar("Read")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How samples come to the graph, and what the outputs mean.

    Parameters
    ----------
    answers : tuple of str
        What the outputs are: the classes, or the label.
    normalize : {"none", "log1p", "counts"}
        What was done to the values, before features were scaled.
    scaler : Scaler
        Fitted on the training part.
    set_aside : tuple of str
        Columns of the data that the run took for no features.
    learned : bool
        Whether the run found its networks better than guessing.
    """

    answers: tuple[str, ...]
    normalize: Normalize
    scaler: Scaler
    set_aside: tuple[str, ...] = ()
    learned: bool = True


@dataclass(frozen=True, kw_only=True)
class Recipe(Reading):
    """The same of a run over samples, and what was put on its network.

    Parameters
    ----------
    answers, normalize, scaler, set_aside, learned
        As in :class:`Reading`.
    head : int
        Width of the linear layer on top, 0 for none.
    node_activation, node_dropout
        At every hidden node.
    heads : int
        Width of each hidden node's head, 0 for none.
    """

    head: int
    node_activation: str
    node_dropout: float
    heads: int = 0


@dataclass(frozen=True, kw_only=True)
class PairsRecipe(Reading):
    """The same of a run over pairs, such as cells and drugs; ``scaler`` is that of the first partner.

    Parameters
    ----------
    answers, normalize, scaler, set_aside, learned
        As in :class:`Reading`.
    entities : tuple of two str
        What partners are called.
    others : Scaler
        Of the second partner's features.
    response : tuple of two float
        What was taken off the response, and what divided it.
    networks : tuple of str
        Folders of the networks whose mean predicts.
    """

    entities: tuple[str, str]
    others: Scaler
    response: tuple[float, float]
    networks: tuple[str, ...]


def write_recipe(recipe: Recipe | PairsRecipe, path: Path) -> None:
    """Write a recipe as JSON."""
    own = vars(recipe)
    found = {name: value for name, value in own.items() if not isinstance(value, Scaler)}
    found |= _of_scaler(recipe.scaler)
    is_pairs = isinstance(recipe, PairsRecipe)
    if isinstance(recipe, PairsRecipe):
        found["others"] = _of_scaler(recipe.others)
    content = {"format": _PAIRS if is_pairs else _RUN, "format_version": _VERSION, **found}
    text = json.dumps(content, allow_nan=False)
    write_file(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def read_recipe(path: Path) -> Recipe:
    """Read what a run over samples wrote."""

    def made(found: Mapping[str, Any]) -> Recipe:
        return Recipe(
            **_reading(found),
            head=int(found["head"]),
            node_activation=str(found["node_activation"]),
            node_dropout=float(found["node_dropout"]),
            heads=int(found.get("heads", 0)),  # what the first versions wrote has none
        )

    return _read(path, _RUN, made)


def read_pairs_recipe(path: Path) -> PairsRecipe:
    """Read what a run over pairs wrote."""

    def made(found: Mapping[str, Any]) -> PairsRecipe:
        first, second = map(str, found["entities"])
        level, spread = map(float, found["response"])
        networks = tuple(map(str, found["networks"]))
        if not networks or any(Path(name).name != name for name in networks):
            raise ValueError(f"networks {networks!r}")
        if first == second or len(set(networks)) < len(networks) or not found["answers"]:
            raise ValueError("names are missing, or there twice")
        return PairsRecipe(
            **_reading(found),
            entities=(first, second),
            others=_scaler(found["others"]),
            response=(level, spread),
            networks=networks,
        )

    return _read(path, _PAIRS, made)


def _read(path: Path, kind: str, made: Callable[[Mapping[str, Any]], Read]) -> Read:
    found = read_json(path)
    try:
        if found["format"] != kind or int(found["format_version"]) > _VERSION:
            raise Edge2TorchError(f"{path} was written by another edge2torch. Upgrade it.")
        return made(found)
    except Edge2TorchError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise Edge2TorchError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _reading(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "answers": tuple(map(str, found["answers"])),
        "normalize": cast(Normalize, found["normalize"]),
        "scaler": _scaler(found),
        # what the first versions wrote has neither
        "set_aside": tuple(map(str, found.get("set_aside", ()))),
        "learned": bool(found.get("learned", True)),
    }


def _of_scaler(scaler: Scaler) -> dict[str, list[Any]]:
    numbers = {name: getattr(scaler, name).tolist() for name in ("fill", "mean", "scale")}
    return {"features": [str(name) for name in scaler.names], **numbers}


def _scaler(found: Mapping[str, Any]) -> Scaler:
    numbers = [np.asarray(found[name], np.float64) for name in ("fill", "mean", "scale")]
    names = pd.Index(found["features"])
    if any(one.shape != names.shape for one in numbers) or not (numbers[-1] > 0).all():
        raise ValueError("features do not go with what scales them")
    return Scaler(names, *numbers)
