"""Tensors and a header in one file: the same bits, or one error."""

import json

import pytest
import torch
from safetensors.torch import save_file

from edge2torch import Edge2TorchError
from edge2torch._core.tensor_file import read_tensors, write_tensors


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
)
def test_every_bit_comes_back(tmp_path, dtype):
    whole = torch.arange(12).reshape(3, 4).to(dtype)
    tensors = {"whole": whole, "part": whole.T[1:], "none": whole[:0], "one": whole[0, 0]}
    header = {"epoch": 3, "history": [0.1, 1e-300], "best": float("inf"), "name": "é"}
    found, said = read_tensors(write_tensors(tmp_path / "x.safetensors", tensors, header))
    assert said == header
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert found[name].dtype == dtype
        assert torch.equal(found[name], value)


def test_what_shares_memory_or_learns(tmp_path):
    weight = torch.nn.Parameter(torch.randn(3, 3))
    path = write_tensors(tmp_path / "x.safetensors", {"a": weight, "b": weight, "c": weight.T}, {})
    found, _ = read_tensors(path)
    assert torch.equal(found["a"], weight)
    assert torch.equal(found["b"], weight)
    assert torch.equal(found["c"], weight.T)
    assert not found["a"].requires_grad


def test_what_is_damaged_is_told(tmp_path):
    path = write_tensors(tmp_path / "x.safetensors", {"a": torch.ones(5)}, {"k": 1})
    content = path.read_bytes()
    for spoiled in (b"", content[:-1], content[:20], b"\xff" * 40):
        path.write_bytes(spoiled)
        with pytest.raises(Edge2TorchError, match="damaged"):
            read_tensors(path)
    with pytest.raises(Edge2TorchError, match="damaged or missing"):
        read_tensors(tmp_path / "no.safetensors")


@pytest.mark.parametrize(
    "metadata", [None, {"other": "{}"}, {"json": "{"}, {"json": "[]"}, {"json": "[" * 100_000}]
)
def test_a_header_of_another_kind(tmp_path, metadata):
    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors", metadata=metadata)
    with pytest.raises(Edge2TorchError, match="damaged"):
        read_tensors(tmp_path / "x.safetensors")


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = write_tensors(tmp_path / "x.safetensors", {"a": torch.ones(1)}, {"k": 1})
    with pytest.raises(TypeError):
        write_tensors(path, {"a": torch.zeros(1)}, {"k": json})
    assert read_tensors(path)[1] == {"k": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["x.safetensors"]
