"""What an activation is, and the registry that the files of this package fill.

A file declares one activation, ``register(Activation("relu", "Max(z, 0)", homogeneity=1))``, or a family
of them, a function of numbers under ``@register``. Everything else about it is derived from its text.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import Any, overload

from ntksym.errors import ExpressionError
from ntksym.language.expressions import Expr, Number, latex, numpy_function, parse
from ntksym.language.expressions_parse import close_to, quoted


@dataclass(frozen=True, eq=False)
class Activation:
    """A function applied in every coordinate, given as the text of an expression in its symbols.

    ``homogeneity`` is a declared fact, phi(c z) = c**homogeneity phi(z) for c > 0; None says nothing. Two
    activations are equal if their canonical expressions and their symbols are; the name is for display.
    The text is read when it is first needed: an ``ExpressionError`` may come only then.
    """

    name: str
    text: str
    symbols: tuple[str, ...] = ("z",)
    homogeneity: int | None = None

    @cached_property
    def expr(self) -> Expr:
        """The expression; registered activations of one symbol may stand in it as functions."""
        return parse(self.text, self.symbols, _registered_functions)

    def __call__(self, *values: Any) -> Any:
        """A map in the program if applied to traced values, NumPy's answer if to numbers or arrays."""
        if values and hasattr(values[0], "apply_map"):
            return values[0].apply_map(self, *values[1:])
        return numpy_function(self.expr, self.symbols)(*values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Activation):
            return NotImplemented
        return self.symbols == other.symbols and self.expr == other.expr

    def __hash__(self) -> int:
        return hash((self.expr, self.symbols))

    def __str__(self) -> str:
        return self.name

    def latex(self) -> str:
        """The expression in LaTeX, without dollar signs."""
        return latex(self.expr)


@dataclass(frozen=True)
class Family:
    """Activations with parameters: called with numbers it gives one of them, named after its parameters."""

    name: str
    build: Callable[..., Activation]

    def __call__(self, *parameters: Any, **named: Any) -> Any:
        """The member with these parameters (ints, Fractions, floats read as decimals, or texts of numbers).

        Applied to a traced value, the member with default parameters is applied. Raises ``ExpressionError``
        for parameters that are no numbers, too many of them, or outside the family.
        """
        if parameters and hasattr(parameters[0], "apply_map"):
            return self.default(*parameters)
        signature = inspect.signature(self.build)
        try:
            bound = signature.bind(*parameters, **named)
        except TypeError:
            known = ", ".join(signature.parameters)
            raise ExpressionError(f"{self.name} takes numbers as its parameters {known}") from None
        bound.apply_defaults()
        numbers = {key: self._number(key, value) for key, value in bound.arguments.items()}
        member = self.build(**numbers)
        name = f"{self.name}({', '.join(map(str, numbers.values()))})"
        return Activation(name, member.text, member.symbols, member.homogeneity)

    @cached_property
    def default(self) -> Activation:
        """The member with default parameters."""
        member: Activation = self()
        return member

    def __str__(self) -> str:
        return self.name

    def _number(self, key: str, value: Any) -> Fraction:
        try:
            expr = parse(str(value), symbols=())
        except ExpressionError:
            expr = None
        if not isinstance(expr, Number):
            raise ExpressionError(f"{self.name}: {key} must be a number, not {quoted(str(value))}")
        return expr.value


class Registry(Mapping[str, Activation | Family]):
    """The registered activations and families by name, as items and as attributes."""

    def __init__(self) -> None:
        self._entries: dict[str, Activation | Family] = {}

    def __getitem__(self, name: str) -> Activation | Family:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __getattr__(self, name: str) -> Activation | Family:
        # before __init__ has run (copy, pickle) there are no entries to look into
        entries = self.__dict__.get("_entries", {})
        if name not in entries:
            raise AttributeError(f"no activation is named {name}{close_to(name, list(entries))}")
        found: Activation | Family = entries[name]
        return found

    def add(self, entry: Activation | Family) -> None:
        """Enter one more; a name stands for one thing only."""
        if entry.name in self._entries:
            raise ExpressionError(f"two activations are named {entry.name}")
        self._entries[entry.name] = entry


registry = Registry()


@overload
def register(entry: Activation) -> Activation: ...
@overload
def register(entry: Callable[..., Activation]) -> Family: ...
def register(entry: Activation | Callable[..., Activation]) -> Activation | Family:
    """Enter an activation, or a family given as a function of numbers that all have defaults."""
    added = entry if isinstance(entry, Activation) else Family(entry.__name__, entry)
    registry.add(added)
    return added


def activations() -> Mapping[str, Activation]:
    """Every registered activation by name, families at their default parameters."""
    return MappingProxyType({name: _member(entry) for name, entry in sorted(registry.items())})


def activation(spec: str | Activation | Family, symbols: tuple[str, ...] = ("z",)) -> Activation:
    """The activation that ``spec`` means: a registered name, a member of a family, or an expression.

    ``activation("tanh")``, ``activation("leaky_relu(0.1)")``, ``activation("z*erf(z)")``,
    ``activation("gate*silu(up)", ("gate", "up"))``. Raises ``ExpressionError`` for anything else.

    Example:
        >>> import ntksym as ns
        >>> swish = ns.activation("z*sigmoid(2*z)")
        >>> print(swish(0.0), ns.activation("leaky_relu(0.1)")(-10.0))
        0.0 -1.0
    """
    if not isinstance(spec, str):
        return _member(spec)
    text = spec.strip()
    if text in registry and text not in symbols:
        return _member(registry[text])
    member = re.fullmatch(r"(\w+)\s*\((.*)\)", text)
    family = registry.get(member[1]) if member else None
    if member and isinstance(family, Family):
        parameters = [part for part in member[2].split(",") if part.strip()]
        if all(map(_is_number, parameters)):
            chosen: Activation = family(*parameters)
            return chosen
    made = Activation(text, text, tuple(symbols))
    try:
        _ = made.expr
    except ExpressionError as error:
        raise _explained(error, text) from None
    return made


def _member(entry: Activation | Family) -> Activation:
    return entry.default if isinstance(entry, Family) else entry


def _is_number(text: str) -> bool:
    try:
        return isinstance(parse(text, symbols=()), Number)
    except ExpressionError:
        return False


def _explained(error: ExpressionError, text: str) -> ExpressionError:
    """A single word was meant as a name, so the answer is about names."""
    suggestion = close_to(text, list(registry))
    if not text.isidentifier() or "without an argument" in str(error):
        return error
    known = suggestion or f"; known are {', '.join(sorted(registry))}"
    return ExpressionError(f"no activation is named {quoted(text)}{known}")


class _RegisteredFunctions(Mapping[str, Expr]):
    """What may be called inside an expression; each is read only when it is."""

    def __getitem__(self, name: str) -> Expr:
        return _member(registry[name]).expr

    def __iter__(self) -> Iterator[str]:
        return iter(registry)

    def __len__(self) -> int:
        return len(registry)


_registered_functions = _RegisteredFunctions()
