"""What acts inside and around a compiled model, as plain JSON: written, compared, built again."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from edge2torch._core.messages import listing
from edge2torch._core.wrappers import COMPILED, unwrap
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import (
    ACTIVATIONS,
    CompiledModel,
    CustomizedEdgeModel,
    HeadBank,
    JoinedModel,
    NodeBatchNorm,
    NodeDropout,
    OnNodes,
)

_BUILT: dict[str, type[nn.Module]] = {
    kind.__name__: kind
    for kind in (
        *(kind for kind in ACTIVATIONS.values() if isinstance(kind, type)),
        *(nn.PReLU, nn.Hardtanh, nn.LogSigmoid, nn.Softmax, nn.LogSoftmax, nn.Softsign),
        *(nn.Dropout, nn.AlphaDropout, nn.Dropout1d, nn.Flatten),
        *(NodeDropout, NodeBatchNorm, nn.BatchNorm1d, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm),
        *(nn.Linear, nn.Sequential, nn.ModuleList, OnNodes, HeadBank),
        *(CustomizedEdgeModel, JoinedModel),
    )
}
_AROUND = (CustomizedEdgeModel.__name__, JoinedModel.__name__)  # what may hold a compiled model
_OLDER = {"edge2torch.nn._joined.JoinedModel": JoinedModel.__name__}
_NO_CLASSES = ("compiled model", "dropout", "stages")  # what else a description names
_WITHOUT_EFFECT = {"inplace", "device", "dtype"}


def describe(model: nn.Module, base: CompiledModel) -> dict[str, Any]:
    """Return classes and settings of all that ``customize_model`` or a user added to ``base``.

    What a backend's own options put in is among it; the rest of ``base`` follows from those.
    """
    dropout = {getattr(part, "edge_dropout", 0.0) for part in (base, *base.edge_layers())}
    return {
        "nodes": {
            slot.name: {kind: _describe(module, None) for kind, module in slot.stages.items()}
            for slot in base.node_slots()
        },
        "edge_dropout": max(dropout, default=0.0),
        "around": _describe(model, base),
    }


def _describe(module: nn.Module, base: CompiledModel | None) -> dict[str, Any]:
    module = unwrap(module)
    kind = type(module)
    name = kind.__name__
    if module is base:
        return {"class": "compiled model", "settings": {}, "parts": {}}
    is_known = _BUILT.get(name) is kind
    return {
        "class": name if is_known else f"{kind.__module__}.{kind.__qualname__}",
        "settings": _settings(module),
        "parts": {
            name: _describe(part, base)
            for name, part in module.named_children()
            if kind is not HeadBank  # its settings say all
        },
    }


def as_of_now(one: dict[str, Any]) -> dict[str, Any]:
    """Return a description that an older folder may have, as it is written now.

    Without what torch.compile put around, and with the names that classes have in a description.
    """
    while COMPILED in one["parts"]:
        one = one["parts"][COMPILED]
    return {
        **one,
        "class": _OLDER.get(one["class"], one["class"]),
        "parts": {name: as_of_now(part) for name, part in one["parts"].items()},
    }


def _settings(module: nn.Module) -> dict[str, Any]:
    """Return what the constructor was given, as far as it is kept under its name and is plain.

    Other attributes, such as a counter, are no settings.
    """
    if isinstance(module, OnNodes):
        return {"columns": [columns for columns, _ in module.groups]}
    kept = {**vars(module), **module._parameters}
    found = {}
    for name in inspect.signature(type(module).__init__).parameters:
        place = next((place for place in (name, f"_{name}") if place in kept), None)
        if name not in _WITHOUT_EFFECT and place is not None:
            is_plain, value = _plain(kept[place])
            if is_plain:
                found[name] = value
    return found


def _plain(value: Any) -> tuple[bool, Any]:
    """Tell whether a setting can be written, and return it as JSON has it."""
    if isinstance(value, Tensor):
        return True, True  # that there is one; its values are in the state_dict
    if value is None or isinstance(value, bool | int | str):
        return True, value
    if isinstance(value, float):
        return True, value if math.isfinite(value) else str(value)
    if isinstance(value, tuple | list):
        items = [_plain(item) for item in value]
        return all(is_plain for is_plain, _ in items), [item for _, item in items]
    if inspect.isroutine(value):
        return True, f"function {getattr(value, '__qualname__', '?')}"
    return False, None


# ------------------------------------------------------------------------------- comparing


def compare(found: dict[str, Any], saved: dict[str, Any], *, where: Path) -> None:
    """Refuse modules that are not those that were saved, by name."""
    if shown := differing(found, saved, where=where):
        raise Edge2TorchError(
            f"{where} was saved with other modules than it is loaded into. {shown}. Give the "
            "customize= that made the saved model; to change modules, load first and customize "
            "what was loaded."
        )


def differing(found: dict[str, Any], saved: dict[str, Any], *, where: Path) -> str:
    """Say in which modules two descriptions differ; nothing where they do not."""
    try:
        there, here = dict(_flat(saved)), dict(_flat(found))
    except (KeyError, TypeError, AttributeError) as error:
        raise Edge2TorchError(f"{where} is damaged: its modules cannot be read.") from error
    wrong = [
        f"{place}: saved {_show(there.get(place))}, found {_show(here.get(place))}"
        for place in {**there, **here}
        if not _is_same(there.get(place), here.get(place))
    ]
    return "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")


def _flat(told: dict[str, Any]) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    """Yield every module's place with its class and settings."""
    for slot, stages in told["nodes"].items():
        yield f"{slot} order", ("stages", {"order": list(stages)})
        for kind, one in stages.items():
            yield from _walk(f"{slot}.{kind}", one)
    yield "edges", ("dropout", {"p": told["edge_dropout"]})
    yield from _walk("", told["around"])


