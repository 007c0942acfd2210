"""The ligand screen of Nilsson et al. 2022 (doi:10.1038/s41467-022-30684-y) in its 28 folds.

    python benchmarks/lembas.py --data DIR

DIR holds ``lembas_ligandScreen_{edges,nodes,Ligands,TFs,cv28}.tsv``. Each fold leaves out three
conditions; what is predicted for the 84 of them is pooled into one Pearson correlation, beside
ridge regression on the ligands, the training mean, and the same model on a scrambled network.
"""

from __future__ import annotations

import argparse
import hashlib
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import edge2torch as e2t
from edge2torch.nn import spectral_radius


@dataclass(frozen=True)
class Screen:
    """Signed edges, ligand doses (conditions, ligands) and TF activities (conditions, TFs)."""

    edges: pd.DataFrame
    doses: pd.DataFrame
    activity: pd.DataFrame
    folds: pd.Series


def read(folder: Path) -> Screen:
    def table(name: str, **options: object) -> pd.DataFrame:
        return pd.read_csv(folder / f"lembas_ligandScreen_{name}.tsv", sep="\t", **options)

    edges = table("edges")
    one_sign = edges["stimulation"] != edges["inhibition"]
    edges["sign"] = np.where(one_sign, edges["stimulation"] - edges["inhibition"], 0)
    edges = edges.groupby(["source", "target"], as_index=False)["sign"].agg(
        lambda signs: signs.iloc[0] if signs.nunique() == 1 else 0
    )
    cv = table("cv28")
    doses, activity = table("Ligands", index_col=0), table("TFs", index_col=0)
    return Screen(edges, doses, activity.loc[doses.index], cv.set_index("Condition")["Index"])


