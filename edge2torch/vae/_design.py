"""What a VAE is to be made of: checked names and edge tables, before anything is compiled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_choice, check_count, check_number, is_whole
from edge2torch._core.edges import edge_frame
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.priors import dense_block, keep_between, mirror
from edge2torch.vae._graphs import BASELINE, DECODER, ENCODER, dense_layers, join, spreads
from edge2torch.vae._likelihoods import find_likelihood

LIBRARY = "(library)"


@dataclass(frozen=True)
class Design:
    """Everything that a VAE can be compiled from again; see :func:`compile_vae`."""

    features: tuple[str, ...]
    latents: tuple[str, ...]
    annotated: tuple[str, ...]
    encoder_edges: pd.DataFrame | None
    decoder_edges: pd.DataFrame | None
    likelihood: str
    interpretative: int | None
    hidden_dim: tuple[int, ...]
    covariates: Mapping[str, tuple[str, ...]]
    library: str
    soft_mask: float | None
    activation: str = "relu"  # folders of before it do not name it

    @property
    def conditions(self) -> list[str]:
        """Input nodes of the covariates, one per level."""
        return [f"{name}={level}" for name, own in self.covariates.items() for level in own]

    @property
    def encoded(self) -> list[str]:
        """What the encoder gives means and spreads of."""
        return [*self.latents, *([LIBRARY] if self.library == "learned" else [])]

    def encoder_table(self) -> tuple[pd.DataFrame, list[str], list[str]]:
        """Return edges, inputs and outputs of the encoder."""
        ends = [*self.encoded, *spreads(self.encoded)]
        if self.encoder_edges is None:
            sources = [*self.features, *self.conditions]
            return dense_layers(sources, self.hidden_dim, ends, prefix=ENCODER), sources, ends
        edges = self.encoder_edges
        final = edges[edges["target"].isin(set(self.annotated))]
        tables = [edges, final.assign(target=final["target"] + " (spread)")]
        free = [name for name in self.encoded if name not in set(self.annotated)]
        if free:
            tables.append(dense_block(self.features, [*free, *spreads(free)]))
        if self.conditions:
            tables.append(dense_block(self.conditions, ends))
        table = join(tables)
        used = set(table["source"])
        fed = [name for name in self.features if name in used]
        return table, [*fed, *self.conditions], ends

    def decoder_table(self) -> tuple[pd.DataFrame, list[str], list[str]]:
        """Return edges, inputs and outputs of the decoder."""
        sources = [*self.latents, *self.conditions]
        if self.decoder_edges is None:
            table = dense_layers(sources, self.hidden_dim[::-1], self.features, prefix=DECODER)
            return table, sources, list(self.features)
        tables = [self.decoder_edges]
        known = set(self.annotated)
        free = [name for name in sources if name not in known]
        if free:
            tables.append(dense_block(free, self.features))
        if self.soft_mask is not None:
            genes = self.decoder_edges["target"].isin(set(self.features))
            last = list(dict.fromkeys(self.decoder_edges.loc[genes, "source"]))
            tables.append(dense_block(last, self.features))
        table = join(tables)
        reached = set(table["target"])
        alone = [name for name in self.features if name not in reached]
        if alone:  # their bias is all they have, and a node needs an edge to stand in the graph
            fixed = dense_block([BASELINE], alone).assign(constraint="fixed", initial_weight=0.0)
            return join([table, fixed]), [*sources, BASELINE], list(self.features)
        return table, sources, list(self.features)


def read_design(
    encoder_edges: Any,
    decoder_edges: Any,
    features: Any,
    latents: Any,
    *,
    likelihood: str,
    interpretative: int | None,
    hidden_dim: int | Sequence[int],
    covariates: Mapping[str, Sequence[Any]] | None,
    library: str,
    dense_latents: int,
    units: int,
    positive: bool,
    soft_mask: float | None,
    activation: str,
) -> Design:
    """Check what was asked for, and settle every name."""
    find_likelihood(likelihood)
    check_choice("library", library, ("observed", "learned"))
    for argument, value, least in (("units", units, 1), ("dense_latents", dense_latents, 0)):
        check_count(argument, value, least)
    if interpretative is not None:
        check_count("interpretative", interpretative, 1)
    if soft_mask is not None:
        check_number("soft_mask", soft_mask, above=0)
    encoder, decoder = _both_halves(encoder_edges, decoder_edges)
    genes = _features(features, encoder, decoder)
    if encoder is not None:
        encoder = _trimmed("encoder_edges", encoder, genes)
    if decoder is not None:
        decoder = mirror(_trimmed("decoder_edges", mirror(decoder), genes))
        if positive:
            decoder = decoder.assign(constraint="positive")
    elif positive or soft_mask is not None:
        raise Edge2TorchError("positive and soft_mask need decoder_edges, which is not given.")
    encoder, decoder = _with_units(encoder, genes, units), _with_units(decoder, genes, units)
    names, annotated = _latents(latents, encoder, decoder, genes, dense_latents, units)
    widths = [hidden_dim] * 2 if isinstance(hidden_dim, int | np.integer) else list(hidden_dim)
    for width in widths:
        check_count("hidden_dim", width, 1)
    return Design(
        features=tuple(genes),
        latents=names,
        annotated=annotated,
        encoder_edges=encoder,
        decoder_edges=decoder,
        likelihood=likelihood,
        interpretative=interpretative,
        hidden_dim=tuple(int(width) for width in widths),
        covariates={
            str(name): tuple(dict.fromkeys(str(level) for level in levels))
            for name, levels in (covariates or {}).items()
        },
        library=library,
        soft_mask=None if soft_mask is None else float(soft_mask),
        activation=activation,
    )


def _both_halves(encoder: Any, decoder: Any) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Read both tables; the word "mirror" stands for the other one, turned around."""
    if isinstance(encoder, str) or isinstance(decoder, str):
        words = {encoder, decoder} if isinstance(encoder, str) and isinstance(decoder, str) else ()
        own, other = (encoder, decoder) if isinstance(encoder, str) else (decoder, encoder)
        if words or own != "mirror" or other is None:
            raise Edge2TorchError(
                f"encoder_edges or decoder_edges is {own!r}. Give a table of edges, None for a "
                "dense half, or 'mirror' for the other half's table turned around."
            )
        turned = mirror(_read("edges", other))
        return (
            (turned, _read("decoder_edges", other))
            if own is encoder
            else (
                _read("encoder_edges", other),
                turned,
            )
        )
    return (
        None if encoder is None else _read("encoder_edges", encoder),
        None if decoder is None else _read("decoder_edges", decoder),
    )


