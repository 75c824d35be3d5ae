"""Derivatives of a kernel recursion by numbers in it: every line carries its derivative forward (the chain rule).

A line K3 gets a line dK3 beside it, a loop carries the derivatives of its state, and what does not depend on the number
gets none. Several numbers can be followed at once, each under a mark of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import KernelError
from ntksym.records.formula import (
    Algebra,
    Averaged,
    Differential,
    Expected,
    Formula,
    Gram,
    HeadAverage,
    Line,
    Loop,
    Moved,
    Pointwise,
    Shared,
    Stacked,
    State,
    is_one_point,
    names_in,
    readings,
    ref,
    walk,
)

sympy = lazy("sympy")


def derivative_of(formula: Formula, symbol: Any, outputs: tuple[str, ...]) -> Formula:
    """The formula whose ``outputs`` are the derivatives of those of ``formula`` by a symbol."""
    lines = tuple(Differentiation({"d": symbol}).lines(formula.lines))
    ends = {marked("d", name): name for name in outputs}
    kept = pruned(lines, set(ends))
    found = [replace(line, name=ends.get(line.name, line.name)) for line in kept]
    zero = [
        Algebra(line.name, line.layout, _words(symbol, line.meaning), sympy.S.Zero)
        for line in lines
        if line.name in outputs and marked("d", line.name) not in {x.name for x in lines}
    ]
    return Formula((*found, *zero))


def linear_parts(formula: Formula, by: Mapping[str, Any], output: str) -> Formula:
    """The coefficients of symbols in which an output is linear, each under its mark."""
    lines = tuple(Differentiation(by).lines(formula.lines))
    return Formula(pruned(lines, {marked(mark, output) for mark in by}))


def pruned(lines: tuple[Line, ...], wanted: set[str]) -> tuple[Line, ...]:
    """The lines that are needed for those wanted."""
    found: list[Line] = []
    needed = set(wanted)
    for line in reversed(lines):
        if not needed & set(line.defines):
            continue
        kept = _pruned_loop(line, needed) if isinstance(line, Loop) else line
        needed |= kept.reads()
        found.append(kept)
    return tuple(reversed(found))


def _pruned_loop(loop: Loop, needed: set[str]) -> Loop:
    carried = {state.name for state in loop.states}
    names = {state.name for state in loop.states if state.final in needed}
    while True:
        states = tuple(state for state in loop.states if state.name in names)
        body = pruned(loop.lines, set().union(*(names_in(state.after) for state in states)))
        read = set().union(*(line.reads() for line in body), *(names_in(state.after) for state in states))
        if read & carried <= names:
            return replace(loop, states=states, lines=body)
        names |= read & carried


def marked(mark: str, name: str) -> str:
    """The name of a derivative; that of a line over one point stays one over one point."""
    return f"m{mark}{name}" if is_one_point(name) else f"{mark}{name}"


@dataclass
class Differentiation:
    """The derivatives of lines by the symbols ``by``, which stand under their marks."""

    by: Mapping[str, Any]
    changing: dict[str, set[str]] = field(default_factory=dict)
    """For every mark the names of lines that have a derivative."""

    def lines(self, lines: tuple[Line, ...]) -> Iterator[Line]:
        """The lines, each followed by its derivatives."""
        for line in lines:
            if isinstance(line, Loop):
                yield self._loop(line)
                continue
            yield line
            for mark in self.by:
                found = list(_rules[type(line)](self, mark, line))
                yield from found
                if found:
                    self._changing(mark).add(line.name)

    def change(self, mark: str, expression: Any) -> Any:
        """The derivative of an expression in lines."""
        total = sympy.diff(expression, self.by[mark])
        for symbol, (name, side) in readings(expression).items():
            if name in self._changing(mark):
                total += sympy.diff(expression, symbol) * ref(marked(mark, name), side)
        return sympy.expand_mul(total)

    def _changing(self, mark: str) -> set[str]:
        return self.changing.setdefault(mark, set())

    def _loop(self, loop: Loop) -> Loop:
        """A loop whose state holds derivatives too: those of the start, and of what a copy makes of the state."""
        if loop.times.free_symbols & set(self.by.values()):
            raise KernelError(f"{loop.meaning}: a number of copies is no number to differentiate by")
        for mark in self.by:
            mine = self._changing(mark)
            starts = {state.name for state in loop.states if self.change(mark, state.start) != 0}
            # a state changes if its start does, or if a copy makes a change of what does not change before it
            while True:
                mine |= starts
                trial = Differentiation(self.by, {mark: set(mine)})
                list(trial.lines(loop.lines))
                more = {state.name for state in loop.states if trial.change(mark, state.after) != 0} - starts
                if not more:
                    break
                starts |= more
        body = tuple(self.lines(loop.lines))
        states = list(loop.states)
        for mark in self.by:
            for state in loop.states:
                if state.name in self._changing(mark):
                    states.append(self._state(mark, state))
        for mark in self.by:
            self._changing(mark).update(s.final for s in loop.states if s.name in self._changing(mark))
        return replace(loop, states=tuple(states), lines=body)

    def _state(self, mark: str, state: State) -> State:
        return State(
            marked(mark, state.name),
            state.layout,
            _words(self.by[mark], state.meaning),
            self.change(mark, state.start),
            self.change(mark, state.after),
            marked(mark, state.final),
        )


def _words(symbol: Any, meaning: str) -> str:
    return f"derivative by {symbol} of {meaning}"


# --- one rule for each kind of line; none where the derivative is zero -------------------------------------


def _constant(d: Differentiation, mark: str, line: Line) -> Iterator[Line]:
    return iter(())


def _algebra(d: Differentiation, mark: str, line: Algebra) -> Iterator[Line]:
    change = d.change(mark, line.expression)
    if change != 0:
        yield Algebra(marked(mark, line.name), line.layout, _words(d.by[mark], line.meaning), change)


def _expected(d: Differentiation, mark: str, line: Expected) -> Iterator[Line]:
    changes = [
        tuple((name, change) for name, x in arguments if (change := d.change(mark, x)) != 0)
        for arguments in (line.arguments, line.diagonal_arguments)
    ]
    if any(changes):
        yield Differential(marked(mark, line.name), line.layout, _words(d.by[mark], line.meaning), line, *changes)


def _differential(d: Differentiation, mark: str, line: Differential) -> Iterator[Line]:
    if line.reads() & d._changing(mark):
        raise KernelError("second derivatives of a kernel are not derived; differentiate the recursion itself, once")
    return iter(())


def _linear(d: Differentiation, mark: str, line: Moved | Averaged | Shared) -> Iterator[Line]:
    if isinstance(line, Moved) and line.weights in d._changing(mark):
        raise KernelError(
            f"{line.meaning}: derivatives of mixing weights that depend on {d.by[mark]} (attention) are not derived"
        )
    if line.source in d._changing(mark):
        name, source = marked(mark, line.name), marked(mark, line.source)
        yield replace(line, name=name, source=source, meaning=_words(d.by[mark], line.meaning))


def _head_average(d: Differentiation, mark: str, line: HeadAverage) -> Iterator[Line]:
    """Linear in the values and in the slopes; of the logits only what is fixed."""
    mine = d._changing(mark)
    changed = [part for part in ("values", "slopes") if getattr(line, part) in mine]
    if mine & set(line.logits) or len(changed) > 1:
        raise KernelError(f"{line.meaning}: derivatives of random attention weights by {d.by[mark]} are not derived")
    for part in changed:
        name, meaning = marked(mark, line.name), _words(d.by[mark], line.meaning)
        changes: dict[str, Any] = {part: marked(mark, getattr(line, part))}
        yield replace(line, name=name, meaning=meaning, **changes)


def _stacked(d: Differentiation, mark: str, line: Stacked) -> Iterator[Line]:
    sources = tuple(d.change(mark, x) for x in line.sources)
    if any(x != 0 for x in sources):
        yield replace(line, name=marked(mark, line.name), sources=sources, meaning=_words(d.by[mark], line.meaning))


def _pointwise(d: Differentiation, mark: str, line: Pointwise) -> Iterator[Line]:
    name, meaning, mine = marked(mark, line.name), _words(d.by[mark], line.meaning), d._changing(mark)
    if line.expression is not None:
        change = d.change(mark, line.expression)
        if change != 0 and line.op == "rsqrt":
            change = -(ref(line.name, "1") ** 3) * change / 2
            yield Pointwise(name, line.layout, meaning, "expression", expression=change)
        elif change != 0:
            yield replace(line, name=name, meaning=meaning, expression=change)
        return
    changing = [source for source in line.sources if source in mine]
    if not changing:
        return
    if line.op in ("softmax", "mask", "map") or len(changing) > 1 or changing != [line.sources[-1]]:
        raise KernelError(f"{line.meaning}: the derivative of {line.op} by {d.by[mark]} is not derived")
    sources = (*line.sources[:-1], marked(mark, line.sources[-1]))
    yield replace(line, name=name, meaning=meaning, sources=sources)


_rules: dict[Any, Callable[..., Iterator[Line]]] = {
    Gram: _constant,
    Algebra: _algebra,
    Expected: _expected,
    Differential: _differential,
    Moved: _linear,
    HeadAverage: _head_average,
    Averaged: _linear,
    Shared: _linear,
    Stacked: _stacked,
    Pointwise: _pointwise,
}


def symbols_of(formula: Formula) -> set[Any]:
    """The symbols of a formula that stand for numbers: hyperparameters, rates, dimensions."""
    found: set[Any] = set()
    for line in walk(formula.lines):
        for expression in _expressions(line):
            found |= expression.free_symbols
    return found - set().union(*(readings(symbol) for symbol in found)) if found else found


def _expressions(line: Line) -> Iterator[Any]:
    if isinstance(line, Loop):
        yield line.times
        for state in line.states:
            yield from (state.start, state.after)
    elif isinstance(line, Expected):
        yield from (x for _, x in (*line.arguments, *line.diagonal_arguments))
    elif isinstance(line, Differential):
        yield from _expressions(line.of)
        yield from (x for _, x in (*line.changes, *line.diagonal_changes))
    elif isinstance(line, Stacked):
        yield from line.sources
    elif isinstance(line, Algebra | Pointwise) and line.expression is not None:
        yield line.expression
