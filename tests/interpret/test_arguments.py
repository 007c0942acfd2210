"""What may be written in each place, and what is said to the rest."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from tests.interpret.settings import PLAIN, SETTINGS, SKIPS, Setting, build, customize


@pytest.fixture
def skips() -> Setting:
    return SETTINGS["skips"]()


def refuses(setting: Setting, *words: str, **options: Any) -> None:
    target = options.pop("target", "features")
    with pytest.raises(e2t.Edge2TorchError) as caught:
        setting.ask(target, **options)
    for word in words:
        assert re.search(word, str(caught.value)), f"{word!r} not in: {caught.value}"


# ------------------------------------------------------------------------------ methods


@pytest.mark.parametrize("name", ["InputXGradient", "input_x_gradient", "inputxgradient"])
def test_names_in_any_spelling(skips: Setting, name: str) -> None:
    expected = skips.ask("features", "InputXGradient")
    pd.testing.assert_frame_equal(skips.ask("features", name), expected)


def test_unknown_methods_targets_and_options(skips: Setting) -> None:
    refuses(skips, "'IntegratedGradiants' is not known", "Nearest to 'IntegratedGradiants': 'IntegratedGradients'",
            "'KernelShap'", method="IntegratedGradiants")  # fmt: skip
    refuses(skips, "method must be a name", method=3)
    refuses(skips, "'LayerConductance' belongs to target 'nodes'", method="LayerConductance")
    refuses(skips, "'Saliency' belongs to target 'features'", target="nodes", method="saliency")
    refuses(
        skips,
        "target must be one of 'features', 'nodes', 'edges'.*Nearest to 'edge': 'edges'",
        target="edge",
    )
    refuses(skips, "level must be one of", level="table")
    refuses(skips, "nodes must be one of", nodes="some")
    refuses(skips, "site_aggregation must be one of", site_aggregation="mean")
    refuses(skips, "quiet must be True or False", quiet="yes")
    refuses(skips, "Saliency has none", "'IntegratedGradients'", method="Saliency",
            return_convergence_delta=True)  # fmt: skip


def test_arguments_of_captum(skips: Setting) -> None:
    coarse = skips.ask("features", attribute_kwargs={"n_steps": 2, "method": "riemann_left"})
    assert not np.allclose(coarse, skips.ask("features"))
    slope = skips.ask("features", constructor_kwargs={"multiply_by_inputs": False})
    np.testing.assert_allclose(slope * skips.data[slope.columns], skips.ask("features"), atol=1e-6)
    few = skips.ask("features", attribute_kwargs={"internal_batch_size": 3})
    np.testing.assert_allclose(few, skips.ask("features"), atol=1e-6)
    refuses(skips, r"attribute_kwargs\['steps'\]", "Nearest to 'steps': 'n_steps'", "'internal_batch_size'",
            attribute_kwargs={"steps": 2})  # fmt: skip
    one = skips.ask("features", baselines=1.0)
    pd.testing.assert_frame_equal(skips.ask("features", attribute_kwargs={"baselines": 1.0}), one)
    refuses(skips, "say the same", baselines=1.0, attribute_kwargs={"baselines": 1.0})
    refuses(skips, "pass it as data=", attribute_kwargs={"inputs": 0})
    refuses(skips, "'attribute_to_layer_input'", target="nodes",
            attribute_kwargs={"attribute_to_layer_input": True})  # fmt: skip
    refuses(skips, r"constructor_kwargs\['depth'\]", constructor_kwargs={"depth": 1})
    refuses(skips, "attribute_kwargs must be a dict", attribute_kwargs=[1])
    refuses(skips, "'gamma'.*'epsilon'", method="LRP", attribute_kwargs={"gamma": 1})


def test_features_may_be_joined_by_a_mask(skips: Setting) -> None:
    mask = torch.tensor([[0, 0, 1]])
    scores = skips.ask("features", "FeatureAblation", attribute_kwargs={"feature_mask": mask})
    np.testing.assert_array_equal(scores["a"], scores["b"])
    each = mask.repeat(len(skips.data), 1)
    same = skips.ask("features", "FeatureAblation", attribute_kwargs={"feature_mask": each})
    pd.testing.assert_frame_equal(same, scores)


def test_all_orders_of_many_features_are_refused() -> None:
    edges = pd.DataFrame({"source": [f"g{k}" for k in range(12)], "target": "y"})
    setting = build(edges)
    data = pd.DataFrame(np.eye(12), columns=setting.artifact.feature_names)
    setting = replace(setting, data=data)
    refuses(setting, "every order of 12 features", "ShapleyValueSampling", method="ShapleyValues")
    mask = torch.arange(12).unsqueeze(0) // 4
    setting.ask("features", "ShapleyValues", attribute_kwargs={"feature_mask": mask})


# ------------------------------------------------------------------------------ outputs


def test_an_output_by_name_index_or_captums_target(skips: Setting) -> None:
    names = skips.artifact.output_names
    by_name = skips.ask("features", output="late")
    for index in (names.index("late"), np.int64(names.index("late"))):
        pd.testing.assert_frame_equal(skips.ask("features", output=index), by_name)
    for target in ("late", names.index("late"), torch.tensor(names.index("late"))):
        options = {"output": None, "attribute_kwargs": {"target": target}}
        pd.testing.assert_frame_equal(skips.ask("features", **options), by_name)
    assert not np.allclose(by_name, skips.ask("features", output="early"))


@pytest.mark.parametrize(
    "method",
    [
        "IntegratedGradients",
        "DeepLift",
        "DeepLiftShap",
        "FeatureAblation",
        "Lime",
        "LRP",
        "LayerConductance",
        "LayerDeepLiftShap",
        "LayerFeaturePermutation",
    ],
)
def test_an_output_for_each_sample(skips: Setting, method: str) -> None:
    target = "nodes" if method.startswith("Layer") else "features"
    wanted = ["late", "deep", "late", "early"]
    options = {"level": "summary", "method": method}
    both = skips.ask(target, output=None, attribute_kwargs={"target": wanted}, **options)
    single = {name: skips.ask(target, output=name, **options) for name in set(wanted)}
    for row, name in enumerate(wanted):
        if method not in {"Lime", "LayerFeaturePermutation"}:  # these draw for all samples
            np.testing.assert_allclose(both.iloc[row], single[name].iloc[row], atol=1e-6)


def test_outputs_that_are_missing_or_wrong(skips: Setting) -> None:
    refuses(skips, "the model has 3 outputs", "'deep', 'early', 'late'", "0 to 2", output=None)
    refuses(skips, "'laet' is not an output node", "Nearest to 'laet': 'late'", output="laet")
    refuses(skips, "output 3 is out of range", output=3)
    refuses(skips, "output -1 is out of range", output=-1)
    refuses(skips, "name of an output node or an index", output=1.5)
    refuses(skips, "name of an output node or an index", output=True)
    refuses(skips, "say the same", attribute_kwargs={"target": 0})
    refuses(skips, "2 entries for 4", output=None, attribute_kwargs={"target": [0, 1]})
    scores = skips.ask("nodes", "LayerActivation", output=None)  # has no use for an output
    assert list(scores) == ["layer_1", "layer_2", "layer_3"]


def test_names_end_at_a_head() -> None:
    headed = customize(build(SKIPS), head=nn.Linear(3, 3))
    refuses(headed, "takes their names away", "index: 0 to 2", output="deep")
    refuses(headed, "the model has 3 outputs", "index: 0 to 2", output=None)
    headed.ask("features", output=2)
    elementwise = customize(build(SKIPS), activation=nn.Sigmoid(), dropout=0.1)
    elementwise.ask("features", output="deep")
    wrapped = build(SKIPS)
    wrapped = replace(wrapped, model=nn.Sequential(wrapped.model, nn.Tanh()))
    wrapped.ask("features", output="deep")


def test_a_model_that_returns_something_else() -> None:
    setting = build(PLAIN)
    for wrong in (nn.Unflatten(1, (2, 1)), nn.Flatten(0, 1)):
        model = nn.Sequential(setting.model, nn.Linear(1, 2), wrong)
        refuses(replace(setting, model=model), "must return a tensor", output=0)


# ------------------------------------------------------------------------------ data


def test_data_of_any_kind(skips: Setting) -> None:
    import anndata

    expected = skips.ask("features")
    values = skips.data[skips.artifact.feature_names].to_numpy(np.float32)
    cells = anndata.AnnData(
        skips.data.to_numpy(np.float32),
        obs=pd.DataFrame(index=skips.data.index),
        var=pd.DataFrame(index=skips.data.columns),
    )
    scores = replace(skips, data=cells).ask("features")
    pd.testing.assert_frame_equal(scores, expected)
    for plain in (values, torch.tensor(values), torch.tensor(values).double().requires_grad_()):
        scores = replace(skips, data=plain).ask("features")
        pd.testing.assert_frame_equal(scores, expected.reset_index(drop=True))
    assert values.tolist() == skips.data[skips.artifact.feature_names].to_numpy("f").tolist()


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([10, 7, 7, 1]),
        pd.date_range("2020-01-01", periods=4),
        pd.MultiIndex.from_product([["x", "y"], [1, 2]], names=["donor", "day"]),
    ],
)
def test_the_index_is_the_datas_own(skips: Setting, index: pd.Index) -> None:
    setting = replace(skips, data=skips.data.set_axis(index))
    scores, delta = setting.ask("features", return_convergence_delta=True)
    pd.testing.assert_index_equal(scores.index, index)
    pd.testing.assert_index_equal(delta.index, index)
    pd.testing.assert_index_equal(setting.ask("nodes", level="summary").index, index)


def test_data_that_cannot_be_used(skips: Setting) -> None:
    refuses(replace(skips, data=skips.data[:0]), "data has no rows")
    refuses(replace(skips, data=skips.data[["a", "b"]]), "no column for 1 of 3 input node.*'c'")
    refuses(replace(skips, data=skips.data.assign(a=np.nan)), "NaN")
    refuses(replace(skips, data=[1, 2, 3]), "found a list")


def test_data_is_left_as_it_was(skips: Setting) -> None:
    tensor = skips.x
    before = copy.deepcopy(skips.data), tensor.clone()
    skips.ask("features")
    replace(skips, data=tensor).ask("features", "DeepLift")
    pd.testing.assert_frame_equal(skips.data, before[0])
    assert torch.equal(tensor, before[1])
    assert not tensor.requires_grad


def test_an_artifact_of_another_model(skips: Setting) -> None:
    other = build(PLAIN)
    refuses(replace(skips, artifact=other.artifact), "artifact describes another graph")
    refuses(replace(skips, model=nn.Linear(3, 1)), "holds no model made by compile_graph")


# ------------------------------------------------------------------------------ baselines


@pytest.mark.parametrize(
    "method", ["IntegratedGradients", "DeepLift", "FeatureAblation", "GradientShap", "KernelShap"]
)
def test_baselines_in_every_form(skips: Setting, method: str) -> None:
    row = {"a": 0.5, "b": -1.0, "c": 2.0}
    expected = skips.ask("features", method, baselines=row)
    assert not np.allclose(expected, skips.ask("features", method, baselines=0))
    values = np.array([0.5, -1.0, 2.0])
    frame = pd.DataFrame([row])
    forms = [pd.Series(row)[["c", "a", "b"]], frame[["b", "c", "a"]], values, values.reshape(1, -1)]
    forms += [torch.tensor(values), pd.Series({**row, "not used": "x"})]
    if method != "GradientShap":  # which draws among the rows
        forms.append(frame.loc[[0] * len(skips.data)].set_axis(skips.data.index[::-1]))
    for form in forms:
        scores = skips.ask("features", method, baselines=form)
        pd.testing.assert_frame_equal(scores, expected, rtol=1e-6)


def test_a_baseline_for_each_sample_is_matched_by_label(skips: Setting) -> None:
    baselines = skips.data * 0.5 + 1
    scores = skips.ask("features", baselines=baselines)
    for label in skips.data.index:
        alone = replace(skips, data=skips.data.loc[[label]])
        expected = alone.ask("features", baselines=baselines.loc[label])
        np.testing.assert_allclose(scores.loc[[label]], expected, atol=1e-6)
    reordered = skips.ask("features", baselines=baselines[::-1])
    pd.testing.assert_frame_equal(reordered, scores)


def test_reference_samples_are_drawn_from_the_data(skips: Setting) -> None:
    for method in ("DeepLiftShap", "GradientShap"):
        drawn = skips.ask("features", method)
        pd.testing.assert_frame_equal(skips.ask("features", method, baselines=skips.data), drawn)


def test_baselines_that_cannot_be_used(skips: Setting) -> None:
    refuses(skips, "Saliency compares with none", "'DeepLift'", method="Saliency", baselines=0)
    refuses(skips, "baselines has 3 rows for 4 sample", baselines=np.zeros((3, 3)))
    refuses(skips, "baselines has no rows", baselines=skips.data[:0])
    refuses(skips, "^baselines: .*no column for 2 of 3", baselines={"a": 1.0})
    refuses(skips, "baselines must be a number", baselines="zero")


# ------------------------------------------------------------------------------ levels


def test_nodes_and_levels() -> None:
    setting = SETTINGS["skips"]()
    sites = setting.ask("nodes")
    assert {layer: table.columns.tolist() for layer, table in sites.items()} == {
        "layer_1": ["early", "p", "q"],
        "layer_2": ["r"],
        "layer_3": ["deep", "late"],
    }
    hidden = setting.ask("nodes", nodes="hidden")
    assert {layer: table.columns.tolist() for layer, table in hidden.items()} == {
        "layer_1": ["p", "q"],
        "layer_2": ["r"],
    }
    whole = setting.ask("nodes", nodes="all")
    assert list(whole) == ["layer_0", *sites]
    assert whole["layer_0"].columns.tolist() == ["a", "b", "c"]
    joined = pd.concat(sites.values(), axis=1)
    for aggregation, expected in {
        "max_abs": joined,
        "last": joined,
        "mean_abs": joined.abs(),
    }.items():
        summary = setting.ask("nodes", level="summary", site_aggregation=aggregation)
        pd.testing.assert_frame_equal(summary, expected)
    _, deltas = setting.ask("nodes", nodes="hidden", return_convergence_delta=True)
    assert deltas.columns.tolist() == ["layer_1", "layer_2"]


def test_a_graph_without_hidden_nodes() -> None:
    setting = build(pd.DataFrame({"source": ["a", "b", "c"], "target": "y"}))
    assert setting.ask("nodes", nodes="hidden") == {}
    summary = setting.ask("nodes", nodes="hidden", level="summary")
    assert summary.shape == (4, 0)
    pd.testing.assert_index_equal(summary.index, setting.data.index)


# ------------------------------------------------------------------------------ wrappers


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_a_distributed_model(skips: Setting, process_group: None) -> None:
    wrapped = replace(skips, model=nn.parallel.DistributedDataParallel(skips.model))
    for target in ("features", "nodes"):
        expected = skips.ask(target, level="summary")
        pd.testing.assert_frame_equal(wrapped.ask(target, level="summary"), expected)


@pytest.mark.parametrize("wrap", ["whole", "inner", "in place"])
def test_a_compiled_model(skips: Setting, wrap: str) -> None:
    expected = {target: skips.ask(target, level="summary") for target in ("features", "nodes")}
    model = skips.model
    if wrap == "in place":
        model.compile(backend="eager")
    else:
        model = torch.compile(model, backend="eager")
        model = nn.Sequential(model, nn.Identity()) if wrap == "inner" else model
    model.train()
    with torch.no_grad():
        model(skips.x)  # compiled before hooks are there
    wrapped = replace(skips, model=model)
    for target, scores in expected.items():
        pd.testing.assert_frame_equal(wrapped.ask(target, level="summary"), scores)
    assert model.training


def test_every_parameter_fixed(skips: Setting) -> None:
    expected = skips.ask("features")
    skips.model.requires_grad_(False)
    pd.testing.assert_frame_equal(skips.ask("features"), expected)
    assert not any(parameter.requires_grad for parameter in skips.model.parameters())
