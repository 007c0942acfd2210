"""The three products along edges, and the choice of the kernel that computes them."""

from edge2torch.nn._kernels._cost import KERNELS, KernelChoice, choose_kernel
from edge2torch.nn._kernels._pattern import EdgePattern

__all__ = ["KERNELS", "EdgePattern", "KernelChoice", "choose_kernel"]
