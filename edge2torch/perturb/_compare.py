"""Everything that stands beside a network, on the same folds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_seed
from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import listing, wording
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import read_edge_table
from edge2torch.perturb._design import Design, check_design
from edge2torch.perturb._folds import EASY, Folds, check_folds
from edge2torch.perturb._kernel import GraphKernel
from edge2torch.perturb._problem import Floats, Problem
from edge2torch.perturb._rewired import rewired_graphs
from edge2torch.perturb._rules import rules
from edge2torch.perturb._scores import BACKGROUND, Held, scored
from edge2torch.perturb._verdict import wiring

_BY_GROUP = ("treatment", "target")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Predictions of held-out samples by several rules and models, and their scores.

    Parameters
    ----------
    design : Design
        What was given and read.
    folds : Folds
        What was held out.
    scores : DataFrame, one row per rule or model
        ``beyond_r``, the correlation of differences from the background's mean, and ``skill``,
        1 - MSE / MSE of the background's mean, with 90 % intervals; ``mse``, ``r`` over all entries,
        and medians of r over readouts and over samples.
    predictions : dict of str to DataFrame
        Held-out samples (fold, condition, time, context) by readout.
    verdicts : list of str
        What follows, in sentences.

    Examples
    --------
    >>> from edge2torch.perturb import baselines, folds, read_design
    >>> names = ["a", "b", "c"]
    >>> read = pd.DataFrame({"y": [0.0, 1.0, 1.1]}, names)
    >>> design = read_design(pd.DataFrame(np.eye(3), names, ["A", "B", "C"]), read)
    >>> baselines(design, folds(design, "treatment")).verdicts
    []
    """

    design: Design
    folds: Folds
    scores: pd.DataFrame
    predictions: dict[str, pd.DataFrame] = field(repr=False)
    verdicts: list[str]

    def __repr__(self) -> str:
        shown = self.scores[["beyond_r", "skill", "mse", "r"]].round(3).to_string()
        said = "".join(f"\n- {sentence}" for sentence in map(wording.get(), self.verdicts))
        return f"{self.folds}\n{shown}{said}"


def baselines(
    design: Design,
    folds: Folds,
    edges: EdgesLike | None = None,
    *,
    rewired: int = 20,
    seed: int = 0,
) -> Comparison:
    """Predict what each fold holds out by rules that need no graph, and by the graph's kernel.

    The mean, the mean of the same background (treatments that 30 % of the conditions have, time,
    context), the control, a sister with the mean shift of what differs, single effects added up,
    ridge (penalty 1; 0.3 on the logit of readouts between 0 and 1; with pairs), the 1 and 5 nearest
    conditions, a dense network of 64 units, and :class:`GraphKernel`.

    Parameters
    ----------
    design : Design
        What was given and read.
    folds : Folds
        What :func:`folds` returned.
    edges : DataFrame or Prior, optional
        The network of the kernel.
    rewired : int
        Graphs with the network's degrees that the kernel is held against; 0 for none.
    seed : int
        Of the dense network and of the intervals' draws.

    Returns
    -------
    Comparison

    Raises
    ------
    Edge2TorchError
        For a design without readouts.

    Examples
    --------
    >>> from edge2torch.perturb import folds, read_design
    >>> rng = np.random.default_rng(0)
    >>> doses = pd.DataFrame(rng.integers(0, 2, (20, 4)), columns=list("ABCD")).drop_duplicates()
    >>> doses.index = [f"c{k}" for k in doses.index]
    >>> read = pd.DataFrame({"y": doses @ [1.0, 2.0, 0.0, -1.0]})
    >>> design = read_design(doses, read)
    >>> found = baselines(design, folds(design, k=4))
    >>> bool(found.scores.loc["additive", "skill"] > 0.99)
    True
    """
    check_design("design", design)
    check_folds(folds)
    check_seed("seed", seed)
    problem = _problem(design)
    held = held_out(design, problem, folds)
    found = _predicted(design, problem, folds, edges, seed)
    said = [EASY] if folds.has_sisters else []
    if edges is not None and (lost := GraphKernel(edges).lost(design)):
        said.append(
            f"The graph kernel knows nothing of {len(lost)} treatment(s) whose target is not a node: "
            f"{listing(lost)}."
        )
    if edges is not None and rewired:
        table = read_edge_table(edges).frame
        graphs, lacking = rewired_graphs(table, design, rewired, seed)
        others = {
            f"rewired kernel {k + 1}": _by_kernel(
                design, problem, folds, GraphKernel(other, unknown="drop")
            )
            for k, other in graphs.items()
        }
        sentence, _ = wiring(
            held, "graph kernel", found["graph kernel"], found["ridge"], others, seed, lacking
        )
        said.append(sentence)
    return compared(design, folds, held, found, seed, said)


