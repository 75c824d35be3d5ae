"""Programs as JSON and back: ``program_from_json(program.to_json()) == program``."""

from __future__ import annotations

from collections.abc import Mapping, Set
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from ntksym.errors import ExpressionError, ProgramError
from ntksym.language.activations import Activation, activations
from ntksym.language.dims import Axis, Dim, Size
from ntksym.language.ops_checks import operations
from ntksym.language.program import Block, Node, Program, renderers
from ntksym.language.types import MatrixType, Type

SCHEMA = "ntksym.program/1"


def to_json(program: Program) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "name": program.name,
        "dims": [_dim(dim) for dim in program.dims],
        "block": _block(program.block),
    }


def _dim(dim: Dim) -> dict[str, Any]:
    out: dict[str, Any] = {"name": dim.name, "large": dim.large}
    if dim.default is not None:
        out["default"] = str(dim.default)
    if dim.equals is not None:
        out["equals"] = _size(dim.equals)
    return out


def _size(size: Size) -> Any:
    """A number as text, or [coefficient, {name: power}]."""
    if not size.powers:
        return str(size.coefficient)
    return [str(size.coefficient), {dim.name: str(power) for dim, power in size.powers}]


def axes_to_json(axes: tuple[Axis, ...]) -> list[Any]:
    return [[axis.name, _size(axis.size)] for axis in axes]


def _type(type: Type | MatrixType) -> dict[str, Any]:
    if isinstance(type, MatrixType):
        return {"rows": _size(type.rows), "cols": _size(type.cols), "positions": axes_to_json(type.positions)}
    return {"coord": _size(type.coord), "positions": axes_to_json(type.positions), "kind": type.kind}


def attr_to_json(value: Any) -> Any:
    """Constants with their kind where JSON has none of its own."""
    if isinstance(value, Size):
        return {"size": _size(value)}
    if isinstance(value, Fraction):
        return {"fraction": str(value)}
    if isinstance(value, Activation):
        return {"map": str(value.expr), "symbols": list(value.symbols)}
    if isinstance(value, tuple):
        return [attr_to_json(item) for item in value]
    return value


def _block(block: Block) -> dict[str, Any]:
    return {
        "arguments": list(block.arguments),
        "outputs": list(block.outputs),
        "nodes": [_node(node) for node in block.nodes],
    }


def _node(node: Node) -> dict[str, Any]:
    out = {
        "id": node.id,
        "op": node.op,
        "inputs": list(node.inputs),
        "name": node.name,
        "type": _type(node.type),
    }
    if node.attrs:
        out["attrs"] = {key: attr_to_json(value) for key, value in node.attrs}
    if node.block:
        out["block"] = _block(node.block)
    return out


class Reader:
    """Reads one program; a value must be defined before it is used, so definitions cannot be cyclic."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.dims: dict[str, Dim] = {}
        self.waiting = {item["name"]: item for item in data["dims"]}
        self.names: set[str] = set()
        self.ids: set[int] = set()
        # the name of an activation is for display and is not stored
        self.named = {member: member for member in activations().values()}

    def dim(self, name: str, asked: tuple[str, ...] = ()) -> Dim:
        if name in self.dims:
            return self.dims[name]
        if name in asked:
            raise ProgramError(f"the dimension {name} is defined through itself: {' = '.join((*asked, name))}")
        if name not in self.waiting:
            raise ProgramError(f"the dimension {name} is used but not listed under dims")
        item = self.waiting[name]
        equals = self.size(item["equals"], (*asked, name)) if "equals" in item else None
        default = Fraction(item["default"]) if "default" in item else None
        self.dims[name] = Dim(name, item["large"], default, equals)
        return self.dims[name]

    def size(self, data: Any, asked: tuple[str, ...] = ()) -> Size:
        if isinstance(data, str):
            return Size(Fraction(data))
        coefficient, powers = data
        return Size.of(Fraction(coefficient), {self.dim(n, asked): Fraction(p) for n, p in powers.items()})

    def axes(self, data: list[Any]) -> tuple[Axis, ...]:
        return tuple(Axis(name, self.size(size)) for name, size in data)

    def type(self, data: dict[str, Any]) -> Type | MatrixType:
        axes = self.axes(data["positions"])
        if "rows" in data:
            return MatrixType(self.size(data["rows"]), self.size(data["cols"]), axes)
        return Type(axes, self.size(data["coord"]), data["kind"])

    def attr(self, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(self.attr(item) for item in value)
        if not isinstance(value, dict):
            return value
        if "size" in value:
            return self.size(value["size"])
        if "fraction" in value:
            return Fraction(value["fraction"])
        read = Activation(value["map"], value["map"], tuple(value["symbols"]))
        return self.named.get(read, read)

    def block(self, data: dict[str, Any], outside: Set[int]) -> Block:
        nodes, known = [], set(outside)
        for item in data["nodes"]:
            nodes.append(self.node(item, known))
            known.add(nodes[-1].id)
        for i in data["outputs"]:
            if i not in known:
                raise ProgramError(f"a block returns the value {i}, which is not defined there")
        arguments = tuple(data["arguments"])
        if list(arguments) != [node.id for node in nodes if node.op in ("carry", "element")]:
            raise ProgramError(f"the arguments {list(arguments)} of a block are not its carry and element values")
        return Block(tuple(nodes), arguments, tuple(data["outputs"]))

    def node(self, item: dict[str, Any], known: Set[int]) -> Node:
        op, node_id = item["op"], item["id"]
        if op not in operations:
            close = get_close_matches(op, operations, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(operations))}"
            raise ProgramError(f"the value {node_id} is made by an unknown operation {op!r}{hint}")
        if node_id in self.ids:
            raise ProgramError(f"the value {node_id} is defined twice")
        for i in item["inputs"]:
            if i not in known:
                raise ProgramError(f"the value {node_id} ({op}) reads the value {i} before it is defined (cyclic?)")
        self.ids.add(node_id)
        if op in ("parameter", "input"):
            if item["name"] in self.names:
                raise ProgramError(f"the name {item['name']} is used for two parameters or inputs")
            self.names.add(item["name"])
        attrs = tuple(sorted((key, self.attr(value)) for key, value in item.get("attrs", {}).items()))
        block = self.block(item["block"], known) if "block" in item else None
        if (block is not None) != (op in ("repeat", "scan")):
            raise ProgramError(f"the value {node_id} ({op}) {'has' if block else 'lacks'} a body")
        if block and len(block.arguments) != len(item["inputs"]):
            raise ProgramError(
                f"the loop {node_id} has {len(item['inputs'])} inputs and {len(block.arguments)} arguments"
            )
        return Node(node_id, op, tuple(item["inputs"]), self.type(item["type"]), item["name"], attrs, block)


def program_from_json(data: Mapping[str, Any]) -> Program:
    """The program of ``program.to_json()``.

    Raises ProgramError for another schema, an unknown operation, a value read before it is defined, or a
    malformed document.

    Example:
        >>> import ntksym as ns
        >>> program = ns.zoo.load("transformer")()
        >>> ns.program_from_json(program.to_json()) == program
        True
    """
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, Mapping) else type(data).__name__
        raise ProgramError(f'this is not a program: its schema is {found!r}, expected "{SCHEMA}"')
    try:
        return Program(data["name"], Reader(data).block(data["block"], set()))
    except ExpressionError as error:
        raise ProgramError(f"the program's JSON is malformed: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProgramError(f"the program's JSON is malformed: {type(error).__name__}: {error}") from None


renderers["json"] = to_json
