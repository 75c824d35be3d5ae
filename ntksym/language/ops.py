"""The primitive operations: each checks its arguments, infers its type, and records one node.

Layers are written in these and in those of ``ops_axes``. ``operations`` lists them by the name of the node
they record; an analysis has one rule for each that it supports.
"""

from __future__ import annotations

from fractions import Fraction
from numbers import Real
from typing import Any

from ntksym.errors import ExpressionError
from ntksym.language.activations import Activation, Family, activation
from ntksym.language.dims import Axis, Dim, Size, SizeLike, as_length, as_size, exact
from ntksym.language.ops_axes import broadcast
from ntksym.language.ops_checks import axes_of, axis_of, checked, joined, named, operation, record
from ntksym.language.source import fail
from ntksym.language.trace import Value, Weight, operators
from ntksym.language.types import MatrixType, Type

Phi = Activation | Family | str

# --- weights ---------------------------------------------------------------------------------------------


@operation("parameter")
def weight(
    like: Value | Weight,
    name: str,
    rows: SizeLike,
    cols: SizeLike,
    *,
    init: str = "normal",
    sigma: str | float = "sigma_w",
    index: tuple[Axis, ...] | Axis = (),
    trainable: bool = True,
    what: str = "ns.weight",
) -> Weight:
    """Trained numbers: a matrix, or a vector used as a value; Gaussian or constant at the start.

    Args:
        like: any value of the program the weight belongs to.
        name: dotted name, unique in the program; inside ``repeat`` it is prefixed by the block's name.
        rows, cols: fan-out and fan-in, ``W x`` maps ``cols`` coordinates to ``rows``.
        init: "normal" for independent N(0, sigma^2/fan_in), "zeros", or "ones".
        sigma: a symbol's name, or a number, for the standard deviation times sqrt(fan_in).
        index: position axes along which there is a separate matrix each (experts).
        trainable: False freezes it.
    """
    type = MatrixType(
        as_length(rows, f"the rows of {what}"), as_length(cols, f"the columns of {what}"), _index(index, what)
    )
    node, full = _parameter(like, name, type, trainable, _init_attrs(init, sigma, what), what)
    return Weight(like.tracer, node, type, full)


def vector(
    like: Value | Weight,
    name: str,
    n: SizeLike,
    *,
    init: str = "normal",
    sigma: str | float = "sigma_b",
    index: tuple[Axis, ...] | Axis = (),
    trainable: bool = True,
    what: str = "ns.vector",
) -> Value:
    """A vector of ``n`` trained numbers as a value (bias, gain, positional embedding).

    A Gaussian one has standard deviation ``sigma``; given as a symbol, it is zero unless set, as biases
    usually are. ``index`` names position axes with a separate vector each.
    """
    type = Type(_index(index, what), as_length(n, f"the length of {what}"))
    attrs = _init_attrs(init, sigma, what)
    if attrs["init"] == "normal" and isinstance(sigma, str):
        attrs["value"] = 0
    node, _ = _parameter(like, name, type, trainable, attrs, what)
    return Value(like.tracer, node, type)


def _parameter(
    like: Value | Weight,
    name: str,
    type: Type | MatrixType,
    trainable: bool,
    attrs: dict[str, Any],
    what: str,
) -> tuple[int, str]:
    """The id and the full name of a new parameter."""
    if not isinstance(like, Value | Weight):
        raise fail(f"{what} takes a value of the program first, so that it knows where to record; it got {like!r}")
    full = like.tracer.full_name(name, what)
    return like.tracer.emit("parameter", (), type, name=full, trainable=trainable, **attrs), full


def _index(index: tuple[Axis, ...] | Axis, what: str) -> tuple[Axis, ...]:
    axes = (index,) if isinstance(index, Axis) else tuple(index)
    for axis in axes:
        if not isinstance(axis, Axis):
            raise fail(f"{what}: found {axis!r} for an index; expected a position axis such as ns.Axis('expert', 8)")
    return axes


def _init_attrs(init: str, sigma: str | float, what: str) -> dict[str, Any]:
    """``init`` and ``value``: the standard deviation's default for "normal", else the constant itself."""
    if init not in ("normal", "zeros", "ones"):
        raise fail(f'{what}: init={init!r} is not known; write "normal", "zeros" or "ones"')
    if init != "normal":
        return {"init": "constant", "value": 0 if init == "zeros" else 1, "sigma": ""}
    if isinstance(sigma, str):
        if not sigma.isidentifier():
            raise fail(f"{what}: sigma={sigma!r} is neither a number nor the name of a symbol")
        return {"init": "normal", "sigma": sigma, "value": 1}
    std = as_size(sigma, f"the sigma of {what}")
    if std.powers or std.coefficient < 0:
        raise fail(f"{what}: sigma={std} is not a number >= 0; a weight's scale is a coefficient of its values")
    return {"init": "normal", "sigma": "", "value": std.coefficient if std.coefficient else 0}


