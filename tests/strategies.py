"""Random edge tables for Hypothesis, and what the tests do with all of them."""

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st

import edge2torch as e2t
from edge2torch.simulate import evaluate

# Quarters are exact in float32, so a weight in the table is the weight in the model.
QUARTERS = st.integers(-8, 8).map(lambda k: k / 4)
POSITIVE = st.integers(1, 8).map(lambda k: k / 4)


@dataclass(frozen=True)
class Case:
    """An acyclic edge table and how it is to be compiled."""

    edges: pd.DataFrame
    options: dict[str, Any] = field(default_factory=dict)

    def compile(self, **options):
        """Compile in float64, from the same random state every time."""
        with warnings.catch_warnings(), torch.random.fork_rng():
            torch.manual_seed(0)
            warnings.simplefilter("ignore", e2t.Edge2TorchWarning)  # dead ends are drawn on purpose
            model, artifact = e2t.compile_graph(
                self.edges, quiet=True, **{**self.options, **options}
            )
        return model.double(), artifact

    def with_edges(self, edges, **options):
        return replace(self, edges=edges, options={**self.options, **options})


def nodes_of(edges):
    return sorted({str(name).strip() for name in [*edges["source"], *edges["target"]]})


def roots_of(edges):
    return sorted(set(edges["source"]) - set(edges["target"]))


def leaves_of(edges):
    return sorted(set(edges["target"]) - set(edges["source"]))


@st.composite
def edge_tables(draw, *, max_nodes=9, attributes=True, all_weighted=False):
    """Acyclic tables with skip edges and outputs at any depth; names in no particular order."""
    size = draw(st.integers(2, max_nodes))
    names = draw(st.permutations([f"n{k}" for k in range(size)]))
    pairs = []
    for k in range(1, size):
        parents = draw(st.sets(st.integers(0, k - 1), max_size=4))
        pairs += [(names[parent], names[k]) for parent in sorted(parents)]
    pairs = draw(st.permutations(pairs or [(names[0], names[1])]))
    edges = pd.DataFrame(pairs, columns=["source", "target"])
    if attributes or all_weighted:
        drawn = [draw(edge_attributes(weighted=all_weighted)) for _ in pairs]
        weight, constraint = zip(*drawn, strict=True)
        if all_weighted or draw(st.booleans()) or "fixed" in constraint:
            edges["initial_weight"] = pd.Series(weight, dtype=float)
        if draw(st.booleans()) or "fixed" in constraint:
            edges["constraint"] = pd.Series(constraint, dtype=object)
    return edges


@st.composite
def edge_attributes(draw, *, weighted=False):
    """An initial weight and a constraint that agree, either or both missing."""
    kind = draw(st.sampled_from([None, None, "unconstrained", "positive", "negative", "fixed"]))
    size = draw(POSITIVE)
    given = weighted or kind == "fixed" or draw(st.booleans())
    if kind not in ("positive", "negative"):
        size = draw(QUARTERS)
    elif kind == "negative":
        size = -size
    return (size if given else None), kind


@st.composite
def cases(draw, *, named_ends=True, **options):
    """Edge tables with inferred or named inputs and outputs; any node may be either."""
    edges = draw(edge_tables(**options))
    compile_options = {"bias": draw(st.booleans())}
    if draw(st.booleans()):
        compile_options["kernel"] = draw(st.sampled_from(["auto", "sparse", "dense"]))
    if named_ends and draw(st.booleans()):
        nodes = nodes_of(edges)
        more = draw(st.sets(st.sampled_from(nodes), max_size=2))
        fed = sorted({*roots_of(edges), *more})  # all roots, so that data reaches every node
        read = sorted(draw(st.sets(st.sampled_from(nodes), min_size=1, max_size=4)))
        compile_options["inputs"] = draw(st.permutations(fed))
        compile_options["outputs"] = draw(st.permutations(read))
        compile_options["unused"] = draw(st.sampled_from(["keep", "prune"]))
    return Case(edges, compile_options)


seeds = st.integers(0, 2**31 - 1)


def randomise(model, seed, *, keep_sign=False):
    """Give every parameter a value of size 0.3 to 1.5.

    With ``keep_sign`` on the side of zero where it is: there every gradient is the derivative,
    while a constrained weight beyond its limit has a gradient that only leads back.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            size = torch.rand(parameter.shape, generator=generator, dtype=torch.float64) * 1.2 + 0.3
            side = torch.rand(parameter.shape, generator=generator) < 0.5
            drawn = torch.where(side, size, -size)
            if keep_sign:
                drawn = torch.where(parameter == 0, drawn, size.copysign(parameter))
            parameter.copy_(drawn)
    return model


def batch(artifact, seed, rows=4):
    """Input of shape (rows, i), float64."""
    generator = torch.Generator().manual_seed(seed)
    shape = (rows, len(artifact.feature_names))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def reference(model, artifact, x, activation=None):
    """Evaluate the model's table with the oracle: name -> (b,)."""
    return evaluate(
        e2t.edge_weights(model, artifact),
        dict(zip(artifact.feature_names, x.T.numpy(), strict=True)),
        biases=e2t.node_biases(model, artifact),
        activation=activation,
        outputs=artifact.output_names,
    )


def reachable(artifact, edges):
    """Boolean (o, i): whether a path leads from the input to the output."""
    graph = nx.DiGraph()
    graph.add_nodes_from([*artifact.feature_names, *artifact.output_names])
    fed = set(artifact.feature_names)
    pairs = zip(edges["source"], edges["target"], strict=True)
    graph.add_edges_from((source, target) for source, target in pairs if target not in fed)
    ancestors = [{name, *nx.ancestors(graph, name)} for name in artifact.output_names]
    return np.array([[name in above for name in artifact.feature_names] for above in ancestors])
