"""One pass scores all nodes as Captum does site by site."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import captum.attr
import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr._utils.approximation_methods import approximation_parameters
from torch import nn

import edge2torch as e2t
from edge2torch.compile import BACKENDS
from edge2torch.interpret import METHODS
from edge2torch.interpret._engines import _conductance as passed
from edge2torch.interpret._engines import _task as chunks
from edge2torch.interpret._engines._walk import Path
from edge2torch.interpret._trust._stack import stack_replicates
from edge2torch.nn._whole._conductance import Passed
from edge2torch.simulate import layered_graph, random_dag
from tests.interpret.settings import SETTINGS, SKIPS, Setting, build, customize, double

BASELINE = {"a": 0.5, "b": -1.0, "c": 2.0}
OURS = [name for name, row in METHODS.items() if row.engine == "path"]
# every backend takes part; these have settings of their own
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "recurrent": [{"steps": 4}, {"steps": "converge"}, {"steps": 3, "cell": "gated"}],
    "gnn": [{"steps": 3}, {"steps": 2, "norm": "softmax", "residual": False}],
}
CASES = [
    (backend.name, options) for backend in BACKENDS for options in OPTIONS.get(backend.name, [{}])
]


def customized(backend: str, options: dict[str, Any]) -> Setting:
    torch.manual_seed(1)
    setting = build(SKIPS, backend=backend, **options)
    head = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return customize(setting, output=1, node_activation="tanh", head=head)


def by_captum(setting: Setting, name: str, **options: Any) -> dict[str, np.ndarray]:
    """Scores at every site from a call of Captum's own class for each."""
    base = getattr(setting.model, "base_model", setting.model)
    x = setting.x.requires_grad_()
    if METHODS[name].needs_output:
        options["target"] = setting.output
    setting.model.eval()
    found = {}
    for site, module in base.sites().items():
        scores = getattr(captum.attr, name)(setting.model, module).attribute(x, **options)
        if scores.dim() == 3:
            scores = scores.sum(2) if METHODS[name].by_gradient else scores.mean(2)
        found[site] = scores.detach().numpy()
    return found


def assert_equal(
    setting: Setting, name: str, found: dict[str, pd.DataFrame], expected: Any
) -> None:
    tolerance = 1e-10 if setting.x.dtype == torch.float64 else 1e-5
    if name == "InternalInfluence":  # Captum keeps its step sizes in float32
        tolerance = max(tolerance, 1e-7)
    for site, table in found.items():
        nodes = setting.artifact.node_names_by_site[site]
        theirs = pd.DataFrame(expected[site], setting.data.index, nodes)[table.columns]
        apart = np.abs(table - theirs).to_numpy().max()
        assert apart <= tolerance * np.abs(theirs).to_numpy().max(), site


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_equal_to_captum_site_by_site(case: tuple[str, dict[str, Any]], name: str) -> None:
    for setting in (customized(*case), double(customized(*case))):
        options = {"n_steps": 7} if METHODS[name].cost == "steps" else {}
        found = setting.ask("nodes", name, attribute_kwargs=options)
        if case[1].get("steps") == "converge" and METHODS[name].by_gradient:
            read = setting.artifact.output_names  # Captum sees these; for the others: test_steady
            found = {site: table[read] for site, table in found.items()}
        assert_equal(setting, name, found, by_captum(setting, name, **options))


@pytest.mark.parametrize("rule", ["riemann_left", "riemann_trapezoid", "gausslegendre"])
@pytest.mark.parametrize("name", ["LayerConductance", "InternalInfluence"])
def test_captums_arguments_keep_their_meaning(name: str, rule: str) -> None:
    setting = double(SETTINGS["customized"]())
    baseline = torch.tensor([[0.5, -1.0, 2.0]]).double()
    options = {"n_steps": 5, "method": rule}
    found = setting.ask("nodes", name, baselines=BASELINE, attribute_kwargs=options)
    expected = by_captum(setting, name, baselines=baseline, **options)
    assert_equal(setting, name, found, expected)
    for size in (1, 3, 4, 9):
        few = {**options, "internal_batch_size": size}
        found = setting.ask("nodes", name, baselines=BASELINE, attribute_kwargs=few)
        assert_equal(setting, name, found, expected)


def test_convergence_deltas_equal_captums() -> None:
    setting = double(SETTINGS["customized"]())
    _, deltas = setting.ask(
        "nodes", baselines=BASELINE, return_convergence_delta=True, attribute_kwargs={"n_steps": 3}
    )
    baseline = torch.tensor([[0.5, -1.0, 2.0]]).double()
    for site, module in setting.model.base_model.sites().items():
        engine = captum.attr.LayerConductance(setting.model.eval(), module)
        _, expected = engine.attribute(
            setting.x, baselines=baseline, target=1, n_steps=3, return_convergence_delta=True
        )
        np.testing.assert_allclose(deltas[site], expected.detach(), atol=1e-12)


