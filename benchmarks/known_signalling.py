"""A signalling system that is known: what perturb.fit finds of it, for docs/perturbation.md.

    python benchmarks/known_signalling.py --parts triples inhibitors few coverage drawn null --rewired 0

The system of notebook 05: 42 edges, four ligands and four drugs, given alone, in pairs or in triples;
readouts in units of their own spread, with 5 % of noise. ``triples``: trained on all else, by rewired
graphs too; knock-outs of inner nodes against the system's own. ``inhibitors``: each of the drugs
left out altogether. ``few``: knock-outs, one and two at a time, after 10, 15 and 20 conditions.
``coverage``: how many readouts lie in nominal 90 % intervals, with the strengths of other systems.
``drawn``: triples and inhibitors of systems of some 56 edges that are drawn by ``--seeds``; triples
also with drugs as nodes that inhibit their target, in place of a share of it that is held.
``null``: what is said of the wiring to networks of 6 updates when the targets of treatments are exchanged.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from edge2torch import perturb
from edge2torch.perturb._compare import held_out
from edge2torch.perturb._problem import Problem
from edge2torch.perturb._rewired import rewired_graphs
from edge2torch.perturb._rules import ridge
from edge2torch.perturb._scores import difference
from edge2torch.perturb._train import Recipe, train
from edge2torch.perturb._verdict import wiring
from edge2torch.simulate import evaluate_steps

NETWORK = """
EGF -> EGFR, EGFR -> SRC, SRC -> EGFR, EGFR -> RAS, RAS -> RAF, RAF -> MEK, MEK -> ERK, ERK -| RAF
ERK -> DUSP, DUSP -| ERK, DUSP -| JNK, INS -> IRS, IRS -> PI3K, RAS -> PI3K, PI3K -> AKT
AKT -> S6K, S6K -| IRS, AKT -| RAF, AKT -> IKK, TNF -> TNFR, TNFR -> IKK, TNFR -> JNK
IKK -> NFKB, NFKB -> IKBA, IKBA -| NFKB, NFKB -> A20, A20 -| IKK
IL6 -> JAK, JAK -> STAT3, SRC -> STAT3, STAT3 -> SOCS3, SOCS3 -| JAK
ERK -> ELK1, ERK -> CREB, AKT -> CREB, AKT -| FOXO, S6K -> RPS6, JNK -> AP1, ERK -> AP1
NFKB -> RELA, STAT3 -> BCL3, NFKB -> BCL3
"""
DRUGS = {"MEKi": "MEK", "PI3Ki": "PI3K", "IKKi": "IKK", "JAKi": "JAK"}


@dataclass(frozen=True)
class System:
    """Edges, the conditions, what is measured, and what every node is without noise."""

    edges: pd.DataFrame
    truth: pd.DataFrame
    doses: pd.DataFrame
    settled: pd.DataFrame
    read: pd.DataFrame
    inside: list[str]
    readouts: list[str]
    drugs: dict[str, str]


def saturating(v):
    v = np.maximum(v, 0)
    return v / (0.5 + v)


def settle(truth: pd.DataFrame, doses: pd.DataFrame, readouts: list[str]) -> pd.DataFrame:
    steps = evaluate_steps(truth, doses, 80, activation=saturating, outputs=readouts, leak=0.3)
    return pd.DataFrame(steps[-1], index=doses.index)


def system(largest: int = 3, seed: int = 0) -> System:
    arrows = [arrow.split() for arrow in NETWORK.replace("\n", ",").split(",") if arrow.strip()]
    edges = pd.DataFrame(
        [(a, b, 1 if how == "->" else -1) for a, how, b in arrows],
        columns=["source", "target", "sign"],
    )
    return behaving(edges, DRUGS, np.random.default_rng(seed), largest)


def behaving(
    edges: pd.DataFrame, drugs: dict[str, str], rng: np.random.Generator, largest: int = 3
) -> System:
    """Draw how strong the edges of a network are, and read what it does."""
    strength = rng.uniform(2, 4, len(edges)) * np.where(edges["sign"] > 0, 1, 0.5)
    blocks = pd.DataFrame({"source": list(drugs), "target": list(drugs.values()), "weight": -5.0})
    truth = pd.concat([edges.assign(weight=edges["sign"] * strength), blocks], ignore_index=True)
    sources, targets = set(edges["source"]), set(edges["target"])
    readouts, names = sorted(targets - sources), [*sorted(sources - targets), *drugs]
    chosen = [pick for n in range(largest + 1) for pick in itertools.combinations(names, n)]
    doses = pd.DataFrame(
        [[float(name in pick) for name in names] for pick in chosen],
        index=[" + ".join(pick) or "nothing" for pick in chosen],
        columns=names,
    )
    settled = settle(truth, doses, readouts)
    noise = 0.05 * np.random.default_rng(1).normal(size=(len(doses), len(readouts)))
    read = settled[readouts] / settled[readouts].std() + noise
    return System(edges, truth, doses, settled, read, sorted(sources & targets), readouts, drugs)


def design_of(known: System) -> perturb.Design:
    kinds = dict.fromkeys(known.drugs, "inhibitor")
    return perturb.read_design(known.doses, known.read, kinds=kinds, targets=known.drugs)


def drawn(seed: int) -> System:
    """Four ligands, layers of 6, 8, 8 and 8 nodes, 8 edges back; the next seed where it swings."""
    rng = np.random.default_rng(seed)
    layers = [[f"{a}{k}" for k in range(n)] for a, n in zip("LRMNy", (4, 6, 8, 8, 8), strict=True)]
    signs = {}
    for above, below in itertools.pairwise(layers):
        for node in below:
            for s in rng.choice(above, int(rng.integers(1, 3)), replace=False):
                signs[str(s), node] = 1 if rng.random() < 0.8 else -1
        for node in above:  # nothing ends in the middle
            if not any(s == node for s, _ in signs):
                signs[node, str(rng.choice(below))] = 1
    for _ in range(8):
        s, t = rng.choice(layers[3] + layers[2]), rng.choice(layers[1] + layers[2])
        if s != t:
            signs.setdefault((str(s), str(t)), 1 if rng.random() < 0.4 else -1)
    edges = pd.DataFrame([(*ends, sign) for ends, sign in signs.items()])
    edges.columns = ["source", "target", "sign"]
    inner = [node for layer in layers[1:4] for node in layer]
    drugs = {f"{node}i": str(node) for node in rng.choice(inner, 4, replace=False)}
    known = behaving(edges, drugs, rng)
    steps = evaluate_steps(
        known.truth, known.doses, 80, activation=saturating, outputs=known.readouts, leak=0.3
    )
    last, before = (pd.DataFrame(steps[k]).to_numpy() for k in (-1, -10))
    is_calm = np.abs(last - before).max() < 0.01
    return (
        known
        if is_calm and (known.settled[known.readouts].std() > 0.01).all()
        else drawn(seed + 1000)
    )


def knock_outs(
    known: System,
    found: perturb.PerturbationFit,
    rows: np.ndarray,
    groups: list[tuple[str, ...]] | None = None,
) -> float:
    """The correlation of knock-outs of inner nodes with the system's own, over nodes and readouts."""
    asked = found.design.at(np.flatnonzero(rows))
    groups = groups or [(node,) for node in known.inside]
    table = perturb.screen(found, asked, groups)
    mine = table.pivot(index="nodes", columns="readout", values="effect")
    truly = {}
    for group in groups:
        gone = ~known.truth["source"].isin(group)
        cut = known.truth.assign(weight=known.truth["weight"].where(gone))
        change = settle(cut, known.doses, known.readouts) - known.settled
        mean = change.loc[rows, known.readouts].mean()
        truly[" + ".join(group)] = mean / known.settled[known.readouts].std()
    right = pd.DataFrame(truly).T
    both = (one.loc[list(truly), known.readouts].to_numpy().ravel() for one in (mine, right))
    return float(np.corrcoef(*both)[0, 1])


