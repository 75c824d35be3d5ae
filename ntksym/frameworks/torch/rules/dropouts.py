"""Dropout of entries, of channels, and of whole branches."""

from __future__ import annotations

from dataclasses import replace

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import Tensor, lengths, to_positions
from ntksym.frameworks.torch.partial import Coins
from ntksym.frameworks.torch.read import Constant, Given, Operand, Reader, rule
from ntksym.frameworks.torch.rules.elementwise import described, is_number
from ntksym.frameworks.torch.rules.inputs import COPIES, same
from ntksym.frameworks.torch.rules.views import VIEWS
from ntksym.language.dims import ONE, Axis, as_size
from ntksym.language.ops import constant, dropout, linear

rule(*COPIES, of=(Coins,))(same)


@rule("native_dropout", "dropout")
def dropped(reader: Reader, given: Given, step: Step) -> Operand:
    """Dropout leaves sizes as they are; it is recorded where it is on."""
    x = given["input"]
    if given["train"] and isinstance(x, Tensor):
        x = Tensor(dropout(x.value, given["p"]), x.coord, x.dims)
    return (x, None) if step.op == "native_dropout" else x


@rule("empty_like", "new_empty")
def unset(reader: Reader, given: Given, step: Step) -> Operand:
    """Memory that random numbers are written to."""
    return Constant(step.shape)


@rule("bernoulli")
def thrown(reader: Reader, given: Given, step: Step) -> Operand:
    """Ones with a probability, and zeros, in all entries of a constant tensor."""
    if not isinstance(given["self"], Constant) or not is_number(given.get("p")):
        raise FrameworkError("its probabilities are computed")
    return Coins(lengths(step.shape), as_size(given["p"]))


@rule("div", of=(Coins,))
def rescaled(reader: Reader, given: Given, step: Step) -> Operand:
    coins, number = given["self"], given["other"]
    if not is_number(number):
        raise FrameworkError(f"it meets {described(number)}; expected a number")
    return replace(coins, factor=coins.factor / as_size(number))


@rule(*VIEWS, "expand", of=(Coins,))
def spread(reader: Reader, given: Given, step: Step) -> Operand:
    """The same coins where dimensions of one entry come and go."""
    coins, shape = given["self"], lengths(step.shape)
    if [size for size in coins.shape if not size.is_one] != [size for size in shape if not size.is_one]:
        raise FrameworkError("what random numbers decide about is changed before they meet a value")
    return replace(coins, shape=shape)


@rule("mul", of=(Coins,))
def kept(reader: Reader, given: Given, step: Step) -> Operand:
    """A value times zeros and ones: one draw for every entry, or for all entries along dimensions of length one."""
    one, other = given["self"], given["other"]
    coins, x = (one, other) if isinstance(one, Coins) else (other, one)
    if is_number(x):
        return replace(coins, factor=coins.factor * as_size(x))
    if not isinstance(x, Tensor) or len(coins.shape) > len(x.dims):
        raise FrameworkError(f"random zeros and ones meet {described(x)}")
    rate, mean = 1 - coins.keep.coefficient, coins.keep * coins.factor
    sides = zip(coins.shape, x.dims[len(x.dims) - len(coins.shape) :], strict=True)
    drawn = [atom for size, dim in sides if not size.is_one for atom in dim if x.has(atom)]
    if all(atom in drawn for atom in x.atoms if x.has(atom)):
        y = replace(x, value=dropout(x.value, rate))
    else:
        whole = all(atom in drawn for atom in x.coord)
        x = x if whole else to_positions(x, tuple(atom for atom in x.coord if atom in drawn))
        axes = tuple(Axis(atom.name, atom.size) for atom in drawn if atom not in x.coord)
        ones = constant(x.value, 1, x.value.type.coord if whole else ONE, axes)
        y = replace(x, value=x.value * dropout(ones, rate))
    return y if mean.is_one else replace(y, value=linear((mean, y.value)))
