"""Message passing over lists of edges: what is gathered at sources and added up at targets is a matrix times values.

A list of edges is data, and so is what is computed of it alone (degrees, normalisations). The program has the matrix
instead: one weight for each pair of nodes, zero where there is no edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ntksym.errors import FrameworkError
from ntksym.frameworks.torch.graph import Step
from ntksym.frameworks.torch.layout import Atom, Tensor, renamed, to_positions
from ntksym.frameworks.torch.read import Constant, Given, Operand, Reader, rule
from ntksym.frameworks.torch.rules.elementwise import described
from ntksym.frameworks.torch.rules.inputs import COPIES
from ntksym.frameworks.torch.rules.views import VIEWS, dimension
from ntksym.language.dims import ONE, Axis, as_size
from ntksym.language.ops import mix
from ntksym.language.trace import Value
from ntksym.language.types import Type


@dataclass(frozen=True)
class OfGraph:
    """Numbers for edges or nodes that depend on the graph alone."""

    partial = True
    words = "numbers of the graph, which can be read as weights of its edges"


@dataclass(frozen=True)
class Messages:
    """What edges carry: values of the nodes where they begin, times numbers of the graph."""

    sent: Tensor
    edges: int
    """The input that lists the edges."""
    row: int
    weights: frozenset[int] = frozenset()
    """Inputs of numbers that it was multiplied by; the list of edges itself stands for what is computed of it."""
    partial = True
    words = "values gathered along edges, which can be read where they are added up at the edges' other ends"


def ends(reader: Reader, x: Operand) -> tuple[int, int]:
    """The input that lists edges, and which of its two rows a tensor of indices is; raises FrameworkError if none."""
    nodes = {node.id: node for block in reader.tracer.stack for node in block.nodes}
    node = nodes.get(x.value.id) if isinstance(x, Tensor) and x.value.type.kind == "index" else None
    if node and node.op == "pick" and nodes[node.inputs[0]].op == "input":
        return node.inputs[0], node.attr("index")
    raise FrameworkError(f"its indices are {described(x)}; expected a row of an input of edges, of shape [2, edges]")


@rule("index_select", "index")
def gathered(reader: Reader, given: Given, step: Step) -> Operand:
    """The values of nodes at one end of every edge."""
    x, (at, *more) = given["self"], given["indices"] if step.op == "index" else (given["index"],)
    dim = 0 if step.op == "index" else dimension(given["dim"], len(step.shape))
    nodes = isinstance(x, Tensor) and x.value.type.kind == "real" and dim == len(x.dims) - 2 and len(x.dims[dim]) == 1
    if not nodes or more or not isinstance(at, Tensor):
        what = "a value" if isinstance(x, Tensor) else described(x)
        raise FrameworkError(
            f"entries of {what} are taken at places that a tensor names (a table of relative positions, say); "
            "values of nodes along edges can be read, slices, and a parameter that has an entry for each place"
        )
    return Messages(to_positions(x, x.dims[dim]), *ends(reader, at))


@rule("scatter_add", "index_add")
def counted(reader: Reader, given: Given, step: Step) -> Operand:
    """Numbers of the edges added up at their ends, such as degrees."""
    if not isinstance(given.get("src", given.get("source")), Constant):
        raise FrameworkError("entries are added at indices; only values gathered along edges can be read")
    ends(reader, given["index"])
    return OfGraph()


@rule("scatter_add", "index_add", of=(Messages,))
def added_up(reader: Reader, given: Given, step: Step) -> Operand:
    """Messages added up at the other end of their edges: the graph's matrix times the values of the nodes."""
    x, start = given.get("src", given.get("source")), given["self"]
    if not isinstance(x, Messages) or not isinstance(start, Constant) or start.value != 0:
        raise FrameworkError("messages are added to what is not zero")
    edges, row = ends(reader, given["index"])
    (node,) = x.sent.dims[-2]
    if edges != x.edges or row == x.row or not node.size.same(as_size(step.shape[-2])):
        raise FrameworkError("messages are added up at other places than the other ends of their edges")
    if reader.graphs.setdefault(edges, (row, x.weights)) != (row, x.weights):
        raise FrameworkError("one list of edges stands for two matrices: other weights, or the other direction")
    matrix = _matrix(reader, edges, node)
    to, at = (Atom(axis.name, axis.size) for axis in matrix.type.positions)
    sent = renamed(x.sent, node, at)
    value = mix(matrix, sent.value, at.name)
    return Tensor(value, sent.coord, (*sent.dims[:-2], (to,), sent.dims[-1]))


def _matrix(reader: Reader, edges: int, node: Atom) -> Value:
    """The input that listed the edges as the matrix that it stands for: weights to nodes from nodes."""
    inputs = reader.tracer.stack[0].nodes
    (place,) = (i for i, found in enumerate(inputs) if found.id == edges)
    known = inputs[place]
    if known.attr("kind") != "graph":
        name = known.name if known.name != node.name else f"{node.name}_nodes"
        axes = (Axis(name, node.size), Axis(f"{name}'", node.size))
        attrs = tuple(sorted({**dict(known.attrs), "kind": "graph"}.items()))
        known = inputs[place] = replace(known, type=Type(axes, ONE), attrs=attrs)
    assert isinstance(known.type, Type)
    return Value(reader.tracer, edges, known.type)


# --- numbers of the graph ---------------------------------------------------------------------------------


@rule(*COPIES, *VIEWS, "expand", "pow", "sqrt", "rsqrt", "reciprocal", "add", "div", "eq", "masked_fill", "clamp",
      "index", "index_select", of=(OfGraph,))  # fmt: skip
def still_of_graph(reader: Reader, given: Given, step: Step) -> Operand:
    """What is computed of numbers of the graph and constants."""
    for x in (given.get("other"), given.get("self")):
        if isinstance(x, Tensor):
            raise FrameworkError(f"{OfGraph.words}; found them beside a value")
    return OfGraph()


@rule("mul", of=(OfGraph, Messages))
def weighted(reader: Reader, given: Given, step: Step) -> Operand:
    """Messages times weights of their edges, which the matrix has."""
    pair = given["self"], given["other"]
    messages = next((x for x in pair if isinstance(x, Messages)), None)
    if messages is None:
        return still_of_graph(reader, given, step)
    (by,) = (x for x in pair if x is not messages)
    return replace(messages, weights=messages.weights | {_weights(reader, by, messages.edges)})


def _weights(reader: Reader, x: Operand, edges: int) -> int:
    """The input that weights of edges are, left out of the program; the edges where they are computed of these."""
    if isinstance(x, OfGraph | Constant):
        return edges
    nodes = {node.id: node for node in reader.tracer.stack[0].nodes}
    found = nodes.get(x.value.id) if isinstance(x, Tensor) else None
    if found is None or found.op != "input":
        raise FrameworkError(f"messages are multiplied by {described(x)}; expected weights of the edges, an input")
    return found.id


@rule("zeros_like", "new_zeros", of=(Messages, OfGraph))
def zeros(reader: Reader, given: Given, step: Step) -> Operand:
    return Constant(step.shape, 0)


@rule(*COPIES, of=(Messages,))
def same_messages(reader: Reader, given: Given, step: Step) -> Operand:
    return given["self"]
