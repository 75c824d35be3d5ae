"""Tracing: running the user's function on symbolic values and recording what it does."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from ntksym.errors import NtksymError, ProgramError
from ntksym.language.dims import Dim, SizeLike
from ntksym.language.program import Block, Node, Program, node_sizes
from ntksym.language.source import defined_at, fail, user_line
from ntksym.language.types import InputType, MatrixType, Type

_NAME = re.compile(r"[\w-]+(\.[\w-]+)*")


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A value of the program being traced: a node's result, with arithmetic.

    ``+``, ``-`` and scaling by numbers or sizes record linear combinations; ``*`` of two values is the
    coordinatewise product.
    """

    tracer: Tracer
    id: int
    type: Type

    __array_ufunc__ = None  # NumPy's own numbers leave arithmetic to this class

    def __add__(self, other: Value | SizeLike) -> Value:
        return operators["add"](self, other)

    def __radd__(self, other: Any) -> Value:
        return operators["add"](other, self)

    def __sub__(self, other: Value | SizeLike) -> Value:
        return operators["sub"](self, other)

    def __rsub__(self, other: Any) -> Value:
        return operators["sub"](other, self)

    def __mul__(self, other: Value | SizeLike) -> Value:
        return operators["mul"](self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Value | SizeLike) -> Value:
        return operators["div"](self, other)

    def __neg__(self) -> Value:
        return operators["mul"](self, -1)

    def apply_map(self, activation: Any, *others: Value) -> Value:
        return operators["map"](activation, self, *others)

    def __bool__(self) -> bool:
        raise fail("a traced value has no truth value: an architecture cannot branch on its data")

    def __getitem__(self, index: Any) -> Value:
        raise fail("a traced value cannot be indexed; use ns.pick along a position axis, or ns.split the coordinates")

    def __iter__(self) -> Iterator[Value]:
        raise fail("a traced value cannot be iterated; use ns.split, ns.scan or ns.pick along an axis")

    def __repr__(self) -> str:
        return f"%{self.id}: {self.type}"


@dataclass(frozen=True, slots=True, eq=False)
class Weight:
    """A weight matrix of the program being traced; give it to ``matmul`` or ``lookup``, twice to tie."""

    tracer: Tracer
    id: int
    type: MatrixType
    name: str


operators: dict[str, Callable[..., Value]] = {}
"""What the arithmetic of values records; filled by ntksym.language.ops."""


@dataclass
class _Open:
    """A block being recorded."""

    scope: str
    nodes: list[Node] = field(default_factory=list)
    ids: set[int] = field(default_factory=set)


class Tracer:
    """Records one program: a stack of open blocks, and what has been named so far."""

    def __init__(self) -> None:
        self.next_id = 0
        self.stack = [_Open("")]
        self.names: dict[str, str] = {}
        self.dims: dict[str, Dim] = {}

    def emit(
        self,
        op: str,
        inputs: tuple[Value | Weight, ...],
        type: Type | MatrixType,
        *,
        name: str = "",
        block: Block | None = None,
        **attrs: Any,
    ) -> int:
        """Append a node to the innermost open block; its id."""
        line = user_line()
        for value in inputs:
            self.check_alive(value)
        node_id, self.next_id = self.next_id, self.next_id + 1
        node = Node(
            node_id,
            op,
            tuple(v.id for v in inputs),
            type,
            name or f"{op}{node_id}",
            tuple(sorted(attrs.items())),
            block,
            line,
        )
        for size in node_sizes(node):
            for dim in size.dims():
                known = self.dims.setdefault(dim.name, dim)
                if known != dim:
                    raise fail(
                        f"two different dimensions are named {dim.name}: one is {_described(known)}, the "
                        f"other {_described(dim)}; rename one, or use the same object in both places"
                    )
        self.stack[-1].nodes.append(node)
        self.stack[-1].ids.add(node_id)
        return node_id

    def value(self, op: str, inputs: tuple[Value | Weight, ...], type: Type, **attrs: Any) -> Value:
        return Value(self, self.emit(op, inputs, type, **attrs), type)

    def check_alive(self, value: Value | Weight) -> None:
        if value.tracer is not self:
            raise fail("a value of one program is used in another; call the architecture inside the program instead")
        if not any(value.id in block.ids for block in self.stack):
            raise fail("a value made inside a repeat or scan body is used outside of it; return it from the body")

    def full_name(self, name: str | None, what: str) -> str:
        """The dotted name of a parameter in the current scopes; it must be given and new."""
        if not name or not isinstance(name, str):
            raise fail(f'{what} makes weights and has no name; give it one, as in {what}(..., name="hidden")')
        full = self.scoped(name, what)
        line = user_line()
        if full in self.names:
            raise fail(
                f"the name {full} is already taken (at {self.names[full]}); choose another name, "
                "or pass the weight itself to tie the two"
            )
        self.names[full] = line
        return full

    def scoped(self, name: str, what: str) -> str:
        """A name with the names of the blocks around it in front."""
        if not _NAME.fullmatch(name):
            raise fail(f"{what}: the name {name!r} is not made of letters, digits, _ and -, with single dots between")
        return ".".join([*(block.scope for block in self.stack if block.scope), name])

    @contextmanager
    def open_block(self, scope: str) -> Iterator[_Open]:
        self.stack.append(_Open(scope))
        try:
            yield self.stack[-1]
        finally:
            self.stack.pop()


