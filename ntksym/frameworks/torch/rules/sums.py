"""Sums over axes: matrix products, of a parameter and a value or of two values, means, softmax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import (
    BATCH,
    Atom,
    Atoms,
    Tensor,
    lengths,
    matched,
    size_of,
    to_coord,
    to_positions,
)  # fmt: skip
from ntksym.frameworks.torch.partial import MeanSquare
from ntksym.frameworks.torch.read import Constant, Given, Operand, Reader, Trained, rule
from ntksym.frameworks.torch.rules.elementwise import added, described, tensors
from ntksym.frameworks.torch.rules.views import dimension
from ntksym.language.dims import ONE
from ntksym.language.ops import constant, contract, lookup, matmul, mix, pool, softmax


def apply(reader: Reader, trained: Trained, x: Tensor, dim: int, *, over: int, index: Sequence[int] = ()) -> Tensor:
    """The matrix of a parameter times x: dimension ``over`` of the parameter is summed against dimension ``dim`` of x.

    ``index`` are further dimensions of the parameter, which go with the first ones of x (a matrix for each).
    The result's coordinates stand in the place of the summed dimension.
    """
    if trained.along:
        x = _each_chosen(x, trained.along[0])
    (out,) = (i for i in range(len(trained.order)) if i != over and i not in index)
    rows, cols = trained.shape[out], trained.shape[over]
    if not size_of(x.dims[dim]).same(cols):
        raise FrameworkError(f"a matrix with {cols} columns meets {size_of(x.dims[dim])} coordinates")
    along = trained.along or tuple(atom for i in index for atom in x.dims[i])
    if len(along) != len(index) or any(atom.name == BATCH for atom in along):
        raise FrameworkError("a matrix for each place of an axis, which is cut into several, or the batch")
    x = to_coord(x, x.dims[dim])
    matrix, transposed = reader.weight(trained, out, over, along)
    made = () if rows.is_one else (reader.names.atom(rows),)
    value = matmul(matrix, x.value, transpose=transposed)
    return Tensor(value, made, (*x.dims[:dim], made, *x.dims[dim + 1 :]))


def _each_chosen(x: Tensor, choice: Atom) -> Tensor:
    """Tokens with equal entries for each of the chosen experts, or with one for each already."""
    last = x.dims[0][-1] if x.dims[0] else None
    if last == choice:
        return x
    if last is None or x.has(last) or not last.size.same(choice.size):
        raise FrameworkError("matrices of experts meet what has no place for each chosen expert")
    return replace(x, dims=((*x.dims[0][:-1], choice), *x.dims[1:]))


@rule("linear")
def affine(reader: Reader, given: Given, step: Step) -> Operand:
    """W x + b."""
    x, w, b = given["input"], given["weight"], given["bias"]
    (x,) = tensors(x)
    if not isinstance(w, Trained):
        raise FrameworkError(f"its matrix is {described(w)}; expected a parameter as it is")
    y = apply(reader, w, x, len(x.dims) - 1, over=1)
    return with_bias(reader, y, b, step)


def with_bias(reader: Reader, y: Tensor, b: Operand, step: Step) -> Tensor:
    made = y if b is None else added(reader, {"self": y, "other": b}, replace(step, op="add"))
    assert isinstance(made, Tensor)
    return made


@rule("embedding")
def looked_up(reader: Reader, given: Given, step: Step) -> Operand:
    """A table's row for each token; for constant indices, a vector for each position."""
    w, tokens = given["weight"], given["indices"]
    if not isinstance(w, Trained):
        raise FrameworkError(f"its table is {described(w)}; expected a parameter as it is")
    _, n = w.shape
    if isinstance(tokens, Constant):
        positions = lengths(tokens.shape)
        if sum(not size.is_one for size in positions) > 1:
            raise FrameworkError("constant indices along more than one axis")
        rows = replace(w.parameter, shape=(prod(positions, start=ONE), n))
        return Trained(rows, (*(-1 if size.is_one else 0 for size in positions), 1))
    (tokens,) = tensors(tokens)
    if tokens.value.type.kind != "index":
        raise FrameworkError("its indices are computed; expected tokens, which are an input")
    table, swapped = reader.weight(w, 1, 0)
    if swapped:
        raise FrameworkError(f"the parameter {w.parameter.name} is a matrix first, and a table of tokens later")
    made = reader.names.atom(n)
    return Tensor(lookup(table, tokens.value), (made,), (*tokens.dims, (made,)))


