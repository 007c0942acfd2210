"""SIF: an edge a line, and what is known of nodes and edges in two tables beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from edge2torch._core.files import write_file
from edge2torch._core.messages import listing
from edge2torch.errors import Edge2TorchError
from edge2torch.exchange._network import Network


def write_sif(network: Network, path: Path, relations: str) -> list[Path]:
    """Write ``net.sif``, ``net.nodes.tsv`` and ``net.edges.tsv``; return the two tables."""
    words = network.interactions
    if relations == "signs":
        words = [str(sign) for sign in network.signs]
    elif "relation" in network.edges:
        own = network.edges["relation"].joined()
        words = [
            w if given in (None, "") else str(given) for w, given in zip(words, own, strict=True)
        ]
    _check([*network.names, *words])
    ends = list(zip(network.source.tolist(), network.target.tolist(), strict=True))
    names = network.names
    alone = np.setdiff1d(np.arange(len(names)), np.concatenate([network.source, network.target]))
    lines = [f"{names[s]}\t{word}\t{names[t]}" for (s, t), word in zip(ends, words, strict=True)]
    lines += [names[node] for node in alone.tolist()]
    nodes: dict[str, Any] = {"name": names}
    if network.called:
        nodes["label"] = network.labels
    edges: dict[str, Any] = {
        "name": [f"{names[s]} ({w}) {names[t]}" for (s, t), w in zip(ends, words, strict=True)],
        "source": [names[s] for s, _ in ends],
        "relation": words,
        "target": [names[t] for _, t in ends],
    }
    if network.called:  # read_edges brings them back, as it does every other column
        edges |= {
            f"{side}_name": [network.called.get(names[end]) for end in part.tolist()]
            for side, part in (("source", network.source), ("target", network.target))
        }
    tables = []
    for part, columns, known in (("nodes", nodes, network.nodes), ("edges", edges, network.edges)):
        # weight_sign is ours, for styles: what is read again is the table as it was
        ours = (*columns, "weight_sign")
        others = {name: one.joined() for name, one in known.items() if name not in ours}
        table = pd.DataFrame(
            {name: pd.Series(v, dtype=object) for name, v in (columns | others).items()}
        )
        tables.append(_write_table(table, path.with_name(f"{path.stem}.{part}.tsv")))
    text = "".join(f"{line}\n" for line in lines)
    write_file(path, lambda draft: draft.write_text(text, encoding="utf-8", newline="\n"))
    return tables


def _write_table(table: pd.DataFrame, path: Path) -> Path:
    return write_file(
        path, lambda draft: table.to_csv(draft, sep="\t", index=False, lineterminator="\n")
    )


def _check(names: list[str]) -> None:
    bad = [name for name in names if "\t" in name or len(name.splitlines()) != 1]
    if bad:
        raise Edge2TorchError(
            "graph: a line of a SIF file is three fields between tabs, so that names cannot hold "
            f"tabs or line ends: {listing(dict.fromkeys(bad))}. Rename them, or write .cx2."
        )
