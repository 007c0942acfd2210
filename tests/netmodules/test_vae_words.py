"""What is said of a vae whose loss is not below that of the mean profile."""

import pytest

from edge2torch.netmodules._backends._vae import no_better_words


@pytest.mark.parametrize(
    ("loss", "said"), [(14.0, "worse than"), (0.99, "not clearly below"), (0.5, "")]
)
def test_a_loss_beside_that_of_the_mean_profile(loss, said):
    words = no_better_words(loss, 1.0)
    assert bool(words) is bool(said)
    assert said in words
