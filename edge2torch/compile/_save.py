"""Save and load: tensors as safetensors, the rest as JSON, nothing pickled."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from edge2torch._core.damage import DAMAGE
from edge2torch._core.files import path_of
from edge2torch._core.messages import listing, warn
from edge2torch._core.state_folder import StateFolder
from edge2torch._core.wrappers import COMPILED, plain_names, plain_state, unwrap
from edge2torch.compile._compile import build
from edge2torch.compile._modules import as_of_now, compare, describe, with_modules
from edge2torch.compile._options import CompileOptions, check_options, own_options
from edge2torch.compile._registry import find_backend
from edge2torch.compile._tables import frame_from_json, frame_to_json
from edge2torch.compile._weights import find_edge_model, model_and_artifact
from edge2torch.compile.artifact import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import EdgeGraph, EdgeTable, read_edge_table
from edge2torch.nn import CompiledModel

_FOLDER = StateFolder(
    "artifact.json",
    "edge2torch-compiled",
    1,
    writer="save_compiled",
    needed=(
        "backend",
        "options",
        "fingerprint",
        "customized",
        "model_class",
        "inputs",
        "outputs",
        "constraint",
        "is_active",
        "edges",
    ),
    optional=("modules",),
)


def save_compiled(
    path: str | os.PathLike[str], model: nn.Module, artifact: CompileArtifact | None = None
) -> Path:
    """Write a model and its artifact into a folder.

    Parameters
    ----------
    path : path
        A folder; made if it does not exist. An earlier save in it is replaced as a whole.
    model : Module
        A compiled model, customized or not. Wrapped by ``torch.compile``, ``DataParallel`` or
        ``DistributedDataParallel``, it is saved as what they wrap.
    artifact : CompileArtifact, optional
        What ``compile_graph`` returned with it; by default the one that the model carries.

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
    base, artifact = model_and_artifact(model, artifact)
    model = unwrap(model)
    content = {
        "backend": artifact.backend,
        "options": dict(artifact.options),
        "fingerprint": artifact.fingerprint,
        "customized": model is not base,
        "model_class": type(model).__name__,
        "modules": describe(model, base),
        "inputs": artifact.feature_names,
        "outputs": artifact.output_names,
        "constraint": artifact.graph.constraint.tolist(),
        "is_active": np.packbits(artifact.graph.is_active).tolist(),
        "edges": frame_to_json(artifact.graph.edges),
    }
    return _FOLDER.write(path, plain_state(model), content)


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
        Needed when the saved model holds modules of your own classes: the function that wraps
        the bare compiled model again, such as
        ``lambda model: customize_model(model, head=MyHead())``. What it puts on must be what was
        saved: classes and settings are compared, and its parameters are loaded. Without it,
        activations, normalisation, dropout, linear layers and sequences of them come back by
        themselves, and so does a second branch of these (:func:`join_branches`).

    Returns
    -------
    model : Module
    artifact : CompileArtifact

    Raises
    ------
    Edge2TorchError
        For a folder that is missing, damaged, truncated or written by a newer version, and for
        modules that are not those that were saved.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> import edge2torch as e2t
    >>> from torch import nn
    >>> edges = pd.DataFrame({"source": ["a"], "target": ["b"]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> model = e2t.customize_model(model, head=nn.Linear(1, 3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again, artifact = e2t.load_compiled(e2t.save_compiled(folder, model, artifact))
    >>> again.head
    Linear(in_features=1, out_features=3, bias=True)
    """
    with torch.device("cpu"):  # where the values are read; then on torch's default device
        model, artifact = _read(path_of(path), customize)
    return model.to(torch.get_default_device()), artifact


def _read(
    folder: Path, customize: Callable[[nn.Module], nn.Module] | None
) -> tuple[nn.Module, CompileArtifact]:
    index, state = _FOLDER.read(folder)
    saved = index["modules"]
    try:
        if saved is not None:
            saved = {**saved, "around": as_of_now(saved["around"])}
        base, artifact = _rebuild(index)
        model: nn.Module = base
        if customize is None and saved is not None:
            n_values = sum(value.numel() for value in state.values())
            model = with_modules(base, saved, n_values=n_values, where=folder)
    except Edge2TorchError:
        raise
    except DAMAGE as error:
        raise Edge2TorchError(
            f"{folder / _FOLDER.index} is damaged: {type(error).__name__}: {error}"
        ) from error
    if customize is not None:
        model = customize(model)
    elif saved is None and index["customized"]:
        raise Edge2TorchError(
            f"{folder} holds a customized model ({index['model_class']}), whose added modules "
            "are code that is not stored. Give customize=, the function that adds them, for "
            "example customize=lambda model: customize_model(model, head=...)."
        )
    if saved is not None:
        compare(describe(model, find_edge_model(model, artifact)), saved, where=folder)
    elif customize is not None:
        warn(
            f"{folder} was saved before modules were described: whether customize= puts on those "
            "that were saved is not known. Save the model again."
        )
    names = plain_names(model)
    state = _renamed(state, set(names.values()))
    own = model.state_dict(keep_vars=True)
    _check_state(folder, {plain: own[name] for name, plain in names.items()}, state)
    for name, tensor in own.items():
        tensor.data = tensor.data.to(state[names[name]].dtype)
    model.load_state_dict({name: state[plain] for name, plain in names.items()})
    return model, artifact


def _rebuild(index: dict[str, Any]) -> tuple[CompiledModel, CompileArtifact]:
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
        metadata=table.metadata,
        columns=table.columns,
        node_names=table.node_names,
        source=table.source,
        target=table.target,
        initial_weight=table.initial_weight,
        constraint=constraint,
        inputs=names.get_indexer(index["inputs"]).astype(np.int64),
        outputs=names.get_indexer(index["outputs"]).astype(np.int64),
        is_active=active,
    )


def _renamed(state: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """Give tensors of older folders the names that they have now.

    The blocks of a recurrent model were called ``steps`` until version 1.0, and models wrapped by
    ``torch.compile`` were written under its names.
    """

    def renamed(name: str) -> str:
        name = name if name in known else name.replace(f"{COMPILED}.", "")
        return name if name in known else re.sub(r"(^|\.)steps\.", r"\1step_blocks.", name)

    return {renamed(name): value for name, value in state.items()}


def _check_state(folder: Path, own: dict[str, Tensor], state: dict[str, Any]) -> None:
    wanted = {name: tuple(value.shape) for name, value in own.items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    if wanted != found:
        differing = sorted(set(wanted.items()) ^ set(found.items()))
        raise Edge2TorchError(
            f"{folder} does not fit the model it is loaded into; tensors that differ: "
            f"{listing(dict.fromkeys(name for name, _ in differing))}. "
            "Give the customize= that made the saved model."
        )
