"""What the build of the site adds: pictures, notebooks that ran, and numpydoc's marks as Markdown."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

HERE = Path(__file__).resolve().parent
DRAWN_FROM = ("five-minutes.md", "howto/classes.md", "node-scores.md", "benchmarks.md")
N_PICTURES = 5
_ROLE = re.compile(r":(?:class|func|meth|mod|attr):(?=<code)")
_NOTEBOOK = re.compile(r"\(\.\./(notebooks/\w+)\.ipynb\)")
_FRAME = '<table border="1" class="dataframe">'
_STYLE = re.compile(r"<style scoped>.*?</style>\n?", re.DOTALL)  # the site's tables have their own
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


def on_files(files: Any, config: Any) -> Any:
    """Add the notebooks with what came out of them."""
    made = runpy.run_path(str(HERE / "tutorials.py"))
    for name, file in made["tutorials"]():
        content = file.read_bytes()
        if file.suffix == ".md":
            content = _STYLE.sub("", content.decode()).replace(_FRAME, "<table>")
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lead to the page of a notebook where the repository's own pages lead to its file."""
    return _NOTEBOOK.sub(r"(\1.md)", markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Drop roles, which Markdown does not know; make papers links."""
    return _DOI.sub(r'<a href="https://doi.org/\1">doi \1</a>', _ROLE.sub("", html))
