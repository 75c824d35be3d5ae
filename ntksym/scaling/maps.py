"""How a mathematical expression scales: its size, and how a change of its arguments passes through.

Around arguments of order one an expression passes changes on unchanged. Where an argument shrinks its leading
Taylor order decides, where it grows its order of growth, and products add exponents.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from ntksym.errors import ScalingError
from ntksym.language import expressions as ex
from ntksym.language.activations import Activation
from ntksym.scaling.cones import Cone, Form, highest, lowest

Sized = tuple[Form, Form]
"""A size and the size of a change."""


def through(phi: Activation, arguments: tuple[Sized, ...], cone: Cone) -> Sized:
    """Size and change of phi(x_1, ..., x_k) from those of its arguments.

    Raises ScalingError where phi grows faster than every power in an argument that grows.
    """
    if len(arguments) == 1:
        return _unary(phi.expr, arguments[0], cone)
    return _walk(phi.expr, dict(zip(phi.symbols, arguments, strict=True)), cone)


def sensitivity(phi: Activation, totals: tuple[Form, ...], index: int, cone: Cone) -> Form:
    """The size of the derivative with respect to one argument, at arguments of the given sizes."""
    if all(t == cone.zero for t in totals):
        return cone.zero
    own = totals[index] if totals[index].finite else cone.zero
    arguments = tuple(
        (own if j == index else total, own if j == index else cone.never) for j, total in enumerate(totals)
    )
    return through(phi, arguments, cone)[1] - own


def _unary(expression: ex.Expr, argument: Sized, cone: Cone) -> Sized:
    x, change = argument
    total = highest(x, change)
    if x == cone.zero and total == cone.zero:
        return cone.zero, change
    orders = ex.orders(expression)

    def grown(size: Form) -> Form:
        if orders.growth is None:
            raise ScalingError(
                f"{expression} grows faster than every power, and its argument grows like {size}: not a power"
            )
        return size.times(orders.growth)

    if x.is_never:
        size = cone.zero if orders.zero == 0 else cone.never
    elif x < cone.zero:
        size = cone.never if orders.zero is None else x.times(orders.zero)
    else:
        size = grown(x) if x > cone.zero else cone.zero
    if change.is_never or (orders.change is None and total < cone.zero):
        return size, cone.never
    order = 1 if orders.change is None else orders.change
    slope = total.times(order - 1) if total <= cone.zero else grown(total) - total
    moved = change + slope
    return size, lowest(cone.zero, moved) if orders.bounded else moved


def _walk(node: ex.Expr, env: Mapping[str, Sized], cone: Cone) -> Sized:
    if isinstance(node, (ex.Number, ex.Constant)):
        zero = isinstance(node, ex.Number) and node.value == 0
        return (cone.never if zero else cone.zero), cone.never
    if isinstance(node, ex.Symbol):
        return env[node.name]
    if isinstance(node, ex.Add):
        parts = [_walk(part, env, cone) for part in node.args]
        return highest(*(size for size, _ in parts)), highest(*(change for _, change in parts))
    if isinstance(node, ex.Mul):
        return _product([_walk(part, env, cone) for part in node.args], cone)
    if isinstance(node, ex.Pow) and isinstance(node.exponent, ex.Number):
        size, change = _walk(node.base, env, cone)
        power: Fraction = node.exponent.value
        total = highest(size, change)
        if total.is_never:
            return (cone.never if power > 0 else cone.zero), cone.never
        return size.times(power), change + total.times(power - 1)
    if isinstance(node, ex.Call) and node.name in ("Max", "Min"):
        parts = [_walk(part, env, cone) for part in node.args]
        return highest(*(size for size, _ in parts)), highest(*(change for _, change in parts))
    if isinstance(node, ex.Call) and len(node.args) == 1:
        return _unary(ex.Call(node.name, (ex.Symbol("z"),)), _walk(node.args[0], env, cone), cone)
    if isinstance(node, ex.Piecewise):
        parts = [_walk(value, env, cone) for value, _ in node.pieces]
        return highest(*(size for size, _ in parts)), highest(*(change for _, change in parts))
    raise ScalingError(f"there is no rule for how {node} scales in several arguments")


def _product(parts: list[Sized], cone: Cone) -> Sized:
    size, change = parts[0]
    for other, moved in parts[1:]:
        total, other_total = highest(size, change), highest(other, moved)
        size, change = size + other, highest(change + other_total, total + moved)
    return size, change
