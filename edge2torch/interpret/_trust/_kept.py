"""Trained replicates on disk, so that a killed set goes on where it stopped."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
from torch import nn

from edge2torch._core.files import path_of, read_json
from edge2torch._core.messages import note, plural
from edge2torch._core.resume import check_identity, write_identity
from edge2torch._core.tensor_file import read_tensors, write_tensors
from edge2torch.compile import CompileArtifact, describe, differing, find_edge_model
from edge2torch.errors import Edge2TorchError

_INDEX = "replicates.json"
_FORMAT = "edge2torch replicates"
_VERSION = 2


class Kept:
    """A folder of trained networks of one graph, one seed and one kind; None keeps nothing."""

    def __init__(
        self,
        folder: str | os.PathLike[str] | None,
        model: nn.Module,
        artifact: CompileArtifact,
        seed: int,
    ) -> None:
        self.folder = None if folder is None else path_of(folder, "folder")
        if self.folder is None:
            return
        wanted = {"format": _FORMAT, "format_version": _VERSION}
        wanted |= {"graph": artifact.fingerprint, "seed": seed}
        index = self.folder / _INDEX
        modules = describe(model, find_edge_model(model, artifact))
        if not index.exists():
            write_identity(index, {**wanted, "modules": modules})
            return
        check_identity(
            index, wanted, argument="folder",
            advice="Give a folder of its own to every graph and seed.",
        )  # fmt: skip
        # weights of one activation fit a network of another; older folders do not say which
        saved = read_json(index).get("modules")
        if saved is not None and (shown := differing(modules, saved, where=self.folder)):
            raise Edge2TorchError(
                f"folder: {str(self.folder)!r} was written with other modules in or around the "
                f"network. {shown}. Give a folder of its own to every model."
            )

    def load(self, name: str, model: nn.Module) -> list[float] | None:
        """Give a model the weights it was trained to; return its quality, or None if it was not."""
        path = self._path(name)
        if path is None or not path.exists():
            return None
        try:
            state, header = read_tensors(path)
            quality = [float(value) for value in header["quality"]]
            model.load_state_dict(state)
        except (Edge2TorchError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise Edge2TorchError(
                f"folder: {str(path)!r} is damaged, or of another model ({error}). Remove it, and "
                "this network is trained again."
            ) from error
        return quality

    def say_read(self, n_read: int, n: int, *, quiet: bool) -> None:
        """Say how many networks were not trained now: whoever changed the training has to know."""
        note(
            f"{n_read} of {plural('network', n)} {'was' if n_read == 1 else 'were'} read from "
            f"{str(self.folder)!r}, not trained; train_fn is not compared.",
            quiet=quiet or not n_read,
        )

    def save(self, name: str, model: nn.Module, quality: pd.Series) -> None:
        """Keep a trained model and its quality, one or several; NaN where it is not known."""
        path = self._path(name)
        if path is not None:
            write_tensors(path, model.state_dict(), {"quality": quality.tolist()})

    def _path(self, name: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{name}.safetensors"
