"""The three products along edges, and the choice of the kernel that computes them."""

from edge2torch.nn._kernels._cost import KERNELS, KernelChoice, choose_kernel
from edge2torch.nn._kernels._pattern import EdgePattern, is_autocast
from edge2torch.nn._kernels._products import feature_major

__all__ = [
    "KERNELS",
    "EdgePattern",
    "KernelChoice",
    "choose_kernel",
    "feature_major",
    "is_autocast",
]
