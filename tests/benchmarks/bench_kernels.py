"""How long the recursion of a perceptron takes to be derived, and how large it is, against its depth.

Once with its layers in a repeat, once with each written out. Printed, never asserted.

pytest tests/benchmarks/bench_kernels.py -s -m bench
"""

from __future__ import annotations

from time import perf_counter

import pytest
import sympy

import ntksym as ns
from ntksym import zoo
from ntksym.kernels import KernelRecursion, kernel_recursion
from ntksym.records.formula import Algebra, Expected, walk

pytestmark = pytest.mark.bench

n = ns.dim("n")


def unrolled(depth: int) -> ns.Program:
    """A perceptron whose layers are written out by a Python loop."""

    @ns.program
    def deep(x: ns.Vector("d_in")) -> ns.Value:
        h = ns.dense(x, n, name="input")
        for k in range(depth - 1):
            h = ns.dense(ns.relu(h), n, name=f"hidden{k}")
        return ns.dense(ns.relu(h), 1, name="readout")

    return deep()


def timed(program: ns.Program) -> tuple[float, KernelRecursion]:
    start = perf_counter()
    rec = kernel_recursion(program)
    return perf_counter() - start, rec


def size(rec: KernelRecursion) -> tuple[int, int]:
    """How many lines, and how many operations stand in them."""
    lines = list(walk(rec.formula.lines))
    expressions = [line.expression for line in lines if isinstance(line, Algebra | Expected)]
    return len(lines), sum(map(sympy.count_ops, expressions))


def test_depth() -> None:
    """One line per depth."""
    timed(unrolled(2))
    print(f"\n{'depth':>6}{'repeat':>10}{'lines':>7}{'operations':>11}{'unrolled':>11}{'lines':>7}{'operations':>11}")
    for depth in (2, 10, 50, 200):
        parts = []
        for program in (zoo.load("mlp")(depth=depth), unrolled(depth)):
            seconds, rec = timed(program)
            parts.append(f"{seconds:9.3f}s{size(rec)[0]:7}{size(rec)[1]:11}")
        print(f"{depth:6}{' '.join(parts)}")


if __name__ == "__main__":
    test_depth()
