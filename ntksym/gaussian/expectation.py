"""The question: the expectation of a product of functions of a Gaussian vector."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import NtksymError
from ntksym.gaussian.calculus import derivative, jumps
from ntksym.gaussian.terms import NotMine
from ntksym.language.activations import Activation, activation
from ntksym.language.activations._base import Family
from ntksym.language.expressions import (
    Add,
    Expr,
    Mul,
    Number,
    Pow,
    Symbol,
    add,
    latex,
    mul,
    number,
    substitute,
    symbols,
)

sympy = lazy("sympy")

# powers of sums that are multiplied out
_POWERS = (2, 3, 4)

Function = str | Activation | Family | Expr


class GaussianError(NtksymError):
    """An expectation that is not well posed: the message says what is wrong with it."""


@dataclass(frozen=True)
class Expectation:
    """E[f_1 f_2 ...] for z ~ N(mean, covariance).

    ``factors`` are expressions in z1, z2, ...; ``covariance`` and ``mean`` hold SymPy expressions. Of factor k,
    a function of one variable, the derivative of order ``derivatives[k]`` is taken, deltas included.
    """

    factors: tuple[Expr, ...]
    covariance: tuple[tuple[Any, ...], ...]
    mean: tuple[Any, ...]
    derivatives: tuple[int, ...]

    @property
    def n(self) -> int:
        """How many variables there are."""
        return len(self.mean)

    def indices(self, k: int) -> tuple[int, ...]:
        """The positions of the variables in factor k, in the order of its symbols."""
        return tuple(index_of(name) for name in symbols(self.factors[k]))

    def __str__(self) -> str:
        return f"E[{self.text()}]"

    def text(self) -> str:
        """The product that is averaged."""
        return "*".join(_primed(f"({f})", d) for f, d in zip(self.factors, self.derivatives, strict=True)) or "1"

    def latex(self) -> str:
        r"""\mathbb{E}[...] in LaTeX, without dollar signs."""
        parts = [
            rf"\partial^{{{d}}} \left({latex(f)}\right)" if d else latex(f)
            for f, d in zip(self.factors, self.derivatives, strict=True)
        ]
        inside = r" \cdot ".join(re.sub(r"\bz(\d+)\b", r"z_{\1}", part) for part in parts) or "1"
        return rf"\mathbb{{E}}\left[{inside}\right]"


def name_of(index: int) -> str:
    """z1 for the first variable."""
    return f"z{index + 1}"


def index_of(name: str) -> int:
    """0 for z1."""
    return int(name[1:]) - 1


def _primed(text: str, order: int) -> str:
    return text + "'" * order


def expectation(
    functions: Sequence[Function],
    covariance: Sequence[Sequence[Any]],
    mean: Sequence[Any] | None = None,
    derivatives: Sequence[int] | None = None,
) -> Expectation:
    """The question from what a person types; arguments as for ``expect``. Raises ``GaussianError``."""
    factors: list[Expr] = []
    count = 0
    for function in functions:
        expr, names = _read(function)
        factors.append(substitute(expr, {name: Symbol(name_of(count + k)) for k, name in enumerate(names)}))
        count += len(names)
    K = tuple(tuple(sympy.sympify(entry) for entry in row) for row in covariance)
    m = tuple(map(sympy.sympify, mean)) if mean is not None else (sympy.S.Zero,) * len(K)
    orders = tuple(derivatives) if derivatives is not None else (0,) * len(factors)
    if len(K) != count or any(len(row) != count for row in K) or len(m) != count:
        raise GaussianError(
            f"the functions take {count} variables together, "
            f"so the covariance must be {count} by {count} and the mean of length {count}"
        )
    if any(sympy.expand(K[i][j] - K[j][i]) != 0 for i in range(count) for j in range(i)):
        raise GaussianError("a covariance is symmetric")
    if any(entry.is_negative for entry in (K[i][i] for i in range(count))):
        raise GaussianError("a variance is not negative")
    if len(orders) != len(factors) or any(
        order and len(symbols(factor)) != 1 for order, factor in zip(orders, factors, strict=True)
    ):
        raise GaussianError("derivatives holds one order for each function; only one of one variable has any")
    return Expectation(tuple(factors), K, m, orders)


def _read(function: Function) -> tuple[Expr, tuple[str, ...]]:
    if isinstance(function, Expr):
        return function, symbols(function) or ("z",)
    found = activation(function)
    return found.expr, found.symbols


# --- the same question, simpler ------------------------------------------------------------------------


def simplified(question: Expectation) -> Expectation:
    """Products taken apart, derivatives of smooth functions carried out, equal variables made one."""
    factors: list[tuple[Expr, int]] = []
    for factor, order in zip(question.factors, question.derivatives, strict=True):
        expr, left = _differentiated(factor, order)
        parts = expr.args if isinstance(expr, Mul) and not left else (expr,)
        factors += [(part, left) for part in parts]
    factors, K, m = _without_copies(factors, question)
    used = sorted({index_of(name) for factor, _ in factors for name in symbols(factor)})
    renamed = {name_of(i): Symbol(name_of(k)) for k, i in enumerate(used)}
    factors = [(substitute(factor, renamed), order) for factor, order in factors]
    factors.sort(key=lambda pair: (str(pair[0]), pair[1]))
    return Expectation(
        tuple(factor for factor, _ in factors),
        tuple(tuple(K[i][j] for j in used) for i in used),
        tuple(m[i] for i in used),
        tuple(order for _, order in factors),
    )


def _differentiated(factor: Expr, order: int) -> tuple[Expr, int]:
    """Derivatives are carried out while no jump would leave a delta."""
    while order:
        try:
            if jumps(factor):
                break
            factor = derivative(factor, symbols(factor)[0])
        except NotMine:
            break
        order -= 1
        if not symbols(factor):
            return (number(0), 0) if order else (factor, 0)
    return factor, order


def _without_copies(
    factors: list[tuple[Expr, int]], question: Expectation
) -> tuple[list[tuple[Expr, int]], tuple[tuple[Any, ...], ...], tuple[Any, ...]]:
    """z_j = c z_i + d for rational c and d, or z_j = d, is put in wherever the covariance says so."""
    K, m = question.covariance, question.mean
    distributions = {name for factor, order in factors if order for name in symbols(factor)}
    for j in range(question.n):
        if K[j][j] == 0 and m[j].is_Rational and name_of(j) not in distributions:
            factors = _put(factors, j, number(_fraction(m[j])))
            continue
        for i in range(j):
            if K[i][i] == 0 or K[i][j] == 0:
                continue
            c = sympy.cancel(K[i][j] / K[i][i])
            d = sympy.expand(m[j] - c * m[i])
            is_copy = c.is_Rational and d.is_Rational and sympy.expand(K[j][j] - c * K[i][j]) == 0
            if is_copy and ((c, d) == (1, 0) or name_of(j) not in distributions):
                scaled = mul(number(_fraction(c)), Symbol(name_of(i)))
                factors = _put(factors, j, add(scaled, number(_fraction(d))))
                break
    return factors, K, m


def _put(factors: list[tuple[Expr, int]], j: int, value: Expr) -> list[tuple[Expr, int]]:
    return [(substitute(factor, {name_of(j): value}), order) for factor, order in factors]


def _fraction(value: Any) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def independent_parts(question: Expectation) -> list[Expectation]:
    """The question as a product of questions about independent variables."""
    groups: list[set[int]] = []
    links = [set(question.indices(k)) for k in range(len(question.factors))]
    size = range(question.n)
    links += [{i, j} for i in size for j in size if i < j and question.covariance[i][j] != 0]
    for link in links:
        joined = [group for group in groups if group & link]
        groups = [group for group in groups if not group & link]
        groups.append(set(link).union(*joined))
    found = []
    for group in sorted(map(sorted, filter(None, groups))):
        inside = [k for k in range(len(question.factors)) if set(question.indices(k)) & set(group)]
        renamed = {name_of(i): Symbol(name_of(k)) for k, i in enumerate(group)}
        found.append(
            Expectation(
                tuple(substitute(question.factors[k], renamed) for k in inside),
                tuple(tuple(question.covariance[i][j] for j in group) for i in group),
                tuple(question.mean[i] for i in group),
                tuple(question.derivatives[k] for k in inside),
            )
        )
    return found


def opened(question: Expectation) -> list[Expectation]:
    """A sum among the factors multiplied out, where each term has fewer variables than the sum; [] if there is none.

    The question is the sum of those that are given back.
    """
    for k, factor in enumerate(question.factors):
        rest: tuple[Expr, ...] = ()
        if isinstance(factor, Pow) and isinstance(factor.exponent, Number) and factor.exponent.value in _POWERS:
            rest = (factor.base,) * (int(factor.exponent.value) - 1)
            factor = factor.base
        together = set(symbols(factor))
        if not isinstance(factor, Add) or not all(set(symbols(arg)) < together for arg in factor.args):
            continue
        others = (*question.factors[:k], *rest, *question.factors[k + 1 :])
        if any(question.derivatives):
            return []
        orders = (0,) * (len(others) + 1)
        return [Expectation((arg, *others), question.covariance, question.mean, orders) for arg in factor.args]
    return []


def constant_factors(question: Expectation) -> list[Expr]:
    """The factors without a variable."""
    return [factor for factor in question.factors if not symbols(factor)]
