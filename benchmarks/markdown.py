"""A data frame as a Markdown table, without another dependency."""

from __future__ import annotations

import pandas as pd


def markdown(table: pd.DataFrame, name: str = "") -> str:
    head = [name, *map(str, table.columns)]
    rows = [
        [str(index), *(f"{value:.3g}" for value in row)]
        for index, row in zip(table.index, table.to_numpy(float), strict=True)
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
