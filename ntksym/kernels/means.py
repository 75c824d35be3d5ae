"""Means of values, and what centring and normalising by them makes."""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.kernels.apart import bare, depends
from ntksym.kernels.book import at
from ntksym.kernels.rules import Rules
from ntksym.kernels.structure import is_large
from ntksym.kernels.values import Constant, Value
from ntksym.kernels.views import (
    Attended,
    Carried,
    Combination,
    Data,
    Drawn,
    Dropped,
    Mapped,
    Merged,
    Moving,
    Normal,
    Numeric,
    PickedOne,
    Result,
    Rotated,
    Split,
    Steps,
)
from ntksym.records.formula import Layout, Pointwise, Stacked, ref

sympy = lazy("sympy")


class Means:
    """All means of one derivation."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._mean: dict[Value, Any] = {}

    def normalised(self, view: Normal) -> Combination:
        """A value times numbers: at infinite width its mean square is one (Yang 2019, section 2)."""
        power = self.rules.positions.average(view.inner, view.inner, self.rules.second(view.inner, view.inner))
        middle = sympy.S.Zero
        if view.centre:
            middle = self._average_mean(view.inner)
        size = at(power, "11") - middle**2
        if size == 0:
            return Combination(())
        axes = self.rules.graph.axes(view.inner)
        heads = {a.name for a in axes if is_large(a.size) and not depends(self.rules.book, size, {a.name})}
        layout = bare(Layout(axes), heads)
        scale = self.rules.book.add(
            "a",
            ("rsqrt", size),
            layout,
            lambda name: Pointwise(name, layout, "one over the norm", "rsqrt", expression=size),
        )
        name = scale.name.partition("|")[0]
        terms = ((ref(name, "1"), view.inner), (-ref(name, "1") * middle, Constant()))
        return Combination(tuple((c, x) for c, x in terms if c != 0))

    def _average_mean(self, value: Value) -> Any:
        found = self.mean(value)
        hidden = self.rules.structure.hidden(value)
        if found == 0 or not hidden:
            return found
        layout = Layout(self.rules.graph.axes(value))
        made = self.rules.book.add(
            "m",
            ("average", found),
            layout,
            lambda name: Pointwise(
                name,
                layout,
                "mean over merged positions",
                "average",
                (("axes", tuple(hidden)),),
                (),
                found,
            ),
        )
        return ref(made.name.partition("|")[0], "1")

    def mean(self, v: Value) -> Any:
        """E[v(s)], an expression over one point."""
        v = self.rules.structure.resolve(v)
        if v not in self._mean:
            self._mean[v] = self._mean_of(v)
        return self._mean[v]

    def _mean_of(self, v: Value) -> Any:
        if isinstance(v, Constant):
            return sympy.S.One
        view = self.rules.view(v)
        match view:
            case Combination(terms):
                return sympy.expand_mul(sum((c * self.mean(x) for c, x in terms), sympy.S.Zero))
            case Drawn(parameter):
                node = self.rules.graph.node(parameter)
                if node.attr("init") != "constant":
                    return sympy.S.Zero
                value = node.attr("value")
                if value and view.argument is not None:
                    raise self.rules.structure.refusal(
                        v, "multiplies by a constant matrix, which has no limit of its own"
                    )
                return sympy.Rational(value) if value else sympy.S.Zero
            case Carried() | Result():
                if self.rules.structure.is_gaussian(v) and self._start_is_centred(view):
                    return sympy.S.Zero
                return self.rules.carried("m", v, v, view, view)
            case Data():
                raise self.rules.structure.refusal(
                    v, "adds data, coordinate by coordinate, to random values of its own"
                )
            case Moving() | PickedOne():
                return self._moved_mean(v, view)
            case Split() | Dropped():
                return self.mean(view.inner)
            case Merged(inner):
                return self.mean(inner)
            case Attended(_, inner):
                if self.mean(inner) != 0:
                    raise self.rules.structure.refusal(v, "mixes values whose mean is not zero with random weights")
                return sympy.S.Zero
            case Rotated(inner):
                if self.mean(inner) != 0:
                    raise self.rules.structure.refusal(v, "rotates values whose mean is not zero")
                return sympy.S.Zero
            case Steps(values, axis):
                means = [self.mean(x) for x in values]
                return sympy.S.Zero if not any(means) else self._stacked_mean(v, means, axis)
        parts = self.rules.factors(v)
        found = self.rules.product(parts, ()) if len(parts) > 1 else None
        return self.rules.expectations.of_one(self.rules.composer.compose(v), v) if found is None else found

    def _start_is_centred(self, view: Carried | Result) -> bool:
        return not any(
            self._has_constants(x, set()) for x in (self.rules.graph.inputs(view.loop)[view.index], self._end(view))
        )

    def _end(self, view: Carried | Result) -> Value:
        node = self.rules.graph.node(view.loop)
        return self.rules.graph.at(node.body.outputs[view.index], (*view.loop.path, (node.id, None)))

    def _has_constants(self, value: Value, seen: set[Value]) -> bool:
        """Whether a Gaussian value may have a mean: it holds constants, through sums, moves and loops."""
        value = self.rules.structure.resolve(value)
        if value in seen:
            return False
        seen.add(value)
        if isinstance(value, Constant):
            return True
        view = self.rules.structure.view(value)
        match view:
            case Drawn(parameter):
                return bool(self.rules.graph.node(parameter).attr("init") == "constant")
            case Combination(terms):
                return any(self._has_constants(x, seen) for _, x in terms)
            case Carried() | Result():
                both = (self.rules.graph.inputs(view.loop)[view.index], self._end(view))
                return any(self._has_constants(x, seen) for x in both)
            case Steps(values):
                return any(self._has_constants(x, seen) for x in values)
            case Data() | Numeric() | Mapped():
                return True
            case _:
                return self._has_constants(view.inner, seen)

    def _moved_mean(self, v: Value, view: Any) -> Any:
        inner = self.mean(view.inner)
        if inner == 0:
            return inner
        layout, before = Layout(self.rules.graph.axes(v)), Layout(self.rules.graph.axes(view.inner))
        source = self.rules.numbers.line(inner, before, "mean")
        op, attrs, weights = self.rules.positions.operation(view)
        sources = (weights, source) if weights else (source,)
        made = self.rules.book.add(
            "m",
            (op, attrs, sources),
            layout,
            lambda name: Pointwise(name, layout, f"{op} of a mean", op, attrs, sources),
        )
        return ref(made.name.partition("|")[0], "1")

    def _stacked_mean(self, v: Value, means: list[Any], axis: str) -> Any:
        layout = Layout(self.rules.graph.axes(v))
        made = self.rules.book.add(
            "m",
            (tuple(means), axis),
            layout,
            lambda name: Stacked(name, layout, "the steps together", tuple(means), axis, "left"),
        )
        return ref(made.name.partition("|")[0], "1")
