"""Adagrad (Duchi et al. 2011) and RMSProp (Tieleman & Hinton 2012): divided by the gradient's accumulated size."""

from dataclasses import replace

from ntksym.scaling.optimizers._base import register
from ntksym.scaling.optimizers.adam import ADAM

ADAGRAD = register(replace(ADAM, name="adagrad"))
RMSPROP = register(replace(ADAM, name="rmsprop"))
