"""Node scores by edge2torch 0.3.0 and its ``LayerConductance``, two networks per problem.

Run in that library's own environment as ``python -I recovery_edge2torch.py FOLDER``. Its
customize_model puts nothing inside the graph, so its networks have no activation.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import torch
from torch import nn

import edge2torch as e2t

NETWORKS = 2


def scores(folder: Path, training: dict, seed: int) -> pd.Series:
    edges, train, test = (pd.read_csv(folder / f"{n}.csv") for n in ("edges", "train", "test"))
    torch.manual_seed(seed)
    model, artifact = e2t.compile_graph(edgelist=edges, backend="feedforward")
    x = e2t.align_features_to_input_nodes(data=train.drop(columns="outcome"), artifact=artifact)
    y = torch.tensor(train["outcome"].to_numpy(), dtype=torch.float32)
    optimizer = torch.optim.Adam(
        model.parameters(), lr=training["lr"], weight_decay=training["weight_decay"]
    )
    for _ in range(training["epochs"]):
        for rows in torch.randperm(len(y)).split(training["batch_size"]):
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(model(x[rows])[:, 0], y[rows]).backward()
            optimizer.step()
    found = e2t.interpret_model(
        model=model,
        artifact=artifact,
        data=test.drop(columns="outcome"),
        on="nodes",
        method="LayerConductance",
        attribute_kwargs={"n_steps": training["steps"]},
    )
    return found.summary().abs().mean()


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    training = json.loads((folder / "training.json").read_text())
    for own in sorted(
        folder.iterdir(), key=lambda p: int(p.name.rsplit("-", 1)[-1]) if p.is_dir() else -1
    ):
        if own.is_dir():
            rows = [scores(own, training, seed) for seed in range(NETWORKS)]
            pd.DataFrame(rows).to_csv(own / "scores.csv")


if __name__ == "__main__":
    main()
