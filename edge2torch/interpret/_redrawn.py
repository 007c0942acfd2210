"""Scores before and after the weights are drawn anew, layer by layer."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy
import torch
from torch import Tensor, nn

from edge2torch._core.randomness import seeded
from edge2torch.compile import CompileArtifact, find_edge_model
from edge2torch.interpret._scorers import Asker, Scorer
from edge2torch.interpret._trust._start import with_new_weights


def redrawn_scores(
    model: nn.Module,
    ask: Asker,
    scorers: Mapping[str, str | Scorer],
    scores: Mapping[str, Mapping[str, pd.DataFrame]],
    redraws: int,
) -> pd.DataFrame:
    """Correlate scores with those after weights were drawn anew, from the output on."""
    make = with_new_weights((model, ask.artifact), keep_initial=False)
    rows: list[dict[str, Any]] = []
    # not the seed itself: a model that was made at the same one would be drawn again as it was
    for own_seed in np.random.SeedSequence([ask.seed, 1]).generate_state(redraws):
        with seeded(int(own_seed)):
            fresh, _ = make()
        changed = copy.deepcopy(model)
        for layer in _change_layers(changed, fresh, ask.artifact):
            for target, own in scores.items():
                for method, table in own.items():
                    again = ask.scores(changed, scorers[method])[table.columns]
                    rows.append(
                        {
                            "target": target,
                            "method": method,
                            "layer": layer,
                            "correlation": _agreement(table, again),
                            "unchanged": bool(np.allclose(table, again, rtol=1e-4, atol=1e-12)),
                        }
                    )
    keys = ["target", "method", "layer"]
    table = pd.DataFrame(rows, columns=[*keys, "correlation", "unchanged"])
    how = {"correlation": "mean", "unchanged": "all"}
    return table.groupby(keys, sort=False, as_index=False).agg(how)


def _change_layers(model: nn.Module, fresh: nn.Module, artifact: CompileArtifact) -> Iterator[str]:
    """Give a model the weights of a fresh one, the output's first; yield a word for each step.

    A backend that uses its weights more than once is one layer. Where nothing changes, as with
    weights that are held, nothing is yielded.
    """
    base = find_edge_model(model, artifact)
    prefix = next(
        f"{name}." if name else "" for name, part in model.named_modules() if part is base
    )
    new = fresh.state_dict()
    behind = [name for name in new if prefix and not name.startswith(prefix)]
    for module in reversed(dict.fromkeys(name.rpartition(".")[0] for name in behind)):
        own = [name for name in behind if name.rpartition(".")[0] == module]
        if _load(model, {name: new[name] for name in own}):
            yield module
    if artifact.backend != "feedforward":
        if _load(model, {name: value for name, value in new.items() if name.startswith(prefix)}):
            yield "graph"
        return
    blocks = {name: part for part, name in zip(base.sites().values(), base.sites(), strict=True)}
    home = {id(part): name for name, part in model.named_modules()}
    drawn = artifact.bind(find_edge_model(fresh, artifact)).edge_layers()
    for layer in reversed(artifact.node_names_by_layer):
        if layer not in blocks:  # the inputs
            continue
        inside = f"{home[id(blocks[layer])]}."
        moved = _load(model, {name: new[name] for name in new if name.startswith(inside)})
        ends = artifact.graph.numbers(artifact.node_names_by_layer[layer], "nodes")
        for (rows, linear), (_, other) in zip(
            artifact.bind(base).edge_layers(), drawn, strict=True
        ):
            here = torch.from_numpy(np.isin(artifact.graph.target[rows], ends))
            was, drawn_ = linear.edge_weights().detach(), other.edge_weights().detach()
            linear.set_weights(torch.where(here, drawn_, was))
            moved |= bool((here & (drawn_ != was)).any())
        if moved:
            yield layer


def _load(model: nn.Module, values: Mapping[str, Tensor]) -> bool:
    """Set some of a model's tensors; say whether any of them changed."""
    state = model.state_dict()
    changed = any(not torch.equal(state[name], value) for name, value in values.items())
    model.load_state_dict({**state, **values})
    return changed


def _agreement(first: pd.DataFrame, second: pd.DataFrame) -> float:
    """Return the mean over samples of the rank correlation of the scores' sizes."""
    ranks = [
        scipy.stats.rankdata(np.abs(one.to_numpy(np.float64)), axis=1) for one in (first, second)
    ]
    x, y = (one - one.mean(axis=1, keepdims=True) for one in ranks)
    spread = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    known = spread > 0
    return float(((x * y).sum(axis=1)[known] / spread[known]).mean()) if known.any() else np.nan
