"""The answer: an expression, how it is known, which strategy found it, and the question it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian.decompose import decompose
from ntksym.gaussian.expectation import (
    Expectation,
    Function,
    constant_factors,
    expectation,
    independent_parts,
    opened,
    simplified,
)
from ntksym.gaussian.present import expression_of
from ntksym.gaussian.rank_one import expectation_of
from ntksym.gaussian.special import Orthant
from ntksym.gaussian.terms import NotMine, Terms, constant
from ntksym.gaussian.unevaluated import unevaluated
from ntksym.gaussian.wick import wick
from ntksym.language.expressions import symbols, to_sympy
from ntksym.records.evidence import Evidence, weakest

sympy = lazy("sympy")


@dataclass(frozen=True)
class Answer:
    """What an expectation is.

    ``expression`` is a SymPy expression in the symbols of the covariance and the mean. Where there is no closed
    form it holds ``Unevaluated`` expectations, and the evidence says so. ``strategy`` is ``wick``,
    ``rank-one``, ``numeric``, or several of them for a product. ``expectation`` is the question.
    """

    expression: Any
    evidence: Evidence
    strategy: str
    expectation: Expectation

    def latex(self) -> str:
        """The expression in LaTeX, without dollar signs."""
        return str(sympy.latex(self.expression))

    def __str__(self) -> str:
        return f"{self.expectation} = {self.expression}   [{self.strategy}: {self.evidence}]"


def expect(
    functions: Sequence[Function],
    covariance: Sequence[Sequence[Any]],
    mean: Sequence[Any] | None = None,
    derivatives: Sequence[int] | None = None,
) -> Answer:
    """E[f_1(z_1) f_2(z_2) ...] for z ~ N(mean, covariance), in closed form where one can be derived.

    ``functions`` are activations (names, texts, records) or expressions; one of several symbols takes as many
    variables, in their order. ``covariance`` (n by n, symmetric) and ``mean`` (n, default 0) hold numbers or
    SymPy expressions; a symbol on the diagonal is taken to be positive. ``derivatives[k]`` asks for that
    derivative of function k, in the sense of distributions. Raises ``GaussianError`` for sizes that do not fit.

        expect(["relu", "relu"], [[p, r], [r, q]])
    """
    return solved(expectation(functions, covariance, mean, derivatives))


@lru_cache(maxsize=1024)
def solved(question: Expectation) -> Answer:
    """The answer to a question, in closed form where one can be derived."""
    plain = [entry for k, entry in enumerate(_diagonal(question)) if entry.is_Symbol and not entry.is_positive]
    positive = {symbol: sympy.Symbol(symbol.name, positive=True) for symbol in plain}
    back = {new: old for old, new in positive.items()}
    simple = simplified(_with_symbols(question, positive))
    parts = [_part(part) for part in independent_parts(simple)]
    number = sympy.Mul(*map(to_sympy, constant_factors(simple)))
    expression = sympy.Mul(number, *(part.expression for part in parts))
    if expression == 0:
        return Answer(sympy.S.Zero, Evidence("exact"), "wick", question)
    strategies = dict.fromkeys(part.strategy for part in parts)
    evidence = weakest(*(part.evidence for part in parts))
    return Answer(expression.xreplace(back), evidence, " and ".join(strategies) or "wick", question)


def _diagonal(question: Expectation) -> list[Any]:
    return [question.covariance[i][i] for i in range(question.n)]


def _with_symbols(question: Expectation, mapping: dict[Any, Any]) -> Expectation:
    K = tuple(tuple(entry.xreplace(mapping) for entry in row) for row in question.covariance)
    return replace(question, covariance=K, mean=tuple(entry.xreplace(mapping) for entry in question.mean))


# --- strategies, in order ------------------------------------------------------------------------------


@lru_cache(maxsize=2048)
def _part(question: Expectation) -> Answer:
    reasons = []
    for strategy in (by_wick, by_rank_one):
        try:
            return strategy(question)
        except NotMine as reason:
            reasons.append(str(reason))
    terms = opened(question)
    if terms:
        return _total(question, [solved(term) for term in terms])
    return numeric(question, reasons[-1])


def by_wick(question: Expectation) -> Answer:
    """Strategy 1. ``NotMine`` for anything but polynomials."""
    expression = wick(terms_of(question), question.covariance, question.mean)
    return Answer(expression, Evidence("exact"), "wick", question)


def by_rank_one(question: Expectation) -> Answer:
    """Strategy 2. ``NotMine`` names the part of a function that is no sum of rank-one terms."""
    algebra, total = expectation_of(terms_of(question), [list(row) for row in question.covariance], list(question.mean))
    expression = expression_of(algebra, total)
    note = "its orthant probabilities are integrals, taken numerically" if expression.has(Orthant) else ""
    return Answer(expression, Evidence("exact", note=note), "rank-one", question)


def _total(question: Expectation, terms: list[Answer]) -> Answer:
    """The sum of the answers to the terms of a question."""
    strategies = " and ".join(dict.fromkeys(term.strategy for term in terms))
    expression = sympy.Add(*(term.expression for term in terms))
    return Answer(expression, weakest(*(term.evidence for term in terms)), strategies, question)


def numeric(question: Expectation, reason: str) -> Answer:
    """Strategies 3 and 4 answer for numbers: ``evaluate`` takes a series or a quadrature, each with its bound."""
    note = f"no closed form found: {reason}; evaluate() gives numbers with their bound"
    return Answer(unevaluated(question), Evidence("quadrature", note=note), "numeric", question)


def terms_of(question: Expectation) -> Terms:
    """The product as one sum of rank-one terms in all variables."""
    parts = []
    for k, factor in enumerate(question.factors):
        found = decompose(factor, symbols(factor))
        for _ in range(question.derivatives[k]):
            found = found.derivative(0)
        parts.append(found.placed(question.n, question.indices(k)))
    return reduce(Terms.__mul__, parts, constant(question.n, sympy.S.One))
