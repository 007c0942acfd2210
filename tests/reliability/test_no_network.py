"""Nothing of the library opens a connection: compile, train, interpret, save, load, run."""

import socket

import numpy as np
import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.cli import main


@pytest.fixture(autouse=True)
def _no_socket(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a socket was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


def test_from_edges_to_scores(tmp_path):
    edges = pd.DataFrame({"source": ["a", "b", "h"], "target": ["h", "h", "y"]})
    for backend in ("feedforward", "recurrent", "gnn"):
        torch.manual_seed(0)
        base, artifact = e2t.compile_graph(edges, backend=backend, quiet=True)
        model = e2t.customize_model(base, node_activation="tanh", artifact=artifact)
        frame = pd.DataFrame(np.random.default_rng(0).normal(size=(8, 2)), columns=["a", "b"])
        x = e2t.align_features_to_input_nodes(data=frame, artifact=artifact)
        model(x).sum().backward()
        e2t.interpret_model(
            model, artifact, frame, target="features", method="Saliency", quiet=True
        )
        e2t.save_compiled(tmp_path / backend, base, artifact)
        e2t.load_compiled(tmp_path / backend)


def test_a_run_of_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    cells = pd.DataFrame(rng.normal(size=(24, 2)), columns=["a", "b"]).assign(kind=["T", "B"] * 12)
    cells.to_csv("cells.csv", index=False)
    pd.DataFrame({"source": ["a", "b", "h"], "target": ["h", "h", "y"]}).to_csv(
        "e.csv", index=False
    )
    words = "run --edges e.csv --data cells.csv --label kind --out o --seeds 1 --epochs 1 --quiet"
    with pytest.raises(SystemExit) as end:
        main([*words.split(), "--replicates", "0", "--controls", "0"])
    assert end.value.code == 0


def test_the_block_blocks():
    with pytest.raises(AssertionError, match="a socket"):
        socket.create_connection(("127.0.0.1", 9))