@operation("constant")
def constant(like: Value | Weight, value: SizeLike, n: SizeLike = 1, positions: tuple[Axis, ...] = ()) -> Value:
    """The same number in every coordinate; never trained."""
    number = 0 if value == 0 else as_size(value, "ns.constant")
    type = Type(positions, as_length(n, "the length of ns.constant"))
    return like.tracer.value("constant", (), type, value=number)


@operation("matmul")
def matmul(w: Weight, x: Value, *, transpose: bool = False) -> Value:
    """W x (or W^T x) along the coordinate axis."""
    if not isinstance(w, Weight):
        raise fail("ns.matmul takes a weight first and a value second: ns.matmul(w, x)")
    x = checked(x, "ns.matmul")
    rows, cols = (w.type.cols, w.type.rows) if transpose else (w.type.rows, w.type.cols)
    if not x.type.coord.same(cols):
        raise fail(
            f"the weight {w.name} {w.type}{' transposed' if transpose else ''} reads {cols} coordinates, but "
            f"the value {x.type} has {x.type.coord}; make the two equal"
        )
    positions = joined("ns.matmul", x.type, w.type)
    return record("matmul", (w, x), Type(positions, rows), transpose=transpose)


@operation("lookup")
def lookup(w: Weight, tokens: Value) -> Value:
    """The column of a matrix that belongs to a token; its fan-in does not contract."""
    if not isinstance(w, Weight):
        raise fail("ns.lookup takes a weight first and tokens second: ns.lookup(w, tokens)")
    tokens = checked(tokens, "ns.lookup", tokens=True)
    if tokens.type.kind != "index":
        raise fail(f"ns.lookup reads token indices (ns.Tokens), but got the value {tokens.type}")
    return record("lookup", (w, tokens), Type(joined("ns.lookup", tokens.type, w.type), w.type.rows))


# --- coordinatewise --------------------------------------------------------------------------------------


