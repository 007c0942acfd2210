"""From edges, data and task to a network: what is fed, what is read, what had to be left out."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd
from torch import nn

from edge2torch._core.edges import edges_called
from edge2torch._core.messages import listing
from edge2torch._core.names import case_hint, nearest, turned_hint
from edge2torch._core.randomness import seeded
from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.customize import NodeHeads, customize_model
from edge2torch.errors import Edge2TorchError, Edge2TorchWarning
from edge2torch.nn import CompiledModel, CustomizedEdgeModel
from edge2torch.study._outcomes._outcome import Task
from edge2torch.study._settings import StudySettings


@dataclass(frozen=True)
class Network:
    """A graph that fits the data and the task.

    Parameters
    ----------
    edges : DataFrame
        Edges that remain; every node without incoming edges is a feature of the data.
    artifact : CompileArtifact
        Of a compiled model of these edges.
    outputs : tuple of str
        What is read, in the order of the classes where ``head`` is false.
    head : int
        Width of the linear layer on top, 0 for none.
    notes : tuple of str
        What was decided and left out, as sentences.
    units : int
        Of every hidden node.
    """

    edges: pd.DataFrame
    artifact: CompileArtifact
    outputs: tuple[str, ...]
    head: int
    notes: tuple[str, ...]
    units: int = 1

    @property
    def features(self) -> list[str]:
        """Names of the inputs, in model order."""
        return self.artifact.feature_names

    @property
    def explains_outputs(self) -> bool:
        """Whether outputs say something: not where they are the classes, or a single one."""
        return self.head > 0 and len(self.outputs) > 1

    @property
    def inner_nodes(self) -> list[str]:
        """Nodes to explain, layer by layer: all that are neither fed nor the only way out."""
        ends = set(self.features) | (set() if self.explains_outputs else set(self.outputs))
        layers = self.artifact.node_names_by_layer.values()
        return [name for names in layers for name in names if name not in ends]

    def with_edges(self, edges: pd.DataFrame) -> Network:
        """Return the same network over other edges between the same inputs and outputs."""
        with _quietly():
            _, artifact = compile_graph(
                edges,
                quiet=True,
                inputs=_present(self.features, edges),
                outputs=self.outputs,
                units=self.units,
            )
        return replace(self, edges=edges, artifact=artifact)

    def build(self, settings: StudySettings, seed: int) -> CustomizedEdgeModel:
        """Return a model with fresh weights; the same seed gives the same ones."""
        graph = self.artifact
        with seeded(seed), _quietly():
            model, _ = compile_graph(
                self.edges,
                quiet=True,
                inputs=graph.feature_names,
                outputs=graph.output_names,
                units=self.units,
            )
            return customize_network(
                model,
                width=self.head,
                node_activation=settings.node_activation,
                node_dropout=settings.node_dropout_of(),
                heads=heads_of(self, settings),
            )


def heads_of(network: Network, settings: StudySettings) -> int:
    """Return how many numbers the head of each hidden node gives, as many as the output; 0: no heads."""
    hidden = network.artifact.topology.hidden
    return (network.head or len(network.outputs)) if settings.node_heads and hidden else 0


def customize_network(
    model: CompiledModel, *, width: int, node_activation: str, node_dropout: float, heads: int = 0
) -> CustomizedEdgeModel:
    """Add what a run adds to a compiled model.

    ``width`` is that of the linear layer, and ``heads`` that of each hidden node's head; 0 for none.
    """
    return customize_model(
        model,
        head=nn.Linear(model.out_features, width) if width else None,
        node_activation=node_activation,
        node_normalization="batch",
        node_dropout=node_dropout,
        node_heads=NodeHeads(outputs=heads) if heads else None,
    )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Compile again without saying again what ``fit_network`` has noted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Edge2TorchWarning)
        yield


def _present(names: Iterable[str], edges: pd.DataFrame) -> list[str]:
    there = set(edges["source"])
    return [name for name in names if name in there]


def fit_network(
    edges: pd.DataFrame,
    features: Iterable[str],
    task: Task,
    *,
    missing: Literal["drop", "error"] = "drop",
    outputs: tuple[str, ...] = (),
    units: int = 1,
) -> Network:
    """Keep what the data can feed, and read what the task asks for."""
    available = set(features)
    notes: list[str] = []
    # what this warns of is noted below, or comes to nothing
    with _quietly(), edges_called("edges"):
        _, whole = compile_graph(edges, quiet=True)
    wanted = whole.feature_names
    absent = [name for name in wanted if name not in available]
    if not available:
        raise Edge2TorchError(
            "data has no feature: no column of numbers beside the label and what is known of samples. "
            f"The graph takes {listing(wanted)}: give a table with a row per sample and a column for each."
        )
    hint = case_hint(absent, available)
    if len(absent) == len(wanted):
        last = set(whole.graph.edges["target"]) - set(whole.graph.edges["source"])
        hint += turned_hint(len(last & available))
        raise Edge2TorchError(
            f"edges and data share no names: the graph's inputs are {listing(wanted)}, the "
            f"data's features {listing(sorted(available))}.{hint} Use the same naming in both"
            " (of an AnnData feature_names= reads names from a column of var)."
        )
    edges = whole.graph.edges
    if absent:
        if missing == "error":
            raise Edge2TorchError(
                f"data lacks {len(absent)} of {len(wanted)} inputs of the graph: "
                f"{listing(absent)}.{hint} Add them, or use missing='drop'."
            )
        edges, lost = _without(edges, absent)
        notes.append(
            f"{len(absent):,} of {len(wanted):,} inputs of the graph are not in the data "
            f"({listing(absent)}): left out"
            + (f", with {lost:,} inner node(s) that nothing feeds any more." if lost else ".")
            + (f" WARNING:{hint}" if hint else "")
        )
    ends, head, words = _read_out(edges, task, outputs)
    with _quietly():
        _, artifact = compile_graph(edges, quiet=True, outputs=ends, unused="prune", units=units)
    pruned = ~artifact.graph.is_active
    if pruned.any():
        notes.append(f"{int(pruned.sum()):,} edge(s) lead to no output that is read: left out.")
        edges = edges[~pruned].reset_index(drop=True)
        _, artifact = compile_graph(edges, quiet=True, outputs=ends, units=units)
    if units > 1:
        n_weights = sum(layer["edges"] for layer in artifact.kernels.to_dict("records"))
        notes.append(
            f"Every hidden node has {units} units, and an edge is a block of weights: {n_weights:,} in "
            "all. A node's score is the sum over its units."
        )
    if fed := sorted(set(artifact.topology.hidden) & available):
        notes.append(
            f"{len(fed):,} inner node(s) bear the name of a feature ({listing(fed)}); their values "
            "are computed, not read from the data."
        )
    return Network(edges, artifact, tuple(ends), head, (*notes, words), units)


def _without(edges: pd.DataFrame, absent: list[str]) -> tuple[pd.DataFrame, int]:
    """Drop inputs, and then every node that has lost all that fed it."""
    gone, lost = pd.Index(absent), 0
    while True:
        kept = edges[~edges["source"].isin(gone)]
        starved = pd.Index(edges["target"].unique()).difference(pd.Index(kept["target"].unique()))
        if kept.empty:
            raise Edge2TorchError("edges: without the inputs that the data lack no edge is left.")
        if starved.empty:
            return kept.reset_index(drop=True), lost
        edges, gone, lost = kept, starved, lost + len(starved)


def _read_out(
    edges: pd.DataFrame, task: Task, outputs: tuple[str, ...]
) -> tuple[list[str], int, str]:
    """Return what to read, the width of a head (0: none), and a sentence that says so."""
    nodes = set(edges["source"]) | set(edges["target"])
    if unknown := [name for name in outputs if name not in nodes]:
        raise Edge2TorchError(
            f"outputs names nodes that are not in the graph: {listing(unknown)}."
            f"{nearest(unknown[0], nodes)}"
        )
    ends = list(outputs) or sorted(set(edges["target"]) - set(edges["source"]))
    if len(task.answers) == 1:
        if len(ends) == 1:
            return ends, 0, f"The output {ends[0]!r} is the prediction of {task.label!r}."
        return (
            ends,
            1,
            (f"A linear layer was added from the graph's {len(ends)} outputs to {task.label!r}."),
        )
    n, what = len(task.answers), task.outcome.answered
    if set(task.answers) <= set(ends):
        return list(task.answers), 0, f"The graph's outputs are the {what}."
    words = (
        f"The graph's outputs ({listing(ends)}) are not the {what} of {task.label!r}: a linear "
        f"layer was added from {len(ends)} output(s) to {n} {what}."
    )
    narrow = bottleneck_words(len(ends), len(task.classes))
    return ends, n, f"{words} {narrow}".strip()


def bottleneck_words(n_outputs: int, n_classes: int) -> str:
    """Warn of a single number that has to tell several classes apart; nothing where there is none."""
    if n_outputs > 1 or n_classes < 3:
        return ""
    return (
        f"WARNING: 1 output for {n_classes} classes: all classes are read off one number. Let the "
        "graph end in the classes (edge2torch prior --outputs A,B,C --connect), or in its sets "
        "(without --root)."
    )
