"""``edge2torch info``: what is installed here, for a reader and for a bug report."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
from typing import Annotated, Any

import typer

_PROGRAMS = {"dot": "draws graphs", "Rscript": "modules --backend wgcna"}


def info(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Say which versions, devices, backends and optional packages are here."""
    found = collect()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name:<11}{_words(value)}")


def collect() -> dict[str, Any]:
    """Return what is installed, by heading."""
    import torch

    from edge2torch._core.installed import extras
    from edge2torch.compile import backend_names
    from edge2torch.interpret import attribution_methods

    return {
        "edge2torch": importlib.metadata.version("edge2torch"),
        "python": f"{platform.python_version()} ({platform.system()} {platform.machine()})",
        "torch": f"{torch.__version__}, {torch.get_num_threads()} threads",
        "devices": _devices(),
        "backends": list(backend_names()),
        "methods": f"{len(attribution_methods()):,} of attribution",
        "extras": extras(),
        "programs": {
            name: shutil.which(name) or f"not here ({use})" for name, use in _PROGRAMS.items()
        },
    }


def _devices() -> list[str]:
    import torch

    cuda = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *cuda, *mps]


def _words(value: Any) -> str:
    if isinstance(value, dict):
        lines = [f"{name}: {text}" for name, text in value.items()]
        return f"\n{'':<11}".join(lines)
    return ", ".join(value) if isinstance(value, list) else str(value)
