"""Does "found" mean found? The bars of docs/node-scores.md, row by row.

    make benchmark-trust                                   # demo's cells and simulations
    python benchmarks/trust.py --rows planted --runs 3
    python benchmarks/trust.py --rows cells permuted --on tumour EDGES.gmt CELLS.h5ad cell_type

``--on NAME EDGES DATA LABEL`` adds data of your own: EDGES is a GMT file, whose sets are joined to the
classes, or a table with columns source and target, on whose ends a linear layer reads the classes;
DATA an h5ad file (its X, with ``--layer`` another) or a CSV table of samples with the label among its
columns. Every row says what was measured and over how many runs; sd over runs behind ±.

What was chosen where: three inputs held, 4 folds, 30 epochs and the study's other settings before any of
these were run, on interferon-stimulated cells that are not among them; six starts on the demo's cells, where
three found fewer (18 and 9 in two seeds); the tail on permuted features of the demo's cells. Nothing on
other data, and nothing on the simulations.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import nn

import edge2torch as e2t
from benchmarks.recovery import SETTINGS, TRAINING
from benchmarks.trust_splits import donor_shift, score_coverage, spread
from edge2torch.cli._demo import demo_files, pathway_graph
from edge2torch.interpret import NodeFindings, cross_fit, find_nodes, node_use

LEVEL = 0.05
Row = dict[str, object]


@dataclass(frozen=True)
class Problem:
    """Edges that end in the classes, or with a layer on top; samples, not scaled; labels."""

    name: str
    edges: pd.DataFrame
    x: pd.DataFrame
    y: pd.Series
    head: int = 0

    def start(self) -> tuple[nn.Module, e2t.CompileArtifact]:
        outputs = None if self.head else sorted(self.y.unique())
        model, artifact = e2t.compile_graph(self.edges, quiet=True, outputs=outputs)
        return e2t.customize_model(
            model,
            node_activation="tanh",
            node_normalization="batch",
            node_dropout=0.2,
            head=nn.Linear(model.out_features, self.head) if self.head else None,
        ), artifact

    def find(self, seed: int, *, rewired: bool = False, y: object = None) -> NodeFindings:
        labels = self.y if y is None else y
        return find_nodes(self.start(), self.x, labels, seed=seed, rewired=rewired, quiet=True)


def demo() -> Problem:
    """The demo's blood cells and Reactome sets."""
    import anndata

    cells, sets = demo_files()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = anndata.read_h5ad(cells)
    x = data.raw.to_adata().to_df()
    y = data.obs["bulk_labels"].astype(str)
    edges, _ = pathway_graph(e2t.read_gmt(sets, quiet=True), x.columns, sorted(y.unique()), 3, 60)
    return Problem("demo", edges, x, y)


def of_files(name: str, edges: str, data: str, label: str, layer: str | None) -> Problem:
    """Sets of 5 to 100 measured features, or a graph cut to them."""
    if data.endswith(".h5ad"):
        import anndata

        adata = anndata.read_h5ad(data)
        x, y = adata.to_df(layer=layer), adata.obs[label].astype(str)
    else:
        table = pd.read_csv(data, index_col=0)
        y = table.pop(label).astype(str)
        x = table.select_dtypes("number")
    common = y.map(y.value_counts()) >= 8
    x, y = x[common.to_numpy()], y[common.to_numpy()]
    if edges.endswith((".gmt", ".gmt.gz")):
        table = e2t.read_gmt(edges, quiet=True)[["source", "target"]]
        table = table[table["source"].isin(x.columns)].drop_duplicates()
        size = table["target"].map(table["target"].value_counts())
        table = table[size.between(5, 100)]
        ends = pd.MultiIndex.from_product([table["target"].unique(), sorted(y.unique())])
        ends = ends.to_frame(index=False, name=["source", "target"])
        return Problem(name, pd.concat([table, ends], ignore_index=True), x, y)
    table = pd.read_csv(edges, sep=None, engine="python")[["source", "target"]].astype(str)
    while True:  # what nothing feeds goes, and what only that fed
        fed = table["source"].isin(x.columns) | table["source"].isin(table["target"])
        if fed.all():
            break
        table = table[fed]
    return Problem(name, table.reset_index(drop=True), x, y, head=y.nunique())


# ------------------------------------------------------------------ real matrices