def _read(argument: str, edges: Any) -> pd.DataFrame:
    table = edge_frame(edges, argument)
    if not {"source", "target"} <= set(table.columns):
        raise Edge2TorchError(f"{argument} must be a DataFrame with columns source and target.")
    if not len(table):
        raise Edge2TorchError(f"{argument} holds no edge. Leave it out for a dense half.")
    kept = [c for c in ("source", "target", "constraint", "initial_weight") if c in table]
    text = {side: table[side].astype(str).str.strip() for side in ("source", "target")}
    return table[kept].assign(**text).reset_index(drop=True)


def _features(given: Any, encoder: pd.DataFrame | None, decoder: pd.DataFrame | None) -> list[str]:
    if given is not None:
        names = [str(name).strip() for name in given]
    elif encoder is not None:
        names = sorted(set(encoder["source"]) - set(encoder["target"]))
    elif decoder is not None:
        names = sorted(set(decoder["target"]) - set(decoder["source"]))
    else:
        raise Edge2TorchError("features is missing. Name the genes, as in list(adata.var_names).")
    seen = pd.Series(names, dtype=object)
    if not names or seen.duplicated().any():
        raise Edge2TorchError(
            f"features must name each gene once; there are {len(names)}, and these come twice: "
            f"{listing(seen[seen.duplicated()])}."
        )
    return names


