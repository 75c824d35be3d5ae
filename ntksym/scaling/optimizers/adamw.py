"""AdamW (Loshchilov & Hutter 2019), weight decay decoupled: multiplied by lr (as in PyTorch), or independent of it."""

from dataclasses import replace

from ntksym.scaling.optimizers._base import register
from ntksym.scaling.optimizers.adam import ADAM

ADAMW = register(replace(ADAM, name="adamw", decay="coupled"))
ADAMW_INDEPENDENT = register(replace(ADAM, name="adamw_independent", decay="independent"))
