"""From what a person gives -- a program, or the name of an activation -- to the map of its repeated block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ntksym import zoo
from ntksym._lazy import lazy
from ntksym.errors import ExpressionError, PhaseError
from ntksym.gaussian.evaluate import exact_number
from ntksym.kernels.blocks import BlockMap
from ntksym.kernels.recursion import kernel_recursion
from ntksym.language.activations import activation
from ntksym.language.expressions import parse, to_sympy
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.phases.maps import LengthMap, length_map

sympy = lazy("sympy")

WEIGHT, BIAS = "sigma_w", "sigma_b"


@dataclass(frozen=True)
class Block:
    """A repeated block under study: where it is from, its maps, and numbers for what is not a length."""

    title: str
    maps: LengthMap
    given: tuple[tuple[Any, Any], ...]

    @property
    def numbers(self) -> dict[Any, Any]:
        """Numbers by symbol."""
        return dict(self.given)

    @property
    def start(self) -> float:
        """The length that a weight layer with these numbers makes of inputs of norm sqrt(d); 1 without numbers."""
        return sum(float(x) ** 2 for s, x in self.given if s.name in (WEIGHT, BIAS)) or 1.0

    def symbol(self, name: str) -> Any:
        """The symbol of a hyperparameter, None where the block does not have it."""
        return next((s for s in self.maps.parameters if s.name == name), None)


def block_of(source: Any, block: str | None, values: Mapping[str, Any], free: tuple[str, ...] = ()) -> Block:
    """The block of a program, or of a perceptron with an activation (a name, a text such as ``z*Phi(z)``).

    ``values`` holds numbers for hyperparameters and dimensions (texts such as ``sqrt(2)`` are read exactly); those of
    ``free`` are not needed. Raises PhaseError where there is no such block, or numbers are missing or unknown.
    """
    program, title = program_of(source)
    maps, defaults = _maps(program, block)
    known = {s.name for s in maps.parameters}
    dims = {dim.name for dim in program.dims} | set(defaults)
    unknown = next((name for name in values if name not in known | dims | {WEIGHT, BIAS}), None)
    if unknown is not None:
        raise PhaseError(f"{program.name} has no {unknown}; it has: {', '.join(sorted(known | dims))}")
    given = {**defaults, **values}
    missing = [name for name in known if name not in given and name not in free]
    if missing:
        raise PhaseError(f"a number is needed for {', '.join(sorted(missing))}, as in {sorted(missing)[0]}=1")
    numbers = ((s, exact(given[s.name], s.name)) for s in maps.parameters if s.name not in free)
    return Block(title, maps, tuple(numbers))


def program_of(source: Any) -> tuple[Program, str]:
    """A program, or a perceptron with an activation, and what it is called."""
    if isinstance(source, Architecture | Program):
        program = source if isinstance(source, Program) else source()
        return program, program.name
    phi = activation(source)
    return zoo.load("mlp")(phi=phi, depth=3), phi.name


@lru_cache(maxsize=64)
def _maps(program: Program, block: str | None) -> tuple[LengthMap, dict[str, Any]]:
    recursion = kernel_recursion(program, ntk=False)
    return length_map(chosen(program, recursion.blocks, block)), recursion.hyperparameters


def chosen(program: Program, blocks: Mapping[str, BlockMap], block: str | None) -> BlockMap:
    """The block of a name, or the only one; raises PhaseError where there is none, or there are several."""
    if not blocks:
        raise PhaseError(f"{program.name} repeats nothing; a block is what ns.repeat copies")
    if block is None and len(blocks) > 1:
        raise PhaseError(f"{program.name} repeats several blocks; name one with block=: {', '.join(blocks)}")
    if block is not None and block not in blocks:
        raise PhaseError(f"{program.name} repeats no block {block!r}; it repeats: {', '.join(blocks)}")
    return next(iter(blocks.values())) if block is None else blocks[block]


def exact(value: Any, name: str) -> Any:
    """A number as SymPy holds it: floats are the binary fractions they are, texts (``sqrt(2)``, ``0.1``) are exact."""
    try:
        number = to_sympy(parse(value, symbols=())) if isinstance(value, str) else exact_number(value)
    except (ExpressionError, TypeError, ValueError, sympy.SympifyError):
        number = sympy.nan
    if not number.is_finite or number.is_negative:
        raise PhaseError(f"{name} = {value!r} is not a number that is zero or greater")
    return number
