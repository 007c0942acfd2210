"""A few kills of each long thing; ``make reliability`` has a hundred."""

import sys

import pytest

from tests.reliability.kills import WORKS, survive

# of counts without structure
pytestmark = pytest.mark.filterwarnings("ignore:On held-out cells the model does not beat")


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
@pytest.mark.parametrize("name", WORKS)
def test_what_is_left_after_a_kill_can_be_used(name, tmp_path):
    kills = 1 if "run" in name else 4  # it draws figures and writes a report each time
    assert survive(WORKS[name](), tmp_path, kills) == kills
