"""What a signalling graph can and cannot tell: the tables of docs/perturbation.md.

    python benchmarks/perturbation.py --data DIR --parts screen ligands scrambled

DIR holds ``lembas_ligandScreen_{edges,nodes,Ligands,TFs,cv28}.tsv`` (as for ``lembas.py``) and
CellNOpt's ``cno_PKN-LiverDREAM.sif`` and ``cno_MD-LiverDREAM.csv``. Parts: ``screen``, the 28 folds
of the paper by all that needs no network, ``network`` by ten updates of one; ``ligands``, ten folds of left-out ligands; ``scrambled``, the graph kernel on twenty
graphs that know nothing; ``curve``, the kernel with fewer ligands; ``network_curve``, the network too; ``arms``, networks on left-out ligands (minutes each); ``liver``, LiverDREAM
with a condition, and with an inhibitor, left out.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lembas import read, scrambled
from scipy.stats import binomtest

from edge2torch import perturb
from edge2torch.interpret import rewire
from edge2torch.priors import read_sif

SHOWN = ["beyond_r", "beyond_lower", "beyond_upper", "skill", "mse", "r"]
SHARES = (0.25, 0.5, 0.75, 1.0)


def show(title: str, found: perturb.Comparison) -> None:
    print(f"\n## {title}\n\n{found.folds}\n")
    print(found.scores[SHOWN].round(4).to_string())


def scrambled_kernels(design: perturb.Design, made: perturb.Folds, edges: pd.DataFrame) -> None:
    """The kernel's correlation beyond the mean on graphs that look like this one."""
    print("\n## The graph kernel on graphs that know nothing\n")
    own = beyond(design, made, edges)
    for name, other in (
        ("targets exchanged among edges", scrambled),
        ("degrees kept", lambda table, seed: rewire(table, "degree", seed=seed)),
    ):
        found = np.array([beyond(design, made, other(edges, seed)) for seed in range(20)])
        print(
            f"{name}: mean {found.mean():.3f}, sd {found.std():.3f}, largest {found.max():.3f}; the "
            f"network {own:.3f}, above {int((found < own).sum())} of 20"
        )


def beyond(design: perturb.Design, made: perturb.Folds, edges: pd.DataFrame) -> float:
    kernel, rest, truth = perturb.GraphKernel(edges, unknown="drop"), [], []
    backs = design.doses.loc[design.samples["condition"], design.background].to_numpy()
    for fold in made:
        found = kernel.predict(design, fold.training).to_numpy()
        for row in fold.held_out:
            alike = fold.training[(backs[fold.training] == backs[row]).all(axis=1)]
            mean = design.readouts.iloc[alike].mean().to_numpy()
            rest.append(found[row] - mean)
            truth.append(design.readouts.iloc[row].to_numpy() - mean)
    return float(np.corrcoef(np.concatenate(rest), np.concatenate(truth))[0, 1])


ARMS = {
    "shared": {"weights": "shared"},
    "shrunk": {"weights": "shrunk", "weight_decay": 1e-5, "steps": 10},
    "shared, residuals of the kernel": {"weights": "shared", "prior_mean": "graph_kernel"},
    "the same, as much of it as inner folds keep": {
        "weights": "shared",
        "prior_mean": "graph_kernel",
        "inner_folds": 3,
    },
}


def liver(folder: Path) -> None:
    edges = read_sif(folder / "cno_PKN-LiverDREAM.sif", quiet=True)
    design = perturb.read_midas(folder / "cno_MD-LiverDREAM.csv", edges, quiet=True)
    alone = perturb.folds(design, "condition", k=len(design.doses))
    found = perturb.fit(edges, design, alone, controls=False)
    show("LiverDREAM, a condition left out", found)
    print(found.verdicts)
    truth = found.design.readouts.to_numpy()[np.concatenate([f.held_out for f in alone])]
    per_condition = {
        name: np.nanmean((found.predictions[name].to_numpy() - truth) ** 2, axis=1)
        for name in ("network", "ridge", "ridge on logit")
    }
    for name in ("ridge", "ridge on logit"):
        better = int((per_condition["network"] < per_condition[name]).sum())
        p = binomtest(better, len(truth)).pvalue
        print(
            f"the network is nearer than {name} in {better} of {len(truth)} (sign test p {p:.3g})"
        )
    of_inhibitor = {
        name: str(design.doses.columns[design.doses.loc[name] > 0][-1])
        for name in design.doses.index
        if design.doses.loc[name].filter(like="_inhibitor").any()
    }
    show(
        "LiverDREAM, an inhibitor left out",
        perturb.fit(edges, design, perturb.folds(design, of_inhibitor)),
    )
    stimuli = design.treatments.index[design.treatments["kind"] == "stimulus"]
    of_stimulus = {
        name: str(stimuli[(row[stimuli] > 0).to_numpy()][0])
        for name, row in design.doses.iterrows()
        if (row[stimuli] > 0).any()
    }
    found = perturb.fit(edges, design, perturb.folds(design, of_stimulus))
    show("LiverDREAM, a stimulus left out", found)
    print(*found.verdicts, sep="\n")


