"""Lines with positions: which entries they have, and what is done to entries before other lines read them.

A line has an entry for every pair of positions, one of either point. Lines of one layout share a *space* of entries,
and a line that reads others of its own space is computed entry by entry. What stands between them, moves along
positions and means over shared ones, is one linear operation from one space to another, a ``Window``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ntksym.codegen.statements import SINGLE, Gap, Linear, Move, Part, Series, Statement, Window, base, names_read
from ntksym.errors import KernelError
from ntksym.records.formula import SAME, Averaged, Layout, Line, Moved, Pointwise, Shared, State, is_one_point


@dataclass(frozen=True)
class Chain:
    """Operations along positions, from a line that is computed entry by entry."""

    line: str
    left: tuple[Move, ...] = ()
    right: tuple[Move, ...] = ()
    shared: tuple[tuple[str, str], ...] = ()
    averaged: bool = False

    @property
    def is_read(self) -> bool:
        """Whether it leads to a line that others read."""
        return self.averaged or not self.shared


@dataclass
class Spaces:
    """The spaces of a formula's lines, and the chains between them."""

    layouts: list[Layout] = field(default_factory=lambda: [Layout()])
    of: dict[str, int] = field(default_factory=dict)
    chains: dict[str, Chain] = field(default_factory=dict)
    meanings: dict[str, str] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether there are positions at all."""
        return len(self.layouts) > 1

    @property
    def names(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """The axes of both points, of each space; none where there are no positions."""
        sides = [(layout.left, layout.right) for layout in self.layouts]
        named = [tuple(tuple(axis.name for axis in side) for side in both) for both in sides]
        return tuple((left, right) for left, right in named) if self.any else ()

    def place(self, line: Line | State) -> None:
        """Find the space of a line; entries of lines over one point are diagonal ones."""
        if isinstance(line, Line) and any(name.startswith(SAME) for name in line.reads()):
            raise KernelError(f"{line.meaning}: terms of equal positions alone cannot be compiled yet; use evaluate()")
        layout = line.layout
        if isinstance(line, Pointwise) or is_one_point(line.name):
            layout = Layout(layout.left, layout.left)
        if layout.shared:
            raise KernelError(f"{line.meaning}: shared positions cannot be compiled yet; use evaluate()")
        if layout not in self.layouts:
            self.layouts.append(layout)
        self.of[line.name] = self.layouts.index(layout)
        self.meanings[line.name] = line.meaning

    def follow(self, line: Moved | Shared | Averaged) -> None:
        """Go on with the chain that leads to a line's source."""
        before = self.chains.get(line.source)
        chain = Chain(line.source) if before is None or before.averaged else before
        if isinstance(line, Averaged):
            chain = replace(chain, averaged=True)
        elif isinstance(line, Shared):
            chain = replace(chain, shared=(*chain.shared, *line.axes))
        else:
            if line.weights or line.op not in SINGLE | {"pool"} or chain.shared:
                raise KernelError(f"{line.meaning}: this operation cannot be compiled yet; use evaluate()")
            move = ((line.op, line.attrs),)
            chain = replace(
                chain,
                left=chain.left + (move if line.sides in ("both", "left") else ()),
                right=chain.right + (move if line.sides in ("both", "right") else ()),
            )
        self.chains[line.name] = chain
        self.meanings[line.name] = line.meaning
        if chain.is_read:
            self.place(line)

    def linear(self, name: str) -> Linear | None:
        """The operation that leads to a line, where others read it."""
        chain = self.chains[name]
        if not chain.is_read:
            return None
        return Linear(chain.line, Window(self.of[chain.line], self.of[name], chain.left, chain.right, chain.shared))

    def check(self, point: Iterable[Part], pair: Iterable[Part], outputs: Iterable[str]) -> None:
        """Raise KernelError for what positions do not allow."""
        for name in outputs:
            if self.of[name] != 0:
                raise KernelError(f"{name} has positions: give the program an output without, or use evaluate()")
        for parts, alone in ((point, True), (pair, False)):
            for name, x in (statement for part in parts for statement in part.statements):
                if isinstance(x, Linear | Gap):
                    if (alone or isinstance(x, Gap)) and not x.window.keeps_diagonals:
                        raise KernelError(
                            f"{self.meanings[base(name)]}: a nonlinear function of a mean over positions cannot be "
                            "compiled yet; use evaluate()"
                        )
                elif not isinstance(x, Series):
                    self._check_entries(name, names_read(x))

    def _check_entries(self, name: str, read: set[str]) -> None:
        for other in map(base, read):
            if other in self.chains.keys() - self.of or self.of.get(other, self.of[base(name)]) != self.of[base(name)]:
                raise KernelError(
                    f"{self.meanings[base(name)]}: lines with other positions cannot be read yet; use evaluate()"
                )


def early(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Statements in an order in which moves along positions come as soon as they can: those by one window together."""
    out: list[Statement] = []
    for name, x in statements:
        made = [k for k, (other, _) in enumerate(out) if isinstance(x, Linear) and other == x.line]
        start = made[-1] + 1 if made else 0
        while isinstance(x, Linear) and start < len(out) and isinstance(out[start][1], Linear):
            start += 1
        out.insert(start if isinstance(x, Linear) else len(out), (name, x))
    return tuple(out)
