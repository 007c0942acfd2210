"""Add modules to a compiled model: at its hidden nodes, and after its output."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any

import torch
from torch import nn

from edge2torch._core.checks import check_flag, check_probability, is_number
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.compile import CompileArtifact, find_artifact
from edge2torch.customize._heads import NodeHeads, make_heads
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import (
    ACTIVATIONS,
    CompiledModel,
    CustomizedEdgeModel,
    EdgeGraphNNModel,
    NodeBatchNorm,
    NodeDropout,
    NodeSlot,
    OnNodes,
)

NodeModule = nn.Module | type[nn.Module] | str | float
NodeSpec = NodeModule | Mapping[str, NodeModule]


def customize_model(
    model: nn.Module,
    *,
    head: nn.Module | None = None,
    activation: nn.Module | None = None,
    dropout: float | nn.Module | None = None,
    node_activation: NodeSpec | None = None,
    node_dropout: NodeSpec | None = None,
    node_normalization: NodeSpec | None = None,
    norm_first: bool | None = None,
    unit_dropout: NodeSpec | None = None,
    edge_dropout: float | None = None,
    node_heads: NodeHeads | None = None,
    artifact: CompileArtifact | None = None,
) -> CustomizedEdgeModel:
    """Add modules to a compiled model, at its hidden nodes or after its output.

    The result shares its parameters with ``model``, which itself is left as it was.

    Parameters
    ----------
    model : Module
        A compiled model, or one that was customized before; what it has is kept where nothing
        new is given.
    head : Module, optional
        Takes (b, o), such as ``nn.Linear(o, classes)``. Its width is checked at once.
    activation : Module, optional
        Acts on the model's output, before the head.
    dropout : float or Module, optional
        Acts on the model's output, before the head; a number is a probability.
    node_activation : optional
        Acts at every hidden node: never at inputs, at outputs or on values that cross layers. A
        module (each layer gets its own copy), a class, a name such as ``"relu"``, or a mapping
        from ``"layer_1"``, ... or from node names to any of these.
    node_dropout : optional
        The same for dropout; a number is a probability. A node of several units is dropped as a
        whole by a number; a module acts as it does.
    node_normalization : optional
        The same for normalisation. ``"batch"`` normalises each node, or each of its units, over
        the batch. A class is called with the number of nodes, or units. A module that mixes nodes
        (``nn.LayerNorm``) joins nodes that share no edge.
    norm_first : bool, optional
        Whether normalisation comes before the activation, as it does by default.
    unit_dropout : optional
        The same as ``node_dropout`` for single units, after all else.
    edge_dropout : float, optional
        Probability with which an edge is left out of a training step, for the whole batch; the
        others are scaled up as in ordinary dropout.
    node_heads : NodeHeads, optional
        A small output at each node, for ``model.with_heads(x)`` and :func:`head_loss`; what
        ``model(x)`` gives does not change. They are no part of the graph: neither edges nor scores.
    artifact : CompileArtifact, optional
        What ``compile_graph`` returned with the model; by default the one that it carries.

    Returns
    -------
    CustomizedEdgeModel

    Raises
    ------
    Edge2TorchError
        For a head of the wrong width, and names that are no hidden nodes or layers.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> from torch import nn
    >>> edges = pd.DataFrame({"source": ["gene", "tf"], "target": ["tf", "phenotype"]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> e2t.customize_model(model, node_activation="tanh", head=nn.Linear(1, 2))
    CustomizedEdgeModel(
      (base_model): EdgeModel(
        (blocks): ModuleList(
          (0): FeedforwardLayerBlock(
            (linear): MaskedLinear()
            (activation): Tanh()
          )
          (1): FeedforwardLayerBlock(
            (linear): MaskedLinear()
          )
        )
      )
      (head): Linear(in_features=1, out_features=2, bias=True)
    )
    """
    before = model.after if isinstance(model, CustomizedEdgeModel) else {}
    base = model.base_model if isinstance(model, CustomizedEdgeModel) else model
    if not isinstance(base, CompiledModel):
        raise Edge2TorchError(
            f"model must be what compile_graph or customize_model returned, found "
            f"{type(model).__name__}."
        )
    artifact = find_artifact(base, artifact) if artifact or base.artifact else None
    stages = {
        "normalization": node_normalization,
        "activation": node_activation,
        "dropout": node_dropout,
        "unit_dropout": unit_dropout,
    }
    has_order = norm_first is not None or unit_dropout is not None
    if has_order and isinstance(base, EdgeGraphNNModel):
        raise Edge2TorchError(
            "norm_first and unit_dropout: layers of backend='gnn' have an order of their own. Give "
            "norm_first= to compile_graph, and node_dropout=, which drops single numbers there."
        )
    if edge_dropout is not None:
        edge_dropout = check_probability("edge_dropout", edge_dropout)
    asked = [norm_first, edge_dropout, *stages.values()]
    if any(one is not None for one in asked):
        norm_first = None if norm_first is None else check_flag("norm_first", norm_first)
        with base.fingerprint.device:  # where the model is, its new modules are
            own = _stages(base, stages, artifact, norm_first)
            base = base.with_stages(own, edge_dropout=edge_dropout)
    after = {
        **before,
        **_given(activation=_after_output("activation", activation)),
        **_given(dropout=_after_output("dropout", dropout)),
        **_given(head=_after_output("head", head)),
    }
    if head is not None:
        _check_head(base, head)
    bank = model.heads if isinstance(model, CustomizedEdgeModel) else None
    if node_heads is not None:
        with base.fingerprint.device:
            bank = make_heads(node_heads, base, find_artifact(base, artifact))
        bank.to(next(base.parameters(), base.fingerprint.float()))
    return CustomizedEdgeModel(base, **after, node_heads=bank).train(model.training)


def _given(**modules: nn.Module | None) -> dict[str, nn.Module]:
    return {name: module for name, module in modules.items() if module is not None}


def _after_output(argument: str, value: Any) -> nn.Module | None:
    if argument == "dropout" and is_number(value):
        return nn.Dropout(check_probability(argument, value))
    if value is not None and not isinstance(value, nn.Module):
        raise Edge2TorchError(f"{argument} must be a torch.nn.Module, found {value!r}.")
    return value


def _check_head(base: CompiledModel, head: nn.Module) -> None:
    """Try the head on zeros of the right width, without a trace in its state."""
    like = next(iter(head.parameters()), None)
    probe = torch.zeros(2, base.out_features)
    probe = probe if like is None else probe.to(like)
    trial = copy.deepcopy(head).eval()
    try:
        with torch.no_grad():
            trial(probe)
    except (RuntimeError, ValueError, IndexError) as error:
        raise Edge2TorchError(
            f"head does not take the model's output, which has {base.out_features} column(s) "
            f"(such as nn.Linear({base.out_features}, ...)): {error}"
        ) from error


# ------------------------------------------------------------------ modules at nodes


def _argument(kind: str) -> str:
    return kind if kind == "unit_dropout" else f"node_{kind}"


def _stages(
    base: CompiledModel,
    specs: Mapping[str, NodeSpec | None],
    artifact: CompileArtifact | None,
    norm_first: bool | None,
) -> dict[str, dict[str, nn.Module]]:
    """Return the modules of every slot in order: those that are there, and what is given instead."""
    for kind, spec in specs.items():
        if isinstance(spec, Mapping):
            _check_keys(_argument(kind), spec, base, artifact)
    stages = {}
    for slot in base.node_slots():
        own = dict(slot.stages)
        for kind, spec in specs.items():
            if spec is not None and (module := _stage(kind, spec, slot, artifact)):
                own[kind] = module
        kinds, before = list(specs), list(slot.stages)
        kept = (
            before.index("activation") > before.index("normalization")
            if {*before} >= _BOTH
            else True
        )
        if not (kept if norm_first is None else norm_first):
            kinds[:2] = ["activation", "normalization"]
        stages[slot.name] = {kind: own[kind] for kind in kinds if kind in own}
    return stages


_BOTH = {"normalization", "activation"}


def _stage(
    kind: str, spec: NodeSpec, slot: NodeSlot, artifact: CompileArtifact | None
) -> nn.Module | None:
    """Return the module of one kind for one layer, or None where it has nothing to act on."""
    if not isinstance(spec, Mapping):
        groups = [(spec, slot.hidden)] if slot.hidden else []
    elif _is_by_layer(spec):
        groups = [(spec[slot.name], slot.hidden)] if slot.name in spec and slot.hidden else []
    else:
        groups = _by_node(spec, slot, artifact)
    if not groups:
        return None
    units = _unit_counts(slot, artifact)
    modules = [(columns, _make(kind, one, len(columns), units(columns))) for one, columns in groups]
    if len(modules) == 1 and len(modules[0][0]) == slot.width:
        return modules[0][1]
    is_by_node = isinstance(spec, Mapping) and not _is_by_layer(spec)
    return OnNodes(modules, others=slot.stages.get(kind) if is_by_node else None)


def _unit_counts(
    slot: NodeSlot, artifact: CompileArtifact | None
) -> Callable[[list[int]], list[int]]:
    """Return what tells the units of each node among some columns, whole nodes side by side."""
    names = [] if artifact is None else artifact.node_names_by_layer[slot.name]
    columns = range(slot.width) if artifact is None else artifact.column_names(names)
    of_column = list(columns)
    return lambda own: [len(list(same)) for _, same in groupby(of_column[k] for k in own)]


def _by_node(
    spec: Mapping[str, NodeModule], slot: NodeSlot, artifact: CompileArtifact | None
) -> list[tuple[NodeModule, list[int]]]:
    """Group a layer's named nodes by the module they were given."""
    names = artifact.column_names(artifact.node_names_by_layer[slot.name]) if artifact else []
    groups: dict[int, tuple[NodeModule, list[int]]] = {}
    for column, name in enumerate(names):
        if name in spec:
            groups.setdefault(id(spec[name]), (spec[name], []))[1].append(column)
    return list(groups.values())


def _is_by_layer(spec: Mapping[str, NodeModule]) -> bool:
    return all(key.startswith("layer_") and key[6:].isdigit() for key in spec)


def _check_keys(
    argument: str, spec: Mapping[str, Any], base: CompiledModel, artifact: CompileArtifact | None
) -> None:
    if _is_by_layer(spec):
        known = [slot.name for slot in base.node_slots() if slot.hidden]
        kind = "layers with hidden nodes"
    elif artifact is None:
        raise Edge2TorchError(f"{argument} names nodes, which needs artifact=, as compiled.")
    else:
        ends = {*artifact.feature_names, *artifact.output_names}
        layers = artifact.node_names_by_layer.values()
        known = [name for names in layers for name in names if name not in ends]
        kind = "hidden nodes"
    if unknown := sorted(set(spec) - set(known)):
        raise Edge2TorchError(
            f"{argument} has keys that are not {kind}: {listing(unknown)}."
            f"{nearest(unknown[0], known)}"
        )


def _make(kind: str, spec: NodeModule, width: int, units: list[int]) -> nn.Module:
    """Return a module of its own for a group of nodes, of so many columns and units each."""
    argument = _argument(kind)
    if isinstance(spec, nn.Module):
        return copy.deepcopy(spec).to(torch.get_default_device())
    if isinstance(spec, type) and issubclass(spec, nn.Module):
        return spec(width) if kind == "normalization" else spec()
    if kind in ("dropout", "unit_dropout") and is_number(spec):
        p = check_probability(argument, spec)
        is_whole = kind == "dropout" and max(units, default=1) > 1
        return NodeDropout(p, units) if is_whole else nn.Dropout(p)
    if kind == "normalization" and spec == "batch":
        return NodeBatchNorm(width)
    if kind == "activation" and isinstance(spec, str) and spec.lower() in ACTIVATIONS:
        return ACTIVATIONS[spec.lower()]()
    choices = {
        "activation": f"one of {listing(ACTIVATIONS, 20)}",
        "dropout": "a probability",
        "unit_dropout": "a probability",
        "normalization": "'batch'",
    }
    raise Edge2TorchError(
        f"{argument} must be a torch.nn.Module, a class of them or {choices[kind]}; found {spec!r}."
    )
