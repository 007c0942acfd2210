"""Training in the steady state on the ligand screen of Nilsson et al. 2022, beside ridge.

    python benchmarks/steady_state.py --data DIR --folds 1 8 15 22

DIR as for ``lembas.py``, whose folds these are. Arms: ``recipe`` is ``fit_steady_state``; ``plain``
the same model and loss straight in the steady state by Adam; ``permuted`` the recipe with the
training conditions' answers exchanged among them. With ``--inner 4`` parts of a fold's training
conditions are predicted instead, for choosing settings.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from lembas import Screen, connected, read, ridge, splits
from torch import Tensor, nn

import edge2torch as e2t


def steady_model(screen: Screen, seed: int, activation: str) -> tuple[nn.Module, list[str]]:
    torch.manual_seed(seed)
    edges = connected(screen, screen.edges)
    nodes = {*edges["source"], *edges["target"]}
    outputs = [name for name in screen.activity if name in set(edges["target"])]
    model, artifact = e2t.compile_graph(
        edges,
        backend="recurrent",
        steps="converge",
        sign_column="sign",
        inputs=[name for name in screen.doses if name in nodes],
        outputs=outputs,
        max_steps=100,
        tolerance=1e-3,
        unused="prune",
        quiet=True,
    )
    return e2t.customize_model(model, node_activation=activation), artifact.feature_names


def plain(model: nn.Module, x: Tensor, y: Tensor, epochs: int) -> nn.Module:
    """What a first try looks like: no start, no warm-up, one learning rate."""
    penalty = e2t.regularize.SpectralRadiusPenalty(model, limit=0.9)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(epochs):
        optimizer.zero_grad()
        (nn.functional.mse_loss(model(x), y) + penalty()).backward()
        optimizer.step()
    return model.eval()


def predicted(screen: Screen, arm: str, train_on: np.ndarray, place: int, options) -> np.ndarray:
    """Return all conditions' readouts (conditions, TFs) as a model trained on some has them."""
    activation = options.activation or ("mml" if arm == "plain" else "tanh")
    model, inputs = steady_model(screen, 0, activation)
    x = torch.tensor(screen.doses[inputs].to_numpy() * options.dose, dtype=torch.float32)
    outputs = [name for name in screen.activity if name in set(screen.edges["target"])]
    y = torch.tensor(screen.activity[outputs].to_numpy(), dtype=torch.float32)
    rows = torch.from_numpy(train_on)
    answers = y[rows]
    if arm == "permuted":
        answers = answers[np.random.default_rng(place).permutation(len(rows))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", e2t.Edge2TorchWarning)
        if arm == "plain":
            model = plain(model, x[rows], answers, options.epochs)
        else:
            fitted = e2t.train.fit_steady_state(
                model, x[rows], answers, epochs=options.epochs, first_share=options.first_share
            )
            model = fitted.model
        with torch.no_grad():
            found = model(x).numpy()
    whole = np.tile(screen.activity.to_numpy()[train_on].mean(0), (len(x), 1))
    whole[:, [screen.activity.columns.get_loc(name) for name in outputs]] = found
    return whole


def correlation(found: np.ndarray, right: np.ndarray) -> float:
    return float(np.corrcoef(found.ravel(), right.ravel())[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folds", type=int, nargs="*", help="some of the 28")
    parser.add_argument("--inner", type=int, default=0)
    parser.add_argument("--arms", nargs="+", default=["recipe", "plain", "permuted"])
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--first-share", type=float, default=0.5)
    parser.add_argument("--activation")
    parser.add_argument("--dose", type=float, default=3.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    screen = read(options.data)
    x, y = screen.doses.to_numpy(float), screen.activity.to_numpy(float)
    told: dict[str, list[np.ndarray]] = {name: [] for name in (*options.arms, "ridge", "mean")}
    in_training: dict[str, list[float]] = {name: [] for name in options.arms}
    truth, seconds = [], []
    for fold, part, train_on, held_out in splits(screen, options.folds, options.inner):
        truth.append(y[held_out])
        told["mean"].append(np.tile(y[train_on].mean(0), (len(held_out), 1)))
        told["ridge"].append(ridge(x, y, train_on)[held_out])
        for arm in options.arms:
            start = time.process_time()
            found = predicted(screen, arm, train_on, fold, options)
            seconds.append(time.process_time() - start)
            told[arm].append(found[held_out])
            in_training[arm].append(float(((found - y)[train_on] ** 2).mean()))
            r = correlation(np.concatenate(told[arm]), np.concatenate(truth))
            print(
                f"{arm}, fold {fold}.{part}: {seconds[-1]:.0f} s, training MSE "
                f"{in_training[arm][-1]:.4f}, pooled r so far {r:.3f}",
                flush=True,
            )
    right = np.concatenate(truth)
    mean = np.concatenate(told["mean"])
    print(
        f"\n| model | pooled r, {len(right)} conditions | r beyond the mean | MSE | in training |"
    )
    print("|---|---|---|---|---|")
    for name, parts in told.items():
        found = np.concatenate(parts)
        r = correlation(found, right)
        beyond = "" if name == "mean" else f"{correlation(found - mean, right - mean):.3f}"
        own = f"{np.mean(in_training[name]):.4f}" if name in in_training else ""
        print(f"| {name} | {r:.3f} | {beyond} | {((found - right) ** 2).mean():.4f} | {own} |")


if __name__ == "__main__":
    main()
