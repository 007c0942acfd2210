"""The choice of a kernel."""

import math

import pytest

from edge2torch.nn import choose_kernel


def test_a_complete_block_is_dense():
    assert choose_kernel(200, 10, 20).kernel == "dense"


def test_a_genome_scale_block_is_sparse_for_every_batch():
    assert choose_kernel(100_000, 20_000, 2_000).kernel == "sparse"


def test_a_tiny_block_is_dense_at_the_usual_batch():
    assert choose_kernel(1_000, 200, 50).dense_from <= 64


def test_a_half_full_block_turns_dense_with_the_batch():
    choice = choose_kernel(300_000, 1_000, 500)
    assert 0 <= choice.dense_from < math.inf


@pytest.mark.parametrize(("kernel", "dense_from"), [("sparse", math.inf), ("dense", 0)])
def test_a_wish_is_granted(kernel, dense_from):
    assert choose_kernel(5, 10, 10, kernel=kernel).dense_from == dense_from


def test_the_reason_is_told():
    assert "0.25%" in choose_kernel(100_000, 20_000, 2_000).reason
