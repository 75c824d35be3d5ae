"""Stochastic gradient descent, w - lr * g."""

from ntksym.scaling.optimizers._base import Optimizer, register

SGD = register(
    Optimizer(
        "sgd",
        lambda entry: entry.gradient,
        "an update entry is lr times a gradient entry",
        decay="l2",
        follows_gradient=True,
    )
)
