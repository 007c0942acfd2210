"""One pass reads memory by address: what lies otherwise there, or changes on the way, gives no other values."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch._core.messages import CALLED
from edge2torch.nn import drop_in_rows
from edge2torch.nn._whole import _threads

pytest.importorskip("numba")
CHAIN = [("a", "h"), ("b", "h"), ("h", "k"), ("k", "y")]


def model_of(edges, engine, *, weighted=False, **options):
    columns = ["source", "target", *(["initial_weight"] if weighted else [])]
    table = pd.DataFrame(edges, columns=columns)
    model, _ = e2t.compile_graph(table, quiet=True, seed=0, engine=engine, **options)
    return model.double()


def both(edges=CHAIN, **options):
    return [model_of(edges, engine, **options) for engine in ("graph", "layers")]


def agree(function, **options):
    found, expected = (function(one) for one in both(**options))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


X = torch.linspace(-1, 1, 10, dtype=torch.float64).view(5, 2)


@pytest.mark.parametrize(
    "lazy", [torch._neg_view, lambda x: torch._efficientzerotensor(x.shape, dtype=x.dtype)]
)
def test_values_that_are_not_in_memory(lazy):
    agree(lambda model: model(lazy(X)))

    def gradients(model):
        y = model(X)
        return torch.autograd.grad(y, [*model.parameters()], lazy(torch.ones_like(y)))

    agree(gradients)


def test_sparse_samples():
    agree(lambda model: model(X.to_sparse()))


def test_a_parameter_that_is_negated_on_the_way():
    def negated(model):
        name, value = next(iter(model.named_parameters()))
        return torch.func.functional_call(model, {name: torch._neg_view(value.detach())}, (X,))

    agree(negated)


def test_another_shape_at_the_same_address():
    buffer = torch.tensor([1, 2, 3, 4], dtype=torch.float64)

    def strided(model):
        weight = model.blocks[0].linear.weight
        weight.data = buffer[:2]
        model(X)
        weight.data = buffer[::2]
        return model(X)

    agree(strided)
    model = model_of(CHAIN, "graph")
    weight = model.blocks[0].linear.weight
    weight.data = buffer[:2]
    model(X)
    weight.data = buffer[:1]
    with pytest.raises(RuntimeError):
        model(X)


def test_second_gradients_of_a_weight_at_two_places():
    def tied(model):
        weight = model.blocks[1].linear.weight
        model.blocks[2].linear.weight = weight
        return torch.autograd.grad(model(X).sum(), weight, create_graph=True)[0]

    agree(tied)


def test_second_gradients_where_the_input_came_of_the_same_weights():
    def twice(model):
        weight = model.blocks[0].linear.weight
        first = model(X)
        y = model(torch.cat([first, first], 1)).sum()
        (once,) = torch.autograd.grad(y, weight, create_graph=True)
        return once, torch.autograd.grad(once.square().sum(), weight)[0]

    agree(twice)


def test_a_norm_that_stops_to_track_does_not_learn():
    def stopped(model):
        model = e2t.customize_model(
            model, node_normalization="batch", node_activation="tanh"
        ).double()
        norms = [one for one in model.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
        for one in norms:
            one.track_running_stats = False
        y = model.train()(X)
        return y, [one.running_mean for one in norms]

    agree(stopped)


@pytest.mark.filterwarnings("ignore:.*reach no output")
@pytest.mark.parametrize("outputs", [["h"], ["k"], ["h", "y"]])
def test_what_no_output_reads_has_no_gradient(outputs):
    edges = [*CHAIN, ("a", "k"), ("h", "y")]
    found = []
    for model in both(edges, outputs=outputs):
        model(X).sum().backward()
        found.append({name: one.grad is None for name, one in model.named_parameters()})
    assert found[0] == found[1]
    assert any(found[0].values()) == ("y" not in outputs)


def test_another_default_device():
    expected = model_of(CHAIN, "layers")(X)
    model = e2t.customize_model(model_of(CHAIN, "graph"), node_dropout=0.5)
    with torch.device("meta"):
        torch.testing.assert_close(model.eval()(X), expected)
        model.train()(X).sum().backward()


def test_many_gradients_at_once():
    def batched(model):
        x = X.clone().requires_grad_()
        y = model(x)
        many = torch.stack([torch.ones_like(y), 2 * torch.ones_like(y)])
        return torch.autograd.grad(y, x, many, is_grads_batched=True)

    agree(batched)


def test_an_input_of_inference():
    with torch.inference_mode():
        x = X.clone()
    model = model_of(CHAIN, "graph")
    with torch.no_grad():
        expected = model(X)
        torch.testing.assert_close(model(x), expected)


def test_settings_that_change_with_each_step_are_not_all_kept():
    model = e2t.customize_model(model_of(CHAIN, "graph"), node_dropout=0.5).train()
    drops = [one for one in model.modules() if isinstance(one, nn.Dropout)]
    for rate in np.linspace(0.1, 0.6, 200):
        for one in drops:
            one.p = float(rate)
        model(X)
    assert len(model.base_model._whole._tables) <= 64


def test_threads_end_before_an_interrupt_goes_on():
    ended = []

    def walk(like, is_first):
        if is_first:
            raise KeyboardInterrupt
        time.sleep(0.05)
        ended.append(True)

    like = np.zeros(0)
    CALLED.add((walk, like.dtype, like.ndim))
    with pytest.raises(KeyboardInterrupt):
        _threads.share_out(walk, [(like, True), (like, False), (like, False)])
    assert ended == [True, True]


def test_what_no_thread_begins_is_done_by_the_caller(monkeypatch):
    done = []

    def walk(like, k):
        done.append((k, threading.current_thread()))

    like = np.zeros(0)
    CALLED.add((walk, like.dtype, like.ndim))
    monkeypatch.setattr(_threads._POOL, "offer", lambda jobs: None)
    _threads.share_out(walk, [(like, k) for k in range(3)])
    assert done == [(k, threading.current_thread()) for k in range(3)]


def test_where_no_thread_begins_nothing_waits_for_one(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    done, pool, like = [], _threads._Pool(), np.zeros(0)
    walk = lambda like, k: done.append(k)  # noqa: E731
    CALLED.add((walk, like.dtype, like.ndim))
    monkeypatch.setattr(_threads, "_POOL", pool)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    _threads.share_out(walk, [(like, k) for k in range(3)])
    assert done == [0, 1, 2]
    assert pool._jobs.empty()  # they would hold their arrays for good


def test_an_error_of_another_thread_is_raised_after_all_have_ended():
    begun, ended = threading.Event(), []

    def walk(like, k):
        if k == 0:
            begun.wait(60)
            return
        begun.set()
        time.sleep(0.05)
        ended.append(k)
        raise ValueError(k)

    like = np.zeros(0)
    CALLED.add((walk, like.dtype, like.ndim))
    with pytest.raises(ValueError, match="1"):
        _threads.share_out(walk, [(like, k) for k in range(2)])
    assert ended == [1]


def test_a_share_is_done_after_an_interrupt_between_its_claim_and_its_work():
    done = []
    job = _threads._Job(done.append, (1,))
    assert job._claim.acquire(blocking=False)
    _threads._finish([job])
    assert done == [1]
    late = threading.Thread(target=job.run)  # who comes to it too late leaves it
    late.start()
    late.join()
    assert done == [1]


def test_threads_go_back_through_one_graph_at_a_time():
    model = model_of(CHAIN, "graph")
    y = model(X.repeat(50, 1)).sum()
    parameters = [*model.parameters()]
    expected = torch.autograd.grad(y, parameters, retain_graph=True)
    found = []

    def back():
        found.extend(torch.autograd.grad(y, parameters, retain_graph=True) for _ in range(20))

    threads = [threading.Thread(target=back) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert all(all(map(torch.equal, own, expected)) for own in found)


def test_rows_that_do_not_lie_one_after_the_other():
    pytest.importorskip("edge2torch.nn._whole._walk")
    x, which = torch.randn(2, 12, 3), torch.arange(2)
    rows = torch.arange(12).view(6, 2).t()
    found = []
    for own in (rows, rows.contiguous(), rows.int()):
        torch.manual_seed(0)
        found.append(drop_in_rows(x, which, own, 0.3))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_a_bias_that_comes_after_the_first_call_is_added_and_trained():
    def late(model):
        model(X)
        linear = model.block(1).linear
        linear.bias = nn.Parameter(torch.full((1,), 5.0, dtype=torch.float64))
        y = model(X)
        y.sum().backward()
        return y, linear.bias.grad

    agree(late, bias=False)


def test_another_forward_of_an_inner_module_is_called():
    def doubled(model):
        model(X)
        linear = model.block(0).linear
        usual = linear.forward
        linear.forward = lambda x: 2 * usual(x)
        return model(X)

    agree(doubled)


@pytest.mark.parametrize(("which", "row"), [(0, 10), (0, -11), (1, 0), (-2, 0)])
def test_rows_that_are_not_there_are_not_read(which, row):
    model_of(CHAIN, "graph")(X)  # the compiled reading is in use from here on
    with pytest.raises(IndexError):
        drop_in_rows(torch.zeros(1, 10, 3), torch.tensor([which]), torch.tensor([[0, row]]), 0.5)


@pytest.mark.parametrize("batch", [31, 32, 33, 96])
def test_what_fills_a_block_up_overflows_no_sooner_than_samples_do(batch):
    """Of a feature that is the same in all samples, each norm makes 300 times what differs from it."""
    edges = [("x", "h00"), *[(f"h{k:02d}", f"h{k + 1:02d}") for k in range(25)]]
    found = []
    for engine in ("graph", "layers"):
        model = model_of([(*edge, 1.0) for edge in edges], engine, weighted=True)
        model = e2t.customize_model(
            model, node_activation="leaky_relu", node_normalization="batch"
        ).float()
        x = torch.full((batch, 1), -1.0, requires_grad=True)
        y = model(x)
        y.sum().backward()
        gradients = [one.grad for one in model.parameters()]
        found.append([y.detach(), x.grad, *gradients, *model.buffers()])
    assert all(torch.isfinite(one).all() for one in found[1])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 4])
def test_memory_that_threads_share_counts_once(threads):
    model = model_of(CHAIN, "graph")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x = torch.randn(64 * threads, 2, dtype=torch.float64)
        model(x).sum().backward()
    finally:
        torch.set_num_threads(before)
    (plan,) = model._whole._watched.plans.values()
    (room,) = plan.free
    held = {id(one.base): one.base.nbytes for walk in room._walks for one in walk}
    gradients = sum(one.nbytes for one in room._gradients)
    assert plan.keeps
    assert abs(room.n_bytes - sum(held.values()) - gradients) <= 64 * 8


def test_numba_that_may_not_compile_is_done_without():
    code = (
        "import edge2torch as e2t, pandas as pd, torch\n"
        "t = pd.DataFrame({'source': ['a', 'h'], 'target': ['h', 'y']})\n"
        "m, _ = e2t.compile_graph(t, quiet=True, engine='graph')\n"
        "print(m(torch.ones(3, 1)).shape)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "NUMBA_DISABLE_JIT is set" in ran.stderr + ran.stdout
