"""Do node scores find the nodes that were planted? Twenty seeds, five settings, two peers.

    make benchmark-recovery                       # the table
    python benchmarks/recovery.py --seeds 3 --settings deep --peers

In each problem a few hidden nodes carry the outcome. Every method ranks all hidden nodes: AUROC and
top-k recovery (k planted nodes among the first k) say whether the planted ones come first, bias is
the Spearman correlation of the ranking score with degree among the others, sets is the Spearman
correlation of the ranking between two independent sets of ten replicates (for single networks:
between two networks). Networks have tanh at hidden nodes and train by Adam.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

import edge2torch as e2t
from benchmarks.contenders import CONTENDERS
from benchmarks.markdown import markdown
from edge2torch.interpret import (
    Replicates,
    control_inputs,
    node_connectivity,
    node_significance,
    rank_stability,
    replicate,
)
from edge2torch.simulate import PlantedNodes, layered_graph, planted_nodes

HERE = Path(__file__).resolve().parent
N, CONTROLS = 10, 20
TRAINING = {"epochs": 30, "lr": 1e-2, "weight_decay": 2e-2, "batch_size": 128}
EXPLAINED = 100  # held-out samples
STEPS = 10  # of the path integral


def equal_fan_in(seed: int) -> pd.DataFrame:
    """Fifty nodes that read twelve of 200 inputs each, and one outcome."""
    rng = np.random.default_rng(seed)
    reads = [(f"in_{k:03d}", f"h_{h:02d}") for h in range(50) for k in rng.choice(200, 12, False)]
    rest = [(f"h_{h:02d}", "y") for h in range(50)]
    return pd.DataFrame([*reads, *rest], columns=["source", "target"])


def uneven_fan_in(seed: int) -> pd.DataFrame:
    """Sixty nodes with three to a hundred and more of 200 inputs."""
    return layered_graph([200, 60, 1], [1500, 60], seed, heavy_tailed=True)


def deep(seed: int) -> pd.DataFrame:
    """Four layers of nodes, fewer and fewer, as pathways of pathways are."""
    return layered_graph([200, 50, 15, 5, 1], [1000, 100, 30, 5], seed, heavy_tailed=True)


SETTINGS: dict[str, tuple[str, Callable[[int], pd.DataFrame], dict[str, object]]] = {
    "equal": ("one node, equal fan-in", equal_fan_in, {}),
    "uneven": ("one node, uneven fan-in", uneven_fan_in, {}),
    "redundant": ("two redundant nodes, uneven fan-in", uneven_fan_in,
                  {"causal": 2, "redundant": True}),
    "deep": ("one node below four layers", deep, {"depth": 1}),
    "hard": ("three depths, tanh, noise 0.5, half of the values lost", deep,
             {"causal": 3, "depth": [1, 2, 3], "response": "tanh", "noise": 0.5, "sparsity": 0.5,
              "effect": 1.0}),
}  # fmt: skip


def problem(setting: str, seed: int) -> PlantedNodes:
    _, graph, options = SETTINGS[setting]
    return planted_nodes(graph(seed), **{"effect": 0.5, "seed": seed, **options})


# ------------------------------------------------------------------------------ ours


def tensor(table: pd.DataFrame, names: list[str]) -> Tensor:
    return torch.from_numpy(table[names].to_numpy(np.float32))


def training(x: Tensor, y: Tensor) -> Callable[[nn.Module, int], None]:
    """An ordinary loop; the loss is the sum over replicates."""

    def train(stack: nn.Module, seed: int) -> None:
        criterion = nn.BCEWithLogitsLoss()
        optimizer = torch.optim.Adam(
            stack.parameters(), lr=TRAINING["lr"], weight_decay=TRAINING["weight_decay"]
        )
        generator = torch.Generator().manual_seed(seed)
        for _ in range(TRAINING["epochs"]):
            for rows in torch.randperm(len(y), generator=generator).split(TRAINING["batch_size"]):
                optimizer.zero_grad()
                outputs = stack(x[..., rows, :])
                sum(criterion(output[:, 0], y[rows]) for output in outputs).backward()
                optimizer.step()

    return train


def train_ours(task: PlantedNodes, seed: int) -> tuple[Replicates, Replicates, Replicates]:
    """Two sets of replicates in one, control replicates, and the first set by gradient."""
    model, artifact = e2t.compile_graph(task.edges, quiet=True)
    start = e2t.customize_model(model, node_activation="tanh"), artifact
    names = artifact.feature_names
    y = torch.from_numpy(task.y_train.to_numpy(np.float32))
    options = {"quiet": True, "together": True, "attribute_kwargs": {"n_steps": STEPS}}
    train = training(tensor(task.x_train, names), y)
    found = replicate(start, train, task.x_test[:EXPLAINED], n=2 * N, seed=seed, **options)
    gradient = found.explain(task.x_test[:EXPLAINED], method="LayerGradientXActivation")
    x, labels = pd.concat([task.x_train, task.x_test]), pd.concat([task.y_train, task.y_test])
    inputs = [control_inputs(x, labels, seed=CONTROLS * seed + k) for k in range(CONTROLS)]
    seen = torch.stack([tensor(own[: len(y)], names) for own in inputs])
    samples = [own[len(y) :][:EXPLAINED] for own in inputs]
    controls = replicate(
        start, training(seen, y), samples, n=CONTROLS, seed=seed + 10**6, **options
    )
    return found, controls, gradient


def rank_ours(task: PlantedNodes, seed: int) -> Iterator[dict[str, object]]:
    """A row of measures for each of our rankings."""
    found, controls, gradient = train_ours(task, seed)
    degree = node_connectivity(found.artifact)["degree"]

    def corrected(rows: slice, controls_: pd.DataFrame) -> pd.Series:
        table = node_significance(found.scores[rows], controls_, artifact=found.artifact)
        return table["corrected"].reindex(found.scores.columns)

    first, second = slice(0, N), slice(N, None)
    for name, scores in (("raw conductance", found), ("gradient × activation", gradient)):
        rows = [measures(one, task, degree) for _, one in scores.scores[first].iterrows()]
        yield {"method": f"one network, {name}", **mean(rows), "sets": scores.stability}
    replicated = [found.scores[part].mean() for part in (first, second)]
    yield {
        "method": "ten replicates",
        **measures(replicated[0], task, degree),
        "sets": rank_stability(pd.DataFrame(replicated)),
    }
    half = CONTROLS // 2
    halves = [
        corrected(first, controls.scores[:half]),
        corrected(second, controls.scores[half:]),
    ]
    yield {
        "method": "ten replicates, corrected",
        **measures(corrected(first, controls.scores), task, degree),
        "sets": rank_stability(pd.DataFrame(halves)),
    }


def measures(score: pd.Series, task: PlantedNodes, degree: pd.Series) -> dict[str, float]:
    """AUROC and top-k recovery of the planted nodes, and degree bias among the others."""
    score = score.reindex(task.hidden).fillna(0.0)
    is_planted = score.index.isin(task.causal)
    mine, others = score[is_planted].to_numpy()[:, None], score[~is_planted].to_numpy()
    rank = score.rank(ascending=False, method="average")
    unplanted = score[~is_planted]
    x, y = unplanted.to_numpy(), degree[unplanted.index].to_numpy()
    return {
        "AUROC": float(((mine > others) + 0.5 * (mine == others)).mean()),
        "top k": float((rank[is_planted] <= len(task.causal)).mean()),
        "bias": float(spearmanr(x, y)[0]) if np.ptp(x) > 0 and np.ptp(y) > 0 else np.nan,
    }


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return pd.DataFrame(rows).mean().to_dict()


# ------------------------------------------------------------------------------ peers


def rank_peer(name: str, tasks: dict[str, PlantedNodes], limit: float) -> dict[str, pd.DataFrame]:
    """Node scores of every problem, networks × nodes, from the peer's own environment."""
    contender = CONTENDERS[name]
    if not contender.is_installed:
        print(f"{name}: not installed: python benchmarks/setup_peers.py {name}")
        return {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for key, task in tasks.items():
            own = folder / key
            own.mkdir()
            task.edges.to_csv(own / "edges.csv", index=False)
            task.x_train.assign(outcome=task.y_train).to_csv(own / "train.csv", index=False)
            task.x_test[:EXPLAINED].assign(outcome=task.y_test[:EXPLAINED]).to_csv(
                own / "test.csv", index=False
            )
        (folder / "training.json").write_text(json.dumps({**TRAINING, "steps": STEPS}))
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment.pop("PYTHONPATH", None)
        script = HERE / "peers" / f"recovery_{name}.py"
        with (folder / "log.txt").open("w") as log:
            try:
                subprocess.run(  # noqa: S603 - a script of ours
                    [contender.python, "-I", script, folder],
                    timeout=limit,
                    check=False,
                    stdout=log,
                    stderr=log,
                    env=environment,
                )
            except subprocess.TimeoutExpired:
                print(f"{name}: ended after {limit:g} s")
        found = {
            key: pd.read_csv(folder / key / "scores.csv", index_col=0)
            for key in tasks
            if (folder / key / "scores.csv").is_file()
        }
        if not found:
            print(f"{name}: {(folder / 'log.txt').read_text()[-500:]}")
        return found


def peer_rows(
    name: str, tasks: dict[str, PlantedNodes], limit: float
) -> Iterator[dict[str, object]]:
    for key, scores in rank_peer(name, tasks, limit).items():
        task = tasks[key]
        _, artifact = e2t.compile_graph(task.edges, quiet=True)
        degree = node_connectivity(artifact)["degree"]
        setting, seed = key.rsplit("-", 1)
        rows = [measures(one, task, degree) for _, one in scores.iterrows()]
        yield {
            "setting": setting,
            "seed": int(seed),
            "method": f"one network, {CONTENDERS[name].title}",
            **mean(rows),
            "sets": rank_stability(scores.fillna(0.0)),
        }


# ------------------------------------------------------------------------------ table


def table(rows: pd.DataFrame) -> str:
    """Mean over seeds, a row per setting and method."""
    grouped = rows.drop(columns="seed").groupby(["setting", "method"], sort=False)
    means = grouped.mean()
    means.insert(1, "lowest AUROC", grouped["AUROC"].min())
    means["|bias|"] = grouped["bias"].agg(lambda bias: bias.abs().mean())
    means["problems"] = grouped.size()
    means.index = [f"{SETTINGS[setting][0]}: {method}" for setting, method in means.index]
    return markdown(means, "setting: method")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--peers", nargs="*", default=["edge2torch", "binn"])
    parser.add_argument("--peer-limit", type=float, default=420, help="seconds for each peer")
    parser.add_argument("--out", type=Path, help="CSV of all rows")
    options = parser.parse_args()
    torch.set_num_threads(1)
    begin, rows = time.perf_counter(), []
    numbers = range(options.first_seed, options.first_seed + options.seeds)
    # Seed by seed, so that a peer that runs out of time has the same number of each setting.
    keys = [(seed, setting) for seed in numbers for setting in options.settings]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", e2t.Edge2TorchWarning)
        tasks = {f"{setting}-{seed}": problem(setting, seed) for seed, setting in keys}
        for seed, setting in keys:
            found = rank_ours(tasks[f"{setting}-{seed}"], seed)
            rows += [{"setting": setting, "seed": seed, **row} for row in found]
        print(f"ours: {time.perf_counter() - begin:.0f} s", flush=True)
        for name in options.peers:
            start = time.perf_counter()
            rows += peer_rows(name, tasks, options.peer_limit)
            print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    frame = pd.DataFrame(rows)
    if options.out:
        frame.to_csv(options.out, index=False)
    order = {name: k for k, name in enumerate(options.settings)}
    frame = frame.sort_values("setting", key=lambda part: part.map(order), kind="stable")
    print(table(frame))
    print(f"{time.perf_counter() - begin:.0f} s in all")


if __name__ == "__main__":
    main()
