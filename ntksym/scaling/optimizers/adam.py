"""Adam (Kingma & Ba 2015): the gradient divided by its own running size; weight decay as an L2 term."""

from ntksym.scaling.optimizers._base import Optimizer, register

ADAM = register(
    Optimizer(
        "adam",
        lambda entry: entry.one,
        "the gradient is divided by its own size, so an update entry is lr",
        epsilon=lambda entry: entry.gradient,
        decay="l2",
    )
)
