"""What is left out to be predicted, and whether that needs a graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from edge2torch._core.checks import check_choice, check_count, check_seed
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.perturb._design import Design, Ints, check_design

Leave = Literal["condition", "treatment", "target", "combination", "dose", "time", "context"]
EASY = "This split can be solved without the graph."


@dataclass(frozen=True, eq=False)
class Fold:
    """What one fold trains on and holds out, as numbers of samples.

    Parameters
    ----------
    training, held_out : ndarray of int
        Rows of ``design.samples``.
    left_out : tuple of str
        What was left out: conditions, treatments, times ...
    sisters : int
        Held-out conditions that differ from a training one by one treatment seen elsewhere, or by
        none (:meth:`Design.sisters`).
    conditions : int
        Held-out conditions.

    Examples
    --------
    >>> Fold(np.array([0, 1]), np.array([2]), ("EGF",), 0, 1).left_out
    ('EGF',)
    """

    training: Ints
    held_out: Ints
    left_out: tuple[str, ...]
    sisters: int
    conditions: int


@dataclass(frozen=True, eq=False)
class Folds:
    """Folds of a design, and what can be said of them before anything is trained.

    Parameters
    ----------
    leave : str
        The kind of split.
    folds : sequence of Fold
        In order.

    Examples
    --------
    >>> Folds("condition", [Fold(np.array([0]), np.array([1]), ("b",), 1, 1)])
    1 fold, one condition left out; 1 of 1 held-out conditions have a sister in training.
    This split can be solved without the graph.
    """

    leave: str
    folds: Sequence[Fold]

    @property
    def sisters(self) -> int:
        """Held-out conditions with a sister in training, all folds together."""
        return sum(fold.sisters for fold in self.folds)

    @property
    def conditions(self) -> int:
        """Held-out conditions, all folds together."""
        return sum(fold.conditions for fold in self.folds)

    @property
    def has_sisters(self) -> bool:
        """Whether every held-out condition has a sister in training."""
        return self.sisters == self.conditions

    def __len__(self) -> int:
        return len(self.folds)

    def __iter__(self) -> Iterator[Fold]:
        return iter(self.folds)

    def __getitem__(self, place: int) -> Fold:
        return self.folds[place]

    def __repr__(self) -> str:
        each = {len(fold.left_out) for fold in self.folds}
        many = f"{min(each)} to {max(each)}" if len(each) > 1 else f"{min(each)}"
        much = "one " + self.leave if each == {1} else f"{many} {self.leave}s"
        words = (
            f"{len(self)} fold{'s' * (len(self) != 1)}, {much} left out; {self.sisters} of "
            f"{self.conditions} held-out conditions have a sister in training."
        )
        return f"{words}\n{EASY}" if self.has_sisters else words


def check_folds(value: Any) -> None:
    """Refuse what :func:`folds` did not make."""
    if not isinstance(value, Folds):
        raise Edge2TorchError(
            f"folds must be what folds() returns, found {type(value).__name__}: perturb.folds(design, k=5)."
        )


def folds(
    design: Design,
    leave: Leave | Mapping[str, Any] | pd.Series[Any] = "condition",
    k: int = 10,
    seed: int = 0,
) -> Folds:
    """Divide a design by what is to be new to a model.

    Parameters
    ----------
    design : Design
        What was given and read.
    leave : {"condition", "treatment", "target", "combination", "dose", "time", "context"} or mapping
        ``"treatment"``: all conditions that hold it, in each fold some treatments. Background
        treatments, which 30 % of the conditions have, are never left out. ``"target"``: all
        treatments of a node. ``"combination"``: conditions with several treatments; single ones
        are trained on. ``"dose"``: the conditions of one dose of a treatment. Or the number of the
        fold by condition; a condition that is not in it is trained on in all.
    k : int
        Folds; as many as there are things to leave out, if these are fewer.
    seed : int
        Draws what goes into the same fold.

    Returns
    -------
    Folds
        Replicates, times and contexts of a condition stand on one side, but where time or context
        is what is left out; so do conditions that were given the very same under different names,
        but where a mapping parts them.

    Raises
    ------
    Edge2TorchError
        Where there is one thing to leave out or none, and for a fold that would train on no treated
        condition.

    Examples
    --------
    >>> from edge2torch.perturb import read_design
    >>> doses = pd.DataFrame(
    ...     {"EGF": [0, 1, 0, 0], "TNF": [0, 0, 1, 0], "IL6": [0, 0, 0, 1]}, index=list("abcd"))
    >>> design = read_design(doses, pd.DataFrame({"ERK": [0.0, 1.0, 0.1, 0.9]}, index=list("abcd")))
    >>> folds(design, "treatment")
    3 folds, one treatment left out; 0 of 3 held-out conditions have a sister in training.
    """
    check_design("design", design)
    check_seed("seed", seed)
    if isinstance(leave, Mapping | pd.Series):
        return _given(design, pd.Series(leave, dtype=object))
    check_choice("leave", leave, get_args(Leave))
    check_count("k", k, 2)
    held_by = _members(design, leave)
    if len(held_by) < 2:
        have = f"only {listing(held_by)}" if held_by else "none"
        raise Edge2TorchError(
            f"leave={leave!r}: the design has {have} to leave out; at least 2 are needed."
        )
    names = list(held_by)
    mixed = np.random.default_rng(seed).permutation(len(names))
    parts = [sorted(part.tolist()) for part in np.array_split(mixed, min(k, len(names)))]
    made = []
    for part in parts:
        held = np.zeros(len(design.samples), bool)
        for name in part:
            held |= held_by[names[name]]
        made.append(_fold(design, held, tuple(names[name] for name in part), leave))
    return Folds(leave, made)


def _members(design: Design, leave: str) -> dict[str, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Return which samples each thing that can be left out holds."""
    given = design.doses.to_numpy(float) > 0
    rows = design.rows
    free = [name for name in design.names if name not in design.background]
    where = {name: given[rows, design.doses.columns.get_loc(name)] for name in design.names}
    if leave in ("time", "context"):
        column = design.samples[leave]
        return {
            f"{value:g}" if leave == "time" else str(value): (column == value).to_numpy()
            for value in sorted(column.dropna().unique())
        }
    if leave == "treatment":
        return {name: where[name] for name in free if where[name].any()}
    if leave == "target":
        by_node: dict[str, Any] = {}
        for name in free:
            for node in design.targets[name]:
                by_node[node] = by_node.get(node, False) | where[name]
        return {node: held for node, held in by_node.items() if held.any()}
    if leave == "dose":
        found = {}
        for name in design.names:
            doses = design.doses[name]
            levels = sorted(doses[doses > 0].unique())
            for level in levels if len(levels) > 1 else ():
                found[f"{name} {level:g}"] = doses.to_numpy()[rows] == level
        return found
    asked = given.sum(axis=1) > (1 if leave == "combination" else -1)
    return _by_what_was_given(design, asked)


