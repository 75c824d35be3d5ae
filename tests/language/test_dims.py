"""Dimensions and sizes: exact arithmetic, relations, concrete values."""

from fractions import Fraction
from math import isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntksym import language as ns
from ntksym.errors import ProgramError
from ntksym.language.dims import ONE, as_size, exact

n, m, L = ns.dims("n m, L")
sizes = st.builds(
    lambda c, p, q, r: c * n**p * m**q * L**r,
    st.fractions(Fraction(1, 9), 9, max_denominator=9),
    *[st.sampled_from([Fraction(k, 2) for k in range(-4, 5)])] * 3,
)
AT = {"n": 64, "m": 9, "L": 4}


def test_names() -> None:
    assert (n.name, n.large, ns.fixed("k").large) == ("n", True, False)
    assert ns.dims("n") == n == ns.dim("n")
    assert ns.fixed("k", 0.1).default == Fraction(1, 10)
    assert [str(size) for size in (n, 2 * n, n / (2 * L), L**-0.5, n**2 * L, n / n, -n)] == [
        *("n", "2*n", "n/(2*L)", "1/sqrt(L)", "L*n**2", "1", "-1*n"),
    ]


def test_numbers_are_meant_as_written() -> None:
    assert exact(0.1) == exact(np.float64(0.1)) == Fraction(1, 10)
    assert exact(np.int64(3)) == 3
    assert type(exact(np.int64(3)).numerator) is int
    assert as_size(np.float64(0.5)) == as_size(Fraction(1, 2))


@given(sizes, sizes)
def test_arithmetic_is_that_of_the_values(a: ns.Size, b: ns.Size) -> None:
    assert isclose((a * b).value(AT), a.value(AT) * b.value(AT))
    assert isclose((a / b).value(AT), a.value(AT) / b.value(AT))
    assert a * b == b * a
    assert hash(a * b) == hash(b * a)
    assert (a / a).is_one
    assert a * b / b == a
    assert (a**2) ** 0.5 == a
    assert a**-2 == 1 / (a * a)


@given(sizes)
def test_the_text_is_the_size(size: ns.Size) -> None:
    assert isclose(eval(str(size), {**AT, "sqrt": np.sqrt}), size.value(AT))


def test_values() -> None:
    assert type((n / L).value(AT)) is int
    assert (n / L).value(AT) == 16
    assert (n**0.5).value(AT) == 8
    assert (n / 3).value(AT) == pytest.approx(64 / 3)
    assert ONE.value({}) == 1
    with pytest.raises(ProgramError, match=r"no size is given for the dimension n; add it, as in sizes={'n': 64}"):
        (n / L).value({"L": 2})


def test_relations() -> None:
    H = ns.dim("H")
    d_head = ns.dim("d_head", equals=n / H)
    width = ns.dim("width", equals=d_head * H * 4)
    assert (d_head * H).same(as_size(n))
    assert not (d_head * H).same(as_size(H))
    assert (width / n).same(as_size(4))
    assert (width / n / 4).is_one
    assert width != 4 * n
    assert width.equals is not None
    assert (width * L).value({"n": 8, "H": 2, "L": 3}) == 96
    assert [dim.name for dim in as_size(width).dims()] == ["width", "H", "d_head", "H", "n"]


@pytest.mark.parametrize("power", [0.3, 1 / 3, "2", None, True, 1j])
def test_powers_are_exact(power: object) -> None:
    with pytest.raises(ProgramError, match=r"an int, a half such as 0.5, or a Fraction"):
        n**power  # type: ignore[operator]


def test_what_is_no_size() -> None:
    for bad in ("n", None, True, 1j, [n]):
        with pytest.raises(ProgramError, match=r"expected a number, a dimension from ns.dims"):
            as_size(bad)  # type: ignore[arg-type]
    with pytest.raises(ProgramError, match=r"a root of a negative number"):
        (-2 * n) ** 0.5
    with pytest.raises(ProgramError, match="divides by zero"):
        n / 0
    with pytest.raises(TypeError):
        n * "2"  # type: ignore[operator]
    with pytest.raises(ProgramError, match=r"ns.dims needs names"):
        ns.dims(" ")
