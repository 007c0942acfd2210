"""Words for scores that are zero or no numbers, and for a model that is as it was compiled."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

import edge2torch as e2t
from edge2torch.interpret import METHODS
from tests.interpret.settings import PLAIN, SETTINGS, SKIPS, Setting, build, customize, data

# one method of every engine, and of Captum's two kinds
ONE_OF_EACH = {row.engine: name for name, row in reversed(list(METHODS.items()))}
NAMES = [*ONE_OF_EACH.values(), "LayerFeatureAblation"]


def test_a_fresh_model_is_worth_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    model, artifact = e2t.compile_graph(PLAIN, quiet=True)
    fresh = Setting(model, artifact, data(), None)
    fresh.ask("nodes", quiet=False)
    assert "Has it been trained?" in capsys.readouterr().out
    fresh.ask("nodes", quiet=True)
    assert capsys.readouterr().out == ""
    build(PLAIN).ask("nodes", quiet=False)  # its biases have moved
    known = PLAIN.assign(initial_weight=1.0)
    model, artifact = e2t.compile_graph(known, quiet=True)
    Setting(model, artifact, data(), None).ask("nodes", quiet=False)
    assert "trained" not in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_a_dead_relu_is_named(name: str) -> None:
    setting = customize(build(PLAIN), node_activation="relu")
    with torch.no_grad():
        setting.model.base_model.block(1).linear.bias.fill_(-100)  # r and s never open
        setting.model.base_model.block(2).linear.bias.zero_()
    row = METHODS[name]
    with pytest.warns(e2t.Edge2TorchWarning, match="scores of .* are zero") as caught:
        scores = setting.ask(row.target, name)
    text = str(caught[0].message)
    assert "'p', 'q'" in text
    assert "ReLU" in text
    assert row.name in text
    assert scores is not None


def test_samples_that_are_their_own_baseline() -> None:
    setting = SETTINGS["skips"]()
    for target in ("features", "nodes", "edges"):
        with pytest.warns(e2t.Edge2TorchWarning, match="every sample equals its baseline"):
            setting.ask(target, baselines=setting.data)


def test_a_head_that_does_not_listen() -> None:
    setting = SETTINGS["customized"]()
    with torch.no_grad():
        setting.model.head[0].weight.zero_()
    with pytest.warns(e2t.Edge2TorchWarning, match="weights of zero behind"):
        setting.ask("nodes", output=[1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backend", ["feedforward", "gnn"])
def test_the_layer_where_numbers_end(name: str, backend: str) -> None:
    setting = build(SKIPS, "deep", backend=backend)
    first = setting.model.edge_layers()[0]
    with torch.no_grad():
        first.bias[setting.artifact.node_names_by_layer["layer_1"].index("p")] = torch.nan
    with pytest.raises(e2t.Edge2TorchError, match=r"finite from layer_1 on.*'p'.*'cell 0'"):
        setting.ask(METHODS[name].target, name)


def test_infinite_inputs_are_not_hidden() -> None:
    setting = build(PLAIN)
    rows = data()
    rows.iloc[0, 0] = 3e38
    asked = Setting(setting.model, setting.artifact, pd.concat([rows] * 2), None)
    with torch.no_grad():
        setting.model.block(0).linear.weight.fill_(1e3)
    with pytest.raises(e2t.Edge2TorchError, match="layer_1"):
        asked.ask("nodes")
