"""Visible networks: what units cost, and whether what is said of them is right. One part per question.

    python benchmarks/visible.py units              # units × weights × seconds × memory, on a graph like GO
    python benchmarks/visible.py written deep       # beside the same graph written out by hand; 2,000 terms
    python benchmarks/visible.py rank noise gain pairs nodes --seeds 20

Times are processor time in one thread, the runs of what is compared taken in turns.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import multiprocessing
import resource
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats
from sklearn.linear_model import RidgeCV
from torch import nn

import edge2torch as e2t
from edge2torch.interpret import predictive_power
from edge2torch.simulate import layered_graph, planted_nodes

Row = dict[str, Any]


def like_go(genes: int, terms: int, per_term: float, parents: float, seed: int) -> pd.DataFrame:
    """Genes under the terms of a deep hierarchy with one root, as an ontology's annotations are."""
    rng = np.random.default_rng(seed)
    child = np.repeat(np.arange(1, terms), 1 + rng.poisson(parents - 1, terms - 1))
    above = (child * rng.uniform(0.05, 0.75, len(child))).astype(int)
    is_leaf = ~np.isin(np.arange(terms), above)
    sizes = np.maximum(rng.poisson(rng.gamma(0.7, per_term / 0.7, terms)), np.where(is_leaf, 3, 0))
    term = np.repeat(np.arange(terms), sizes)
    gene = rng.integers(0, genes, len(term))
    name = [f"t{k:05d}" for k in range(terms)]
    rows = [
        *zip((f"g{k:05d}" for k in gene), (name[k] for k in term), strict=True),
        *((name[a], name[b]) for a, b in zip(child, above, strict=True)),
    ]
    return pd.DataFrame(rows, columns=["source", "target"]).drop_duplicates(ignore_index=True)


def customized(model: nn.Module, norm_first: bool = False) -> nn.Module:
    return e2t.customize_model(
        model, node_activation="tanh", node_normalization="batch", norm_first=norm_first
    )


def stepper(model: nn.Module, batch: int = 128) -> Callable[[], float]:
    """Return a function that takes one training step and says its processor time."""
    x = torch.randn(batch, model.base_model.in_features)
    y = torch.randn(batch, 1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)

    def step() -> float:
        begin = time.process_time()
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x)[:, :1], y).backward()
        optimizer.step()
        return time.process_time() - begin

    for _ in range(2):  # moments are made, and a walk is compiled, in the first ones
        step()
    return step


