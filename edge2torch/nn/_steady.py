"""The state that reproduces itself, and its gradient without the way that led there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edge2torch._core.diverged import DivergedError
from edge2torch._core.messages import listing, warn
from edge2torch.errors import Edge2TorchError
from edge2torch.nn._whole import AtOnce

Update = Callable[[Tensor], Tensor]

_HINT = "edge2torch.interpret.convergence(model, artifact, x) follows each sample"


@dataclass(frozen=True, eq=False)
class Called:
    """What nodes and samples are called, where there is something to tell of them.

    Parameters
    ----------
    nodes : callable, optional
        Returns what the nodes are called that an update computes, in order; by default they are numbers.
    samples : Tensor of int64, shape (b,), optional
        The number of each sample, where they were put into another order.

    Examples
    --------
    >>> Called(lambda: ["h", "h", "y"]).listed([0, 1, 2]), Called().listed([2])
    ("'h', 'y'", 'number(s) 2 of those computed')
    """

    nodes: Callable[[], Sequence[object]] | None = None
    samples: Tensor | None = None

    def listed(self, nodes: list[int]) -> str:
        """Return some nodes in words; units of a node once."""
        if self.nodes is None:
            return f"number(s) {listing(nodes)} of those computed"
        names = self.nodes()
        return listing(dict.fromkeys(names[k] for k in nodes))

    def numbers(self, samples: list[int]) -> list[int]:
        """Return the numbers of samples."""
        return samples if self.samples is None else self.samples[samples].tolist()


@dataclass(frozen=True, eq=False)
class Convergence:
    """How the search for a steady state went.

    Parameters
    ----------
    steps : Tensor of int64, shape (b,)
        Updates until the sample had settled, or until the search ended.
    change : Tensor, shape (b,)
        Largest change of a node in the last update, relative to the sample's largest value.
    converged : Tensor of bool, shape (b,)
        Whether the change fell below the tolerance.

    Examples
    --------
    >>> import torch
    >>> Convergence(torch.tensor([9]), torch.tensor([1e-6]), torch.tensor([True])).failed
    []
    """

    steps: Tensor
    change: Tensor
    converged: Tensor

    @property
    def failed(self) -> list[int]:
        """Numbers of the samples that did not settle."""
        return torch.nonzero(~self.converged).flatten().tolist()


@dataclass(frozen=True)
class SteadySolver:
    """Repeat an update until nothing changes.

    Parameters
    ----------
    tolerance : float
        Largest change of a node, relative to the sample's largest value, at which it is settled.
    max_steps : int
        Updates after which the search ends.
    gradient : {"implicit", "unroll"}
        ``"implicit"`` differentiates the steady state itself, by the implicit function theorem,
        and holds one step in memory; ``"unroll"`` differentiates all updates.

    References
    ----------
    Pineda 1987, doi:10.1103/PhysRevLett.59.2229; Bai et al. 2019, doi:10.48550/arXiv.1909.01377.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[4.0]], requires_grad=True)
    >>> solver = SteadySolver(tolerance=1e-6, max_steps=100, gradient="implicit")
    >>> y, report = solver.solve(lambda h: 0.5 * h + x, torch.zeros(1, 1), ())
    >>> round(y.item(), 3), report.converged.all().item()
    (8.0, True)
    >>> y.backward(); round(x.grad.item(), 3)
    2.0
    """

    tolerance: float
    max_steps: int
    gradient: str

    def solve(
        self,
        update: Update,
        start: Tensor,
        modules: tuple[nn.Module, ...],
        at_once: AtOnce | None = None,
        called: Called = Called(),
    ) -> tuple[Tensor, Convergence]:
        """Return the steady state (b, m) that the update leads to from ``start``, and a report.

        ``modules`` are those that the update runs: where they draw random numbers, every update
        draws the same ones, or nothing could come to rest. ``at_once`` makes all updates in a call,
        where it can; given, an update reads nothing but the nodes that it gets. ``called`` is for
        what is said of nodes and samples.
        """
        with _same_draws(start, modules) as again:

            def step(h: Tensor) -> Tensor:
                again()
                return update(h)

            wants_gradient = torch.is_grad_enabled() and not _is_blind(start)
            before: Tensor | None
            if self.gradient == "unroll" and wants_gradient:
                h, report, before = self._iterate(step, start, called)
            else:
                with torch.no_grad() if wants_gradient else nullcontext():
                    h, report, before = self._found(step, start, at_once, called)
            failed = [] if _is_blind(start) else report.failed
            most = _moving_most(step, before, h, failed) if failed else []
            if self.gradient != "unroll" and wants_gradient:
                h = self._attach(step, h, modules, at_once)
        if failed:
            warn(
                f"{len(failed)} of {len(report.converged)} sample(s) did not settle within "
                f"max_steps={self.max_steps} (tolerance {self.tolerance:g}; their last relative "
                f"change was up to {report.change.max().item():.2g}, at {called.listed(most)}): "
                f"numbers {listing(called.numbers(failed))}. Raise max_steps, damp with leak=0.5, or "
                f"keep the spectral radius below 1; {_HINT}."
            )
        return h, report

    def _found(
        self, step: Update, start: Tensor, at_once: AtOnce | None, called: Called
    ) -> tuple[Tensor, Convergence, Tensor | None]:
        """Return the steady state and a report, by all updates at once if that is possible."""
        if at_once is not None and not _is_blind(start):
            found = at_once.settle(start, self.tolerance, self.max_steps)
            if found is not None:
                h, steps, change = found
                return h, Convergence(steps, change, change <= self.tolerance), None
        return self._iterate(step, start, called)

    def _iterate(
        self, step: Update, h: Tensor, called: Called
    ) -> tuple[Tensor, Convergence, Tensor]:
        """Update each sample until it has settled; settled ones stay as they are.

        Returns the state before the last update, too.
        """
        batch, before = h.shape[0], h
        steps = torch.zeros(batch, dtype=torch.int64, device=h.device)
        change = torch.full((batch,), torch.inf, dtype=h.dtype, device=h.device)
        moving = torch.ones(batch, dtype=torch.bool, device=h.device)
        left = batch  # samples that move
        for count in range(1, self.max_steps + 1):
            following = step(h)
            now = _relative_change(h.detach(), following.detach())
            if not _is_blind(h):
                _refuse_infinite(following, now, count, called)
            # as long as all of them move nothing has to be kept, which takes a third of an update
            if left < batch or _is_blind(h):
                following = torch.where(moving[:, None], following, h)
            h, before = following, h
            change = torch.where(moving, now, change)
            steps = torch.where(moving, count, steps)
            moving = moving & (now > self.tolerance)
            if not _is_blind(h):
                left = int(moving.sum())
                if not left:
                    break
        return h, Convergence(steps, change, ~moving), before

    def _attach(
        self, step: Update, h: Tensor, modules: tuple[nn.Module, ...], at_once: AtOnce | None
    ) -> Tensor:
        """Take one more update, whose gradient stands for the steady state's own.

        With h = F(h, p), the derivative by p is (I - dF/dh)^-1 dF/dp: the gradient that arrives
        is first multiplied by the transposed inverse, as the series g + J'g + J'J'g + ..., which
        converges at the rate at which the updates did.
        """
        h = h.detach().requires_grad_()
        with torch.enable_grad():
            once = step(h)
        if not (once.requires_grad and (_asks(modules) or _asks_beyond(once, h))):
            return once.detach()
        steady = once.view_as(once)

        def through_the_inverse(arriving: Tensor | None) -> Tensor | None:
            if arriving is None or not arriving.numel():
                return arriving
            if torch.is_grad_enabled():
                raise Edge2TorchError(
                    "gradient='implicit' has first derivatives only. Compile with "
                    "gradient='unroll' for second ones (create_graph=True)."
                )
            if at_once is not None:
                known = at_once.invert(arriving, 0.1 * self.tolerance, self.max_steps)
                if known is not None:
                    return known
            total, term = arriving, arriving
            for _ in range(self.max_steps):
                (term,) = torch.autograd.grad(once, h, term, retain_graph=True)
                total = total + term
                if bool(_is_small(term, total, 0.1 * self.tolerance).all()):
                    break
            return total

        steady.register_hook(through_the_inverse)
        return steady


@dataclass(frozen=True)
class FewSteps(SteadySolver):
    """Take ``max_steps`` updates, whether or not anything still changes, and differentiate them.

    Training begins so: far from a steady state a few updates say which way to go, and cost less.

    Parameters
    ----------
    tolerance : float
        Largest relative change in the last update at which a sample is told as settled.
    max_steps : int
        Updates to take.
    gradient : str
        ``"unroll"``, which is what is done.

    Examples
    --------
    >>> import torch
    >>> solver = FewSteps(tolerance=1e-6, max_steps=2, gradient="unroll")
    >>> solver.solve(lambda h: 0.5 * h + 4, torch.zeros(1, 1), ())[0].item()
    6.0
    """

    def solve(
        self,
        update: Update,
        start: Tensor,
        modules: tuple[nn.Module, ...],  # noqa: ARG002 - the parent's: updates draw anew here
        at_once: AtOnce | None = None,  # noqa: ARG002 - and are differentiated
        called: Called = Called(),  # noqa: ARG002 - and nothing is told
    ) -> tuple[Tensor, Convergence]:
        """Return the state (b, m) after ``max_steps`` updates, and how far it still moved."""
        h, before = start, start
        for _ in range(self.max_steps):
            h, before = update(h), h
        change = _relative_change(before.detach(), h.detach())
        steps = torch.full_like(change, self.max_steps, dtype=torch.int64)
        return h, Convergence(steps, change, change <= self.tolerance)


def _is_blind(h: Tensor) -> bool:
    """Tell whether values cannot be looked at: then all of ``max_steps`` are taken."""
    return h.is_meta or torch.compiler.is_exporting()


def _relative_change(old: Tensor, new: Tensor) -> Tensor:
    """Return each sample's largest change over its largest value, (b,)."""
    if old.shape[1] == 0:
        return old.new_zeros(old.shape[0])
    largest = (new - old).abs().amax(1)
    return torch.where(largest == 0, largest, largest / new.abs().amax(1))


