"""The lines of a derivation while it grows: each definition once, under a name of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ntksym._lazy import lazy
from ntksym.records.formula import SAME, Algebra, Layout, Line, Loop, names_in, readings, ref

sympy = lazy("sympy")


class Book:
    """Lines by name, and equal definitions found again.

    A name's first letter says what it is: K a kernel (the covariance of a value with itself), C one of two different
    values, E an expectation, D one of derivatives, T a tangent kernel, m a mean, a a number per position.
    """

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.layouts: dict[str, Layout] = {}
        self._known: dict[Any, str] = {}
        self._counts: dict[str, int] = {}

    def new_name(self, letter: str) -> str:
        self._counts[letter] = self._counts.get(letter, 0) + 1
        return f"{letter}{self._counts[letter]}"

    def add(self, letter: str, key: Any, layout: Layout, make: Callable[[str], Line]) -> Any:
        """The symbol of a definition; ``key`` says what is defined, and is looked up first."""
        known = (letter, key, layout)
        if known not in self._known:
            name = self.new_name(letter)
            self._known[known] = name
            self.lines[name] = make(name)
            self.layouts[name] = layout
        return ref(self._known[known])

    def named(self, expression: Any, letter: str, layout: Layout, meaning: str) -> Any:
        """An expression as a symbol that reads one line with exactly this layout; zero stays zero."""
        if expression == 0:
            return expression
        if expression.is_Symbol:
            name, side = readings(expression).get(expression, ("", ""))
            if side == "12" and self.layouts.get(name) == layout:
                return expression
        return self.add(letter, expression, layout, lambda name: Algebra(name, layout, meaning, expression=expression))


def at(expression: Any, side: str) -> Any:
    """An expression that reads lines at (s, s'), read at both times the first point ("11") or the second ("22").

    One over the first point ("1", "11") moves to the second with "22".
    """
    first, last = side[0], side[-1]
    changes = {}
    for symbol, (name, where) in readings(expression).items():
        if name.startswith(SAME):
            changes[symbol] = sympy.S.One
        elif where == "12":
            changes[symbol] = ref(name, side)
        else:
            changes[symbol] = ref(name, (first if where[0] == "1" else last) * len(where))
    return expression.xreplace(changes)


def tidy(expression: Any) -> Any:
    """Products multiplied out; an indicator squared is itself."""
    expanded = sympy.expand_mul(expression)
    marks = [x for x, (name, _) in readings(expanded).items() if name.startswith(SAME)]
    for mark in marks:
        expanded = expanded.replace(
            lambda e, m=mark: e.is_Pow and e.base == m and e.exp.is_positive, lambda e, m=mark: m
        )
    return expanded


def assembled(lines: dict[str, Line], loops: Iterable[Loop], outputs: Iterable[str]) -> tuple[Line, ...]:
    """The lines that the outputs need, each after what it reads, those of a loop inside of it.

    Loops come with their states only; a line belongs to the innermost loop whose state it reads.
    """
    made: dict[str, Line] = dict(lines)
    inside: dict[str, str] = {}  # the name of a state, to the loop that carries it
    by_loop: dict[str, Loop] = {}
    for loop in loops:
        by_loop[loop.name] = loop
        for state in loop.states:
            made[state.final] = loop
            inside[state.name] = loop.name
    owners: dict[str, frozenset[str]] = {}

    def owner(name: str) -> frozenset[str]:
        """The loops whose states a name depends on."""
        if name in inside:
            return frozenset((inside[name],))
        if name not in made:
            return frozenset()
        line = made[name]
        key = line.name
        if key not in owners:
            owners[key] = frozenset()
            found: frozenset[str] = frozenset()
            for read in reads(line):
                found |= owner(read)
            owners[key] = found - {key}
        return owners[key]

    def reads(line: Line) -> set[str]:
        if not isinstance(line, Loop):
            return line.reads()
        names: set[str] = set()
        for state in line.states:
            for expression in (state.start, state.after):
                names |= names_in(expression)
        return names

    depth = dict.fromkeys(by_loop, 0)
    bodies: dict[str, list[Line]] = {name: [] for name in by_loop}
    top: list[Line] = []
    done: set[str] = set()

    def home(line: Line) -> list[Line]:
        around = owner(line.name)
        return bodies[max(around, key=lambda name: depth[name])] if around else top

    def is_placed(name: str) -> bool:
        return name not in made or made[name].name in done or name in inside

    def place(name: str, level: int) -> None:
        stack, opened = [name], set()  # not by recursion: a thousand layers are that many lines deep
        while stack:
            name = stack[-1]
            if is_placed(name):
                stack.pop()
            elif isinstance(line := made[name], Loop):
                place_loop(line, level)
            elif name in opened:
                done.add(name)
                home(line).append(line)
            else:
                opened.add(name)
                stack += sorted(reads(line), reverse=True)

    def place_loop(loop: Loop, level: int) -> None:
        done.add(loop.name)
        depth[loop.name] = level + 1
        for read in sorted(reads(loop)):
            place(read, level + 1)
        home(loop).append(Loop(loop.name, loop.layout, loop.meaning, loop.times, loop.states, tuple(bodies[loop.name])))

    for name in lines:
        owner(name)  # in the order in which they were made, each reads what is known
    for name in outputs:
        place(name, 0)
    return tuple(top)
