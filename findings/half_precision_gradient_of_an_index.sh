#!/usr/bin/env bash
# What happens: In bfloat16 the gradient of w[index] stops at 256 where 300 equal terms of 1 meet,
#   and float16 stops at 2048; the gradients of torch.gather and of index_select of the same rows
#   are right. Forward, scatter_add is right and index_add of a vector stops, while index_add of a
#   matrix is right. segment_reduce, coalesce and the sparse product of a COO matrix stop as well.
# Why a good guess goes wrong: All of these are the same sum, and the well-known rule is that
#   reductions accumulate in float32. Here the answer depends on which of the equivalent calls is
#   written, and for index_add on whether there is a second dimension. 1 + 256 is 256 in bfloat16,
#   so a shared weight with more than 256 users gets a gradient that is far too small and does not
#   look odd.
# Who meets it: who shares weights between edges (tied messages of a graph network, one gain per
#   node) and trains in half precision on a CPU.
# The guess before the run: index_add 256, scatter_add 256, segment_reduce 256; gradients of
#   index, gather and index_select alike.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import torch

print("torch", torch.__version__)
n = 4096
at = torch.zeros(n, dtype=torch.long)

def gradient(read, dtype):
    weight = torch.ones(1, 8, dtype=dtype, requires_grad=True)
    read(weight).sum().backward()
    return weight.grad[0, 0].item()

def sums(dtype):
    one, zero = torch.ones(n, dtype=dtype), torch.zeros(1, dtype=dtype)
    wide = one[:, None].expand(n, 8).contiguous()
    sparse = torch.sparse_coo_tensor(torch.stack([at, torch.arange(n)]), one, (1, n))
    return {
        "gradient of w[index]": gradient(lambda w: w[at], dtype),
        "gradient of embedding": gradient(lambda w: torch.nn.functional.embedding(at, w), dtype),
        "gradient of index_select": gradient(lambda w: w.index_select(0, at), dtype),
        "gradient of gather": gradient(lambda w: w.gather(0, at[:, None].expand(n, 8)), dtype),
        "index_add of (n,)": zero.index_add(0, at, one)[0].item(),
        "index_add of (n, 8)": zero[:, None].repeat(1, 8).index_add(0, at, wide)[0, 0].item(),
        "scatter_add of (n,)": zero.scatter_add(0, at, one)[0].item(),
        "segment_reduce": torch.segment_reduce(one, "sum", lengths=torch.tensor([n])).item(),
        "sparse COO product": torch.sparse.mm(sparse, wide)[0, 0].item(),
    }

stops = {torch.bfloat16: 256.0, torch.float16: 2048.0}
for dtype, stop in stops.items():
    found = sums(dtype)
    for name, value in found.items():
        print(f"{str(dtype):15} {name:26} {value:6.0f} of {n}")
    for name in ("gradient of w[index]", "index_add of (n,)", "segment_reduce", "sparse COO product"):
        assert found[name] == stop, name
    for name in ("gradient of gather", "gradient of index_select", "index_add of (n, 8)", "scatter_add of (n,)"):
        assert found[name] == n, name
PYTHON
