"""The options of a compilation, checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, get_args

from edge2torch._core.checks import check_choice, check_count, check_flag
from edge2torch._core.messages import listing
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import KERNELS

Init = Literal["sparse", "dense"]
Engine = Literal["auto", "graph", "layers"]
DEFAULT_STEPS = 3


@dataclass(frozen=True)
class CompileOptions:
    """What shapes a model beside its graph; ``own`` are the options of its backend alone."""

    bias: bool
    init: str
    kernel: str
    steps: int | str | None
    sign_column: str | None
    own: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, int] | None = None  # of the nodes that have more than one

    @property
    def engine(self) -> str:
        """What computes layers or steps: who asks for a kernel asks for layers."""
        engine = str(self.own.get("engine", "auto"))
        return "layers" if engine == "auto" and self.kernel != "auto" else engine

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON; ``units`` only where a node has several."""
        found = asdict(self)
        return found if self.units else {k: v for k, v in found.items() if k != "units"}


def check_options(options: CompileOptions) -> CompileOptions:
    """Return the options as plain Python values; each wrong one is an error that names it."""
    check_choice("init", options.init, get_args(Init))
    check_choice("kernel", options.kernel, KERNELS)
    return dataclasses.replace(options, bias=check_flag("bias", options.bias))


def no_steps(backend: str, steps: Any) -> None:
    """Refuse steps for a backend that computes each node once."""
    if steps is not None:
        raise Edge2TorchError(
            f"steps={steps!r} means nothing to backend={backend!r}, which computes each node "
            "once. Leave it out."
        )


def count_steps(backend: str, steps: Any, *, words: tuple[str, ...] = ()) -> int | str:
    """Return a checked number of steps, or one of the words that the backend takes instead."""
    if steps is None:
        return DEFAULT_STEPS
    if isinstance(steps, str) and steps in words:
        return steps
    alternatives = "".join(f" (or {word!r})" for word in words)
    return check_count(f"steps of backend={backend!r}{alternatives}", steps)


_RENAMED = {"n_steps": "steps", "num_steps": "steps", "weights": "init", "signs": "sign_column"}
# What compile_graph takes whatever the backend; a test compares them with its arguments.
OF_ALL = ("seed", "quiet", "bias", "steps", "inputs", "outputs", "init", "sign_column", "unused", "kernel", "units")  # fmt: skip
_AT_NODES = ("activation", "nonlinearity", "node_activation", "dropout", "node_dropout", "norm")


def own_options(backend: str, kind: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a backend's own options, complete; ``kind`` is a dataclass that checks its values."""
    # steps are an argument of every backend
    known = [one.name for one in dataclasses.fields(kind) if one.name != "steps"]
    unknown = sorted(set(given) - set(known))
    if unknown:
        renamed = {**_RENAMED, **getattr(kind, "renamed", {})}
        hint = nearest(unknown[0], [*known, *OF_ALL])
        if unknown[0] in renamed:
            hint = f" It is called {renamed[unknown[0]]!r} here."
        if not hint and unknown[0] in _AT_NODES:
            hint = " What nodes do is said afterwards: customize_model(model=model, node_activation=...)."
        takes = f"of its own it takes {listing(known, 30) if known else 'none'}"
        raise Edge2TorchError(
            f"backend={backend!r} has no option {listing(unknown)}; {takes}.{hint}"
        )
    return without_steps(kind(**given))


def without_steps(options: Any) -> dict[str, Any]:
    """Return what only one backend takes; its steps are kept apart, as every backend's are."""
    return {name: value for name, value in asdict(options).items() if name != "steps"}


@dataclass(frozen=True, kw_only=True)
class Feedforward:
    """Layers of a directed acyclic graph.

    Parameters
    ----------
    engine : {"auto", "graph", "layers"}
        What computes them: ``"layers"`` one layer after the other, by the kernels of ``kernel=``;
        ``"graph"`` the whole graph in one pass, wherever nothing asks for more than values and
        gradients; ``"auto"`` the one that takes less time, told by the graph and the batch.

    Raises
    ------
    Edge2TorchError
        For another word.

    Examples
    --------
    >>> import pandas as pd
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a"], "target": ["b"]})
    >>> e2t.compile_graph(edges, backend=e2t.Feedforward(), quiet=True)[1].backend
    'feedforward'
    """

    engine: Engine = "auto"

    # what may differ between two models that load each other's parameters
    passing: ClassVar[tuple[str, ...]] = ("engine",)

    def __post_init__(self) -> None:
        check_choice("engine", self.engine, get_args(Engine))
