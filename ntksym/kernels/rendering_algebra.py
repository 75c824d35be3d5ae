"""Expressions tidied for people: known definitions put in, common factors taken out, pi - arccos for pi/2 + arcsin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian.special import NormalCDF

sympy = lazy("sympy")


def with_definitions(expression: Any, known: Sequence[tuple[Any, Any]]) -> Any:
    """The expression with each known (symbol, definition) that occurs in it as a part of the sum, by its symbol.

    Theta' = E + b + dE Theta becomes K' + dE Theta where K' = E + b is known.
    """
    for symbol, definition in known:
        if definition == expression:
            return symbol
        shorter = symbol + expression - definition
        if _occurs(definition, expression) and shorter.count_ops() < expression.count_ops():
            return symbol + with_definitions(expression - definition, [pair for pair in known if pair[0] != symbol])
    return expression


def _occurs(part: Any, whole: Any) -> bool:
    """Whether every term of one sum stands in the other, at least as often."""
    mine, theirs = part.as_coefficients_dict(), whole.as_coefficients_dict()
    return all(key in theirs and 0 < c / theirs[key] <= 1 for key, c in mine.items())


def factored(expression: Any, numbers: set[Any]) -> Any:
    """A sum with common factors taken out where that makes it shorter; ``numbers`` are the hyperparameters.

    Either all terms share a factor, or those with the same hyperparameters in front are gathered.
    """
    if not expression.is_Add:
        return expression
    groups: dict[Any, list[Any]] = {}
    for term in expression.args:
        front, rest = term.as_independent(*(expression.free_symbols - numbers), as_Add=False)
        groups.setdefault(front if rest != 1 else sympy.S.One, []).append(rest if rest != 1 else front)
    # a number does not go in front of a sum: SymPy would multiply it in
    parts = [(front, sympy.factor_terms(sympy.Add(*rests), sign=False)) for front, rests in groups.items()]
    gathered = sympy.Add(*(front * part for front, part in parts))
    whole = sympy.factor_terms(expression, sign=False)
    return min((expression, gathered, whole), key=lambda e: (e.count_ops(), len(sympy.Add.make_args(e))))


def closed_form(expression: Any) -> Any:
    """A closed form as a paper prints it."""
    found = _arccos(expression)
    whole = sympy.factor_terms(found, clear=True, sign=False)
    return whole if whole.count_ops() < found.count_ops() else found


def _arccos(expression: Any) -> Any:
    """c asin(z) + c pi/2 as c (pi - acos(z)), wherever both terms stand in a sum."""
    terms = list(sympy.Add.make_args(expression))
    for term in list(terms):
        for asin in term.atoms(sympy.asin):
            c = term / asin
            other = c * sympy.pi / 2
            if term in terms and other in terms and not c.has(sympy.asin):
                terms.remove(term)
                terms.remove(other)
                terms.append(c * (sympy.pi - sympy.acos(asin.args[0])))
    return sympy.Add(*terms)


def averaged(expression: Any) -> Any:
    """What an expectation is taken of: Phi by its name, and a function with values 0 and 1 as an indicator."""
    found = expression.replace(lambda e: e.is_Add and e.has(sympy.erf), _with_phi)
    return found.replace(sympy.Piecewise, _indicator)


def _with_phi(total: Any) -> Any:
    """c + c erf(z / sqrt(2)) as 2 c Phi(z)."""
    number, terms = total.as_coeff_Add()
    for term in terms.args if terms.is_Add else (terms,):
        c, rest = term.as_coeff_Mul()
        if isinstance(rest, sympy.erf) and c == number:
            return terms - term + 2 * c * NormalCDF(sympy.sqrt(2) * rest.args[0])
    return total


def _indicator(*pieces: Any) -> Any:
    if len(pieces) == 2 and [value for value, _ in pieces] in ([0, 1], [1, 0]) and pieces[1][1] == sympy.true:
        value, when = pieces[0]
        return indicator(when if value == 1 else sympy.Not(when))
    return sympy.Piecewise(*pieces)


def indicator(relation: Any) -> Any:
    """1 where a relation holds, 0 elsewhere."""
    return sympy.S.One if relation == sympy.true else Indicator(relation)


_Function: Any = sympy.Function


class Indicator(_Function):  # type: ignore[misc]
    """An indicator: for display only."""

    def _latex(self, printer: Any, exp: Any = None) -> str:
        head = r"\mathbf{1}" if exp is None else rf"\mathbf{{1}}^{{{exp}}}"
        return rf"{head}\left[{printer._print(self.args[0])}\right]"

    def _sympystr(self, printer: Any) -> str:
        relation = self.args[0]
        sign = "=" if isinstance(relation, sympy.Eq) else relation.rel_op
        return f"1[{printer._print(relation.lhs)} {sign} {printer._print(relation.rhs)}]"
