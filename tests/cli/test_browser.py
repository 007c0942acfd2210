"""The report in a browser: it opens offline, light, dark and printed, and nothing complains."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from edge2torch.cli import main
from tests.browsing import CHROMIUM, Page
from tests.cli.running import run

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium or Chrome on the PATH")
QUICK = ["--seeds", "1", "--epochs", "2", "--replicates", "0", "--controls", "0", "--quiet"]


def browse(folder: Path, *options: str) -> str:
    """Open the report without a window; return what the browser had to say."""
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
            f"--user-data-dir={folder / 'profile'}", *options, (folder / "out/report.html").as_uri(),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stderr


def test_light_dark_and_printed(files: Path):
    paths = {"edges": "edges.csv", "data": "cells.csv", "out": "out"}
    options = [part for name, file in paths.items() for part in (f"--{name}", str(files / file))]
    with pytest.raises(SystemExit) as end:
        main(["run", *options, "--label", "kind", *QUICK])
    assert end.value.code == 0
    brightness = {}
    for name, scheme in (("dark", 0), ("light", 1)):
        picture = files / f"{name}.png"
        said = browse(
            files,
            f"--blink-settings=preferredColorScheme={scheme}",
            f"--screenshot={picture}",
            "--window-size=900,700",
        )
        assert "CONSOLE" not in said
        brightness[name] = float(np.median(matplotlib.image.imread(picture)[..., :3]))
    assert brightness["dark"] < 0.2
    assert brightness["light"] > 0.9
    assert "CONSOLE" not in browse(files, f"--print-to-pdf={files / 'page.pdf'}")
    content = (files / "page.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 14


def _has_pictures(page: Page, path: Path) -> None:
    """No picture is missing in a shot of the whole page that is taken as soon as it turns dark."""
    page.scheme("dark")
    places = page.eval(
        "[...document.images].map(e => { const b = e.getBoundingClientRect(); "
        "return [b.x + scrollX, b.y + scrollY, b.width, b.height].map(Math.round); })"
    )
    page.picture(path, whole=True)
    shot = matplotlib.image.imread(path)
    assert places
    for x, y, width, height in places:
        assert shot[y + 12 : y + height - 12, x + 12 : x + width - 12, :3].std() > 0.01
    page.scheme("light")


def test_the_network_answers_with_what_the_tables_say(files: Path):
    run(files)
    table = pd.read_csv(files / "out/found_nodes.csv").set_index("node")
    report, name = files / "out/report.html", str(table.index[0])
    with Page(files / "profile") as page:
        page.open(report)
        _has_pictures(page, files / "whole.png")
        page.settle()
        page.click(".net-search")
        page.type(name)
        page.press("Enter")
        said = page.eval("document.querySelector('.net-panel').innerText").replace("−", "-")
        assert name in said
        q = table.loc[name, "q_use"]
        assert float(re.search(r"q, use\s+(\S+)", said)[1]) == pytest.approx(q, rel=0.1)
        page.eval(
            "(s => { s.value = '0.05'; s.dispatchEvent(new Event('change')); })"
            "(document.querySelector('.net-q'))"
        )
        count = page.eval("document.querySelector('.net-count').textContent")
        assert count.startswith(f"{table['found'].sum()} of ")
        # laid out, though it may not have been on the screen yet
        style = "getComputedStyle(document.querySelector('.net-picture')).contentVisibility"
        assert page.eval(style) == "visible"
        # and as high as it was said to be, so that nothing below it moves
        page.eval("window.scrollTo({top: 0, behavior: 'instant'})")
        high = "document.querySelector('.net-picture').getBoundingClientRect().height"
        heights = [
            page.eval(f"(document.documentElement.classList.{change}('laid'), {high})")
            for change in ("add", "remove")
        ]
        assert heights[0] == pytest.approx(heights[1], abs=4)
        sent = [url for url in page.requests if not url.startswith("data:")]
        assert sent == [report.as_uri()]
        assert page.said == []
