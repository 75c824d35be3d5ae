"""Two rewritings of loops that change nothing that a program computes.

Values that a repeated body reads from outside become values that it carries along unchanged, so that the sweeps know
one way only in which a value reaches every copy of a body (weights stay where they are: sharing one across copies is
another matter). A repeat that is all of another repeat's body becomes one repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ntksym.language.program import Block, Node, Program
from ntksym.language.types import MatrixType


@dataclass(frozen=True)
class Rewritten:
    """The rewritten program, and for each value that was added the one that it carries."""

    program: Program
    stands_for: Mapping[int, int]

    def names(self, named: Mapping[int, str]) -> dict[int, str]:
        """Names for all values, those that were added by what they stand for."""
        out = dict(named)
        for key in self.stands_for:
            origin = key
            while origin in self.stands_for:
                origin = self.stands_for[origin]
            out[key] = named[origin]
        return out


def rewritten_loops(program: Program) -> Rewritten:
    """Carry what every repeat captures (trained weights apart)."""
    rewriter = _Rewriter(program)
    block = rewriter.block(program.block, {})
    return Rewritten(Program(program.name, block) if block != program.block else program, rewriter.stands_for)


class _Rewriter:
    def __init__(self, program: Program) -> None:
        self.nodes = program.nodes
        self.next_id = max(program.nodes, default=0) + 1
        self.stands_for: dict[int, int] = {}

    def block(self, block: Block, renamed: Mapping[int, int]) -> Block:
        nodes = tuple(self.node(node, renamed) for node in block.nodes)
        outputs = tuple(renamed.get(i, i) for i in block.outputs)
        return Block(nodes, block.arguments, outputs)

    def flat(self, node: Node) -> Node:
        """Perfectly nested repeats as one, with the product of their numbers of copies."""
        body = node.body
        rest = [inner for inner in body.nodes if inner.op not in ("carry", "result")]
        if len(rest) != 1 or rest[0].op != "repeat" or rest[0].inputs != body.arguments:
            return node
        inner = rest[0]
        results = tuple(n.id for n in body.nodes if n.op == "result") or (inner.id,)
        if body.outputs != results:
            return node
        times = node.attr("times") * inner.attr("times")
        return self.flat(replace(node, attrs=(("times", times),), block=inner.block))

    def node(self, node: Node, renamed: Mapping[int, int]) -> Node:
        inputs = tuple(renamed.get(i, i) for i in node.inputs)
        if node.block is None:
            return node if inputs == node.inputs else replace(node, inputs=inputs)
        if node.op == "repeat":
            node = self.flat(node)
        else:
            return replace(node, inputs=inputs, block=self.block(node.body, renamed))
        captured = [i for i in node.body.captured() if not isinstance(self.nodes[i].type, MatrixType)]
        captured = [i for i in captured if self.nodes[i].op != "parameter"]
        inner = dict(renamed)
        added = []
        for index, key in enumerate(captured, start=len(node.body.arguments)):
            carry = Node(self.next_id, "carry", (), self.nodes[key].type, f"carry{self.next_id}", (("index", index),))
            self.next_id += 1
            self.stands_for[carry.id] = key
            inner[key] = carry.id
            added.append(carry)
        body = self.block(node.body, inner)
        ids = tuple(carry.id for carry in added)
        body = Block((*added, *body.nodes), (*body.arguments, *ids), (*body.outputs, *ids))
        return replace(node, inputs=(*inputs, *(renamed.get(i, i) for i in captured)), block=body)
