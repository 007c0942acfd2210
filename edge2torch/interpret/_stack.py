"""Several networks of one graph side by side in one model, so that one loop trains them all."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch.compile import CompileArtifact, compile_graph, find_edge_model
from edge2torch.customize import CustomizedEdgeModel
from edge2torch.errors import Edge2TorchError
from edge2torch.interpret._start import Start, draw_starts
from edge2torch.nn import CompiledModel, NodeBatchNorm

__all__ = ["ReplicateStack", "stack_replicates"]

# One module serves all replicates where it acts on each number alone.
_ELEMENTWISE = (
    *(nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.ELU, nn.SELU),
    *(nn.Softplus, nn.Identity, nn.Dropout),
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
        base, self.artifact = _side_by_side(artifact, len(models), shared_inputs=shared_inputs)
        own = [find_edge_model(model, artifact) for model in models]
        _copy_in(base, self.artifact, own, artifact)
        stages = {
            slot.name: {
                kind: _joined([other[k].stages[kind] for other in slots], slot.width)
                for kind in slot.stages
            }
            for slots in [[model.node_slots() for model in own]]
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
        x = x if self.shared_inputs else x.transpose(0, 1).flatten(1)
        y = self.base(x).unflatten(1, (len(self), -1))
        if not any(len(after) for after in self.after):
            return y.transpose(0, 1)
        return torch.stack([after(y[:, k]) for k, after in enumerate(self.after)])

    def unstack(self) -> list[nn.Module]:
        """Return the replicates as models of their own, with the weights that they have now."""
        models = [copy.deepcopy(model) for model in self._templates]
        own = [find_edge_model(model, self.single) for model in models]
        _copy_out(self.base, self.artifact, own, self.single)
        slots = [model.node_slots() for model in own]
        for k, wide in enumerate(self.base.node_slots()):
            for kind, module in wide.stages.items():
                _part(module, [other[k].stages[kind] for other in slots])
        for model, after in zip(models, self.after, strict=True):
            for module, trained in zip(_after(model), after, strict=True):
                module.load_state_dict(trained.state_dict())
            model.train(self.training)
        return models

    def wide_data(self, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """Join each replicate's own samples into one table for the wide graph."""
        digits = len(str(len(self) - 1))
        named = [
            table.rename(columns=lambda name, k=k: _wide(k, digits, str(name).strip()))
            for k, table in enumerate(tables)
        ]
        return pd.concat([table.reset_index(drop=True) for table in named], axis=1)

    def split_names(self, names: Iterable[str]) -> pd.MultiIndex:
        """Return (replicate, node) for names of the wide graph."""
        pairs = [name.split(_MARK, 1) for name in names]
        return pd.MultiIndex.from_tuples(
            [(int(k), node) for k, node in pairs], names=["replicate", "node"]
        )


def stack_replicates(
    start: Start, n: int, *, seed: int = 0, shared_inputs: bool = True
) -> ReplicateStack:
    """Draw ``n`` networks from independent starts and put them side by side in one module.

    Parameters
    ----------
    start : callable, or (model, artifact)
        As in :func:`replicate`.
    n : int
        Networks.
    seed : int
        Same seed, same starts, which are those of :func:`replicate`.
    shared_inputs : bool
        As in :class:`ReplicateStack`.

    Returns
    -------
    ReplicateStack
        Train it with one ordinary loop whose loss is the sum over its outputs:
        ``sum(criterion(y, target) for y in stack(x))``.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "h"], "target": ["h", "y"]})
    >>> stack = stack_replicates(lambda: e2t.compile_graph(edges, quiet=True), n=4)
    >>> len(stack), len(stack.unstack())
    (4, 4)
    """
    models, artifact, _ = draw_starts(start, n, seed)
    return ReplicateStack(models, artifact, shared_inputs=shared_inputs)


class _PerReplicate(nn.Module):
    """Apply to each replicate's nodes (b, n) a module of its own."""

    def __init__(self, modules: Sequence[nn.Module], width: int) -> None:
        super().__init__()
        self.own = nn.ModuleList(copy.deepcopy(module) for module in modules)
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """Map x (b, replicates × n) to the same shape."""
        parts = x.split(self.width, dim=1)
        changed = [own(part).t() for own, part in zip(self.own, parts, strict=True)]
        return torch.cat(changed).t()


# A unit separator: no reader of edge tables lets one through by accident.
_MARK = "\x1f"


def _wide(k: int, width: int, name: str) -> str:
    return f"{k:0{width}d}{_MARK}{name}"


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
    if shared := set(artifact.feature_names) & set(artifact.output_names):
        raise Edge2TorchError(
            f"Inputs that are outputs, such as {min(shared)!r}, cannot be told apart when "
            "replicates train together. Use together=False."
        )


def _after(model: nn.Module) -> list[nn.Module]:
    return list(model.after.values()) if isinstance(model, CustomizedEdgeModel) else []


def _side_by_side(
    artifact: CompileArtifact, n: int, *, shared_inputs: bool
) -> tuple[CompiledModel, CompileArtifact]:
    """Compile n copies of a graph that share nothing, or nothing but their inputs."""
    graph, digits = artifact.graph, len(str(n - 1))
    rows = graph.active_rows
    table = graph.edges.iloc[rows]
    is_shared = np.zeros(graph.n_nodes, bool)
    is_shared[graph.inputs] = shared_inputs
    parts = []
    for k in range(n):
        names = pd.Series([_wide(k, digits, name) for name in graph.node_names], dtype=object)
        names = names.where(~is_shared, graph.node_names).to_numpy()
        parts.append(
            table.assign(source=names[graph.source[rows]], target=names[graph.target[rows]])
        )
    options = {key: value for key, value in artifact.options.items() if key != "own"}
    return compile_graph(
        pd.concat(parts, ignore_index=True),
        backend=artifact.backend,
        quiet=True,
        inputs=artifact.feature_names
        if shared_inputs
        else [_wide(k, digits, name) for k in range(n) for name in artifact.feature_names],
        outputs=[_wide(k, digits, name) for k in range(n) for name in artifact.output_names],
        **options,
        **artifact.options["own"],
    )


