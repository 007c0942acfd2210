"""A model as one function of its input and its parameters."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar, Token
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad
from torch.nn.modules import module as torch_module

from edge2torch._core.messages import aside
from edge2torch.nn._whole._conductance import BLOCK, SEEN, pass_by
from edge2torch.nn._whole._device import DeviceRun, device_run, pays_on_device
from edge2torch.nn._whole._kinds import LAYERS, Kind
from edge2torch.nn._whole._layout import Layout
from edge2torch.nn._whole._passes import Passes
from edge2torch.nn._whole._run import Past, Run, Whole
from edge2torch.nn._whole._stages import Tables
from edge2torch.nn._whole._tensors import CPU, PLAIN, lies_in_memory
from edge2torch.nn._whole._watch import Watched

GLOBAL_HOOKS = (
    torch_module._global_forward_hooks,
    torch_module._global_forward_pre_hooks,
    torch_module._global_backward_hooks,
    torch_module._global_backward_pre_hooks,
)
_DTYPES = (torch.float32, torch.float64)
# torch's own reads the signature of forward each time
_apply: Any = super(Function, Whole).apply
_apply_past: Any = super(Function, Past).apply
_ANCHOR = torch.zeros(0, device=CPU, requires_grad=True)
_LEAST_GAIN = 400e3  # nanoseconds: less is not worth half a second to load numba
_LEAST_SHARE = 0.2
_SETTINGS = 64  # of nodes are kept in mind


@functools.cache
def _walk() -> Any:
    """The compiled walk, or None where numba cannot be used; that is said once."""
    try:
        return importlib.import_module("edge2torch.nn._whole._walk")
    except ImportError as error:
        aside(
            f"numba cannot be used ({error}); graphs of many thin layers are computed layer by "
            "layer, several times slower."
        )
        return None


_BY_LAYER: ContextVar[bool] = ContextVar("by layer", default=False)


@contextmanager
def layer_by_layer() -> Iterator[None]:
    """Compute by layers: what is compared to a run with changed layers is to differ by that alone."""
    token = _BY_LAYER.set(True)
    try:
        yield
    finally:
        _BY_LAYER.reset(token)


_TO_PARAMETERS: ContextVar[bool] = ContextVar("to parameters", default=False)


class gradients_to_parameters(ContextDecorator):  # noqa: N801 - named as torch.no_grad is
    """Compute outputs whose ``backward`` fills the gradients of parameters, and knows of nothing else.

    Of a small network, what autograd does on the way from output to parameters takes a fifth of a
    step. In one pass that way is left out: the gradients are the same, but ``torch.autograd.grad``
    with respect to a parameter says that it was not used, they cannot be differentiated again, and
    ``backward(inputs=...)`` and what waits at autograd's own nodes of parameters, as
    ``DistributedDataParallel`` does, see nothing of them.
    Where an input wants a gradient, a parameter has a hook or was computed from others, and
    wherever else a graph goes layer by layer, autograd does as ever.

    Examples
    --------
    >>> import pandas as pd, torch
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["gene"], "target": ["pathway"]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> with gradients_to_parameters():
    ...     y = model(torch.ones(3, 1))
    >>> y.sum().backward()
    >>> model.blocks[0].linear.weight.grad
    tensor([3.])
    """

    def __init__(self) -> None:
        self._tokens: list[Token[bool]] = []  # one may be entered again within itself

    def _recreate_cm(self) -> gradients_to_parameters:
        return type(self)()  # of each call of a function that it decorates

    def __enter__(self) -> None:
        self._tokens.append(_TO_PARAMETERS.set(True))

    def __exit__(self, *error: object) -> None:
        _TO_PARAMETERS.reset(self._tokens.pop())


class WholeGraph:
    """Computes a model's output node after node, where nothing asks for more than that.

    Kept by the model it belongs to; copies and pickles of the model begin with a fresh one.

    Parameters
    ----------
    kind : Kind
        How such a model is read: by its layers, or by its steps.

    Attributes
    ----------
    slower : set of int
        Batches on the CPU that are known to take longer in one pass.

    Examples
    --------
    >>> import copy
    >>> copy.deepcopy(WholeGraph()).layout is None
    True
    """

    def __init__(self, kind: Kind = LAYERS) -> None:
        self.kind = kind
        self.layout: Layout | None = None
        self._watched: Watched | None = None
        self._tables: dict[tuple[Any, ...], Tables | None] = {}
        self._paying: dict[tuple[int, bool, bool], bool] = {}
        self.slower: set[int] = set()

    def __deepcopy__(self, memo: Any) -> WholeGraph:
        return WholeGraph(self.kind)

    def __reduce__(self) -> tuple[Any, ...]:
        return WholeGraph, (self.kind,)

    def call(self, model: Any, x: Tensor) -> Tensor | None:
        """Return the model's output (b, o), or None where the walk does not know how."""
        asked, seen = SEEN.get()
        is_asked = asked is model and torch.is_grad_enabled()
        run = self.ready(model, x, like=x[:BLOCK] if is_asked else x)
        if run is None:
            return None
        if is_asked and isinstance(run, Run):
            return pass_by(run, x, seen)
        if torch.is_grad_enabled() and (x.requires_grad or run.requires_grad()):
            if x.is_inference():  # which nothing can keep for backward
                return None
            if _TO_PARAMETERS.get() and isinstance(run, Run) and run.may_go_past(x):
                return _apply_past(run, x, _ANCHOR)  # type: ignore[no-any-return]
            return _apply(run, x, *run.parameters)  # type: ignore[no-any-return]
        return run.forward(x, keeps=False)

    def passes(self, model: Any, x: Tensor) -> Passes | None:
        """Return passes of batches like x, or None where only autograd knows the gradients."""
        if not _is_plain(x, self.kind.width(model)) or not x.is_cpu or _is_observed(x.device.type):
            return None
        if model.engine == "auto" and not self._pays(model, x):
            return None
        run = self._prepared(model, x)
        return Passes(run) if isinstance(run, Run) and run.may_go_past(x) else None

    def ready(self, model: Any, x: Tensor, *, like: Tensor) -> Run | DeviceRun | None:
        """Return a call that can compute x, or None; whether that pays is told by the size of ``like``."""
        if not _is_plain(x, self.kind.width(model)) or _is_observed(x.device.type):
            return None
        if x.is_cuda and not self.kind.goes_to_cards:
            return None
        if model.engine == "auto" and not self._pays(model, like):
            return None
        return self._prepared(model, x)

    def _prepared(self, model: Any, x: Tensor) -> Run | DeviceRun | None:
        """Return a call that is ready to run, or None."""
        watched = self._watched
        if watched is None or not watched.is_unchanged():
            watched = self._read(model)
        if not watched.is_known or not watched.is_unhooked():
            return None
        settings = watched.settings()
        if settings not in self._tables:
            if len(self._tables) >= _SETTINGS:  # a rate that falls with each step
                self._tables.clear()
                watched.plans.clear()
            self._tables[settings] = watched.tabulate()
        tables = self._tables[settings]
        if tables is None or (tables.learns and x.shape[0] < 2):
            return None
        if x.is_cuda:
            return device_run(model, watched, tables, x)
        for shares in watched.shares:
            shares.follow(x.dtype)
        parameters = watched.parameters.find(x.dtype)
        walk = _walk()
        if parameters is None or walk is None or not tables.are_plain(x.dtype):
            return None
        return Run(model, watched, tables, parameters, walk)

    def _read(self, model: Any) -> Watched:
        self._tables.clear()
        self._watched = Watched(model, self.kind)
        self.layout = self._watched.layout
        return self._watched

    def _pays(self, model: Any, x: Tensor) -> bool:
        """Tell whether one pass takes enough less than layer by layer."""
        is_captured = x.is_cuda and torch.cuda.is_current_stream_capturing()
        at = x.shape[0], x.is_cuda, is_captured
        if at not in self._paying:
            if x.is_cuda:
                self._paying[at] = pays_on_device(model, x.shape[0], is_captured=is_captured)
            else:
                layers, whole = self.kind.times(model, x.shape[0])
                gain = layers - whole
                enough = (
                    gain * self.kind.repeats(model) > _LEAST_GAIN and gain > _LEAST_SHARE * layers
                )
                self._paying[at] = enough
                if not enough:
                    self.slower.add(x.shape[0])
        return self._paying[at]


def _is_plain(x: Tensor, width: int) -> bool:
    """Tell whether x (b, i) is an ordinary tensor that the walk can read."""
    if type(x) not in PLAIN or x.dtype not in _DTYPES or not (x.is_cpu or x.is_cuda):
        return False
    shape = x.shape
    fits = len(shape) == 2 and shape[1] == width and shape[0] > 0
    return fits and x.layout is torch.strided and lies_in_memory(x)


def _is_observed(device: str) -> bool:
    """Tell whether somebody maps, traces or transforms what is computed now."""
    return (
        _BY_LAYER.get()
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or torch._C._get_tracing_state() is not None
        or torch._C._len_torch_dispatch_stack() > 0
        or torch.is_autocast_enabled(device)
        or any(GLOBAL_HOOKS)
    )
