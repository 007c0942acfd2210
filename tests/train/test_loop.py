"""The training loop stops, keeps, slows down and goes on as it says."""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from edge2torch import Edge2TorchError
from edge2torch.train import _loop, fit
from edge2torch.train._adam import Adam
from edge2torch.train._history import learning_rate_after


def problem(seed=0):
    torch.manual_seed(seed)
    x = torch.randn(60, 5)
    y = x @ torch.randn(5, 1) + 0.5 * torch.randn(60, 1)
    model = nn.Sequential(nn.Linear(5, 30), nn.Dropout(0.2), nn.Tanh(), nn.Linear(30, 1))
    return model, lambda rows: (model(x[rows]) - y[rows]).square().mean()


def trained(**options):
    model, loss = problem()
    options = {"held_out": range(40, 60), "learning_rate": 0.02, "progress": False, **options}
    return model, fit(model, loss, range(40), **options)


@pytest.mark.parametrize(("decay", "fused"), [(0.0, True), (0.3, True), (0.3, False)])
def test_steps_are_those_of_torch(decay, fused):
    torch.manual_seed(0)
    x, y = torch.randn(40, 7), torch.randn(40, 3)
    ours, theirs = nn.Linear(7, 3), nn.Linear(7, 3)
    theirs.load_state_dict(ours.state_dict())
    mine = Adam(ours.parameters(), 0.1, decay, fused=fused)
    reference = torch.optim.AdamW(theirs.parameters(), lr=0.1, weight_decay=decay, fused=fused)
    for _ in range(50):
        for model, optimizer in ((ours, mine), (theirs, reference)):
            (model(x) - y).square().sum().backward()
            optimizer.step()
        reference.zero_grad()
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


def test_rates_are_those_of_torch():
    rng = np.random.default_rng(0)
    losses = (2 + rng.normal(size=80)).tolist()
    reference = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(reference, factor=1 / 3, patience=4)
    for k, loss in enumerate(losses):
        plateau.step(loss)
        expected = reference.param_groups[0]["lr"]
        if expected > 1e-7:  # torch stops there
            assert learning_rate_after(losses[: k + 1], 0.1, 4) == expected
    assert expected < 0.1


def test_the_best_weights_are_kept_and_training_stops_in_time():
    model, fitted = trained(max_epochs=400, patience=10)
    assert fitted.stopped_by == "patience"
    assert fitted.epochs < 400
    losses = fitted.history["held_out_loss"]
    assert fitted.best_epoch == losses.argmin() < fitted.epochs - 1
    assert not model.training
    again, short = trained(max_epochs=fitted.best_epoch + 1)
    assert short.stopped_by == "max_epochs"
    assert all(map(torch.equal, model.parameters(), again.parameters()))
    last, _ = trained(max_epochs=400, patience=10, keep_best=False)
    assert not torch.equal(last[0].weight, model[0].weight)


@pytest.mark.parametrize("options", [{}, {"plateau": 3, "fused": False}])
def test_a_training_goes_on_bit_for_bit(tmp_path, monkeypatch, options):
    monkeypatch.setattr(_loop, "_PAUSE", -1.0)
    model, fitted = trained(max_epochs=60, **options)
    kept = tmp_path / "training.safetensors"

    def stop(epoch):
        if epoch == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(max_epochs=60, checkpoint=kept, before_epoch=stop, **options)
    begun = []
    again, resumed = trained(max_epochs=60, checkpoint=kept, before_epoch=begun.append, **options)
    assert begun[0] == 17
    assert resumed.history.equals(fitted.history)
    assert all(map(torch.equal, model.parameters(), again.parameters()))
    assert trained(max_epochs=60, checkpoint=kept, before_epoch=stop, **options)[1].history.equals(
        fitted.history
    )  # it had ended, so no epoch begins


