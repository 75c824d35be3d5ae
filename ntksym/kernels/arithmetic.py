"""Numbers that lines are evaluated in: mpmath to any precision, or double precision in arrays."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, Protocol

import numpy as np

from ntksym._lazy import lazy
from ntksym.gaussian import Answer, evaluate, evaluate_many, is_near
from ntksym.gaussian.special import bivariate_normal, normal_cdf
from ntksym.gaussian.unevaluated import Unevaluated
from ntksym.records.evidence import Evidence

sympy = lazy("sympy")
mpmath = lazy("mpmath")
special = lazy("scipy.special")

Array = Any

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


class Precise:
    """mpmath numbers in object arrays."""

    def __init__(self, digits: int) -> None:
        self.digits = digits
        self.evidence: list[Evidence] = []
        self._known: dict[Any, Any] = {}

    def array(self, values: Any) -> Array:
        made: Array = np.vectorize(_mpf, otypes=[object])(np.asarray(values, dtype=object))
        return made

    def algebra(self, expression: Any, symbols: tuple[Any, ...], values: list[Any]) -> Array:
        return _function(expression, symbols, "mpmath")(*values)

    def alone(self, answer: Answer, values: dict[str, Any]) -> Any:
        """One expectation near a singular covariance: numbers that differ by rounding only are made equal first."""
        with mpmath.workdps(2 * self.digits):
            values = {name: +value for name, value in values.items()}
        key = (answer, tuple(sorted(values.items())))
        if key not in self._known:
            found = evaluate(answer, values, self.digits)
            self.evidence.append(found.evidence)
            self._known[key] = found.value
        return self._known[key]

    def answer(self, answer: Answer, values: dict[str, Array]) -> Array:
        names = tuple(values)
        arrays = np.broadcast_arrays(*(np.asarray(values[name], dtype=object) for name in names))
        shape = arrays[0].shape if arrays else ()
        out = np.empty(shape, dtype=object)
        closed = not answer.expression.has(Unevaluated)
        flat = {name: array.astype(float).ravel() for name, array in zip(names, arrays, strict=True)}
        near = is_near(answer, flat, prod(shape)).reshape(shape)
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


class Double:
    """Floating-point arrays."""

    def __init__(self) -> None:
        self.evidence: list[Evidence] = []

    def array(self, values: Any) -> Array:
        return np.asarray(values, dtype=float)

    def algebra(self, expression: Any, symbols: tuple[Any, ...], values: list[Any]) -> Array:
        return _function(expression, symbols, "numpy")(*values)

    def answer(self, answer: Answer, values: dict[str, Array]) -> Array:
        found = evaluate_many(answer, values)
        self.evidence.append(found.evidence)
        return found.value

    def rsqrt(self, values: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.where(values > 0, 1 / np.sqrt(np.maximum(values, 0)), 0.0)

    def exp(self, values: Array) -> Array:
        return np.exp(values)


def _mpf(value: Any) -> Any:
    if isinstance(value, float | int | np.floating | np.integer):
        return mpmath.mpf(float(value)) if not isinstance(value, int) else mpmath.mpf(value)
    return mpmath.mpf(value) if not hasattr(value, "_mpf_") else value