def _asks(modules: tuple[nn.Module, ...]) -> bool:
    """Tell whether modules have parameters that learn, or somebody waits for their values."""
    return any(one.requires_grad for module in modules for one in module.parameters()) or any(
        part._forward_hooks or part._forward_pre_hooks
        for module in modules
        for part in module.modules()
    )


def _asks_beyond(once: Tensor, h: Tensor) -> bool:
    """Tell whether anything but h wants the gradient of an update from there."""
    nodes, seen = [once.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if getattr(node, "variable", h) is not h:
            return True
        nodes += [before for before, _ in node.next_functions]
    return False


@torch.no_grad()
def _moving_most(step: Update, before: Tensor | None, h: Tensor, samples: list[int]) -> list[int]:
    """Return the nodes that moved most in the last update of some samples, those of more samples first.

    Where all updates were one call it is one more: nothing is drawn there and no norm learns from it.
    """
    moved = (step(h) if before is None else before) - h
    counts = moved[samples].abs().argmax(1).bincount()
    order = counts.argsort(descending=True, stable=True)
    return order[: int((counts > 0).sum())].tolist()


def _is_small(term: Tensor, total: Tensor, tolerance: float) -> Tensor:
    """Tell of each sample whether a term adds little to its sum, (b,).

    Of a sample with values that are not finite it never does: they go on to all that they reach.
    """
    least = tolerance * total.abs().amax(1)
    return (term.abs().amax(1) <= least) & least.isfinite()


def _refuse_infinite(h: Tensor, change: Tensor, count: int, called: Called) -> None:
    if bool(torch.isfinite(change).all()):
        return
    with torch.no_grad():
        lost = ~torch.isfinite(h)
        if not bool(lost.any()):  # all nodes of a sample went to 0, which is beyond any share of it
            return
        nodes, samples = (torch.nonzero(lost.any(k)).flatten().tolist() for k in (0, 1))
    samples = called.numbers(samples)
    message = (
        f"The state left the finite numbers in update {count}, at {called.listed(nodes)}; in "
        f"{len(samples)} sample(s), number(s) {listing(samples)}. Is x finite? If so a cycle diverges: "
        f"give its nodes a bounded activation (node_activation='tanh') or smaller weights; {_HINT}."
    )
    raise DivergedError(message, nodes, samples, count)


@contextmanager
def _same_draws(like: Tensor, modules: tuple[nn.Module, ...]) -> Iterator[Callable[[], None]]:
    """Yield what rewinds the random numbers, if any of the modules draws some; on meta nothing is drawn."""
    if like.is_meta or not any(_draws(part) for module in modules for part in module.modules()):
        yield lambda: None
        return
    device = like.device
    on_cpu = device.type == "cpu"
    get = torch.get_rng_state if on_cpu else getattr(torch, device.type).get_rng_state
    put = torch.set_rng_state if on_cpu else getattr(torch, device.type).set_rng_state
    state = get()
    yield lambda: put(state)


def _draws(module: nn.Module) -> bool:
    is_dropout = isinstance(module, nn.modules.dropout._DropoutNd)
    return module.training and (is_dropout or getattr(module, "edge_dropout", 0) > 0)
