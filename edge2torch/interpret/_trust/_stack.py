"""Several networks of one graph side by side in one model, so that one loop trains them all."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import cast

import pandas as pd
import torch
from torch import Tensor, nn

from edge2torch._core.copies import copy_module
from edge2torch.compile import CompileArtifact, find_edge_model
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._trust._copies import (
    compile_copies,
    copy_in,
    copy_out,
    split_wide,
    wide_name,
)
from edge2torch.interpret._trust._start import Start, draw_starts
from edge2torch.nn import (
    CompiledModel,
    CustomizedEdgeModel,
    EdgeModel,
    NodeBatchNorm,
    QuickDropout,
)

# One module serves all replicates where it acts on each number alone.
_ELEMENTWISE = (
    *(nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.ELU, nn.SELU),
    *(nn.Softplus, nn.Identity),
)


class ReplicateStack(nn.Module):
    """Several replicates as one module: their graphs side by side over shared inputs.

    Parameters
    ----------
    models : sequence of Module
        Networks of one graph, alike but for their weights; their weights are copied.
    artifact : CompileArtifact
        Of any of them.
    shared_inputs : bool
        Whether all replicates read the same samples (b, i), or each its own: (replicates, b, i).

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "h"], "target": ["h", "y"]})
    >>> models, artifacts = zip(*[e2t.compile_graph(edges, quiet=True) for _ in range(3)])
    >>> stack = ReplicateStack(models, artifacts[0])
    >>> x = torch.randn(5, 1)
    >>> stack(x).shape
    torch.Size([3, 5, 1])
    >>> bool(torch.allclose(stack(x)[2], models[2](x)))
    True
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        artifact: CompileArtifact,
        *,
        shared_inputs: bool = True,
    ) -> None:
        super().__init__()
        _check(models, artifact)
        self._templates = tuple(models)
        self.single, self.shared_inputs = artifact, shared_inputs
        base, self.artifact = compile_copies(artifact, len(models), shared_inputs=shared_inputs)
        bases = [find_edge_model(model, artifact) for model in models]
        cast(EdgeModel, base).n_alike = len(models)
        copy_in(base, self.artifact, bases, artifact)
        stages = {
            slot.name: {
                kind: _joined([other[k].stages[kind] for other in slots], slot.width)
                for kind in slot.stages
            }
            for slots in [[model.node_slots() for model in bases]]
            for k, slot in enumerate(slots[0])
        }
        self.base = base.with_stages(stages) if any(stages.values()) else base
        self.after = nn.ModuleList(nn.Sequential(*_after(model)) for model in models)
        self.after = copy.deepcopy(self.after)
        self.train(models[0].training)

    def __len__(self) -> int:
        return len(self._templates)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (b, i), or (replicates, b, i) of each its own, to (replicates, b, o)."""
        # inputs of the replicates side by side, (b, replicates * i), as the wide graph has them
        x = x if self.shared_inputs else x.transpose(0, 1).flatten(1)
        y = self.base(x).unflatten(1, (len(self), -1))
        if not self.has_heads:
            return cast(Tensor, y.transpose(0, 1))
        return torch.stack([after(y[:, k]) for k, after in enumerate(self.afters())])

    def afters(self) -> list[nn.Sequential]:
        """Return what comes after each replicate's graph."""
        return [cast(nn.Sequential, after) for after in self.after]

    @property
    def has_heads(self) -> bool:
        """Whether anything comes after the graphs."""
        return any(len(after) for after in self.afters())

    def unstack(self, *, copies: bool = True) -> list[nn.Module]:
        """Return the replicates as models of their own, with the weights that they have now.

        Without ``copies`` they are the very models that the stack was made of.
        """
        models = [copy_module(model) if copies else model for model in self._templates]
        bases = [find_edge_model(model, self.single) for model in models]
        copy_out(self.base, self.artifact, bases, self.single)
        slots = [model.node_slots() for model in bases]
        for k, wide in enumerate(self.base.node_slots()):
            for kind, module in wide.stages.items():
                _part(module, [other[k].stages[kind] for other in slots])
        for model, after in zip(models, self.afters(), strict=True):
            for module, trained in zip(_after(model), after, strict=True):
                module.load_state_dict(trained.state_dict())
            model.train(self.training)
        return models

    def wide_data(self, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """Join each replicate's own samples into one table for the wide graph."""
        digits = len(str(len(self) - 1))
        named = [
            table.set_axis([wide_name(k, digits, str(name).strip()) for name in table], axis=1)
            for k, table in enumerate(tables)
        ]
        return pd.concat([table.reset_index(drop=True) for table in named], axis=1)

    def split_names(self, names: Iterable[str]) -> pd.MultiIndex:
        """Return (replicate, node) for names of the wide graph."""
        return pd.MultiIndex.from_arrays(split_wide(list(names)), names=["replicate", "node"])


def stack_replicates(
    start: Start, n: int, *, seed: int = 0, shared_inputs: bool = True
) -> ReplicateStack:
    """Draw ``n`` networks from independent starts, those of :func:`replicate`, and put them side by side.

    Train the stack with one ordinary loop whose loss is the sum over its outputs:
    ``sum(criterion(y, target) for y in stack(x))``.
    """
    models, artifact, _ = draw_starts(start, n, seed)
    return ReplicateStack(models, artifact, shared_inputs=shared_inputs)


class _PerReplicate(nn.Module):
    """Apply to each replicate's nodes (b, n) a module of its own."""

    def __init__(self, modules: Sequence[nn.Module], width: int) -> None:
        super().__init__()
        # the name stands in the state_dict of stacks that were saved
        self.own = nn.ModuleList(copy.deepcopy(module) for module in modules)
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """Map x (b, replicates × n) to the same shape."""
        parts = x.split(self.width, dim=1)
        changed = [module(part).t() for module, part in zip(self.own, parts, strict=True)]
        return torch.cat(changed).t()


def _check(models: Sequence[nn.Module], artifact: CompileArtifact) -> None:
    if not models:
        raise Edge2TorchError("models is empty: give at least one network.")
    for model in models:
        find_edge_model(model, artifact)
        bare = isinstance(model, CompiledModel | CustomizedEdgeModel)
        if not bare or artifact.backend != "feedforward":
            raise Edge2TorchError(
                "Replicates train together where they come straight from compile_graph(backend="
                "'feedforward') or customize_model; these are "
                f"{type(model).__name__} with backend {artifact.backend!r}. Use together=False."
            )
    if any(isinstance(model, CustomizedEdgeModel) and model.heads for model in models):
        raise Edge2TorchError(
            "Replicates with heads at their nodes have an output each to train, and are trained one "
            "after the other. Use together=False."
        )
    if shared := set(artifact.feature_names) & set(artifact.output_names):
        raise Edge2TorchError(
            f"Inputs that are outputs, such as {min(shared)!r}, cannot be told apart when "
            "replicates train together. Use together=False."
        )


def _after(model: nn.Module) -> list[nn.Module]:
    return list(model.after.values()) if isinstance(model, CustomizedEdgeModel) else []


def _joined(modules: Sequence[nn.Module], width: int) -> nn.Module:
    """Return one module that does to all replicates what each of these does to its own."""
    first = modules[0]
    if isinstance(first, _ELEMENTWISE):
        return copy.deepcopy(first)
    if type(first) is nn.Dropout:  # of all networks at once, where its own draws take longest
        return QuickDropout(first.p).train(first.training)
    if type(first) is NodeBatchNorm:
        joined = copy.deepcopy(first)
        joined.num_features = width * len(modules)
        for name, value in first.named_parameters():
            parts: list[Tensor] = [module.get_parameter(name).detach() for module in modules]
            setattr(joined, name, nn.Parameter(torch.cat(parts), value.requires_grad))
        for name, buffer in first.named_buffers():
            if buffer.dim():
                setattr(joined, name, torch.cat([module.get_buffer(name) for module in modules]))
        return joined
    return _PerReplicate(modules, width)


def _part(wide: nn.Module, modules: Sequence[nn.Module]) -> None:
    """Give each replicate's module what its part of the wide one has learned."""
    if isinstance(wide, _PerReplicate):
        for module, trained in zip(modules, wide.own, strict=True):
            module.load_state_dict(trained.state_dict())
    elif type(wide) is NodeBatchNorm:
        for k, module in enumerate(modules):
            module.load_state_dict(
                {
                    name: value.view(len(modules), -1)[k] if value.dim() else value
                    for name, value in wide.state_dict().items()
                }
            )


class Apart(nn.Module):
    """Networks one after another, for one alone and for what no :class:`ReplicateStack` takes."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        self.networks = tuple(models)  # the same, which a step reads without asking the module list

    def forward(self, x: Tensor) -> Tensor:
        """Map x (k, b, i), of each its own, to (k, b, o)."""
        if len(self.networks) == 1:  # a small network takes no longer than to take apart and stack
            return cast(Tensor, self.networks[0](x[0]))[None]
        return torch.stack([model(own) for model, own in zip(self.networks, x, strict=True)])

    def unstack(self, *, copies: bool = True) -> list[nn.Module]:  # noqa: ARG002 (as a stack has)
        """Return the networks themselves."""
        return list(self.networks)


def side_by_side(models: Sequence[nn.Module], artifact: CompileArtifact) -> Apart | ReplicateStack:
    """Several networks of one graph as one module that maps x (k, b, i) to (k, b, o)."""
    first = models[0]
    bare = isinstance(first, CompiledModel | CustomizedEdgeModel)
    heads = getattr(first, "heads", None) if bare else None
    overlap = set(artifact.feature_names) & set(artifact.output_names)
    if (
        len(models) == 1
        or not bare
        or overlap
        or heads is not None
        or artifact.backend != "feedforward"
    ):
        return Apart(models)
    return ReplicateStack(models, artifact, shared_inputs=False)