def cells(one: Problem, runs: int) -> Iterator[Row]:
    """True and rewired edges, other seeds; what two seeds find in common."""
    found, rewired, calibrated, seconds, first = [], [], [], [], []
    for seed in range(runs):
        begin = time.process_time()
        answer = one.find(seed, rewired=True)
        seconds.append(time.process_time() - begin)
        found.append(set(answer.found))
        rewired.append(answer.n_rewired or 0)
        calibrated.append(float(answer.calibration["p<.05"].mean()))
        first.append("; ".join(answer.found[:5]))
    n = len(answer.table)
    pairs = [(a, b) for k, a in enumerate(found) for b in found[:k]]
    common = [len(a & b) / max(min(len(a), len(b)), 1) for a, b in pairs]
    yield {
        "row": f"{one.name}: found, true edges, of {n}",
        "measured": spread([*map(len, found)]),
        "runs": runs,
    }
    yield {
        "row": f"{one.name}: found, rewired edges, of {n}",
        "measured": spread(rewired),
        "runs": runs,
    }
    if common:
        yield {
            "row": f"{one.name}: share of the smaller found set in both of two seeds",
            "measured": spread(common),
            "runs": len(pairs),
        }
    yield {
        "row": f"{one.name}: p < .05 of a control held against the others",
        "measured": spread(calibrated),
        "runs": runs,
    }
    yield {"row": f"{one.name}: CPU s of find_nodes", "measured": spread(seconds), "runs": runs}
    for seed, names in enumerate(first):
        print(f"  {one.name}, seed {seed}, first five: {names}", flush=True)


def permuted(one: Problem, runs: int) -> Iterator[Row]:
    """Labels that say nothing."""
    any_found, use, specific = [], [], []
    for seed in range(runs):
        y = np.random.default_rng(seed).permutation(one.y)
        table = one.find(100 + seed, y=y).table
        any_found.append(float(table["found"].any()))
        use.append(float((table["p_use"] < LEVEL).mean()))
        specific.append(float((table["p_specific"] < LEVEL).mean()))
    yield {
        "row": f"{one.name}, labels permuted: runs with any node found",
        "measured": f"{sum(any_found):.0f}",
        "runs": runs,
    }
    yield {
        "row": f"{one.name}, labels permuted: p_use < .05",
        "measured": spread(use),
        "runs": runs,
    }
    yield {
        "row": f"{one.name}, labels permuted: p_specific < .05",
        "measured": spread(specific),
        "runs": runs,
    }


def partial(one: Problem, runs: int) -> Iterator[Row]:
    """The features of 30 % of the sets have their samples permuted together."""
    use, specific, found = [], [], []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        reads = one.edges[one.edges["source"].isin(one.x.columns)]
        sets = reads["target"].unique()
        silent = rng.choice(sets, round(0.3 * len(sets)), replace=False)
        genes = reads.loc[reads["target"].isin(silent), "source"].unique()
        x = one.x.copy()
        x[genes] = x[genes].to_numpy()[rng.permutation(len(x))]
        table = Problem(one.name, one.edges, x, one.y, one.head).find(200 + seed).table.loc[silent]
        use.append(float((table["p_use"] < LEVEL).mean()))
        specific.append(float((table["p_specific"] < LEVEL).mean()))
        found.append(float(table["found"].sum()))
    yield {
        "row": f"{one.name}, partial null: p_use < .05 of silent nodes",
        "measured": spread(use),
        "runs": runs,
    }
    yield {
        "row": f"{one.name}, partial null: p_specific < .05 of silent nodes",
        "measured": spread(specific),
        "runs": runs,
    }
    yield {
        "row": f"{one.name}, partial null: silent nodes found",
        "measured": spread(found),
        "runs": runs,
    }


# ------------------------------------------------------------------ simulations


def planted(runs: int) -> Iterator[Row]:
    """One node carries the outcome: the settings of benchmarks/recovery.py, 20 networks."""
    whole: list[tuple[float, float, float]] = []
    for setting in ("uneven", "deep"):
        for effect in (0.3, 0.5):
            rows = [_planted(setting, effect, seed) for seed in range(runs)]
            whole += rows
            found, first, clean = (float(np.mean(part)) for part in zip(*rows, strict=True))
            yield {
                "row": f"planted, {setting} {effect:g}: found by use / ranked first / clean false finds a problem",
                "measured": f"{found:.2f} / {first:.2f} / {clean:.2f}",
                "runs": runs,
            }
    found, first, clean = (float(np.mean(part)) for part in zip(*whole, strict=True))
    yield {
        "row": "planted, all four: found by use / ranked first / clean false finds a problem",
        "measured": f"{found:.2f} / {first:.2f} / {clean:.2f}",
        "runs": len(whole),
    }


