"""A pathway VAE, a dense VAE of the same latent size, PCA and the mean profile on held-out cells.

    python benchmarks/vae_tumour.py counts.h5ad split.tsv reactome.gmt [--seeds 3] [--dense-latents 5]

``counts.h5ad`` holds cells by genes with ``obs["cell_type"]``, ``split.tsv`` the columns ``cell``
and ``split`` (train or test). Figures are negative log-likelihoods per held-out cell, given the
cell's own library; the lower the better. ``NB`` tells each cell given a latent space that has seen
the same cell, so that more components always gain; for ``NB, half`` every molecule is put into one
of two halves by a coin, and the second half is told after seeing the first. Clusters are k-means
with as many clusters as there are cell types; every figure of a latent space is of held-out cells.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge2torch.priors import filter_sets, keep_between, read_gmt
from edge2torch.vae import compile_vae, differential_activity, mirror
from edge2torch.vae._likelihoods import poisson_log_prob
from edge2torch.vae._negative_binomial import nb_log_prob


def indices(latents, types, seed):
    found = KMeans(len(set(types)), n_init=10, random_state=seed).fit_predict(latents)
    return {
        "ARI": adjusted_rand_score(types, found),
        "NMI": normalized_mutual_info_score(types, found),
    }


def best_nb(x, log_mean, x_train, log_mean_train):
    """NB with the dispersion per gene that fits the training cells best."""
    mean = log_mean_train.exp()
    excess = ((x_train - mean).square() - mean).sum(0).clamp(min=1e-12)
    disp = (mean.square().sum(0) / excess).clamp(0.05, 20).log().requires_grad_()
    optimizer = torch.optim.Adam([disp], lr=0.1)
    for _ in range(40):
        optimizer.zero_grad()
        loss = -nb_log_prob(x_train, log_mean_train, disp).sum() / len(x_train)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return -float(nb_log_prob(x, log_mean, disp).sum()) / len(x)


def halves(x):
    """Put every molecule into one of two halves."""
    seen = np.random.default_rng(0).binomial(x.numpy().astype(int), 0.5)
    seen = torch.from_numpy(seen.astype("f4"))
    return seen, x - seen


def log_library(x):
    return x.sum(1, keepdim=True).clamp(min=1).log()


def log_profile(x):
    return (x.sum(0) / x.sum()).clamp(min=1e-8).log()


def pca_of(x, size):
    """PCA of log-normalised counts, and what turns counts into its log proportions."""
    scale, profile = float(x.sum(1).median()), log_profile(x)

    def logs(counts):
        return (counts / log_library(counts).exp() * scale).log1p().numpy()

    pca = PCA(size, random_state=0).fit(logs(x))

    def told(counts):
        back = torch.from_numpy(pca.inverse_transform(pca.transform(logs(counts)))).float()
        rate = back.expm1().clamp(min=0) + 0.01 * profile.exp() * scale  # no gene is impossible
        return (rate / rate.sum(1, keepdim=True)).log()

    return pca, logs, told


def fair_size(x):
    """The number of components that tells second halves of a tenth of the training cells best."""
    held = np.zeros(len(x), bool)
    held[np.random.default_rng(0).permutation(len(x))[: len(x) // 10]] = True
    seen, rest = halves(x[held])
    found = {}
    for size in (2, 5, 10, 20, 50):
        told = pca_of(x[~held], size)[2]
        found[size] = float(poisson_log_prob(rest, told(seen) + log_library(rest)).sum())
    return max(found, key=found.get)


def baseline(name, told, x, y, **more):
    """One row; ``told`` maps counts that are seen to log proportions."""
    own = told(y) + log_library(y)
    (x_seen, x_rest), (y_seen, y_rest) = halves(x), halves(y)
    return {
        "model": name,
        "Poisson": -float(poisson_log_prob(y, own).sum()) / len(y),
        "NB": best_nb(y, own, x, told(x) + log_library(x)),
        "NB, half": best_nb(
            y_rest, told(y_seen) + log_library(y_rest), x_rest, told(x_seen) + log_library(x_rest)
        ),
        **more,
    }


def baselines(train, test, types, size):
    """The mean profile, and PCA of log-normalised counts turned back into proportions."""
    x, y = (torch.from_numpy(part.X.toarray().astype("f4")) for part in (train, test))
    profile = log_profile(x)
    rows = [baseline("library x mean profile", profile.expand_as, x, y)]
    for own in (fair_size(x), size):
        pca, logs, told = pca_of(x, own)
        found = indices(pca.transform(logs(y)), types, 0)
        rows.append(baseline(f"PCA, {own}", told, x, y, **found))
    return rows


def half(model, test):
    """NB of the second half of each cell's molecules, given the latents of the first."""
    seen, rest = halves(torch.from_numpy(test.X.toarray().astype("f4")))
    z = torch.from_numpy(model.latent_table(seen.numpy()).to_numpy())
    with torch.no_grad():
        return -float(model.log_likelihood(rest, z, log_library(rest)).sum()) / len(rest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("counts")
    parser.add_argument("split")
    parser.add_argument("gmt")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--size", type=int, nargs=2, default=(40, 200), help="genes per pathway")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--dense-latents", type=int, default=0)
    parser.add_argument("--no-dense", action="store_true", help="leave the dense VAE out")
    parser.add_argument("--no-baselines", action="store_true")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cells = anndata.read_h5ad(args.counts)
    split = pd.read_csv(args.split, sep="\t").set_index("cell")["split"].reindex(cells.obs_names)
    train, test = (
        cells[(split == "train").to_numpy()].copy(),
        cells[(split == "test").to_numpy()].copy(),
    )
    types = test.obs["cell_type"].astype(str).to_numpy()
    sets = read_gmt(args.gmt, quiet=True)
    sets, _ = keep_between(sets, list(cells.var_names))
    sets, _ = filter_sets(sets, *args.size)
    sets = mirror(sets)
    n_latents = sets["source"].nunique() + args.dense_latents
    print(
        f"{n_latents} latents, {len(sets)} memberships of {sets['target'].nunique()} genes",
        flush=True,
    )
    rows = []
    if not args.no_baselines:
        rows = baselines(train, test, types, min(n_latents, len(train) - 1))
    print(pd.DataFrame(rows).to_string(), flush=True)
    tables = []
    designs = {
        f"pathway VAE + {args.dense_latents}": {
            "decoder_edges": sets,
            "dense_latents": args.dense_latents,
        },
        "dense VAE": {"latents": n_latents},
    }
    for seed in range(args.seeds):
        for name, design in list(designs.items())[: 1 + (not args.no_dense)]:
            start = time.perf_counter()
            model, _ = compile_vae(features=list(cells.var_names), seed=seed, **design)
            report = model.fit(
                train,
                max_epochs=args.epochs,
                seed=seed,
                lr=args.lr,
                patience=15,
                warmup=args.warmup,
                batch_size=args.batch_size,
            )
            found = model.diagnose(test, types, seed=seed)
            rows.append({
                "model": f"{name}, seed {seed}", "NB": -found.log_likelihood,
                "NB, half": half(model, test), "-ELBO": -found.elbo,
                "ARI": found.clustering["ari"], "NMI": found.clustering["nmi"],
                "active": int((~found.latents["collapsed"]).sum()), "best epoch": report.best_epoch,
                "seconds": time.perf_counter() - start,
            })  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
            if name != "dense VAE" and seed == 0:
                tables.append(ranked(model, cells))
    print(pd.DataFrame(rows).to_string())
    for table in tables:
        print(table.to_string())
    if args.out:
        Path(args.out).write_text(json.dumps(rows))


def ranked(model, cells):
    """The first pathways of four lineages, over all cells."""
    lineages = {
        "CD4_T": "T", "CD8_T": "T", "Treg": "T", "B_naive": "B", "B_memory": "B", "B_GC": "B",
        "NK": "NK", "MDC": "myeloid", "DC": "myeloid",
    }  # fmt: skip
    labels = cells.obs["cell_type"].astype(str).map(lineages)
    table = differential_activity(model, cells, labels.where(labels.notna(), None))
    table = table[table["latent"].isin(model.artifact.annotated_names)]
    return table.groupby("group").head(8)[
        ["group", "latent", "effect_size", "log_bayes_factor", "fdr"]
    ]


if __name__ == "__main__":
    main()
