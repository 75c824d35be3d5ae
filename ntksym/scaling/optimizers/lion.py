"""Lion (Chen et al. 2023) and signSGD (Bernstein et al. 2018): the sign of a momentum; decoupled weight decay."""

from dataclasses import replace

from ntksym.scaling.optimizers._base import Optimizer, register

LION = register(Optimizer("lion", lambda entry: entry.one, "an update entry is lr times a sign", decay="coupled"))
SIGN_SGD = register(replace(LION, name="signsgd", decay=None))
