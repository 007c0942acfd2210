"""Modules that compute what another module computes, and hold it under a name of their own."""

from __future__ import annotations

from torch import Tensor, nn

COMPILED = "_orig_mod"
"""Where torch.compile keeps what it was given."""


def unwrap(module: nn.Module) -> nn.Module:
    """Return what torch.compile, DataParallel and DistributedDataParallel were given."""
    while (name := _held_under(module)) is not None:
        module = module.get_submodule(name)
    return module


def plain_names(model: nn.Module) -> dict[str, str]:
    """Return the names of a model's state, each with what it is called where nothing is wrapped."""
    wrapped = {
        f"{path}.{name}".lstrip(".")
        for path, module in model.named_modules(remove_duplicate=False)
        if (name := _held_under(module)) is not None
    }
    return {name: _without(wrapped, name) for name in model.state_dict()}


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's state under the names that it has where nothing is wrapped."""
    state = model.state_dict()
    return {plain: state[name] for name, plain in plain_names(model).items()}


def _without(wrapped: set[str], name: str) -> str:
    parts = name.split(".")
    kept = (part for k, part in enumerate(parts) if ".".join(parts[: k + 1]) not in wrapped)
    return ".".join(kept)


def _held_under(module: nn.Module) -> str | None:
    """Return the attribute that holds the wrapped module; None for what is not a wrapper."""
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return "module"
    # by its attribute: to import the class takes seconds
    return COMPILED if isinstance(module._modules.get(COMPILED), nn.Module) else None