def test_more_epochs_go_on_where_all_of_them_were_trained(tmp_path):
    kept = tmp_path / "new folder" / "training.safetensors"
    model, whole = trained(max_epochs=12)
    trained(max_epochs=5, checkpoint=kept)
    again, rest = trained(max_epochs=12, checkpoint=kept)
    assert rest.epochs == 12
    assert rest.history.equals(whole.history)
    assert all(map(torch.equal, model.parameters(), again.parameters()))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"learning_rate": 0.2}, r"with learning_rate=0\.01, now 0\.2\. Give what it was"),
        ({"seed": 1, "plateau": 2}, "plateau=None, now 2; seed=0, now 1"),
        ({"weight_decay": 0.5}, "weight_decay"),
        ({"keep_best": False, "fused": False}, "keep_best=True, now False; fused=True"),
        ({"batch_size": 7}, "batch_size=32, now 7"),
        ({"rows": range(39)}, r"with other rows\."),
        ({"held_out": range(41, 60)}, r"with other held_out\."),
        ({"held_out": None, "rows": lambda _: []}, "other rows; other held_out"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "+".join(value),
)
def test_a_training_goes_on_as_it_was_begun(tmp_path, changed, said):
    kept = tmp_path / "training.safetensors"
    begun = {"learning_rate": 0.01, "rows": range(40), "held_out": range(40, 60)}

    def go_on(**options):
        model, loss = problem()
        given = {**begun, **options}
        return fit(model, loss, given.pop("rows"), checkpoint=kept, progress=False, **given)

    go_on(max_epochs=2)
    before = kept.read_bytes()
    with pytest.raises(Edge2TorchError, match=said):
        go_on(max_epochs=4, **changed)
    assert kept.read_bytes() == before
    assert go_on(max_epochs=4, patience=3, min_gain=0.0).epochs == 4


def test_more_patience_goes_on_where_there_was_too_little(tmp_path):
    kept = tmp_path / "training.safetensors"
    model, whole = trained(max_epochs=80, patience=60)
    short = trained(max_epochs=80, patience=2, min_gain=1.0, checkpoint=kept)[1]
    assert (short.stopped_by, short.epochs) == ("patience", 3)
    again, rest = trained(max_epochs=80, patience=60, checkpoint=kept)
    assert rest.history.equals(whole.history)
    assert all(map(torch.equal, model.parameters(), again.parameters()))


def test_an_optimizer_of_torch_could_have_done_it():
    """Shuffled, in equal batches, with AdamW: no more than that."""
    model, loss = problem()
    rows, generator = torch.arange(40), torch.Generator().manual_seed(3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1, fused=True)
    torch.manual_seed(3)
    for _ in range(5):
        for batch in rows[torch.randperm(40, generator=generator)].tensor_split(5):
            optimizer.zero_grad()
            loss(batch).backward()
            optimizer.step()
    other, its_loss = problem()
    fit(other, its_loss, rows, max_epochs=5, batch_size=8, learning_rate=0.01, weight_decay=0.1,
        seed=3, progress=False)  # fmt: skip
    assert all(map(torch.equal, model.parameters(), other.parameters()))


def test_the_generator_outside_is_left_alone():
    model, loss = problem()
    before = torch.get_rng_state()
    fit(model, loss, range(40), max_epochs=2, progress=False)
    assert torch.equal(before, torch.get_rng_state())


def test_a_loss_that_is_not_finite():
    losses = iter([3.0, 2.0, float("nan")])
    _, fitted = trained(held_out=lambda: next(losses))
    assert fitted.stopped_by == "not finite"
    assert fitted.best_epoch == 1
    with pytest.raises(Edge2TorchError, match="smaller learning_rate"):
        trained(held_out=lambda: float("nan"))


