"""All methods run on all kinds of model, and leave no trace."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch._core import console
from edge2torch.errors import MissingDependencyError
from edge2torch.interpret import METHODS
from edge2torch.interpret._engines import _task as chunks
from tests.interpret.settings import PLAIN, SETTINGS, SKIPS, Setting, build, customize

names = pytest.mark.parametrize("name", METHODS)


def tables(result: Any) -> dict[str, pd.DataFrame]:
    return result if isinstance(result, dict) else {"layer_0": result}


def assert_same(left: Any, right: Any, **tolerance: float) -> None:
    for layer, table in tables(left).items():
        pd.testing.assert_frame_equal(table, tables(right)[layer], **tolerance)


def snapshot(setting: Setting) -> list[Any]:
    """Everything of a model that a method might touch."""
    kept: list[Any] = []
    for module in setting.model.modules():
        hooks = [len(v) for k, v in vars(module).items() if k.endswith("_hooks")]
        kept.append((sorted(vars(module)), module.training, hooks))
    kept += [(p.requires_grad, p.grad is None, p.sum().item()) for p in setting.model.parameters()]
    kept += [buffer.double().sum().item() for buffer in setting.model.buffers()]
    kept += [torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()]  # noqa: NPY002
    return kept


@names
@pytest.mark.parametrize("kind", SETTINGS)
def test_every_method_answers_by_name_and_leaves_no_trace(kind: str, name: str) -> None:
    setting, method = SETTINGS[kind](), METHODS[name]
    setting.model.train()
    next(setting.model.parameters()).requires_grad_(False)
    before = snapshot(setting)
    level = {"level": "samples"} if method.target == "edges" else {}
    result = setting.ask(method.target, name, return_convergence_delta=method.delta, **level)
    assert snapshot(setting) == before

    if method.delta:
        result, deltas = result
        pd.testing.assert_index_equal(deltas.index, setting.data.index)
        assert np.isfinite(deltas.to_numpy()).all()
    layers = dict(setting.artifact.node_names_by_layer)
    features = {"layer_0": layers.pop("layer_0")}
    expected = features if method.target == "features" else layers
    if method.target == "edges":
        expected = {"layer_0": list(setting.artifact.graph.edges.itertuples(False, None))}
    assert {k: t.columns.tolist() for k, t in tables(result).items()} == expected
    for table in tables(result).values():
        pd.testing.assert_index_equal(table.index, setting.data.index)
        assert np.isfinite(table.to_numpy()).all()
        assert set(table.dtypes) == {np.dtype("float64" if kind == "float64" else "float32")}
    assert any(table.abs().to_numpy().max() > 1e-6 for table in tables(result).values())


class Elu(nn.Module):
    """Written over what it is given, without a flag that says so."""

    def __init__(self, writes: bool) -> None:
        super().__init__()
        self.writes = writes

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return nn.functional.elu(y, inplace=self.writes)


class Doubled(nn.Module):
    """The same around a whole model, at its inputs and its output."""

    def __init__(self, inner: nn.Module, writes: bool) -> None:
        super().__init__()
        self.inner, self.writes = inner, writes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.writes:
            return self.inner(x + 1) * 2
        x += 1
        y = self.inner(x)
        y *= 2
        return y


def of_elus(elu: Any) -> Setting:
    setting = build(SKIPS)
    torch.manual_seed(1)
    head = nn.Sequential(elu(), nn.Linear(3, 2), elu(), nn.Linear(2, 2))
    return customize(setting, output=1, node_activation=elu(), head=head)


def doubled(writes: bool, **options: Any) -> Setting:
    setting = customize(build(SKIPS, "deep", **options), node_activation="tanh")
    return replace(setting, model=Doubled(setting.model, writes))


OVERWRITING: dict[str, Callable[[bool], Setting]] = {
    "module": lambda writes: of_elus(lambda: nn.ELU(inplace=writes)),
    "function": lambda writes: of_elus(lambda: Elu(writes)),
    "around": doubled,
    "around gnn": lambda writes: doubled(writes, backend="gnn", steps=2),
}


@names
@pytest.mark.parametrize("kind", OVERWRITING)
def test_values_that_the_model_overwrites_are_seen_before(kind: str, name: str) -> None:
    method = METHODS[name]
    if kind in ("function", "around gnn") and name in ("LRP", "LayerLRP"):
        pytest.skip("no rule for these modules, in place or not")
    plain, writing = (OVERWRITING[kind](writes) for writes in (False, True))
    expected = plain.ask(method.target, name)
    assert_same(writing.ask(method.target, name), expected, rtol=1e-5, atol=1e-7)
    if kind == "module":
        assert all(m.inplace for m in writing.model.modules() if isinstance(m, nn.ELU))


@names
def test_an_error_leaves_no_trace(name: str) -> None:
    setting = SETTINGS["customized"]()
    setting.model.train()

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    handle = setting.model.head[3].register_forward_hook(fail)
    before = snapshot(setting)
    with pytest.raises(ZeroDivisionError):
        setting.ask(METHODS[name].target, name)
    assert snapshot(setting) == before
    handle.remove()


@pytest.mark.parametrize(
    ("name", "memory"),
    [
        *((m.name, 150_000) for m in METHODS.values() if m.between_samples or not m.random),
        ("LayerConductance", 1),
        ("IntegratedGradients", 1),
    ],
)
def test_small_memory_gives_the_same_scores(
    name: str, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, setting = METHODS[name], SETTINGS["skips"]()
    at_once = setting.ask(method.target, name)
    monkeypatch.setattr(chunks, "BYTES_AT_ONCE", {"cpu": memory})
    assert_same(setting.ask(method.target, name), at_once, atol=1e-5)


@pytest.mark.parametrize("name", [m.name for m in METHODS.values() if m.random])
def test_a_seed_decides_random_numbers(name: str) -> None:
    method, setting = METHODS[name], SETTINGS["skips"]()
    first = setting.ask(method.target, name, seed=1)
    torch.rand(3)
    assert_same(setting.ask(method.target, name, seed=1), first)
    if not name.endswith("DeepLiftShap"):  # all the data is the set, whatever the seed
        others = [tables(setting.ask(method.target, name, seed=seed)) for seed in (2, 3, 4)]
        layer, scores = next(iter(tables(first).items()))
        assert not all(np.allclose(other[layer], scores) for other in others)


@names
def test_one_sample(name: str) -> None:
    setting, method = SETTINGS["skips"](), METHODS[name]
    if method.between_samples:
        with pytest.raises(e2t.Edge2TorchError, match="two or more"):
            e2t.interpret_model(
                setting.model, setting.artifact, setting.data[:1], method.target, name, quiet=True
            )
        return
    level = "samples" if method.target == "edges" else "summary"
    one = e2t.interpret_model(
        setting.model,
        setting.artifact,
        setting.data[:1],
        method.target,
        name,
        level=level,
        output="deep",
        baselines=None if method.baselines != "set" else 0.0,
        quiet=True,
    )
    if not method.random:
        whole = setting.ask(method.target, name, level=level)
        pd.testing.assert_frame_equal(one, whole[:1], atol=1e-6)


def test_a_layer_that_leads_nowhere_scores_zero() -> None:
    """An output at depth 1 while deeper nodes are computed and not read."""
    with pytest.warns(e2t.Edge2TorchWarning, match="reach no output"):
        setting = build(PLAIN, outputs=["p"], unused="keep")
    for name in ("LayerConductance", "LayerLRP", "LayerFeatureAblation"):
        scores = setting.ask("nodes", name)
        assert scores["layer_1"]["p"].abs().min() > 0
        np.testing.assert_allclose(scores["layer_1"]["q"], 0, atol=1e-6)
        np.testing.assert_allclose(scores["layer_2"], 0, atol=1e-6)
    activations = setting.ask("nodes", "LayerActivation")
    assert (activations["layer_2"] != 0).all(axis=None)


def test_deeplift_says_where_it_has_no_rule() -> None:
    setting = customize(build(PLAIN), node_activation="gelu")
    with pytest.warns(e2t.Edge2TorchWarning, match="no rule for 'GELU'"):
        setting.ask("features", "DeepLift")


def test_dropout_is_off() -> None:
    setting = customize(build(PLAIN), node_dropout=0.5, head=nn.Dropout(0.5))
    setting.model.train()
    assert_same(setting.ask("features", seed=1), setting.ask("features", seed=2))


@pytest.mark.parametrize("name", ["DeepLift", "LRP", "IntegratedGradients"])
def test_inference_mode_and_no_grad(name: str) -> None:
    setting = SETTINGS["skips"]()
    expected = setting.ask("features", name)
    with torch.no_grad():
        assert_same(setting.ask("features", name), expected)
    with torch.inference_mode():
        assert_same(setting.ask("features", name), expected)


@pytest.mark.usefixtures("watched")
def test_a_bar_shows_where_it_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    setting = SETTINGS["skips"]()
    setting.ask("nodes", quiet=False)
    assert "LayerConductance" in capsys.readouterr().err
    monkeypatch.setattr(console, "_PATIENCE", 60.0)
    setting.ask("nodes", quiet=False)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(console, "_PATIENCE", 0.0)
    monkeypatch.setattr(console, "is_watched", lambda: False)  # a log
    setting.ask("nodes", quiet=False)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(console, "is_watched", lambda: True)
    setting.ask("nodes", quiet=True)
    assert capsys.readouterr() == ("", "")


def test_without_scikit_learn_two_methods_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting = SETTINGS["plain"]()
    monkeypatch.setitem(sys.modules, "sklearn", None)
    for name in ("Lime", "KernelShap"):
        with pytest.raises(MissingDependencyError, match=re.escape('"edge2torch[modules]"')):
            setting.ask("features", name)
    setting.ask("features", "ShapleyValues")
