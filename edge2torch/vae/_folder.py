"""A VAE as a folder: weights as safetensors, everything else as JSON."""

from __future__ import annotations

import hashlib
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from edge2torch._core.damage import DAMAGE
from edge2torch._core.state_folder import StateFolder
from edge2torch._core.wrappers import plain_state
from edge2torch.errors import Edge2TorchError
from edge2torch.vae._design import Design
from edge2torch.vae._named import NamedVAE

_FOLDER = StateFolder(
    "vae.json", "edge2torch-vae", 1, writer="save of a VAE", needed=("design", "extra")
)


def write_vae(path: str | os.PathLike[str], vae: NamedVAE, extra: dict[str, Any]) -> Path:
    """Write weights, design and whatever else is to be kept into a folder."""
    content = {"design": _to_json(vae.design), "extra": extra}
    return _FOLDER.write(path, plain_state(vae), content)


def read_vae(path: str | os.PathLike[str]) -> tuple[Design, dict[str, Tensor], dict[str, Any]]:
    """Read design, weights and whatever else was kept."""
    content, state = _FOLDER.read(path)
    try:
        design = _from_json(content["design"])
        _check_size(design, state)
        return design, state, dict(content["extra"])
    except Edge2TorchError:
        raise
    except DAMAGE as error:
        raise Edge2TorchError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def design_key(design: Design) -> str:
    """Return a hash of everything that a model is built from."""
    return hashlib.sha256(json.dumps(_to_json(design), sort_keys=True).encode()).hexdigest()


def _to_json(design: Design) -> dict[str, Any]:
    form = dict(vars(design))
    if form["activation"] == "relu":  # as in folders from before it could be chosen
        del form["activation"]
    form["covariates"] = {name: list(levels) for name, levels in design.covariates.items()}
    for half in ("encoder_edges", "decoder_edges"):
        edges = form[half]
        if edges is not None:
            plain = edges.astype(object).where(edges.notna(), None)
            form[half] = {name: plain[name].tolist() for name in plain}
    return form


def _from_json(form: dict[str, Any]) -> Design:
    halves = {
        half: None if form[half] is None else pd.DataFrame(form[half])
        for half in ("encoder_edges", "decoder_edges")
    }
    own = {name: _of(str, form[name]) for name in ("features", "latents", "annotated")}
    own["hidden_dim"] = _of(int, form["hidden_dim"])
    covariates = {name: _of(str, levels) for name, levels in form["covariates"].items()}
    return Design(**{**form, **halves, **own, "covariates": covariates})


def _of(kind: type[Any], values: Any) -> tuple[Any, ...]:
    """Return a list as a tuple, all of one kind."""
    if not isinstance(values, list) or not all(type(value) is kind for value in values):
        raise TypeError(f"a list of {kind.__name__} was expected")
    return tuple(values)


def _check_size(design: Design, state: dict[str, Tensor]) -> None:
    """Refuse a design of more edges than there are weights, before any of it is made."""
    n_free = len(design.encoded) - len(set(design.annotated)) + len(design.conditions)
    edges = [n_free * len(design.features)]
    if design.encoder_edges is None or design.decoder_edges is None:
        widths = [len(design.features), *design.hidden_dim, len(design.encoded)]
        if min(widths) < 1:
            raise ValueError(f"a layer of width {min(widths)}")
        edges.append(sum(a * b for a, b in pairwise(widths)))
    n_weights = sum(value.numel() for value in state.values())
    inner = design.interpretative or 0
    if type(inner) is not int or max(*edges, inner) > n_weights:
        raise ValueError(
            f"its design has {max(edges):,} edges or more, its weights are {n_weights:,}"
        )