def few(known: System, epochs: int) -> None:
    design, size = design_of(known), known.doses.sum(axis=1).to_numpy()
    pairs = list(itertools.combinations(known.inside, 2))
    asked = [pairs[k] for k in np.random.default_rng(0).choice(len(pairs), 40, replace=False)]
    small = np.flatnonzero(size < 3)
    for draw, n in itertools.product(range(5), (10, 15, 20)):
        rows = np.sort(np.random.default_rng((draw, n)).choice(small, n, replace=False))
        for named, some in (("trained", epochs), ("hardly trained", 3)):
            part = perturb.folds(design, dict.fromkeys(known.doses.index.delete(rows), 1))
            found = perturb.fit(known.edges, design, part, epochs=some, controls=False, seed=draw)
            found = replace(found, networks=found.fold_networks[0])
            one, two = (knock_outs(known, found, size == 3, groups) for groups in (None, asked))
            print(f"{n} conditions, {named}: one r {one:.3f}, two at a time {two:.3f}", flush=True)


def coverage() -> None:
    for seed in range(1, 6):
        known = system(seed=seed)
        design = design_of(known)
        mixed = np.random.default_rng(seed).permutation(len(known.doses))
        own, new = (design.at(np.sort(part)) for part in (mixed[:60], mixed[60:]))
        found = perturb.fit(
            *(known.edges, own, perturb.folds(own, "condition", k=10)),
            epochs=80,
            learning_rate=0.03,
            controls=False,
        )
        held, other = found.held_out(), found.predict(new)
        other["measured"] = new.readouts.to_numpy().T.ravel()
        shares = [
            ((t["measured"] >= t["lower"]) & (t["measured"] <= t["upper"])).mean()
            for t in (held, other)
        ]
        print(
            f"system {seed}: held out {shares[0]:.2f}, other conditions {shares[1]:.2f}", flush=True
        )


