"""A finished study on disk: a tree of JSON, its tables in Parquet, its arrays as tensors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from edge2torch._core.files import read_json, write_file
from edge2torch._core.messages import require
from edge2torch._core.tensor_file import read_tensors, write_tensors
from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import CustomizedEdgeModel
from edge2torch.study._attribute import Attribution
from edge2torch.study._covariates import Beside, Encoding
from edge2torch.study._data import Dataset
from edge2torch.study._flow import Flow
from edge2torch.study._learned import Interval, Learned
from edge2torch.study._network import Network
from edge2torch.study._outcomes._outcome import Task
from edge2torch.study._pipeline import Results, Study
from edge2torch.study._report_words import ReportText
from edge2torch.study._saved import PAIRS, read_saved
from edge2torch.study._settings import StudySettings
from edge2torch.study._train import Trained, goal_of
from edge2torch.study._trust import Trust
from edge2torch.study._words import Words
from edge2torch.train import Scaler, Split

_FOLDER, _TREE, _ARRAYS = "study", "study.json", "arrays.safetensors"
_FORMAT, _VERSION = "edge2torch-study", 2
# What may stand in a tree; a file names a class of this list or none.
_CLASSES: dict[str, type] = {
    one.__name__: one
    for one in (
        Attribution,
        Beside,
        Dataset,
        Encoding,
        Flow,
        Interval,
        Learned,
        Network,
        ReportText,
        Results,
        Scaler,
        Split,
        Study,
        StudySettings,
        Task,
        Trained,
        Trust,
        Words,
    )
}
# Made again from the rest, or kept by save_compiled.
_REMADE = {("Network", "artifact"), ("Trained", "goal"), ("Trained", "model")}


def write_state(folder: Path, results: Results, text: ReportText) -> Path:
    """Write a study beside its model; of the samples only names and labels, no features."""
    study = results.study
    bare = replace(study.dataset, table=study.dataset.table.iloc[:0], design=pd.DataFrame())
    task = study.task
    if task.covariates is not None:
        task = replace(task, covariates=task.covariates.iloc[:0])
    state = replace(results, study=replace(study, dataset=bare, task=task))
    place = folder / _FOLDER
    place.mkdir(exist_ok=True)
    for left in place.glob("*.parquet"):  # of an earlier study in the same folder
        left.unlink()
    writer = _Writer(place)
    tree = {
        "format": _FORMAT,
        "format_version": _VERSION,
        "results": writer.plain(state),
        "text": writer.plain(text),
    }
    write_tensors(place / _ARRAYS, writer.arrays, {})
    content = json.dumps(tree, allow_nan=False)
    # last: where the tree stands, all that it names stands as well
    write_file(place / _TREE, lambda draft: draft.write_text(content, encoding="utf-8"))
    return place


@dataclass
class _Writer:
    """Turns values into what JSON holds; tables and arrays go to files beside it."""

    folder: Path

    def __post_init__(self) -> None:
        self.arrays: dict[str, Tensor] = {}
        self.tables = 0

    def plain(self, value: Any) -> Any:
        """Return a value as JSON: what is no plain value is a list with its kind first."""
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else ["float", str(value)]
        if isinstance(value, list | tuple):
            return [type(value).__name__, *map(self.plain, value)]
        if isinstance(value, dict):
            pairs = [[self.plain(key), self.plain(one)] for key, one in value.items()]
            return ["dict", *pairs]
        return self.beside(value)

    def beside(self, value: Any) -> list[Any]:
        """Return where a table, an array or what has any of these was written."""
        if isinstance(value, np.ndarray) and value.dtype.kind == "U":
            return ["index array", value.tolist()]
        if isinstance(value, np.ndarray):
            array = f"array {len(self.arrays)}"
            self.arrays[array] = torch.from_numpy(np.ascontiguousarray(value))
            return ["array", array]
        if isinstance(value, pd.Index):
            return ["index", list(map(str, value))]
        if isinstance(value, pd.Series):
            name = None if value.name is None else str(value.name)
            return ["series", name, self.table(value.to_frame("value"))]
        if isinstance(value, pd.DataFrame):
            return ["table", self.table(value)]
        kind = type(value).__name__
        if not is_dataclass(value) or kind not in _CLASSES:
            raise TypeError(f"nobody said how to write a {kind}")
        kept = [one.name for one in fields(value) if (kind, one.name) not in _REMADE]
        return ["object", kind, {name: self.plain(getattr(value, name)) for name in kept}]

    def table(self, table: pd.DataFrame) -> str:
        """Write a table, its index among it, and return its file."""
        require("pyarrow", extra="cli")
        name = f"{self.tables}.parquet"
        self.tables += 1
        write_file(self.folder / name, table.to_parquet)
        return name


def read_state(folder: Path) -> tuple[Results, ReportText]:
    """Read what :func:`write_state` wrote; nothing is trained or attributed again."""
    place = folder / _FOLDER
    if (folder / PAIRS).is_file():
        raise Edge2TorchError(
            f"folder: {str(folder)!r} is of a run over pairs: load_pairs reads that."
        )
    if not (place / _TREE).is_file():
        raise Edge2TorchError(
            f"folder: {str(folder)!r} holds no study. What was written before there was load_study is "
            "a model with tables beside it: load_compiled and `edge2torch interpret` read that; run "
            "the study again for the rest."
        )
    tree = read_json(place / _TREE)
    if tree.get("format") != _FORMAT or tree.get("format_version") != _VERSION:
        raise Edge2TorchError(
            f"folder: {str(place / _TREE)!r} was written by another version of edge2torch."
        )
    saved = read_saved(folder, "folder")
    try:
        reader = _Reader(place, read_tensors(place / _ARRAYS)[0], saved.artifact)
        reader.model = cast(CustomizedEdgeModel, saved.model)
        return reader.value(tree["results"]), reader.value(tree["text"])
    except (KeyError, TypeError, ValueError, IndexError, OSError) as error:
        raise Edge2TorchError(
            f"folder: {str(place)!r} is damaged: {type(error).__name__}: {error}"
        ) from error


@dataclass
class _Reader:
    """Turns the tree back into values."""

    folder: Path
    arrays: dict[str, Tensor]
    artifact: CompileArtifact
    model: CustomizedEdgeModel | None = None

    def value(self, found: Any) -> Any:
        """Return what a place of the tree stands for."""
        if not isinstance(found, list):
            return found
        kind, *rest = found
        make: dict[str, Callable[[], Any]] = {
            "float": lambda: float(rest[0]),
            "list": lambda: [self.value(one) for one in rest],
            "tuple": lambda: tuple(self.value(one) for one in rest),
            "dict": lambda: {self.value(key): self.value(one) for key, one in rest},
            "array": lambda: self.array(rest[0]),
            "index array": lambda: np.array(rest[0], str),
            "index": lambda: pd.Index(rest[0]),
            "series": lambda: self.table(rest[1])["value"].rename(rest[0]),
            "table": lambda: self.table(rest[0]),
            "object": lambda: self.thing(rest[0], rest[1]),
        }
        return make[kind]()

    def array(self, name: str) -> Any:
        return self.arrays[name].numpy()

    def table(self, name: str) -> pd.DataFrame:
        if Path(name).name != name:
            raise ValueError(f"{name!r} is not a file of this folder")
        return pd.read_parquet(self.folder / name)

    def thing(self, kind: str, found: dict[str, Any]) -> Any:
        """Make an object; what was not written is made again."""
        values = {name: self.value(one) for name, one in found.items()}
        if kind == "Network":
            values["artifact"] = self.artifact_of(values)
        if kind == "Trained":
            values |= {"model": self.model, "goal": None}
        made = _CLASSES[kind](**values)
        if kind != "Results":
            return made
        study = made.study
        goal = goal_of(study.task, made.sizes.fit, study.settings)
        return replace(made, first=replace(made.first, goal=goal))

    def artifact_of(self, values: dict[str, Any]) -> CompileArtifact:
        """Return the saved artifact, or compile a network beside the first again."""
        edges = values["edges"]
        own = self.artifact.graph.edges
        same = len(own) == len(edges) and bool(
            (own[["source", "target"]].to_numpy() == edges[["source", "target"]].to_numpy()).all()
        )
        if same:
            return self.artifact
        return compile_graph(
            edges, quiet=True, outputs=list(values["outputs"]), units=values.get("units", 1)
        )[1]
