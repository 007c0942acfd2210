"""Regulators in feedback loops, one of which the outcome follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError
from edge2torch.simulate._samples import simulate


@dataclass(frozen=True, eq=False)
class PlantedRegulator:
    """An edge table in which every regulator may act on the outcome, and data in which one does.

    Parameters
    ----------
    edges : DataFrame
        Columns ``source``, ``target``; each regulator hears its own inputs and a few others,
        stands in a feedback loop with a partner, and may act on ``outcome``.
    regulator : str
        The one that does.
    hidden : list of str
        All regulators and partners.
    x_train, x_test, y_train, y_test : DataFrame
        Inputs, and the outcome.

    Examples
    --------
    >>> planted_regulator(seed=0, n_train=10, n_test=5).x_test.shape
    (5, 36)
    """

    edges: pd.DataFrame
    regulator: str
    hidden: list[str]
    x_train: pd.DataFrame
    x_test: pd.DataFrame
    y_train: pd.DataFrame
    y_test: pd.DataFrame


def planted_regulator(
    n_regulators: int = 12,
    *,
    n_inputs: int = 3,
    n_cross: int = 12,
    n_train: int = 256,
    n_test: int = 256,
    noise_scale: float = 0.3,
    seed: int = 0,
) -> PlantedRegulator:
    """Draw a graph full of cycles, in which one hidden node decides the outcome.

    Each regulator sums its inputs, is damped by a partner that it activates, and influences a
    few other regulators weakly. The values are those of the steady state.

    Parameters
    ----------
    n_regulators, n_inputs : int
        Regulators, and inputs of each.
    n_cross : int
        Weak edges between regulators.
    n_train, n_test : int
        Samples.
    noise_scale : float
        Standard deviation of each node's noise.
    seed : int
        Same seed, same problem.

    Returns
    -------
    PlantedRegulator

    Raises
    ------
    Edge2TorchError
        For more cross edges than there are pairs.

    Examples
    --------
    >>> problem = planted_regulator(seed=1, n_train=4, n_test=4)
    >>> problem.regulator in problem.hidden, len(problem.edges)
    (True, 84)
    """
    rng = np.random.default_rng([seed, 2])
    width = len(str(n_regulators - 1))
    names = [f"reg_{k:0{width}d}" for k in range(n_regulators)]
    planted = names[int(rng.integers(n_regulators))]
    source, target = np.nonzero(~np.eye(n_regulators, dtype=bool))
    if not 0 <= n_cross <= len(source):
        raise Edge2TorchError(f"n_cross: {n_cross}. There are {len(source)} pairs of regulators.")
    rows: list[tuple[str, str, float]] = []
    for name in names:
        partner = name.replace("reg", "partner")
        inputs = [(f"in_{name[4:]}_{j}", name, float(rng.choice([-1, 1]))) for j in range(n_inputs)]
        acts = float(name == planted)
        rows += [*inputs, (name, partner, 0.7), (partner, name, -0.7), (name, "outcome", acts)]
    for k in rng.choice(len(source), n_cross, replace=False):
        rows.append((names[source[k]], names[target[k]], float(rng.choice([-0.2, 0.2]))))
    table = pd.DataFrame(rows, columns=["source", "target", "sign"])
    x_train, x_test, y_train, y_test = simulate(
        table, n_train, n_test, output_nodes=["outcome"], noise_scale=noise_scale, seed=seed
    )
    return PlantedRegulator(
        edges=table[["source", "target"]],
        regulator=planted,
        hidden=[*names, *(name.replace("reg", "partner") for name in names)],
        x_train=x_train,
        x_test=x_test,
        y_train=y_train,
        y_test=y_test,
    )
