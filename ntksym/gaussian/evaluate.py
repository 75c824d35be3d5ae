"""Numbers for an answer, to as many digits as asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

from ntksym._lazy import lazy
from ntksym.gaussian.answers import Answer, solved
from ntksym.gaussian.expectation import Expectation, GaussianError, simplified
from ntksym.gaussian.hermite import mehler
from ntksym.gaussian.pieces import to_mpf
from ntksym.gaussian.quadrature import integrate
from ntksym.gaussian.sampled import STANDARD_ERRORS
from ntksym.gaussian.special import bivariate_normal, normal_cdf, orthant
from ntksym.gaussian.terms import NotMine
from ntksym.gaussian.unevaluated import Unevaluated
from ntksym.records.evidence import Evidence, weakest

sympy = lazy("sympy")
mpmath = lazy("mpmath")

NOTES = {
    "quadrature": "the bound is an estimate from two resolutions",
    "sampled": f"the bound is {STANDARD_ERRORS} standard errors of randomised quasi-Monte Carlo",
}
MAX_DPS = 4000
# a covariance typed in floating point may be this far (relatively) outside what a covariance can be
ROUNDING = 1e-13


@dataclass(frozen=True)
class Number:
    """A value (mpmath) and how it is known; ``evidence.bound`` is an absolute bound on its error."""

    value: Any
    evidence: Evidence


def evaluate(answer: Answer, values: Mapping[Any, Any] | None = None, digits: int = 30) -> Number:
    """The number that an answer is for ``values`` of its symbols, to ``digits`` significant digits.

    ``values`` maps symbols or their names to exact numbers (ints, Fractions, SymPy numbers such as sqrt(6), or
    texts of these); floats count as the binary fractions they are. Near correlation +-1 the working precision
    is raised until the digits stand; at a singular covariance the answer is derived anew for these numbers.
    Without a closed form the number comes from a series or a quadrature, and its bound may miss the digits.
    Raises ``GaussianError`` for missing values or a matrix that is no covariance.
    """
    question = _with_numbers(answer.expectation, values or {})
    if _is_singular(question):
        answer = solved(question)
        expression = answer.expression
    else:
        expression = answer.expression.subs(_mapping(answer.expression, values or {}), simultaneous=True)
    if expression in (sympy.oo, -sympy.oo, sympy.zoo):
        return Number(mpmath.inf, Evidence("exact"))
    return _number(expression, answer.evidence, digits)


# --- the question with numbers -------------------------------------------------------------------------


def exact_number(value: Any) -> Any:
    """A number as SymPy holds it; floats and mpmath numbers are the binary fractions they are."""
    if isinstance(value, float):
        return sympy.Rational(value)
    if hasattr(value, "_mpf_"):
        sign, mantissa, exponent, _ = value._mpf_
        return sympy.Integer((-1) ** sign * int(mantissa)) * sympy.Integer(2) ** exponent
    number = sympy.nsimplify(value) if isinstance(value, str) else sympy.sympify(value)
    return number


def _mapping(expression: Any, values: Mapping[Any, Any]) -> dict[Any, Any]:
    by_name = {str(name): exact_number(value) for name, value in values.items()}
    return {symbol: by_name[symbol.name] for symbol in expression.free_symbols if symbol.name in by_name}


def _with_numbers(question: Expectation, values: Mapping[Any, Any]) -> Expectation:
    entries = sympy.Matrix([*(entry for row in question.covariance for entry in row), *question.mean])
    missing = sorted({s.name for s in entries.free_symbols} - {str(name) for name in values})
    if missing:
        raise GaussianError(f"a value is needed for {', '.join(missing)}")
    mapping = _mapping(entries, values)
    K = [[entry.subs(mapping, simultaneous=True) for entry in row] for row in question.covariance]
    mean = tuple(entry.subs(mapping, simultaneous=True) for entry in question.mean)
    return Expectation(question.factors, _checked(K), mean, question.derivatives)


def _checked(K: list[list[Any]]) -> tuple[tuple[Any, ...], ...]:
    """A covariance: variances not negative, correlations at most 1, where rounding may be mended."""
    n = len(K)
    for i in range(n):
        if not K[i][i] >= 0:
            raise GaussianError(f"the variance {sympy.N(K[i][i], 8)} is negative")
    for i, j in combinations(range(n), 2):
        most = K[i][i] * K[j][j]
        excess = sympy.N(K[i][j] ** 2 - most, 30, maxn=2000)
        if excess > ROUNDING * most:
            raise GaussianError(
                f"no covariance: {sympy.N(K[i][j], 8)} squared is more than "
                f"{sympy.N(K[i][i], 8)} times {sympy.N(K[j][j], 8)}"
            )
        if excess > 0:
            K[i][j] = K[j][i] = sympy.sign(K[i][j]) * sympy.sqrt(most)
    return tuple(map(tuple, K))


def _is_singular(question: Expectation) -> bool:
    """By the leading minors, which are all positive just where the covariance is regular (Sylvester)."""
    for size in range(1, question.n + 1):
        determinant = sympy.Matrix(size, size, lambda i, j: question.covariance[i][j]).det()
        if determinant == 0 or (not determinant.is_Rational and sympy.simplify(determinant) == 0):
            return True
        if size > 2 and determinant.is_negative:
            raise GaussianError("the matrix is no covariance: it has a negative determinant")
    return False


# --- the number ----------------------------------------------------------------------------------------


def _number(expression: Any, evidence: Evidence, digits: int) -> Number:
    nodes = sorted(expression.atoms(Unevaluated), key=str)
    if not nodes:
        value = _stable(expression, digits)
        bound = float(abs(value) * mpmath.mpf(10) ** -digits)
        return Number(value, Evidence("exact", bound=bound, note=evidence.note))
    found = [_unevaluated_number(node, digits) for node in nodes]
    dummies = [sympy.Dummy() for _ in nodes]
    rest = expression.xreplace(dict(zip(nodes, dummies, strict=True)))
    numbers = {d: _float(part.value, digits + 15) for d, part in zip(dummies, found, strict=True)}
    slopes = [abs(rest.diff(d).subs(numbers)) for d in dummies]
    with mpmath.workdps(digits + 15):
        value = to_mpf(rest.subs(numbers), digits + 15)
        parts = [float(to_mpf(s, 20)) * (part.evidence.bound or 0) for s, part in zip(slopes, found, strict=True)]
    kind = weakest(*(part.evidence for part in found))
    return Number(value, Evidence(kind.kind, kind.order, kind.nodes, sum(parts), kind.note))


@lru_cache(maxsize=512)
def _unevaluated_number(node: Any, digits: int) -> Number:
    question = simplified(node.question)
    dps = digits + 15
    with mpmath.workdps(dps):
        K = [[to_mpf(entry, dps) for entry in row] for row in question.covariance]
        mean = [to_mpf(entry, dps) for entry in question.mean]
        try:
            series = mehler(question.factors, K, mean, digits)
            evidence = Evidence("series", order=series.order, bound=float(series.bound), note="Mehler series")
            return Number(series.value, evidence)
        except NotMine:
            found = integrate(question.factors, K, mean, digits)
    return Number(
        found.value, Evidence(found.kind, nodes=found.nodes, bound=float(found.bound), note=NOTES[found.kind])
    )


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "NormalCDF": normal_cdf,
    "BivariateNormal": bivariate_normal,
    "Orthant": orthant,
    "Heaviside": lambda x, at_zero: (1 + mpmath.sign(x)) / 2 if x else at_zero,
}


def _stable(expression: Any, digits: int) -> Any:
    """The value at working precisions that rise until ``digits`` digits agree."""
    function = sympy.lambdify([], expression, [_FUNCTIONS, "mpmath"], cse=True)
    dps, old = digits + 10, None
    while dps < MAX_DPS:
        with mpmath.workdps(dps):
            value = mpmath.mpmathify(function())
            small = mpmath.mpf(10) ** -(2 * digits + 20)
            if old is not None and abs(value - old) <= max(abs(value) * mpmath.mpf(10) ** -(digits + 2), small):
                return value.real
        old, dps = value, dps + dps // 2 + 5
    raise GaussianError(f"the digits do not stand at {MAX_DPS} digits of working precision")


def _float(value: Any, dps: int) -> Any:
    with mpmath.workdps(dps):
        return sympy.Float._new(mpmath.mpf(value)._mpf_, mpmath.mp.prec)
