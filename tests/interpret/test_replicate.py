"""Replicates: independent starts, a quality filter, and what they agree on."""

import copy
import functools
import json
import os
import pickle
import signal
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import edge2torch as e2t
from edge2torch.interpret import Replicates, rank_stability, replicate
from edge2torch.simulate import planted_nodes

EDGES = pd.DataFrame(
    [(f"g{k:02d}", f"tf_{k // 4}") for k in range(24)] + [(f"tf_{k}", "y") for k in range(6)],
    columns=["source", "target"],
)
TASK = planted_nodes(EDGES, effect=2.0, n_train=80, n_test=40, seed=0)
TEST = TASK.x_test


def start():
    model, artifact = e2t.compile_graph(EDGES, quiet=True)
    return e2t.customize_model(model, node_activation="tanh"), artifact


def loop(model, x):
    target = torch.tensor(TASK.y_train.to_numpy(), dtype=torch.float32)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(20):
        optimizer.zero_grad()
        y = model(x)
        outputs = y if y.dim() == 3 else [y]
        sum(
            nn.functional.binary_cross_entropy_with_logits(o[:, 0], target) for o in outputs
        ).backward()
        optimizer.step()


def inputs(table):
    return torch.tensor(table[sorted(table)].to_numpy(), dtype=torch.float32)


def train(model, seed):
    loop(model, inputs(TASK.x_train))
    with torch.no_grad():
        right = (model(inputs(TEST))[..., 0] > 0) == torch.tensor(TASK.y_test.to_numpy() == 1)
    return right.float().mean(-1).tolist()


@pytest.mark.usefixtures("watched")
def test_a_bar_counts_what_is_computed_together(capfd, monkeypatch):
    tqdm, counts = pytest.importorskip("tqdm").tqdm, []
    monkeypatch.setattr(tqdm, "close", lambda bar: counts.append(bar.n))
    options = {"n": 2, "seed": 1, "together": True}
    copies = []

    def loop_that_saves(model, seed):
        copies.extend([pickle.loads(pickle.dumps(model)), copy.deepcopy(model)])  # noqa: S301 - its own
        for one in copies:
            one(inputs(TEST))  # which is not counted
        return train(model, seed)

    found = [replicate(start, loop_that_saves, TEST, **options)]
    out, err = capfd.readouterr()
    assert (out, "2 networks together" in err) == ("", True)
    assert counts[0] == 21  # twenty steps, and the test
    found.append(replicate(start, train, TEST, quiet=True, **options))
    assert capfd.readouterr() == ("", "")
    pd.testing.assert_frame_equal(found[0].scores, found[1].scores)
    assert not any(one._forward_hooks for one in found[0].stack.modules())


def test_replicates_differ_and_agree_on_the_planted_node():
    found = replicate(start, train, TEST, n=4, seed=1, quiet=True)
    assert found.scores.shape == (4, 6)
    assert not np.allclose(found.scores.iloc[0], found.scores.iloc[1])
    assert found.summary().index[0] == TASK.causal[0]
    assert found.summary().loc[TASK.causal[0], "sign_consistency"] == 1.0
    assert found.quality.between(0.5, 1).all()
    assert found.kept.all()
    assert found.stability == pytest.approx(rank_stability(found.scores))


def test_together_is_apart():
    apart = replicate(start, train, TEST, n=3, seed=2, quiet=True)
    together = replicate(start, train, TEST, n=3, seed=2, together=True, quiet=True)
    pd.testing.assert_frame_equal(
        apart.scores,
        together.scores,
        rtol=2e-3,
        atol=1e-4,
        check_names=False,
        check_index_type=False,
    )
    pd.testing.assert_frame_equal(
        apart.means, together.means, rtol=2e-3, atol=1e-4, check_names=False, check_index_type=False
    )
    pd.testing.assert_series_equal(apart.quality, together.quality, atol=1e-6)


def untrained(model, seed):
    return None


@pytest.mark.parametrize("nodes", ["non_input", "all", "inputs", ["tf_2", "tf_0"], ["tf_1", "g03"]])
@pytest.mark.parametrize("shared", [True, False])
def test_a_stack_scores_the_nodes_that_are_asked_for(nodes, shared):
    pair = start()
    data = TEST if shared else [TEST[:9], TEST[9:18]]
    found = [
        replicate(pair, untrained, data, n=2, together=one, nodes=nodes, output=0, quiet=True)
        for one in (True, False)
    ]
    for name in ("scores", "means"):
        stacked, apart = (getattr(one, name) for one in found)
        assert list(stacked.columns) == list(apart.columns)
        np.testing.assert_allclose(stacked, apart, rtol=1e-4, atol=1e-6)


