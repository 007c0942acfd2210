"""One vocabulary of checks: what passes, and what the message says."""

from __future__ import annotations

import numpy as np
import pytest

from edge2torch._core import checks
from edge2torch._core.names import nearest, nearest_names
from edge2torch.errors import Edge2TorchError


def test_scalars_of_numpy_count_as_their_kin_in_python() -> None:
    for found, wanted in (
        (checks.check_count("n", np.int32(3)), 3),
        (checks.check_number("x", np.float32(0.5)), 0.5),
        (checks.check_number("x", np.int64(2)), 2.0),
        (checks.check_flag("quiet", np.True_), True),
        (checks.check_seed("seed", np.uint64(2**64 - 1)), 2**64 - 1),
    ):
        assert found == wanted
        assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: checks.check_count("n", True), "n must be a whole number >= 1, found True."),
        (lambda: checks.check_count("n", 1, 2), "n must be a whole number >= 2, found 1."),
        (lambda: checks.check_count("n", 2.0), "n must be a whole number >= 1, found 2.0."),
        (lambda: checks.check_flag("quiet", 1), "quiet must be True or False, found 1."),
        (
            lambda: checks.check_number("x", False),
            "x must be a number that is finite, found False.",
        ),
        (lambda: checks.check_number("x", float("nan")), "a number that is finite, found nan."),
        (lambda: checks.check_number("x", float("inf"), least=0), "a number >= 0, found inf."),
        (lambda: checks.check_number("x", 0, above=0), "x must be a number > 0, found 0."),
        (lambda: checks.check_number("x", 2, most=1), "x must be a number <= 1, found 2."),
        (lambda: checks.check_number("x", 1, below=1), "x must be a number < 1, found 1."),
        (lambda: checks.check_number("x", 0, above=0, most=1), r"a number in (0, 1], found 0."),
        (lambda: checks.check_probability("p", 1), "p must be a probability in [0, 1), found 1."),
        (lambda: checks.check_seed("seed", -1), "seed must be a whole number >= 0"),
        (lambda: checks.check_seed("seed", None), "found None."),
        (lambda: checks.check_choice("how", None, ["a"]), "how must be one of 'a', found None."),
        (lambda: checks.check_choice("how", np.array(["a"]), ["a"]), "how must be one of 'a'"),
        (lambda: checks.check_flag("quiet", np.eye(3)), "True or False, found a ndarray."),
        (
            lambda: checks.check_choice("how", "marker", ["markers", "values"]),
            "how must be one of 'markers', 'values', found 'marker'. Nearest to 'marker': 'markers'.",
        ),
        (
            lambda: checks.check_type("scores", 3, dict, "a dict by node name"),
            "scores must be a dict by node name, found int.",
        ),
    ],
)
def test_a_wrong_value_is_an_error_that_names_argument_value_and_range(check, message) -> None:
    with pytest.raises(Edge2TorchError) as caught:
        check()
    assert message in str(caught.value)


def test_ends_of_a_range_belong_to_it_or_not() -> None:
    assert checks.check_number("x", 0, least=0, below=1) == 0
    assert checks.check_number("x", 1, above=0, most=1) == 1
    assert checks.check_probability("p", 0) == 0


def test_near_names_are_found_whatever_their_case_and_marks() -> None:
    known = ["Integrated Gradients", "DeepLift", "deeplift"]
    assert nearest_names("integrated_gradiant", known) == ["Integrated Gradients"]
    assert nearest_names("DEEP-LIFT", known) == ["DeepLift"]
    assert nearest("tp35", ["TP53", "EGFR"]) == " Nearest to 'tp35': 'TP53'."
    assert nearest("?", ["TP53"]) == ""
