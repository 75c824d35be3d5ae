"""Whether a formula is homogeneous: outputs are products of powers of both norms and a function of the cosine alone.

When one input is multiplied by t, a covariance of degree d is multiplied by t^d, the diagonal of this input by t^(2 d).
Inner products are of degree one, a dual of degree m multiplies the degree of its covariance by m, and a sum has a
degree where all of its terms have the same. (Cho & Saul 2009, section 2, for one layer.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ntksym._lazy import lazy
from ntksym.codegen.duals import AngularDual
from ntksym.records.formula import Algebra, Expected, Formula, Gram, Line, Loop, Pointwise, readings

sympy = lazy("sympy")

Degrees = dict[str, Any]


def is_homogeneous(formula: Formula, forms: Mapping[str, AngularDual | None], sources: Mapping[str, str]) -> bool:
    """Whether every line has a degree, and there is one inner product to start from."""
    known: Degrees = {}
    return sum(isinstance(line, Gram) for line in formula) == 1 and all(
        _read(line, known, forms, sources) for line in formula
    )


def _read(line: Line, known: Degrees, forms: Mapping[str, AngularDual | None], sources: Mapping[str, str]) -> bool:
    """Find the degree of what a line defines; False where it has none."""
    if isinstance(line, Gram):
        known[line.name] = sympy.Integer(1)
        return True
    if isinstance(line, Algebra):
        return _set(known, line.name, degree_of(line.expression, known))
    if isinstance(line, Expected):
        form, source = forms.get(line.name), sources.get(line.name)
        return _set(known, line.name, form.power * known[source] if form and source in known else None)
    if isinstance(line, Pointwise):
        degree = degree_of(line.expression, known, alone=True)
        return _set(known, line.name, -degree / 2 if degree not in (None, ANY) and line.op == "rsqrt" else None)
    if isinstance(line, Loop):
        return _loop(line, known, forms, sources)
    return False


def _loop(line: Loop, known: Degrees, forms: Mapping[str, AngularDual | None], sources: Mapping[str, str]) -> bool:
    """A round multiplies the degrees of all states by one number; as rules are linear in degrees, so does the next."""
    starts = [_set(known, state.name, degree_of(state.start, known)) for state in line.states]
    if not all(starts) or not all(_read(inner, known, forms, sources) for inner in line.lines):
        return False
    degrees = [(known[state.name], degree_of(state.after, known)) for state in line.states]
    degrees = [(before, after) for before, after in degrees if ANY not in (before, after)]
    factors = {sympy.nan if after is None else after / before for before, after in degrees if before != 0}
    if len(factors) > 1 or sympy.nan in factors or any(after != 0 for before, after in degrees if before == 0):
        return False
    whole = sympy.Integer(1) if factors <= {1} else sympy.Symbol(f"degree of {line.name}", positive=True)
    for state in line.states:
        before = known[state.name]
        known[state.final] = before if before == ANY else before * whole
    return True


def _set(known: Degrees, name: str, degree: Any) -> bool:
    known[name] = degree
    return degree is not None


def _same(one: Any, other: Any) -> bool:
    return one is not None and other is not None and (one == other or ANY in (one, other))


ANY = "any"
"""The degree of zero."""


def degree_of(expression: Any, known: Degrees, alone: bool = False) -> Any:
    """The degree of a sum of products of lines, of both inputs or of one ``alone``; None where it has none."""
    found: Any = ANY
    for term in sympy.Add.make_args(sympy.expand(expression)):
        degree = ANY if term == 0 else _of_product(term, known, alone)
        if not _same(found, degree):
            return None
        found = degree if found == ANY else found
    return found


def _of_product(term: Any, known: Degrees, alone: bool) -> Any:
    """The degree of a product of powers of lines, if it is one in both inputs: a diagonal belongs to one of them."""
    first, second = sympy.Integer(0), sympy.Integer(0)
    for factor in sympy.Mul.make_args(term):
        base, exponent = factor.as_base_exp()
        names = readings(base)
        if not names and not readings(exponent):
            continue
        if base not in names or not exponent.is_number or known.get(names[base][0]) is None:
            return None
        name, side = names[base]
        if known[name] == ANY:
            return ANY
        first += exponent * known[name] * {"12": 1, "11": 2, "1": 1}.get(side, 0)
        second += exponent * known[name] * {"12": 1, "22": 2, "2": 1}.get(side, 0)
    return first if alone or first == second else None
