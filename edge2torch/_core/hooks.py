"""Modules watched while a model computes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from torch import Tensor, nn

K = TypeVar("K", bound=Hashable)


@contextmanager
def hooked(modules: Mapping[K, nn.Module], act: Callable[[K, Any, Any], Any]) -> Iterator[None]:
    """Call ``act(key, inputs, output)`` as modules compute; what it returns replaces the output.

    None leaves the output as it is.
    """
    with ExitStack() as stack:
        for key, module in modules.items():
            hook = module.register_forward_hook(
                # key=key: a closure would see the last key of the loop
                lambda _module, inputs, output, key=key: act(key, inputs, output)
            )
            stack.callback(hook.remove)
        yield


@contextmanager
def recorded(modules: Mapping[K, nn.Module]) -> Iterator[dict[K, list[Tensor]]]:
    """Keep each module's outputs, one per call, with their gradient history.

    The model goes on with copies: an in-place module behind, such as ``nn.ReLU(inplace=True)``,
    would change what is kept.
    """
    seen: dict[K, list[Tensor]] = {key: [] for key in modules}

    def keep(key: K, _inputs: Any, output: Tensor) -> Tensor:
        seen[key].append(output)
        return output.clone()

    with hooked(modules, keep):
        yield seen
