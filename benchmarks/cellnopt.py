"""CellNOpt's signalling models on their own data, with feedback, drawn with learned signs.

    python benchmarks/cellnopt.py --data DIR [--out FOLDER]

DIR holds ``cno_PKN-*.sif`` (node, sign, node) and ``cno_MD-*.csv`` (MIDAS: TR treatments, DA
times, DV readouts), from https://github.com/cellnopt/cellnopt. An inhibitor ``xi`` becomes a node
with one negative edge to x. Time points are a sequence; treatments last. Two models are trained:
one held to the signs of the prior network, one without, whose learned signs are compared with it.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import torch

import edge2torch as e2t

PAIRS = {
    "LiverDREAM": ("LiverDREAM", "LiverDREAM"),
    "LiverDREAM with feedback": ("LiverDREAM_PKN_Subnetwork_AddFeedback", "LiverDREAM"),
    "ToyMMB": ("ToyMMB", "ToyMMB"),
    "ToyMMB with feedback, 2 times": ("ToyMMB_Feedback", "ToyMMB_Feedback2"),
    "ToyMMB with feedback, 3 times": ("ToyMMB_Feedback", "ToyMMB_Feedback3"),
}


@dataclass(frozen=True)
class Study:
    """Signed edges, treatments (conditions, inputs), readouts (conditions, times, outputs)."""

    edges: pd.DataFrame
    treatments: pd.DataFrame
    readouts: np.ndarray
    outputs: list[str]


def read(folder: Path, network: str, data: str) -> Study:
    sif = pd.read_csv(
        folder / f"cno_PKN-{network}.sif",
        sep=r"\s+",
        header=None,
        names=["source", "sign", "target"],
    )
    midas = pd.read_csv(folder / f"cno_MD-{data}.csv", skipinitialspace=True)
    midas.columns = midas.columns.str.strip()
    midas = midas.apply(pd.to_numeric, errors="coerce")
    treated = [c for c in midas if c.startswith("TR:") and not c.endswith(":CellLine")]
    read_out = [c for c in midas if c.startswith("DV:")]
    clock = next(c for c in midas if c.startswith("DA:"))
    nodes = {*sif["source"], *sif["target"]}
    outputs = [c[3:] for c in read_out if c[3:] in nodes]
    times = [t for t in sorted(midas[clock].unique()) if t > 0]
    conditions = midas.loc[midas[clock] == times[0], treated].drop_duplicates()
    readouts = np.full((len(conditions), len(times), len(outputs)), np.nan)
    for k, now in enumerate(times):
        rows = midas[midas[clock] == now].merge(conditions.reset_index(), on=treated)
        rows = rows.set_index("index").reindex(conditions.index)
        readouts[:, k] = rows[[f"DV:{name}" for name in outputs]]
    treatments = conditions.rename(columns=lambda c: c[3:])
    blocked = [name for name in treatments if name not in nodes and name.removesuffix("i") in nodes]
    treatments = treatments[[name for name in treatments if name in nodes or name in blocked]]
    more = pd.DataFrame(
        {"source": blocked, "sign": -1, "target": [name.removesuffix("i") for name in blocked]}
    )
    edges = pd.concat([sif, more], ignore_index=True).drop_duplicates(["source", "target"])
    graph = nx.from_pandas_edgelist(edges, create_using=nx.DiGraph)
    fed = [name for name in treatments if name in graph]
    reached = set(fed).union(*(nx.descendants(graph, name) for name in fed))
    outputs_kept = [k for k, name in enumerate(outputs) if name in reached]
    return Study(
        edges[edges["source"].isin(reached)].reset_index(drop=True),
        treatments[fed],
        readouts[:, :, outputs_kept],
        [outputs[k] for k in outputs_kept],
    )


def train(study: Study, *, signed: bool, epochs: int, seed: int = 0):
    torch.manual_seed(seed)
    base, artifact = e2t.compile_graph(
        study.edges,
        backend="recurrent",
        steps=10,
        leak="node",
        inputs=list(study.treatments),
        outputs=study.outputs,
        sign_column="sign" if signed else None,
        unused="prune",
        quiet=True,
    )
    model = e2t.customize_model(base, node_activation="tanh", activation=torch.nn.Sigmoid())
    x = torch.tensor(study.treatments.to_numpy(), dtype=torch.float32)
    x = x[:, None].expand(-1, study.readouts.shape[1], -1)
    y = torch.tensor(study.readouts, dtype=torch.float32)
    known = y.isfinite()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = ((model(x) - y)[known] ** 2).mean()
        (loss + 1e-5 * base.cells[0].edges.weight.square().sum()).backward()
        optimizer.step()
    with torch.no_grad():
        return model, artifact, ((model(x) - y)[known] ** 2).mean().item(), y[known].var().item()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="where to draw the networks")
    parser.add_argument("--epochs", type=int, default=400)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| study | edges | on cycles | conditions | variance | MSE, prior signs | MSE, free signs | signs as in the prior, by weight | s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, files in PAIRS.items():
        study, start = read(options.data, *files), time.perf_counter()
        model, artifact, signed, variance = train(study, signed=True, epochs=options.epochs)
        free_model, free_artifact, free, _ = train(study, signed=False, epochs=options.epochs)
        weights = e2t.edge_weights(free_model, free_artifact)["weight"]
        same = np.sign(weights) == study.edges["sign"]
        share = weights.abs()[same].sum() / weights.abs().sum()
        plan = artifact.execution_plan
        print(
            f"| {name} | {len(plan.edges)} | {int(plan.is_cyclic.sum())} | {len(study.treatments)} | "
            f"{variance:.4f} | {signed:.4f} | {free:.4f} | {share:.0%} | "
            f"{time.perf_counter() - start:.0f} |",
            flush=True,
        )
        if options.out:
            from edge2torch.plot import draw_graph

            options.out.mkdir(parents=True, exist_ok=True)
            draw_graph(
                artifact,
                weights=e2t.edge_weights(model, artifact),
                engine="matplotlib",
                path=options.out / f"{name.replace(' ', '_').replace(',', '')}.png",
                title=f"{name}: edges by learned sign",
            )


if __name__ == "__main__":
    main()
