"""Does attribution find the regulator that was planted in a graph of feedback loops?

    python benchmarks/planted.py [--seeds 10] [--backend recurrent gnn]

A model is trained on the whole graph; hidden nodes are ranked by their mean absolute attribution,
and the AUROC is that of the planted regulator among all hidden nodes.
"""

from __future__ import annotations

import argparse
import time
import warnings

import torch

import edge2torch as e2t
from edge2torch.simulate import planted_regulator

OPTIONS = {"recurrent": {"steps": 6}, "gnn": {"steps": 4, "channels": 4}}


def auroc(seed: int, backend: str, epochs: int) -> tuple[float, float]:
    """Return the AUROC of the planted regulator, and the R2 on test data."""
    problem = planted_regulator(seed=seed)
    torch.manual_seed(seed)
    model, artifact = e2t.compile_graph(
        problem.edges, backend=backend, outputs=["outcome"], quiet=True, **OPTIONS[backend]
    )
    x = e2t.align_features_to_input_nodes(problem.x_train, artifact)
    y = torch.tensor(problem.y_train.to_numpy(), dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-2)
    for _ in range(epochs):
        optimizer.zero_grad()
        ((model(x) - y) ** 2).mean().backward()
        optimizer.step()
    test = torch.tensor(problem.y_test.to_numpy(), dtype=torch.float32)
    with torch.no_grad():
        left = model(e2t.align_features_to_input_nodes(problem.x_test, artifact)) - test
    scores = e2t.interpret_model(
        model, artifact, problem.x_test, target="nodes", level="summary", nodes="hidden", quiet=True
    )
    rank = scores[problem.hidden].abs().mean()
    others = rank.drop(problem.regulator)
    won = (rank[problem.regulator] > others).mean() + (rank[problem.regulator] == others).mean() / 2
    return float(won), float(1 - left.square().mean() / test.var())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--backend", nargs="+", default=list(OPTIONS))
    parser.add_argument("--epochs", type=int, default=400)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| backend | mean AUROC | lowest | mean test R2 | s per seed |\n|---|---|---|---|---|")
    for backend in options.backend:
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", e2t.Edge2TorchWarning)
            found = [auroc(seed, backend, options.epochs) for seed in range(options.seeds)]
        areas, fits = zip(*found, strict=True)
        seconds = (time.perf_counter() - start) / options.seeds
        print(
            f"| {backend} | {sum(areas) / len(areas):.3f} | {min(areas):.3f} | "
            f"{sum(fits) / len(fits):.2f} | {seconds:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
