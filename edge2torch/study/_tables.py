"""What came out, as tables: means over seeds, the strongest nodes, recall by class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from edge2torch.study._pipeline import Results

_DRIVERS = 4


def score_summary(results: Results) -> pd.DataFrame:
    """Mean and standard deviation over seeds, a row per model in the order of training."""
    keys = ["model", "features"]
    grouped = results.scores.drop(columns="seed").groupby(keys, sort=False)
    mean, sd = grouped.mean(), grouped.std(ddof=1)  # NaN of one seed
    columns = {
        f"{name}_{what}": part[name] for name in mean for what, part in (("mean", mean), ("sd", sd))
    }
    return pd.DataFrame(columns).reset_index()


def interval_cells(results: Results) -> dict[tuple[str, int, str], tuple[float, float]]:
    """Interval of each model's scores, by model, features and metric."""
    table = results.intervals
    if table.empty:
        return {}
    own = table[table["against"] == ""]
    names = zip(own["model"], own["features"], own["metric"], strict=True)
    found = dict(zip(names, zip(own["low"], own["high"], strict=True), strict=True))
    return {key: ends for key, ends in found.items() if np.isfinite(ends).all()}


def top_nodes(results: Results, n: int) -> pd.DataFrame:
    """The ``n`` strongest nodes of each class, and the strongest of a sign that they lack."""
    found, drivers = results.attribution, _Drivers(results)
    label = results.study.network.artifact.label
    rows: list[dict[str, Any]] = []
    for group in found.groups:
        column = found.nodes[group].dropna()
        value, sd = column.to_dict(), found.node_sd[group].to_dict()
        agreement = found.node_agreement[group].to_dict()
        for rank, node in _ranked(column, n):
            rows.append(
                {
                    "class": group,
                    "rank": rank,
                    "node": node,
                    "label": label(node),
                    "direction": "for" if value[node] > 0 else "against",
                    "attribution": value[node],
                    "sd": sd[node],
                    "sign_agreement": agreement[node],
                    "drivers": drivers(node, group),
                }
            )
    numbers = ["attribution", "sd", "sign_agreement"]
    names = ["class", "rank", "node", "label", "direction", *numbers, "drivers"]
    return pd.DataFrame(rows, columns=names)


def _ranked(column: pd.Series, n: int) -> list[tuple[int, str]]:
    """Nodes by magnitude with their ranks: the first ``n``, and the first of a missing sign."""
    order = column.abs().sort_values(ascending=False, kind="stable").index.astype(str).tolist()
    signs = np.sign(column[order].to_numpy())
    places = list(range(min(n, len(order))))
    for sign in (1, -1):
        of_sign = np.flatnonzero(signs == sign)
        if len(of_sign) and of_sign[0] >= n:
            places.append(int(of_sign[0]))
    return [(place + 1, order[place]) for place in places]


class _Drivers:
    """Features that lead to a node and matter most for a class, and where they stand in it."""

    def __init__(self, results: Results) -> None:
        self.topology = results.study.network.artifact.topology
        self.label = results.study.network.artifact.label
        self.features = set(results.study.network.features)
        self.attribution = results.attribution

    def __call__(self, node: str, group: str) -> str:
        """Return words such as ``CD79A ↑; LYN ↓``."""
        direct = [name for name in self.topology.parents(node) if name in self.features]
        leading = direct or [n for n in self.topology.ancestors(node) if n in self.features]
        size = self.attribution.features[group].reindex(leading).abs()
        shift = self.attribution.shift[group]
        strongest = size.sort_values(ascending=False, kind="stable").index[:_DRIVERS]
        return "; ".join(
            f"{self.label(name)} {'↑' if shift[name] > 0 else '↓'}" for name in strongest
        )


def heading_of(results: Results, group: str) -> str:
    """What a class is called where it stands alone: a bare number is no heading."""
    return f"{results.study.task.label} {group}" if group.isdigit() else group


def wide_attribution(mean: pd.DataFrame, sd: pd.DataFrame, name: str) -> pd.DataFrame:
    """Means and standard deviations side by side, the strongest row first."""
    order = mean.abs().max(axis=1).sort_values(ascending=False, kind="stable").index
    joined = mean.join(sd.add_suffix(" sd")).loc[order]
    return joined.rename_axis(name)
