"""Steps of a recurrent model in one pass and one after the other: turns in alternation.

    PYTHONPATH=. python benchmarks/recurrent_steps.py [--rows 3 5]

Drawn graphs with cycles, a tenth of the nodes inputs, five outputs; one process, one thread. A turn is 80 ms
of forward and backward of a mean square, after one that does not count; the time is the processor's.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings

import numpy as np
import pandas as pd
import torch

import edge2torch as e2t

# nodes, edges, steps, batch, activation of hidden nodes, leak, nodes that are held
ROWS: list[tuple[int, int, int | str, int, str | None, float | None, int]] = [
    (30, 90, 2, 64, None, None, 0),
    (60, 200, 3, 16, "tanh", None, 0),
    (100, 300, 3, 64, None, None, 0),
    (300, 1_500, 3, 64, "relu", None, 0),
    (300, 1_500, 10, 256, "tanh", None, 0),
    (1_000, 5_000, 3, 32, None, None, 0),
    (2_000, 20_000, 3, 64, "tanh", None, 0),
    (5_000, 20_000, 5, 64, None, None, 0),
    (5_000, 50_000, 5, 256, "tanh", None, 0),
    (200, 8_000, 5, 64, "relu", None, 0),
    (400, 40_000, 3, 64, None, None, 0),
    (1_000, 100_000, 3, 128, "tanh", None, 0),
    (20_000, 60_000, 4, 64, None, None, 0),
    (3_000, 10_000, 20, 64, "tanh", 0.3, 0),
    (10_000, 100_000, 3, 64, None, None, 0),
    (20, 50, "converge", 25, "tanh", None, 0),
    (60, 200, "converge", 25, "tanh", None, 0),
    (200, 800, "converge", 64, "tanh", None, 0),
    (600, 3_000, "converge", 100, "tanh", None, 0),
    (2_000, 10_000, "converge", 100, "tanh", None, 0),
    (60, 200, "converge", 25, "tanh", None, 5),
    (200, 800, "converge", 64, "tanh", None, 10),
    (600, 3_000, "converge", 100, "tanh", None, 10),
    (2_000, 10_000, "converge", 100, "tanh", None, 10),
]
TURNS, SECONDS = 9, 0.08


def draw(nodes: int, edges: int, seed: int = 0) -> pd.DataFrame:
    """Return a graph with cycles, without self loops and pairs that come twice."""
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, nodes, edges), rng.integers(nodes // 10, nodes, edges)
    table = pd.DataFrame({"source": source, "target": target}).drop_duplicates()
    return table[table["source"] != table["target"]].astype(str).radd("n")


def measure(
    nodes: int,
    edges: int,
    steps: int | str,
    batch: int,
    activation: str | None,
    leak: float | None,
    n_held: int,
) -> dict[str, float]:
    """Return the milliseconds of each engine."""
    table, models = draw(nodes, edges), {}
    for engine in ("layers", "graph", "auto"):
        backend = e2t.Recurrent(steps=steps, engine=engine, leak=leak, max_steps=60, tolerance=1e-4)
        outputs = table["target"].iloc[:5].unique().tolist()
        model, artifact = e2t.compile_graph(
            table, backend=backend, outputs=outputs, seed=0, quiet=True
        )
        if activation:
            model = e2t.customize_model(model, node_activation=activation, artifact=artifact)
        models[engine] = model
    x = torch.randn(batch, len(artifact.feature_names))
    # a knock-out of each in a third of the samples, as a screen has them
    own = list(artifact.node_names_by_layer.values())[-1]
    share = (torch.rand(batch, n_held) < 1 / 3).float()
    held = {"hold": artifact.hold(own[5 : 5 + n_held], batch, share)} if n_held else {}
    turns: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(TURNS):
        for name, model in models.items():
            parameters, count, begin = list(model.parameters()), 0, time.process_time()
            while time.process_time() - begin < SECONDS:
                for one in parameters:
                    one.grad = None
                model(x, **held).square().mean().backward()
                count += 1
            if turn:
                turns[name].append(1e3 * (time.process_time() - begin) / count)
    return {name: statistics.median(each) for name, each in turns.items()}


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--rows", nargs="+", type=int, help="of the table, from 0 (all)")
    chosen = ask.parse_args().rows or range(len(ROWS))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", e2t.Edge2TorchWarning)  # of nodes that reach no output
    print(
        "| nodes | edges | steps | batch | nodes do | held | step by step | one pass | auto | times |"
    )
    print("|--:|--:|--:|--:|---|--:|--:|--:|--:|--:|")
    for nodes, edges, steps, batch, activation, leak, n_held in (ROWS[k] for k in chosen):
        found = measure(nodes, edges, steps, batch, activation, leak, n_held)
        does = ", ".join([activation or "", *([f"leak {leak}"] if leak else [])])
        cells = [
            nodes,
            edges,
            steps,
            batch,
            does,
            n_held,
            *(f"{value:.3g}" for value in found.values()),
        ]
        print("|", " | ".join(map(str, cells)), f"| {found['layers'] / found['graph']:.1f} |")


if __name__ == "__main__":
    main()
