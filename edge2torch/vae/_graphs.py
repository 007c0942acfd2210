"""The edge tables of encoders and decoders, and what they compile to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals
from torch import nn

from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.customize import customize_model
from edge2torch.priors import dense_block

ENCODER, DECODER = "encoder", "decoder"
SPREAD = " (spread)"
BASELINE = "(baseline)"


def spreads(latents: Sequence[str]) -> list[str]:
    """Return the names of the output nodes that hold the posterior's spread."""
    return [f"{name}{SPREAD}" for name in latents]


def dense_encoder(
    features: Sequence[str], hidden: Sequence[int], latents: Sequence[str], *, prefix: str
) -> tuple[nn.Module, CompileArtifact]:
    """Compile features to hidden layers to the latents' means and spreads."""
    ends = [*latents, *spreads(latents)]
    return compile_half(dense_layers(features, hidden, ends, prefix=prefix), features, ends)


def dense_decoder(
    latents: Sequence[str], hidden: Sequence[int], features: Sequence[str], *, prefix: str
) -> tuple[nn.Module, CompileArtifact]:
    """Compile latents to hidden layers to features."""
    table = dense_layers(latents, hidden, features, prefix=prefix)
    return compile_half(table, latents, features)


def dense_layers(
    sources: Sequence[str], hidden: Sequence[int], targets: Sequence[str], *, prefix: str
) -> pd.DataFrame:
    """Return complete blocks from sources through hidden layers to targets."""
    layers = [
        list(sources),
        *(
            [f"{prefix}_{depth + 1}.{k + 1}" for k in range(width)]
            for depth, width in enumerate(hidden)
        ),
        list(targets),
    ]
    names = [name for layer in layers for name in layer]
    if len(set(names)) < len(names):  # which tells what is there twice
        return _stack([dense_block(before, after) for before, after in pairwise(layers)])
    numbers = np.arange(len(names), dtype=np.min_scalar_type(-len(names)))
    by_layer = np.split(numbers, np.cumsum([len(layer) for layer in layers])[:-1])
    pairs = [*pairwise(by_layer)]
    codes = {
        "source": np.concatenate([np.repeat(one, len(other)) for one, other in pairs]),
        "target": np.concatenate([np.tile(other, len(one)) for one, other in pairs]),
    }
    kind = pd.CategoricalDtype(pd.Index(names, dtype=object))
    return pd.DataFrame(
        {side: pd.Categorical.from_codes(own, dtype=kind) for side, own in codes.items()},
        copy=False,
    )


def join(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Stack edge tables; of an edge given twice the first counts."""
    stacked = _stack([table for table in tables if len(table)])
    return stacked.drop_duplicates(["source", "target"], ignore_index=True)


def _stack(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Stack edge tables without the column that dense blocks say what they are in."""
    own = [table.drop(columns="relation", errors="ignore") for table in tables]
    for side in ("source", "target"):
        # one set of categories for all, or concat would write out every name of a dense block
        coded = [_as_category(table[side]) for table in own]
        known = union_categoricals(coded).categories
        own = [
            table.assign(**{side: column.cat.set_categories(known)})
            for table, column in zip(own, coded, strict=True)
        ]
    return pd.concat(own, ignore_index=True)


def _as_category(names: pd.Series) -> pd.Series:
    # text of pandas 3 has a type of its own, which does not join with the objects of a dense block
    coded = names.astype("category").cat
    return coded.rename_categories(pd.Index(coded.categories, dtype=object))


def compile_half(
    edges: pd.DataFrame,
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    activation: str = "relu",
) -> tuple[nn.Module, CompileArtifact]:
    """Compile one half, with an activation at its hidden nodes."""
    model, artifact = compile_graph(edges, quiet=True, inputs=inputs, outputs=outputs)
    return customize_model(model, node_activation=activation), artifact
