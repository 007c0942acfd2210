"""A small world with a known answer, as files of every kind."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

plt.switch_backend("agg")

GENES = [f"g{k}" for k in range(12)]
PATHWAYS = {"signal": GENES[:4], "other": GENES[4:8], "noise": GENES[8:]}


@pytest.fixture
def edges() -> pd.DataFrame:
    """Three pathways of four genes; all lead to both classes."""
    pairs = [(gene, name) for name, genes in PATHWAYS.items() for gene in genes]
    pairs += [(name, cell) for name in PATHWAYS for cell in ("B", "T")]
    return pd.DataFrame(pairs, columns=["source", "target"])


@pytest.fixture
def cells() -> pd.DataFrame:
    """T cells have more of the genes of ``signal``; 60 of each kind."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, len(GENES)))
    is_t = np.arange(120) % 2 == 1
    x[is_t, :4] += 1.5
    frame = pd.DataFrame(x.round(4), columns=GENES)
    frame.insert(0, "cell", [f"cell_{k}" for k in range(120)])
    frame["kind"] = np.where(is_t, "T", "B")
    frame["dose"] = (x[:, :4].sum(axis=1) + 0.1 * rng.normal(size=120)).round(4)
    return frame


@pytest.fixture
def files(tmp_path: Path, edges: pd.DataFrame, cells: pd.DataFrame) -> Path:
    """Return a folder with ``edges.csv`` and ``cells.csv``."""
    edges.to_csv(tmp_path / "edges.csv", index=False)
    cells.to_csv(tmp_path / "cells.csv", index=False)
    return tmp_path


@pytest.fixture
def no_figures(monkeypatch) -> None:
    """Pictures are looked at once, in the first tests; here they would only take time."""

    def draw(_results, folder: Path) -> dict[str, Path]:
        path = folder / "network.svg"
        path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        return {"network": path}

    monkeypatch.setattr("edge2torch.study._write.draw_figures", draw)
