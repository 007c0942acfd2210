"""Save and load: tensors as safetensors, the rest as JSON, nothing pickled.

A folder holds ``artifact.json``, which names the weights file it belongs to and that file's
hash. The weights are written first under a new name; renaming ``artifact.json`` into place is
the one moment at which a save happens, so a killed process leaves the old save or the new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import nn

from edge2torch.compile._compile import build
from edge2torch.compile._options import CompileOptions, check_options, own_options
from edge2torch.compile._registry import find_backend
from edge2torch.compile._tables import frame_from_json, frame_to_json
from edge2torch.compile._tensor_file import apart
from edge2torch.compile._weights import find_edge_model
from edge2torch.compile.artifact import CompileArtifact
from edge2torch.errors import Edge2TorchError, listing
from edge2torch.files import read_json, write_file
from edge2torch.graph import EdgeGraph, EdgeTable, read_edge_table

_FORMAT, _VERSION = "edge2torch-compiled", 1
_INDEX = "artifact.json"
_WEIGHTS = "weights-*.safetensors"
_WEIGHTS_NAME = re.compile(r"weights-[0-9a-f]{32}\.safetensors")


def save_compiled(
    path: str | os.PathLike[str], model: nn.Module, artifact: CompileArtifact
) -> Path:
    """Write a model and its artifact into a folder.

    Parameters
    ----------
    path : path
        A folder; made if it does not exist. An earlier save in it is replaced as a whole.
    model : Module
        A compiled model, customized or not.
    artifact : CompileArtifact
        What ``compile_graph`` returned with it.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    Edge2TorchError
        When the artifact is another model's, the path is a file, or a metadata column of the
        edge table cannot be written as JSON.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a"], "target": ["b"]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = e2t.save_compiled(folder, model, artifact)
    ...     again, _ = e2t.load_compiled(path)
    >>> again
    EdgeModel(
      (blocks): ModuleList(
        (0): FeedforwardLayerBlock(
          (linear): MaskedLinear()
        )
      )
    )
    """
    base = find_edge_model(model, artifact)
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise Edge2TorchError(f"path={str(folder)!r} is a file. Give a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    state = apart(model.state_dict())
    weights = dump_tensors(state)
    name = f"weights-{uuid4().hex}.safetensors"
    index = {
        "format": _FORMAT,
        "format_version": _VERSION,
        "backend": artifact.backend,
        "options": dict(artifact.options),
        "fingerprint": artifact.fingerprint,
        "customized": model is not base,
        "model_class": type(model).__name__,
        "inputs": artifact.feature_names,
        "outputs": artifact.output_names,
        "weights": name,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "constraint": artifact.graph.constraint.tolist(),
        "is_active": np.packbits(artifact.graph.is_active).tolist(),
        "edges": frame_to_json(artifact.graph.edges),
    }
    text = json.dumps(index, allow_nan=False)
    write_file(folder / name, lambda draft: draft.write_bytes(weights))
    write_file(folder / _INDEX, lambda draft: draft.write_text(text, encoding="utf-8"))
    for stale in set(folder.glob(_WEIGHTS)) - {folder / name}:
        stale.unlink(missing_ok=True)
    return folder


def load_compiled(
    path: str | os.PathLike[str],
    *,
    customize: Callable[[nn.Module], nn.Module] | None = None,
) -> tuple[nn.Module, CompileArtifact]:
    """Read a model and its artifact back, bit for bit. No code of the file is run.

    Parameters
    ----------
    path : path
        A folder that :func:`save_compiled` wrote.
    customize : callable, optional
        Needed when the saved model was customized: the function that wraps the bare compiled
        model again, such as ``lambda model: customize_model(model, head=nn.Linear(4, 2))``. Its
        parameters are then loaded too.

    Returns
    -------
    model : Module
    artifact : CompileArtifact

    Raises
    ------
    Edge2TorchError
        For a folder that is missing, damaged, truncated or written by a newer version.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> import edge2torch as e2t
    >>> from torch import nn
    >>> edges = pd.DataFrame({"source": ["a"], "target": ["b"]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> add_head = lambda model: e2t.customize_model(model, head=nn.Linear(1, 3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = e2t.save_compiled(folder, add_head(model), artifact)
    ...     again, artifact = e2t.load_compiled(path, customize=add_head)
    >>> again.head
    Linear(in_features=1, out_features=3, bias=True)
    """
    folder = Path(path)
    index = _read_index(folder)
    state = _read_weights(folder, index)
    try:
        model, artifact = _rebuild(index)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise Edge2TorchError(
            f"{folder / _INDEX} is damaged: {type(error).__name__}: {error}"
        ) from error
    if index["customized"]:
        if customize is None:
            raise Edge2TorchError(
                f"{folder} holds a customized model ({index['model_class']}), whose added modules "
                "are code that is not stored. Give customize=, the function that adds them, for "
                "example customize=lambda model: customize_model(model, head=...)."
            )
        model = customize(model)
    _check_state(folder, model, state)
    for name, tensor in model.state_dict(keep_vars=True).items():
        tensor.data = tensor.data.to(state[name].dtype)
    model.load_state_dict(state)
    return model, artifact


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / _INDEX
    if not path.is_file():
        raise Edge2TorchError(
            f"path={str(folder)!r} is not a folder that save_compiled wrote: it has no {_INDEX}."
        )
    index = read_json(path)
    if index.get("format") != _FORMAT:
        raise Edge2TorchError(f"{path} was not written by save_compiled.")
    version = index.get("format_version")
    if not isinstance(version, int) or version > _VERSION:
        raise Edge2TorchError(
            f"{path} has format version {version!r}; this edge2torch reads up to {_VERSION}. "
            "Upgrade with pip install --upgrade edge2torch."
        )
    needed = {"backend", "options", "fingerprint", "customized", "model_class", "inputs"}
    needed |= {"outputs", "weights", "weights_sha256", "constraint", "is_active", "edges"}
    if missing := sorted(needed - set(index)):
        raise Edge2TorchError(f"{path} is damaged: it lacks {listing(missing)}.")
    return index


def _read_weights(folder: Path, index: dict[str, Any]) -> dict[str, Any]:
    name = str(index["weights"])
    path = folder / name
    if not _WEIGHTS_NAME.fullmatch(name) or not path.is_file():
        raise Edge2TorchError(f"{folder} is damaged: the weights file {name!r} is missing.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != index["weights_sha256"]:
        raise Edge2TorchError(f"{path} is damaged or truncated: its hash does not match.")
    try:
        return dict(load_tensors(content))
    except SafetensorError as error:
        raise Edge2TorchError(f"{path} is damaged: {error}") from error


def _rebuild(index: dict[str, Any]) -> tuple[nn.Module, CompileArtifact]:
    frame = frame_from_json(index["edges"])
    row = find_backend(index["backend"])
    options = check_options(CompileOptions(**index["options"]))
    own = own_options(row.name, row.own_options, options.own)
    options = replace(options, steps=row.read_steps(row.name, options.steps), own=own)
    table = read_edge_table(frame, sign_column=options.sign_column)
    n_edges = len(table.source)
    active = np.unpackbits(np.array(index["is_active"], np.uint8))[:n_edges].astype(bool)
    constraint = np.array(index["constraint"], np.int8)
    if len(active) != n_edges or len(constraint) != n_edges:
        raise ValueError("its columns differ in length")
    graph = _graph(table, constraint, active, index)
    return build(row, graph, options, draw=False, expected=str(index["fingerprint"]))


def _graph(table: EdgeTable, constraint: Any, active: Any, index: dict[str, Any]) -> EdgeGraph:
    names = pd.Index(table.node_names)
    return EdgeGraph(
        edges=table.frame,
        node_names=table.node_names,
        source=table.source,
        target=table.target,
        initial_weight=table.initial_weight,
        constraint=constraint,
        inputs=names.get_indexer(index["inputs"]).astype(np.int64),
        outputs=names.get_indexer(index["outputs"]).astype(np.int64),
        is_active=active,
    )


def _check_state(folder: Path, model: nn.Module, state: dict[str, Any]) -> None:
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    if wanted != found:
        differing = sorted(set(wanted.items()) ^ set(found.items()))
        raise Edge2TorchError(
            f"{folder} does not fit the model it is loaded into; tensors that differ: "
            f"{listing(dict.fromkeys(name for name, _ in differing))}. "
            "Give the customize= that made the saved model."
        )
