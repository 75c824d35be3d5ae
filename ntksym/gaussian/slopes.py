"""Partial derivatives of a Gaussian expectation by its covariance and its mean: Price's theorem.

dE/dK_ij = E[d_i d_j f], dE/dK_ii = E[d_i d_i f]/2 and dE/dm_i = E[d_i f] (Price 1958), in the sense of distributions: a
function that jumps leaves a delta function behind. The expression of such an answer is found by differentiating the
closed form; its question is what Price's theorem says, and answers where the covariance is singular.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian.answers import Answer, solved
from ntksym.gaussian.calculus import derivative
from ntksym.gaussian.expectation import Expectation, GaussianError, index_of, name_of, simplified
from ntksym.gaussian.pieces import has_kinks
from ntksym.language.expressions import Expr, Mul, Symbol, mul, substitute, symbols

sympy = lazy("sympy")

Slope = tuple[Any, Answer]
"""A number, and the answer that it multiplies."""


@lru_cache(maxsize=1024)
def slopes(answer: Answer) -> tuple[tuple[str, tuple[Slope, ...]], ...]:
    """For every symbol of the question's covariance and mean: the derivative as a sum of numbers times answers.

    A symbol that stands in several entries gets one term from each. Raises ``GaussianError`` where a function of
    several variables jumps, so that its derivative is no function.
    """
    question = simplified(answer.expectation)  # equal variables are one
    places: dict[Any, list[tuple[int, ...]]] = {}
    for i, j in combinations_with_replacement(range(question.n), 2):
        _placed(places, question.covariance[i][j], (i, j))
    for i, entry in enumerate(question.mean):
        _placed(places, entry, (i,))
    return tuple(
        (symbol.name, tuple(_slope(answer, question, symbol, where, len(entries) == 1) for where in entries))
        for symbol, entries in places.items()
    )


def aligned(answer: Answer, sign: int) -> tuple[tuple[str, Any], ...]:
    """The derivatives by both variances of a two-variable answer while the correlation stays at ``sign`` (1 or -1).

    There the partial derivatives may be infinite and their sum is not. Expressions in the symbols of the variances.
    """
    (p, r), (_, q) = answer.expectation.covariance
    positive = {s: sympy.Symbol(s.name, positive=True) for s in {p, q}}
    back = {new: old for old, new in positive.items()}
    root = sign * sympy.sqrt(positive[p] * positive[q])
    along = answer.expression.subs(positive, simultaneous=True).subs(r, root)
    return tuple((s.name, sympy.diff(along, positive[s]).xreplace(back)) for s in (p, q))


@lru_cache(maxsize=256)
def without(answer: Answer, names: tuple[str, ...]) -> Answer:
    """The answer where the variances of these names are zero, and with them the covariances in their rows."""
    question = answer.expectation
    gone = {i for i in range(question.n) if str(question.covariance[i][i]) in names}
    K = tuple(
        tuple(sympy.S.Zero if gone & {i, j} else entry for j, entry in enumerate(row))
        for i, row in enumerate(question.covariance)
    )
    return solved(replace(question, covariance=K))


def _placed(places: dict[Any, list[tuple[int, ...]]], entry: Any, where: tuple[int, ...]) -> None:
    if entry.is_Symbol:
        places.setdefault(entry, []).append(where)
    elif entry.free_symbols:
        raise GaussianError(f"a covariance to differentiate by holds symbols and numbers, not {entry}")


def _slope(answer: Answer, question: Expectation, symbol: Any, where: tuple[int, ...], only: bool) -> Slope:
    half = sympy.Rational(1, 2) if len(where) == 2 and where[0] == where[1] else sympy.S.One
    if only:
        expression = sympy.diff(answer.expression, symbol) / half
    else:
        expression = _by_entry(question, where, symbol) / half
    return half, replace(answer, expression=expression, expectation=price(question, where))


def _by_entry(question: Expectation, where: tuple[int, ...], symbol: Any) -> Any:
    """The derivative by one of several entries that hold the same symbol."""
    apart = sympy.Dummy(symbol.name, positive=len(set(where)) == 1 or None, real=True)
    K, m = [list(row) for row in question.covariance], list(question.mean)
    if len(where) == 1:
        m[where[0]] = apart
    else:
        i, j = where
        K[i][j] = K[j][i] = apart
    found = solved(replace(question, covariance=tuple(map(tuple, K)), mean=tuple(m)))
    return sympy.diff(found.expression, apart).subs(apart, symbol)


def price(question: Expectation, by: tuple[int, ...]) -> Expectation:
    """The question with its product differentiated once by each of the variables ``by``."""
    groups = _groups(question)
    for i in by:
        k = next(k for k, (factor, _) in enumerate(groups) if name_of(i) in symbols(factor))
        factor, order = groups[k]
        groups[k] = (factor, order + 1) if len(symbols(factor)) == 1 else (_plain(factor, name_of(i)), order)
    return _question(groups, question)


def _groups(question: Expectation) -> list[tuple[Expr, int]]:
    """The factors, those that share a variable multiplied, in the order of their variables."""
    parts: list[tuple[Expr, int]] = []
    for factor, order in zip(question.factors, question.derivatives, strict=True):
        split = factor.args if isinstance(factor, Mul) and not order else (factor,)
        parts += [(part, order) for part in split]
    groups: list[tuple[Expr, int]] = []
    for part, order in parts:
        names = set(symbols(part))
        mine = [group for group in groups if names & set(symbols(group[0]))]
        if mine and (order or any(o for _, o in mine)):
            raise GaussianError(f"{question}: a delta function beside a function of its variable")
        groups = [group for group in groups if group not in mine]
        groups.append((mul(*(factor for factor, _ in mine), part), order))
    groups.sort(key=lambda group: tuple(map(index_of, symbols(group[0]))))
    flat = [index_of(name) for factor, _ in groups for name in symbols(factor)]
    if flat != sorted(flat):  # variables of different functions interleave: one function of all of them
        groups = [(mul(*(factor for factor, _ in groups)), 0)]
    return groups


def _plain(factor: Expr, name: str) -> Expr:
    if has_kinks(factor):
        raise GaussianError(f"{factor} has kinks in several variables, so its derivative by {name} is not known")
    return derivative(factor, name)


def _question(groups: list[tuple[Expr, int]], old: Expectation) -> Expectation:
    """The expectation of a product, without the variables that no longer stand in it."""
    kept = [index_of(name) for factor, _ in groups for name in symbols(factor)]
    renamed = {name_of(i): Symbol(name_of(k)) for k, i in enumerate(kept)}
    return Expectation(
        tuple(substitute(factor, renamed) for factor, _ in groups),
        tuple(tuple(old.covariance[i][j] for j in kept) for i in kept),
        tuple(old.mean[i] for i in kept),
        tuple(order for _, order in groups),
    )
