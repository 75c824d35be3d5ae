"""From a program to its kernel recursion."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ntksym._lazy import lazy
from ntksym.errors import KernelError
from ntksym.kernels.book import assembled
from ntksym.kernels.moments import Moments
from ntksym.kernels.structure import (
    size_expression,
)
from ntksym.kernels.tangents import Tangents
from ntksym.kernels.values import At, Constant, Graph, Value
from ntksym.kernels.views import (
    Carried,
    Combination,
    Data,
    Drawn,
    Mapped,
    Numeric,
    Result,
    Steps,
)
from ntksym.language.dims import Number
from ntksym.language.program import Program
from ntksym.language.types import MatrixType
from ntksym.records.formula import Algebra, Formula, Layout, Loop, State

sympy = lazy("sympy")

PARAMETERIZATIONS = ("ntk", "standard")


def derived(
    program: Program,
    parameterization: str,
    rates: Mapping[str, Any],
    sizes: Mapping[str, Number],
    ntk: bool,
) -> tuple[Formula, frozenset[int]]:
    """The formula of a program's kernels, and the loops that were unrolled; see ``kernel_recursion``."""
    if parameterization not in PARAMETERIZATIONS:
        raise KernelError(f"parameterization={parameterization!r} is not known; write one of: ntk, standard")
    graph = Graph(program, dict(sizes), _unrolled(program))
    moments = Moments(graph)
    tangents = Tangents(moments, rate_expressions(program, rates), parameterization == "standard")
    if len(program.outputs) != 1:
        raise KernelError(
            f"{program.name} has {len(program.outputs)} outputs; kernels are derived for a program with one"
        )
    _check_transposes(program)
    out = graph.at(program.block.outputs[0], ())
    if ntk:
        _check_readout(moments, out)
    _in_order(moments, tangents, ntk)
    wanted = {"nngp": moments.second(out, out)}
    if ntk:
        wanted["ntk"] = tangents.tangent(out, out)
    meanings = {"nngp": "covariance of the outputs", "ntk": "tangent kernel of the outputs"}
    layout = moments.layout(out, out)
    if layout.shared:
        raise KernelError(f"{graph.where(out)}: the output merges positions into its coordinates; end with a readout")
    loops = _loops(moments, tangents)
    lines = dict(moments.book.lines)
    for name, expression in wanted.items():
        lines[name] = Algebra(name, layout, meanings[name], expression=sympy.expand_mul(expression))
    return Formula(assembled(lines, loops, wanted)), graph.unrolled


def _in_order(moments: Moments, tangents: Tangents, ntk: bool) -> None:
    """Kernels of weight layers in the order of the program, so that no derivation calls another a thousand deep."""
    graph = moments.graph
    for node in graph.program.block.nodes:
        value = graph.at(node.id, ())
        if node.op == "matmul" and moments.structure.is_gaussian(value):
            with suppress(KernelError):  # what is refused here is refused again by what needs it
                moments.second(value, value)
                if ntk:
                    tangents.tangent(value, value)


def rate_expressions(program: Program, rates: Mapping[str, Any]) -> dict[str, Any]:
    """Learning-rate weights as SymPy expressions; texts are names of symbols."""
    names = [node.name for node in program.parameters]
    for name in rates:
        if name not in names:
            raise KernelError(f"rates: {program.name} has no parameter {name}; it has: {', '.join(names)}")
    return {k: sympy.Symbol(v, positive=True) if isinstance(v, str) else sympy.sympify(v) for k, v in rates.items()}


def _unrolled(program: Program) -> frozenset[int]:
    """Loops that are run step by step: all scans, and repeats whose copies share weights."""
    found = set()
    for node in program.nodes.values():
        if node.op == "scan":
            found.add(node.id)
        if node.op == "repeat":
            captured = [program.nodes[i] for i in node.body.captured()]
            if any(isinstance(x.type, MatrixType) or x.op == "parameter" for x in captured):
                found.add(node.id)
    return frozenset(found)


