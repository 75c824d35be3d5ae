"""Systems at lengths next to zero and far out, where fixed points are limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian import Answer, evaluate
from ntksym.gaussian.expectation import simplified
from ntksym.gaussian.unevaluated import Unevaluated
from ntksym.kernels.scalars import number
from ntksym.language.expressions import mpmath_function, mul, symbols
from ntksym.phases.systems import GUARD, System, as_mpf

mpmath = lazy("mpmath")


def near_zero(system: System, q: Any, values: Mapping[Any, Any], digits: int) -> Any:
    """The limit of a system as the length q goes to zero, its output taken at a length that makes no difference.

    Outputs are power series in the root of q, so at q = 10^-(2 digits + 10) the next term is below the digits.
    """
    with mpmath.workdps(digits + GUARD):
        known = {**as_mpf(values), q: mpmath.mpf(10) ** -(2 * digits + 10)}
        for d in system.definitions:
            assert d.answer is not None
            known[d.symbol] = evaluate(d.answer, {name: number(x, known) for name, x in d.arguments}, digits).value
        return _or_infinite(number(system.output, known), digits)


def far_out(system: System, q: Any, values: Mapping[Any, Any], digits: int) -> Any:
    """The limit of a system as the length q grows without bound."""
    with mpmath.workdps(digits + GUARD):
        return _or_infinite(number(system.output, far_answers(system, q, values, digits)), digits)


def _or_infinite(value: Any, digits: int) -> Any:
    """A limit: what is huge at a length that stands for 0 or infinity has none."""
    return value if abs(value) < mpmath.mpf(10) ** digits else mpmath.sign(value) * mpmath.inf


def far_answers(system: System, q: Any, values: Mapping[Any, Any], digits: int, length: Any = None) -> dict[Any, Any]:
    """The values, a length q far out (``length``, if given), and the expectations of a system there, by symbol."""
    with mpmath.workdps(digits + GUARD):
        known = {**as_mpf(values), q: length or mpmath.mpf(10) ** (2 * digits + 20)}
        for d in system.definitions:
            assert d.answer is not None
            given = {name: number(x, known) for name, x in d.arguments}
            if len(given) == 1 and d.answer.expression.has(Unevaluated):
                known[d.symbol] = _two_sided(d.answer, *given.values())
            else:
                known[d.symbol] = evaluate(d.answer, given, digits).value
        return known


def _two_sided(answer: Answer, variance: Any) -> Any:
    """E[g(z)] for a wide Gaussian z: g(z) ~ a |z|^k on either side has the mean a s^k E|x|^k, for a standard x."""
    question = simplified(answer.expectation)
    product = mul(*question.factors)
    g = mpmath_function(product, symbols(product))
    total = mpmath.mpf(0)
    for side in (1, -1):
        near, far = g(side * mpmath.sqrt(variance)), g(side * 2 * mpmath.sqrt(variance))
        if abs(near) > 1 / variance and far != 0:
            power = mpmath.log(abs(far / near), 2)
            total += near * 2 ** (power / 2) * mpmath.gamma((power + 1) / 2) / mpmath.sqrt(mpmath.pi) / 2
    return total
