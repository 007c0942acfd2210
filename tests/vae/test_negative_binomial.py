"""Several predictions at once, and the closed gradient; values are in test_likelihoods."""

from __future__ import annotations

import gc

import pytest
import torch

from edge2torch.vae import _negative_binomial
from edge2torch.vae._negative_binomial import nb_log_prob, nb_log_prob_of_cells

COUNTS = torch.tensor([[0.0, 1.0, 2.0], [8.0, 9.0, 3000.0]], dtype=torch.float64)


def parameters(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("own", [(3,), (2, 3), (1,), (2, 1), ()], ids=str)
def test_several_predictions_are_those_one_by_one(own: tuple[int, ...]) -> None:
    log_mean, log_dispersion = parameters((4, 2, 3), own)
    together = nb_log_prob(COUNTS, log_mean, log_dispersion)
    apart = [nb_log_prob(COUNTS, one, log_dispersion) for one in log_mean]
    torch.testing.assert_close(together, torch.stack(apart))
    whole = nb_log_prob(COUNTS, log_mean[0], log_dispersion.expand(2, 3).contiguous())
    torch.testing.assert_close(whole, apart[0])


@pytest.mark.parametrize("own", [(3,), (2, 3), (2, 1), ()], ids=str)
def test_the_closed_gradient(own: tuple[int, ...]) -> None:
    log_mean, log_dispersion = parameters((2, 2, 3), own)
    assert torch.autograd.gradcheck(
        lambda m, d: nb_log_prob(COUNTS, m, d), [log_mean, log_dispersion], atol=1e-4
    )


def test_a_block_at_a_time_is_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    log_mean, log_dispersion = parameters((2, 50, 3), (3,))
    counts = torch.poisson(torch.full((50, 3), 5.0, dtype=torch.float64))
    whole = nb_log_prob(counts, log_mean, log_dispersion)
    monkeypatch.setattr("edge2torch.vae._negative_binomial._IN_CACHE", 24)
    torch.testing.assert_close(nb_log_prob(counts, log_mean, log_dispersion), whole)


@pytest.mark.parametrize("own", [(200,), (1, 200), (1,), ()], ids=str)
def test_one_pass_is_the_steps_one_by_one(
    monkeypatch: pytest.MonkeyPatch, own: tuple[int, ...]
) -> None:
    """Counts below, at and above the tables', several predictions, and the gradient of a sum."""
    pytest.importorskip("numba")
    torch.manual_seed(0)
    x = torch.poisson(torch.rand(90, 200).mul(3).exp())
    assert {0.0, 1.0, 8.0, 9.0} < set(x.flatten().tolist())

    def found(limit: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
        monkeypatch.setattr(_negative_binomial, "_WORTH_COMPILING", limit)
        torch.manual_seed(1)
        log_mean = (3 * torch.randn(2, 90, 200)).to(dtype).requires_grad_()
        log_dispersion = torch.randn(own).to(dtype).requires_grad_()
        value = nb_log_prob(x.to(dtype), log_mean, log_dispersion)
        value.sum(-1).mul(torch.tensor([[1.0], [2.0]])).mean().backward()
        return [value.detach(), log_mean.grad, log_dispersion.grad]

    passes = []
    fill = _negative_binomial._fill_in_one_pass
    monkeypatch.setattr(
        _negative_binomial, "_fill_in_one_pass", lambda *given: passes.append(fill(*given))
    )
    monkeypatch.setattr(_negative_binomial, "_IN_ONE_PASS", 2 * 200 * 40)  # in three pieces
    fast = found(0)
    assert len(passes) == 3
    for exact, one, other in zip(found(0, torch.float64), fast, found(10**9), strict=True):
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=2e-5, atol=2e-5)
        torch.testing.assert_close(one.double(), exact, rtol=1e-4, atol=1e-4)
    assert len(passes) == 3


def test_no_batch_is_kept_once_it_has_been_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory of counts is free again after the step, whichever of the two ways it took."""
    module = pytest.importorskip("edge2torch.vae._one_pass")
    x, log_dispersion = torch.ones(200, 200), torch.zeros(200)
    nb_log_prob(x, torch.zeros(200, 200), log_dispersion)
    nb_log_prob_of_cells(x, torch.zeros(1, 200, 200), torch.zeros(200, 1), log_dispersion)
    gc.collect()
    assert not [one for one in gc.get_objects() if type(one) is module.Counts]


def test_a_mean_that_is_no_number_stays_one() -> None:
    log_mean = torch.zeros(200, 200).index_put(
        (torch.tensor(3), torch.tensor(5)), torch.tensor(torch.nan)
    )
    value = nb_log_prob(torch.ones(200, 200), log_mean.requires_grad_(), torch.zeros(200))
    assert value.isnan().nonzero().tolist() == [[3, 5]]


@pytest.mark.parametrize("n", [1, 2])
def test_cells_from_scores_are_their_genes_summed(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Values, and gradients by scores, library and dispersion, against the steps in float64."""
    pytest.importorskip("numba")
    torch.manual_seed(0)
    x = torch.poisson(torch.rand(70, 150).mul(4).exp())

    def found(limit: int, dtype: torch.dtype) -> list[torch.Tensor]:
        monkeypatch.setattr(_negative_binomial, "_WORTH_COMPILING", limit)
        torch.manual_seed(1)
        given = [2 * torch.randn(n, 70, 150), x.sum(1, keepdim=True).log(), torch.randn(150)]
        scores, library, log_dispersion = (one.to(dtype).requires_grad_() for one in given)
        value = nb_log_prob_of_cells(x.to(dtype), scores, library, log_dispersion)
        value.mul(torch.linspace(0.5, 2, 70, dtype=dtype)).mean().backward()
        return [value.detach(), scores.grad, library.grad, log_dispersion.grad]

    monkeypatch.setattr(_negative_binomial, "_IN_ONE_PASS", n * 150 * 40)  # in two pieces
    slow = found(10**9, torch.float32)
    for exact, one, other in zip(
        found(0, torch.float64), found(0, torch.float32), slow, strict=True
    ):
        assert one.shape == other.shape
        torch.testing.assert_close(
            one.double(), exact, rtol=1e-5, atol=1e-5 * float(exact.abs().max())
        )


def test_the_pass_is_the_same_where_no_gradient_is_wanted() -> None:
    pytest.importorskip("numba")
    torch.manual_seed(0)
    x = torch.poisson(torch.rand(200, 200).mul(4).exp())
    log_mean, log_dispersion = torch.randn(1, 200, 200), torch.randn(200)
    wanted = nb_log_prob(x, log_mean.clone().requires_grad_(), log_dispersion)
    assert torch.equal(nb_log_prob(x, log_mean, log_dispersion), wanted)
