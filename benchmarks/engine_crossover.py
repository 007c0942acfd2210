"""Where does one pass beat layer by layer? Measures both on drawn graphs, fits the cost model, checks it.

    PYTHONPATH=. python benchmarks/engine_crossover.py --draw 60 --out times.csv   # measures, adds to the table
    PYTHONPATH=. python benchmarks/engine_crossover.py --out times.csv             # fits on even draws, checks odd ones

Deep hierarchies with one or several units at a node, random acyclic graphs, layered ones and such with up
to 30,000 inputs, with and without tanh and batch normalisation, at several batch sizes. Both engines take turns in one process and
one thread; a time is the processor's, the lower quartile of seven turns of forward and backward.
Coefficients are non-negative least squares on relative errors, in nanoseconds.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.optimize import nnls

import edge2torch as e2t
from benchmarks.visible import like_go
from edge2torch.nn._whole._cost import layer_terms, whole_terms
from edge2torch.nn._whole._engine import _LEAST_GAIN, _LEAST_SHARE
from edge2torch.simulate import layered_graph, random_dag

TURNS, SECONDS = 7, 0.03


def draw(seed: int) -> tuple[pd.DataFrame, dict[str, Any], dict[str, Any], int]:
    """Return edges, options of compile_graph and of customize_model, and a batch size."""
    rng = np.random.default_rng(seed)
    size = 10 ** rng.uniform(2, 3.6)
    kind = rng.integers(4)
    units = int(rng.choice([1, 1, 2, 4, 6]))
    if kind == 0:
        edges = like_go(int(size), int(size), float(rng.uniform(2, 12)), 1.5, seed)
    elif kind == 1:
        nodes = int(size)
        edges = random_dag(nodes, int(nodes * rng.uniform(2, 8)), seed=seed, n_inputs=nodes // 4)
    else:
        if kind == 3:  # as many inputs as there are genes or more, in one layer or several
            size *= 8
        widths = [
            int(size),
            *sorted((int(size * rng.uniform(0.02, 0.5)) for _ in range(3)), reverse=True),
            1,
        ]
        hops = [
            int(np.clip(a * rng.uniform(2, 20), max(a, b), a * b))
            for a, b in itertools.pairwise(widths)
        ]
        edges = layered_graph(widths, hops, seed=seed)
    compiled = {"units": units} if units > 1 else {}
    norm = rng.random() < 0.6
    modules = {
        "node_activation": "tanh" if rng.random() < 0.8 else None,
        "node_normalization": "batch" if norm else None,
        **({"norm_first": bool(rng.random() < 0.5)} if norm else {}),
    }
    return edges, compiled, modules, int(rng.choice([16, 32, 64, 128, 256, 1024]))


def measure(seed: int) -> dict[str, Any]:
    """Return both engines' times of a step, and what the model estimates them from."""
    edges, compiled, modules, batch = draw(seed)
    models = {}
    for engine in ("graph", "layers"):
        model, artifact = e2t.compile_graph(edges, quiet=True, seed=0, engine=engine, **compiled)
        if any(modules[name] for name in ("node_activation", "node_normalization")):
            model = e2t.customize_model(model, **modules)
        models[engine] = model
    base = getattr(models["graph"], "base_model", models["graph"])
    x = torch.randn(batch, len(artifact.feature_names))
    times: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(TURNS + 1):
        for name, model in models.items():
            begin, count = time.process_time(), 0
            while time.process_time() - begin < SECONDS:
                model.zero_grad()
                model(x).square().mean().backward()
                count += 1
            if turn:
                times[name].append((time.process_time() - begin) / count)
    row = {
        "seed": seed,
        **{name: 1e9 * float(np.quantile(own, 0.25)) for name, own in times.items()},
    }
    row |= {f"whole {name}": value for name, value in whole_terms(base, batch).items()}
    row |= {f"layer {name}": value for name, value in layer_terms(base, batch).items()}
    return row


def fitted(table: pd.DataFrame, side: str, time: str) -> dict[str, float]:
    """Return a coefficient for each term of a side."""
    terms = table.filter(regex=f"^{side} ").fillna(0)
    found, _ = nnls((terms / table[[time]].to_numpy()).to_numpy(), np.ones(len(table)))
    return dict(zip(terms.columns, found.tolist(), strict=True))


def judged(table: pd.DataFrame, whole: dict[str, float], layer: dict[str, float]) -> str:
    """Say how often the slower engine is picked, and what that costs."""
    estimate = {
        name: sum(table[term].fillna(0) * value for term, value in found.items())
        for name, found in (("graph", whole), ("layers", layer))
    }
    gain = estimate["layers"] - estimate["graph"]
    picks_graph = (gain > _LEAST_GAIN) & (gain > _LEAST_SHARE * estimate["layers"])
    taken = np.where(picks_graph, table["graph"], table["layers"])
    loss = taken / table[["graph", "layers"]].min(axis=1)
    off = {
        name: (estimate[name] / table[name]).quantile([0.1, 0.5, 0.9]).round(2).tolist()
        for name in estimate
    }
    return (
        f"{len(table)} graphs: graph is faster in {(table['graph'] < table['layers']).mean():.0%}, picked in "
        f"{picks_graph.mean():.0%}; slower one picked in {(loss > 1).mean():.0%}, mean {loss.mean():.3f}, "
        f"most {loss.max():.2f} of the faster; always layers {(table['layers'] / table[['graph', 'layers']].min(axis=1)).mean():.2f}; "
        f"estimate over time {off}"
    )


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--draw", type=int, default=0)
    ask.add_argument("--out", type=Path, default=Path("engine_crossover.csv"))
    told = ask.parse_args()
    torch.set_num_threads(1)
    rows = pd.read_csv(told.out).to_dict("records") if told.out.exists() else []
    for seed in range(len(rows), told.draw):
        rows.append(measure(seed))
        pd.DataFrame(rows).to_csv(told.out, index=False)
    table = pd.DataFrame(rows)
    fit, check = table[table["seed"] % 2 == 0], table[table["seed"] % 2 == 1]
    whole, layer = fitted(fit, "whole", "graph"), fitted(fit, "layer", "layers")
    print(whole, layer, sep="\n")
    print("fitted on", judged(fit, whole, layer))
    print("checked on", judged(check, whole, layer))


if __name__ == "__main__":
    main()
