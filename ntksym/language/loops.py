"""``repeat`` (depth, fresh weights in every copy) and ``scan`` (time, the same weights at every step)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ntksym.language.dims import Axis, Dim, SizeLike, as_size
from ntksym.language.ops_checks import axis_of, checked, joined, operation
from ntksym.language.program import Block
from ntksym.language.source import fail
from ntksym.language.trace import Value
from ntksym.language.types import Type

Carry = Value | tuple[Value, ...]


@operation("repeat")
def repeat(times: SizeLike, body: Callable[..., Any], carry: Carry, *, name: str | None = None) -> Any:
    """A body applied ``times`` times with fresh weights to a carried value (or tuple of values).

    Args:
        times: a dimension for large depth, or a number.
        body: takes and returns the carried value(s), of unchanged type.
        carry: the value(s) that enter the first copy.
        name: prefix of the body's parameter names; the body's own name by default.

    Example:
        >>> import ntksym as ns
        >>> n, L = ns.dims("n L")
        >>> @ns.program
        ... def deep(x: ns.Vector("d")):
        ...     def block(h):
        ...         return h + L**-0.5 * ns.dense(ns.relu(h), n, name="mix", bias=False)
        ...     return ns.repeat(L, block, ns.dense(x, n, name="embed", bias=False))
        ...
        >>> print(deep())
        program deep:
          x = input vector                            : [d]
          embed.w = parameter N(0, sigma_w^2/d)       : (n x d)
          v1 = embed.w @ x                            : [n]
          v2 = repeat L times, v3 := v1               : [n]
            v4 = relu(v3)                             : [n]
            block.mix.w = parameter N(0, sigma_w^2/n) : (n x n)
            v5 = block.mix.w @ v4                     : [n]
            v6 = v5/sqrt(L)                           : [n]
            v7 = v3 + v6                              : [n]
            return v7
          return v2
    """
    count = as_size(times, "the times of ns.repeat")
    if count.coefficient < 0 or (not count.powers and count.coefficient.denominator != 1):
        raise fail(f"ns.repeat: {times} is not a number of blocks; give a whole number or a dimension")
    start, single = _carried(carry, "ns.repeat")
    tracer = start[0].tracer
    scope = name or getattr(body, "__name__", "block").replace("<lambda>", "block")
    full = tracer.scoped(scope, "ns.repeat")
    with tracer.open_block(scope) as block:
        inner = tuple(tracer.value("carry", (), v.type, index=i) for i, v in enumerate(start))
        results = _returned(body(*inner), inner, "ns.repeat")
        recorded = Block(tuple(block.nodes), tuple(v.id for v in inner), tuple(v.id for v in results))
    node = tracer.emit("repeat", start, start[0].type, name=full, block=recorded, times=count)
    return _results(node, start, single)


@operation("scan")
def scan(body: Callable[..., Any], carry: Carry, xs: Carry, axis: str | Axis | Dim) -> Any:
    """A body with shared weights applied along a position axis; all its states, stacked along the axis.

    Args:
        body: ``body(state, ..., x, ...)`` takes the state(s) and one step of the sequence(s), and returns the
            new state(s).
        carry: the state(s) before the first step.
        xs: the sequence(s), with the position axis ``axis``.
        axis: the position axis that is time.

    Example:
        >>> import ntksym as ns
        >>> n = ns.dims("n")
        >>> @ns.program
        ... def recurrent(x: ns.Sequence("T", "d")):
        ...     U = ns.weight(x, "U", n, n)
        ...     def step(h, x_t):
        ...         return ns.tanh(ns.matmul(U, h) + x_t)
        ...     inputs = ns.dense(x, n, name="W", bias=False)
        ...     return ns.scan(step, ns.constant(x, 0, n), inputs, "T")
        ...
        >>> print(recurrent())
        program recurrent:
          x = input sequence                           : [T; d]
          U = parameter N(0, sigma_w^2/n)              : (n x n)
          W.w = parameter N(0, sigma_w^2/d)            : (n x d)
          v1 = W.w @ x                                 : [T; n]
          v2 = constant 0                              : [n]
          v3 = scan over T, v4 := v2, v5 := each of v1 : [T; n]
            v6 = U @ v4                                : [n]
            v7 = v6 + v5                               : [n]
            v8 = tanh(v7)                              : [n]
            return v8
          return v3
    """
    start, single = _carried(carry, "ns.scan")
    sequences, _ = _carried(xs, "ns.scan", tokens=True)
    tracer = start[0].tracer
    time, *_ = (axis_of(value, axis, "ns.scan") for value in sequences)
    joined("ns.scan", *(value.type for value in sequences))
    for value in start:
        if value.type.axis(time.name):
            raise fail(f"ns.scan: the state {value.type} must not have the position axis {time.name}, which is time")
    with tracer.open_block("") as block:
        states = tuple(tracer.value("carry", (), v.type, index=i) for i, v in enumerate(start))
        steps = tuple(
            tracer.value(
                "element",
                (),
                Type(v.type.without(time.name), v.type.coord, v.type.kind),
                index=i,
                axis=time.name,
            )
            for i, v in enumerate(sequences)
        )
        results = _returned(body(*states, *steps), states, "ns.scan")
        recorded = Block(tuple(block.nodes), tuple(v.id for v in (*states, *steps)), tuple(v.id for v in results))
    stacked = tuple(Type((*v.type.positions, time), v.type.coord) for v in start)
    node = tracer.emit("scan", (*start, *sequences), stacked[0], block=recorded, axis=time.name, states=len(start))
    return _results(node, tuple(Value(tracer, v.id, t) for v, t in zip(start, stacked, strict=True)), single)


def _carried(carry: Carry, what: str, *, tokens: bool = False) -> tuple[tuple[Value, ...], bool]:
    """The carried values, and whether there was a single one that was not in a tuple."""
    if not isinstance(carry, tuple):
        return (checked(carry, what, tokens=tokens),), True
    if not carry:
        raise fail(f"{what} needs at least one value")
    return tuple(checked(value, what, tokens=tokens) for value in carry), False


def _returned(result: Any, carry: tuple[Value, ...], what: str) -> tuple[Value, ...]:
    results = result if isinstance(result, tuple) else (result,)
    if len(results) != len(carry):
        raise fail(f"{what}: the body carries {len(carry)} values and returns {len(results)}; return as many")
    for value, before in zip(results, carry, strict=True):
        after = checked(value, f"{what}, for what its body returns,").type
        before.tracer.check_alive(value)
        lengths, expected = ({a.name: a.size.canonical for a in t.positions} for t in (after, before.type))
        if lengths != expected or not after.coord.same(before.type.coord):
            raise fail(f"{what}: the body takes a value {before.type} and returns {after}; the two must agree")
    return results


def _results(node: int, like: tuple[Value, ...], single: bool) -> Any:
    tracer = like[0].tracer
    first = Value(tracer, node, like[0].type)
    if single:
        return first
    loop = (first,)
    return tuple(tracer.value("result", loop, v.type, index=i) for i, v in enumerate(like))
