"""Functions of every entry: sums, products, activations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import Atoms, Dims, Tensor, common_coord, matched, size_of, to_coord, to_positions
from ntksym.frameworks.torch.partial import MeanSquare, Modulated, Turned
from ntksym.frameworks.torch.read import Constant, Given, Operand, Reader, Trained, rule
from ntksym.frameworks.torch.rules.views import standing
from ntksym.language.activations import Activation
from ntksym.language.dims import Size, as_size
from ntksym.language.ops import linear, map, mask
from ntksym.language.trace import Value

ACTIVATIONS = {
    **{
        name: name
        for name in ("relu", "tanh", "sigmoid", "silu", "mish", "softplus", "erf", "sin", "cos", "exp", "abs")
    },
    **{"relu6": "relu6", "selu": "selu", "softsign": "softsign", "sign": "sign"},
}
"""Operations of one argument without settings, and the activation that each is."""

FORMULAS = {"rsqrt": "1/sqrt(z)", "sqrt": "sqrt(z)", "reciprocal": "1/z", "log": "log(z)", "log1p": "log(1 + z)"}
"""Operations of one argument that have no name among the activations."""


def meet(reader: Reader, x: Tensor, y: Tensor) -> tuple[Value, Value, Atoms, Dims]:
    """Two tensors broadcast against each other: their values, and how the result lies on them."""
    rank = min(len(x.dims), len(y.dims))
    x, y = matched(x, y, [(len(x.dims) - k, len(y.dims) - k) for k in range(1, rank + 1)], reader.names)
    coord = common_coord((x, y))
    if not coord:
        x, y = to_coord(x, ()), to_coord(y, ())
    else:
        x, y = (to_coord(z, coord if z.has(coord[0]) else ()) for z in (x, y))
    longer, shorter = (x, y) if len(x.dims) >= len(y.dims) else (y, x)
    extra = len(longer.dims) - len(shorter.dims)
    dims = (*longer.dims[:extra], *(a or b for a, b in zip(longer.dims[extra:], shorter.dims, strict=True)))
    return x.value, y.value, coord, dims


def as_tensor(reader: Reader, trained: Trained, like: Tensor, init: str) -> Tensor:
    """A parameter that meets a tensor entry by entry, along its last dimensions."""
    name = trained.parameter.name
    if len(trained.order) > len(like.dims):
        raise FrameworkError(f"the parameter {name} has more dimensions than what it meets")
    dims: list[Atoms] = []
    for size, dim in zip(trained.shape, like.dims[len(like.dims) - len(trained.order) :], strict=True):
        if not size.is_one and not size.same(size_of(dim)):
            raise FrameworkError(f"the parameter {name} has {size} entries where it meets {size_of(dim)}")
        dims.append(() if size.is_one else dim)
    mine = {atom for dim in dims for atom in dim}
    if not mine:
        return reader.vector(trained, tuple(dims), (), init)
    end = 0
    while end < len(like.coord) and like.coord[-1 - end] in mine:
        end += 1
    return reader.vector(trained, tuple(dims), like.coord[len(like.coord) - end :], init)


def operand(reader: Reader, x: Operand, other: Operand, init: str) -> Operand:
    """A tensor, or a number; a parameter becomes a tensor where it meets one."""
    if isinstance(x, Trained):
        if not isinstance(other, Tensor):
            raise FrameworkError(f"the parameter {x.parameter.name} is changed before it meets a value")
        return as_tensor(reader, x, other, init)
    if isinstance(x, Constant) and x.value is not None:
        return x.value
    return x


def is_number(x: Operand) -> bool:
    return isinstance(x, int | float | Size) and not isinstance(x, bool)


@rule("add", "sub", "rsub")
def added(reader: Reader, given: Given, step: Step) -> Operand:
    """x + alpha y."""
    x, y = given["self"], given["other"]
    x, y = operand(reader, x, y, "normal"), operand(reader, y, x, "normal")
    a: Any = 1
    b: Any = as_size(given.get("alpha", 1)) * (1 if step.op == "add" else -1)
    if step.op == "rsub":
        (a, b), (x, y) = (-1, 1), (x, y)
    for mean, number in ((x, y), (y, x)):
        if isinstance(mean, MeanSquare) and is_number(number):
            return mean
    if isinstance(x, Modulated) and isinstance(y, Modulated) and step.op == "add":
        return x.rotated(y)
    if is_number(y) and isinstance(x, Tensor):
        return _shifted(x, a, as_size(b) * as_size(y)) if y else x
    if is_number(x) and isinstance(y, Tensor):
        return _shifted(y, b, as_size(a) * as_size(x)) if x else replace(y, value=linear((b, y.value)))
    if isinstance(x, Tensor) and isinstance(y, Constant):
        return masked(x)
    x, y = tensors(x, y)
    first, second, coord, dims = meet(reader, x, y)
    return Tensor(linear((a, first), (b, second)), coord, dims)


def _shifted(x: Tensor, a: Any, number: Size) -> Tensor:
    return replace(x, value=linear((a, x.value)) + number if a != 1 else x.value + number)


def masked(x: Tensor) -> Tensor:
    """Logits of queries (last dimension but one) for keys (last), of which a constant tensor forbids some.

    Which ones changes no power of a dimension; they are recorded as those that come later. Where it is not one for each
    query and key, nothing is recorded.
    """
    if len(x.dims) < 2 or len(x.dims[-1]) != 1 or len(x.dims[-2]) != 1:
        return x
    (query,), (key,) = x.dims[-2:]
    if not query.size.same(key.size) or not x.has(query) or not x.has(key):
        return x
    x = to_positions(x, (query, key))
    return replace(x, value=mask(x.value, query.name, key.name))


def tensors(*given: Operand) -> list[Tensor]:
    """The operands, which must be tensors; raises FrameworkError that says what they are."""
    for x in given:
        if not isinstance(x, Tensor):
            raise FrameworkError(
                f"it meets {described(x)}, which can be read only where it enters a sum, a mask or rotary angles"
            )
    return list(given)


def described(x: Operand) -> str:
    """An operand in words."""
    if isinstance(x, Constant):
        return "a constant tensor"
    if isinstance(x, Trained):
        return f"the parameter {x.parameter.name}"
    return x.words if hasattr(x, "words") else f"{x!r}"


@rule("mul")
def multiplied(reader: Reader, given: Given, step: Step) -> Operand:
    """x y, a number times x, the root mean square divided out, or rotary angles."""
    x, y = given["self"], given["other"]
    x, y = operand(reader, x, y, "ones"), operand(reader, y, x, "ones")
    for one, other in ((x, y), (y, x)):
        if is_number(other) and isinstance(one, Tensor):
            if not other:
                return Constant(step.shape, 0)
            return replace(one, value=linear((other, one.value))) if other != 1 else one
        if isinstance(other, MeanSquare) and isinstance(one, Tensor):
            return other.divides(one)
        if isinstance(other, Constant) and isinstance(one, Tensor | Turned):
            return Modulated(one)
    x, y = tensors(x, y)
    first, second, coord, dims = meet(reader, x, y)
    return Tensor(first * second, coord, dims)


@rule("div")
def divided(reader: Reader, given: Given, step: Step) -> Operand:
    """x / y."""
    x, y = given["self"], given["other"]
    y = operand(reader, y, x, "ones")
    if is_number(y) and isinstance(x, Tensor):
        return replace(x, value=linear((as_size(y) ** -1, x.value)))
    if isinstance(y, MeanSquare) and isinstance(x, Tensor):
        return y.divides(x)
    x, y = tensors(x, y)
    first, second, coord, dims = meet(reader, x, y)
    return Tensor(first / second, coord, dims)


@rule("neg")
def negated(reader: Reader, given: Given, step: Step) -> Operand:
    """-x."""
    x = given["self"]
    (x,) = tensors(standing(reader, x) if isinstance(x, Trained) else x)
    made = replace(x, value=linear((-1, x.value)))
    if half := reader.halves.get(x.value.id):
        reader.halves[made.value.id] = replace(half, negative=not half.negative)
    return made


def applied(reader: Reader, x: Operand, phi: Any) -> Tensor:
    """phi in every entry."""
    (tensor,) = tensors(standing(reader, x) if isinstance(x, Trained) else x)
    return replace(tensor, value=map(phi, tensor.value))


@rule(*ACTIVATIONS)
def activated(reader: Reader, given: Given, step: Step) -> Operand:
    """One of the named activations."""
    return applied(reader, given.get("self", given.get("input")), ACTIVATIONS[step.op])


@rule(*FORMULAS)
def formula(reader: Reader, given: Given, step: Step) -> Operand:
    """A root or a logarithm; that of a mean of squares belongs to a normalisation."""
    x = given["self"]
    if isinstance(x, MeanSquare) and step.op in ("rsqrt", "sqrt", "reciprocal"):
        return x.under_root() if step.op == "sqrt" else x.inverted(root=step.op == "rsqrt")
    return applied(reader, x, FORMULAS[step.op])


@rule("gelu")
def gelu(reader: Reader, given: Given, step: Step) -> Operand:
    return applied(reader, given["self"], "gelu_tanh" if given["approximate"] == "tanh" else "gelu")


@rule("leaky_relu", "elu", "hardtanh", "clamp", "clamp_min")
def with_settings(reader: Reader, given: Given, step: Step) -> Operand:
    """Activations with numbers in them, written out."""
    low, high = given.get("min_val", given.get("min")), given.get("max_val", given.get("max"))
    bounds = [f"Max(z, {low})"] * (low is not None)
    text = bounds[0] if bounds else "z"
    text = f"Min({text}, {high})" if high is not None else text
    texts = {
        "leaky_relu": f"Max(z, {given.get('negative_slope')}*z)",
        "elu": f"Piecewise((z, z > 0), ({given.get('alpha')}*(exp(z) - 1), True))",
    }
    return applied(reader, given["self"], texts.get(step.op, text))


@rule("pow")
def power(reader: Reader, given: Given, step: Step) -> Operand:
    """A power of every entry; what is a square is remembered, for the mean of squares."""
    x, exponent = given["self"], given["exponent"]
    if isinstance(x, MeanSquare):
        if exponent in (-0.5, 0.5):
            return x.inverted(root=True) if exponent < 0 else x.under_root()
        raise FrameworkError("a power of a mean of squares other than its root")
    (x,) = tensors(x)
    if not is_number(exponent):
        raise FrameworkError("the exponent is not a number")
    made = replace(x, value=x.value * x.value if exponent == 2 else map(f"z**({as_size(exponent)})", x.value))
    if exponent == 2:
        reader.squares[made.value.id] = x
    return made


@rule("maximum", "minimum")
def extreme(reader: Reader, given: Given, step: Step) -> Operand:
    x, y = tensors(given["self"], given["other"])
    first, second, coord, dims = meet(reader, x, y)
    phi = Activation(step.op, f"{step.op[:3].capitalize()}(a, b)", ("a", "b"))
    return Tensor(map(phi, first, second), coord, dims)


@rule("masked_fill", "where")
def filled(reader: Reader, given: Given, step: Step) -> Operand:
    """Minus infinity where a constant mask says so."""
    if step.op == "where":
        raise FrameworkError("a choice between values; only masks of logits can be read")
    x, mask, value = given["self"], given["mask"], given["value"]
    value = value.value if isinstance(value, Constant) else value
    if isinstance(x, Tensor) and isinstance(mask, Constant) and is_number(value) and float(value) < -1e3:
        return masked(x)
    raise FrameworkError("entries are replaced; only minus infinity before a softmax can be read")