def _described(dim: Dim) -> str:
    facts = ["large" if dim.large else "finite"]
    facts += [f"with the size {dim.default}"] * (dim.default is not None) + [f"= {dim.equals}"] * bool(dim.equals)
    return " ".join(facts)


@dataclass(frozen=True)
class Architecture:
    """A user's function, recorded on call: ``arch(**keywords)`` gives a Program.

    Called with values inside another program it records its operations there.
    """

    function: Callable[..., Any]
    inputs: tuple[tuple[str, InputType], ...]
    keywords: tuple[tuple[str, Any], ...]

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self.function.__doc__

    def __call__(self, *values: Value, **keywords: Any) -> Any:
        known = [name for name, _ in self.keywords]
        for key in keywords:
            if key not in known:
                raise fail(f"{self.name} takes no keyword {key!r}; it takes: {', '.join(known) or 'none'}")
        return self._inlined(values, keywords) if values else self._traced(keywords)

    def _inlined(self, values: tuple[Value, ...], keywords: Mapping[str, Any]) -> Any:
        for value in values:
            if not isinstance(value, Value):
                raise fail(f"{self.name} got {value!r} where a value of the program was expected")
        if len(values) != len(self.inputs):
            takes = ", ".join(name for name, _ in self.inputs)
            raise fail(f"{self.name} takes {len(self.inputs)} values ({takes}), but got {len(values)}")
        return self.function(*values, **keywords)

    def _traced(self, keywords: Mapping[str, Any]) -> Program:
        tracer = Tracer()
        where = defined_at(self.function)
        tracer.names.update((name, where) for name, _ in self.inputs)
        arguments = [
            Value(tracer, tracer.emit("input", (), spec.type, name=name, kind=spec.kind), spec.type)
            for name, spec in self.inputs
        ]
        try:
            result = self.function(*arguments, **keywords)
        except RecursionError:
            raise ProgramError(f"{where}: {self.name} calls itself without end; use ns.repeat for depth") from None
        outputs = result if isinstance(result, tuple) else (result,)
        for output in outputs:
            if not isinstance(output, Value):
                raise ProgramError(
                    f"{where}: {self.name} returned {type(output).__name__}; an architecture returns the "
                    "traced value of its output (is a return missing?)"
                )
            tracer.check_alive(output)
        if not outputs:
            raise ProgramError(f"{where}: {self.name} returned an empty tuple; return the value of its output")
        return Program(self.name, Block(tuple(tracer.stack[0].nodes), (), tuple(v.id for v in outputs)))


def program(function: Callable[..., Any]) -> Architecture:
    """Make an architecture of a function: annotated positional arguments are inputs, keywords are settings.

    Raises ProgramError for an input without an annotation such as ``ns.Vector("d_in")``, or a setting
    without a default.

    Example:
        >>> import ntksym as ns
        >>> n = ns.dims("n")
        >>> @ns.program
        ... def net(x: ns.Vector("d"), *, phi=ns.relu):
        ...     return ns.dense(phi(ns.dense(x, n, name="hidden")), 1, name="out")
        ...
        >>> print(net(phi=ns.erf))
        program net:
          x = input vector                       : [d]
          hidden.w = parameter N(0, sigma_w^2/d) : (n x d)
          v1 = hidden.w @ x                      : [n]
          hidden.b = parameter N(0, sigma_b^2)   : [n]
          v2 = v1 + hidden.b                     : [n]
          v3 = erf(v2)                           : [n]
          out.w = parameter N(0, sigma_w^2/n)    : (1 x n)
          v4 = out.w @ v3                        : [1]
          out.b = parameter N(0, sigma_b^2)      : [1]
          v5 = v4 + out.b                        : [1]
          return v5
    """
    if not inspect.isfunction(function):
        raise fail(f"ns.program makes an architecture of a function, but got {function!r}")
    where = defined_at(function)
    caller = sys._getframe(1).f_locals
    inputs, keywords = [], []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            if parameter.default is parameter.empty:
                raise ProgramError(f"{where}: the keyword {parameter.name} of {function.__name__} needs a default")
            keywords.append((parameter.name, parameter.default))
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ProgramError(f"{where}: {function.__name__} takes *{parameter.name}; name each argument instead")
        spec = _annotation(function, parameter.annotation, caller)
        if not isinstance(spec, InputType):
            raise ProgramError(
                f"{where}: the input {parameter.name} of {function.__name__} needs an annotation that says "
                f'what it is, such as {parameter.name}: ns.Vector("d_in")'
            )
        inputs.append((parameter.name, spec))
    if not inputs:
        raise ProgramError(f"{where}: {function.__name__} takes no input; annotate one, as in (x: ns.Vector('d_in'))")
    return Architecture(function, tuple(inputs), tuple(keywords))


def _annotation(function: Callable[..., Any], annotation: Any, caller: dict[str, Any]) -> Any:
    """The annotation's object; a string (``from __future__ import annotations``) is read as Python does."""
    if not isinstance(annotation, str):
        return annotation
    holder = type("holder", (), {"__annotations__": {"it": annotation}})
    names = {**caller, **_closure(function)}
    try:
        return inspect.get_annotations(holder, globals=function.__globals__, locals=names, eval_str=True)["it"]
    except NtksymError:
        raise
    except Exception as error:
        where = defined_at(function)
        raise ProgramError(f"{where}: the annotation {annotation!r} cannot be read: {error}") from None


def _closure(function: Callable[..., Any]) -> dict[str, Any]:
    """The outer variables a function reads, without those that have no value yet, such as its own name."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):
            found[name] = cell.cell_contents
    return found
