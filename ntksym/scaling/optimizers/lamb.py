"""LAMB (You et al. 2020): Adam's update rescaled, tensor by tensor, to the norm of the parameter."""

from ntksym.scaling.optimizers._base import Optimizer, register

LAMB = register(
    Optimizer(
        "lamb",
        lambda entry: entry.scale,
        "each tensor's update is rescaled to the Frobenius norm of the parameter",
        epsilon=lambda entry: entry.gradient,
        decay=None,
    )
)