def _planted(setting: str, effect: float, seed: int) -> tuple[float, float, float]:
    _, graph, options = SETTINGS[setting]
    task = e2t.simulate.planted_nodes(
        graph(seed), **{**options, "effect": effect, "seed": seed, "n_train": 300, "n_test": 10}
    )
    model, artifact = e2t.compile_graph(task.edges, quiet=True)
    start = e2t.customize_model(model, node_activation="tanh"), artifact
    fitted = cross_fit(
        start, task.x_train, task.y_train, starts=5, seed=seed, input_dropout=0.0,
        max_epochs=TRAINING["epochs"], batch_size=TRAINING["batch_size"],
        learning_rate=TRAINING["lr"], weight_decay=TRAINING["weight_decay"],
    )  # fmt: skip
    table = node_use(fitted, task.x_train, task.y_train)
    (node,) = task.causal
    below = {name: set(artifact.topology.ancestors(name)) for name in table.index}
    inputs = set(artifact.feature_names)
    own = below[node] & inputs
    clean = [name for name in table.index if not (below[name] & inputs & own)]
    used = table["q_use"] < LEVEL
    return float(used[node]), float(table["t"].idxmax() == node), float(used[clean].sum())


def by_class(runs: int) -> Iterator[Row]:
    """Ten classes; one set tells one of them from the rest."""
    own, others = [], []
    for seed in range(runs):
        one, node, of_class = _class_specific(seed)
        answer = one.find(seed)
        table = node_use(answer.networks, one.x, one.y, by_class=True)
        specific = e2t.interpret.node_specific(
            answer.networks, answer.controls, one.x, one.y, by_class=True
        )
        found = (table["q_use"] < LEVEL) & (specific["q_specific"] < LEVEL)
        own.append(float(found[of_class, node]))
        rest = found.drop(index=(of_class, node)).drop(index=node, level="node")
        others.append(float(rest.mean()))
    yield {
        "row": "by class: planted node found for its class",
        "measured": f"{np.mean(own):.2f}",
        "runs": runs,
    }
    yield {
        "row": "by class: share of other nodes and classes found",
        "measured": spread(others),
        "runs": runs,
    }


def _class_specific(seed: int) -> tuple[Problem, str, str]:
    rng = np.random.default_rng(seed)
    genes = [f"g{k:03d}" for k in range(200)]
    sets = {f"P{k:02d}": rng.choice(genes, 10, replace=False).tolist() for k in range(40)}
    classes = [f"c{k}" for k in range(5)]
    y = pd.Series(rng.permutation(np.repeat(classes, 80)))
    x = pd.DataFrame(rng.normal(size=(400, 200)), columns=genes)
    for name in classes[1:]:  # the other classes are told by genes of no set in particular
        x.loc[(y == name).to_numpy(), rng.choice(genes, 6, replace=False)] += 1.0
    x.loc[(y == "c0").to_numpy(), sets["P00"]] += 0.8
    pairs = [(gene, name) for name, own in sets.items() for gene in own]
    pairs += [(name, one) for name in sets for one in classes]
    edges = pd.DataFrame(pairs, columns=["source", "target"])
    edges = edges[edges["source"].isin(sets) | edges["source"].isin(genes)]
    return Problem("classes", edges, x, y), "P00", "c0"


def factor(runs: int) -> Iterator[Row]:
    """A factor in all features goes with the outcome, and one set says more."""
    found, false, rewired = [], [], []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        genes = [f"g{k:03d}" for k in range(300)]
        sets = {f"P{k:02d}": rng.choice(genes, 12, replace=False).tolist() for k in range(50)}
        common, own = rng.normal(size=(2, 400))
        x = rng.normal(size=(400, 300)) + np.outer(common, rng.uniform(0.3, 1.0, 300))
        x[:, [genes.index(one) for one in sets["P00"]]] += own[:, None]
        y = pd.Series(np.where(common + own + 0.7 * rng.normal(size=400) > 0, "high", "low"))
        pairs = [(gene, name) for name, those in sets.items() for gene in those]
        pairs += [(name, one) for name in sets for one in ("high", "low")]
        edges = pd.DataFrame(pairs, columns=["source", "target"])
        one = Problem("factor", edges, pd.DataFrame(x, columns=genes), y)
        answer = one.find(seed, rewired=True)
        found.append(float("P00" in answer.found))
        # sets that share genes with the planted one read it, too
        alien = [name for name in answer.found if not set(sets[name]) & set(sets["P00"])]
        false.append(float(len(alien)))
        rewired.append(float(answer.n_rewired or 0))
    yield {
        "row": "global factor and one set: found",
        "measured": f"{np.mean(found):.2f}",
        "runs": runs,
    }
    yield {
        "row": "global factor and one set: sets without its genes found",
        "measured": spread(false),
        "runs": runs,
    }
    yield {
        "row": "global factor and one set: found with rewired edges",
        "measured": spread(rewired),
        "runs": runs,
    }


