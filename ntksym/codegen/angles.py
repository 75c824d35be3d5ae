"""Statements for a covariance's cosine c and g = 1 - |c|: after a dual that is a function of the angle, and of sums."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.codegen.duals import AngularDual, Halves
from ntksym.codegen.statements import LEFT, RIGHT, Statement, inverse, less, root, symbol

sympy = lazy("sympy")

Polynomials = dict[tuple[float, ...], str]
"""Names of polynomials, by their coefficients."""


def angular_statements(
    name: str, source: str, form: AngularDual, carried: bool, positive: bool, polynomials: Polynomials
) -> list[Statement]:
    """A dual as a function of the angle of ``source``; with c and g where it is ``carried`` on.

    ``positive`` tells that the dual is never negative.
    """
    c, g, w = (symbol(f"{source}__{end}") for end in "cgw")
    out: list[Statement] = [(w.name, sympy.sqrt(2 * g))]

    def value(halves: Halves) -> Any:
        found = sum((_number(x) * g**k for k, x in enumerate(halves.even) if x), sympy.Integer(0))
        if not halves.factor:
            return found
        own = polynomials.setdefault(halves.odd, f"polynomial{len(polynomials)}")
        odd = symbol(f"{source}__{own}")
        out.append((odd.name, w * g**halves.order * sympy.Function(own)(g)))
        return found + _number(halves.factor) * odd

    near, far = value(form.near), value(form.far)
    kappa, gap = symbol(f"{name}__c"), symbol(f"{name}__g")
    scale = root(name, LEFT) * root(name, RIGHT) if form.power else form.level
    size = far if positive else sympy.Abs(far)
    far_gap = 1 - size if form.far_gap is None else value(form.far_gap)
    out.append((kappa.name, less(c, 0, far, 1 - near)))
    if carried:
        out.append((gap.name, less(c, 0, far_gap, near)))
    return [*dict(out).items(), (name, scale * kappa)]


def _number(x: float) -> Any:
    return sympy.Integer(int(x)) if x == int(x) else sympy.Float(x, 17)


def sum_statements(name: str, terms: list[tuple[Any, str]], positive: set[str], known: bool) -> list[Statement]:
    """c and g of sum_k w_k K_k, where "" stands for K_k = 1, without a difference of nearly equal numbers.

    Names in ``positive`` are covariances that are never negative, ``known`` tells that the sum never is.

    With A = sum_k w_k K_k and the unit vectors u_k(x) = sqrt(K_k(x, x) / A(x, x)), for either sign, plus and minus,
    1 -+ c = sum_k w_k (u_k(x) - u_k(x'))^2 / 2 + sum_k w_k u_k(x) u_k(x') (1 -+ c_k), as sum_k w_k u_k^2 = 1.
    """
    if len(terms) == 1 and terms[0][1]:
        (source,) = (terms[0][1],)
        return [(f"{name}__{end}", symbol(f"{source}__{end}")) for end in "cg"]
    negative = symbol(f"{name}__c")
    cosine, gap = sympy.Integer(0), sympy.Integer(0)
    for k, (weight, source) in enumerate(terms):
        u, v = (symbol(f"{unit(name, k)}{side}") for side in (LEFT, RIGHT))
        c, g = (symbol(f"{source}__c"), symbol(f"{source}__g")) if source else (sympy.Integer(1), sympy.Integer(0))
        below, above = (g, 2 - g) if source in positive or not source else (less(c, 0, 2 - g, g), less(c, 0, g, 2 - g))
        cosine += weight * u * v * c
        gap += weight * (u - v) ** 2 / 2 + weight * u * v * (below if known else less(negative, 0, above, below))
    return [(negative.name, cosine), (f"{name}__g", gap)]


def unit(name: str, k: int) -> str:
    """The name of sqrt(K_k(x, x) / A(x, x)) for term k of a sum A."""
    return f"{name}__u{k}"


def unit_statements(name: str, terms: list[tuple[Any, str]]) -> list[Statement]:
    """These unit vectors, for single inputs."""
    if len(terms) == 1 and terms[0][1]:
        return []
    over = inverse(root(name))
    return [(unit(name, k), (root(source) if source else 1) * over) for k, (_, source) in enumerate(terms)]


def from_value(name: str) -> list[Statement]:
    """c and g from the value itself, which near c = +-1 has digits for half of those of g only."""
    c = symbol(f"{name}__c")
    ends = symbol(f"{name}__h{LEFT}") * symbol(f"{name}__h{RIGHT}")
    return [(c.name, symbol(name) * ends), (f"{name}__g", sympy.Function("positive")(1 - sympy.Abs(c)))]