def test_each_replicate_may_have_its_own_samples():
    def own(stack, seed):
        x = inputs(TASK.x_train)
        loop(stack, torch.stack([x, x]))

    tables = [TEST[:10], TEST[10:20]]
    found = replicate(start, own, tables, n=2, seed=3, together=True, quiet=True)
    for k, table in enumerate(tables):
        alone = found.explain(table)
        pd.testing.assert_series_equal(alone.scores.iloc[k], found.scores.iloc[k], rtol=1e-3)


def test_same_seed_same_scores_and_a_pair_is_drawn_anew():
    pair = start()
    first = replicate(pair, train, TEST, n=2, seed=5, quiet=True)
    again = replicate(pair, train, TEST, n=2, seed=5, quiet=True)
    other = replicate(pair, train, TEST, n=2, seed=6, quiet=True)
    pd.testing.assert_frame_equal(first.scores, again.scores)
    assert not np.allclose(first.scores, other.scores)
    with torch.no_grad():
        assert not torch.equal(
            first.models[0](inputs(TEST)), pair[0](inputs(TEST))
        )  # the given model was not trained


class ThroughPickle(Executor):
    """What a pool of processes does to arguments and results, without the processes."""

    def submit(self, fn, /, *args):
        future = Future()
        future.set_result(pickle.loads(pickle.dumps(fn(*pickle.loads(pickle.dumps(args))))))  # noqa: S301
        return future


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ThroughPickle])
def test_any_executor_gives_the_same(pool):
    alone = replicate(start, train, TEST, n=2, seed=7, quiet=True)
    with pool() as executor:
        shared = replicate(start, train, TEST, n=2, seed=7, executor=executor, quiet=True)
    pd.testing.assert_frame_equal(alone.scores, shared.scores)


def test_worker_processes_give_the_bits_of_one_thread():
    pytest.importorskip("loky", reason="needs loky: edge2torch[processes]")
    x, seen = inputs(TASK.x_train), []

    def own(model, seed):  # as in a notebook: nothing that a process could import
        seen.append(seed)
        loop(model, x + 0.01 * torch.randn_like(x))

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = replicate(start, own, TEST, n=3, seed=7, quiet=True)
    finally:
        torch.set_num_threads(threads)
    assert len(seen) == 3
    shared = replicate(start, own, TEST, n=3, seed=7, executor=2, quiet=True)
    assert len(seen) == 3  # what the loop appends elsewhere stays there
    for one, other in zip(alone.models, shared.models, strict=True):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name


def test_a_killed_worker_loses_no_trained_network(tmp_path):
    pytest.importorskip("loky", reason="needs loky: edge2torch[processes]")
    mark, folder = tmp_path / "count", tmp_path / "set"

    def dies(model, seed):
        with mark.open("a") as count:
            count.write(".")
        if mark.stat().st_size == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return train(model, seed)

    given = {"n": 4, "seed": 7, "folder": folder, "quiet": True}
    with pytest.raises(e2t.Edge2TorchError, match="a worker process has ended"):
        replicate(start, dies, TEST, executor=1, **given)
    assert len(list(folder.glob("*.safetensors"))) == 2
    again = replicate(start, dies, TEST, **given)
    assert mark.stat().st_size == 5
    alone = replicate(start, train, TEST, n=4, seed=7, quiet=True)
    pd.testing.assert_frame_equal(again.scores, alone.scores)


def test_the_filter_drops_and_says_so(capsys):
    qualities = iter([0.9, 0.4, float("nan"), 0.8])

    def judged(model, seed):
        return next(qualities)

    found = replicate(start, judged, TEST, n=4, min_quality=0.5)
    assert found.kept.tolist() == [True, False, False, True]
    assert found.scores.index.tolist() == [0, 3]
    assert found.n_dropped == 2
    assert len(found.models) == 2
    assert "2 of 4 replicate(s) dropped" in capsys.readouterr().out


def for_one(model, seed):
    target = torch.zeros(len(TEST), 1)
    nn.functional.binary_cross_entropy_with_logits(model(inputs(TEST)), target).backward()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"min_quality": 2.0}, "none of 2 replicates reaches it"),
        ({"n": 0}, "n must be a whole number >= 1"),
        ({"compile_or_model": "graph"}, "must be a pair"),
        ({"train_fn": lambda model, seed: "good"}, "must return a number"),
        ({"train_fn": lambda model, seed: None, "min_quality": 0.5}, "returns its quality"),
        ({"train_fn": lambda model, seed: [1.0], "together": True}, "1 qualities for 2"),
        ({"data": [TEST]}, "1 tables for n=2"),
        ({"train_fn": TEST}, "train_fn must be your training loop"),
        ({"compile_or_model": start()[0]}, "must be a pair"),
        ({"train_fn": for_one, "together": True}, "add up their losses"),
        ({"together": True, "executor": object()}, "Choose one"),
    ],
)
def test_bad_input(options, said):
    given = {"compile_or_model": start, "train_fn": train, "data": TEST, "n": 2, **options}
    with pytest.raises(e2t.Edge2TorchError, match=said):
        replicate(**given, quiet=True)


