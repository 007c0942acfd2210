"""Node values of the last forward pass, as they were computed."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from edge2torch.compile import CompileArtifact, find_edge_model
from edge2torch.errors import Edge2TorchError


class Recorder:
    """Keep what a compiled model's sites put out, with its gradient history.

    Layers that checkpointing computes again, during the backward pass, are not recorded.
    """

    def __init__(self, model: nn.Module, artifact: CompileArtifact) -> None:
        self.base = find_edge_model(model, artifact)
        if artifact.unit_graph is not None:
            raise Edge2TorchError(
                "model: the values of its nodes are compared one number with another, and nodes have "
                "several units. Use backend='gnn', whose channels all nodes have alike."
            )
        self.sites = list(self.base.sites())
        by_site = artifact.node_names_by_site
        self.is_same = len({tuple(by_site[name]) for name in self.sites}) == 1
        if self.is_same:
            self.nodes = list(by_site[self.sites[0]])
        else:  # each node at the last site that computes it
            places = {
                node: (k, column)
                for k, name in enumerate(self.sites)
                for column, node in enumerate(by_site[name])
            }
            self.nodes, self._places = list(places), list(places.values())
        self._seen: dict[str, Tensor] = {}
        self._is_running = False
        self._handles: list[RemovableHandle] = []

    def attach(self) -> None:
        """Begin to record."""
        if self._handles:
            return
        handles = [self.base.register_forward_pre_hook(self._begin)]
        handles += [
            module.register_forward_hook(partial(self._keep, name))
            for name, module in self.base.sites().items()
        ]
        handles.append(self.base.register_forward_hook(self._end, always_call=True))
        self._handles = handles

    def detach(self) -> None:
        """Stop recording, and forget."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._seen = [], {}

    def _begin(self, *_: Any) -> None:
        self._seen, self._is_running = {}, True

    def _keep(self, name: str, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        if self._is_running:
            self._seen[name] = output.clone()  # a head may change it in place

    def _end(self, *_: Any) -> None:
        self._is_running = False

    def values(self) -> Tensor:
        """Return the last forward pass's node values (s, b, n, c)."""
        if not self._seen:
            raise Edge2TorchError(
                "loss() without x uses the model's last forward pass, and there was none since "
                "the regularizer was made or enabled. Call model(x) first, or loss(x)."
            )
        values = [v if v.dim() > 2 else v.unsqueeze(-1) for v in self._seen.values()]
        if self.is_same:
            return torch.stack(values)
        columns = [values[k][:, column] for k, column in self._places]
        return torch.stack(columns, 1).unsqueeze(0)