def coverage(runs: int) -> Iterator[Row]:
    """Whether 90 % intervals of the gain hold the gain of the same networks on 4,000 new samples."""
    for donors in (False, True):
        hits, n = [], 240
        for seed in range(runs):
            rng = np.random.default_rng([seed, int(donors)])
            x, y, group = _donors(rng, n, donors)
            edges = pd.DataFrame(
                {
                    "source": [f"g{k}" for k in range(8)] + ["p", "q"],
                    "target": ["p"] * 4 + ["q"] * 4 + ["y"] * 2,
                }
            )
            model, artifact = e2t.compile_graph(edges, quiet=True)
            start = e2t.customize_model(model, node_activation="tanh"), artifact
            fitted = cross_fit(
                start, x, y, folds=4, starts=1, groups=group, seed=seed, max_epochs=20,
                learning_rate=0.02, weight_decay=0.0, input_dropout=0.0,
            )  # fmt: skip
            table = node_use(fitted, x, y, groups=group, nodes=["p"])
            new, truth, _ = _donors(rng, 4000, donors)
            both, labels = pd.concat([x, new], ignore_index=True), np.concatenate([y, truth])
            later = tuple((rows, np.arange(n, n + 4000)) for rows, _ in fitted.folds)
            true = node_use(replace(fitted, folds=later), both, labels, nodes=["p"])["gain"]["p"]
            units = n if group is None else len(set(group))
            wide = stats.t.ppf(0.95, units - 1) * table["gain_se"]["p"]
            hits.append(float(abs(table["gain"]["p"] - true) <= wide))
        said = "donors" if donors else "samples"
        yield {
            "row": f"coverage of 90 % intervals of the gain, {said}",
            "measured": f"{np.mean(hits):.3f}",
            "runs": runs,
        }


def _donors(
    rng: np.random.Generator, n: int, donors: bool
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray | None]:
    group = np.repeat(np.arange(n // 8), 8) if donors else np.arange(n)
    shift = rng.normal(size=(n, 8))[group] * (0.7 if donors else 0.0)
    x = pd.DataFrame(rng.normal(size=(n, 8)) + shift, columns=[f"g{k}" for k in range(8)])
    effect = x[["g0", "g1", "g2"]].sum(axis=1).to_numpy()
    y = np.where(effect + 1.5 * rng.normal(size=n) > 0, "high", "low")
    return x, y, (group.astype(str) if donors else None)


SIMULATED: dict[str, tuple[Callable[[int], Iterator[Row]], int]] = {
    "planted": (planted, 8),
    "by_class": (by_class, 10),
    "factor": (factor, 20),
    "coverage": (coverage, 200),
    "score_coverage": (score_coverage, 200),
    "donors": (donor_shift, 20),
}
MEASURED: dict[str, tuple[Callable[[Problem, int], Iterator[Row]], int]] = {
    "cells": (cells, 3),
    "permuted": (permuted, 20),
    "partial": (partial, 5),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    every = [*MEASURED, *SIMULATED]
    parser.add_argument("--rows", nargs="+", choices=every, default=every)
    parser.add_argument("--runs", type=int, help="seeds of every row")
    parser.add_argument(
        "--on", nargs=4, action="append", default=[], metavar=("NAME", "EDGES", "DATA", "LABEL")
    )
    parser.add_argument("--layer", help="of the h5ad files of --on")
    parser.add_argument("--no-demo", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    problems = [] if given.no_demo else [demo()]
    problems += [of_files(*one, given.layer) for one in given.on]
    print("| row | measured | runs |\n|---|--:|--:|", flush=True)
    for name in given.rows:
        if name in SIMULATED:
            function, runs = SIMULATED[name]
            rows = function(given.runs or runs)
        else:
            judged, runs = MEASURED[name]
            rows = (row for one in problems for row in judged(one, given.runs or runs))
        for row in rows:
            print(f"| {row['row']} | {row['measured']} | {row['runs']} |", flush=True)


if __name__ == "__main__":
    main()
