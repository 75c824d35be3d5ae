"""Enclosures hold what they enclose, and prove no more than is true."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import ntksym as ns
from ntksym.phases.blocks import block_of
from ntksym.phases.intervals import Interval, _enclosed, is_positive_throughout
from ntksym.phases.systems import System, floats

ENDS = st.tuples(st.floats(-5, 5), st.floats(0, 3), st.floats(0, 1)).map(lambda x: (x[0], x[0] + x[1], x[2]))


@given(ENDS, ENDS)
def test_operations_enclose(first: tuple[float, float, float], second: tuple[float, float, float]) -> None:
    x, y = (Interval(np.array([low]), np.array([high])) for low, high, _ in (first, second))
    a, b = (low + part * (high - low) for low, high, part in (first, second))
    for found, value in ((x + y, a + b), (x - y, a - b), (x * y, a * b), (x**2, a**2), (x**3, a**3), (2 - x, 2 - a)):
        assert found.low[0] <= value <= found.high[0]
    if second[0] > 1e-3:
        assert (x / y).low[0] <= a / b <= (x / y).high[0]
        assert (y**0.5).low[0] <= np.sqrt(b) <= (y**0.5).high[0]


def system(phi: str, shift: float) -> tuple[System, object]:
    """Q(q)/q - 1 + shift at sigma_w = 1."""
    maps = block_of(phi, None, {"sigma_w": 1, "sigma_b": 0}).maps
    return System(maps.q_map.definitions, maps.q_map.output / maps.q - 1 + shift), maps.q


def test_systems_are_enclosed() -> None:
    for phi in ("tanh", "gelu", "silu"):
        found, q = system(phi, 0)
        values = {s: float(s.name == "sigma_w") for s in found.symbols - {q}}
        low, high = np.geomspace(0.01, 50, 40), np.geomspace(0.011, 60, 40)
        box = _enclosed(found, {**values, q: Interval(low, high)})
        for part in (0.0, 0.3, 1.0):
            (inside,) = floats([found], {**values, q: low + part * (high - low)})
            assert ((box.low <= inside) & (inside <= box.high)).all()


def test_only_what_is_true_is_proved() -> None:
    """tanh shortens at sigma_w = 1, by a part q - ... that is 0.6 at q = 1."""
    found, q = system("tanh", 0)
    values = {s: float(s.name == "sigma_w") for s in found.symbols - {q}}
    shorter = System(found.definitions, -found.output)
    assert is_positive_throughout(shorter, q, values, (0.01, 100))
    assert not is_positive_throughout(found, q, values, (0.01, 100))
    crossing = System(found.definitions, -found.output - 0.5)
    assert not is_positive_throughout(crossing, q, values, (0.01, 100))
    assert is_positive_throughout(crossing, q, values, (2, 100))


def test_an_edge_is_not_proved_away() -> None:
    assert ns.edge_of_chaos("tanh", sigma_b=0.2).proved is None
