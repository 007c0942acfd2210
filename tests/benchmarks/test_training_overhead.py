"""Samples of the stack go to the right row; a share is of all of them."""

from __future__ import annotations

import time

import pytest

from benchmarks.training_overhead import Sampler, place_of

_FIT = ("edge2torch/train/_loop.py", "fit")


@pytest.mark.parametrize(
    ("inner", "row"),
    [
        ([("torch/_tensor.py", "backward"), _FIT], "backward"),
        ([("edge2torch/train/_adam.py", "step"), _FIT], "step"),
        ([("edge2torch/nn/model.py", "forward"), _FIT], "forward"),
        ([("edge2torch/nn/_dropout.py", "drop_values"), _FIT], "batches, input dropout, loss"),
        ([("edge2torch/nn/model.py", "forward"), ("x/_train.py", "_evaluate"), _FIT], "validation"),
        (
            [("torch/_tensor.py", "backward"), ("interpret/_attribute.py", "attribute")],
            "attribution",
        ),
        ([("<frozen importlib._bootstrap>", "_find_and_load"), _FIT], "imports"),
        ([("json/__init__.py", "loads")], "the rest"),
    ],
)
def test_a_stack_goes_to_a_row(inner, row):
    assert place_of(inner) == row


def test_all_samples_are_in_the_table():
    with Sampler() as sampler:
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass
    assert sampler.found.total() > 5
    assert sampler.table().splitlines()[-1].endswith("100.0%")
