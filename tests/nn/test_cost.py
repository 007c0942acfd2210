"""The choice of a kernel."""

import math

import pytest

import edge2torch as e2t
from edge2torch.nn import choose_kernel
from edge2torch.nn._whole._cost import layer_terms
from edge2torch.simulate import layered_graph


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


def test_a_wide_input_is_turned_around_for_sparse_layers_only():
    for widths, edges, batch, values in [
        ([900, 140], 4_000, 64, 900 * 64),
        ([200, 50], 1_000, 64, 0),  # dense: read as it is
        ([900, 140], 4_000, 4_096, 0),  # more than a cache holds, whichever way is taken
    ]:
        model, _ = e2t.compile_graph(layered_graph(widths, [edges], seed=0), quiet=True)
        assert layer_terms(model, batch)["input"] == values