def test_inputs_are_a_site_as_well() -> None:
    setting = double(SETTINGS["skips"]())
    found = setting.ask("nodes", nodes="all")["layer_0"]
    sums = setting.ask("features", attribute_kwargs={"n_steps": 200})
    np.testing.assert_allclose(found, sums, atol=2e-3)


def test_only_captum_can_do_what_only_captum_takes() -> None:
    setting = SETTINGS["skips"]()
    slope = setting.ask(
        "nodes", "LayerGradientXActivation", constructor_kwargs={"multiply_by_inputs": False}
    )
    value = setting.ask("nodes", "LayerActivation")
    product = setting.ask("nodes", "LayerGradientXActivation")
    for site, table in product.items():
        np.testing.assert_allclose(slope[site] * value[site], table, atol=1e-6)


@pytest.mark.parametrize("target", ["features", "nodes", "edges"])
def test_several_outputs_in_one_call(target: str) -> None:
    setting = SETTINGS["skips"]()
    wanted = ["late", "deep"]
    single = {name: setting.ask(target, output=name, level="summary") for name in wanted}
    runs = count_runs(setting)
    both = setting.ask(target, output=wanted, level="summary")
    together = runs.count
    setting.ask(target, output="deep", level="summary")
    if target != "features":
        assert together == runs.count - together  # the second output needed no run of its own
    for name in wanted:
        own = both[name] if target != "edges" else both[both["output"] == name]
        columns = single[name].columns
        np.testing.assert_array_equal(own[columns].to_numpy(), single[name].to_numpy())
    if target != "edges":
        assert both.columns.names[0] == "target"
    sites, deltas = setting.ask(
        "nodes", output=wanted, level="sites", return_convergence_delta=True
    )
    assert list(sites["layer_1"].columns.unique("target")) == wanted
    assert list(deltas["late"].columns) == list(sites)


class Runs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        self.count += 1
        return y


def count_runs(setting: Setting) -> Runs:
    runs = Runs()
    setting.model.register_forward_hook(lambda *_: runs(_[2]))
    return runs


def test_lists_of_outputs_that_cannot_be() -> None:
    setting = SETTINGS["skips"]()
    for wanted, words in {
        (): "output is empty",
        ("deep", "deep"): "'deep' more than once",
        ("deep", "laet"): "Nearest to 'laet': 'late'",
    }.items():
        with pytest.raises(e2t.Edge2TorchError, match=words):
            setting.ask("nodes", output=list(wanted))


def test_nodes_by_name() -> None:
    setting = SETTINGS["skips"]()
    whole = setting.ask("nodes", level="summary", nodes="all")
    some = setting.ask("nodes", level="summary", nodes=["r", "a"])
    pd.testing.assert_frame_equal(some, whole[["a", "r"]])
    with pytest.raises(e2t.Edge2TorchError, match="Nearest to 'lat': 'late'"):
        setting.ask("nodes", nodes=["lat"])


@pytest.mark.parametrize("target", ["nodes", "edges"])
@pytest.mark.parametrize("memory", [1, 40_000])
def test_memory_bounds_do_not_change_scores(
    monkeypatch: pytest.MonkeyPatch, memory: int, target: str
) -> None:
    setting = double(SETTINGS["skips"]())
    for name, row in METHODS.items():
        if row.target == target and row.engine != "captum":
            few = {"attribute_kwargs": {"n_steps": 5}} if row.cost == "steps" else {}
            expected = setting.ask(target, name, level="summary", **few)
            with monkeypatch.context() as patch:
                patch.setattr(chunks, "BYTES_AT_ONCE", {"cpu": memory})
                found = setting.ask(target, name, level="summary", **few)
            pd.testing.assert_frame_equal(found, expected, atol=1e-12)


def test_float32_data_of_a_float64_model() -> None:
    setting = double(SETTINGS["skips"]())
    asked = replace(setting, data=setting.data.astype("float32"))
    assert set(asked.ask("nodes", level="summary").dtypes) == {np.dtype("float64")}


