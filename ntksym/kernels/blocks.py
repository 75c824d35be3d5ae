"""The map that one copy of a repeated block makes of the kernels: what order and chaos, and 1/n, are read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import KernelError
from ntksym.kernels.scalars import Definition, apart, change, changes, definitions, joined, number, numbers
from ntksym.records.formula import Formula, Loop, is_one_point, readings, ref, walk

sympy = lazy("sympy")
mpmath = lazy("mpmath")

GUARD = 15


@dataclass(frozen=True)
class BlockMap:
    """One copy of a repeat: the state before it to the state after it, for two inputs.

    ``state`` holds symbols: second moments K(x, x), K(x, x'), K(x', x') (names with "|11", "|12", "|22"), means ("|1",
    "|2") and tangent kernels (names with T). ``after`` are expressions in the state, the symbols that ``definitions``
    define (each expectation with its question), hyperparameters, and lines from outside of the block. ``start`` is the
    state before the first of ``times`` copies.

    ``uniform`` marks a block on values with positions: its kernels are taken to be the same at all of them, for pairs
    of positions at any one distance (of one input or of two), far from the edges. A convolution then keeps them.
    """

    name: str
    times: Any
    state: tuple[Any, ...]
    start: tuple[Any, ...]
    after: tuple[Any, ...]
    definitions: tuple[Definition, ...]
    uniform: bool = False

    @cached_property
    def next(self) -> dict[Any, Any]:
        """The next state as expressions in the state alone, all definitions put in."""
        return {s: joined(x, self.definitions) for s, x in zip(self.state, self.after, strict=True)}

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The symbols that are no part of the state: hyperparameters, dimensions, lines from outside."""
        read = [x for d in self.definitions for x in ([a for _, a in d.arguments] if d.answer else [d.expression])]
        free = set().union(*(x.free_symbols for x in (*read, *self.after)))
        return tuple(sorted(free - {*self.state, *(d.symbol for d in self.definitions)}, key=lambda s: s.name))

    def evaluate(self, values: Mapping[Any, Any], digits: int = 30) -> dict[Any, Any]:
        """The next state in mpmath numbers, from numbers by symbol or by name for the state and all parameters."""
        with mpmath.workdps(digits + GUARD):
            known = numbers(self.definitions, self._known(values), digits + GUARD // 2)
            return {s: number(x, known) for s, x in zip(self.state, self.after, strict=True)}

    def jacobian(self, values: Mapping[Any, Any], digits: int = 30) -> Any:
        """An mpmath matrix: row i, column j holds the derivative of the next state i by the state j.

        Expectations are differentiated by Price's theorem, so that equal inputs (correlation one) are no exception.
        Raises ``GaussianError`` where a derivative is infinite.
        """
        columns = [self.derivative(symbol, values, digits) for symbol in self.state]
        with mpmath.workdps(digits + GUARD):
            return mpmath.matrix([[column[s] for column in columns] for s in self.state])

    def derivative(self, by: Any, values: Mapping[Any, Any], digits: int = 30) -> dict[Any, Any]:
        """The derivative of the next state by one symbol, or its name: of the state, or a hyperparameter."""
        symbol = self._symbol(by)
        with mpmath.workdps(digits + GUARD):
            known = numbers(self.definitions, self._known(values), digits + GUARD // 2)
            moving = changes(self.definitions, known, {symbol: mpmath.mpf(1)}, digits + GUARD // 2)
            return {s: change(x, known, moving) for s, x in zip(self.state, self.after, strict=True)}

    @property
    def q_map(self) -> BlockMap:
        """The map for one input: second moments K(x, x) and means, without tangent kernels."""
        return self.restricted(lambda name, side: side in ("1", "11") and not name.startswith("T"))

    @property
    def two_inputs(self) -> BlockMap:
        """The map of the second moments and means of two inputs, without tangent kernels."""
        return self.restricted(lambda name, side: not name.startswith("T"))

    @property
    def c_map(self) -> BlockMap:
        """As ``two_inputs`` with correlations in place of K(x, x'): symbols "c" with the name of the kernel."""
        plain = self.two_inputs
        cross = {s: readings(s)[s][0] for s in plain.state if readings(s)[s][1] == "12"}
        for name in cross.values():
            if ref(name, "11") not in plain.state:
                raise KernelError(f"{self.name}: {name} is no second moment of one value, so it has no correlation")
        roots = {s: sympy.sqrt(ref(name, "11") * ref(name, "22")) for s, name in cross.items()}
        symbols = {s: sympy.Symbol(f"c{name}", real=True) for s, name in cross.items()}
        product = [Definition(s, symbols[s] * roots[s], "correlation times lengths") for s in cross]
        nexts = dict(zip(plain.state, plain.after, strict=True))
        after, start = [], []
        before = dict(zip(plain.state, plain.start, strict=True))
        for s in plain.state:
            lengths = [ref(cross[s], side) for side in ("11", "22")] if s in cross else []
            after.append(nexts[s] / sympy.sqrt(sympy.Mul(*(nexts[x] for x in lengths))))
            start.append(before[s] / sympy.sqrt(sympy.Mul(*(before[x] for x in lengths))))
        state = tuple(symbols.get(s, s) for s in plain.state)
        found = (*product, *plain.definitions)
        return replace(plain, state=state, start=tuple(start), after=tuple(after), definitions=found)

    def restricted(self, chosen: Any) -> BlockMap:
        """The map of a part of the state, chosen by name and side; raises KernelError where it reads the rest."""
        kept = [k for k, s in enumerate(self.state) if chosen(*readings(s)[s])]
        after = tuple(self.after[k] for k in kept)
        needed: list[Definition] = []
        wanted: set[Any] = set().union(*(x.free_symbols for x in after))
        for definition in reversed(self.definitions):
            if definition.symbol in wanted:
                needed.append(definition)
                wanted |= definition.expression.free_symbols
                wanted |= set().union(*(x.free_symbols for _, x in definition.arguments))
        state = tuple(self.state[k] for k in kept)
        if wanted & set(self.state) - set(state):
            raise KernelError(f"{self.name}: the map of a part of its state needs the rest of it")
        start = tuple(self.start[k] for k in kept)
        return replace(self, state=state, start=start, after=after, definitions=tuple(reversed(needed)))

    def _symbol(self, by: Any) -> Any:
        known = {s.name: s for s in (*self.state, *self.parameters)}
        if str(by) not in known:
            raise KernelError(f"{self.name} has no {by}; it has: {', '.join(known)}")
        return known[str(by)]

    def _known(self, values: Mapping[Any, Any]) -> dict[Any, Any]:
        return {self._symbol(name): mpmath.mpmathify(value) for name, value in values.items()}


def block_maps(formula: Formula) -> dict[str, BlockMap]:
    """The map of every repeat that a formula runs as a loop, by the repeat's name."""
    loops = [line for line in walk(formula.lines) if isinstance(line, Loop)]
    return {loop.name.partition(":")[2]: _block(loop) for loop in loops}


def _block(loop: Loop) -> BlockMap:
    name = loop.name.partition(":")[2]
    uniform = not all(state.layout.is_scalar for state in loop.states)
    entries = list(_entries(loop))
    state, start, after = ([entry[k] for entry in entries] for k in range(3))
    found = definitions(loop.lines, after, uniform)
    return BlockMap(name, loop.times, tuple(state), tuple(start), tuple(after), found, uniform)


def _entries(loop: Loop) -> Iterator[tuple[Any, Any, Any]]:
    for state in loop.states:
        for side in ("1", "2") if is_one_point(state.name) else ("11", "12", "22"):
            yield ref(state.name, side), apart(state.start, side), apart(state.after, side)