def _by_what_was_given(
    design: Design, asked: np.ndarray[Any, np.dtype[np.bool_]]
) -> dict[str, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Return the samples of the conditions asked for, those that were given the very same together."""
    alike: dict[int, list[int]] = {}
    for k, number in enumerate(design.same.tolist()):
        if asked[k]:
            alike.setdefault(number, []).append(k)
    return {
        " = ".join(str(design.doses.index[k]) for k in part): np.isin(design.rows, part)
        for part in alike.values()
    }


def _given(design: Design, number: pd.Series[Any]) -> Folds:
    if unknown := [str(name) for name in number.index if name not in design.doses.index]:
        raise Edge2TorchError(
            f"leave names condition(s) that the design lacks: {listing(unknown)}."
            f"{nearest(unknown[0], design.doses.index)}"
        )
    of_sample = design.samples["condition"].map(number.astype(str))
    made = []
    for fold in dict.fromkeys(number.astype(str)):
        held = (of_sample == fold).to_numpy()
        left = tuple(dict.fromkeys(design.samples.loc[held, "condition"]))
        made.append(_fold(design, held, left, "condition"))
    if not made:
        raise Edge2TorchError("leave: an empty mapping leaves nothing out.")
    return Folds("condition", made)


def _fold(design: Design, held: Any, left_out: tuple[str, ...], leave: str) -> Fold:
    training, held_out = np.flatnonzero(~held), np.flatnonzero(held)
    name = design.samples["condition"].to_numpy(object)
    inside, outside = list(dict.fromkeys(name[training])), list(dict.fromkeys(name[held_out]))
    if not (design.doses.loc[inside] > 0).any(axis=None):
        raise Edge2TorchError(
            f"leave={leave!r}: without {listing(left_out)} no treated condition is left to train on. "
            + (
                "Leave out fewer at once: a larger k."
                if len(left_out) > 1
                else "The design needs more treated conditions than those that are left out."
            )
        )
    sisters = int(design.sisters(inside, outside).sum()) if outside and inside else 0
    if leave in ("time", "context"):
        # the same condition, at another time or place, is what the others are to it
        same = pd.Series(design.same, design.doses.index)
        sisters = int(same[outside].isin(same[inside]).sum())
    return Fold(training, held_out, left_out, sisters, len(outside))


def inner_folds(design: Design, folds: Folds, k: int | None, n: int) -> list[tuple[Ints, Ints]]:
    """Return n (training, held-out) parts of what a fold trains on, or of all samples.

    What is held out is what other folds hold out, so it is as new as what the fold itself asks for;
    conditions, where there is no other fold.
    """
    training = np.arange(len(design.samples)) if k is None else folds[k].training
    others = [np.intersect1d(f.held_out, training) for j, f in enumerate(folds) if j != k]
    others = [held for held in others if len(held)]
    if len(others) < 2:
        rows = design.rows[training]
        others = [training[rows == one] for one in np.unique(rows)]
        mixed = np.random.default_rng(0).permutation(len(others))
        others = [others[one] for one in mixed]
    if n > len(others):
        raise Edge2TorchError(
            f"inner_folds={n}: without what a fold holds out, the others leave {len(others)} parts to choose on. "
            f"Give inner_folds={len(others)} or fewer, or more folds."
        )
    made = []
    for part in np.array_split(np.arange(len(others)), n):
        held = np.unique(np.concatenate([others[one] for one in part]))
        rest = np.setdiff1d(training, held)
        given = design.doses.iloc[np.unique(design.rows[rest])] if len(rest) else design.doses[:0]
        if (given > 0).any(axis=None):
            made.append((rest, held))
    if not made:
        raise Edge2TorchError(
            "inner_folds: without what an inner fold holds out no treated condition is left to train "
            "on. Leave inner_folds out, or give folds with fewer conditions each."
        )
    return made
