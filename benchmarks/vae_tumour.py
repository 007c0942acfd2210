"""A pathway VAE, a dense VAE of the same latent size, PCA and the mean profile on held-out cells.

    python benchmarks/vae_tumour.py counts.h5ad split.tsv reactome.gmt [--seeds 3] [--size 15]

``counts.h5ad`` holds cells by genes with ``obs["cell_type"]``, ``split.tsv`` the columns ``cell``
and ``split`` (train or test). Figures are negative log-likelihoods per held-out cell, given the
cell's own library; the lower the better. Clusters are k-means with as many clusters as there are
cell types; every figure of a latent space is of the held-out cells.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import anndata
import pandas as pd
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge2torch.priors import filter_sets, keep_between, read_gmt
from edge2torch.vae import compile_vae, differential_activity, mirror, nb_log_prob, poisson_log_prob


def indices(latents, types, seed):
    found = KMeans(len(set(types)), n_init=10, random_state=seed).fit_predict(latents)
    return {
        "ARI": adjusted_rand_score(types, found),
        "NMI": normalized_mutual_info_score(types, found),
    }


def best_nb(x, log_mean, x_train, log_mean_train):
    """NB with the dispersion per gene that fits the training cells best."""
    x_train, log_mean_train = x_train[::4], log_mean_train[::4]  # dispersions need no more
    disp = torch.zeros(x.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([disp], lr=0.2)
    for _ in range(40):
        optimizer.zero_grad()
        loss = -nb_log_prob(x_train, log_mean_train, disp).sum() / len(x_train)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return -float(nb_log_prob(x, log_mean, disp).sum()) / len(x)


def baselines(train, test, types, size):
    """The mean profile, and PCA of log-normalised counts turned back into proportions."""
    x, y = (torch.from_numpy(part.X.toarray().astype("f4")) for part in (train, test))
    library, library_y = x.sum(1, keepdim=True), y.sum(1, keepdim=True)
    profile_sum = (x.sum(0) / x.sum()).clamp(min=1e-8).log()
    rows = []
    for name, own in (("library x mean profile", profile_sum),):
        means = [own + part.log() for part in (library, library_y)]
        rows.append({
            "model": name,
            "Poisson": -float(poisson_log_prob(y, means[1]).sum()) / len(y),
            "NB": best_nb(y, means[1], x, means[0]),
        })  # fmt: skip
    scale = float(library.median())
    logs = [(part / lib * scale).log1p().numpy() for part, lib in ((x, library), (y, library_y))]
    pca = PCA(size, random_state=0).fit(logs[0])
    backs = []
    for part, lib in zip(logs, (library, library_y), strict=True):
        rate = (
            torch.from_numpy(pca.inverse_transform(pca.transform(part)))
            .float()
            .expm1()
            .clamp(min=0)
        )
        rate = rate + 0.01 * profile_sum.exp() * scale  # no gene is impossible
        backs.append((rate / rate.sum(1, keepdim=True)).log() + lib.log())
    rows.append({
        "model": f"PCA, {size}",
        "Poisson": -float(poisson_log_prob(y, backs[1]).sum()) / len(y),
        "NB": best_nb(y, backs[1], x, backs[0]),
        **indices(pca.transform(logs[1]), types, 0),
    })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("counts")
    parser.add_argument("split")
    parser.add_argument("gmt")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--size", type=int, nargs=2, default=(40, 200), help="genes per pathway")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--dense-latents", type=int, default=0)
    parser.add_argument("--lr", type=float, default=3e-3)
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
    rows = baselines(train, test, types, min(n_latents, len(train) - 1))
    print(pd.DataFrame(rows).to_string(), flush=True)
    tables = []
    for seed in range(args.seeds):
        for name, design in (
            ("pathway VAE", {"decoder_edges": sets, "dense_latents": args.dense_latents}),
            ("dense VAE", {"latents": n_latents}),
        ):
            start = time.perf_counter()
            model, _ = compile_vae(features=list(cells.var_names), seed=seed, **design)
            report = model.fit(
                train, max_epochs=args.epochs, seed=seed, lr=args.lr, warmup=10, patience=15
            )
            found = model.diagnose(test, types, seed=seed)
            rows.append({
                "model": f"{name}, seed {seed}", "NB": -found.log_likelihood, "-ELBO": -found.elbo,
                "ARI": found.clustering["ari"], "NMI": found.clustering["nmi"],
                "active": int((~found.latents["collapsed"]).sum()), "best epoch": report.best_epoch,
                "seconds": time.perf_counter() - start,
            })  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
            if name == "pathway VAE" and seed == 0:
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
    return table.groupby("group").head(8)[
        ["group", "latent", "effect_size", "log_bayes_factor", "fdr"]
    ]


if __name__ == "__main__":
    main()
