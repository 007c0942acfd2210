"""What treatments share on the graph, as a kernel."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.sparse import csc_array, eye_array
from scipy.sparse.linalg import splu

from edge2torch._core.checks import check_choice, check_flag, check_number
from edge2torch._core.edges import EdgesLike
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import read_edge_table
from edge2torch.perturb._design import LOWERS, Design, Ints, check_design
from edge2torch.perturb._problem import (
    Floats,
    Problem,
    by_gaps,
    levels,
    smallest_doses,
)


class GraphKernel:
    """Predict by what treatments share downstream of their targets.

    A treatment spreads from its targets along the edges, ``(I - damping * D_in^-1/2 W
    D_out^-1/2)^-1``; two conditions are alike where they reach the same nodes (the targets
    themselves left out: a new treatment has its own). Ridge on this likeness predicts how far a
    condition is from the mean of its background. A few numbers are learned per readout, and none
    of them belongs to an edge, so a treatment that was never given is known by its neighbours.
    Readouts need not be nodes.

    Parameters
    ----------
    edges : DataFrame or Prior
        The network; ``sign`` is read if it is there.
    damping : float
        How much of a signal goes on along an edge, 0 to 1.
    penalty : float
        Of the ridge.
    signed : bool
        Whether a negative edge turns the signal round.
    unknown : {"error", "drop"}
        What to do with treatments, background apart, whose target is not a node: refuse them, or
        count them for nothing.

    Raises
    ------
    Edge2TorchError
        For settings out of their range; in :meth:`predict` and :meth:`features` for treatments
        without a node.

    Examples
    --------
    >>> from edge2torch.perturb import read_design
    >>> edges = pd.DataFrame({"source": ["A", "B", "C", "R", "S"], "target": ["R", "R", "S", "y", "z"]})
    >>> doses = pd.DataFrame(np.eye(3), list("abc"), ["A", "B", "C"])
    >>> read = pd.DataFrame({"y": [1.0, np.nan, 0.0], "z": [0.0, np.nan, 1.0]}, index=list("abc"))
    >>> kernel = GraphKernel(edges)
    >>> kernel.predict(read_design(doses, read), np.array([0, 2])).round(2)
         y    z
    0  0.75  0.25
    1  0.75  0.25
    2  0.25  0.75
    """

    def __init__(
        self,
        edges: EdgesLike,
        *,
        damping: float = 0.9,
        penalty: float = 1.0,
        signed: bool = True,
        unknown: Literal["error", "drop"] = "error",
    ) -> None:
        self.damping = check_number("damping", damping, above=0, below=1)
        self.penalty = check_number("penalty", penalty, above=0)
        self.signed = check_flag("signed", signed)
        self.unknown = check_choice("unknown", unknown, ("error", "drop"))
        table = read_edge_table(edges)
        n = len(table.node_names)
        self.nodes = pd.Index(table.node_names)
        weight = np.ones(len(table.source))
        if signed and "sign" in table.frame:
            weight = pd.to_numeric(table.frame["sign"], errors="coerce").fillna(0).to_numpy(float)
        into = np.maximum(np.bincount(table.target, minlength=n), 1)
        out = np.maximum(np.bincount(table.source, minlength=n), 1)
        spread = weight / np.sqrt(into[table.target] * out[table.source])
        step = csc_array((spread, (table.target, table.source)), (n, n))
        # the spectral norm of the step is at most 1, so that the inverse exists for damping < 1
        self._matrix = csc_array(eye_array(n) - self.damping * step)

    @cached_property
    def _solve(self) -> Any:
        return splu(self._matrix)

    def __getstate__(self) -> dict[str, Any]:
        # a factorization cannot be pickled, and is soon made anew
        return {name: value for name, value in self.__dict__.items() if name != "_solve"}

    def features(self, design: Design, background: list[str] | None = None) -> Floats:
        """Return what each condition reaches, (conditions, nodes), rows of length 1 or 0."""
        self._check(design, design.background if background is None else background)
        return self._features(design, design, background)

    def lost(self, design: Design, background: list[str] | None = None) -> list[str]:
        """Return the treatments, background apart, whose targets are not nodes."""
        common = design.background if background is None else background
        return [
            name
            for name, own in design.targets.items()
            if name not in common and not self.nodes.isin(own).any()
        ]

    def _check(self, design: Design, background: list[str]) -> None:
        lost = self.lost(design, background) if self.unknown == "error" else []
        if lost:
            hint = nearest(design.targets[lost[0]][0], self.nodes)
            raise Edge2TorchError(
                f"design has {len(lost)} treatment(s) whose target is not a node: {listing(lost)}."
                f"{hint} Name their targets in the design, or give unknown='drop'."
            )

    def _features(self, design: Design, scale: Design, background: list[str] | None) -> Floats:
        common = design.background if background is None else background
        names = [name for name in design.names if name not in common]
        start = np.zeros((len(self.nodes), len(names)))
        kinds = design.treatments["kind"].to_dict()
        for column, name in enumerate(names):
            places = self.nodes.get_indexer(pd.Index(design.targets[name], dtype=object))
            start[places[places >= 0], column] = -1.0 if kinds[name] in LOWERS else 1.0
        reached = self._solve.solve(start) if names else start
        reached[start != 0] = 0
        u = levels(
            design.doses,
            smallest_doses(scale).reindex(design.doses.columns),
            scale.doses.max().reindex(design.doses.columns),
        )
        columns = np.array([design.names.index(name) for name in names], np.int64)
        rows = u[:, columns] @ reached.T
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        found: Floats = rows / np.where(length > 0, length, 1)
        return found

    def predict(
        self, design: Design, training: Ints | None = None, new: Design | None = None
    ) -> pd.DataFrame:
        """Learn from samples of a design, and predict all of them, or another design's.

        Parameters
        ----------
        design : Design
            What was given and read.
        training : ndarray of int, optional
            Rows of ``design.samples`` to learn from; by default all.
        new : Design, optional
            What is to be predicted; by default ``design`` itself.

        Returns
        -------
        DataFrame, shape (samples, readouts)
        """
        check_design("design", design)
        if new is not None:
            check_design("new", new)
        if design.readouts.shape[1] == 0:
            raise Edge2TorchError("design has no readouts to learn from.")
        rows = np.arange(len(design.samples)) if training is None else np.asarray(training)
        for one in [design] if new is None else [design, new]:
            self._check(one, design.background)
        problem = Problem.of(design)
        if new is None:
            found = self.residuals(design, problem, rows) + problem.background_mean(rows)
            return pd.DataFrame(found, columns=design.readouts.columns)
        both = together(design, new)
        whole = Problem.of(both, design.background)
        found = self.residuals(both, whole, rows, design.background)
        found = (found + whole.background_mean(rows))[len(design.samples) :]
        return pd.DataFrame(found, columns=design.readouts.columns)

    def residuals(
        self,
        design: Design,
        problem: Problem,
        training: Ints,
        background: list[str] | None = None,
        features: Floats | None = None,
    ) -> Floats:
        """Return the predicted differences of all samples from their background's mean, (b, o).

        ``features`` are those of the conditions, if they are known from another fold.
        """
        if features is None:
            features = self._features(design, design, background)
        z = features[design.rows]
        y = problem.y[training] - problem.background_mean(training)[training]
        found = np.zeros((len(z), y.shape[1]))
        for rows, columns in by_gaps(y):
            if not len(rows):
                continue
            own = z[training[rows]]
            gram = own @ own.T + self.penalty * np.eye(len(rows))
            found[:, columns] = z @ (own.T @ np.linalg.solve(gram, y[np.ix_(rows, columns)]))
        return found


def together(design: Design, new: Design) -> Design:
    """Return a design with the conditions of both, the second's without readouts."""
    names = pd.Index([f"new: {name}" for name in new.doses.index])
    doses = pd.concat([design.doses, new.doses.set_axis(names)]).fillna(0.0)
    extra = new.treatments.index.difference(design.treatments.index, sort=False)
    samples = new.samples.assign(condition="new: " + new.samples["condition"])
    blank = pd.DataFrame(np.nan, range(len(samples)), design.readouts.columns)
    return Design(
        doses,
        pd.concat([design.treatments, new.treatments.loc[extra]]).loc[doses.columns],
        pd.concat([design.samples, samples], ignore_index=True),
        pd.concat([design.readouts, blank], ignore_index=True),
        design.at_rest,
    )
