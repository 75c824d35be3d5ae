"""Adafactor (Shazeer & Stern 2018) with parameter scaling: the normalised gradient times the parameter's RMS."""

from ntksym.scaling.optimizers._base import Optimizer, register

ADAFACTOR = register(
    Optimizer(
        "adafactor",
        lambda entry: entry.scale,
        "the normalised gradient is multiplied by the root mean square of the parameter",
        epsilon=lambda entry: entry.gradient.times(2),
        decay="coupled",
    )
)
