"""Node scores by BINN 0.1.1 and its explainer, two networks per problem.

Run in that library's own environment as ``python -I recovery_binn.py FOLDER``. Its trainer has
Adam at the learning rate that is given; its networks have batch normalisation, tanh and a dense
layer to two classes in place of our single output. A node's score is the sum of the importance
of its outgoing connections, as ``explain_single`` gives it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import pandas as pd
import torch
from binn import BINN, BINNDataLoader, BINNExplainer, BINNTrainer

NETWORKS = 2
LEARNING_RATE = 1e-3  # ten times its default, which does not get far in so few epochs


def levels(pathways: pd.DataFrame) -> int:
    """Nodes on the longest way up."""
    level = dict.fromkeys([*pathways["source"], *pathways["target"]], 1)
    for _ in range(len(level)):
        height = pathways["source"].map(level).add(1).groupby(pathways["target"]).max()
        if all(level[name] == value for name, value in height.items()):
            break
        level.update(height.to_dict())
    return max(level.values())


def matrices(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = [f"s{k}" for k in range(len(table))]
    x = table.drop(columns="outcome").T.set_axis(names, axis=1)
    x.insert(0, "Protein", x.index)
    design = pd.DataFrame({"sample": names, "group": table["outcome"].to_numpy()})
    return x.reset_index(drop=True), design


def loaders(network: BINN, table: pd.DataFrame, batch: int, seed: int) -> dict:
    x, design = matrices(table)
    return BINNDataLoader(network).create_dataloaders(
        data_matrix=x,
        design_matrix=design,
        feature_column="Protein",
        group_column="group",
        sample_column="sample",
        batch_size=batch,
        validation_split=0,
        random_state=seed,
    )


def scores(folder: Path, training: dict, seed: int) -> pd.Series:
    edges, train, test = (pd.read_csv(folder / f"{n}.csv") for n in ("edges", "train", "test"))
    features = [name for name in train if name != "outcome"]
    from_feature = edges["source"].isin(features)
    output = next(iter(set(edges["target"]) - set(edges["source"])))
    mapping = edges[from_feature].set_axis(["input", "translation"], axis=1)
    pathways = edges[~from_feature]  # the outcome is their root
    torch.manual_seed(seed)
    network = BINN(
        data_matrix=matrices(train)[0],
        mapping=mapping.reset_index(drop=True),
        pathways=pathways.reset_index(drop=True),
        n_layers=levels(pathways),
        n_outputs=2,
    )
    with tempfile.TemporaryDirectory() as place:
        BINNTrainer(network, save_dir=place).fit(
            loaders(network, train, training["batch_size"], seed),
            num_epochs=training["epochs"],
            learning_rate=LEARNING_RATE,
        )
    explained = BINNExplainer(network).explain_single(
        loaders(network, test, training["batch_size"], seed),
        split="train",
        normalization_method="subgraph",
    )
    found = explained.groupby("source_node")["importance"].sum()
    return found.drop(labels=[*features, output], errors="ignore")


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
