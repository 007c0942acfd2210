"""Which nodes get a head of their own, and of what kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge2torch._core.checks import check_choice, check_count, check_type
from edge2torch._core.messages import listing
from edge2torch.compile import CompileArtifact
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import ACTIVATIONS, CompiledModel, HeadBank


@dataclass(frozen=True, kw_only=True)
class NodeHeads:
    """A head at nodes: ``A · tanh(W · units + b) + c``, trained to predict what the output predicts.

    Parameters
    ----------
    nodes : "hidden" or sequence of str
        All hidden nodes that the model computes, or some of them by name.
    outputs : int
        Numbers per head: 1 for a value or a log hazard, and for classes as many as there are.
    activation : str, optional
        By name; without one a head is linear.

    Raises
    ------
    Edge2TorchError
        For values that are out of range.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["g", "a", "b"], "target": ["a", "b", "y"]})
    >>> model, _ = e2t.compile_graph(edges, units=3, quiet=True)
    >>> model = e2t.customize_model(model, node_activation="tanh", node_heads=e2t.NodeHeads())
    >>> output, heads = model.with_heads(torch.zeros(5, 1))
    >>> output.shape, heads.shape, model.head_names
    (torch.Size([5, 1]), torch.Size([5, 2, 1]), ['a', 'b'])
    """

    nodes: str | Sequence[str] = "hidden"
    outputs: int = 1
    activation: str | None = "tanh"

    def __post_init__(self) -> None:
        check_count("outputs", self.outputs)
        if isinstance(self.nodes, str) and self.nodes != "hidden":
            raise Edge2TorchError(
                f"nodes must be 'hidden' or a list of names, found {self.nodes!r}. For this node alone: "
                f"nodes=[{self.nodes!r}]."
            )
        check_type("nodes", self.nodes, Sequence, "'hidden' or a list of names")
        if not len(self.nodes):
            raise Edge2TorchError("nodes of NodeHeads is empty. Leave it out for all hidden ones.")
        if self.activation is not None:
            check_choice("activation", self.activation, ACTIVATIONS)


def make_heads(heads: NodeHeads, base: CompiledModel, artifact: CompileArtifact) -> HeadBank:
    """Return the heads of a model, layer by layer."""
    if not isinstance(heads, NodeHeads):
        raise Edge2TorchError(f"node_heads must be NodeHeads(...), found {type(heads).__name__}.")
    if artifact.backend == "gnn":
        raise Edge2TorchError(
            "node_heads: nodes of backend='gnn' have a value in every layer. Use backend="
            "'feedforward' or 'recurrent' with units=."
        )
    ends = {*artifact.feature_names, *artifact.output_names}
    layers = {slot.name: artifact.node_names_by_layer[slot.name] for slot in base.node_slots()}
    there = [(layer, node) for layer, names in layers.items() for node in names if node not in ends]
    if not isinstance(heads.nodes, str):
        wanted = [str(name).strip() for name in heads.nodes]
        artifact.graph.numbers(wanted, "nodes of NodeHeads")
        if wrong := [name for name in wanted if name not in {node for _, node in there}]:
            raise Edge2TorchError(
                f"nodes of NodeHeads: {listing(wrong)} are inputs or outputs, or are cut off. A head "
                "reads a hidden node; the output has the model's own head."
            )
        if twice := sorted({name for name in wanted if wanted.count(name) > 1}):
            raise Edge2TorchError(f"nodes of NodeHeads: {listing(twice)} twice. Name each once.")
        there = [pair for pair in there if pair[1] in set(wanted)]
    if not there:
        raise Edge2TorchError("node_heads: the model has no hidden nodes to read.")
    slices = [artifact.unit_slices[node] for _, node in there]
    return HeadBank(
        [layer for layer, _ in there],
        [own.start for own in slices],
        [own.stop - own.start for own in slices],
        outputs=heads.outputs,
        activation=heads.activation,
    )
