"""The recurrent model: a state per node, renewed along the edges step by step."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from itertools import count
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from edge2torch.errors import Edge2TorchError
from edge2torch.nn._cells import GraphCell, StepBlock
from edge2torch.nn._compiled import CompiledModel, NodeSlot
from edge2torch.nn._hold import Hold, Holds, holds_of, on_outputs, on_values
from edge2torch.nn._kernels import feature_major
from edge2torch.nn._linear import MaskedLinear
from edge2torch.nn._steady import Called, Convergence, SteadySolver
from edge2torch.nn._whole import STEPS, AtOnce, Update, WholeGraph


class RecurrentEdgeModel(CompiledModel):
    """A state of all nodes, zero at the start, that each step renews along the edges.

    In every step each node becomes ``W s + b`` of the state s before it, and inputs keep their
    data; outputs are read after the last step. Takes (b, i) or sequences (b, time, i), at each
    time of which the inputs are written in and the steps run on from the state before.

    Parameters
    ----------
    cells : sequence of GraphCell
        One that all steps share, or one for each.
    steps : sequence of StepBlock
        One for each step, or a single one to repeat until the state is steady.
    outputs : ndarray of int, shape (o,)
        Positions in the state that are read.
    in_features : int
        Inputs, which stand first in the state.
    is_cyclic : ndarray of bool, shape (e,)
        Which edges lie on cycles.
    fingerprint : bytes
        Identifies graph, order and options.
    solver : SteadySolver, optional
        Repeats the single step until the state is steady.
    engine : {"auto", "graph", "layers"}
        What computes several steps: one after the other, or all in one pass.

    Attributes
    ----------
    last_convergence : Convergence or None
        How the last search for a steady state went, sample by sample.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "h", "h"], "target": ["h", "h", "y"],
    ...                       "initial_weight": [1.0, 0.5, 1.0]})
    >>> model, artifact = e2t.compile_graph(edges, backend="recurrent", steps=3, quiet=True)
    >>> model(torch.tensor([[8.0]])).tolist()
    [[12.0]]
    """

    outputs: Tensor
    engine = "layers"  # of models that were pickled before there was another
    n_alike = 1

    def __init__(
        self,
        cells: Sequence[GraphCell],
        steps: Sequence[StepBlock],
        *,
        outputs: NDArray[np.integer],
        in_features: int,
        is_cyclic: NDArray[np.bool_],
        fingerprint: bytes,
        solver: SteadySolver | None = None,
        engine: str = "auto",
    ) -> None:
        super().__init__(in_features, len(outputs), fingerprint)
        self.cells = nn.ModuleList(cells)
        self.step_blocks = nn.ModuleList(steps)
        if solver is not None:
            self.steady = nn.Identity()  # a module, where hooks see the state that has settled
        self.solver, self.is_cyclic = solver, is_cyclic
        self.register_buffer("outputs", torch.tensor(outputs), persistent=False)
        self._read_places = np.array(outputs)  # as whole numbers, wherever the tensors are
        self.last_convergence: Convergence | None = None
        self.engine, self._whole = engine, WholeGraph(STEPS)
        self._updates: dict[int, WholeGraph] = {}

    @property
    def steps(self) -> int | str:
        """How many updates a sample gets, or ``"converge"``."""
        return len(self.step_blocks) if self.solver is None else "converge"

    def forward(
        self,
        x: Tensor | PackedSequence,
        lengths: Tensor | Sequence[int] | None = None,
        *,
        hold: Holds = None,
    ) -> Tensor | PackedSequence:
        """Map x (b, i) to (b, o), or (b, time, i) to (b, time, o), padded with 0 after ``lengths``.

        A PackedSequence gives a PackedSequence. ``hold``, a :class:`Hold` or several, keeps nodes at
        a value, wholly or in part, after every update; in sequences at all times.
        """
        self.check_indices()
        if self._may_be_one_pass(x, lengths, hold):
            y = self._whole.call(self, cast(Tensor, x))
            if y is not None:
                return y
        if isinstance(x, PackedSequence):
            self.check_input(x.data)
            sizes = x.batch_sizes.tolist()
            holds = self._holds(hold, sizes[0] if sizes else 0, x.sorted_indices)
            return x._replace(data=self._over_time(x.data, sizes, holds, x.sorted_indices))
        self.check_input(x, dims=(2, 3))
        holds = self._holds(hold, x.shape[0])
        if x.dim() == 2:
            if lengths is not None:
                raise Edge2TorchError(
                    "lengths belong to sequences: x must be (batch, time, inputs)."
                )
            start = self._start(x, holds)
            return self._read(self._run(start, holds, self._weight_of_all_steps()))
        if lengths is None:
            batch, time, _ = x.shape
            # time by time, all samples of one after the other: as PackedSequence lays out its data
            rows = x.transpose(0, 1).reshape(batch * time, -1)
            y = self._over_time(rows, [batch] * time, holds)
            return y.reshape(time, batch, -1).transpose(0, 1)
        packed = _pack(x, lengths)
        holds = tuple(one.of(cast(Tensor, packed.sorted_indices)) for one in holds)
        y = self._over_time(packed.data, packed.batch_sizes.tolist(), holds, packed.sorted_indices)
        padded, _ = pad_packed_sequence(
            packed._replace(data=y), batch_first=True, total_length=x.shape[1]
        )
        return padded

    def _may_be_one_pass(self, x: object, lengths: object, hold: object) -> bool:
        """Tell whether nothing but a few updates of plain samples is asked for."""
        return (
            self.engine != "layers"
            and self.solver is None
            and lengths is None
            and (hold is None or hold in ((), []))
            and isinstance(x, Tensor)
            and not torch.compiler.is_compiling()
        )

    def _holds(self, hold: Holds, batch: int, order: Tensor | None = None) -> tuple[Hold, ...]:
        """Return what is held, its samples in the order in which they are computed."""
        n_nodes = self.in_features + self.cell(0).edges.out_features
        holds = holds_of(hold, batch, n_nodes)
        return holds if order is None else tuple(one.of(order) for one in holds)

    def trajectory(self, x: Tensor, *, hold: Holds = None) -> Iterator[Tensor]:
        """Yield the state (b, n) after each update, without end where steps share their weights."""
        self.check_input(x)
        holds = self._holds(hold, x.shape[0])
        state = self._start(x, holds)
        for k in count() if len(self.cells) == 1 else range(len(self.step_blocks)):
            state = self._step(min(k, len(self.step_blocks) - 1), state, holds)
            yield state

    def _start(self, x: Tensor, holds: tuple[Hold, ...] = ()) -> Tensor:
        rows = on_values(
            holds, feature_major(x)
        ).t()  # nodes as rows: inputs first, then zeros for all others
        # x.shape[0] and not len(x), which torch.export takes for a constant
        zeros = rows.new_zeros(self.cell(0).edges.out_features, x.shape[0])
        return torch.cat([rows, zeros]).t()

    def _run(
        self,
        state: Tensor,
        holds: tuple[Hold, ...] = (),
        weight: Tensor | None = None,
        order: Tensor | None = None,
    ) -> Tensor:
        if self.solver is not None:
            return self._settle(state, holds, order)
        for k in range(len(self.step_blocks)):
            state = self._step(k, state, holds, weight)
        return state

    def _weight_of_all_steps(self) -> Tensor | None:
        """Return the weights of a call where some are held to one sign, and all steps share them.

        A weight at its bound is held back where the gradient of the whole would lower it. Asked step by
        step, those that would raise it passed, and those that would lower it did not.
        """
        edges = self.cell(0).edges
        return edges.edge_weights() if len(self.cells) == 1 and edges.sign is not None else None

    def _step(
        self, k: int, state: Tensor, holds: tuple[Hold, ...] = (), weight: Tensor | None = None
    ) -> Tensor:
        """Return the state (b, n) after step k."""
        nodes = self._updated(k, state, holds, weight)
        if nodes is not None:
            nodes = on_values(holds, nodes, self.in_features)
            return torch.cat([state[:, : self.in_features], nodes], dim=1)
        cell = self.cell(k if len(self.cells) > 1 else 0)
        known = () if weight is None else (weight,)
        drive, rate = cell(on_outputs(holds, state), *known)
        following: Tensor = self.step_blocks[k](state, drive, rate)
        if not holds:
            return following
        # inputs, which are carried along, were held at the start
        inputs, rows = following.t().split(
            [self.in_features, len(following.t()) - self.in_features]
        )
        held = on_values(holds, rows.t(), self.in_features)
        return torch.cat([inputs, held.t()]).t()

    def _updated(
        self, k: int, state: Tensor, holds: tuple[Hold, ...], weight: Tensor | None
    ) -> Tensor | None:
        """Return the nodes (b, m) after step k, not held yet, if one pass can tell them: samples as rows."""
        if self.engine == "layers" or torch.compiler.is_compiling():
            return None
        if weight is not None and torch.is_grad_enabled():  # which it would ask for each step
            return None
        sends = any(one.acts == "output" for one in holds)
        if sends and self.cell(0).fixed_rate is not None:  # what is sent is not what a leak keeps
            return None
        return self._update(k).call(self, on_outputs(holds, state))

    def _update(self, k: int) -> WholeGraph:
        return self._updates.setdefault(k, WholeGraph(Update(k)))

    def _settle(
        self, state: Tensor, holds: tuple[Hold, ...] = (), order: Tensor | None = None
    ) -> Tensor:
        inputs, nodes = state.t().split([self.in_features, state.shape[1] - self.in_features])
        samples = inputs.t().contiguous()
        solver = cast(SteadySolver, self.solver)
        weight = self._weight_of_all_steps() if solver.gradient == "unroll" else None

        def update(h: Tensor) -> Tensor:
            # samples as rows, as one pass leaves them
            if not torch.compiler.is_compiling() and h.stride(1) == 1:
                now = torch.cat([samples, h], dim=1)
                after = self._updated(0, now, holds, weight)
                if at_once is not None:
                    at_once.last = after
                if after is not None:
                    return on_values(holds, after, self.in_features)
            now = torch.cat([inputs, h.t()]).t()
            return self._step(0, now, holds, weight).t()[self.in_features :].t()

        sends = any(one.acts == "output" for one in holds)
        is_plain = not (sends or self.engine == "layers" or torch.compiler.is_compiling())
        at_once = AtOnce(self._update(0), self, samples, holds) if is_plain else None
        modules = (*self.cells, *self.step_blocks)
        called = Called(None if self.artifact is None else self._names, order)
        h, report = solver.solve(update, nodes.t(), modules, at_once, called)
        self.last_convergence = None if torch.compiler.is_exporting() else report
        settled: Tensor = self.steady(torch.cat([inputs, h.t()]).t())
        return settled

    def _names(self) -> list[str]:
        """Return what the nodes that a step computes are called, for a message."""
        return self.artifact.column_names(self.artifact.node_names_by_layer["state"])  # type: ignore[no-any-return]

    def _over_time(
        self,
        x: Tensor,
        sizes: list[int],
        holds: tuple[Hold, ...] = (),
        order: Tensor | None = None,
    ) -> Tensor:
        """Map time points, one after the other with fewer and fewer samples, to their outputs."""
        if not sizes:
            return x.new_zeros(0, self.out_features)
        state, read, weight = None, [], self._weight_of_all_steps()
        for now in x.split(sizes):
            here = tuple(one.of(slice(now.shape[0])) for one in holds)
            start = self._start(now, here)
            if state is not None:
                carried = state.t()[self.in_features :, : now.shape[0]]
                start = torch.cat([start.t()[: self.in_features], carried]).t()
            state = self._run(start, here, weight, order)
            read.append(self._read(state))
        return torch.cat(read)

    def _read(self, state: Tensor) -> Tensor:
        return state.t().index_select(0, self.outputs).t().contiguous()

    def _load_from_state_dict(
        self, state_dict: MutableMapping[str, Tensor], prefix: str, *args: object
    ) -> None:
        # until version 1.0 the list of blocks was called `steps`
        old, new = f"{prefix}steps.", f"{prefix}step_blocks."
        for name in [name for name in state_dict if name.startswith(old)]:
            state_dict[new + name.removeprefix(old)] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def sites(self) -> dict[str, nn.Module]:
        """Return the module that puts out the state of each step, or the one of the steady state."""
        if self.solver is not None:
            return {"steady": self.steady}
        return {f"step_{k + 1}": step for k, step in enumerate(self.step_blocks)}

    def node_slots(self) -> list[NodeSlot]:
        """Return the one slot in which modules act, in every step alike."""
        width = self.cell(0).edges.out_features
        is_hidden = np.ones(width, bool)
        read = self._read_places - self.in_features
        is_hidden[read[read >= 0]] = False
        stages = cast(StepBlock, self.step_blocks[0]).stages
        hidden = np.flatnonzero(is_hidden).tolist()
        return [NodeSlot(name="state", width=width, hidden=hidden, stages=stages)]

    def _with_stages(
        self, stages: Mapping[str, Mapping[str, nn.Module]], *, edge_dropout: float | None
    ) -> RecurrentEdgeModel:
        """Return a model that shares this one's parameters, with other modules at its nodes."""
        cells = [self.cell(k) for k in range(len(self.cells))]
        if edge_dropout is not None:
            cells = [cell.with_edge_dropout(edge_dropout) for cell in cells]
        own = stages.get("state", {})
        return RecurrentEdgeModel(
            cells,
            [StepBlock(self.in_features, _for_step(own, k)) for k in range(len(self.step_blocks))],
            outputs=self._read_places,
            in_features=self.in_features,
            is_cyclic=self.is_cyclic,
            fingerprint=self._fingerprint,
            solver=self.solver,
            engine=self.engine,
        )

    def also_reading(self, places: Sequence[tuple[str, int]]) -> RecurrentEdgeModel:
        """Return a model of the same modules that reads more, after the outputs."""
        more = [self.in_features + column for _, column in places]
        model = RecurrentEdgeModel(
            [self.cell(k) for k in range(len(self.cells))],
            [cast(StepBlock, step) for step in self.step_blocks],
            outputs=np.concatenate([self._read_places, np.array(more, np.int64)]),
            in_features=self.in_features,
            is_cyclic=self.is_cyclic,
            fingerprint=self._fingerprint,
            solver=self.solver,
            engine=self.engine,
        )
        model.artifact = self.artifact  # for what is told of nodes
        return model

    def edge_layers(self) -> list[MaskedLinear]:
        """Return the edges of every cell, each followed by its gates."""
        return [layer for k in range(len(self.cells)) for layer in self.cell(k).layers()]

    def edge_values(self) -> list[Tensor]:
        """Return the weights of the edges, the mean of the steps where each has its own."""
        weights = [self.cell(k).edges.edge_weights() for k in range(len(self.cells))]
        return [torch.stack(weights).mean(0)] if len(weights) > 1 else weights

    def node_biases(self) -> list[Tensor | None]:
        """Return the biases of the nodes, the mean of the steps where each has its own."""
        biases = [self.cell(k).edges.bias for k in range(len(self.cells))]
        given: list[Tensor] = [bias for bias in biases if bias is not None]
        return [torch.stack(given).mean(0)] if len(given) > 1 else [biases[0]]

    def cell(self, k: int) -> GraphCell:
        """Return the cell of step k, where each step has its own, or else cell 0."""
        return cast(GraphCell, self.cells[k])


def _for_step(stages: Mapping[str, nn.Module], k: int) -> dict[str, nn.Module]:
    """Return the modules for one step: those with parameters or statistics are one and the same.

    The others are copied, because methods such as DeepLift tell modules apart, not calls.
    """
    return {
        name: copy.deepcopy(module) if k and not module.state_dict() else module
        for name, module in stages.items()
    }


def _pack(x: Tensor, lengths: Tensor | Sequence[int]) -> PackedSequence:
    counts = torch.as_tensor(lengths).cpu()
    if counts.shape != x.shape[:1] or counts.is_floating_point():
        raise Edge2TorchError(
            f"lengths must be {x.shape[0]} integers, one per sample; found "
            f"{tuple(counts.shape)} of {counts.dtype}."
        )
    if len(counts) and (counts.min() < 1 or counts.max() > x.shape[1]):
        raise Edge2TorchError(
            f"lengths must lie between 1 and {x.shape[1]}, the number of time points; found "
            f"{int(counts.min())} to {int(counts.max())}."
        )
    return pack_padded_sequence(x, counts, batch_first=True, enforce_sorted=False)
