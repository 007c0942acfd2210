"""What was given, how much, when and where, beside what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge2torch._core.checks import check_type
from edge2torch._core.messages import plural
from edge2torch.errors import Edge2TorchError

KINDS = ("stimulus", "inhibitor", "knock_out", "knock_down", "over_expression")
LOWERS = ("inhibitor", "knock_out", "knock_down")
_BACKGROUND = 0.3  # of all conditions: a treatment this common is what the others are given on
NOT_EXCHANGED = "The targets cannot be exchanged: no two treatments of a kind have different ones."
INHIBITOR = "_inhibitor"  # what the end of a name says

Ints = NDArray[np.int64]


def check_design(argument: str, value: Any) -> None:
    """Refuse what is no design, such as the table that one is made of."""
    check_type(argument, value, Design, "a Design: read_design(table, readouts) makes one")


@dataclass(frozen=True, eq=False)
class Design:
    """Conditions, what was given in them, and what was read.

    Parameters
    ----------
    doses : DataFrame, shape (conditions, treatments)
        What was given, 0 for nothing, in each treatment's unit; of a knock-down the share that it
        takes away.
    treatments : DataFrame, one row per treatment
        ``kind``, ``target`` (nodes separated by ``;``), ``unit``, and ``share``, by how much the
        largest dose stops its target; NaN where that is not known. Where shares of several doses
        are, ``shares``, a dict by dose.
    samples : DataFrame, one row per row of readouts
        ``condition``, ``time`` (NaN where there is one alone) and ``context``.
    readouts : DataFrame, shape (samples, readouts)
        NaN where nothing was measured.
    at_rest : DataFrame, shape (contexts, readouts)
        Means of the rows at time 0; empty without such rows.

    Examples
    --------
    >>> from edge2torch.perturb import read_design
    >>> doses = pd.DataFrame({"EGF": [0, 1, 0, 1], "TNF": [0, 0, 1, 1]}, index=list("abcd"))
    >>> read = pd.DataFrame({"ERK": [0.0, 1.0, 0.1, 0.9]}, index=list("abcd"))
    >>> design = read_design(doses, read)
    >>> design
    Design(4 conditions, 2 treatments (2 stimuli), 1 readout, 1 control)
    >>> design.controls
    ['a']
    """

    doses: pd.DataFrame
    treatments: pd.DataFrame
    samples: pd.DataFrame
    readouts: pd.DataFrame
    at_rest: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def targets(self) -> dict[str, list[str]]:
        """Nodes that each treatment acts on; a treatment without any is its own."""
        listed = self.treatments["target"].items()
        return {str(name): _split(target) or [str(name)] for name, target in listed}

    @property
    def names(self) -> list[str]:
        """Treatments, in order."""
        return [str(name) for name in self.doses.columns]

    @property
    def controls(self) -> list[str]:
        """Conditions in which nothing was given."""
        return self.doses.index[~(self.doses > 0).any(axis=1)].tolist()

    @cached_property
    def same(self) -> Ints:
        """Number of what each condition was given, shape (conditions,): alike under other names too."""
        _, number = np.unique(self.doses.to_numpy(float), axis=0, return_inverse=True)
        return number.reshape(-1).astype(np.int64)

    @property
    def replicates(self) -> pd.Series[int]:
        """Rows of readouts per condition, all times and contexts together."""
        counts = self.samples["condition"].value_counts()
        return counts.reindex(self.doses.index, fill_value=0)

    @cached_property
    def background(self) -> list[str]:
        """Treatments that 30 % of the conditions or more have: what the others are given on.

        None where half of all treatments are as common: then there are no others.
        """
        share = (self.doses > 0).mean()
        common = share.index[share >= _BACKGROUND].tolist()
        return common if 2 * len(common) < len(share) else []

    @cached_property
    def rows(self) -> Ints:
        """Number of each sample's condition, shape (samples,)."""
        return self.doses.index.get_indexer(pd.Index(self.samples["condition"])).astype(np.int64)

    @property
    def is_bounded(self) -> bool:
        """Whether every readout lies between 0 and 1."""
        low, high = self.readouts.min().min(), self.readouts.max().max()
        return bool(low >= 0 and high <= 1)

    def sisters(self, training: Sequence[str], held_out: Sequence[str]) -> pd.Series[bool]:
        """Tell which held-out conditions differ from a training one by one treatment seen elsewhere.

        They differ in its dose, whatever the two doses are, 0 among them; elsewhere is any other
        training condition that was given it, at any dose. What that treatment does is seen there,
        and no graph is needed to add it. A condition that was given the very same as a training
        one has a sister too.
        """
        given = self.doses.loc[list(training)].to_numpy(float)
        asked = self.doses.loc[list(held_out)].to_numpy(float)
        holders = (given > 0).sum(axis=0)
        found = []
        for row in asked:
            differs = given != row
            n = differs.sum(axis=1)
            which = differs.argmax(axis=1)  # the one treatment, where it is one
            others = holders[which] - (given[np.arange(len(given)), which] > 0)
            found.append(bool(((n == 0) | ((n == 1) & (others > 0))).any()))
        return pd.Series(found, index=list(held_out), dtype=bool)

    def at(self, samples: Ints) -> Design:
        """Return the design of some samples alone, with the conditions that they belong to."""
        kept = self.samples.iloc[samples].reset_index(drop=True)
        wanted = self.doses.index[self.doses.index.isin(kept["condition"])]
        return replace(
            self,
            doses=self.doses.loc[wanted],
            samples=kept,
            readouts=self.readouts.iloc[samples].reset_index(drop=True),
        )

    def with_targets_exchanged(self, seed: int) -> Design:
        """Return the same readouts under treatments that have exchanged their targets.

        Within a kind, as many of them as can; background treatments keep theirs. What a graph can
        tell is gone then.

        Raises
        ------
        Edge2TorchError
            Where no two treatments of a kind have different targets.
        """
        if not self.can_exchange_targets:
            raise Edge2TorchError(f"design: {NOT_EXCHANGED}")
        rng = np.random.default_rng(seed)
        table = self.treatments.copy()
        own = pd.Series({name: ";".join(nodes) for name, nodes in self.targets.items()})
        for names in self._alike():
            own[names] = _exchanged(own[names].to_numpy(object), rng)
        return replace(self, treatments=table.assign(target=own.reindex(table.index)))

    @property
    def can_exchange_targets(self) -> bool:
        """Whether two treatments of a kind, background apart, have different targets."""
        targets = self.targets
        return any(len({frozenset(targets[name]) for name in part}) > 1 for part in self._alike())

    def _alike(self) -> list[list[str]]:
        """Return the treatments of each kind, without the background."""
        kinds = self.treatments["kind"]
        free = [name for name in self.names if name not in self.background]
        return [[name for name in free if kinds[name] == kind] for kind in KINDS]

    def to_frame(self) -> pd.DataFrame:
        """Return the long form: a row per condition and treatment, one without for a control."""
        rows = self.doses.rename_axis("condition").reset_index()
        long = rows.melt("condition", var_name="treatment", value_name="dose")
        given = long[long["dose"] > 0].merge(
            self.treatments.rename_axis("treatment").reset_index(), on="treatment"
        )
        if "shares" in given:
            each = given[["share", "shares", "dose"]].itertuples(index=False)
            own = [of.get(dose, one) if isinstance(of, dict) else one for one, of, dose in each]
            given = given.assign(share=own).drop(columns="shares")
        none = pd.DataFrame({"condition": self.controls, "treatment": "", "dose": 0.0})
        table = pd.concat([given, none], ignore_index=True) if len(given) else none
        place = {name: k for k, name in enumerate(self.doses.index)}
        table = table.sort_values("condition", key=lambda c: c.map(place), kind="stable")
        taken = table.get("kind", pd.Series(dtype=object)) == "knock_down"
        if len(taken) and taken.any():  # the file says what is left
            table.loc[taken, "dose"] = 1 - table.loc[taken, "dose"]
        return table.reset_index(drop=True)

    def __repr__(self) -> str:
        kinds = self.treatments["kind"].value_counts()
        words = {"stimulus": ("stimulus", "stimuli")}
        parts = []
        for kind, n in kinds.items():
            one, many = words.get(str(kind), (str(kind), f"{kind}s"))
            parts.append(f"{n} {(one if n == 1 else many).replace('_', '-')}")
        seen = [
            plural("condition", len(self.doses)),
            plural("treatment", len(self.treatments)) + (f" ({', '.join(parts)})" if parts else ""),
            plural("readout", self.readouts.shape[1]),
            plural("control", len(self.controls)),
        ]
        times = sorted(self.samples["time"].dropna().unique())
        if times:
            seen.append(f"time {', '.join(f'{time:g}' for time in times)}")
        contexts = [name for name in dict.fromkeys(self.samples["context"]) if name]
        if contexts:
            seen.append(f"context {', '.join(contexts[:5])}")
        if (extra := len(self.samples) - len(self.samples.drop_duplicates())) > 0:
            seen.append(plural("repeated row", extra))
        if self.background:
            seen.append(f"background {', '.join(self.background)}")
        return f"Design({', '.join(seen)})"


def _exchanged(own: NDArray[np.object_], rng: np.random.Generator) -> NDArray[np.object_]:
    """Return targets in an order in which as many as can stand elsewhere."""
    _, code, counts = np.unique(own.astype(str), return_inverse=True, return_counts=True)
    most = min(len(own), 2 * (len(own) - int(counts.max(initial=0))))
    for _ in range(100):  # an order is as good with a chance of about 1 / e where all differ
        order = rng.permutation(len(own))
        if (code[order] != code).sum() == most:
            return own[order]
    # alike ones side by side, all moved on by the longest run: each lands where others were
    mixed = rng.permutation(len(own))
    place = mixed[np.argsort(code[mixed], kind="stable")]
    found = own.copy()
    found[place] = own[np.roll(place, int(counts.max()))]
    return found


def _split(target: Any) -> list[str]:
    return [part.strip() for part in str(target or "").split(";") if part.strip()]
