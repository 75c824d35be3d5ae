"""The recursion together with all of its forms: text, Markdown, LaTeX, JSON."""

from ntksym.kernels import rendering, serial  # noqa: F401 (they fill in the forms of a recursion)
from ntksym.kernels.recursion import KernelRecursion, KernelValues, kernel_recursion

__all__ = ["KernelRecursion", "KernelValues", "kernel_recursion"]
