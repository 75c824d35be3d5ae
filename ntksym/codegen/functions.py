"""The functions that generated statements call, in arrays: NumPy's and JAX's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ntksym._lazy import lazy

special = lazy("scipy.special")
jnp = lazy("jax.numpy")
jsp = lazy("jax.scipy.special")


def _common(xp: Any) -> dict[str, Any]:
    """What is the same in NumPy and in JAX."""

    def apart(c: Any, v: Any, f: Any, u: Any) -> Any:
        g, h = v / (1 + abs(c)), u / (1 + abs(f))
        return xp.where(c * f < 0, 1 - c * f, g + h - g * h)

    def inverse(x: Any) -> Any:
        return xp.where(x > 0, 1 / xp.where(x > 0, x, 1), 0.0)

    return {
        "sqrt": xp.sqrt,
        "exp": xp.exp,
        "log": xp.log,
        "sin": xp.sin,
        "cos": xp.cos,
        "sinh": xp.sinh,
        "cosh": xp.cosh,
        "tanh": xp.tanh,
        "sign": xp.sign,
        "angle": xp.arctan2,
        "asin": lambda x: xp.arcsin(xp.clip(x, -1, 1)),
        "acos": lambda x: xp.arccos(xp.clip(x, -1, 1)),
        "atan": xp.arctan,
        "less": lambda x, y, then, otherwise: xp.where(x < y, then, otherwise),
        "positive": lambda x: xp.maximum(x, 0),
        "apart": apart,
        "inverse": inverse,
        "undefined": lambda: xp.nan,
    }


def _later(module: Any, **names: str) -> dict[str, Any]:
    """Functions of a module that is loaded when one of them is called."""
    return {name: lambda x, own=own: getattr(module, own)(x) for name, own in names.items()}


def numpy_functions() -> Mapping[str, Any]:
    return {**_common(np), **_later(special, erf="erf", erfc="erfc", NormalCDF="ndtr")}


def jax_functions() -> Mapping[str, Any]:
    return {**_common(jnp), **_later(jsp, erf="erf", erfc="erfc", NormalCDF="ndtr")}
