"""How long a closed form takes to be found: the dual and the derivative dual of every activation, and more variables.

Printed, never asserted; each is derived afresh, with SymPy's own caches warm.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import sympy

from ntksym.gaussian import Answer, dual, dual_derivative, expect
from ntksym.gaussian.answers import _part, _solved
from ntksym.gaussian.decompose import decompose
from ntksym.language.activations import activations

pytestmark = pytest.mark.bench


def timed(derive: Callable[[], Answer]) -> tuple[float, Answer]:
    """Seconds and the answer, without the caches of ntksym.gaussian."""
    for cache in (_part, _solved, decompose):
        cache.cache_clear()
    start = time.perf_counter()
    answer = derive()
    return time.perf_counter() - start, answer


def symbolic(n: int) -> list[list[Any]]:
    """A covariance of symbols."""
    return [[sympy.Symbol(f"k{min(i, j)}{max(i, j)}", real=True) for j in range(n)] for i in range(n)]


def test_closed_forms() -> None:
    """One line per activation, then several variables."""
    dual("relu")
    print(f"\n{'':14}{'dual':>9}{'derivative':>12}   strategy, operations")
    for name, phi in activations().items():
        seconds, answer = timed(lambda phi=phi: dual(phi))
        slope, _ = timed(lambda phi=phi: dual_derivative(phi))
        print(f"{name:14}{seconds:8.3f}s{slope:11.3f}s   {answer.strategy}, {sympy.count_ops(answer.expression)}")
    for name, n in [("relu", 3), ("relu", 4), ("gelu", 3), ("erf", 4), ("sin", 4), ("elu", 3)]:
        seconds, answer = timed(lambda name=name, n=n: expect([name] * n, symbolic(n)))
        operations = sympy.count_ops(answer.expression)
        print(f"{f'{name} x{n}':14}{seconds:8.3f}s{'':12}   {answer.strategy}, {operations}")


if __name__ == "__main__":
    test_closed_forms()
