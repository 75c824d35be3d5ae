"""Softsign."""

from ntksym.language.activations._base import Activation, register

softsign = register(Activation("softsign", "z/(1 + Abs(z))"))
