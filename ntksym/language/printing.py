"""Programs for people: a typed listing, and graphs as Mermaid and Graphviz text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import count
from typing import Any, NamedTuple

from ntksym.language.activations import Activation
from ntksym.language.dims import Size
from ntksym.language.expressions import Expr, Symbol, substitute
from ntksym.language.program import Block, Node, Program, renderers


def labels(program: Program) -> dict[int, str]:
    """A short name for every value: parameters and inputs have their own, others are numbered in order.

    A loop with several results is ``v5``, its results are ``v5.0``, ``v5.1``.
    """
    own = {node.id: node.name for node in program.nodes.values() if node.op in ("parameter", "input")}
    taken = set(own.values())
    fresh = (f"v{i}" for i in count(1) if f"v{i}" not in taken)
    out: dict[int, str] = {}
    for node in program.nodes.values():
        if node.op == "result":
            out[node.id] = f"{out[node.inputs[0]]}.{node.attr('index')}"
        else:
            out[node.id] = own[node.id] if node.id in own else next(fresh)
    return out


def results(program: Program) -> dict[int, list[Node]]:
    """The result nodes of every loop that has several."""
    out: dict[int, list[Node]] = {}
    for node in program.nodes.values():
        if node.op == "result":
            out.setdefault(node.inputs[0], []).append(node)
    return out


# --- the listing -----------------------------------------------------------------------------------------


def display_name(phi: Activation) -> str:
    """The name of an activation (tanh, leaky_relu(1/10)); nothing if it is known by its formula only."""
    return phi.name if len(phi.symbols) == 1 and re.fullmatch(r"[^\W\d]\w*(\([-\d./, ]*\))?", phi.name) else ""


def applied(phi: Activation, names: list[str]) -> Expr:
    return substitute(phi.expr, {s: Symbol(name) for s, name in zip(phi.symbols, names, strict=True)})


def signed(terms: list[str]) -> str:
    return " + ".join(terms).replace("+ -", "- ")


def _linear(node: Node, names: list[str]) -> str:
    return signed([_times(c, name) for c, name in zip(node.attr("coefficients"), names, strict=True)])


def _times(coefficient: Size, name: str) -> str:
    """2*n * v3, -v3, v3/sqrt(L)"""
    text = str(coefficient)
    if text.startswith("1/"):
        return name + text[1:]
    return name if coefficient.is_one else f"-{name}" if text == "-1" else f"{text} * {name}"


def _map(node: Node, names: list[str]) -> str:
    phi = node.attr("phi")
    name = display_name(phi)
    return f"{name}({', '.join(names)})" if name else str(applied(phi, names))


_TEXT: dict[str, Callable[[Node, list[str]], str]] = {
    "linear": _linear,
    "map": _map,
    "matmul": lambda node, names: f"{names[0]}{'^T' if node.attr('transpose') else ''} @ {names[1]}",
    "lookup": lambda node, names: f"{names[0]}[{names[1]}]",
    "input": lambda node, names: f"input {node.attr('kind')}",
    "constant": lambda node, names: f"constant {node.attr('value')}",
}


def expression(node: Node, names: list[str]) -> str:
    """The right-hand side of a node's line, ``names`` its inputs."""
    if node.op in _TEXT:
        return _TEXT[node.op](node, names)
    settings = [f"{key}={setting(value)}" for key, value in node.attrs]
    return f"{node.op}({', '.join([*names, *settings])})"


def setting(value: Any) -> str:
    return f"({', '.join(map(setting, value))})" if isinstance(value, tuple) else str(value)


def variance(program: Program, node: Node) -> tuple[str, Size]:
    """A Gaussian parameter's variance: a symbol (or none) whose square is multiplied by a size."""
    sigma, value = node.attr("sigma"), Fraction(node.attr("value"))
    return sigma, (1 if sigma else value**2) / program.fan_in(node)


def _init(program: Program, node: Node) -> str:
    if node.attr("init") == "constant":
        start = {0: "zeros", 1: "ones"}[node.attr("value")]
    else:
        sigma, number = variance(program, node)
        start = f"N(0, {_times(number, f'{sigma}^2') if sigma else number})"
    return start if node.attr("trainable") else f"{start}, frozen"


def header(node: Node) -> str:
    """What a loop does, in words."""
    return f"repeat {node.attr('times')} times" if node.op == "repeat" else f"scan over {node.attr('axis')}"


