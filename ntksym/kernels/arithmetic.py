"""Numbers that lines are evaluated in: mpmath to any precision, or double precision in arrays."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from ntksym._lazy import lazy
from ntksym.gaussian import Answer, evaluate
from ntksym.gaussian.special import bivariate_normal, normal_cdf
from ntksym.gaussian.unevaluated import Unevaluated
from ntksym.records.evidence import Evidence

sympy = lazy("sympy")
mpmath = lazy("mpmath")
special = lazy("scipy.special")

Array = Any

# nearer to a singular covariance than this, an expectation is evaluated on its own, with a precision that rises
SINGULAR = 1e-5
FLOAT_DIGITS = 13


class Arithmetic(Protocol):
    """What an evaluation needs of its numbers."""

    evidence: list[Evidence]

    def array(self, values: Any) -> Array: ...
    def algebra(self, expression: Any, symbols: tuple[Any, ...], values: list[Any]) -> Array: ...
    def answer(self, answer: Answer, values: dict[str, Array]) -> Array: ...
    def rsqrt(self, values: Array) -> Array: ...
    def exp(self, values: Array) -> Array: ...


@lru_cache(maxsize=4096)
def _function(expression: Any, symbols: tuple[Any, ...], modules: str) -> Any:
    names: Any = {"NormalCDF": normal_cdf, "BivariateNormal": bivariate_normal}
    if modules == "numpy":
        names = {"erf": special.erf, "erfc": special.erfc, "NormalCDF": special.ndtr}
    return sympy.lambdify(symbols, expression, [names, modules], cse=True)


def covariance_names(answer: Answer) -> tuple[tuple[str | float, ...], ...]:
    """The covariance of a question as names of its symbols, and numbers."""
    return tuple(
        tuple(entry.name if entry.is_Symbol else float(entry) for entry in row) for row in answer.expectation.covariance
    )


class _Shared:
    """What both kinds of numbers do alike: single expectations near a singular covariance or without closed form."""

    def __init__(self, digits: int) -> None:
        self.digits = digits
        self.evidence: list[Evidence] = []
        self._known: dict[Any, Any] = {}

    def alone(self, answer: Answer, values: dict[str, Any]) -> Any:
        key = (answer, tuple(sorted(values.items())))
        if key not in self._known:
            found = evaluate(answer, values, self.digits)
            self.evidence.append(found.evidence)
            self._known[key] = found.value
        return self._known[key]

    def is_near(self, answer: Answer, values: dict[str, Array], shape: tuple[int, ...]) -> Array:
        """Where the covariance is singular or nearly so."""
        names = covariance_names(answer)
        n = len(names)
        matrix = np.empty((*shape, n, n))
        for i in range(n):
            for j in range(n):
                name = names[i][j]
                entry = values[name] if isinstance(name, str) else name
                matrix[..., i, j] = np.broadcast_to(np.asarray(entry, dtype=float), shape)
        scale = np.sqrt(np.abs(np.diagonal(matrix, axis1=-2, axis2=-1)))
        # a variance that is zero by construction is no reason: the closed form has no such variable
        constant = np.array([names[i][i] == 0 for i in range(n)])
        scale = np.where(constant, 1.0, scale)
        with np.errstate(divide="ignore", invalid="ignore"):
            correlation = matrix / scale[..., :, None] / scale[..., None, :]
        correlation[..., constant, constant] = 1.0
        return ~(np.linalg.det(np.nan_to_num(correlation)) > SINGULAR)


class Precise(_Shared):
    """mpmath numbers in object arrays."""

    def array(self, values: Any) -> Array:
        made: Array = np.vectorize(_mpf, otypes=[object])(np.asarray(values, dtype=object))
        return made

    def algebra(self, expression: Any, symbols: tuple[Any, ...], values: list[Any]) -> Array:
        return _function(expression, symbols, "mpmath")(*values)

    def answer(self, answer: Answer, values: dict[str, Array]) -> Array:
        names = tuple(values)
        arrays = np.broadcast_arrays(*(np.asarray(values[name], dtype=object) for name in names))
        shape = arrays[0].shape if arrays else ()
        out = np.empty(shape, dtype=object)
        closed = not answer.expression.has(Unevaluated)
        near = self.is_near(answer, dict(zip(names, arrays, strict=True)), shape)
        symbols = tuple(sympy.Symbol(name, real=True) for name in names)
        function = _function(answer.expression, symbols, "mpmath") if closed else None
        for index in np.ndindex(shape):
            point = {name: array[index] for name, array in zip(names, arrays, strict=True)}
            if function is None or near[index]:
                out[index] = self.alone(answer, point)
            else:
                out[index] = mpmath.re(function(*point.values()))
        return out

    def rsqrt(self, values: Array) -> Array:
        return np.vectorize(lambda x: 1 / mpmath.sqrt(x) if x > 0 else mpmath.mpf(0), otypes=[object])(values)

    def exp(self, values: Array) -> Array:
        return np.vectorize(mpmath.exp, otypes=[object])(values)


class Double(_Shared):
    """Floating-point arrays: closed forms at once, what is nearly singular one by one."""

    def array(self, values: Any) -> Array:
        return np.asarray(values, dtype=float)

    def algebra(self, expression: Any, symbols: tuple[Any, ...], values: list[Any]) -> Array:
        return _function(expression, symbols, "numpy")(*values)

    def answer(self, answer: Answer, values: dict[str, Array]) -> Array:
        names = tuple(values)
        arrays = np.broadcast_arrays(*(np.asarray(values[name], dtype=float) for name in names))
        shape = arrays[0].shape if arrays else ()
        closed = not answer.expression.atoms(Unevaluated, sympy.Function("BivariateNormal")) and not any(
            type(f).__name__ in ("BivariateNormal", "Orthant") for f in answer.expression.atoms(sympy.Function)
        )
        near = self.is_near(answer, dict(zip(names, arrays, strict=True)), shape) | (not closed)
        symbols = tuple(sympy.Symbol(name, real=True) for name in names)
        out = np.zeros(shape)
        if closed:
            with np.errstate(all="ignore"):
                out = np.array(
                    np.broadcast_to(_function(answer.expression, symbols, "numpy")(*arrays), shape), dtype=float
                )
        for index in zip(*np.nonzero(near), strict=True):
            point = {name: float(array[index]) for name, array in zip(names, arrays, strict=True)}
            out[index] = float(self.alone(answer, point))
        return out

    def rsqrt(self, values: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.where(values > 0, 1 / np.sqrt(np.maximum(values, 0)), 0.0)

    def exp(self, values: Array) -> Array:
        return np.exp(values)


def _mpf(value: Any) -> Any:
    if isinstance(value, float | int | np.floating | np.integer):
        return mpmath.mpf(float(value)) if not isinstance(value, int) else mpmath.mpf(value)
    return mpmath.mpf(value) if not hasattr(value, "_mpf_") else value
