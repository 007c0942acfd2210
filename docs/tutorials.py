"""Run the notebooks for the site: `make docs` shows them with what came out.

A page is kept in build/notebooks until its notebook or the package changes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "notebooks"
TIMEOUT = 600  # seconds of a cell


def tutorials() -> Iterator[tuple[str, Path]]:
    """Yield the path of each file of the site that a notebook makes, and where it lies."""
    newest = max(file.stat().st_mtime for file in (ROOT / "edge2torch").rglob("*.py"))
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for notebook in tqdm(notebooks, desc="notebooks", leave=False):
        folder = KEPT / notebook.stem
        page = folder / f"{notebook.stem}.md"
        if not page.exists() or page.stat().st_mtime < max(newest, notebook.stat().st_mtime):
            render(notebook, folder)
        for file in sorted(folder.iterdir()):
            yield f"notebooks/{file.name}", file


def render(notebook: Path, folder: Path) -> None:
    """Run a notebook in its small form; leave a page and its pictures in an emptied folder."""
    content = nbformat.read(notebook, as_version=4)
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    with tempfile.TemporaryDirectory() as place:
        options = {"timeout": TIMEOUT, "resources": {"metadata": {"path": place}}}
        quiet = ["--log-level=ERROR"]
        NotebookClient(content, kernel_name="python3", extra_arguments=quiet, **options).execute()
    text, found = MarkdownExporter().from_notebook_node(
        content, resources={"unique_key": notebook.stem}
    )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, picture in found["outputs"].items():
        (folder / name).write_bytes(picture)
    (folder / f"{notebook.stem}.md").write_text(text, encoding="utf-8")