def contracted(
    reader: Reader, x: Tensor, y: Tensor, pair: tuple[int, int], shared: Sequence[tuple[int, int]], dims: Sequence[int]
) -> Tensor:
    """The sum over one dimension of the product of two tensors.

    Args:
        pair: the dimensions that are summed against each other.
        shared: dimensions that go together.
        dims: what the result consists of: dimension i of x, or for negative numbers dimension -1 - i of y.
    """
    x, y = matched(x, y, [pair, *shared], reader.names)
    atoms = x.dims[pair[0]]
    for tensor in (x, y):
        if not all(tensor.has(atom) for atom in atoms):
            raise FrameworkError("a product is summed over the batch, or over equal entries")
    same = {atom for i, _ in shared for atom in x.dims[i]} | set(atoms)
    left = tuple(atom for atom in x.coord if atom not in same)
    right = tuple(atom for atom in y.coord if atom not in same)
    coord: Atoms = ()
    if len(atoms) == 1 and bool(left) != bool(right):
        if left:
            coord, values, summed = left, to_coord(y, ()), to_coord(x, left)
        else:
            coord, values, summed = right, to_coord(x, ()), to_coord(y, right)
        value = mix(values.value, summed.value, atoms[0].name)
    else:
        value = contract(to_coord(x, atoms).value, to_coord(y, atoms).value)
    partner = dict(shared)
    made = (y.dims[-1 - i] if i < 0 else x.dims[i] or (y.dims[partner[i]] if i in partner else ()) for i in dims)
    return Tensor(value, coord, tuple(made))


@rule("mm", "bmm", "matmul", "addmm")
def product(reader: Reader, given: Given, step: Step) -> Operand:
    """A matrix product, over the last dimension of the first and the last but one of the second."""
    first, second = ("mat1", "mat2") if step.op == "addmm" else ("self", "other" if step.op == "matmul" else "mat2")
    x, y = given[first], given[second]
    if isinstance(y, Trained) and isinstance(x, Tensor):
        rank = len(y.order)
        z = apply(reader, y, x, len(x.dims) - 1, over=rank - 2, index=range(rank - 2))
    elif isinstance(x, Trained) and isinstance(y, Tensor):
        rank = len(x.order)
        z = apply(reader, x, y, len(y.dims) - 2, over=rank - 1, index=range(rank - 2))
    else:
        x, y = tensors(x, y)
        z = _product(reader, x, y)
    if step.op != "addmm":
        return z
    if given["beta"] != 1 or given["alpha"] != 1:
        raise FrameworkError("its coefficients alpha and beta are not one")
    return with_bias(reader, z, given["self"], step)


def _product(reader: Reader, x: Tensor, y: Tensor) -> Tensor:
    if min(len(x.dims), len(y.dims)) < 2:
        raise FrameworkError("a product of a vector; write it with two dimensions at least")
    a, b = len(x.dims) - 2, len(y.dims) - 2
    shared = [(a - k, b - k) for k in range(1, min(a, b) + 1)]
    rows = [*range(a), a] if a >= b else [*(-1 - j for j in range(b - a)), *range(a), a]
    return contracted(reader, x, y, (a + 1, b), shared, [*rows, -1 - (b + 1)])


