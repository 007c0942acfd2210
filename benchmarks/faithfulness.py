"""Do the areas of faithfulness rank methods as recovery of the planted node does?

    python benchmarks/faithfulness.py --seeds 10

One hidden node of 20 makes the outcome, 60 inputs; 500 training samples, a tanh network. Inputs as they are
drawn, and moved and scaled, mildly and strongly. Nine methods, a random order and the number of edges.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import nn

import edge2torch as e2t
from benchmarks.markdown import markdown
from edge2torch.interpret import node_connectivity
from edge2torch.simulate import layered_graph, planted_nodes

METHODS = (
    *("LayerConductance", "InternalInfluence", "LayerGradientXActivation", "LayerActivation"),
    *("NodeKnockout", "LayerDeepLift", "LayerLRP", "LayerGradientShap", "LayerFeaturePermutation"),
)
SETTINGS = {"as drawn": (0.0, 0.0), "mild": (1.0, 0.5), "strong": (2.0, 0.7)}  # offset, log scale
Scorer = Callable[[nn.Module, pd.DataFrame], pd.DataFrame]


def scorers(seed: int) -> dict[str, Scorer]:
    def at_random(model: nn.Module, x: pd.DataFrame) -> pd.DataFrame:
        names = model.artifact.topology.hidden
        drawn = np.random.default_rng(seed).normal(size=(len(x), len(names)))
        return pd.DataFrame(drawn, x.index, names)

    def by_degree(model: nn.Module, x: pd.DataFrame) -> pd.DataFrame:
        names = model.artifact.topology.hidden
        degree = node_connectivity(model.artifact)["degree"][names].to_numpy(float)
        return pd.DataFrame(np.tile(degree, (len(x), 1)), x.index, names)

    def by_method(name: str) -> Scorer:
        return lambda model, x: e2t.attribute(
            model, x, "nodes", name, nodes="hidden", quiet=True
        ).frame()

    return {
        **{name: by_method(name) for name in METHODS},
        "a random order": at_random,
        "number of edges": by_degree,
    }


def problem(seed: int, offset: float, scale: float) -> pd.DataFrame:
    """Return area and recovery of every method on one trained network."""
    edges = layered_graph([60, 20, 1], [160, 20], seed)
    task = planted_nodes(edges, depth=1, how="values", n_train=500, n_test=100, seed=seed)
    rng = np.random.default_rng(seed + 100)
    size = np.exp(scale * rng.normal(size=60))
    start = offset * rng.normal(size=60)
    torch.manual_seed(seed)
    model, artifact = e2t.compile_graph(edges, quiet=True)
    net = e2t.customize_model(model, node_activation="tanh")
    table = (task.x_train * size + start)[artifact.feature_names]
    x = torch.tensor(table.to_numpy(np.float32))
    y = torch.tensor(task.y_train.to_numpy(np.float32))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02, weight_decay=0.01)
    for _ in range(80):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(net(x)[:, 0], y).backward()
        optimizer.step()
    samples, own = task.x_test * size + start, scorers(seed)
    found = e2t.faithfulness(net, samples, own, steps=12, redraws=0, quiet=True).summary()
    rank = {
        name: score(net, samples).abs().mean().rank(pct=True)[task.causal].mean()
        for name, score in own.items()
    }
    return pd.DataFrame({"area": found["area"].droplevel("target"), "recovery": rank})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    asked = parser.parse_args()
    for name, how in SETTINGS.items():
        mean = sum(problem(seed, *how) for seed in range(asked.seeds)) / asked.seeds
        rho = spearmanr(mean["area"], mean["recovery"])[0]
        print(f"\n{name}: Spearman {rho:.2f}\n")
        print(markdown(mean.sort_values("area"), "method"))


if __name__ == "__main__":
    main()
