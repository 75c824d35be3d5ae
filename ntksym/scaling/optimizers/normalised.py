"""Gradient descent with each tensor's gradient divided by its Frobenius norm."""

from ntksym.scaling.optimizers._base import Optimizer, register

NORMALISED = register(
    Optimizer(
        "normalised",
        lambda entry: -(entry.rows + entry.cols) / 2,
        "each tensor's update has Frobenius norm lr, spread over rows * cols entries",
        epsilon=lambda entry: entry.gradient + (entry.rows + entry.cols) / 2,
    )
)
