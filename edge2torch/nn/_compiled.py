"""What every compiled model has in common, whatever its backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.nn._kernels import EdgePattern, is_autocast
from edge2torch.nn._linear import MaskedLinear

_is_compiling, _tracer = torch.compiler.is_compiling, torch._C._get_tracing_state
_is_mapped, _n_modes = (
    torch._C._are_functorch_transforms_active,
    torch._C._len_torch_dispatch_stack,
)


@dataclass(frozen=True)
class NodeSlot:
    """A place in a model where modules can act on nodes.

    Parameters
    ----------
    name : str
        The layer's name in the artifact.
    width : int
        Nodes in the layer.
    hidden : list of int
        Columns of the hidden ones, on which modules may act.
    stages : dict of str to Module
        What acts there now, in order.

    Examples
    --------
    >>> NodeSlot("layer_1", width=3, hidden=[0, 2]).stages
    {}
    """

    name: str
    width: int
    hidden: list[int]
    stages: Mapping[str, nn.Module] = field(default_factory=dict)


class _Seen:
    """The fingerprint as it was last read; a copy of the model reads its own."""

    def __init__(self) -> None:
        self.code: Tensor | None = None
        self.version = -1
        self.training = True

    def __deepcopy__(self, memo: Any) -> _Seen:
        return _Seen()

    def __reduce__(self) -> tuple[Any, ...]:
        return _Seen, ()


class CompiledModel(nn.Module, ABC):
    """A model that ``compile_graph`` made, of any backend.

    Parameters
    ----------
    in_features, out_features : int
        Input and output nodes.
    fingerprint : bytes
        Identifies graph, order and options; kept in the ``state_dict`` so that the weights of
        another graph are refused.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a"], "target": ["b"]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> isinstance(model, CompiledModel), list(model.sites())
    (True, ['layer_1'])
    """

    fingerprint: Tensor
    # Names of every tensor position, set by `compile_graph`. Opaque here, for nn knows no names; an
    # ordinary attribute, so it follows copies and pickles and stays out of the state_dict.
    artifact: Any = None

    def __init__(self, in_features: int, out_features: int, fingerprint: bytes) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self._fingerprint = fingerprint
        code = torch.tensor(list(fingerprint), dtype=torch.uint8)
        self.register_buffer("fingerprint", code)
        self._seen = _Seen()

    @property
    def graph_fingerprint(self) -> str:
        """Identifies graph, node order and options; hexadecimal."""
        return self._fingerprint.hex()

    def with_heads(self, x: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002 (as a customized one)
        """Refuse: a model has heads at its nodes by ``customize_model(model, node_heads=...)`` only."""
        raise Edge2TorchError(
            "model has no heads at its nodes: customize_model(model, node_heads=NodeHeads())."
        )

    @abstractmethod
    def sites(self) -> dict[str, nn.Module]:
        """Return the modules whose output is the node values of a layer or step.

        (b, n), or (b, n, c) where a node has several channels.
        """

    @abstractmethod
    def node_slots(self) -> list[NodeSlot]:
        """Return the places where modules can act on nodes."""

    def with_stages(
        self,
        stages: Mapping[str, Mapping[str, nn.Module]],
        *,
        edge_dropout: float | None = None,
    ) -> CompiledModel:
        """Return a model that shares this one's parameters, with other modules in its slots."""
        model = self._with_stages(stages, edge_dropout=edge_dropout)
        model.artifact = self.artifact
        return model

    @abstractmethod
    def _with_stages(
        self, stages: Mapping[str, Mapping[str, nn.Module]], *, edge_dropout: float | None
    ) -> CompiledModel:
        """Build what ``with_stages`` returns."""

    def also_reading(self, places: Sequence[tuple[str, int]]) -> CompiledModel:
        """Return a model of the same modules that reads more, after the outputs.

        Places are layers and columns in them, as :meth:`node_slots` has them.
        """
        raise Edge2TorchError(
            f"{type(self).__name__} has no values of nodes to read on their own, and {len(places)} are "
            "asked for."
        )

    @abstractmethod
    def edge_layers(self) -> list[MaskedLinear]:
        """Return the layers that hold the edges' weights, in the plan's order."""

    def edge_values(self) -> Sequence[Tensor]:
        """Return the weight that each edge is said to have, in the plan's order."""
        return [layer.edge_weights() for layer in self.edge_layers()]

    def edge_norms(self) -> Sequence[Tensor]:
        """Return the norm of all values that each edge has, in the plan's order, differentiable."""
        return [layer.edge_weights().abs() for layer in self.edge_layers()]

    @abstractmethod
    def node_biases(self) -> Sequence[Tensor | None]:
        """Return the vectors that hold the nodes' biases, in the plan's order."""

    def check_input(self, x: object, *, dims: tuple[int, ...] = (2,)) -> None:
        """Refuse what is no floating point tensor of the right width and precision."""
        if not isinstance(x, Tensor):
            raise Edge2TorchError(
                f"x must be a torch.Tensor, found {type(x).__name__}. Use "
                "align_features_to_input_nodes(data, artifact)."
            )
        if x.dim() not in dims or x.shape[-1] != self.in_features:
            shapes = {2: "(batch, {})", 3: "(batch, time, {})"}
            wanted = " or ".join(shapes[dim].format(self.in_features) for dim in dims)
            raise Edge2TorchError(
                f"x must have shape {wanted}, one column per input node; found "
                f"{tuple(x.shape)}. Use align_features_to_input_nodes(data, artifact)."
            )
        if not x.is_floating_point():
            raise Edge2TorchError(f"x must be a floating point tensor, found {x.dtype}: x.float().")
        parameter = _first_parameter(self)
        if parameter is not None and x.dtype != parameter.dtype and not is_autocast(x):
            raise Edge2TorchError(
                f"x is {x.dtype} and the model's weights are {parameter.dtype}. Use "
                f"x.to({parameter.dtype}), or model.to({x.dtype})."
            )

    def check_indices(self) -> None:
        """Refuse to compute along edges whose indices were averaged.

        ``torch.optim.swa_utils.AveragedModel(use_buffers=True)`` averages whole numbers too, and rounds
        down: ``.9999 * 11 + .0001 * 11`` is 10, which is another node. The fingerprint is averaged with
        them, so nothing else is looked at as long as it is what it was.
        """
        if _is_compiling():
            return
        code, seen = self._buffers["fingerprint"], self._seen
        # What is written through .data is not counted. Lightning exchanges weights so, between
        # training and validation.
        if code is seen.code and self.training is seen.training:
            try:
                if code._version == seen.version:  # type: ignore[union-attr]
                    return
            except RuntimeError:  # made in inference mode, where nothing is counted
                return
        self._check_indices(code)  # type: ignore[arg-type]

    def _check_indices(self, code: Tensor) -> None:
        if _is_mapped() or _n_modes() or _tracer() is not None or code.is_meta:
            return
        if bytes(code.tolist()) != self._fingerprint:
            damaged = [
                name
                for name, part in self.named_modules()
                if isinstance(part, EdgePattern) and not part.is_intact()
            ]
            if damaged:
                raise Edge2TorchError(
                    f"the indices of edges in {listing(damaged)} are not those that were compiled: "
                    "an average of buffers rounded them down. Average parameters alone, "
                    "AveragedModel(use_buffers=False) or WeightAveraging(use_buffers=False). The "
                    "averaged weights are whole: load this model's state_dict into one compiled from "
                    "the same edge table."
                )
            code.copy_(self._own_code(code))
        seen = self._seen
        seen.code, seen.training = code, self.training
        seen.version = -1 if code.is_inference() else code._version

    def _is_average(self, given: Tensor) -> bool:
        """Tell whether a fingerprint comes from those of several states of this very graph."""
        own = self._own_code(given).double()
        if given.shape != own.shape:
            return False
        if bool(((given - own).abs() <= 1).all()):  # the mean, or what is left of it rounded down
            return True
        # sum(states) / n: a sum of bytes begins at 0 again beyond 255
        return any(torch.allclose(given.double(), own * n % 256 / n) for n in range(2, 65))

    def _own_code(self, like: Tensor) -> Tensor:
        return torch.tensor(list(self._fingerprint), dtype=torch.uint8, device=like.device)

    def _load_from_state_dict(
        self, state_dict: MutableMapping[str, Tensor], prefix: str, *args: object
    ) -> None:
        key = f"{prefix}fingerprint"
        given = state_dict.get(key)
        if given is not None and given.tolist() != list(self._fingerprint):
            if not self._is_average(given):
                raise Edge2TorchError(
                    "state_dict belongs to a model of another graph, other options or another node "
                    "order. Load it into the model that was compiled from the same edge table."
                )
            state_dict[key] = self._own_code(given)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _first_parameter(module: nn.Module) -> Tensor | None:
    """Return what ``next(module.parameters(), None)`` does, in a sixth of the time."""
    inner: nn.Module | None = module
    while inner is not None:
        for parameter in inner._parameters.values():
            if parameter is not None:
                return parameter
        inner = next(iter(inner._modules.values()), None)
    return next(module.parameters(), None)  # it is not the first module all the way down
