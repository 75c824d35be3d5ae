"""What a page says below its formulas: how weights are drawn, what indices mean, how each expectation is known."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.kernels.recursion import KernelRecursion
from ntksym.kernels.rendering_steps import Page
from ntksym.records.formula import Expected, HeadAverage

sympy = lazy("sympy")

Note = tuple[Any, ...]
"""A sentence: texts, and SymPy expressions between them."""


def notes(recursion: KernelRecursion, found: Page) -> list[Note]:
    """All notes of a page."""
    tangent = [_gradients(recursion)] if has_ntk(recursion) else []
    return [*_weights(recursion), *tangent, *_indices(recursion, found), *_evidence(found)]


def has_ntk(recursion: KernelRecursion) -> bool:
    return any(line.name == "ntk" for line in recursion.formula)


def _weights(recursion: KernelRecursion) -> list[Note]:
    """How the parameters of each spread are drawn."""
    program, found = recursion.program, dict[tuple[str, bool], None]()
    for node in program.parameters:
        if node.attr("sigma"):
            found[node.attr("sigma"), not program.fan_in(node).is_one] = None
    notes: list[Note] = []
    for sigma, divided in found:
        symbol, value = sympy.Symbol(sigma), recursion.hyperparameters[sigma]
        what = "weight matrices" if divided else "biases, other vectors and lookup tables"
        over = " over the fan-in" if divided else ""
        start = f"{what}: independent Gaussians of mean zero and variance "
        notes.append((start, symbol**2, f"{over}; ", symbol, f" is {value:g} if not set"))
    return notes


def _gradients(recursion: KernelRecursion) -> Note:
    if recursion.parameterization == "ntk":
        return ("the tangent kernel is over unit Gaussians that are multiplied by their standard deviations",)
    return ("the tangent kernel is over the weights themselves (standard parameterization)",)


def _indices(recursion: KernelRecursion, found: Page) -> list[Note]:
    notes: list[Note] = []
    used = {
        str(s)
        for reading in found.glossary.known.values()
        for i in (*reading.left, *reading.right, *reading.shared)
        for s in i.free_symbols
    }
    axes = [(axis, letter) for axis, letter in found.indices.axes.items() if {letter, letter + "'"} & used]
    if axes:
        note: list[Any] = ["indices (primed for the second input): "]
        for k, (axis, letter) in enumerate(axes):
            note += [", " if k else "", sympy.Symbol(letter), f" along {axis}"]
        notes.append(tuple(note))
    windows = {node.attrs: node for node in recursion.program.nodes.values() if node.op == "patches"}
    for node in windows.values():
        window = found.indices.axes.get(node.attr("axis"))
        if window is not None:
            extent = " by ".join(map(str, node.attr("kernel")))
            said = _OUTSIDE.get(node.attr("padding"), _ZERO)
            notes.append((sympy.Symbol(window), f": offsets in a window of {extent}; {said}"))
    if axes and any(node.op == "shift" for node in recursion.program.nodes.values()):
        notes.append((_ZERO,))
    return notes


_ZERO = "outside of the positions everything is zero"
_OUTSIDE = {"circular": "positions are cyclic", "valid": "windows lie inside of the positions"}


def _evidence(found: Page) -> list[Note]:
    """How each expectation is known; everything else is algebra."""
    groups: dict[str, list[Any]] = {}
    for symbol, line in found.shown:
        if isinstance(line, Expected | HeadAverage):
            groups.setdefault(_known(line), []).append(symbol)
    notes: list[Note] = []
    for words, symbols in groups.items():
        note = list[Any]()
        for k, symbol in enumerate(symbols):
            note += [", " if k else "", symbol]
        notes.append((*note, f": {words}"))
    return notes


def _known(line: Expected | HeadAverage) -> str:
    if isinstance(line, HeadAverage):
        return str(line.evidence)
    way = {"wick": "Wick", "rank-one": "rank-one reductions"}.get(line.answer.strategy, line.answer.strategy)
    return f"{line.evidence}" if way == "numeric" else f"{line.evidence}, by {way}"