def _problem(design: Design) -> Problem:
    if design.readouts.shape[1] == 0 or not len(design.samples):
        raise Edge2TorchError("design has no readouts. Give them to read_design(design, readouts).")
    return Problem.of(design)


def _predicted(
    design: Design, problem: Problem, folds: Folds, edges: EdgesLike | None, seed: int
) -> dict[str, Floats]:
    known = rules(problem, seed)
    found: dict[str, list[Floats]] = {name: [] for name in known}
    for fold in folds:
        for name, rule in known.items():
            found[name].append(rule(problem, fold.training)[fold.held_out])
    joined = {name: np.concatenate(parts) for name, parts in found.items()}
    if edges is not None:
        kernel = GraphKernel(edges, unknown="drop")
        joined["graph kernel"] = _by_kernel(design, problem, folds, kernel)
    return joined


def _by_kernel(design: Design, problem: Problem, folds: Folds, kernel: GraphKernel) -> Floats:
    """Return what a kernel predicts of the held-out samples of all folds."""
    parts, features = [], kernel.features(design)
    for fold in folds:
        whole = kernel.residuals(design, problem, fold.training, features=features)
        parts.append((whole + problem.background_mean(fold.training))[fold.held_out])
    return np.concatenate(parts)


def held_out(design: Design, problem: Problem, folds: Folds) -> Held:
    """Return the held-out samples of all folds, and the means of their backgrounds."""
    fold = np.concatenate([np.full(len(f.held_out), k) for k, f in enumerate(folds)])
    sample = np.concatenate([f.held_out for f in folds])
    base = np.concatenate([problem.background_mean(f.training)[f.held_out] for f in folds])
    condition = design.rows[sample]
    # conditions of one left-out treatment are drawn together: they are one trial of the question
    units = design.same[condition]
    if folds.leave in _BY_GROUP:
        given = design.doses.drop(columns=design.background).to_numpy() > 0
        units = pd.factorize(pd.Series([bytes(row) for row in given])[condition])[0]
    unit = pd.factorize(units)[0].astype(np.int64)
    return Held(fold, sample, unit, condition, problem.y[sample], base)


def compared(
    design: Design,
    folds: Folds,
    held: Held,
    predictions: dict[str, Floats],
    seed: int,
    verdicts: list[str],
) -> Comparison:
    """Return a comparison of predictions (held-out samples, o) of all folds."""
    scores = scored(held, predictions, seed)
    index = _index(design, held)
    frames = {
        name: pd.DataFrame(found, index=index, columns=design.readouts.columns)
        for name, found in predictions.items()
        if name in scores.index or name == BACKGROUND
    }
    return Comparison(design, folds, scores, frames, verdicts)


def _index(design: Design, held: Held) -> pd.MultiIndex:
    table: dict[str, Any] = {"fold": held.fold + 1}
    for name in ("condition", "time", "context"):
        table[name] = design.samples[name].to_numpy()[held.sample]
    return pd.MultiIndex.from_frame(pd.DataFrame(table))
