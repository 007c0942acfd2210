"""Every public name says what it takes, what it gives, and shows how it is used."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import edge2torch


def doors() -> list[str]:
    """The package and every module of it whose path has no private part."""
    found = [
        info.name
        for info in pkgutil.walk_packages(edge2torch.__path__, prefix="edge2torch.")
        if not any(part.startswith("_") for part in info.name.split("."))
    ]
    return ["edge2torch", *found]


def public_names() -> list[tuple[str, str]]:
    """Each public class or function once, under the shortest door that shows it."""
    seen: dict[int, tuple[str, str]] = {}
    for door in doors():
        module = importlib.import_module(door)
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                seen.setdefault(id(thing), (door, name))
    return sorted(seen.values())


def parameters(thing: object) -> list[str]:
    """Names of the parameters a caller fills in."""
    if inspect.isclass(thing) and (
        issubclass(thing, BaseException) or not thing.__init__.__module__.startswith("edge2torch")
    ):
        return []  # what the parent class documents
    try:
        signature = inspect.signature(thing)  # type: ignore[arg-type]
    except ValueError:
        return []
    names = [name for name in signature.parameters if not name.startswith("_")]
    return [name for name in names if name not in {"self", "cls", "args", "kwargs"}]


@pytest.mark.parametrize("door", doors(), ids=str)
def test_a_door_lists_what_it_shows(door: str) -> None:
    module = importlib.import_module(door)
    assert module.__doc__
    shown = module.__all__
    assert len(set(shown)) == len(shown)
    assert [name for name in shown if not hasattr(module, name)] == []


@pytest.mark.parametrize(("door", "name"), public_names(), ids=str)
def test_a_public_name_is_documented(door: str, name: str) -> None:
    thing = getattr(importlib.import_module(door), name)
    text = inspect.getdoc(thing) or ""
    assert text.splitlines()[0].rstrip().endswith("."), "the first line is one sentence"
    assert "Examples\n--------" in text, "no Examples"
    assert ">>> " in text, "no example that runs"
    wanted = parameters(thing)
    if wanted:
        assert "Parameters\n----------" in text or "Attributes\n----------" in text
    heads = (line.split(" : ")[0] for line in text.splitlines())
    lines = {part.strip().lstrip("*") for head in heads for part in head.split(",")}
    assert [name for name in wanted if name not in lines] == [], "parameters without a word"
    returns = None if inspect.isclass(thing) else inspect.signature(thing).return_annotation
    if returns not in (None, "None", "NoReturn", inspect.Signature.empty):
        assert "Returns\n-------" in text or "Yields\n------" in text, "no Returns"
