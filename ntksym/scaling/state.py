"""What is known of the sizes of all values at one moment of a derivation."""

from __future__ import annotations

from dataclasses import dataclass, field

from ntksym.language.program import Node
from ntksym.language.types import MatrixType, Type
from ntksym.scaling.alignment import Alignment
from ntksym.scaling.cones import Cone, Form, highest
from ntksym.scaling.facts import COORD, Facts

_BROADCASTING = frozenset(("linear", "map", "contract", "mix"))
"""Operations that repeat a value along positions that another one has (a matmul's are counted as its rows)."""


@dataclass(frozen=True)
class Change:
    """A change of a value inside a repeated body, by origin.

    ``born`` of this copy's own weights; ``plain``: brought by the carry through initial weights only; ``turned``:
    brought by the carry and passed through something that this copy's own weights changed. ``along`` is the part of
    all of them that points along the value's own gradients, as an update of what makes the value does.
    """

    born: Form
    plain: Form
    turned: Form
    along: Form

    @property
    def total(self) -> Form:
        return highest(self.born, self.plain, self.turned)


@dataclass
class State:
    """What is known of all sizes at one moment of a derivation."""

    cone: Cone
    facts: Facts
    alignment: Alignment
    entry: dict[int, Form] = field(default_factory=dict)
    """Initial entry of each parameter, multiplier included."""
    update: dict[int, Form] = field(default_factory=dict)
    """Aligned entry of each parameter's update, multiplier included."""
    tied: dict[int, Form] = field(default_factory=dict)
    """Extra multiplier of a use (by node) of a parameter that several uses share."""
    init: dict[int, Form] = field(default_factory=dict)
    low: dict[int, Form] = field(default_factory=dict)
    """Initial size in the first copy of a repeated body, where it is smallest."""
    early: bool = True
    """Whether loops are seen from their first copies, or from a typical one."""
    warnings: dict[int, str] = field(default_factory=dict)
    change: dict[int, Change] = field(default_factory=dict)
    results: dict[int, list[Change]] = field(default_factory=dict)
    """The change of every carried value after a loop."""
    budget: dict[int, Form] = field(default_factory=dict)
    gradient: dict[int, Form] = field(default_factory=dict)
    shares: dict[tuple[int, int], Form] | None = None
    """How much of the gradient of a value (second key) came through one of its readers (first key), at most 0.

    None where changes are bounds: then all of them may be aligned with what reads them.
    """

    def total(self, key: int) -> Form:
        return highest(self.init[key], self.change[key].total)

    def aligned(self, node: Node, key: int) -> Form:
        """How much of the change of a value points along the gradient that came through one of its readers."""
        if self.shares is None:
            return self.cone.zero
        change = self.change[key]
        if not change.along.finite:
            return self.cone.never
        return change.along - change.total + self.shares.get((node.id, key), self.cone.never)

    def use(self, node: Node) -> Form:
        return self.tied.get(node.id, self.cone.zero)

    def initial(self, node: Node) -> Form:
        """The initial entry that this use of a weight sees."""
        return self.entry[node.inputs[0]] + self.use(node)

    def moved(self, node: Node) -> Form:
        """The update's entry that this use of a weight sees."""
        return self.update[node.inputs[0]] + self.use(node)

    def fans(self, node: Node) -> tuple[Form, Form]:
        """Rows (with the copies stacked along axes that the input lacks) and columns of a matmul's weight."""
        weight, value = (self.facts.program.nodes[i].type for i in node.inputs)
        assert isinstance(weight, MatrixType)
        assert isinstance(value, Type)
        active = self.facts.active.get(node.id, {})
        rows, cols = (weight.cols, weight.rows) if node.attr("transpose") else (weight.rows, weight.cols)
        stacked = self.cone.form(active.get(COORD, rows))
        for axis in weight.positions:
            if value.axis(axis.name) is None:
                stacked = stacked + self.cone.form(active.get(axis.name, axis.size))
        return stacked, self.cone.form(cols)

    def spread(self, node: Node, index: int) -> Form:
        """What backward adds up: the positions of the value that the input is broadcast along."""
        if node.op not in _BROADCASTING:
            return self.cone.zero
        source = self.facts.program.nodes[node.inputs[index]].type
        have = {axis.name for axis in source.positions}
        total = self.cone.zero
        if isinstance(node.type, Type):
            for axis in node.type.positions:
                if axis.name not in have:
                    total = total + self.cone.form(axis.size)
        return total
