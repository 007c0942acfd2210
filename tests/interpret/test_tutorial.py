"""The tutorial's last two steps, as its script writes them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t


@pytest.fixture(scope="module")
def trained() -> SimpleNamespace:
    edgelist = pd.DataFrame(
        {
            "source": [f"gene_{kind}_{k}" for kind in ("signal", "noise") for k in (1, 2, 3)]
            + ["tf_signal", "tf_noise", "kinase_signal", "kinase_noise"],
            "target": ["tf_signal"] * 3
            + ["tf_noise"] * 3
            + ["kinase_signal", "kinase_noise", "output_1", "output_1"],
        }
    )
    torch.manual_seed(1)
    model, artifact = e2t.compile_graph(edgelist=edgelist, backend="feedforward", quiet=True)
    rng = np.random.default_rng(1)
    x_train, y_train = _draw(rng, 100)
    x_test, _ = _draw(rng, 50)
    customized = e2t.customize_model(model=model, head=nn.Linear(1, 1))
    optimizer = torch.optim.Adam(customized.parameters(), lr=1e-2)
    x = e2t.align_features_to_input_nodes(data=x_train, artifact=artifact)
    y = torch.tensor(y_train, dtype=torch.float32).unsqueeze(1)
    customized.train()
    for _ in range(150):
        optimizer.zero_grad()
        nn.BCEWithLogitsLoss()(customized(x), y).backward()
        optimizer.step()
    return SimpleNamespace(model=customized, artifact=artifact, data=x_test)


def _draw(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, np.ndarray]:
    x0_signal, x1_signal = rng.normal(0, 1, (n, 3)), rng.normal(2, 1, (n, 3))
    x0_noise, x1_noise = rng.normal(0, 1, (n, 3)), rng.normal(0, 1, (n, 3))
    x = np.hstack([np.vstack([x0_signal, x1_signal]), np.vstack([x0_noise, x1_noise])])
    y = np.repeat([0, 1], n)
    order = rng.permutation(2 * n)
    columns = [f"gene_{kind}_{k}" for kind in ("signal", "noise") for k in (1, 2, 3)]
    return pd.DataFrame(x[order], columns=columns), y[order]


def test_features(trained: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    features = e2t.interpret_model(
        model=trained.model,
        artifact=trained.artifact,
        data=trained.data,
        target="features",
        method="IntegratedGradients",
    )
    assert capsys.readouterr().out == (
        "[edge2torch] Finished interpretation with method 'IntegratedGradients' for target "
        "'features'.\n"
    )
    assert features.columns.tolist() == trained.artifact.feature_names
    pd.testing.assert_index_equal(features.index, trained.data.index)
    size = features.abs().mean()
    assert size.filter(like="signal").min() > 3 * size.filter(like="noise").max()


def test_nodes(trained: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = e2t.interpret_model(
        model=trained.model,
        artifact=trained.artifact,
        data=trained.data,
        target="nodes",
        method="LayerConductance",
    )
    assert capsys.readouterr().out == (
        "[edge2torch] Finished interpretation with method 'LayerConductance' for target 'nodes'.\n"
    )
    assert list(nodes) == ["layer_1", "layer_2", "layer_3"]
    for layer, table in nodes.items():
        assert table.columns.tolist() == trained.artifact.node_names_by_layer[layer]
        pd.testing.assert_index_equal(table.index, trained.data.index)
    size = pd.concat(nodes.values(), axis=1).abs().mean()
    assert size["tf_signal"] >= 10 * size["tf_noise"]
    assert size["kinase_signal"] >= 10 * size["kinase_noise"]


def test_methods_may_be_left_out(trained: SimpleNamespace) -> None:
    parts = trained.model, trained.artifact, trained.data
    features = e2t.interpret_model(*parts, method="integrated_gradients", quiet=True)
    pd.testing.assert_frame_equal(e2t.interpret_model(*parts, quiet=True), features)
    nodes = e2t.interpret_model(*parts, target="nodes", method="layerconductance", quiet=True)
    left_out = e2t.interpret_model(*parts, target="nodes", quiet=True)
    pd.testing.assert_frame_equal(left_out["layer_1"], nodes["layer_1"])


def test_a_model_in_training_stays_in_training(trained: SimpleNamespace) -> None:
    trained.model.train()
    trained.model.head.eval()
    before = [module.training for module in trained.model.modules()]
    e2t.interpret_model(trained.model, trained.artifact, trained.data, quiet=True)
    assert [module.training for module in trained.model.modules()] == before
