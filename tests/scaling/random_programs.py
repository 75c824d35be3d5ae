"""Random architectures: a plan drawn by hypothesis, and the program it means, written in several equivalent ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count
from typing import Any

from hypothesis import strategies as st

from ntksym import language as ns

PHIS = ("tanh", "relu", "gelu", "identity")
POWERS = (Fraction(-1, 2), Fraction(-1))


@dataclass(frozen=True)
class Layer:
    """One layer of a plan: what it is, the width it writes, its nonlinearity, and layers inside of it."""

    kind: str
    width: str = "n"
    phi: str = "tanh"
    bias: bool = True
    power: Fraction = Fraction(-1)
    times: int = 0
    inside: tuple[Layer, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Layers between an embedding of width ``first`` and a readout; with ``positions`` on a sequence."""

    first: str
    layers: tuple[Layer, ...]
    positions: bool = False
    outputs: int = 3


@dataclass(frozen=True)
class Style:
    """A way of writing a plan down; every style means the same network.

    ``unit``: insert a linear combination of one term with coefficient 1 after every layer, or multiply by 1.
    ``apart``: biases as layers of their own. ``unrolled``: loops of a fixed number of copies written out.
    ``swapped``: of two independent branches the second is recorded first. ``rename`` parameters, ``dims``, ``axis``.
    """

    unit: str = ""
    apart: bool = False
    unrolled: bool = False
    swapped: bool = False
    rename: Callable[[str], str] = str
    dims: tuple[tuple[str, str], ...] = ()
    axis: str = "T"


PLAIN = Style()


def program_of(plan: Plan, style: Style = PLAIN) -> ns.Program:
    """The plan as a program, written in a style."""
    called = dict(style.dims)
    large = {name: ns.dim(called.get(name, name)) for name in ("n", "m", "d", "L")}
    start = ns.Sequence(6, ns.fixed("d_in"), name=style.axis) if plan.positions else ns.Vector("d_in")

    def network(x):
        writer = _Writer(large, style)
        h = writer.dense(x, large[plan.first], "embed", True)
        return writer.dense(writer.layers(h, plan.layers), plan.outputs, "readout", True)

    network.__annotations__["x"] = start
    return ns.program(network)()


class _Writer:
    def __init__(self, large: dict[str, ns.Dim], style: Style, prefix: str = "") -> None:
        self.large, self.style, self.prefix = large, style, prefix
        self.numbers = count(1)

    def name(self, what: str) -> str:
        return self.style.rename(self.prefix + what)

    def marked(self, h: Any) -> Any:
        if self.style.unit == "linear":
            return ns.linear((1, h))
        return 1 * h if self.style.unit == "product" else h

    def dense(self, x: Any, width: Any, what: str, bias: bool) -> Any:
        name = self.name(what)
        if self.style.apart and bias:
            return self.marked(ns.bias(ns.dense(x, width, name=name, bias=False), name=f"{name}.b"))
        return self.marked(ns.dense(x, width, name=name, bias=bias))

    def layers(self, h: Any, layers: tuple[Layer, ...]) -> Any:
        for layer in layers:
            h = getattr(self, layer.kind)(h, layer, f"{layer.kind}{next(self.numbers)}")
        return h

    def chain(self, h: Any, layer: Layer, name: str) -> Any:
        return self.marked(ns.map(layer.phi, self.dense(h, self.large[layer.width], name, layer.bias)))

    def norm(self, h: Any, layer: Layer, name: str) -> Any:
        of = ns.layernorm if layer.bias else ns.rmsnorm
        return self.marked(of(h, name=self.name(name) if layer.bias else None))

    def gain(self, h: Any, layer: Layer, name: str) -> Any:
        return self.marked(ns.gain(h, name=self.name(name)))

    def gate(self, h: Any, layer: Layer, name: str) -> Any:
        return self.marked(h * ns.map("sigmoid", self.dense(h, h.type.coord, name, layer.bias)))

    def branch(self, h: Any, layer: Layer, name: str) -> Any:
        width = self.large[layer.width]
        parts = {}
        for side in ("right", "left") if self.style.swapped else ("left", "right"):
            parts[side] = ns.map(layer.phi, self.dense(h, width, f"{name}.{side}", layer.bias))
        return self.marked(parts["left"] + parts["right"])

    def mlp(self, h: Any, layer: Layer, name: str) -> Any:
        """A residual MLP of its own width on a stream."""
        inner = self.dense(ns.rmsnorm(h), self.large[layer.width], f"{name}.up", layer.bias)
        return self.marked(h + self.dense(ns.map(layer.phi, inner), h.type.coord, f"{name}.down", layer.bias))

    def attend(self, h: Any, layer: Layer, name: str) -> Any:
        if not h.type.positions:
            return h
        return self.marked(h + ns.attention(ns.rmsnorm(h), 4, name=self.name(name)))

    def loop(self, h: Any, layer: Layer, name: str) -> Any:
        """Residual blocks; the number of copies is L, or fixed where ``times`` is set."""
        scale = self.large["L"] ** layer.power if not layer.times else 1

        def block(h: Any, prefix: str = "") -> Any:
            inner = _Writer(self.large, self.style, prefix)
            branch = inner.layers(ns.layernorm(h), layer.inside)
            branch = inner.dense(branch, h.type.coord, "out", layer.bias)
            return inner.marked(ns.linear((1, h), (scale, branch)))

        if layer.times and self.style.unrolled:
            for copy in range(layer.times):
                h = block(h, f"{name}.{copy}.")
            return h
        return ns.repeat(layer.times or self.large["L"], block, h, name=self.name(name))


# --- drawing plans --------------------------------------------------------------------------------------------------


def _simple(widths: tuple[str, ...]) -> st.SearchStrategy[Layer]:
    width, phi, bias = st.sampled_from(widths), st.sampled_from(PHIS), st.booleans()
    return st.builds(
        Layer,
        kind=st.sampled_from(["chain", "chain", "norm", "gain", "gate", "branch", "mlp", "attend"]),
        width=width,
        phi=phi,
        bias=bias,
    )


def _loop(widths: tuple[str, ...], fixed: bool) -> st.SearchStrategy[Layer]:
    return st.builds(
        Layer,
        kind=st.just("loop"),
        bias=st.booleans(),
        power=st.sampled_from(POWERS),
        times=st.sampled_from([2, 3]) if fixed else st.just(0),
        inside=st.lists(
            st.builds(
                Layer,
                kind=st.sampled_from(["chain", "gain", "gate"]),
                width=st.sampled_from(widths),
                phi=st.sampled_from(PHIS),
                bias=st.booleans(),
            ),
            max_size=2,
        ).map(tuple),
    )


@st.composite
def plans(
    draw: st.DrawFn, widths: tuple[str, ...] = ("n",), loops: bool = True, fixed: bool = False, most: int = 4
) -> Plan:
    """Plans over the given widths; loops of L copies, or of a fixed number."""
    kinds = _simple(widths) if not loops else st.one_of(_simple(widths), _simple(widths), _loop(widths, fixed))
    layers = draw(st.lists(kinds, min_size=1, max_size=most))
    return Plan(draw(st.sampled_from(widths)), tuple(layers), draw(st.booleans()))


def on_one_width(plan: Plan, old: str, new: str) -> Plan:
    """The plan with every layer of one width given another."""

    def changed(layer: Layer) -> Layer:
        width = new if layer.width == old else layer.width
        return replace(layer, width=width, inside=tuple(map(changed, layer.inside)))

    return replace(plan, first=new if plan.first == old else plan.first, layers=tuple(map(changed, plan.layers)))
