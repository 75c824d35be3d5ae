"""A repeated block with a plain number of copies, and the same copies written one after the other."""

from dataclasses import replace
from itertools import count

from ntksym.language.dims import as_size
from ntksym.language.program import Block, Node, Program


def with_copies(program: Program, times: int) -> Program:
    """The program with this number of copies in every loop at its top."""

    def counted(node: Node) -> Node:
        attrs = dict(node.attrs) | ({"times": as_size(times)} if node.op == "repeat" else {})
        return replace(node, attrs=tuple(sorted(attrs.items())))

    return Program(program.name, replace(program.block, nodes=tuple(map(counted, program.block.nodes))))


def unrolled(program: Program, times: int) -> Program:
    """The same without loops; parameters of copy k have ``[k]`` behind their names."""
    nodes: list[Node] = []
    made: dict[int, int] = {}
    fresh = count(max(program.nodes) + 1)

    def put(node: Node, names: dict[int, int], copy: str) -> None:
        name = node.name + copy if node.op == "parameter" else node.name
        names[node.id] = next(fresh)
        nodes.append(replace(node, id=names[node.id], inputs=tuple(names[i] for i in node.inputs), name=name))

    for node in program.block.nodes:
        if node.op != "repeat":
            put(node, made, "")
            continue
        carried = [made[i] for i in node.inputs]
        for k in range(times):
            names = made | dict(zip(node.body.arguments, carried, strict=True))
            for inner in node.body.nodes:
                if inner.op != "carry":
                    put(inner, names, f"[{k}]")
            carried = [names[i] for i in node.body.outputs]
        (made[node.id],) = carried
    return Program(program.name, Block(tuple(nodes), (), tuple(made[i] for i in program.block.outputs)))
