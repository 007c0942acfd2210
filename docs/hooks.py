"""What the build of the site adds: pictures, and numpydoc's marks as Markdown would have them."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DRAWN_FROM = ("five-minutes.md", "howto/classes.md", "node-scores.md")
N_PICTURES = 4
_ROLE = re.compile(r":(?:class|func|meth|mod|attr):(?=<code)")
_DOI = re.compile(r"\bdoi (10\.\d{4,5}/[^\s<,;)]*[^\s<,;).])")


def on_config(config: Any) -> Any:
    """Draw the pictures before the files are collected, unless they are newer than the pages."""
    drawn = [picture.stat().st_mtime for picture in (HERE / "pictures").glob("*.svg")]
    sources = [HERE / name for name in ("pictures.py", *DRAWN_FROM)]
    if len(drawn) < N_PICTURES or min(drawn) < max(page.stat().st_mtime for page in sources):
        draw()
    return config


def draw() -> None:
    """Run pictures.py as a script would be."""
    runpy.run_path(str(HERE / "pictures.py"), run_name="__main__")


def on_page_content(html: str, **_: Any) -> str:
    """Drop roles, which Markdown does not know; make papers links."""
    return _DOI.sub(r'<a href="https://doi.org/\1">doi \1</a>', _ROLE.sub("", html))
