"""What a signalling graph can and cannot tell: the tables of docs/perturbation.md.

    python benchmarks/perturbation.py --data DIR --parts screen ligands scrambled

DIR holds ``lembas_ligandScreen_{edges,nodes,Ligands,TFs,cv28}.tsv`` (as for ``lembas.py``) and
CellNOpt's ``cno_PKN-LiverDREAM.sif`` and ``cno_MD-LiverDREAM.csv``. Parts: ``screen``, the 28 folds
of the paper; ``ligands``, ten folds of left-out ligands; ``scrambled``, the graph kernel on twenty
graphs that know nothing.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lembas import read, scrambled

from edge2torch import perturb
from edge2torch.interpret import rewire

SHOWN = ["beyond_r", "beyond_lower", "beyond_upper", "skill", "mse", "r"]


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
    kernel, rest, truth = perturb.GraphKernel(edges), [], []
    backs = design.doses.loc[design.samples["condition"], design.background].to_numpy()
    for fold in made:
        found = kernel.predict(design, fold.training).to_numpy()
        for row in fold.held_out:
            alike = fold.training[(backs[fold.training] == backs[row]).all(axis=1)]
            mean = design.readouts.iloc[alike].mean().to_numpy()
            rest.append(found[row] - mean)
            truth.append(design.readouts.iloc[row].to_numpy() - mean)
    return float(np.corrcoef(np.concatenate(rest), np.concatenate(truth))[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", default=["screen", "ligands", "scrambled"])
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
        elif part == "ligands":
            show("Left-out ligands", perturb.baselines(design, ligands, screen.edges))
        elif part == "scrambled":
            scrambled_kernels(design, ligands, screen.edges)
        print(f"\n{time.process_time() - start:.0f} CPU seconds")


if __name__ == "__main__":
    main()
