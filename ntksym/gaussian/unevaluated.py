"""An expectation without a closed form, as a SymPy object that prints, differentiates and evaluates."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian.calculus import derivative, jumps
from ntksym.gaussian.expectation import Expectation, GaussianError, name_of
from ntksym.gaussian.pieces import has_kinks
from ntksym.gaussian.terms import NotMine
from ntksym.language.expressions import Expr, Mul, mul, parse, symbols

sympy = lazy("sympy")

_Function: Any = sympy.Function


class Unevaluated(_Function):  # type: ignore[misc]
    """``Unevaluated(text, K_11, K_12, ..., K_nn, m_1, ..., m_n)``: the upper half of the covariance, the mean.

    ``text`` is a symbol whose name is the product that is averaged, an expression in z1, z2, ...
    """

    @property
    def question(self) -> Expectation:
        """The expectation as a record."""
        text, *numbers = self.args
        n = next(n for n in range(len(numbers) + 1) if n * (n + 3) // 2 == len(numbers))
        K: list[list[Any]] = [[0] * n for _ in range(n)]
        entries = iter(numbers)
        for i in range(n):
            for j in range(i, n):
                K[i][j] = K[j][i] = next(entries)
        product = parse(text.name, tuple(map(name_of, range(n))))
        factors = product.args if isinstance(product, Mul) else (product,)
        return Expectation(factors, tuple(map(tuple, K)), tuple(entries), (0,) * len(factors))

    def fdiff(self, argindex: int = 1) -> Any:
        """Price: dE/dK_ij = E[d_i d_j f], dE/dK_ii = E[d_i d_i f]/2, dE/dm_i = E[d_i f].

        Where a jump would leave a delta function the derivative stays unevaluated.
        """
        question = self.question
        n = question.n
        pairs = [(i, j) for i in range(n) for j in range(i, n)]
        where = argindex - 2
        if where < 0:
            raise sympy.core.function.ArgumentIndexError(self, argindex)
        by = pairs[where] if where < len(pairs) else (where - len(pairs),)
        try:
            product = _differentiated(question.factors, [name_of(i) for i in by])
        except NotMine as reason:
            raise sympy.core.function.ArgumentIndexError(self, argindex) from reason
        half = sympy.Rational(1, 2) if len(by) == 2 and by[0] == by[1] else 1
        return half * Unevaluated(sympy.Symbol(str(product)), *self.args[1:])

    def _latex(self, printer: Any, exp: Any = None) -> str:
        inside = self.question.latex()
        return inside if exp is None else rf"{inside}^{{{exp}}}"

    def _eval_is_real(self) -> bool:
        return True


def unevaluated(question: Expectation) -> Any:
    """The SymPy object of a question. ``GaussianError`` if a delta function stands in it."""
    if any(question.derivatives):
        raise GaussianError(
            f"{question}: delta functions at one point (infinite or undefined), or beside a function "
            "without closed form"
        )
    n = question.n
    entries = [question.covariance[i][j] for i in range(n) for j in range(i, n)]
    return Unevaluated(sympy.Symbol(str(mul(*question.factors))), *entries, *question.mean)


def _differentiated(factors: tuple[Expr, ...], names: list[str]) -> Expr:
    for name in names:
        mine = mul(*(factor for factor in factors if name in symbols(factor)))
        others = [factor for factor in factors if name not in symbols(factor)]
        if has_kinks(mine) and (len(symbols(mine)) > 1 or jumps(mine)):
            raise NotMine(f"{mine} jumps")
        factors = (*others, derivative(mine, name))
    return mul(*factors)