def triples(known: System, rewired: int, epochs: int) -> None:
    design = design_of(known)
    size = known.doses.sum(axis=1).to_numpy()
    held = perturb.folds(design, dict.fromkeys(known.doses.index[size == 3], 1))
    found = perturb.fit(known.edges, design, held, rewired=rewired, epochs=epochs)
    print(found.scores[["beyond_r", "skill", "mse"]].round(3).to_string())
    print(*found.verdicts, sep="\n")
    print(f"MSE in training {learned(found):.4f}")
    if len(found.rewired):
        print("rewired, MSE:", found.rewired["mse"].round(3).tolist())
    print(found.fold_networks[0][0].model.efficacies.round(2).to_dict())
    print(f"knock-outs of inner nodes, on triples: r {knock_outs(known, found, size == 3):.2f}")


def inhibitors(known: System, epochs: int) -> None:
    design = design_of(known)
    number = {}
    for k, drug in enumerate(known.drugs):
        fold = dict.fromkeys(known.doses.index[known.doses[drug] > 0], k)
        made = perturb.folds(design, fold)
        found = perturb.fit(known.edges, design, made, epochs=epochs)
        number[drug] = found.scores.loc[
            [
                "network",
                "rewired network",
                "targets exchanged",
                "ridge",
                "graph kernel",
                "dense net",
            ],
            "mse",
        ]
        print(drug, number[drug].round(3).to_dict(), flush=True)


def as_nodes(known: System, epochs: int) -> None:
    more = pd.DataFrame({"source": list(known.drugs), "target": known.drugs.values(), "sign": -1})
    design = perturb.read_design(known.doses, known.read)
    held = dict.fromkeys(known.doses.index[known.doses.sum(axis=1) == 3], 1)
    edges = pd.concat([known.edges, more], ignore_index=True)
    made = perturb.folds(design, held)
    found = perturb.fit(edges, design, made, epochs=epochs, controls=False)
    print(f"drugs as nodes: triples, MSE {found.scores.loc['network', 'mse']:.3f}", flush=True)


def learned(found: perturb.PerturbationFit) -> float:
    """The mean squared error in training of the first fold, in units of each readout's spread."""
    rows = found.folds[0].training
    y = found.design.readouts.to_numpy(float)[rows]
    said = found.fold_networks[0][0].predict(found.design)[rows]
    return float((((said - y) / y.std(axis=0)) ** 2).mean())


def null(runs: int) -> None:
    """How often targets that are exchanged make the wiring matter; true ones, every twentieth time.

    What is said takes a lead over ridge, so that rewired graphs are trained only where there is one.
    """
    recipe = Recipe(epochs=40, learning_rate=0.1, options={"steps": 6})
    said: dict[str, list[bool]] = {"targets exchanged": [], "true targets": []}
    lead: dict[str, list[float]] = {name: [] for name in said}
    for seed in range(runs):
        known = system(seed=seed)
        size = known.doses.sum(axis=1).to_numpy()
        design = design_of(known)
        arms = {"targets exchanged": design.with_targets_exchanged(seed)}
        if seed % 20 == 0:
            arms["true targets"] = design
        for name, own in arms.items():
            made = perturb.folds(own, dict.fromkeys(known.doses.index[size == 3], 1))
            problem, (fold,) = Problem.of(own), made
            held = held_out(own, problem, made)
            mine, rule = (
                train(known.edges, own, fold.training, recipe, seed).predict(own)[fold.held_out],
                ridge(1.0)(problem, fold.training)[fold.held_out],
            )
            lead[name].append(difference(held, mine, rule, seed)[0])
            is_ahead = difference(held, mine, rule, seed)[1] > 0
            others = {}
            if is_ahead:
                graphs, _ = rewired_graphs(known.edges, own, 20, seed)
                for k, graph in graphs.items():
                    one = train(graph, own, fold.training, recipe, seed)
                    others[str(k)] = one.predict(own)[fold.held_out]
                words, _ = wiring(held, "network", mine, rule, others, seed)
                is_ahead = words.startswith("The wiring matters to the network")
            said[name].append(is_ahead)
        told = {
            name: f"{sum(own)} of {len(own)}, lead over ridge {np.median(lead[name]):+.2f}, at most "
            f"{max(lead[name]):+.2f}"
            for name, own in said.items()
        }
        print(told, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", default=["triples", "inhibitors"])
    parser.add_argument("--rewired", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 202], help="of drawn systems")
    parser.add_argument("--runs", type=int, default=100, help="of the null")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for part in options.parts:
        start = time.process_time()
        if part == "drawn":
            for seed in options.seeds:
                known = drawn(seed)
                print(f"drawn by {seed}: {len(known.edges)} edges")
                triples(known, options.rewired, options.epochs)
                as_nodes(known, options.epochs)
                inhibitors(known, options.epochs)
        elif part == "triples":
            triples(system(), options.rewired, options.epochs)
        elif part == "few":
            few(system(), options.epochs)
        elif part == "coverage":
            coverage()
        elif part == "null":
            null(options.runs)
        else:
            inhibitors(system(), options.epochs)
        print(f"{time.process_time() - start:.0f} CPU seconds\n", flush=True)


if __name__ == "__main__":
    main()
