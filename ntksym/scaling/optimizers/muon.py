"""Muon (Jordan et al. 2024): the momentum's singular values set to one. Defined for matrices."""

from ntksym.scaling.cones import Form
from ntksym.scaling.optimizers._base import Entry, Optimizer, register


def orthogonalised(entry: Entry) -> Form:
    """A matrix of spectral norm 1 acts on aligned vectors like entries of (rows * cols)^(-1/2)."""
    return -(entry.rows + entry.cols) / 2


MUON = register(
    Optimizer(
        "muon",
        orthogonalised,
        "the update has spectral norm lr: on the vectors it is built from it acts like entries lr / sqrt(rows * cols)",
        epsilon=lambda entry: entry.gradient + (entry.rows + entry.cols) / 2,
        decay="coupled",
        vectors="adamw",
    )
)