@rule("einsum")
def einsum(reader: Reader, given: Given, step: Step) -> Operand:
    """A sum over one letter of a product of two tensors."""
    left, arrow, out = given["equation"].replace(" ", "").partition("->")
    letters = left.split(",")
    if not arrow or len(letters) != 2 or "." in left:
        raise FrameworkError(f"the equation {given['equation']!r}; two operands and an explicit result can be read")
    x, y = given["tensors"]
    p, q = letters
    summed = [letter for letter in p if letter in q and letter not in out]
    if len(summed) != 1 or set(p + q) - set(out) != set(summed) or len(set(p)) + len(set(q)) < len(p + q):
        raise FrameworkError(f"the equation {given['equation']!r} sums over {len(summed)} common letters; expected one")
    (letter,) = summed
    if isinstance(y, Tensor) and isinstance(x, Trained):
        (x, y), (p, q) = (y, x), (q, p)
    if isinstance(x, Tensor) and isinstance(y, Trained):
        made = apply(reader, y, x, p.index(letter), over=q.index(letter), index=_batch(p, q, letter, out))
        (new,) = set(q) - set(p)
        order = p.replace(letter, new)
        return replace(made, dims=tuple(made.dims[order.index(wanted)] for wanted in out))
    x, y = tensors(x, y)
    shared = [(p.index(one), q.index(one)) for one in p if one in q and one != letter]
    dims = [p.index(one) if one in p else -1 - q.index(one) for one in out]
    return contracted(reader, x, y, (p.index(letter), q.index(letter)), shared, dims)


def _batch(p: str, q: str, letter: str, out: str) -> list[int]:
    common = [one for one in q if one in p and one != letter]
    if any(p.index(one) != q.index(one) for one in common):
        raise FrameworkError("an einsum of a parameter whose common letters stand in other places")
    return [q.index(one) for one in common]


@rule("mean", "sum")
def averaged(reader: Reader, given: Given, step: Step) -> Operand:
    """The mean or the sum over dimensions."""
    (x,) = tensors(given["self"])
    chosen = given.get("dim")
    chosen = tuple(range(len(x.dims))) if chosen in (None, ()) else chosen if isinstance(chosen, tuple) else (chosen,)
    which = {dimension(i, len(x.dims)) for i in chosen}
    kept = bool(given.get("keepdim"))
    atoms = tuple(atom for i in sorted(which) for atom in x.dims[i])
    square = reader.squares.get(x.value.id)
    if step.op == "mean" and kept and square is not None and which == {len(x.dims) - 1}:
        return MeanSquare(square)
    return over_axes(reader, x, which, atoms, mean=step.op == "mean", keep=kept)


def over_axes(reader: Reader, x: Tensor, which: set[int], atoms: Atoms, *, mean: bool, keep: bool) -> Tensor:
    """The mean or sum over the atoms of some dimensions; coordinates are summed as coordinates."""
    if any(not x.has(atom) for atom in atoms):
        raise FrameworkError(
            "a mean over the batch: an architecture is a function of one example; leave it to the loss"
        )
    if any(atom.of for atom in atoms):
        raise FrameworkError("the answers of the chosen experts are added without their weights")
    inner = tuple(atom for atom in x.coord if atom in atoms)
    outer = tuple(atom for atom in atoms if atom not in inner)
    if outer:
        x = replace(x, value=pool(x.value, *(atom.name for atom in outer), mean=mean))
    if inner:
        x = to_coord(x, inner)
        number = size_of(inner) ** -1 if mean else ONE
        value = contract(x.value, constant(x.value, number, size_of(inner)))
        x = Tensor(value, (), x.dims)
    dims = tuple(() if i in which else dim for i, dim in enumerate(x.dims) if keep or i not in which)
    return replace(x, dims=dims)


@rule("softmax", "_softmax", "_safe_softmax")
def softened(reader: Reader, given: Given, step: Step) -> Operand:
    """exp(x) that sums to one along a dimension."""
    (x,) = tensors(given.get("self", given.get("input")))
    dim = x.dims[dimension(given["dim"], len(x.dims))]
    if len(dim) != 1:
        raise FrameworkError("a softmax over an axis that is a product of axes, or one entry")
    x = to_positions(x, dim)
    return replace(x, value=softmax(x.value, dim[0].name))