def _walk(place: str, one: dict[str, Any]) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    yield place or "model", (str(one["class"]), dict(one["settings"]))
    for name, part in one["parts"].items():
        yield from _walk(f"{place}.{name}" if place else name, part)


def _is_same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return False
    (kind, own), (other_kind, others) = one, other
    # a class of the user's may live in another module now; torch adds settings over time
    names = {kind, other_kind}
    is_same_kind = len(names) == 1 or (
        all("." in name for name in names) and len({name.split(".")[-1] for name in names}) == 1
    )
    return is_same_kind and all(own[name] == others[name] for name in set(own) & set(others))


def _show(one: Any) -> str:
    if one is None:
        return "nothing"
    kind, settings = one
    given = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    text = f"{kind.split('.')[-1]}({given})"
    return text if len(text) <= 90 else f"{text[:86]}...)"


# ------------------------------------------------------------------------------- building


def with_modules(
    base: CompiledModel, saved: dict[str, Any], *, n_values: int, where: Path
) -> nn.Module:
    """Return ``base`` with the saved modules, their parameters still to be filled.

    Only classes that are listed here are made, so no code of the file is run, and none that holds
    more than the ``n_values`` that were saved.
    """
    if unknown := sorted(set(_unknown(saved, base))):
        raise Edge2TorchError(
            f"{where} holds a customized model, and its class(es) {listing(unknown)} are code that "
            "is not stored. Give customize=, the function that adds them, for example "
            "customize=lambda model: customize_model(model, head=...)."
        )
    own = describe(base, base)
    if {"nodes": own["nodes"], "dropout": own["edge_dropout"]} != {
        "nodes": saved["nodes"],
        "dropout": saved["edge_dropout"],
    }:
        stages = {
            slot.name: {
                kind: slot.stages[kind]
                if own["nodes"][slot.name].get(kind) == one
                else _build(one, n_values, slot.width)
                for kind, one in saved["nodes"][slot.name].items()
            }
            for slot in base.node_slots()
        }
        dropout = float(saved["edge_dropout"])
        if not 0 <= dropout < 1:
            raise ValueError(f"an edge dropout of {dropout}")
        base = base.with_stages(stages, edge_dropout=dropout or None)
    return _around(base, saved["around"], n_values)


def _around(base: CompiledModel, one: dict[str, Any], n_values: int) -> nn.Module:
    """Return ``base`` with what is described around it: a head and the like, or a second branch."""
    if one["class"] == "compiled model":
        return base
    is_joined = one["class"] == JoinedModel.__name__
    inside = "graph" if is_joined else "base_model"
    others: dict[str, Any] = {
        name: _build(part, n_values) for name, part in one["parts"].items() if name != inside
    }
    if is_joined:
        graph = _around(base, one["parts"][inside], n_values)
        return JoinedModel(graph, **others, **one["settings"])
    if (bank := others.get("node_heads")) is not None:
        base.also_reading(bank.places())
    return CustomizedEdgeModel(base, **others)


def _unknown(saved: dict[str, Any], base: CompiledModel) -> Iterator[str]:
    """Yield the classes that are not listed, but for what the base has by itself."""
    own = dict(_flat(describe(base, base)))
    for place, (kind, settings) in _flat(saved):
        is_there = own.get(place) == (kind, settings)
        is_outside = place == "model" or set(place.split(".")) == {"graph"}  # of a joined model
        if kind in _AROUND and not is_outside:
            yield kind
        if kind not in _BUILT and kind not in _NO_CLASSES and not is_there:
            yield kind
    around = saved["around"]
    if around["class"] not in ("compiled model", *_AROUND):
        yield str(around["class"])


def _build(one: dict[str, Any], n_values: int, width: int = 0) -> nn.Module:
    kind, settings, parts = _BUILT[one["class"]], dict(one["settings"]), one["parts"]
    if kind is nn.Sequential:
        return nn.Sequential(*(_build(part, n_values, width) for part in parts.values()))
    if kind is OnNodes:
        one_each = zip(settings["columns"], parts["group_modules"]["parts"].values(), strict=True)
        groups = [(own, _build(part, n_values, len(own))) for own, part in one_each]
        if any(not 0 <= column < width for columns, _ in groups for column in columns):
            raise ValueError("a node that is not there")
        others = _build(parts["others"], n_values, width) if "others" in parts else None
        return OnNodes(groups, others=others)
    if kind is NodeDropout and sum(settings["units"]) != width:
        raise ValueError("units that are not there")
    if kind is HeadBank and sum(settings["units"]) * settings["outputs"] > n_values:
        raise ValueError("heads of more values than were saved")
    if "device" not in inspect.signature(kind.__init__).parameters:
        return kind(**settings)
    module = kind(**settings, device="meta")  # takes no memory and draws nothing
    held = sum(value.numel() for value in module.state_dict().values())
    if held > n_values:
        raise ValueError(f"{one['class']} of {held:,} values, where {n_values:,} were saved")
    return module.to_empty(device="cpu")