def _check_transposes(program: Program) -> None:
    """The rules hold while a matrix is used in one direction only (NETSOR; Yang 2019, arXiv:1910.12478)."""
    uses: dict[int, set[str]] = {}
    where: dict[int, str] = {}
    for node in program.nodes.values():
        if node.op in ("matmul", "lookup"):
            way = node.op if node.op == "lookup" else "transpose" if node.attr("transpose") else "matmul"
            uses.setdefault(node.inputs[0], set()).add(way)
            where[node.inputs[0]] = node.source or node.name
    for parameter, ways in uses.items():
        if len(ways) > 1:
            name = program.nodes[parameter].name
            raise KernelError(
                f"{where[parameter]}: {name} is used in two directions (tied, transposed): the limit has correction "
                "terms that are not derived here; give the readout weights of its own"
            )


def _check_readout(moments: Moments, out: At) -> None:
    """Gradient independence: the last weights are drawn with mean zero and used once (Yang 2020, section 5)."""
    structure, program = moments.structure, moments.graph.program
    uses: dict[int, int] = {}
    for node in program.nodes.values():
        if node.op in ("matmul", "lookup"):
            uses[node.inputs[0]] = uses.get(node.inputs[0], 0) + 1
    seen: set[Value] = set()

    def visit(value: Value) -> None:
        value = structure.resolve(value)
        if value in seen or isinstance(value, Constant):
            return
        seen.add(value)
        view = structure.view(value)
        match view:
            case Combination(terms):
                for _, part in terms:
                    visit(part)
            case Drawn(parameter, argument):
                shared = uses.get(parameter.node, 0) > 1 or _in_scan(moments.graph, parameter, value)
                if argument is not None and shared:
                    raise structure.refusal(
                        value,
                        "makes the output with weights that are used elsewhere too, so gradients are not "
                        "independent of the forward pass; read out with weights of their own, or ask for ntk=False",
                    )
            case Mapped() | Data():
                raise structure.refusal(
                    value,
                    "makes the output without random weights behind it; add a readout (ns.dense), or ask for ntk=False",
                )
            case Steps(values):
                for part in values:
                    visit(part)
            case Carried() | Result() | Numeric():
                return
            case _:
                visit(view.inner)

    visit(out)


def _in_scan(graph: Graph, parameter: At, value: Value) -> bool:
    """Whether a weight from outside of an unrolled loop is applied inside of it."""
    return isinstance(value, At) and len(value.path) > len(parameter.path)


def _check_carry(moments: Moments, loop: At, index: Any) -> None:
    """What is carried keeps its positions apart from its coordinates."""
    if isinstance(index, int):
        node, graph = moments.graph.node(loop), moments.graph
        end = graph.at(node.body.outputs[index], (*loop.path, (loop.node, None)))
        if moments.structure.hidden(end) or moments.structure.hidden(graph.inputs(loop)[index]):
            raise moments.structure.refusal(
                end, "carries positions merged into coordinates; end the body with a weight layer"
            )


def _loops(moments: Moments, tangents: Tangents) -> list[Loop]:
    """The states of all repeats: what each is before, and after one copy; deriving one may call for others."""
    graph, book = moments.graph, moments.book
    found: dict[tuple[At, Any], State] = {}
    while True:
        missing = [
            (at, key) for at, known in list(moments.states.items()) for key in list(known) if (at, key) not in found
        ]
        if not missing:
            break
        for at, key in missing:
            kind, *keys = key
            node = graph.node(at)
            inside = (*at.path, (at.node, None))
            for k in keys:
                _check_carry(moments, at, k)
            starts = [graph.inputs(at)[k] if isinstance(k, int) else k for k in keys]
            ends = [graph.at(node.body.outputs[k], inside) if isinstance(k, int) else k for k in keys]
            if kind == "m":
                start, after = moments.mean(starts[0]), moments.mean(ends[0])
            else:
                of = moments.second if kind == "K" else tangents.tangent
                start, after = of(*starts), of(*ends)
            name, final = moments.states[at][key]
            words = {"K": "second moment", "T": "tangent kernel", "m": "mean"}[kind]
            which = " and ".join(dict.fromkeys(str(k) if isinstance(k, int) else moments.named(k) for k in keys))
            meaning = f"{words} of what {node.name} carries ({which})"
            found[at, key] = State(name, book.layouts[name], meaning, sympy.sympify(start), sympy.sympify(after), final)
    loops = []
    for at in moments.states:
        node = graph.node(at)
        states = tuple(state for (where, _), state in found.items() if where == at)
        times = size_expression(node.attr("times"))
        loops.append(
            Loop(f"loop:{node.name}", Layout(), f"{node.attr('times')} copies of {node.name}", times, states, ())
        )
    return loops
