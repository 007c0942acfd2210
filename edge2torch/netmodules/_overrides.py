"""How files, names and text become settings, each value read as the type of its key."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from edge2torch._core.messages import listing, require, warn
from edge2torch._core.names import nearest
from edge2torch.errors import Edge2TorchError
from edge2torch.netmodules._config import ModulesConfig

# Former names of settings, which files of settings and command lines may still have.
_RENAMED = {"vae.epochs": "vae.max_epochs", "vae.held_out": "vae.validation_fraction"}


def override(config: ModulesConfig, changes: Sequence[str] | Mapping[str, Any]) -> ModulesConfig:
    """Return the settings with dotted keys changed: ``"vae.beta=2"``, or ``{"vae.beta": 2}``.

    Text is read as the key's type; all unknown keys and wrong values are named at once.
    """
    pairs = changes.items() if isinstance(changes, Mapping) else map(_key_and_value, changes)
    known = dict(_types_by_key(ModulesConfig))
    problems: list[str] = []
    for given, value in pairs:
        key = _RENAMED.get(given, given)
        if key != given:
            warn(f"config: {given!r} is called {key!r} now; the old name will go.")
        try:
            config = _with_value(config, key.split("."), _parsed(key, value, known))
        except Edge2TorchError as error:
            problems.append(str(error))
    if problems:
        raise Edge2TorchError(" ".join(problems))
    return config


def read_config(source: str | os.PathLike[str]) -> ModulesConfig:
    r"""Read settings from a YAML file, or by the name of one that comes along.

    Parameters
    ----------
    source : str or path
        ``"quick"`` for a first look, ``"switching"`` to leave pairs of abundances out, ``"plain"``
        for the textbook definitions; or a file of nested or dotted keys. JSON is YAML, too.

    Returns
    -------
    ModulesConfig

    Raises
    ------
    Edge2TorchError
        When there is no such name or file, it is not YAML, or a setting in it is unknown or out of
        range.

    Examples
    --------
    >>> read_config("quick").vae.max_epochs
    60
    >>> from pathlib import Path
    >>> _ = Path("mine.yaml").write_text("min_module_size: 10\nvae:\n  max_epochs: 50\n")
    >>> read_config("mine.yaml").vae.max_epochs
    50
    """
    yaml = require("yaml", extra="modules")
    folder = files("edge2torch.netmodules") / "configs"
    named = folder / f"{source}.yaml"
    path = named if str(source).isidentifier() and named.is_file() else Path(source)
    if not path.is_file():
        names = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir())
        raise Edge2TorchError(
            f"config={str(source)!r} is neither a file nor one of {listing(names)}."
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise Edge2TorchError(f"config={str(source)!r} cannot be read: {reason}") from error
    if not isinstance(content, dict | None):
        raise Edge2TorchError(
            f"config={str(source)!r} holds a {type(content).__name__}, not settings. "
            "Write lines such as min_module_size: 10."
        )
    try:
        return override(ModulesConfig(), dict(_flat(content or {})))
    except Edge2TorchError as error:
        raise Edge2TorchError(f"config={str(source)!r}: {error}") from None


def as_config(
    config: ModulesConfig | Mapping[str, Any] | str | os.PathLike[str] | None,
) -> ModulesConfig:
    """Settings from whatever a user gives."""
    if isinstance(config, (str, os.PathLike)):
        return read_config(config)
    return config if isinstance(config, ModulesConfig) else override(ModulesConfig(), config or {})


def _flat(settings: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _key_and_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise Edge2TorchError(
            f"{text!r} is not a setting: write key=value, such as vae.hidden_dim=64."
        )
    return key.strip(), value.strip()


def _types_by_key(kind: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
    hints = typing.get_type_hints(kind)
    for entry in dataclasses.fields(kind):
        hint = hints[entry.name]
        if dataclasses.is_dataclass(hint):
            yield from _types_by_key(typing.cast(type, hint), f"{prefix}{entry.name}.")
        else:
            yield f"{prefix}{entry.name}", hint


def _with_value(config: Any, path: list[str], value: Any) -> Any:
    if len(path) > 1:
        value = _with_value(getattr(config, path[0]), path[1:], value)
    return dataclasses.replace(config, **{path[0]: value})


def _parsed(key: str, value: Any, known: Mapping[str, Any]) -> Any:
    """Read a value as one of the types of its key, the first that fits."""
    if key not in known:
        hint = nearest(key, known, limit=1, cutoff=0.5) or f" Settings are {listing(known, 60)}."
        raise Edge2TorchError(f"{key!r} is not a setting.{hint}")
    hint = known[key]
    is_union = typing.get_origin(hint) in {typing.Union, types.UnionType}
    options = typing.get_args(hint) if is_union else (hint,)
    for option in options:
        with contextlib.suppress(TypeError, ValueError, KeyError):
            return _as(value, option)
    raise Edge2TorchError(f"{key}={value!r}: expected {_words(options)}.")


def _as(value: Any, kind: Any) -> Any:
    if kind is type(None):
        if value is None or str(value).lower() in {"none", "null", "auto"}:
            return None
        raise ValueError
    if typing.get_origin(kind) is Literal:
        if value in typing.get_args(kind):
            return value
        raise ValueError
    if typing.get_origin(kind) is tuple:
        items = value.split(",") if isinstance(value, str) else value
        return tuple(int(item) for item in items if str(item).strip())
    if kind is bool:
        return {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]
    if kind is int and isinstance(value, float) and not value.is_integer():
        raise ValueError
    return kind(value)


def _words(options: tuple[Any, ...]) -> str:
    names = []
    for option in options:
        if typing.get_origin(option) is Literal:
            names += [repr(choice) for choice in typing.get_args(option)]
        else:
            names.append("none" if option is type(None) else getattr(option, "__name__", "list"))
    return " or ".join(names)
