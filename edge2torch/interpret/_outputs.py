"""Which outputs are explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edge2torch._core.checks import is_whole
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.compile import CompileArtifact, find_edge_model
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import MML, CompiledModel, CustomizedEdgeModel


@dataclass(frozen=True)
class Output:
    """A column of the model's output, or one for each sample, and what to call it."""

    label: str | int | None
    column: int | list[int]

    def of(self, y: Tensor, chunk: slice) -> Tensor:
        """Return the explained column of y (p * b, o): p runs of the samples of a chunk."""
        if isinstance(self.column, int):
            return y[:, self.column]
        columns = torch.tensor(self.column[chunk], device=y.device)
        return y.gather(1, columns.repeat(len(y) // len(columns)).unsqueeze(1)).squeeze(1)


def choose_outputs(
    output: Any,
    attribute_kwargs: Mapping[str, Any],
    names: Sequence[str] | None,
    n_outputs: int,
    n_samples: int,
) -> list[Output]:
    """Return the outputs to explain.

    ``names`` is None where a head stands between the output nodes and the output.
    """
    given = attribute_kwargs.get("target")
    if output is not None and given is not None:
        raise Edge2TorchError("output and attribute_kwargs['target'] say the same: give one.")
    if isinstance(output, list | tuple):
        return _several(output, names, n_outputs)
    wanted = output if given is None else given
    if wanted is None:
        if n_outputs == 1:
            return [_named(0, names)]
        raise Edge2TorchError(
            f"output: the model has {n_outputs} outputs; say which one to explain, or several in a "
            f"list. {_choices(names, n_outputs)}"
        )
    if isinstance(wanted, Tensor | np.ndarray):
        wanted = wanted.tolist()
    if isinstance(wanted, list | tuple) and len(wanted) == 1:
        wanted = wanted[0]
    if not isinstance(wanted, list | tuple):
        return [_named(_column(wanted, names, n_outputs), names)]
    if len(wanted) != n_samples:
        raise Edge2TorchError(
            f"attribute_kwargs['target'] has {len(wanted)} entries for {n_samples} sample(s)."
        )
    return [Output(None, [_column(one, names, n_outputs) for one in wanted])]


def _several(wanted: Sequence[Any], names: Sequence[str] | None, n_outputs: int) -> list[Output]:
    if not wanted:
        raise Edge2TorchError(f"output is empty. Name at least one. {_choices(names, n_outputs)}")
    columns = [_column(one, names, n_outputs) for one in wanted]
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        labels = [_named(column, names).label for column in twice]
        raise Edge2TorchError(f"output names {listing(labels)} more than once. Name each once.")
    return [_named(column, names) for column in columns]


def _named(column: int, names: Sequence[str] | None) -> Output:
    return Output(column if names is None else names[column], column)


def _column(wanted: Any, names: Sequence[str] | None, n_outputs: int) -> int:
    if isinstance(wanted, str):
        if names is None:
            raise Edge2TorchError(
                f"output {wanted!r}: what follows the graph's outputs takes their names away. "
                f"{_choices(names, n_outputs)}"
            )
        if wanted.strip() not in names:
            raise Edge2TorchError(
                f"output {wanted!r} is not an output node.{nearest(wanted, list(names))} "
                f"{_choices(names, n_outputs)}"
            )
        return list(names).index(wanted.strip())
    if not is_whole(wanted):
        raise Edge2TorchError(
            f"output must be the name of an output node or an index, found {wanted!r}."
        )
    if not 0 <= wanted < n_outputs:
        raise Edge2TorchError(f"output {wanted} is out of range. {_choices(names, n_outputs)}")
    return int(wanted)


def _choices(names: Sequence[str] | None, n_outputs: int) -> str:
    indices = "0" if n_outputs == 1 else f"0 to {n_outputs - 1}"
    if names is None:
        return f"Pass output= an index: {indices}."
    return f"Pass output= a name: {listing(names, 20)}; or an index: {indices}."


def output_names(
    model: nn.Module, base: CompiledModel, artifact: CompileArtifact, n_outputs: int
) -> list[str] | None:
    """Return the names of the outputs, or None where something after the graph mixes them."""
    # What keeps every column apart keeps the names: dropout, activations, nothing at all.
    inside = set(base.modules())
    if isinstance(model, CustomizedEdgeModel) and model.heads is not None:
        inside.update(model.heads.modules())  # beside the output
    leaves = [m for m in model.modules() if m not in inside and next(m.children(), None) is None]
    keeps = len(artifact.output_names) == n_outputs and all(
        isinstance(leaf, nn.Identity | nn.modules.dropout._DropoutNd) or is_activation(leaf)
        for leaf in leaves
    )
    return artifact.output_names if keeps else None


def is_activation(module: nn.Module) -> bool:
    """Tell an activation, torch's or ours, from other modules."""
    return isinstance(module, MML) or type(module).__module__ == "torch.nn.modules.activation"


@torch.no_grad()
def answers_of(model: nn.Module, artifact: CompileArtifact) -> list[str]:
    """Return what the columns of a model's output are called, its mode as it is.

    Where something after the graph mixes its outputs, they have numbers; a single column that comes of a
    single node has that node's name.
    """
    base = find_edge_model(model, artifact)
    like = next(base.parameters(), torch.empty(0))
    y = model(like.new_zeros(1, len(artifact.feature_names)))
    n_outputs = y.shape[1] if y.dim() > 1 else 1
    if n_outputs == len(artifact.output_names) == 1:
        return list(artifact.output_names)
    names = output_names(model, base, artifact, n_outputs)
    return [str(k) for k in range(n_outputs)] if names is None else list(names)