def _common_coord(what: str, values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Values brought to one coordinate axis: those of length 1 are broadcast, others must agree."""
    lengths = [v.type.coord for v in values if not v.type.coord.is_one]
    if not lengths:
        return values
    for value in values:
        if not value.type.coord.is_one and not value.type.coord.same(lengths[0]):
            raise fail(
                f"{what}: the coordinate axes have lengths {lengths[0]} and {value.type.coord}; "
                "bring one to the other's length with ns.dense"
            )
    return tuple(broadcast(v, lengths[0]) if v.type.coord.is_one else v for v in values)


def chosen(phi: Phi) -> Activation:
    """The activation that is meant; its expression is read now, so that an error names the user's line."""
    if not isinstance(phi, Activation | Family | str):
        raise fail(f"found {phi!r} for an activation; expected ns.relu, a name, or a text such as 'z*erf(z)'")
    try:
        meant = activation(phi)
        _ = meant.expr
    except ExpressionError as error:
        raise fail(str(error)) from None
    return meant


@operation("linear")
def linear(*terms: tuple[SizeLike, Value]) -> Value:
    """A linear combination with symbolic coefficients; powers of dimensions are allowed."""
    if not terms:
        raise fail("a sum of no values has no type; use ns.constant for zero")
    values = _common_coord("a sum", tuple(checked(value, "a sum") for _, value in terms))
    coefficients = tuple(as_size(coefficient, "a coefficient") for coefficient, _ in terms)
    type = Type(joined("a sum", *(v.type for v in values)), values[0].type.coord)
    return record("linear", values, type, coefficients=coefficients)


@operation("map")
def map(phi: Phi, *values: Value) -> Value:
    """phi(x_1, ..., x_k) in every coordinate, phi a mathematical expression."""
    phi = chosen(phi)
    values = _common_coord(f"{phi}", tuple(checked(value, f"{phi}") for value in values))
    if len(values) != len(phi.symbols):
        many = f"{len(phi.symbols)} value{'s' if len(phi.symbols) > 1 else ''}"
        raise fail(f"{phi} takes {many} ({', '.join(phi.symbols)}), but got {len(values)}")
    type = Type(joined(f"{phi}", *(v.type for v in values)), values[0].type.coord)
    return record("map", values, type, phi=phi)


@operation("normalise")
def normalise(x: Value, *, centre: bool = False) -> Value:
    """x / sqrt(mean(x^2)) over the coordinate axis, centred first if asked."""
    x = checked(x, "ns.normalise")
    return record("normalise", (x,), x.type, centre=centre)


@operation("dropout")
def dropout(x: Value, rate: float | Fraction = 0.1) -> Value:
    """A random mask that keeps each coordinate with probability 1 - rate, rescaled."""
    x = checked(x, "ns.dropout")
    if not isinstance(rate, Real) or not 0 <= rate < 1:
        raise fail(f"ns.dropout: the rate {rate} is not a probability in [0, 1)")
    return record("dropout", (x,), x.type, rate=exact(rate) if rate else 0)


@operation("rotate")
def rotate(x: Value, axis: str | Axis | Dim) -> Value:
    """A rotation of pairs of coordinates by angles that grow with the position (rotary embedding)."""
    x = checked(x, "ns.rotate")
    return record("rotate", (x,), x.type, axis=axis_of(x, axis, "ns.rotate").name)


# --- sums over axes --------------------------------------------------------------------------------------


@operation("contract")
def contract(x: Value, y: Value) -> Value:
    """The sum over the coordinate axis of the product of two values."""
    x, y = checked(x, "ns.contract"), checked(y, "ns.contract")
    if not x.type.coord.same(y.type.coord):
        raise fail(f"ns.contract: {x.type.coord} coordinates meet {y.type.coord}; make the two equal")
    return record("contract", (x, y), Type(joined("ns.contract", x.type, y.type)))


@operation("mix")
def mix(weights: Value, x: Value, axis: str | Axis | Dim) -> Value:
    """The sum over a position axis of x with weights that are values (attention, graphs, experts)."""
    weights, x = _common_coord("ns.mix", (checked(weights, "ns.mix"), checked(x, "ns.mix")))
    both = Type(joined("ns.mix", weights.type, x.type), x.type.coord)
    wanted = named(both, axis, "ns.mix").name
    return record("mix", (weights, x), Type(both.without(wanted), both.coord), axis=wanted)


@operation("pool")
def pool(x: Value, *axes: str | Axis | Dim, mean: bool = True) -> Value:
    """The mean (or sum) over position axes."""
    x = checked(x, "ns.pool")
    names = tuple(axis.name for axis in axes_of(x, axes, "ns.pool"))
    return record("pool", (x,), Type(x.type.without(*names), x.type.coord), axes=names, mean=mean)


@operation("softmax")
def softmax(x: Value, axis: str | Axis | Dim) -> Value:
    """exp(x) normalised to sum to one over a position axis."""
    x = checked(x, "ns.softmax")
    return record("softmax", (x,), x.type, axis=axis_of(x, axis, "ns.softmax").name)


@operation("top_k")
def top_k(x: Value, axis: str | Axis | Dim, k: SizeLike) -> Value:
    """Keep the k largest entries along a position axis, renormalise them to sum to one, and zero the rest."""
    x = checked(x, "ns.top_k")
    name = axis_of(x, axis, "ns.top_k").name
    return record("top_k", (x,), x.type, axis=name, k=as_length(k, "the k of ns.top_k"))


@operation("mask")
def mask(x: Value, query: str | Axis | Dim, key: str | Axis | Dim) -> Value:
    """Causal mask: minus infinity where the key's position comes after the query's; read by softmax."""
    x = checked(x, "ns.mask")
    asking, asked = axis_of(x, query, "ns.mask"), axis_of(x, key, "ns.mask")
    if asking.name == asked.name or not asking.size.same(asked.size):
        raise fail(f"ns.mask: the axes {asking} of queries and {asked} of keys must be two, and equally long")
    return record("mask", (x,), x.type, query=asking.name, key=asked.name)


# --- arithmetic of values --------------------------------------------------------------------------------

_SQUARE = Activation("square", "z**2")
_PRODUCT = Activation("product", "a*b", ("a", "b"))
_QUOTIENT = Activation("quotient", "a/b", ("a", "b"))


def _operand(value: Any, like: Value) -> Value:
    """A number added to a value is that constant."""
    if isinstance(value, Value):
        return value
    if isinstance(value, Real | Size | Dim) and not isinstance(value, bool):
        return constant(like, as_size(value))  # type: ignore[arg-type]
    return checked(value, "a sum")


def _add(a: Any, b: Any) -> Value:
    first = a if isinstance(a, Value) else b
    if not isinstance(a, Value) and a == 0:
        return checked(b, "a sum")
    return linear((1, _operand(a, first)), (1, _operand(b, first)))


def _sub(a: Any, b: Any) -> Value:
    first = a if isinstance(a, Value) else b
    return linear((1, _operand(a, first)), (-1, _operand(b, first)))


def _mul(a: Value, b: Any) -> Value:
    if isinstance(b, Value):
        return map(_SQUARE, a) if (a.tracer, a.id) == (b.tracer, b.id) else map(_PRODUCT, a, b)
    return linear((b, a))


def _div(a: Value, b: Any) -> Value:
    if isinstance(b, Value):
        return map(_QUOTIENT, a, b)
    return linear((as_size(b, "a divisor") ** -1, a))


operators.update(add=_add, sub=_sub, mul=_mul, div=_div, map=map)
