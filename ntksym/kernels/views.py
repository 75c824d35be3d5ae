"""How a value is made, as far as its limit is concerned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ntksym.kernels.logits import Logits
from ntksym.kernels.values import At, Axes, Value
from ntksym.language.activations import Activation


@dataclass(frozen=True)
class Data:
    """A value made of the inputs alone."""

    value: At


@dataclass(frozen=True)
class Combination:
    """A sum of other values with coefficients."""

    terms: tuple[tuple[Any, Value], ...]


@dataclass(frozen=True)
class Drawn:
    """A parameter at work: a vector itself, a matrix times ``argument``, or a table's row for a token."""

    parameter: At
    argument: At | None
    transpose: bool = False


@dataclass(frozen=True)
class Mapped:
    """A function of values, coordinate by coordinate."""

    phi: Activation
    arguments: tuple[Value, ...]


@dataclass(frozen=True)
class Moving:
    """A linear operation along positions; ``weights`` holds its coefficients where these are computed."""

    op: At
    inner: Value
    weights: At | None = None


@dataclass(frozen=True)
class Attended:
    """A value mixed with the softmax of logits that stay random, in each of many heads."""

    op: At
    inner: Value
    logits: Logits


@dataclass(frozen=True)
class PickedOne:
    """One position of a value."""

    axis: str
    index: int
    inner: Value


@dataclass(frozen=True)
class Merged:
    """Position axes moved into the coordinates."""

    inner: Value
    axes: Axes


@dataclass(frozen=True)
class Split:
    """Coordinates parted along a new position axis."""

    inner: Value
    axis: str


@dataclass(frozen=True)
class Normal:
    """Coordinates divided by their root mean square, centred first or not."""

    inner: Value
    centre: bool


@dataclass(frozen=True)
class Dropped:
    """A random mask over a value."""

    mask: At
    inner: Value


@dataclass(frozen=True)
class Rotated:
    """Pairs of coordinates turned by their position."""

    inner: Value


@dataclass(frozen=True)
class Carried:
    """What the copy that stands for all copies of a repeated body starts from."""

    loop: At
    index: int


@dataclass(frozen=True)
class Result:
    """What a repeat ends with."""

    loop: At
    index: int


@dataclass(frozen=True)
class Steps:
    """The states of a scan, side by side along its time axis."""

    values: tuple[At, ...]
    axis: str


@dataclass(frozen=True)
class Numeric:
    """A number per position in the limit (attention weights, a graph's adjacency), along the coordinates."""

    value: At


View = (
    Data
    | Combination
    | Drawn
    | Mapped
    | Moving
    | Attended
    | PickedOne
    | Merged
    | Split
    | Normal
    | Dropped
    | Rotated
    | Carried
    | Result
    | Steps
    | Numeric
)