def test_scores_of_nodes_load_neither_captum_nor_statistics() -> None:
    code = (
        "import sys, pandas as pd, torch, edge2torch as e2t\n"
        "edges = pd.DataFrame({'source': ['a', 'h'], 'target': ['h', 'y']})\n"
        "model, artifact = e2t.compile_graph(edges, quiet=True)\n"
        "e2t.interpret_model(model, artifact, torch.ones(3, 1), target='nodes', quiet=True)\n"
        "assert not {'captum', 'scipy.stats'} & {*sys.modules}, 'half a second each'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("n", [1, 2, 51])
def test_the_points_of_a_path_are_captums(n: int) -> None:
    lengths, places = approximation_parameters("gausslegendre")
    assert Path.of("gausslegendre", n) == Path(places(n), lengths(n))


def walked(engine: str, **options: Any) -> tuple[nn.Module, Any]:
    """A graph of several layers, with norms that have seen data, and a head that changes values in place."""
    model, artifact = e2t.compile_graph(
        random_dag(40, 140, seed=1, n_inputs=6), seed=0, quiet=True, engine=engine
    )
    torch.manual_seed(0)
    head = nn.Sequential(
        nn.Linear(len(artifact.output_names), 5), nn.ReLU(inplace=True), nn.Linear(5, 2)
    )
    model = e2t.customize_model(model, head=head, artifact=artifact, **options).double()
    model(torch.randn(9, 6).double() + 1)
    return model, artifact


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples each call of one pass had."""
    seen = []
    conductance = Passed.conductance

    def counted(self: Passed, *arguments: Any) -> Any:
        seen.append(len(self.x))
        return conductance(self, *arguments)

    monkeypatch.setattr(Passed, "conductance", counted)
    return seen


@pytest.mark.parametrize("n_steps", [1, 3, 20, 50, 63, 64, 130])
@pytest.mark.parametrize(
    "modules",
    [
        {"node_activation": "tanh"},
        {"node_activation": "silu", "node_normalization": "batch", "node_dropout": 0.2},
        {},
    ],
    ids=str,
)
def test_conductance_in_one_pass(
    modules: dict[str, Any], n_steps: int, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(passed.BYTES_AT_ONCE, "cpu", 2 * 64 * 4 * 8 * 6)  # two blocks at once
    x = torch.randn(7, 6, generator=torch.Generator().manual_seed(1)).double()
    options = {"output": [1, 0], "quiet": True, "attribute_kwargs": {"n_steps": n_steps}}
    answers = []
    learnt = walked("graph", **modules)[0].state_dict()
    for engine in ("graph", "layers"):
        model, artifact = walked(engine, **modules)
        model.load_state_dict(learnt)  # engines drop other nodes
        answers.append(
            e2t.interpret_model(model, artifact, x, "nodes", baselines=x[:1] / 3, **options)
        )
    assert passes, "layer by layer"
    assert max(passes) <= max(2, -(-n_steps // 63)) * 64
    for site, table in answers[1].items():
        pd.testing.assert_frame_equal(answers[0][site], table, rtol=1e-10, atol=1e-12)


def test_one_pass_explains_an_output_of_each_sample(passes: list[int]) -> None:
    x, of_each = torch.randn(5, 6).double(), [1, 0, 0, 1, 1]
    model, artifact = walked("graph", node_activation="tanh")
    ask = {"target": "nodes", "quiet": True, "level": "summary"}
    each = e2t.interpret_model(model, artifact, x, output=np.array(of_each), **ask)
    for row, column in enumerate(of_each):
        one = e2t.interpret_model(model, artifact, x[row : row + 1], output=column, **ask)
        np.testing.assert_allclose(each.iloc[[row]], one, rtol=1e-10)
    assert len(passes) == 6


def test_one_pass_in_parts_of_a_graph_that_is_cut_and_on_two_threads(passes: list[int]) -> None:
    pair = e2t.compile_graph(layered_graph([300, 200, 60], [600, 200], seed=0), quiet=True)
    stack = stack_replicates(pair, 30)
    x = torch.randn(3, 300)
    model = nn.Sequential(stack.base, Total())
    found, threads = [], torch.get_num_threads()
    try:
        for engine, n in (("graph", 1), ("graph", 2), ("layers", 1)):
            torch.set_num_threads(n)
            stack.base.engine = engine
            found.append(
                e2t.interpret_model(
                    model, stack.artifact, x, "nodes", quiet=True, level="summary", nodes="hidden"
                )
            )
    finally:
        torch.set_num_threads(threads)
    assert len(passes) == 2
    assert stack.base._whole.layout.divides
    pd.testing.assert_frame_equal(found[0], found[1])
    scale = found[2].abs().to_numpy().max()
    np.testing.assert_allclose(found[0], found[2], rtol=0, atol=1e-6 * scale)


class Total(nn.Module):
    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return y.tanh().sum(1)


def test_what_is_watched_or_fed_goes_layer_by_layer(passes: list[int]) -> None:
    x = torch.randn(3, 6).double()
    expected, artifact = walked("layers", node_activation="tanh")
    ask = {"target": "nodes", "quiet": True, "level": "summary", "output": 0}
    table = e2t.interpret_model(expected, artifact, x, **ask)
    model, artifact = walked("graph", node_activation="tanh")
    hook = model.base_model.blocks[1].register_forward_hook(lambda *_: None)
    pd.testing.assert_frame_equal(e2t.interpret_model(model, artifact, x, **ask), table)
    hook.remove()
    e2t.interpret_model(model, artifact, x, nodes="all", **ask)  # inputs have no place in the pass
    assert not passes
