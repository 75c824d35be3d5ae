"""Tables of functions of the cosine: their error, where they are refused, and both ways of reading them."""

from typing import Any

import numpy as np
import pytest

from ntksym.codegen import scalars
from ntksym.codegen.functions import interpolated
from ntksym.codegen.tables import tabulated


def kernel(c: Any, g: Any) -> Any:
    """Functions of the angle, and of the sine of its half: analytic in w on either side."""
    angle = 2 * np.arcsin(np.sqrt(g / 2))
    theta = np.where(c < 0, np.pi - angle, angle)
    return np.stack([2 + np.cos(theta), np.exp(-theta)])


def test_a_table_is_what_it_tabulates() -> None:
    table = tabulated(kernel)
    assert table is not None
    assert table.error < 1e-13
    rng = np.random.default_rng(0)
    c = np.concatenate([rng.uniform(-1, 1, 200), [-1, 1, 0]])[None]
    g = 1 - abs(c)
    left, right = rng.uniform(1, 2, (2, 1)), rng.uniform(1, 2, (2, 203))
    expected = kernel(c[0], g[0])[:, None] * left[:, :, None] * right[:, None, :]
    results = np.empty((2, 1, 203))
    scalars.interpolated(c, g, table.coefficients, left, right, results)
    np.testing.assert_allclose(results, expected, rtol=2e-13)
    np.testing.assert_allclose(interpolated(c, g, table.coefficients, left, right), results, rtol=1e-14)


def vanishing(c: Any, g: Any) -> Any:
    return np.where(c < 0, np.sqrt(g) ** 3, 1.0)[None]


@pytest.mark.parametrize("f", [vanishing, lambda c, g: np.sin(9000 * c)[None] + 2, lambda c, g: g[None] / 0])
def test_what_no_table_holds_has_none(f: Any) -> None:
    """A function with a zero at an end, one that turns too fast, and no numbers."""
    with np.errstate(all="ignore"):
        assert tabulated(f) is None


def test_no_table_stands_on_points_that_it_was_made_of() -> None:
    """A spike between all nodes of the coarsest table is seen, or the table refused."""

    def spike(c: Any, g: Any) -> Any:
        return (1 + 1e-6 * np.exp(-(((c - 0.5) / 0.01) ** 2)))[None]

    table = tabulated(spike)
    assert table is not None
    assert table.pieces > 32
