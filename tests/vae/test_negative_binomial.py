"""Several predictions at once, and the closed gradient; values are in test_likelihoods."""

from __future__ import annotations

import pytest
import torch

from edge2torch.vae._negative_binomial import nb_log_prob

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
