"""Shampoo (Gupta et al. 2018) without accumulation: (G G^T)^(-1/4) G (G^T G)^(-1/4), which is orthogonalised G."""

from ntksym.scaling.optimizers._base import Optimizer, register
from ntksym.scaling.optimizers.muon import orthogonalised

SHAMPOO = register(
    Optimizer(
        "shampoo",
        orthogonalised,
        "both preconditioners together set the singular values to one, so the update has spectral norm lr",
        epsilon=lambda entry: entry.gradient.times(2) + entry.rows + entry.cols,
        decay="coupled",
        vectors="adamw",
    )
)
