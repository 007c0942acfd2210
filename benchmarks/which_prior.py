"""Does compare_priors name the prior that made the data, and none where none did?

    python benchmarks/which_prior.py --runs 100                # the table
    python benchmarks/which_prior.py --runs 10 --kinds noise

300 samples × 48 genes with six weak common factors; three priors that divide the genes into twelve sets of
four, each at random. "one": the answer is a sum over the sets of one of the three (of its genes with random
signs, bent like a step) and noise; "unrelated": the same with sets that no prior has; "noise": the answer is
noise. Four graphs of each control, two starts, three folds.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from benchmarks.markdown import markdown
from edge2torch.study import PriorComparison, compare_priors

N, GENES, SETS, FACTORS = 300, 48, 12, 6
PRIORS = "ABC"
HOW = {
    "draws": 4, "starts": 2, "folds": 3, "max_epochs": 70, "batch_size": 64, "learning_rate": 0.02,
    "weight_decay": 0.05, "input_dropout": 0.0, "node_dropout": 0.0, "patience": 15,
}  # fmt: skip


def divided(rng: np.random.Generator, genes: list[str]) -> pd.DataFrame:
    """Sets that share no gene, and one answer."""
    parts = np.split(rng.permutation(genes), SETS)
    pairs = [(gene, f"s{k}") for k, own in enumerate(parts) for gene in own]
    return pd.DataFrame(pairs + [(f"s{k}", "y") for k in range(SETS)], columns=["source", "target"])


def answer(rng: np.random.Generator, data: pd.DataFrame, edges: pd.DataFrame) -> np.ndarray:
    total = np.zeros(N)
    for _, own in edges[edges["target"] != "y"].groupby("target"):
        value = data[own["source"]].to_numpy() @ rng.choice([-1, 1], len(own))
        total += rng.choice([-1, 1]) * np.tanh(4 * value / value.std())
    return total / total.std() + 0.3 * rng.normal(size=N)


def run(seed: int, kind: str) -> tuple[str, PriorComparison]:
    """Return the prior that made the data (of "one"), and what was found."""
    rng = np.random.default_rng([seed, 7])
    genes = [f"g{k:02d}" for k in range(GENES)]
    common = rng.normal(size=(N, FACTORS)) @ (0.25 * rng.normal(size=(FACTORS, GENES)))
    data = pd.DataFrame(rng.normal(size=(N, GENES)) + common, columns=genes)
    data = (data - data.mean()) / data.std()
    priors = {name: divided(rng, genes) for name in PRIORS}
    right = PRIORS[seed % len(PRIORS)]
    if kind == "noise":
        y = rng.normal(size=N)
    else:
        y = answer(rng, data, priors[right] if kind == "one" else divided(rng, genes))
    return right, compare_priors(priors, data, y, task="regression", seed=seed, quiet=True, **HOW)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--kinds", nargs="+", default=["one", "unrelated", "noise"])
    asked = parser.parse_args()
    rows = {}
    for kind in asked.kinds:
        found = [run(seed, kind) for seed in range(asked.runs)]
        rows[kind] = {
            "runs": len(found),
            "the right prior": sum(one.best == (right,) for right, one in found)
            if kind == "one"
            else 0,
            "another or several": sum(
                bool(one.best) and one.best != (right,) for right, one in found
            ),
            **{
                word: sum(one.verdict == word for _, one in found)
                for word in ("sparsity", "neither", "nothing")
            },
        }
        print(f"{kind}: {rows[kind]}")
    print(markdown(pd.DataFrame(rows).T, "data made by"))


if __name__ == "__main__":
    main()
