#!/usr/bin/env bash
# What happens: For a float64 model, Captum's Occlusion, ShapleyValues, ShapleyValueSampling, Lime and
#   KernelShap return float32, FeatureAblation and FeaturePermutation float64. IntegratedGradients
#   returns float64 with the error of a quadrature in float32: 3e-9 with 50 and with 400 steps, where
#   fifty nodes of the same quadrature written out are exact to 1e-15.
# Why a good guess goes wrong: Input, model and output are all float64, Occlusion is built on
#   FeatureAblation, and no conversion is to be seen. Where a sum misses its difference of outputs, too
#   few steps are the usual suspect; here eight times as many change nothing.
# Who meets it: who checks to more than seven digits that attributions add up, or compares the scores
#   of two devices, which add in another order.
# The guess before the run: float64 from all, and 1e-12 for integrated gradients of 400 steps.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 captum==0.9.0 scikit-learn==1.9.1
cd "$folder"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import captum
import numpy
import torch
from captum import attr

print("torch", torch.__version__, "captum", captum.__version__)
torch.manual_seed(0)
weight = torch.rand(5, dtype=torch.float64)

def model(x):
    return (x * weight).cumsum(1).tanh().sum(1)

x = torch.rand(3, 5, dtype=torch.float64)
lost = {}
for name in (
    "FeatureAblation", "FeaturePermutation", "Occlusion", "ShapleyValues",
    "ShapleyValueSampling", "Lime", "KernelShap",
):
    own = {"sliding_window_shapes": (1,)} if name == "Occlusion" else {}
    lost[name] = getattr(attr, name)(model).attribute(x, **own).dtype
    print(f"{name:21} {lost[name]}")
whole = model(x) - model(torch.zeros_like(x))

def miss(scores):
    return float((scores.double().sum(1) - whole).abs().max())

misses = {"ShapleyValues": miss(attr.ShapleyValues(model).attribute(x))}
nodes, weights = (torch.from_numpy(part) for part in numpy.polynomial.legendre.leggauss(50))
sums = torch.zeros_like(x)
for at, share in zip((nodes + 1) / 2, weights / 2):
    point = (at * x).requires_grad_()
    sums += share * torch.autograd.grad(model(point).sum(), point)[0]
misses["integral by 50 nodes in float64"] = miss(sums * x)
for steps in (50, 400, 2000):
    scores = attr.IntegratedGradients(model).attribute(x, n_steps=steps)
    misses[f"IntegratedGradients, {steps} steps, {scores.dtype}"] = miss(scores)
for name, value in misses.items():
    print(f"sum of scores less difference of outputs, {name}: {value:.1e}")
kept = {name for name, dtype in lost.items() if dtype == torch.float64}
assert kept == {"FeatureAblation", "FeaturePermutation"}, kept
assert misses.pop("integral by 50 nodes in float64") < 1e-14
misses.pop(next(name for name in misses if "2000" in name))
assert all(1e-10 < value < 1e-5 for value in misses.values()), misses
PYTHON
