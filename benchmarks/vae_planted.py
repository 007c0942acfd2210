"""Are planted programs found? Counts drawn from a known pathway decoder, ten seeds.

    python benchmarks/vae_planted.py [--seeds 10]

Sixty pathways of 5 to 80 genes, which overlap; twelve of them are active. Each cell has a value of
each active pathway, each gene of it a positive weight; counts are negative binomial. A fitted
pathway decoder ranks all sixty by ``activity``, the log change that their genes share; AUROC asks
whether the active ones stand above the others, and the rank correlation of the score with the number
of genes, among the inactive ones, whether it follows size. ``gap`` is the lowest active score over
the highest inactive one. ``effect`` and divergence, which see what the latents say and no more, are
beside it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge2torch.vae import compile_vae


def planted(seed, *, n_cells=1000, n_genes=600, n_pathways=60, n_active=12):
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.uniform(np.log(5), np.log(80), n_pathways)).astype(int)
    member = np.zeros((n_pathways, n_genes), bool)
    for own, size in zip(member, sizes, strict=True):
        own[rng.choice(n_genes, size, replace=False)] = True
    active = np.zeros(n_pathways, bool)
    active[rng.choice(n_pathways, n_active, replace=False)] = True
    weight = np.where(member & active[:, None], rng.uniform(0.3, 1.0, member.shape), 0)
    log_rate = rng.normal(0, 1, (n_cells, n_pathways)) @ weight + rng.normal(0, 1, n_genes)
    share = np.exp(log_rate)
    share /= share.sum(1, keepdims=True)
    mean = share * rng.lognormal(np.log(3000), 0.3, (n_cells, 1))
    counts = rng.poisson(mean * rng.gamma(5, 1 / 5, mean.shape))
    genes, names = [f"g{k}" for k in range(n_genes)], [f"P{k:02d}" for k in range(n_pathways)]
    rows, columns = np.nonzero(member)
    sets = pd.DataFrame({"source": np.array(names)[rows], "target": np.array(genes)[columns]})
    return pd.DataFrame(counts, columns=genes), sets, active, sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=60)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for seed in range(args.first, args.first + args.seeds):
        counts, sets, active, sizes = planted(seed)
        model, _ = compile_vae(decoder_edges=sets, features=list(counts), seed=seed)
        report = model.fit(
            counts, max_epochs=args.epochs, lr=5e-3, seed=seed, warmup=10, patience=15
        )
        found = model.diagnose(counts).latents
        score = found["activity"].to_numpy()
        rows.append({
            "seed": seed, "AUROC": roc_auc_score(active, score),
            "gap": score[active].min() / score[~active].max(),
            "size, inactive": spearmanr(score[~active], sizes[~active]).statistic,
            "size, active": spearmanr(score[active], sizes[active]).statistic,
            "AUROC of effect": roc_auc_score(active, found["effect"]),
            "of divergence": roc_auc_score(active, found["kl"]),
            "of size": roc_auc_score(active, sizes), "epochs": len(report.history),
            "collapsed": int(found["collapsed"].to_numpy()[active].sum()),
        })  # fmt: skip
        rows[-1] = {name: round(float(value), 3) for name, value in rows[-1].items()}
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    print(table.describe().loc[["mean", "min", "max"]].round(3).to_string())


if __name__ == "__main__":
    main()
