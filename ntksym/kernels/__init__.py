"""NNGP and NTK of a Program: rules of covariance and of tangents, and the recursion that they give."""

from ntksym.kernels import rendering, serial  # noqa: F401 (they fill in the forms of a recursion)
from ntksym.kernels.compiled import Compiled, compiled_kernel
from ntksym.kernels.recursion import KernelRecursion, KernelValues, kernel_recursion

__all__ = ["Compiled", "KernelRecursion", "KernelValues", "compiled_kernel", "kernel_recursion"]