def scrambled(edges: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The same sources and targets, joined at random."""
    rng = np.random.default_rng(seed)
    mixed = edges.assign(target=rng.permutation(edges["target"].to_numpy()))
    return mixed.drop_duplicates(["source", "target"])


def connected(screen: Screen, edges: pd.DataFrame) -> pd.DataFrame:
    """Edges on a way from a ligand; those of other nodes would carry a constant."""
    import networkx as nx

    graph = nx.from_pandas_edgelist(edges, create_using=nx.DiGraph)
    ligands = [name for name in screen.doses if name in graph]
    reached = set(ligands).union(*(nx.descendants(graph, name) for name in ligands))
    return edges[edges["source"].isin(reached)]


def train(screen: Screen, edges: pd.DataFrame, train_on: np.ndarray, seed: int, options):
    torch.manual_seed(seed)
    edges = connected(screen, edges)
    nodes = {*edges["source"], *edges["target"]}
    inputs = [name for name in screen.doses if name in nodes]
    outputs = [name for name in screen.activity if name in set(edges["target"])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", e2t.Edge2TorchWarning)
        model, _ = e2t.compile_graph(
            edges,
            backend="recurrent",
            steps=options.steps,
            sign_column=None if options.no_signs else "sign",
            inputs=inputs,
            outputs=outputs,
            leak=options.leak,
            max_steps=options.max_steps,
            tolerance=1e-3,
            unused="prune",
            quiet=True,
        )
    model = e2t.customize_model(model, node_activation=options.activation)
    x = torch.tensor(screen.doses[inputs].to_numpy() * options.dose, dtype=torch.float32)
    y = torch.tensor(screen.activity[outputs].to_numpy(), dtype=torch.float32)
    base = model.base_model
    edges_, bias = base.cells[0].edges.weight, base.cells[0].edges.bias
    with torch.no_grad():
        edges_.mul_(options.init)
        places = base.outputs - base.in_features
        bias[places] = y[train_on].mean(0)
    others = [p for p in model.parameters() if p is not edges_ and p is not bias]
    optimizer = torch.optim.Adam([edges_, bias, *others], lr=options.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.lr, total_steps=options.epochs, pct_start=0.1
    )
    mean = torch.zeros_like(bias)
    mean[places] = y[train_on].mean(0)
    for epoch in range(options.epochs):
        optimizer.zero_grad()
        rows = torch.from_numpy(train_on)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", e2t.Edge2TorchWarning)
            found = model(x[rows])
        loss = ((found - y[rows]) ** 2).mean()
        penalty = options.decay * edges_.square().sum()
        penalty = penalty + options.bias_decay * (bias - mean).square().sum()
        if options.spectral and epoch % 10 == 0:
            penalty = penalty + options.spectral * (spectral_radius(model) - 0.9).clamp_min(0) ** 2
        (loss + penalty).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", e2t.Edge2TorchWarning)
        found = model(x).numpy()
    whole = np.tile(screen.activity.to_numpy()[train_on].mean(0), (len(x), 1))
    whole[:, [screen.activity.columns.get_loc(name) for name in outputs]] = found
    return whole


def splits(screen: Screen, folds: list[int], inner: int):
    """Yield fold, part, training rows and held-out rows; of training rows alone if inner."""
    for fold in folds or sorted(screen.folds.unique()):
        left_out = screen.doses.index.isin(screen.folds.index[screen.folds == fold])
        train_on, held_out = np.flatnonzero(~left_out), np.flatnonzero(left_out)
        if not inner:
            yield fold, 0, train_on, held_out
            continue
        # conditions that some fold leaves out: the others have no sister to learn from
        asked = train_on[screen.doses.index[train_on].isin(screen.folds.index)]
        mixed = np.random.default_rng(fold).permutation(asked)
        for part, rows in enumerate(np.array_split(mixed, inner), 1):
            yield fold, part, np.setdiff1d(train_on, rows), np.sort(rows)


def one_run(screen: Screen, arm: str, place: tuple, train_on: np.ndarray, seed: int, options):
    """Train one model, or read what an earlier call with these options has kept."""
    told = {
        k: v
        for k, v in vars(options).items()
        if k not in {"data", "folds", "arms", "seeds", "keep"}
    }
    key = repr((arm, *map(int, place), seed, sorted(told.items())))
    name = hashlib.sha256(key.encode()).hexdigest()
    kept = options.keep and options.keep / f"{name[:16]}.npz"
    if kept and kept.exists():
        with np.load(kept) as earlier:
            return earlier["found"], float(earlier["seconds"])
    edges = screen.edges if arm == "network" else scrambled(screen.edges, place[0])
    start = time.process_time()
    found = train(screen, edges, train_on, seed, options)
    seconds = time.process_time() - start
    if kept:
        options.keep.mkdir(parents=True, exist_ok=True)
        np.savez(kept, found=found, seconds=seconds)
    return found, seconds


def ridge(x: np.ndarray, y: np.ndarray, train_on: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    center = x[train_on].mean(0)
    a, mean = x[train_on] - center, y[train_on].mean(0)
    coefficients = np.linalg.solve(a.T @ a + alpha * np.eye(a.shape[1]), a.T @ (y[train_on] - mean))
    return (x - center) @ coefficients + mean


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folds", type=int, nargs="*", help="some of the 28")
    parser.add_argument(
        "--inner", type=int, default=0, help="parts of the training conditions to validate on"
    )
    parser.add_argument(
        "--seeds", type=int, default=1, help="models whose predictions are averaged"
    )
    parser.add_argument("--steps", type=lambda s: s if s == "converge" else int(s), default=10)
    parser.add_argument("--max-steps", type=int, default=60)
    parser.add_argument("--leak", type=float)
    parser.add_argument("--activation", default="tanh")
    parser.add_argument("--epochs", type=int, default=600)
    parser.add_argument("--lr", type=float, default=1e-2)
    parser.add_argument("--decay", type=float, default=1e-5)
    parser.add_argument("--bias-decay", type=float, default=1e-5)
    parser.add_argument("--spectral", type=float, default=0.0)
    parser.add_argument("--dose", type=float, default=3.0)
    parser.add_argument("--init", type=float, default=1.0)
    parser.add_argument("--no-signs", action="store_true")
    parser.add_argument("--arms", nargs="+", default=["network", "scrambled"])
    parser.add_argument("--keep", type=Path, help="folder of predictions, to go on from")
    options = parser.parse_args()
    torch.set_num_threads(1)
    screen = read(options.data)
    x, y = screen.doses.to_numpy(float), screen.activity.to_numpy(float)
    arms: dict[str, list[np.ndarray]] = {"network": [], "scrambled": [], "ridge": [], "mean": []}
    truth, seconds = [], []
    for fold, part, train_on, held_out in splits(screen, options.folds, options.inner):
        truth.append(y[held_out])
        arms["mean"].append(np.tile(y[train_on].mean(0), (len(held_out), 1)))
        arms["ridge"].append(ridge(x, y, train_on)[held_out])
        for arm in options.arms:
            runs = [
                one_run(screen, arm, (fold, part), train_on, k, options)
                for k in range(options.seeds)
            ]
            arms[arm].append(np.mean([found for found, _ in runs], 0)[held_out])
            seconds.append(sum(took for _, took in runs))
            together = np.concatenate(arms[arm]).ravel()
            r = np.corrcoef(together, np.concatenate(truth).ravel())[0, 1]
            print(f"{arm}, fold {fold}: {seconds[-1]:.0f} s, pooled r so far {r:.3f}", flush=True)
    told = np.concatenate(truth)
    print(f"\n| model | pooled r, {len(told)} held-out conditions | MSE |\n|---|---|---|")
    for name, found in arms.items():
        if found:
            predicted = np.concatenate(found)
            r = np.corrcoef(predicted.ravel(), told.ravel())[0, 1]
            print(f"| {name} | {r:.3f} | {((predicted - told) ** 2).mean():.4f} |")
    print(f"\n{np.median(seconds):.1f} CPU seconds per fold ({options.seeds} model(s))")


if __name__ == "__main__":
    main()