def _trimmed(argument: str, edges: pd.DataFrame, features: list[str]) -> pd.DataFrame:
    """Keep what lies between features and latents; refuse latents that no feature belongs to."""
    latents = set(edges["target"]) - set(edges["source"])
    known = set(features)
    if not known & set(edges["source"]) and known & set(edges["target"]):
        raise Edge2TorchError(
            f"{argument} runs the wrong way: it needs "
            f"{'gene -> pathway' if argument == 'encoder_edges' else 'pathway -> gene'}. "
            "Turn it around with edge2torch.priors.mirror(edges)."
        )
    kept, _ = keep_between(edges, features, outputs=sorted(latents - known))
    if lost := sorted(latents - set(kept["target"])):
        raise Edge2TorchError(
            f"{argument}: {len(lost)} latent(s) have no gene among the features: {listing(lost)}. "
            "Drop them with edge2torch.priors.keep_between(sets, features), sets of gene -> pathway."
        )
    return kept.reset_index(drop=True)


def _with_units(edges: pd.DataFrame | None, features: list[str], units: int) -> pd.DataFrame | None:
    """Give every node that is no feature several units, ``name.1``, ``name.2``, ..."""
    if edges is None or units == 1:
        return edges
    copies = pd.Series([f".{unit + 1}" for unit in range(units)], name="copy")
    known = set(features)
    for side in ("source", "target"):
        is_feature = edges[side].isin(known)
        many = edges[~is_feature].merge(copies, how="cross")
        many[side] += many.pop("copy")
        edges = pd.concat([edges[is_feature], many], ignore_index=True)
    return edges


def _latents(
    given: Any,
    encoder: pd.DataFrame | None,
    decoder: pd.DataFrame | None,
    features: list[str],
    dense_latents: int,
    units: int,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return all latents, and those that the prior knows."""
    ends: list[set[str] | None] = [None, None]
    if encoder is not None:
        ends[0] = set(encoder["target"]) - set(encoder["source"])
    if decoder is not None:
        ends[1] = set(decoder["source"]) - set(decoder["target"])
    if ends[0] is not None and ends[1] is not None and ends[0] != ends[1]:
        raise Edge2TorchError(
            "encoder_edges and decoder_edges disagree about the latents: "
            f"{listing(sorted(ends[0] ^ ends[1]))} are in one of them only."
        )
    prior: list[str] = sorted(ends[0] or ends[1] or ())
    names = _given_latents(given, prior, units)
    known = set(prior)
    if unknown := sorted(known - set(names)):
        raise Edge2TorchError(f"latents leaves out what the edges end in: {listing(unknown)}.")
    names += [f"dense_{k + 1}" for k in range(dense_latents)]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if twice := repeated or set(names) & set(features):
        raise Edge2TorchError(
            f"latents and features must differ in name: {listing(sorted(twice))}."
        )
    return tuple(names), tuple(name for name in names if name in known)


def _given_latents(given: Any, prior: list[str], units: int) -> list[str]:
    if given is None:
        return list(prior) or [f"Z{k + 1}" for k in range(10)]
    if is_whole(given):
        check_count("latents", given, 1)
        if prior and given != len(prior):
            raise Edge2TorchError(
                f"latents={given}, but the edges end in {len(prior)}. Leave latents out, and ask for "
                "further ones with dense_latents=."
            )
        return list(prior) or [f"Z{k + 1}" for k in range(given)]
    names = [str(name).strip() for name in given]
    if prior and not units > 1 and (unknown := sorted(set(names) - set(prior))):
        raise Edge2TorchError(
            f"latents: {len(unknown)} have no gene, for no edge joins them: {listing(unknown)}. Leave "
            "them out, and ask for unannotated ones with dense_latents=."
        )
    return names