def test_sign_consistency_counts_the_majority():
    means = pd.DataFrame({"a": [1.0, -1.0, 1.0], "b": [0.0, 0.0, 0.0]})
    kept = pd.Series([True] * 3)
    table = Replicates(means.abs(), means, kept * 1.0, kept, (), None).summary()
    assert table.loc["a", "sign_consistency"] == pytest.approx(2 / 3)
    assert np.isnan(table.loc["b", "sign_consistency"])


def test_one_replicate_has_no_stability():
    assert np.isnan(rank_stability(pd.DataFrame({"a": [1.0], "b": [2.0]})))


def test_it_prints_what_matters():
    scores = pd.DataFrame({f"n{k}": [1.0 + k, 2.0 + k] for k in range(5)})
    quality = pd.Series([0.9, 0.8, 0.1])
    found = Replicates(scores, scores, quality, quality > 0.5, (), None)
    said = "Replicates: 2 networks (1 dropped); stability 1.00; n4 5.5, n3 4.5, n2 3.5 and 2 more"
    assert repr(found) == said


def test_a_killed_set_goes_on_where_it_stopped(tmp_path):
    trained = []

    def dies(model, seed):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(seed)
        return train(model, seed)

    with pytest.raises(KeyboardInterrupt):
        replicate(start, dies, TEST, n=4, seed=7, folder=tmp_path / "set", quiet=True)
    calls = []

    def counts(model, seed):
        calls.append(seed)
        return train(model, seed)

    again = replicate(start, counts, TEST, n=4, seed=7, folder=tmp_path / "set", quiet=True)
    whole = replicate(start, train, TEST, n=4, seed=7, quiet=True)
    assert len(calls) == 2
    pd.testing.assert_frame_equal(again.scores, whole.scores)
    pd.testing.assert_series_equal(again.quality, whole.quality)
    with pytest.raises(e2t.Edge2TorchError, match="another 'seed'"):
        replicate(start, train, TEST, n=4, seed=8, folder=tmp_path / "set", quiet=True)


def with_relu():
    model, artifact = e2t.compile_graph(EDGES, quiet=True)
    return e2t.customize_model(model, node_activation="relu"), artifact


@pytest.mark.parametrize("together", [False, True])
def test_a_folder_of_other_modules_is_refused_and_what_is_read_is_said(tmp_path, capsys, together):
    given = {"n": 2, "seed": 3, "together": together, "folder": tmp_path}
    first = replicate(start, train, TEST, **given)
    assert "read from" not in capsys.readouterr().out
    with pytest.raises(e2t.Edge2TorchError, match=r"folder: .*saved Tanh\(\), found ReLU\(\)"):
        replicate(with_relu, train, TEST, **given)
    again = replicate(start, train, TEST, **given)
    assert "2 of 2 networks were read from" in capsys.readouterr().out
    pd.testing.assert_frame_equal(again.scores, first.scores)
    index = tmp_path / "replicates.json"
    older = {key: value for key, value in json.loads(index.read_text()).items() if key != "modules"}
    index.write_text(json.dumps(older))
    old = replicate(start, train, TEST, **given, quiet=True)
    pd.testing.assert_frame_equal(old.scores, first.scores)


def test_a_stack_is_kept_whole(tmp_path):
    given = {"n": 2, "seed": 3, "together": True, "folder": tmp_path, "quiet": True}
    first = replicate(start, train, TEST, **given)

    def never(stack, seed):
        raise AssertionError

    pd.testing.assert_frame_equal(replicate(start, never, TEST, **given).scores, first.scores)
    damaged = next(tmp_path.glob("together*"))
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(e2t.Edge2TorchError, match="damaged"):
        replicate(start, never, TEST, **given)


def test_a_cluster_that_loses_a_worker_gives_the_same(tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs dask's distributed")
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    alone = replicate(start, train, TEST, n=4, seed=7, quiet=True)
    with (
        distributed.LocalCluster(**settings, local_directory=tmp_path) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        mark = tmp_path / "died"
        dying = functools.partial(dies_once, mark=str(mark))
        shared = replicate(
            start, dying, TEST, n=4, seed=7, executor=client.get_executor(), quiet=True
        )
        assert mark.exists()
    pd.testing.assert_frame_equal(alone.scores, shared.scores)


def dies_once(model, seed, *, mark):
    """Kill the worker that trains first."""
    if not Path(mark).exists():
        Path(mark).write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return train(model, seed)
