"""What is said of a vae whose loss is not below that of the mean profile, or as low on shuffled samples."""

import pytest

from edge2torch.netmodules._vae import no_better_words


@pytest.mark.parametrize(
    ("loss", "as_good", "said"),
    [(14.0, 0, "worse than"), (0.99, 3, "cannot be told from 12"), (0.99, 0, ""), (0.5, 0, "")],
)
def test_a_loss_beside_those_of_the_mean_profile_and_of_shuffled_samples(loss, as_good, said):
    words = no_better_words(
        {
            "held_out_loss": loss,
            "mean_profile_loss": 1.0,
            "held_out_samples": 12,
            "shuffles_as_good": as_good,
        }
    )
    assert bool(words) is bool(said)
    assert said in words
