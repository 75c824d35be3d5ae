"""The activations once more, as plain Python functions: name -> (phi, phi', kinks, whether phi jumps)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
from mpmath import mpf


class Plain(NamedTuple):
    """A function, its derivative almost everywhere, its kinks, whether it jumps there."""

    phi: Callable[[Any], Any]
    prime: Callable[[Any], Any]
    kinks: tuple[int, ...] = ()
    jumps: bool = False


def step(z: Any) -> Any:
    return (1 + mpmath.sign(z)) / 2


def normal(z: Any) -> Any:
    return mpmath.exp(-(z**2) / 2) / mpmath.sqrt(2 * mpmath.pi)


def cdf(z: Any) -> Any:
    return mpmath.erfc(-z / mpmath.sqrt(2)) / 2


def between(low: int, high: int, z: Any) -> Any:
    return step(z - low) - step(z - high)


SCALE, ALPHA = "1.0507009873554804934193349852946", "1.6732632423543772848170429916717"

PLAIN = {
    "identity": Plain(lambda z: z, lambda z: 1),
    "square": Plain(lambda z: z**2, lambda z: 2 * z),
    "relu": Plain(lambda z: max(z, 0), step, (0,)),
    "leaky_relu": Plain(lambda z: z if z > 0 else z / 100, lambda z: 1 if z > 0 else mpf(1) / 100, (0,)),
    "abrelu": Plain(lambda z: z if z > 0 else -z / 2, lambda z: 1 if z > 0 else -mpf(1) / 2, (0,)),
    "abs": Plain(abs, mpmath.sign, (0,)),
    "relu_power": Plain(lambda z: max(z, 0) ** 2, lambda z: 2 * max(z, 0), (0,)),
    "sign": Plain(mpmath.sign, lambda z: 0, (0,), True),
    "step": Plain(step, lambda z: 0, (0,), True),
    "erf": Plain(mpmath.erf, lambda z: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-(z**2))),
    "normal_cdf": Plain(cdf, normal),
    "gelu": Plain(lambda z: z * cdf(z), lambda z: cdf(z) + z * normal(z)),
    "sin": Plain(mpmath.sin, mpmath.cos),
    "cos": Plain(mpmath.cos, lambda z: -mpmath.sin(z)),
    "rbf": Plain(lambda z: mpmath.sin(z) + mpmath.cos(z), lambda z: mpmath.cos(z) - mpmath.sin(z)),
    "exp": Plain(mpmath.exp, mpmath.exp),
    "gaussian": Plain(lambda z: mpmath.exp(-(z**2) / 2), lambda z: -z * mpmath.exp(-(z**2) / 2)),
    "hard_tanh": Plain(lambda z: max(-1, min(1, z)), lambda z: between(-1, 1, z), (-1, 1)),
    "relu6": Plain(lambda z: min(max(z, 0), 6), lambda z: between(0, 6, z), (0, 6)),
    "hard_sigmoid": Plain(lambda z: min(max(z + 3, 0), 6) / 6, lambda z: between(-3, 3, z) / 6, (-3, 3)),
    "elu": Plain(lambda z: z if z > 0 else mpmath.expm1(z), lambda z: 1 if z > 0 else mpmath.exp(z), (0,)),
    "celu": Plain(lambda z: z if z > 0 else mpmath.expm1(z), lambda z: 1 if z > 0 else mpmath.exp(z), (0,)),
    "selu": Plain(
        lambda z: mpf(SCALE) * (z if z > 0 else mpf(ALPHA) * mpmath.expm1(z)),
        lambda z: mpf(SCALE) * (1 if z > 0 else mpf(ALPHA) * mpmath.exp(z)),
        (0,),
    ),
    # typed by a user: shifted, scaled, multiplied by polynomials
    "relu(z - 1)": Plain(lambda z: max(z - 1, 0), lambda z: step(z - 1), (1,)),
    "z*sin(2*z + 1)": Plain(
        lambda z: z * mpmath.sin(2 * z + 1), lambda z: mpmath.sin(2 * z + 1) + 2 * z * mpmath.cos(2 * z + 1)
    ),
    "z**2*exp(z/2)": Plain(lambda z: z**2 * mpmath.exp(z / 2), lambda z: (2 * z + z**2 / 2) * mpmath.exp(z / 2)),
    "(z**2 - z)*erf(z/2)": Plain(
        lambda z: (z**2 - z) * mpmath.erf(z / 2),
        lambda z: (2 * z - 1) * mpmath.erf(z / 2) + (z**2 - z) * mpmath.exp(-(z**2) / 4) / mpmath.sqrt(mpmath.pi),
    ),
    "z*exp(-z**2)": Plain(lambda z: z * mpmath.exp(-(z**2)), lambda z: (1 - 2 * z**2) * mpmath.exp(-(z**2))),
    "exp(-Abs(z))": Plain(lambda z: mpmath.exp(-abs(z)), lambda z: -mpmath.sign(z) * mpmath.exp(-abs(z)), (0,)),
    "z**3 - 2*z + 1": Plain(lambda z: z**3 - 2 * z + 1, lambda z: 3 * z**2 - 2),
}
