"""The names under which a page shows the lines of a formula, and where (layer, positions, points) it reads them.

The book's names (K1, E2, D2) become letters, numbered in order of appearance where a letter stands for several
lines. What a loop carries is written as a recursion in a level: K^(l+1) in terms of K^(l).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ntksym._lazy import lazy
from ntksym.records.formula import Averaged, Expected, Formula, Gram, Line, Loop, Moved, Shared, readings, walk

sympy = lazy("sympy")

LETTERS = {"K": "K", "C": "C", "E": "E", "D": "dE", "T": "Theta", "m": "m", "a": "a"}
OUTPUTS = ("nngp", "ntk")
REINDEXING = ("relabel", "pick", "shift", "patches")
"""Operations along positions that only rename indices: a reader is shown the source with other indices."""

# factors of a product are written in this order
_RANKS = ("a", "m", "dE", "E", "K", "C", "G", "nngp", "Theta", "ntk")
_LEVELS = ("ell", "m", "k", "j")
_INDICES = "ijklnstuv"
WINDOW = "δ"


@dataclass(frozen=True)
class Reading:
    """A line as an expression reads it.

    ``levels`` are the rounds of the loops around it, ``left``, ``right`` and ``shared`` the indices of positions of
    the first point, of the second and of both; ``points`` says which inputs: "12", "11", "22", "1" or "2".
    """

    letter: str
    number: str
    levels: tuple[Any, ...]
    left: tuple[Any, ...]
    right: tuple[Any, ...]
    shared: tuple[Any, ...]
    points: str


@dataclass(frozen=True)
class Name:
    """A letter, its number (empty where the letter has one meaning), and the levels of the loops around."""

    letter: str
    number: str
    levels: tuple[Any, ...]


@dataclass
class Glossary:
    """Symbols of a page: each stands for a reading."""

    known: dict[Any, Reading] = field(default_factory=dict)
    _symbols: dict[Reading, Any] = field(default_factory=dict)

    def symbol(self, reading: Reading) -> Any:
        if reading not in self._symbols:
            rank = _RANKS.index(reading.letter)
            symbol = sympy.Symbol(f"~{rank}{len(self.known):05}", real=True)  # sorts after every hyperparameter
            self._symbols[reading], self.known[symbol] = symbol, reading
        return self._symbols[reading]

    def letters(self, expression: Any) -> set[str]:
        """The letters that an expression reads."""
        return {self.known[symbol].letter for symbol in expression.free_symbols & set(self.known)}


def hidden(formula: Formula) -> frozenset[str]:
    """Lines that are written out where they are read: reindexings, and sums that only other sums read."""
    readers: dict[str, list[Line | None]] = {}
    lines = {line.name: line for line in walk(formula.lines)}
    for line in lines.values():
        # a loop stands for its states, which read as expressions do
        reads = _loop_reads(line) if isinstance(line, Loop) else line.reads()
        for name in reads:
            readers.setdefault(name, []).append(None if isinstance(line, Loop) else line)

    def exposed(name: str) -> bool:
        return any(
            line is None or not is_positional(line) or (is_reindexing(line) and exposed(line.name))
            for line in readers.get(name, [])
        )

    return frozenset(
        name
        for name, line in lines.items()
        if is_positional(line) and name not in OUTPUTS and (is_reindexing(line) or not exposed(name))
    )


def _loop_reads(loop: Loop) -> set[str]:
    expressions = [part for state in loop.states for part in (state.start, state.after)]
    return {name for part in expressions for name, _ in readings(part).values()}


def is_positional(line: Line) -> bool:
    return isinstance(line, Moved | Shared | Averaged)


def is_reindexing(line: Line) -> bool:
    return isinstance(line, Shared) or (isinstance(line, Moved) and line.op in REINDEXING)


def named(formula: Formula) -> dict[str, Name]:
    """A name for every line that is shown, for what loops carry inside of them, and for what they end with."""
    inside = hidden(formula)
    things = [thing for thing in _things(formula.lines, ()) if thing[0] not in inside]
    numbers = _numbers(things)
    found = {}
    for key, letter, levels, _ in things:
        found[key] = Name(letter, numbers[key], levels)
    for loop in (line for line in walk(formula.lines) if isinstance(line, Loop)):
        for state in loop.states:
            name = found[state.name]
            found[state.final] = Name(name.letter, name.number, (*name.levels[:-1], loop.times))
    return found


_Thing = tuple[str, str, tuple[Any, ...], Line | None]


def _things(lines: Iterable[Line], levels: tuple[Any, ...]) -> Iterator[_Thing]:
    for line in lines:
        if isinstance(line, Loop):
            level = sympy.Symbol(_LEVELS[len(levels)], integer=True)
            for state in line.states:
                yield state.name, LETTERS[state.name[0]], (*levels, level), None
            yield from _things(line.lines, (*levels, level))
        else:
            letter = "G" if isinstance(line, Gram) else line.name if line.name in OUTPUTS else LETTERS[line.name[0]]
            yield line.name, letter, levels, line


def _numbers(things: list[_Thing]) -> dict[str, str]:
    """Numbers in order of appearance; an expectation of derivatives has that of the one over the same Gaussians."""
    numbers: dict[str, str] = {}
    by_arguments: dict[Any, str] = {}
    for letter in dict.fromkeys(("E", *(letter for _, letter, _, _ in things))):
        mine = [(key, line) for key, other, _, line in things if other == letter]
        free = [str(k + 1) for k in range(2 * len(things))]
        count_of_e = sum(other == "E" for _, other, _, _ in things)
        if len(mine) == 1 and not (letter == "dE" and count_of_e > 1):
            numbers[mine[0][0]] = ""
            continue
        waiting = []
        for key, line in mine:
            arguments = line.arguments if isinstance(line, Expected) else None
            if letter == "dE" and by_arguments.get(arguments) in free:
                numbers[key] = by_arguments[arguments]
                free.remove(numbers[key])
            else:
                waiting.append((key, arguments))
        for key, arguments in waiting:
            numbers[key] = free.pop(0)
            if letter == "E":
                by_arguments.setdefault(arguments, numbers[key])
    return numbers


@dataclass
class Indices:
    """Letters for position axes: one for each axis, primed for the second point; ``windows`` hold offsets."""

    windows: frozenset[str]
    axes: dict[str, str] = field(default_factory=dict)

    def letter(self, axis: str) -> str:
        if axis not in self.axes:
            taken = set(self.axes.values())
            free = [x for x in (*_INDICES, *(f"i_{k}" for k in range(1, 99))) if x not in taken]
            self.axes[axis] = WINDOW if axis in self.windows and WINDOW not in taken else free[0]
        return self.axes[axis]

    def left(self, axis: str) -> Any:
        return sympy.Symbol(self.letter(axis), integer=True)

    def right(self, axis: str) -> Any:
        return sympy.Symbol(self.letter(axis) + "'", integer=True)

    def fresh(self, symbol: Any, used: set[Any]) -> Any:
        """A letter for an index that is summed over: the axis's own unless the sum has it already."""
        tail = "'" if symbol.name.endswith("'") else ""
        names = (symbol.name, *(x + tail for x in _INDICES if x not in self.axes.values()))
        return next(s for s in (sympy.Symbol(x, integer=True) for x in names) if s not in used)
