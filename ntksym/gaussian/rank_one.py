"""Strategy 2: the Gaussian expectation of a sum of rank-one terms, by changes of mean and covariance.

    exp(l.z)        weight exp(l.m + l'Kl/2),                         m += K l
    exp(-g (e.z)^2) s = 1 + 2 g e'Ke, weight s^(-1/2) exp(-g (e.m)^2/s),  m -= 2g Ke (e.m)/s,  K -= 2g Ke e'K/s
    z_i             Stein: E[(z_i - m_i) g] = sum_j K_ij E[d_j g]; the derivative of a step is a density at a
                    point y = 0, which again is a change: weight exp(-t^2/2s)/sqrt(2 pi s), m -= K_y t/s, ...

What remains are probabilities that some Gaussians are all positive (file ``orthants``). Everything is
computed in the field of ``algebra``, so that equal things are seen to be equal and no expression swells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, NamedTuple

from ntksym._lazy import lazy
from ntksym.gaussian.algebra import Algebra
from ntksym.gaussian.decompose import constants
from ntksym.gaussian.orthants import Block, Scaled, probability
from ntksym.gaussian.terms import NotMine, Powers, Shape, Step, Terms

sympy = lazy("sympy")

Vector = list[Any]
Matrix = list[list[Any]]


class Key(NamedTuple):
    """exp(exponent) * sqrt(radical) * (2 pi)^(-halves/2) * the product of the blocks."""

    exponent: Any
    radical: Any
    halves: int
    blocks: tuple[Block, ...]


# coefficients are elements of the field, or, beside many steps, SymPy expressions that are left as they come
Sum = dict[Key, Any]

# from this many steps on the rational functions are not brought to one denominator: that would take minutes
MANY_STEPS = 3


def expectation_of(terms: Terms, covariance: Matrix, mean: Vector) -> tuple[Algebra, Sum]:
    """E[terms] for z ~ N(mean, covariance), entries SymPy expressions: coefficients in a field, by key.

    ``NotMine`` where a density is asked at a point without spread, or where an integral is unknown.
    """
    algebra = Algebra([*constants(terms), *(entry for row in covariance for entry in row), *mean])
    K = [[algebra.convert(entry) for entry in row] for row in covariance]
    m = [algebra.convert(entry) for entry in mean]
    groups: dict[Shape, dict[Powers, Any]] = {}
    for shape, powers, c in terms:
        groups.setdefault(_converted(shape, algebra), {})[powers] = algebra.convert(c)
    total: Sum = {}
    for shape, polynomial in groups.items():
        _add_group(total, algebra, shape, polynomial, K, m)
    reduced = {key: algebra.reduced(c) if algebra.owns(c) else c for key, c in total.items()}
    return algebra, {key: c for key, c in reduced.items() if c != 0}


def _converted(shape: Shape, algebra: Algebra) -> Shape:
    def step(s: Step) -> Step:
        return Step(algebra.convert(s.noise), tuple(map(algebra.convert, s.slopes)), algebra.convert(s.offset))

    return Shape(
        tuple(map(algebra.convert, shape.linear)),
        algebra.convert(shape.constant),
        tuple((i, j, algebra.convert(c)) for i, j, c in shape.quadratic),
        tuple(map(step, shape.steps)),
        tuple(map(step, shape.points)),
    )


# --- exponentials --------------------------------------------------------------------------------------


def _add_group(total: Sum, algebra: Algebra, shape: Shape, polynomial: dict[Powers, Any], K: Matrix, m: Vector) -> None:
    n = len(m)
    exponent, determinant = shape.constant, algebra.one
    if any(shape.linear):
        Kl = [_dot(row, shape.linear, algebra) for row in K]
        exponent = exponent + _dot(shape.linear, m, algebra) + _dot(shape.linear, Kl, algebra) / 2
        m = [a + b for a, b in zip(m, Kl, strict=True)]
    for gamma, e in _squares(shape.quadratic, n, algebra):
        Ke, em = [_dot(row, e, algebra) for row in K], _dot(e, m, algebra)
        s = 1 + 2 * gamma * _dot(e, Ke, algebra)
        if algebra.sign(s) in (0, -1):
            raise NotMine("the expectation is infinite")
        exponent, determinant = exponent - gamma * em**2 / s, determinant * s
        m = [a - 2 * gamma * b * em / s for a, b in zip(m, Ke, strict=True)]
        K = [[K[i][j] - 2 * gamma * Ke[i] * Ke[j] / s for j in range(n)] for i in range(n)]
    exponent = algebra.reduced(exponent)
    for sign, guard, state in _without_twins(_started(algebra, shape, polynomial, K, m), algebra):
        for points, coefficient in _moments(state, polynomial).items():
            if coefficient != 0:
                at = state.at(points)
                weight = _Weight(exponent + at.exponent, determinant * at.determinant, len(points))
                parts = [
                    (number, halves, tuple(sorted((*guard, *blocks), key=str)))
                    for number, halves, blocks in probability(algebra, *state.remaining(points))
                ]
                _add(total, algebra, sign * coefficient, weight, parts)


def _squares(quadratic: tuple[tuple[int, int, Any], ...], n: int, algebra: Algebra) -> list[tuple[Any, Vector]]:
    """(g, e) with sum c_ij z_i z_j = -sum g (e.z)^2 (Lagrange's reduction)."""
    A = [[algebra.zero] * n for _ in range(n)]
    for i, j, c in quadratic:
        A[i][j] = A[i][j] - c / 2
        A[j][i] = A[j][i] - c / 2
    found: list[tuple[Any, Vector]] = []
    while any(any(row) for row in A):
        pivots = [i for i in range(n) if A[i][i]]
        if not pivots:  # x*y = ((x + y)^2 - (x - y)^2)/4
            i, j = next((i, j) for i in range(n) for j in range(n) if A[i][j])
            c = A[i][j] / 2
            for sign in (1, -1):
                e = [algebra.one if k == i else sign * algebra.one if k == j else algebra.zero for k in range(n)]
                found.append((sign * c, e))
            A[i][j] = A[j][i] = algebra.zero
            continue
        i = pivots[0]
        gamma, e = A[i][i], [A[i][k] / A[i][i] for k in range(n)]
        found.append((gamma, e))
        A = [[A[a][b] - gamma * e[a] * e[b] for b in range(n)] for a in range(n)]
    # a growing exponential last: the decaying ones may make its integral finite
    return sorted(found, key=lambda pair: algebra.sign(pair[0]) == -1)


# --- powers and steps ----------------------------------------------------------------------------------


class _Conditioned(NamedTuple):
    """The Gaussian vector given that some of its entries are 0, and the log and determinant of their density."""

    mean: Vector
    covariance: Matrix
    exponent: Any
    determinant: Any


@dataclass
class _State:
    """The variables that occur with powers, followed by the arguments of the steps, as one Gaussian vector."""

    algebra: Algebra
    used: tuple[int, ...]
    steps: tuple[int, ...]
    points: frozenset[int]
    conditioned: dict[frozenset[int], _Conditioned]
    lift: Callable[[Any], Any]
    moments: dict[tuple[frozenset[int], Powers], dict[frozenset[int], Any]] = field(default_factory=dict)

    def at(self, zeros: frozenset[int]) -> _Conditioned:
        """The vector given that the entries ``zeros`` are 0."""
        if zeros not in self.conditioned:
            last = max(zeros)
            before = self.at(zeros - {last})
            mean, K = before.mean, before.covariance
            s, t = K[last][last], mean[last]
            if self.algebra.is_zero(s):
                raise NotMine("a density at a point without spread")
            column = [row[last] / s for row in K]
            size = range(len(mean))
            self.algebra.learn(s)
            self.conditioned[zeros] = _Conditioned(
                [mean[i] - column[i] * t for i in size],
                [[K[i][j] - column[i] * K[j][last] if column[i] else K[i][j] for j in size] for i in size],
                before.exponent - t**2 / (2 * s),
                before.determinant * s,
            )
        return self.conditioned[zeros]

    def remaining(self, zeros: frozenset[int]) -> tuple[Vector, Matrix]:
        """Mean and covariance of the steps that are left, given the zeros."""
        rest = [k for k in self.steps if k not in zeros]
        at = self.at(zeros)
        return [at.mean[k] for k in rest], [[at.covariance[j][k] for k in rest] for j in rest]


def _started(algebra: Algebra, shape: Shape, polynomial: dict[Powers, Any], K: Matrix, m: Vector) -> _State:
    n = len(m)
    used = tuple(i for i in range(n) if any(powers[i] for powers in polynomial))
    all_steps = (*shape.steps, *shape.points)
    rows = [[algebra.one if k == i else algebra.zero for k in range(n)] for i in used]
    rows += [list(s.slopes) for s in all_steps]
    offsets = [algebra.zero] * len(used) + [s.offset for s in all_steps]
    noise = [algebra.zero] * len(used) + [s.noise for s in all_steps]
    mean = [_dot(row, m, algebra) + offset for row, offset in zip(rows, offsets, strict=True)]
    Kw = [[_dot(k_row, row, algebra) for k_row in K] for row in rows]
    covariance = [
        [algebra.reduced(_dot(a, b, algebra) + (noise[i] if i == j else 0)) for j, b in enumerate(rows)]
        for i, a in enumerate(Kw)
    ]
    first = len(used)
    steps = tuple(range(first, first + len(shape.steps)))
    points = frozenset(range(first + len(shape.steps), first + len(all_steps)))
    start = _Conditioned(list(map(algebra.reduced, mean)), covariance, algebra.zero, algebra.one)
    lift = algebra.expression if len(all_steps) >= MANY_STEPS else _unchanged
    return _State(algebra, used, steps, points, {frozenset(): start}, lift)


def _unchanged(element: Any) -> Any:
    return element


def _without_twins(state: _State, algebra: Algebra) -> list[tuple[int, tuple[Block, ...], _State]]:
    """Steps in one and the same direction are merged: of two that open the same way the later one is left.

    Without this step(x)*step(x) would have half a density too many. Where it depends on symbols which of two
    comes first, both cases are kept, each times the step that says when it holds: (sign, such steps, state).
    """
    start = state.at(frozenset())
    K, m = start.covariance, start.mean
    for a in state.steps:
        for b in state.steps:
            if b <= a or algebra.is_zero(K[a][a]) or not algebra.is_zero(K[a][b] ** 2 - K[a][a] * K[b][b]):
                continue
            direction = algebra.sign(K[a][b])
            if direction is None:
                raise NotMine("whether two arguments have the same sign depends on symbols")
            # y_b is positive where y_a > shift, or where y_a < shift if the direction is -1
            shift = m[a] - K[a][b] / K[b][b] * m[b]
            late, early = _when(shift, algebra), _when(-shift, algebra)
            if algebra.is_zero(shift):
                late, early = None, ()
            if direction == 1:
                return [
                    *_guarded(early, 1, _dropped(state, b), algebra),
                    *_guarded(late, 1, _dropped(state, a), algebra),
                ]
            # an interval, if it is not empty: the larger half-line less the smaller
            return [
                *_guarded(late, 1, _dropped(state, b), algebra),
                *_guarded(late, -1, _flipped(_dropped(state, a), b), algebra),
            ]
    return [(1, (), state)]


def _when(condition: Any, algebra: Algebra) -> tuple[Block, ...] | None:
    """The step that is 1 where an element is positive: none if it always is, None if it never is."""
    sign = algebra.sign(condition)
    if sign is None:
        return (Block("step", (Scaled(condition, algebra.field.ring.one),)),)
    return () if sign > 0 else None


def _guarded(
    guard: tuple[Block, ...] | None, sign: int, state: _State, algebra: Algebra
) -> list[tuple[int, tuple[Block, ...], _State]]:
    if guard is None:
        return []
    return [(sign * s, (*guard, *blocks), inner) for s, blocks, inner in _without_twins(state, algebra)]


def _dropped(state: _State, k: int) -> _State:
    return replace(state, steps=tuple(s for s in state.steps if s != k), moments={})


def _flipped(state: _State, k: int) -> _State:
    start = state.at(frozenset())

    def turned(i: int, value: Any) -> Any:
        return -value if i == k else value

    mean = [turned(i, value) for i, value in enumerate(start.mean)]
    K = [[turned(i, turned(j, value)) for j, value in enumerate(row)] for i, row in enumerate(start.covariance)]
    return replace(state, conditioned={frozenset(): start._replace(mean=mean, covariance=K)}, moments={})


def _moments(state: _State, polynomial: dict[Powers, Any]) -> dict[frozenset[int], Any]:
    """E[polynomial * steps] as {steps turned to points: coefficient}."""
    total: dict[frozenset[int], Any] = {}
    for powers, c in polynomial.items():
        for points, value in _moment(state, state.points, tuple(powers[i] for i in state.used)).items():
            value = state.lift(c) * value
            total[points] = total[points] + value if points in total else value
    return total


def _moment(state: _State, points: frozenset[int], powers: Powers) -> dict[frozenset[int], Any]:
    """Stein's identity, from the last variable with a power."""
    if not any(powers):
        return {points: state.lift(state.algebra.one)}
    known = state.moments.get((points, powers))
    if known is not None:
        return known
    at = state.at(points)
    i = max(k for k, power in enumerate(powers) if power)
    rest = _lowered(powers, i)
    parts = [(at.mean[i], points, rest)]
    parts += [(at.covariance[i][j] * rest[j], points, _lowered(rest, j)) for j in range(len(rest)) if rest[j]]
    parts += [(at.covariance[i][k], points | {k}, rest) for k in state.steps if k not in points]
    total: dict[frozenset[int], Any] = {}
    for factor, where, left in parts:
        if state.algebra.is_zero(factor):
            continue
        factor = state.lift(factor)
        for final, value in _moment(state, where, left).items():
            total[final] = total[final] + factor * value if final in total else factor * value
    state.moments[points, powers] = total
    return total


def _lowered(powers: Powers, i: int) -> Powers:
    return (*powers[:i], powers[i] - 1, *powers[i + 1 :])


# --- adding up -----------------------------------------------------------------------------------------


class _Weight(NamedTuple):
    exponent: Any
    determinant: Any
    halves: int


def _add(
    total: Sum,
    algebra: Algebra,
    coefficient: Any,
    weight: _Weight,
    probabilities: list[tuple[Any, int, tuple[Block, ...]]],
) -> None:
    outer, radical = algebra.radical(weight.determinant)
    # 1/sqrt(D) = sqrt(radical)/(outer*radical)
    root = 1 / (outer * algebra.field(radical))
    for number, halves, blocks in probabilities:
        key = Key(algebra.reduced(weight.exponent), radical, weight.halves + halves, blocks)
        value = root * number
        old = total.get(key, algebra.zero)
        if algebra.owns(coefficient) and algebra.owns(old):
            total[key] = old + coefficient * value
        else:
            mine = coefficient if not algebra.owns(coefficient) else algebra.expression(coefficient)
            before = old if not algebra.owns(old) else algebra.expression(old)
            total[key] = before + mine * algebra.expression(value)


def _dot(a: Any, b: Any, algebra: Algebra) -> Any:
    return reduce(
        lambda total, pair: total + pair[0] * pair[1] if pair[0] and pair[1] else total,
        zip(a, b, strict=True),
        algebra.zero,
    )
