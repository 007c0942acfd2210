"""The same seed on the same machine with the same threads: the same bits."""

import pytest

from tests.reliability.determinism import FITS, same, shared_by_threads, trained
from tests.reliability.processes import BACKENDS

# of counts without structure
pytestmark = pytest.mark.filterwarnings("ignore:On held-out cells the model does not beat")


@pytest.mark.parametrize("name", FITS)
def test_twice_gives_the_same_bits(name):
    assert same(FITS[name](0), FITS[name](0))


def test_another_seed_gives_others():
    assert not same(trained("feedforward", 0), trained("feedforward", 1))


@pytest.mark.parametrize("backend", BACKENDS)
def test_threads_share_a_model(backend):
    assert shared_by_threads(backend, 100) == 0
