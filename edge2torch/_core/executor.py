"""Work that is done in turn, by worker processes, or wherever an executor wants it."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import pickle
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from types import ModuleType
from typing import Any, TypeAlias, TypeVar, cast

import torch
from torch import nn
from torch.nn.utils import parametrize

from edge2torch._core.checks import is_whole
from edge2torch._core.messages import require
from edge2torch.errors import Edge2TorchError

Workers: TypeAlias = Executor | int | None
Key = TypeVar("Key", bound=Hashable)

_IDLE = 30  # seconds after which workers without work end; to start one takes a few
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class PickledModel:
    """A model on its way: one pickle, since some clusters take modules apart and lose their hooks."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __reduce__(self) -> tuple[Callable[[bytes], PickledModel], tuple[bytes]]:
        model = self.model
        if any(map(parametrize.is_parametrized, model.modules())):
            # torch pickles none of these; as the class that they were before, they keep all they hold
            model = copy.deepcopy(model)
            for one in filter(parametrize.is_parametrized, model.modules()):
                one.__class__ = parametrize.type_before_parametrizations(one)
        return _unpack, (_pickle().dumps(model),)


def _unpack(content: bytes) -> PickledModel:
    model: nn.Module = _pickle().loads(content)
    for one in filter(parametrize.is_parametrized, list(model.modules())):
        held: Any = one._modules.pop("parametrizations")
        for name, own in held.items():
            one.register_parameter(name, nn.Parameter(torch.zeros(())))  # a place for the next line
            parametrize.register_parametrization(one, name, nn.Identity())
            cast(nn.ModuleDict, one.parametrizations)[name] = own
    return PickledModel(model)


def _pickle() -> ModuleType:
    """Whatever can also carry what was defined in a notebook, where it is installed."""
    there = importlib.util.find_spec("cloudpickle") is not None
    return importlib.import_module("cloudpickle" if there else "pickle")


def map_on_executor(
    executor: Workers, function: Callable[..., Any], items: Mapping[Key, tuple[Any, ...]]
) -> Iterator[tuple[Key, Any]]:
    """Yield the key of each item and what the function makes of it, as they come.

    Before an error is raised, everything that was done by then has been yielded.
    """
    if executor is None:
        for key, arguments in items.items():
            yield key, function(*arguments)
        return
    with warnings.catch_warnings():
        # of an idle worker that ends: as an error it would end loky's own thread, and no result
        # would ever come
        warnings.filterwarnings("ignore", "A worker stopped while some jobs")
        yield from _as_they_come(executor, function, items)


def _as_they_come(
    executor: Executor | int, function: Callable[..., Any], items: Mapping[Key, tuple[Any, ...]]
) -> Iterator[tuple[Key, Any]]:
    check_executor(executor)
    pool: Any = _workers(executor) if is_whole(executor) else executor
    futures = {pool.submit(_call, function, *arguments): key for key, arguments in items.items()}
    try:
        for future in as_completed(futures):
            result = _result(future)
            yield futures.pop(future), result
    except Exception:
        for future in [one for one in futures if one.done() and not one.cancelled()]:
            if future.exception() is None:
                yield futures.pop(future), future.result()
        raise
    finally:
        is_running = [not future.cancel() and not future.done() for future in futures]
        if any(is_running) and is_whole(executor):
            pool.shutdown(kill_workers=True)  # nobody waits for these


def _workers(n: Any) -> Any:
    return require("loky", extra="processes").get_reusable_executor(
        max_workers=int(n), timeout=_IDLE, initializer=_one_thread, env=_THREADS
    )


def check_executor(executor: Any) -> None:
    """Refuse what nothing can be sent to."""
    if is_whole(executor) and executor < 1:
        raise Edge2TorchError(
            f"executor={executor}: a number of worker processes is 1 or more. Leave it out to work in "
            "turn."
        )
    if not (executor is None or is_whole(executor) or callable(getattr(executor, "submit", None))):
        raise Edge2TorchError(
            "executor must be a number of worker processes or a concurrent.futures executor, found "
            f"{executor!r}."
        )


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call it where it was sent. A thread that is new computes on all cores until it has asked."""
    torch.get_num_threads()  # takes over what torch.set_num_threads was told
    return function(*arguments)


def _one_thread() -> None:
    """Workers share the cores: each computes on one."""
    torch.set_num_threads(1)


def _result(future: Future[Any]) -> Any:
    try:
        return future.result()
    except BrokenExecutor as error:
        raise Edge2TorchError(
            "executor: a worker process has ended before its work was done: it was killed, as by a "
            "system short of memory, or crashed. Give it fewer workers, or leave executor out. "
            f"({error})"
        ) from error
    except pickle.PicklingError as error:
        reason = str(error.__cause__ or error).strip('" \n').splitlines()[-1]
        raise Edge2TorchError(
            f"executor: this cannot be sent to another process: {reason}. Make what it needs, such "
            "as an open file or a lock, inside the function."
        ) from error
