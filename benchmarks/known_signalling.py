"""A signalling system that is known: what perturb.fit finds of it, for docs/perturbation.md.

    python benchmarks/known_signalling.py --parts triples inhibitors --rewired 0

The system of notebook 05: 42 edges, four ligands and four drugs, given alone, in pairs or in triples;
readouts in units of their own spread, with 5 % of noise. ``triples``: trained on all else, by rewired
graphs too; knock-outs of inner nodes against the system's own. ``inhibitors``: each of the drugs
left out altogether.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from edge2torch import perturb
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
    rng = np.random.default_rng(seed)
    strength = rng.uniform(2, 4, len(edges)) * np.where(edges["sign"] > 0, 1, 0.5)
    blocks = pd.DataFrame({"source": list(DRUGS), "target": list(DRUGS.values()), "weight": -5.0})
    truth = pd.concat([edges.assign(weight=edges["sign"] * strength), blocks], ignore_index=True)
    sources, targets = set(edges["source"]), set(edges["target"])
    readouts, names = sorted(targets - sources), [*sorted(sources - targets), *DRUGS]
    chosen = [pick for n in range(largest + 1) for pick in itertools.combinations(names, n)]
    doses = pd.DataFrame(
        [[float(name in pick) for name in names] for pick in chosen],
        index=[" + ".join(pick) or "nothing" for pick in chosen],
        columns=names,
    )
    settled = settle(truth, doses, readouts)
    noise = 0.05 * np.random.default_rng(1).normal(size=(len(doses), len(readouts)))
    read = settled[readouts] / settled[readouts].std() + noise
    return System(edges, truth, doses, settled, read, sorted(sources & targets), readouts)


def design_of(known: System) -> perturb.Design:
    kinds = dict.fromkeys(DRUGS, "inhibitor")
    return perturb.read_design(known.doses, known.read, kinds=kinds, targets=DRUGS)


def knock_outs(known: System, found: perturb.PerturbationFit, rows: np.ndarray) -> float:
    """The correlation of knock-outs of inner nodes with the system's own, over nodes and readouts."""
    asked = found.design.at(np.flatnonzero(rows))
    table = perturb.screen(found, asked, known.inside)
    mine = table.pivot(index="nodes", columns="readout", values="effect")
    truly = {}
    for node in known.inside:
        cut = known.truth.assign(weight=known.truth["weight"].where(known.truth["source"] != node))
        gone = settle(cut, known.doses, known.readouts) - known.settled
        truly[node] = gone.loc[rows, known.readouts].mean() / known.settled[known.readouts].std()
    right = pd.DataFrame(truly).T
    return float(
        np.corrcoef(
            mine.loc[known.inside, known.readouts].to_numpy().ravel(), right.to_numpy().ravel()
        )[0, 1]
    )


def triples(known: System, rewired: int, epochs: int) -> None:
    design = design_of(known)
    size = known.doses.sum(axis=1).to_numpy()
    held = perturb.folds(design, dict.fromkeys(known.doses.index[size == 3], 1))
    found = perturb.fit(known.edges, design, held, rewired=rewired, epochs=epochs)
    print(found.scores[["beyond_r", "skill", "mse"]].round(3).to_string())
    print(*found.verdicts, sep="\n")
    if len(found.rewired):
        print("rewired, MSE:", found.rewired["mse"].round(3).tolist())
    print(found.fold_networks[0][0].model.efficacies.round(2).to_dict())
    print(f"knock-outs of inner nodes, on triples: r {knock_outs(known, found, size == 3):.2f}")


def inhibitors(known: System, epochs: int) -> None:
    design = design_of(known)
    number = {}
    for k, drug in enumerate(DRUGS):
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", default=["triples", "inhibitors"])
    parser.add_argument("--rewired", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=300)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for part in options.parts:
        start = time.process_time()
        if part == "triples":
            triples(system(), options.rewired, options.epochs)
        else:
            inhibitors(system(), options.epochs)
        print(f"{time.process_time() - start:.0f} CPU seconds\n", flush=True)


if __name__ == "__main__":
    main()