def in_turns(steps: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the median processor time of each, all of them in every round."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            taken[name].append(step())
    return {name: statistics.median(times) for name, times in taken.items()}


def compiled(edges: pd.DataFrame, **options: Any) -> tuple[float, nn.Module, e2t.CompileArtifact]:
    gc.collect()
    begin = time.process_time()
    model, artifact = e2t.compile_graph(edges, quiet=True, seed=0, **options)
    return time.process_time() - begin, model, artifact


def weights_of(model: nn.Module) -> int:
    return sum(layer.n_edges for layer in model.edge_layers())


def held(model: nn.Module, step: Callable[[], float]) -> float:
    """MiB that a step holds beside what was there: values, gradients and moments of its tensors."""
    seen: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        step()
    fixed = sum(t.numel() * t.element_size() for t in [*model.parameters(), *model.buffers()])
    own = sum(p.numel() * p.element_size() for p in model.parameters())
    return (sum(seen.values()) + fixed + 3 * own) / 2**20


def peak(edges: pd.DataFrame, **options: Any) -> float:
    """MiB of a process of its own at its highest, Python and torch among them: compiled, two steps."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
        return alone.submit(_peak, edges, options).result()


def _peak(edges: pd.DataFrame, options: Mapping[str, Any]) -> float:
    torch.set_num_threads(1)
    if options:  # without any, what is there before there is a model
        stepper(customized(compiled(edges, **options)[1]))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def units(options: argparse.Namespace) -> list[Row]:
    """What several units cost: a graph like GO, batch 128, tanh, batch normalisation, Adam."""
    edges = like_go(3000, 3230, 10, 2.2, 0)
    rows = []
    for count in (1, 2, 4, 6):
        seconds, model, artifact = compiled(edges, units=count)
        kinds = {"tanh, norm": customized(model), "norm, tanh": customized(model, norm_first=True)}
        taken = in_turns({name: stepper(one) for name, one in kinds.items()}, options.rounds)
        rows.append(
            {
                "units": count,
                "layers": len(artifact.node_names_by_layer),
                "edges": len(edges),
                "weights": weights_of(model),
                "compile s": seconds,
                **{f"step s ({name})": value for name, value in taken.items()},
                "MiB": held(customized(model), stepper(customized(model))),
                "peak MiB": peak(edges, units=count),
                "peak MiB, no model": peak(edges),
            }
        )
    return rows


def written(options: argparse.Namespace) -> list[Row]:
    """Six units beside the same edges written out by hand, and each by both engines."""
    edges = like_go(3000, 3230, 10, 2.2, 0)
    by_hand = written_out(edges, 6)
    rows = []
    for norm_first in (False, True):
        steps, compile_times, memory, peaks = {}, {}, {}, {}
        for name, table, more in (
            ("units=6", edges, {"units": 6}),
            ("written out", by_hand, {"outputs": ["t00000"]}),
            ("units=6, layers", edges, {"units": 6, "backend": e2t.Feedforward(engine="layers")}),
            ("units=6, graph", edges, {"units": 6, "backend": e2t.Feedforward(engine="graph")}),
        ):
            times = [compiled(table, **more)[0] for _ in range(2)]
            seconds, model, _ = compiled(table, **more)
            compile_times[name] = min(*times, seconds)
            whole = customized(model, norm_first=norm_first)
            steps[name] = stepper(whole)
            memory[name] = held(whole, steps[name])
            peaks[name] = peak(table, **more)
        taken = in_turns(steps, options.rounds)
        for name, value in taken.items():
            rows.append(
                {
                    "order": "norm, tanh" if norm_first else "tanh, norm",
                    "model": name,
                    "compile s": compile_times[name],
                    "step s": value,
                    "of written out": value / taken["written out"],
                    "MiB": memory[name],
                    "peak MiB": peaks[name],
                }
            )
    return rows


def written_out(edges: pd.DataFrame, count: int) -> pd.DataFrame:
    """The same graph with a node for every unit of a hidden node."""
    ends = set(edges["source"]) - set(edges["target"])
    ends |= set(edges["target"]) - set(edges["source"])
    parts = []
    for a in range(count):
        for b in range(count):
            source, target = edges["source"], edges["target"]
            one = pd.DataFrame(
                {
                    "source": np.where(source.isin(ends), source, source + f"|{a}"),
                    "target": np.where(target.isin(ends), target, target + f"|{b}"),
                }
            )
            parts.append(one)
    return pd.concat(parts).drop_duplicates(ignore_index=True)


def deep(options: argparse.Namespace) -> list[Row]:
    """2,000 terms with six units over about 60,000 edges from genes."""
    edges = like_go(6000, 2000, 30, 2.0, 1)
    seconds, model, artifact = compiled(edges, units=6)
    step = stepper(customized(model))
    taken = in_turns({"step": step}, options.rounds)["step"]
    return [
        {
            "edges": len(edges),
            "layers": len(artifact.node_names_by_layer),
            "weights": weights_of(model),
            "compile s": seconds,
            "step s": taken,
            "MiB": held(customized(model), step),
            "peak MiB": peak(edges, units=6),
        }
    ]


def fitted(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor, steps: int, rate: float = 0.02
) -> None:
    optimizer = torch.optim.Adam(model.parameters(), rate, fused=True)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x)[:, 0], y).backward()
        optimizer.step()
    model.eval()


def rank(options: argparse.Namespace) -> list[Row]:
    """y = a·b + c, all of it through one node: R² on new samples, by the units of that node."""
    edges = pd.DataFrame(
        [(f"g{k}", "h") for k in range(9)] + [("h", f"k{j}") for j in range(12)]
        + [(f"k{j}", "y") for j in range(12)], columns=["source", "target"],
    )  # fmt: skip
    rows = []
    for count in (1, 2, 4):
        found = []
        for seed in range(options.seeds):
            rng = np.random.default_rng(seed)
            mix = np.linalg.qr(rng.normal(size=(9, 3)))[0]
            x = rng.normal(size=(1500, 9))
            a, b, c = (x @ mix).T
            y = a * b + c
            inputs = torch.tensor(x, dtype=torch.float32)
            goal = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)
            model, _ = e2t.compile_graph(edges, units={"h": count}, seed=seed, quiet=True)
            inner = {f"k{j}": "tanh" for j in range(12)}
            model = e2t.customize_model(model, node_activation=inner)
            fitted(model, inputs[:1000], goal[:1000], 600)
            with torch.no_grad():
                rest = goal[1000:] - model(inputs[1000:])[:, 0]
            found.append(1 - float(rest.square().sum() / goal[1000:].square().sum()))
        rows.append({"units": count, "median R²": float(np.median(found)), "seeds": len(found)})
    return rows


def noise(options: argparse.Namespace) -> list[Row]:
    """An outcome of pure noise: how many nodes have p < .05, and runs with any q < .05."""
    edges = layered_graph([40, 10, 4, 1], [70, 20, 4], seed=0)
    model, artifact = e2t.compile_graph(edges, units=6, seed=0, quiet=True)
    model = e2t.customize_model(model, node_activation="tanh")
    p, any_q, in_sample = [], [], []
    for seed in range(options.runs):
        rng = np.random.default_rng(seed)
        x = pd.DataFrame(rng.normal(size=(200, 40)), columns=artifact.feature_names)
        table = predictive_power(model, artifact, x, rng.normal(size=200), seed=seed)
        p += table["p"].tolist()
        any_q.append(bool((table["q"] < 0.05).any()))
        seen = e2t.activations(model, artifact, x, agg="all")
        y = rng.normal(size=200)
        for node in table.index[:3]:
            own = seen[node].to_numpy()
            predicted = RidgeCV(cv=5).fit(own, y).predict(own)
            in_sample.append(stats.spearmanr(predicted, y).pvalue)
    share, n = float(np.mean(np.array(p) < 0.05)), len(p)
    return [
        {
            "runs": options.runs,
            "nodes": n,
            "p < .05": share,
            "runs with q < .05": float(np.mean(any_q)),
            "p < .05, in sample": float(np.mean(np.array(in_sample) < 0.05)),
        }
    ]


def gain(options: argparse.Namespace) -> list[Row]:
    """A product of two children at one node: does it have the highest gain? And a linear outcome."""
    rows, first, ranks, small = [], [], [], []
    for seed in range(options.seeds):
        edges = layered_graph([120, 40, 10, 1], [160, 60, 10], seed=seed)
        _, artifact = e2t.compile_graph(edges, units=6, seed=seed, quiet=True)
        rng = np.random.default_rng(seed)
        candidates = [n for n in artifact.node_names_by_layer["layer_2"]
                      if len(artifact.topology.parents(n)) >= 3]  # fmt: skip
        node = str(rng.choice(candidates))
        one, other = rng.choice(artifact.topology.parents(node), 2, replace=False)
        x = pd.DataFrame(rng.normal(size=(1300, 120)), columns=artifact.feature_names)
        signal = [x[artifact.topology.parents(str(child))].mean(axis=1) for child in (one, other)]
        signal = [(s - s.mean()) / s.std() for s in signal]
        product = signal[0] * signal[1] + 0.2 * rng.normal(size=len(x))
        linear = signal[0] + signal[1] + 0.2 * rng.normal(size=len(x))
        for y, kind in ((product, "product"), (linear, "linear")):
            fresh, _ = e2t.compile_graph(edges, units=6, seed=seed, quiet=True)
            own = customized(fresh)
            inputs = torch.tensor(x.to_numpy(), dtype=torch.float32)
            goal = torch.tensor(((y - y.mean()) / y.std()).to_numpy(), dtype=torch.float32)
            in_batches(own, inputs[:1000], goal[:1000], 40, seed)
            table = predictive_power(own, artifact, x.iloc[1000:], y.iloc[1000:], repeats=2)
            if kind == "product":
                place = int(table["gain"].rank(ascending=False)[node])
                ranks.append(place)
                first.append(place == 1)
            else:
                small.append(float((table["gain"] <= 0.02).mean()))
    rows.append(
        {
            "seeds": options.seeds,
            "planted first": float(np.mean(first)),
            "median rank of 50": float(np.median(ranks)),
            "linear: gain <= .02": float(np.mean(small)),
        }
    )
    return rows


def in_batches(model: nn.Module, x: torch.Tensor, y: torch.Tensor, epochs: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3, weight_decay=0.05, fused=True)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(100):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x[rows])[:, 0], y[rows]).backward()
            optimizer.step()
    model.eval()


def pairs(options: argparse.Namespace) -> list[Row]:
    """80 cells × 40 drugs, each drug with one pathway as its target; left-out cells."""
    rows = []
    for seed in range(options.first, options.first + options.seeds):
        edges, cells, drugs, activity, response, target = drawn_pairs(seed)
        pathways = list(activity)
        both = e2t.pairs(response, cells, drugs, label="auc")
        fit, held_out = both.folds("cell", 4, seed=seed)[0]
        joined, artifact, x, z = trained_pairs(edges, pathways, both, fit, seed)
        with torch.no_grad():
            predicted = joined(x, z, both.rows(held_out))[:, 0].numpy()
        true = e2t.pairs(response, activity, drugs, label="auc")
        known = true.compare({}, fit, held_out).loc["ridge per drug"]
        table = both.compare({"joined": predicted}, fit, held_out)
        hits = [
            e2t.knock_out(joined.given(drugs.iloc[k]), artifact, cells, pathways, value="mean",
                          level="samples", quiet=True)[0].groupby(level=0).std().idxmax() == target[k]
            for k in range(0, 40, 4)
        ]  # fmt: skip
        rows.append(
            {
                "seed": seed,
                **{f"r, {name}": table.loc[name, "pearson"] for name in table.index},
                "r, ridge on true activity": known["pearson"],
                "target first": float(np.mean(hits)),
            }
        )
        print(rows[-1], flush=True)
    middle = pd.DataFrame(rows).median().to_dict()
    return [*rows, {**middle, "seed": "median"}]


def drawn_pairs(seed: int) -> tuple[Any, ...]:
    """Edges, cells, drugs, the activity of pathways, the response, and the pathway each drug acts by."""
    rng = np.random.default_rng(seed)
    edges = layered_graph([60, 12, 1], [70, 12], seed=seed)
    pathways = sorted({t for t in edges["target"] if t.startswith("L1")})
    genes = sorted(set(edges["source"]) - set(edges["target"]))
    cells = pd.DataFrame(rng.normal(size=(80, 60)), [f"c{k}" for k in range(80)], genes)
    below = {p: edges.loc[edges["target"] == p, "source"].tolist() for p in pathways}
    activity = pd.DataFrame({p: cells[below[p]].mean(axis=1) for p in pathways})
    activity /= activity.std()
    target = rng.choice(pathways, 40)
    drugs = pd.DataFrame(
        (target[:, None] == np.array(pathways)).astype(float), [f"d{k}" for k in range(40)]
    )
    level = rng.normal(size=40)
    response = pd.DataFrame(
        [(c, d, level[k] + activity.loc[c, target[k]] + 0.3 * rng.normal())
         for c in cells.index for k, d in enumerate(drugs.index)],
        columns=["cell", "drug", "auc"],
    )  # fmt: skip
    return edges, cells, drugs, activity, response, target


def trained_pairs(
    edges: pd.DataFrame, pathways: list[str], both: Any, fit: np.ndarray, seed: int
) -> tuple[nn.Module, e2t.CompileArtifact, torch.Tensor, torch.Tensor]:
    counts = {**dict.fromkeys(pathways, 3), edges["target"].iloc[-1]: 12}
    torch.manual_seed(seed)
    graph, artifact = e2t.compile_graph(edges, units=counts, seed=seed, quiet=True)
    features = both.drugs.shape[1]
    joined = e2t.join_branches(customized(graph), other=(24, 12), features=features, width=24)
    x = torch.tensor(both.cells[artifact.feature_names].to_numpy(), dtype=torch.float32)
    z = torch.tensor(both.drugs.to_numpy(), dtype=torch.float32)
    train_pairs(joined, both, x, z, torch.tensor(both.y, dtype=torch.float32), fit, seed)
    return joined, artifact, x, z


def train_pairs(
    joined: nn.Module, both: Any, x: torch.Tensor, z: torch.Tensor, y: torch.Tensor,
    fit: np.ndarray, seed: int,
) -> None:  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    # chosen on other draws, of seeds 100 and 101
    optimizer = torch.optim.AdamW(joined.parameters(), 1e-2, weight_decay=0.5, fused=True)
    rows, epochs = torch.from_numpy(fit), 200
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-2, total_steps=epochs * -(-len(rows) // 300)
    )
    joined.train()
    for _ in range(epochs):
        for part in rows[torch.randperm(len(rows), generator=generator)].split(300):
            optimizer.zero_grad()
            found = joined(x, z, both.rows(part.numpy()))[:, 0]
            nn.functional.mse_loss(found, y[part]).backward()
            optimizer.step()
            schedule.step()
    joined.eval()


def nodes(options: argparse.Namespace) -> list[Row]:
    """Planted nodes by units and heads: AUROC of the mean size of their scores, and replicates' accord."""
    found = pd.concat(
        [planted_ranks(seed, options.replicates) for seed in range(options.seeds)], axis=1
    )
    plain = found.loc[(1, "no", "AUROC")]
    rows = []
    for count, heads in found.index.droplevel(2).unique():
        own = found.loc[(count, heads)]
        ahead = own.loc["AUROC"] - plain
        n = len(ahead)
        half = stats.t.ppf(0.95, n - 1) * ahead.std() / np.sqrt(n) if n > 1 else np.nan
        rows.append(
            {
                "units": count,
                "heads": heads,
                **own.mean(axis=1).to_dict(),
                "ahead of 1 unit": ahead.mean(),
                "90 % low": ahead.mean() - half,
                "90 % high": ahead.mean() + half,
            }
        )
    return rows


def planted_ranks(seed: int, replicates: int) -> pd.Series:
    """One draw: AUROC and rank of the planted nodes (1 is first), and how alike replicates rank."""
    edges = layered_graph([120, 24, 1], [150, 24], seed=seed)
    problem = planted_nodes(edges, 4, n_train=200, effect=0.5, noise=0.5, seed=seed)
    target = torch.tensor(np.asarray(problem.y_train), dtype=torch.float32)
    found: dict[tuple[int, str, str], float] = {}
    for count, has_heads in itertools.product((1, 2, 6), (False, True)):
        scores = []
        for start in range(replicates):
            torch.manual_seed(1000 * seed + start)
            model, artifact = e2t.compile_graph(edges, units=count, quiet=True)
            model = e2t.customize_model(
                model, node_activation="tanh", node_normalization="batch",
                node_heads=e2t.NodeHeads() if has_heads else None,
            )  # fmt: skip
            x = e2t.align_features_to_input_nodes(problem.x_train, artifact)
            train_planted(model, x, target, has_heads, start)
            table = e2t.attribute(model, problem.x_test, "nodes", nodes="hidden", quiet=True)
            scores.append(table.summary()["mean_abs"].rank())
        each = pd.concat(scores, axis=1)
        place = each.mean(axis=1).rank(ascending=False)
        truth = place.index.isin(problem.causal)
        area = stats.mannwhitneyu(place[~truth], place[truth]).statistic
        alike = each.corr("spearman").to_numpy()[np.triu_indices(replicates, 1)]
        heads = "yes" if has_heads else "no"
        found[count, heads, "AUROC"] = area / (truth.sum() * (~truth).sum())
        found[count, heads, "rank of planted"] = place[truth].mean()
        found[count, heads, "rho of replicates"] = alike.mean() if len(alike) else np.nan
    row = pd.Series(found, name=seed)
    # what is done counts, if it ends here
    print(f"nodes, seed {seed}:", row.round(4).tolist(), flush=True)
    return row


def train_planted(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor, has_heads: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3, weight_decay=0.3, fused=True)
    loss = nn.BCEWithLogitsLoss()
    model.train()
    for _ in range(40):
        for rows in torch.randperm(len(x), generator=generator).split(50):
            optimizer.zero_grad()
            if has_heads:
                output, heads = model.with_heads(x[rows])
                total = e2t.head_loss(loss, output, heads, y[rows, None])
            else:
                total = loss(model(x[rows]), y[rows, None])
            total.backward()
            optimizer.step()
    model.eval()


PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    one.__name__: one for one in (units, written, deep, rank, noise, gain, pairs, nodes)
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first draw of pairs")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--replicates", type=int, default=10)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", e2t.Edge2TorchWarning)
    for part in options.parts:
        begin = time.process_time()
        rows = PARTS[part](options)
        print(f"## {part}: {(PARTS[part].__doc__ or '').strip()}\n")
        print(pd.DataFrame(rows).to_string(index=False, float_format=lambda v: f"{v:.3g}"))
        print(f"\n{time.process_time() - begin:.0f} s of processor time\n")


if __name__ == "__main__":
    main()
