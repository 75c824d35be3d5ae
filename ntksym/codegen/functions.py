"""The functions that generated statements call, in arrays: NumPy's and JAX's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.codegen.entries import Entries, along, along_alone, gap, lying, standing
from ntksym.codegen.hermite import coefficients
from ntksym.codegen.scalars import CLOSE, DEGREE

special = lazy("scipy.special")
jnp = lazy("jax.numpy")
jsp = lazy("jax.scipy.special")


def power_series(z: Any, left: Any, right: Any) -> Any:
    """sum_k left_k right_k z^k; of the side with more coefficients the last ones are not used."""
    terms = min(left.shape[0], right.shape[0])
    found = left[terms - 1] * right[terms - 1]
    for k in reversed(range(terms - 1)):
        found = found * z + left[k] * right[k]
    return found


def angles(G: Any, left: Any, right: Any, rows: Any, columns: Any) -> tuple[Any, Any]:
    """Cosines c and g = 1 - |c| of inputs, as ``scalars.angles``."""
    c = G * rows[:, None] * columns
    g = 1 - abs(c)
    for i, j in zip(*np.nonzero(g < CLOSE), strict=True):
        way = 1.0 if c[i, j] > 0 else -1.0
        g[i, j] = ((left[i] * rows[i] - way * right[j] * columns[j]) ** 2).mean() / 2
        c[i, j] = way * (1 - g[i, j])
    return c, g


def products_and_angles(left: Any, right: Any, rows: Any, columns: Any, entries: Entries, needed: bool) -> list[Any]:
    """Mean products (entries, rows, columns) of inputs (positions, coordinates, inputs); if ``needed`` c and g, too.

    ``rows`` and ``columns`` are the inverse norms, see ``angles``.
    """
    lefts, rights = entries
    G = left[lefts].swapaxes(1, 2) @ right[rights] / max(left.shape[1], 1)
    if not needed:
        return [G]
    c = G * rows[lefts][:, :, None] * columns[rights][:, None]
    g = 1 - abs(c)
    for e, i, j in zip(*np.nonzero(g < CLOSE), strict=True):
        way = 1.0 if c[e, i, j] > 0 else -1.0
        x, y = lefts[e], rights[e]
        g[e, i, j] = ((left[x, :, i] * rows[x, i] - way * right[y, :, j] * columns[y, j]) ** 2).mean() / 2
        c[e, i, j] = way * (1 - g[e, i, j])
    return [G, c, g]


def interpolated(c: Any, g: Any, table: Any, left: Any, right: Any) -> Any:
    """Kernels from a table, as ``scalars.interpolated``: an array (kernels, rows, columns)."""
    pieces = table.shape[1] // 2
    w = np.sqrt(2 * g) * (pieces / np.sqrt(2))
    piece = np.minimum(w.astype(int), pieces - 1)
    row, place = piece + np.where(c < 0, pieces, 0), 2 * (w - piece) - 1
    found = table[:, row, DEGREE]
    for k in reversed(range(DEGREE)):
        found = found * place + table[:, row, k]
    return found * left[:, :, None] * right[:, None, :]


def inverse(x: Any) -> Any:
    """1 / x, and 0 for 0."""
    x = np.asarray(x, float)
    if x.min(initial=1) > 0:
        return 1 / x
    return np.divide(1.0, x, out=np.zeros_like(x), where=x > 0)


def _common(xp: Any) -> dict[str, Any]:
    """What is the same in NumPy and in JAX."""
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
        "cosine": lambda x: xp.clip(x, -1, 1),
        "power_series": power_series,
        "undefined": lambda: xp.nan,
        "standing": standing,
        "lying": lying,
        "along": along,
        "along_alone": along_alone,
        "gap": gap,
    }


def _later(module: Any, **names: str) -> dict[str, Any]:
    """Functions of a module that is loaded when one of them is called."""
    return {name: lambda x, own=own: getattr(module, own)(x) for name, own in names.items()}


def numpy_functions() -> Mapping[str, Any]:
    own = {"inverse": inverse, "coefficients": coefficients, "squares": lambda a: np.einsum("kj,kj->j", a, a)}
    return {**_common(np), **own, **_later(special, erf="erf", erfc="erfc", NormalCDF="ndtr")}


def jax_functions() -> Mapping[str, Any]:
    return {
        **_common(jnp),
        "inverse": lambda x: jnp.where(x > 0, 1 / jnp.where(x > 0, x, 1), 0.0),
        **_later(jsp, erf="erf", erfc="erfc", NormalCDF="ndtr"),
    }
