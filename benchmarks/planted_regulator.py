"""Do node attributions find the regulators that made the data, on graphs with cycles?

    python benchmarks/planted_regulator.py --backend gnn --seeds 10

Thirty regulators read two or three genes each, regulate each other along sixty random edges
(cycles and all) and can each act on the phenotype. Three of them do: the phenotype is the sum of
their activities, plus noise. A model of the whole graph is trained on genes and phenotype; the
regulators' scores are the mean absolute LayerConductance over samples, their largest over sites.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

import edge2torch as e2t

BACKENDS = {
    "gnn": {"steps": 3, "channels": 6, "kernel": "dense"},
    "recurrent": {"steps": 3},
}


def planted(seed, n_regulators=30, n_planted=3, n_between=60, n_samples=600, noise=0.3):
    """Return edges, genes (b, i), phenotype (b, 1) and the planted regulators."""
    rng = np.random.default_rng(seed)
    regulators = [f"r{k}" for k in range(n_regulators)]
    own = {r: [f"g{2 * k}", f"g{2 * k + 1}"] for k, r in enumerate(regulators)}
    for genes in own.values():
        if rng.random() < 0.5:
            genes.append(f"g{rng.integers(2 * n_regulators)}")
    pairs = [(g, r) for r, genes in own.items() for g in dict.fromkeys(genes)]
    between = rng.choice(n_regulators**2, 2 * n_between, replace=False)
    between = [(k // n_regulators, k % n_regulators) for k in between]
    pairs += [(regulators[a], regulators[b]) for a, b in between if a != b][:n_between]
    pairs += [(r, "phenotype") for r in regulators]
    edges = pd.DataFrame(pairs, columns=["source", "target"])
    x = rng.normal(size=(n_samples, 2 * n_regulators)).astype(np.float32)
    chosen = rng.choice(regulators, n_planted, replace=False).tolist()
    activity = [
        np.tanh(sum(rng.choice([-1, 1]) * x[:, int(g[1:])] for g in dict.fromkeys(own[r])))
        for r in chosen
    ]
    y = sum(activity) + noise * rng.normal(size=n_samples)
    data = pd.DataFrame(x, columns=[f"g{k}" for k in range(x.shape[1])])
    return edges, data, y.astype(np.float32)[:, None], chosen


def recover(seed, backend="gnn", epochs=150):
    """Return the AUROC of planted against other regulators, and the test R2."""
    edges, data, y, chosen = planted(seed)
    torch.manual_seed(seed)
    model, artifact = e2t.compile_graph(edges, backend=backend, quiet=True, **BACKENDS[backend])
    if backend == "recurrent":
        model = e2t.customize_model(model, node_activation="tanh")
    x = e2t.align_features_to_input_nodes(data, artifact)
    target = torch.from_numpy(y)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    train = slice(0, 400)
    for _ in range(epochs):
        optimizer.zero_grad()
        (model(x[train]) - target[train]).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        error = (model.eval()(x[400:]) - target[400:]).square().mean() / target[400:].var()
    scores = e2t.interpret_model(
        model, artifact, data[400:], target="nodes", level="summary", nodes="hidden", quiet=True
    )
    size = scores.abs().mean()
    return roc_auc_score(size.index.isin(chosen), size), 1 - error.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="gnn", choices=list(BACKENDS))
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for seed in range(options.seeds):
        start = time.perf_counter()
        auroc, r2 = recover(seed, options.backend)
        rows.append((auroc, r2))
        seconds = time.perf_counter() - start
        print(f"seed {seed}: AUROC {auroc:.3f}, test R2 {r2:.2f}, {seconds:.0f} s", flush=True)
    auroc, r2 = np.array(rows).T
    print(
        f"{options.backend}: mean AUROC {auroc.mean():.3f}, smallest {auroc.min():.3f}; R2 {r2.mean():.2f}"
    )


if __name__ == "__main__":
    main()
