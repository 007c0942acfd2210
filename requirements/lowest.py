"""Print the lower bounds of pyproject.toml as constraints: ``python lowest.py pyproject.toml``.

torch is left out: the Makefile installs the one version that it names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:  # comes with pytest there
    import tomli as tomllib

_BOUND = re.compile(r"([A-Za-z0-9_.-]+)>=([0-9.]+)$")
_TOOLS = ("build", "hatchling", "ruff", "mypy", "pandas-stubs", "import-linter")  # run no tests


def lowest(text: str) -> Iterator[str]:
    """Yield ``name==version`` for every lower bound."""
    project = tomllib.loads(text)["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    found = {match.groups() for group in groups for one in group if (match := _BOUND.match(one))}
    for name, version in sorted(found):
        if name not in ("torch", *_TOOLS):
            yield f"{name}=={version}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lowest(Path(sys.argv[1]).read_text("utf-8")))