def arms(design: perturb.Design, made: perturb.Folds, edges: pd.DataFrame, epochs: int) -> None:
    for name, arm in ARMS.items():
        found = perturb.fit(edges, design, made, controls=False, epochs=epochs, **arm)
        print(name, found.scores.loc["network", SHOWN].round(4).to_dict(), flush=True)


def with_ligands(design: perturb.Design, share: float, seed: int) -> perturb.Design:
    """The conditions of some of the ligands."""
    names = [name for name in design.names if name not in design.background]
    rng = np.random.default_rng(seed)
    kept = set(rng.choice(names, int(share * len(names)), replace=False))
    other = design.doses[[name for name in names if name not in kept]]
    free = ~(other > 0).any(axis=1)
    return design.at(np.flatnonzero(design.samples["condition"].map(free).to_numpy()))


def network_curve(design: perturb.Design, edges: pd.DataFrame, epochs: int) -> None:
    """Network and kernel with fewer ligands, one draw: new ligands, and new conditions."""
    for share in SHARES:
        part = with_ligands(design, share, 0)
        for leave in ("treatment", "condition"):
            made = perturb.folds(part, leave, k=5)
            found = perturb.fit(edges, part, made, controls=False, steps=10, epochs=epochs)
            rows = ["network", "graph kernel", "ridge on logit", "dense net"]
            print(f"\n{share:.0%} of the ligands, {len(part.samples)} conditions, {leave} left out")
            print(found.scores.loc[rows, SHOWN].round(3).to_string(), flush=True)


def curve(design: perturb.Design, edges: pd.DataFrame) -> None:
    """The kernel with fewer ligands to learn from, three draws each."""
    print("\n## Fewer ligands\n")
    for share in SHARES:
        found = []
        for seed in range(3 if share < 1 else 1):
            part = with_ligands(design, share, seed)
            found.append(beyond(part, perturb.folds(part, "treatment", k=10, seed=seed), edges))
        print(
            f"{share:.0%} of the ligands: {np.round(found, 3).tolist()}, mean {np.mean(found):.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", default=["screen", "ligands", "scrambled"])
    parser.add_argument("--epochs", type=int, default=100, help="of arms and network_curve")
    options = parser.parse_args()
    torch.set_num_threads(1)
    screen = read(options.data)
    design = perturb.read_design(screen.doses, screen.activity)
    print(design)
    ligands = perturb.folds(design, "treatment", k=10)
    for part in options.parts:
        start = time.process_time()
        if part == "screen":
            made = perturb.folds(design, screen.folds)
            show("28 folds", perturb.baselines(design, made, screen.edges))
        elif part == "network":
            made = perturb.folds(design, screen.folds)
            found = perturb.fit(screen.edges, design, made, controls=False, steps=10)
            show("28 folds, the network", found)
            print(*found.verdicts, sep="\n")
        elif part == "ligands":
            show("Left-out ligands", perturb.baselines(design, ligands, screen.edges))
        elif part == "scrambled":
            scrambled_kernels(design, ligands, screen.edges)
        elif part == "arms":
            arms(design, ligands, screen.edges, options.epochs)
        elif part == "curve":
            curve(design, screen.edges)
        elif part == "network_curve":
            network_curve(design, screen.edges, options.epochs)
        elif part == "liver":
            liver(options.data)
        print(f"\n{time.process_time() - start:.0f} CPU seconds")


if __name__ == "__main__":
    main()
