"""What is given for a path and is none is refused by the name of the argument, by whatever takes one."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from edge2torch import Edge2TorchError, compile_graph

ROOMS = (
    "",
    ".exchange",
    ".explain",
    ".netmodules",
    ".perturb",
    ".plot",
    ".priors",
    ".study",
    ".vae",
)
TABLE = pd.DataFrame({"source": ["a"], "target": ["b"]})
MODEL, ARTIFACT = compile_graph(TABLE, seed=0, quiet=True)
# Those whose path is not what they are given first; a table is more than a path to some of them
OTHERS: dict[str, tuple[str, Callable[[Callable[..., Any], Any], Any]]] = {
    "annotate_structure": ("gtf", lambda f, bad: f(bad, pd.DataFrame(columns=PAIR))),
    "draw_graph": ("path", lambda f, bad: f(ARTIFACT, path=bad)),
    "explain_module": ("artifact_dir", lambda f, bad: f(bad, "M000", TABLE, TABLE)),
    "fit_modules": ("config", lambda f, bad: f(TABLE, config=bad)),
    "plot_flow": ("path", lambda f, bad: f(ARTIFACT, TABLE, path=bad)),
    "read_design": ("design", lambda f, _: f(5)),
    "read_reactome": ("relation", lambda f, bad: f(bad, bad)),
    "replicate": (
        "folder",
        lambda f, bad: f((MODEL, ARTIFACT), lambda *_: None, TABLE, folder=bad),
    ),
    "run_study": ("data", lambda f, _: f(TABLE, 5, label="y")),
    "save_compiled": ("path", lambda f, bad: f(bad, MODEL, ARTIFACT)),
    "save_module_figures": ("folder", lambda f, bad: f(TABLE, TABLE, bad)),
    "write_edges": ("path", lambda f, bad: f(TABLE, bad)),
    "write_fit": ("folder", lambda f, bad: f(None, bad)),
    "write_network": ("path", lambda f, bad: f(ARTIFACT, bad)),
}
PAIR = ("gene_id", "transcript_id_a", "transcript_id_b")
_KINDS = ("PathLike", "FilePath", "str | Path")


def takers() -> list[Any]:
    """Every public function, of which a parameter is a path."""
    found = []
    for room in ROOMS:
        module = importlib.import_module(f"edge2torch{room}")
        for name in module.__all__:
            function = getattr(module, name)
            if inspect.isfunction(function):
                kinds = [str(p.annotation) for p in inspect.signature(function).parameters.values()]
                if any(word in kind for kind in kinds for word in _KINDS):
                    found.append(pytest.param(function, id=f"{room}.{name}"))
    return found


@pytest.mark.parametrize(
    "bad", [TABLE, 5, None, b"a", ""], ids=["table", "number", "none", "bytes", "empty"]
)
@pytest.mark.parametrize("function", takers())
def test_what_is_no_path_is_refused(function: Callable[..., Any], bad: Any) -> None:
    first = next(iter(inspect.signature(function).parameters))
    argument, call = OTHERS.get(function.__name__, (first, lambda f, bad: f(bad)))
    parameter = inspect.signature(function).parameters[argument]
    if bad is None and parameter.default is None:
        pytest.skip("none is asked for")
    with pytest.raises(Edge2TorchError, match=rf"^{argument} must (?:be|name)") as caught:
        call(function, bad)
    assert "found" in str(caught.value)


@pytest.mark.parametrize("function", takers())
def test_the_address_of_another_machine_is_refused(function: Callable[..., Any]) -> None:
    """A folder called s3: was made, and filled, where there was none to be written to."""
    first = next(iter(inspect.signature(function).parameters))
    argument, call = OTHERS.get(function.__name__, (first, lambda f, bad: f(bad)))
    if function.__name__ in ("read_design", "run_study"):  # which take a table, too
        given = (TABLE,) if function.__name__ == "run_study" else ()
        more = {"label": "y"} if given else {}

        def call(f: Callable[..., Any], bad: Any) -> Any:
            return f(*given, bad, **more)

    for bad in ("s3://bucket/x.tsv", Path("https://host/x.tsv")):
        with pytest.raises(
            Edge2TorchError, match=rf"^{argument} must .*found the address"
        ) as caught:
            call(function, bad)
        assert "this machine alone" in str(caught.value)
