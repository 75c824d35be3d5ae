"""Vectors of the full width."""

import numpy as np
import pytest
from llvmlite import binding
from numba import njit

from ntksym.codegen.vectors import widening

full_width = widening()


def narrow(x: np.ndarray) -> None:
    for i in range(x.size):
        x[i] = x[i] * x[i] + 1


def wide(x: np.ndarray) -> None:
    full_width()
    for i in range(x.size):
        x[i] = x[i] * x[i] + 1


def test_loops_take_vectors_of_512_bits_where_there_are_any() -> None:
    if not binding.get_host_cpu_features().get("avx512f"):
        pytest.skip("this processor has no vectors of 512 bits")
    compiled = [njit("void(float64[::1])")(f) for f in (narrow, wide)]
    found = [np.arange(40.0) for _ in compiled]
    for f, x in zip(compiled, found, strict=True):
        f(x)
    np.testing.assert_array_equal(*found)
    (code,) = compiled[1].inspect_asm().values()
    assert "zmm" in code
