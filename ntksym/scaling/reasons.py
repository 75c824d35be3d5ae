"""Why each entry of a table is what it is, in sentences made of the derivation's own quantities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from ntksym.language.dims import Size
from ntksym.language.program import Node
from ntksym.language.types import MatrixType, Type
from ntksym.scaling.cells import Cells
from ntksym.scaling.facts import COORD, STRUCTURAL
from ntksym.scaling.growth import Growth
from ntksym.scaling.setting import Setting
from ntksym.scaling.solve import Solution
from ntksym.scaling.verdict import Outcome

Found = Cells[tuple[Solution, Outcome]]


def reasons(setting: Setting, found: Found, node: Node, named: Mapping[int, str]) -> tuple[str, ...]:
    """One sentence for each step of the derivation that concerns a parameter, opened by the name of the step."""
    return tuple(_Reasons(setting, found, node, named).sentences())


class _Reasons:
    """The sentences about one parameter."""

    def __init__(self, setting: Setting, found: Found, node: Node, named: Mapping[int, str]) -> None:
        self.setting, self.found, self.node, self.named = setting, found, node, named
        self.nodes = setting.facts.program.nodes
        self.use = found.values()[0][0].why[node.id].tightest

    def growth(self, name: str) -> Growth | None:
        return self.found.growth(lambda cell: cell[0].why[self.node.id].forms.get(name))

    def column(self, name: str) -> Growth | None:
        growth: Growth | None = self.found.growth(lambda cell: getattr(cell[0].columns[self.node.id], name))
        return growth

    def value(self, key: int) -> str:
        """A value by name, what makes it, and the user's own line."""
        while key in self.setting.stands_for:
            key = self.setting.stands_for[key]
        node = self.nodes[key]
        made = node.op if node.op != "map" else str(node.attr("phi"))
        return f"{self.named[key]} ({', '.join(part for part in (made, node.source) if part)})"

    def size(self, size: Size) -> str:
        """A size as written, with its growth where the name does not say it."""
        growth = str(self.found.certainly(lambda cell: cell[0].state.cone.form(size)))
        text = str(size)
        if growth == text:
            return text
        return f"{text}, fixed," if growth == "1" else f"{text}, growing like {growth},"

    @cached_property
    def fans(self) -> tuple[Size, Size]:
        """Rows and columns of the matrix as its deciding use applies it."""
        type = self.node.type
        assert isinstance(type, MatrixType)
        transposed = self.use is not None and self.use.attr("transpose")
        return (type.cols, type.rows) if transposed else (type.rows, type.cols)

    def sentences(self) -> Iterator[str]:
        yield f"init: {self.init()}"
        if not self.node.attr("trainable"):
            yield "update: frozen, it is not trained"
            return
        if self.use is None:
            yield "update: nothing reads it, so nothing is determined"
            return
        yield (
            f"budget: {self.value(self.use.id)}, which it makes, may change by {self.growth('budget')} "
            "for the outputs to move by order one"
        )
        update, gradient = self.growth("update"), self.growth("gradient")
        if update is None or update.is_zero or gradient is None or gradient.is_zero:
            yield "update: none, since no gradient reaches it or what it reads stays zero"
            return
        yield f"update: {self.update(self.use)}"
        yield f"gradient: a typical entry is {gradient}"
        yield from self.optimizer()
        yield from self.ties()
        yield from self.assumptions()

    def init(self) -> str:
        if self.node.attr("init") == "constant":
            return f"the constant {self.node.attr('value')}"
        if self.setting.parametrization.entry is not None:
            return f"fixed by the parametrization {self.setting.parametrization.name}"
        zero = "; it starts at zero, this is what a random start would need" if self.node.attr("value") == 0 else ""
        entry = self.growth("entry")
        if self.use is None or self.use.op != "matmul":
            return f"it adds up nothing, so entries {entry}{zero}"
        read, (rows, cols) = self.use.inputs[1], self.fans
        of_size = "" if str(self.growth("read")) == "1" else f" of size {self.growth('read')}"
        text = f"from {self.size(cols)} coordinates{of_size} of {self.value(read)} to {self.size(rows)}"
        kept = self.setting.facts.active.get(self.use.id, {}).get(COORD)
        text = text.removesuffix(",") + (f", of which {kept} are kept" if kept is not None else "")
        if read not in self.setting.facts.trains:
            return f"{text}; what it reads never trains, so only independent terms count: entries {entry}{zero}"
        return (
            f"{text}; entries {entry} are the largest that amplify neither its value (independent terms) nor changes "
            f"of what it reads (operator norm){zero}"
        )

    def update(self, use: Node) -> str:
        entries = self.growth("update")
        if use.op != "matmul":
            return f"it enters {self.named[use.id]} entry by entry, so an update's entries may be {entries}"
        terms = "independent" if self.setting.alignment.cap_updates else "aligned"
        return (
            f"{self.size(self.fans[1]).removesuffix(',')} {terms} terms with {self.named[use.inputs[1]]} add up, so an "
            f"update's entries may be {entries}"
        )

    def optimizer(self) -> Iterator[str]:
        optimizer = self.setting.optimizer_of(self.node)
        yield f"{optimizer.name}: {optimizer.reason}: {self.growth('unit')} at rate 1, so lr = {self.column('lr')}"
        if self.column("eps") is not None:
            yield f"eps: it must follow what it is added to, {self.column('eps')}"
        decay = {
            "coupled": "a step takes away lr * decay, so decay goes like 1 / lr",
            "independent": "a step takes away decay itself, whatever the size",
            "l2": "decay * w must follow the gradient that it is added to",
        }
        if optimizer.decay is not None:
            yield f"decay: {decay[optimizer.decay]}: {self.column('weight_decay')}"

    def ties(self) -> Iterator[str]:
        uses = self.setting.facts.uses[self.node.id]
        if len(uses) < 2:
            return
        yield f"tied: it is used {len(uses)} times; the tightest use decides the update"
        for use in uses:
            growth = self.found.growth(lambda cell, use=use: cell[0].why[self.node.id].tied.get(use.id))  # type: ignore[misc]
            if growth is not None and str(growth) != "1":
                yield f"tied: one initial size does not serve all uses: {self.value(use.id)} is multiplied by {growth}"

    def assumptions(self) -> Iterator[str]:
        """What is assumed, where it is no theorem: gradients that add up along a growing axis are aligned."""
        axes = {axis.name: axis.size for axis in self.node.type.positions}
        for use in self.setting.facts.uses[self.node.id]:
            axes.update(self.shared_along(use))
        for name, size in axes.items():
            if any(cell[0].state.cone.form(size) != cell[0].state.cone.zero for cell in self.found.values()):
                yield f"assumption: gradients are aligned along {name}, which grows; a coordinate check decides"

    def shared_along(self, node: Node) -> dict[str, Size]:
        """Axes that a value is repeated along where it is first combined with another."""
        out: dict[str, Size] = {}
        have = {axis.name for axis in node.type.positions}
        for reader in self.setting.facts.readers.get(node.id, ()):
            if reader.op in STRUCTURAL or reader.op == "normalise":
                out.update(self.shared_along(reader))
            elif reader.op in ("contract", "mix") and isinstance(reader.type, Type):
                out.update({axis.name: axis.size for axis in reader.type.positions if axis.name not in have})
        return out