def _biased(
    model: CompiledModel, artifact: CompileArtifact
) -> list[tuple[NDArray[np.int64], Tensor]]:
    """Node numbers and biases, layer by layer."""
    vectors = zip(artifact.execution_plan.biased_nodes(), model.node_biases(), strict=True)
    return [(nodes, bias) for nodes, bias in vectors if bias is not None]


@torch.no_grad()
def _copy_in(
    wide: CompiledModel,
    wide_artifact: CompileArtifact,
    models: Sequence[CompiledModel],
    artifact: CompileArtifact,
) -> None:
    """Give the wide model the weights and biases of the single ones."""
    weights = torch.cat([_weights(model, artifact) for model in models])
    for rows, layer in zip(
        wide_artifact.execution_plan.edge_rows(), wide.edge_layers(), strict=True
    ):
        layer.set_weights(weights[torch.from_numpy(rows)])
    values = [
        torch.cat([bias for _, bias in _biased(model, artifact)])
        for model in models
        if _biased(model, artifact)
    ]
    if values:
        place = _bias_places(wide, wide_artifact, models[0], artifact)
        flat = torch.cat(values)
        for (_, bias), own in zip(_biased(wide, wide_artifact), place, strict=True):
            bias.copy_(flat[own])


@torch.no_grad()
def _copy_out(
    wide: CompiledModel,
    wide_artifact: CompileArtifact,
    models: Sequence[CompiledModel],
    artifact: CompileArtifact,
) -> None:
    """Give the single models the weights and biases of the wide one."""
    active = torch.from_numpy(artifact.graph.active_rows)
    weights = _weights(wide, wide_artifact).view(len(models), -1)
    for own, model in zip(weights, models, strict=True):
        by_row = own.new_zeros(artifact.graph.n_edges)
        by_row[active] = own
        for rows, layer in zip(
            artifact.execution_plan.edge_rows(), model.edge_layers(), strict=True
        ):
            layer.set_weights(by_row[torch.from_numpy(rows)])
    if not _biased(wide, wide_artifact):
        return
    place = torch.cat(_bias_places(wide, wide_artifact, models[0], artifact))
    flat = torch.empty(len(place))
    flat = flat.to(weights).index_copy(
        0, place, torch.cat([b for _, b in _biased(wide, wide_artifact)])
    )
    sizes = [len(bias) for _, bias in _biased(models[0], artifact)]
    for own, model in zip(flat.view(len(models), -1), models, strict=True):
        for part, (_, bias) in zip(own.split(sizes), _biased(model, artifact), strict=True):
            bias.copy_(part)


def _weights(model: CompiledModel, artifact: CompileArtifact) -> Tensor:
    """Effective weights of the active edges, in the table's row order."""
    layers = model.edge_layers()
    values = torch.cat([layer.edge_weights() for layer in layers])
    order = np.argsort(np.concatenate(artifact.execution_plan.edge_rows()), kind="stable")
    return values[torch.from_numpy(order)]


def _bias_places(
    wide: CompiledModel,
    wide_artifact: CompileArtifact,
    single: CompiledModel,
    artifact: CompileArtifact,
) -> list[Tensor]:
    """For each bias vector of the wide model: positions among all single biases, one after another."""
    nodes = np.concatenate([own for own, _ in _biased(single, artifact)])
    position = pd.Series(np.arange(len(nodes)), index=artifact.graph.names(nodes))
    places = []
    for own, _ in _biased(wide, wide_artifact):
        pairs = [name.split(_MARK, 1) for name in wide_artifact.graph.names(own)]
        offset = np.array([int(k) for k, _ in pairs]) * len(nodes)
        places.append(torch.from_numpy(offset + position[[name for _, name in pairs]].to_numpy()))
    return places


def _joined(modules: Sequence[nn.Module], width: int) -> nn.Module:
    """Return one module that does to all replicates what each of these does to its own."""
    first = modules[0]
    if isinstance(first, _ELEMENTWISE):
        return copy.deepcopy(first)
    if type(first) is NodeBatchNorm:
        joined = copy.deepcopy(first)
        joined.num_features = width * len(modules)
        for name, value in first.named_parameters():
            parts = [dict(module.named_parameters())[name] for module in modules]
            setattr(joined, name, nn.Parameter(torch.cat(parts).detach(), value.requires_grad))
        for name, value in first.named_buffers():
            if value.dim():
                setattr(joined, name, torch.cat([module.get_buffer(name) for module in modules]))
        return joined
    return _PerReplicate(modules, width)


def _part(wide: nn.Module, modules: Sequence[nn.Module]) -> None:
    """Give each replicate's module what its part of the wide one has learned."""
    if isinstance(wide, _PerReplicate):
        for module, own in zip(modules, wide.own, strict=True):
            module.load_state_dict(own.state_dict())
    elif type(wide) is NodeBatchNorm:
        for k, module in enumerate(modules):
            module.load_state_dict(
                {
                    name: value.view(len(modules), -1)[k] if value.dim() else value
                    for name, value in wide.state_dict().items()
                }
            )