def bound(node: Node, names: dict[int, str]) -> list[tuple[str, str]]:
    """(inside, outside) for every value that enters a loop; a sequence enters step by step."""
    assert node.block is not None
    states = node.attr("states", len(node.inputs))
    outside = [names[i] if k < states else f"each of {names[i]}" for k, i in enumerate(node.inputs)]
    return list(zip((names[i] for i in node.block.arguments), outside, strict=True))


def _listed(program: Program) -> Iterator[tuple[str, str]]:
    """(text, type) for every line of the body; the type may be empty."""
    names, several = labels(program), results(program)

    def block_lines(block: Block, pad: str) -> Iterator[tuple[str, str]]:
        for node in block.nodes:
            left = f"{pad}{names[node.id]} = "
            if node.op == "parameter":
                yield f"{left}parameter {_init(program, node)}", str(node.type)
            elif node.block:
                made = several.get(node.id, [node])
                entering = ", ".join(f"{inside} := {outside}" for inside, outside in bound(node, names))
                types = ", ".join(str(one.type) for one in made)
                yield f"{pad}{', '.join(names[one.id] for one in made)} = {header(node)}, {entering}", types
                yield from block_lines(node.block, pad + "  ")
            elif node.op not in ("carry", "element", "result"):
                yield left + expression(node, [names[i] for i in node.inputs]), str(node.type)
        yield f"{pad}return {', '.join(names[i] for i in block.outputs)}", ""

    yield from block_lines(program.block, "  ")


def listing(program: Program) -> str:
    """One line per operation, ``name = expression : type``, bodies of loops indented."""
    rows = list(_listed(program))
    width = min(max(len(text) for text, _ in rows), 72)
    body = (f"{text:<{width}} : {type}" if type else text for text, type in rows)
    return "\n".join([f"program {program.name}:", *body])


# --- graphs ----------------------------------------------------------------------------------------------


class _Style(NamedTuple):
    """How a kind of text writes a node of each kind, an edge, and the frame around a loop's body."""

    parameter: str
    value: str
    open: str
    close: str
    edge: str
    quote: Callable[[str], str]


def _graph(program: Program, style: _Style) -> Iterator[str]:
    """Parameters are boxes; a loop is a frame that its start values enter and its results leave."""
    names, several = labels(program), results(program)
    edges: list[tuple[int, int]] = []

    def draw(block: Block, pad: str) -> Iterator[str]:
        for node in block.nodes:
            name, template = names[node.id], style.parameter if node.op == "parameter" else style.value
            text = f"{name} = {expression(node, [names[i] for i in node.inputs])}"
            if node.op in ("parameter", "input"):
                text = f"{name}: {node.type}"
            elif node.op in ("carry", "element", "result"):
                text = name
            if node.block:
                yield pad + style.open.format(id=node.id, text=style.quote(header(node)))
                yield from draw(node.block, pad + "  ")
                yield pad + style.close
                edges.extend(zip(node.inputs, node.block.arguments, strict=True))
                for made, source in zip(several.get(node.id, [node]), node.block.outputs, strict=True):
                    edges.append((source, made.id))
                text = name
            elif node.op != "result":
                edges.extend((i, node.id) for i in node.inputs)
            if node.id not in several:
                yield pad + template.format(id=node.id, text=style.quote(text))

    yield from draw(program.block, "  ")
    yield "  " + style.value.format(id="_out", text="return")
    for source, target in dict.fromkeys([*edges, *((i, "_out") for i in program.block.outputs)]):
        yield "  " + style.edge.format(source=source, target=target)


def _mermaid_text(text: str) -> str:
    return text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")


_MERMAID = _Style(
    'n{id}["{text}"]',
    'n{id}("{text}")',
    'subgraph s{id}["{text}"]',
    "end",
    "n{source} --> n{target}",
    _mermaid_text,
)


def mermaid(program: Program) -> str:
    """A Mermaid flowchart, each loop a subgraph."""
    return "\n".join(["flowchart TD", *_graph(program, _MERMAID)])


def _dot_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


_DOT = _Style(
    'n{id} [shape=box, label="{text}"];',
    'n{id} [shape=ellipse, label="{text}"];',
    'subgraph cluster_{id} {{ label="{text}";',
    "}",
    "n{source} -> n{target};",
    _dot_text,
)


def graphviz(program: Program) -> str:
    """Graphviz DOT text, each loop a cluster."""
    name = _dot_text(program.name)
    return "\n".join([f'digraph "{name}" {{', "  node [fontname=Helvetica];", *_graph(program, _DOT), "}"])


renderers.update(text=listing, mermaid=mermaid, graphviz=graphviz)