def test_what_cannot_be_trained_with_is_refused(tmp_path):
    with pytest.raises(Edge2TorchError, match=r"rows must be row numbers.*flatnonzero"):
        fit(*problem(), np.ones(60, bool), progress=False)
    with pytest.raises(Edge2TorchError, match="max_epochs must be"):
        trained(max_epochs=0)
    kept = tmp_path / "training.safetensors"
    trained(max_epochs=2, checkpoint=kept)
    with pytest.raises(Edge2TorchError, match="another model"):
        fit(nn.Linear(2, 2), problem()[1], range(40), held_out=range(40, 60), learning_rate=0.02,
            checkpoint=kept, progress=False)  # fmt: skip
    kept.write_bytes(kept.read_bytes()[:-20])
    with pytest.raises(
        Edge2TorchError, match=r"^checkpoint: '[^']*' is damaged or [^']*delete it\.$"
    ):
        trained(max_epochs=2, checkpoint=kept)
    with pytest.raises(Edge2TorchError, match="checkpoint must be a path, found int"):
        trained(checkpoint=5)
    with pytest.raises(Edge2TorchError, match=r"checkpoint: '.*' is a folder\. Name a file in it"):
        trained(checkpoint=tmp_path)


@pytest.mark.skipif("EDGE2TORCH_FULL" not in os.environ, reason="a process of its own: seconds")
def test_a_fit_does_not_load_the_compiler_of_torch():
    code = (
        "import sys, torch; from edge2torch.train import fit; model = torch.nn.Linear(1, 1);"
        "fit(model, lambda rows: model(torch.ones(len(rows), 1)).sum(), range(4), max_epochs=2);"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("fused", [True, False])
def test_a_parameter_without_gradient_waits_as_in_torch(fused):
    start = torch.Generator().manual_seed(0)
    ours = [nn.Parameter(torch.randn(n, generator=start)) for n in (7, 300, 33)]
    theirs = [nn.Parameter(one.detach().clone()) for one in ours]
    mine = Adam(ours, 0.01, 0.1, fused=fused)
    reference = torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.1, fused=fused)
    for step in range(12):
        for k, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            if (step + k) % 3:
                one.grad = torch.randn(len(one), generator=start)
                other.grad = one.grad.clone()
        mine.step()
        reference.step()
        reference.zero_grad()
        if step == 5:  # as from a checkpoint
            tensors, mine = mine.tensors(), Adam(ours, 0.01, 0.1, fused=fused)
            mine.restore(tensors)
    assert all(map(torch.equal, ours, theirs))


def test_whole_numbers_of_numpy_and_no_more_epochs_than_asked(tmp_path):
    def trained(**options):
        torch.manual_seed(0)
        model = nn.Linear(1, 1)
        x = torch.linspace(-1, 1, 40)[:, None]
        return fit(
            model, lambda rows: (model(x[rows]) - x[rows]).square().mean(), range(30),
            held_out=range(30, 40), batch_size=np.int64(8), plateau=np.int64(2), progress=False,
            checkpoint=tmp_path / "c.safetensors", min_gain=0.5, max_epochs=3, **options,
        )  # fmt: skip

    assert trained(patience=2).stopped_by == "patience"
    assert trained(patience=60).stopped_by == "max_epochs"  # more patience, and no epoch for it


def test_a_model_whose_training_diverged_can_be_trained_again():
    x = torch.linspace(-1, 1, 20)[:, None]
    model = nn.Linear(1, 1)
    before = copy.deepcopy(model.state_dict())

    def loss(rows):
        return (model(x[rows]) - 2 * x[rows]).square().mean()

    options = {"held_out": range(1, 20, 2), "progress": False, "max_epochs": 3}
    with pytest.raises(Edge2TorchError, match="has the weights that it began with"):
        fit(model, loss, range(0, 20, 2), learning_rate=1e30, **options)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert np.isfinite(fit(model, loss, range(0, 20, 2), **options).history["held_out_loss"]).all()


def test_a_loss_for_each_row_is_refused():
    model = nn.Linear(1, 1)
    with pytest.raises(Edge2TorchError, match=r"shape \(4, 1\).*one number, the mean"):
        fit(model, lambda rows: model(rows[:, None].float()), range(4), progress=False)
