"""A network that is given treatments: stimuli feed nodes, inhibitors hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge2torch._core.hooks import recorded
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import Hold, RecurrentEdgeModel
from edge2torch.perturb._design import Design, check_design

_START_SHARE = 0.9  # of its target that an inhibitor of unknown efficacy stops before training
_INPUT_SCALE = 3.0  # a full dose: inputs of the order of 1 to 3 drive saturating nodes


@dataclass(frozen=True, eq=False)
class Encoding:
    """Treatments of a design as numbers: what they feed, hold and add.

    Parameters
    ----------
    treatments : list of str
        Columns of what the model is given.
    contexts : list of str
        Contexts, one column each behind the treatments; empty with one alone.
    feeds, stops, adds : ndarray of bool, shapes (t, i), (t, k), (t, k)
        Which inputs a treatment feeds, and which held nodes it stops or drives.
    smallest, largest : ndarray, shape (t,)
        Doses; the smallest is NaN where there is one dose alone.
    share : ndarray, shape (t,)
        How much of its target the largest dose stops, NaN where that is learned.
    is_hill : ndarray of bool, shape (t,)
        Whether the dose of half effect is learned.
    held : list of str
        Nodes that are held, k.
    curves : dict of int to (doses, levels)
        Of treatments by number whose doses each have a share of their own.
    """

    treatments: list[str]
    contexts: list[str]
    feeds: NDArray[np.bool_]
    stops: NDArray[np.bool_]
    adds: NDArray[np.bool_]
    smallest: NDArray[np.float64]
    largest: NDArray[np.float64]
    share: NDArray[np.float64]
    is_hill: NDArray[np.bool_]
    held: list[str]
    curves: dict[int, tuple[list[float], list[float]]] = field(default_factory=dict)


class PerturbationModel(nn.Module):
    """A compiled network that takes doses (b, t), and gives readouts (b, o) in their unit.

    Built by :func:`edge2torch.perturb.compile`. What held nodes are held at, where nothing is given,
    is kept in ``rest`` and follows from the weights: 0 until :meth:`find_rest` is called, which
    :func:`edge2torch.perturb.fit` does every ten epochs and at the end. A loop of one's own has to.

    Parameters
    ----------
    net : Module
        The compiled model, customized; several times are a sequence.
    encoding : Encoding
        What treatments do.
    nodes : ndarray of int, shape (k,)
        Positions of the nodes that are held.
    readouts : list of str
        Columns of the output.
    acts : {"value", "output"}
        Whether inhibitors stop a node, or what it sends.
    times : sequence of float
        Times of the readouts; none or one is a steady state.
    rounds : sequence of int, optional
        Rounds of updates from each time to the next; by default one.

    Examples
    --------
    >>> from edge2torch import perturb
    >>> edges = pd.DataFrame({"source": ["EGF", "RAS"], "target": ["RAS", "ERK"], "sign": 1})
    >>> doses = pd.DataFrame({"EGF": [0.0, 1.0]}, ["none", "EGF"])
    >>> design = perturb.read_design(doses, pd.DataFrame({"ERK": [0.1, 0.9]}, doses.index))
    >>> model, artifact = perturb.compile(edges, design)
    >>> model(model.encode(design)).shape
    torch.Size([2, 1])
    """

    smallest: Tensor
    largest: Tensor
    feeds: Tensor
    stops: Tensor
    adds: Tensor
    share: Tensor
    nodes: Tensor
    rest: Tensor
    offset: Tensor
    scale: Tensor

    def __init__(
        self,
        net: nn.Module,
        encoding: Encoding,
        nodes: NDArray[np.int64],
        readouts: list[str],
        *,
        acts: str = "value",
        times: Sequence[float] = (),
        rounds: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.net, self.encoding, self.readouts, self.acts = net, encoding, readouts, acts
        self.times = tuple(times)
        self.rounds = tuple(rounds) or (1,) * len(self.times)
        self._solver = self.base.solver
        numbers = {
            "smallest": np.nan_to_num(encoding.smallest, nan=0.0),
            "largest": encoding.largest,
            "feeds": encoding.feeds,
            "stops": encoding.stops,
            "adds": encoding.adds,
            "share": np.nan_to_num(encoding.share, nan=0.0),
            "rest": np.zeros(len(nodes)),
            "offset": np.zeros(len(readouts)),
            "scale": np.ones(len(readouts)),
        }
        for name, values in numbers.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.get_default_dtype()))
        self.register_buffer("nodes", torch.tensor(nodes, dtype=torch.int64))
        stops, adds = encoding.stops.any(axis=1), encoding.adds.any(axis=1)
        self._learned = np.flatnonzero(stops & np.isnan(encoding.share))
        self._added = np.flatnonzero(adds)
        self._hill = np.flatnonzero(encoding.is_hill)
        start = float(np.log(_START_SHARE / (1 - _START_SHARE)))
        self.efficacy = nn.Parameter(torch.full((len(self._learned),), start))
        self.strength = nn.Parameter(torch.ones(len(self._added)))
        middle = np.sqrt(encoding.smallest * encoding.largest)[self._hill]
        log_k = torch.tensor(np.log(middle), dtype=torch.get_default_dtype())
        self.log_half_dose = nn.Parameter(log_k)

    @property
    def base(self) -> RecurrentEdgeModel:
        """The compiled network."""
        return next(part for part in self.net.modules() if isinstance(part, RecurrentEdgeModel))

    @property
    def artifact(self) -> Any:
        """Names of the compiled model, which carries them."""
        return self.net.artifact

    @property
    def half_doses(self) -> pd.Series[float]:
        """The learned dose of half effect of each treatment with a Hill curve."""
        names = [self.encoding.treatments[k] for k in self._hill]
        return pd.Series(self.log_half_dose.detach().exp().numpy(), index=names, dtype=float)

    @property
    def efficacies(self) -> pd.Series[float]:
        """By how much the largest dose of each inhibitor of unknown efficacy stops its target."""
        names = [self.encoding.treatments[k] for k in self._learned]
        return pd.Series(self.efficacy.detach().sigmoid().numpy(), index=names, dtype=float)

    def encode(self, design: Design) -> Tensor:
        """Return doses, and contexts behind them, of every sample of a design, (b, t + c)."""
        check_design("design", design)
        known = self.encoding
        given = design.doses.loc[:, (design.doses > 0).any()]
        if new := [str(name) for name in given if name not in known.treatments]:
            raise Edge2TorchError(
                f"design has {len(new)} treatment(s) that the model was not compiled for: "
                f"{listing(new)}.{nearest(new[0], known.treatments)} It knows "
                f"{listing(known.treatments, 20)}. Compile with a design that "
                "names them; they need no readouts."
            )
        doses = design.doses.reindex(columns=known.treatments, fill_value=0.0).to_numpy(float)
        rows = doses[design.rows]
        place = design.samples["context"].to_numpy(object)
        if known.contexts:
            if new := sorted({str(one) for one in place} - set(known.contexts)):
                raise Edge2TorchError(
                    f"design has contexts that the model does not know: {listing(new)}."
                    f"{nearest(new[0], known.contexts)}"
                )
            rows = np.column_stack([rows, place[:, None] == np.array(known.contexts, object)])
        return torch.tensor(rows.astype(float), dtype=self.scale.dtype, device=self.scale.device)

    def levels(self, x: Tensor) -> Tensor:
        """Return what doses (b, t) amount to, 0 to 1."""
        dose = x[:, : len(self.encoding.treatments)]
        graded = self.smallest > 0
        low = torch.where(graded, self.smallest, 1.0)
        high = torch.where(graded, self.largest, 1.0)
        u = torch.where(
            graded, torch.log1p(dose / low) / torch.log1p(high / low), (dose > 0).to(dose)
        )
        # a knock-down, or a share that is given, says itself how far it goes
        plain = torch.tensor([k == 0 for k in self.encoding.smallest], device=x.device)
        u = torch.where(plain, dose, u)
        if len(self._hill):
            half = self.log_half_dose.exp()
            top = self.largest[self._hill]
            bent = dose[:, self._hill]
            bent = bent / (half + bent) * (half + top) / top
            u = u.index_copy(1, torch.as_tensor(self._hill, device=x.device), bent)
        for k, (doses, amounts) in self.encoding.curves.items():
            own = _along(dose[:, k], dose.new_tensor(doses), dose.new_tensor(amounts))
            u = u.index_copy(1, torch.tensor([k], device=x.device), own[:, None])
        return u

    def inputs(self, x: Tensor) -> Tensor:
        """Return the values of the input nodes (b, i), contexts among them."""
        fed = _INPUT_SCALE * self.levels(x) @ self.feeds
        contexts = x[:, len(self.encoding.treatments) :]
        return torch.cat([fed, contexts], dim=1) if contexts.shape[1] else fed

    def hold(self, x: Tensor) -> Hold | None:
        """Return what the treatments hold, nodes (k,) of samples (b, k)."""
        if not len(self.nodes):
            return None
        u = self.levels(x)
        share = self.share
        if len(self._learned):
            places = torch.as_tensor(self._learned, device=x.device)
            share = share.index_copy(0, places, self.efficacy.sigmoid())
        # two drugs on one node leave what both leave
        left = 1 - (u * share)[:, :, None] * self.stops
        taken = 1 - left.prod(dim=1)
        shift = None
        if len(self._added):
            added = (u[:, self._added] * self.strength) @ self.adds[self._added]
            shift = added
        return Hold(self.nodes, taken, self.rest.expand_as(taken), shift, self.acts)

    def forward(self, x: Tensor, *, hold: Sequence[Hold] = ()) -> Tensor:
        """Map doses and contexts (b, t + c) to readouts (b, o), or (b, times, o).

        Further nodes are held as ``hold`` says.
        """
        own = self.hold(x)
        holds = [*([] if own is None else [own]), *hold]
        inputs = self.inputs(x)
        if len(self.times) > 1:
            # Inhibitors come first, as they do in the laboratory: the state before the stimulus is that
            # of their steady state.
            before = inputs.clone()
            before[:, : self.feeds.shape[1]] = 0
            steps = [before] * _WARM_UP + [inputs] * sum(self.rounds)
            at = _WARM_UP + np.cumsum(self.rounds) - 1
            found = self.net(torch.stack(steps, dim=1), hold=holds)[:, at.tolist()]
        else:
            found = self.net(inputs, hold=holds)
        y: Tensor = found * self.scale + self.offset
        return y

    @torch.no_grad()
    def states(self, x: Tensor, *, hold: Sequence[Hold] = ()) -> Tensor:
        """Return the values of all nodes (b, n), at the end."""
        site = list(self.base.sites().values())[-1]
        with recorded({"state": site}) as seen:
            self(x, hold=hold)
        return seen["state"][-1]

    def nothing(self) -> Tensor:
        """Return what stands for no treatment (1, t + c), amid the contexts."""
        known = self.encoding
        x = torch.zeros(1, len(known.treatments) + len(known.contexts)).to(self.rest)
        x[:, len(known.treatments) :] = 1 / max(len(known.contexts), 1)
        return x

    @torch.no_grad()
    def find_rest(self) -> None:
        """Remember what the held nodes are where nothing is given: that is what they are held at."""
        if not len(self.nodes):
            return
        base = self.base
        was, solver = self.training, base.solver
        self.eval()
        base.solver = self._solver  # a recipe may have put a hastier one in its place
        try:
            self.rest.copy_(self.states(self.nothing())[0, self.nodes])
        finally:
            base.solver = solver
            self.train(was)


def _along(dose: Tensor, doses: Tensor, amounts: Tensor) -> Tensor:
    """Return what doses (b,) amount to on straight lines between known ones, (m,) and rising."""
    place = torch.searchsorted(doses, dose.contiguous()).clamp(1, len(doses) - 1)
    low, high = doses[place - 1], doses[place]
    part = ((dose - low) / (high - low)).clamp(0, 1)
    return amounts[place - 1] + part * (amounts[place] - amounts[place - 1])


_WARM_UP = 3  # times before the first, to come to rest
