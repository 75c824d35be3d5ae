"""Networks of many layers that are written out: derived without recursion in Python, equal to those in a repeat."""

import numpy as np

import ntksym as ns
from ntksym import zoo
from ntksym.kernels import kernel_recursion
from ntksym.records.formula import walk
from tests.benchmarks.bench_kernels import unrolled


def test_three_hundred_layers() -> None:
    """Its lines grow in proportion to the depth: four for each layer."""
    rec = kernel_recursion(unrolled(300))
    assert len(list(walk(rec.formula.lines))) <= 4 * 300 + 4


def test_a_repeat_is_its_layers() -> None:
    x = np.array([[1.0, -0.5, 0.25], [0.5, 2.0, -1.0]])
    first, second = (kernel_recursion(p) for p in (unrolled(30), zoo.load("mlp")(depth=30, phi=ns.relu)))
    values = {"sigma_w": 1.4, "sigma_b": 0.3}
    a, b = (rec.evaluate(x, digits=20, **values) for rec in (first, second))
    assert abs(a.nngp - b.nngp).max() < 1e-18 * abs(a.nngp).max()
    assert abs(a.ntk - b.ntk).max() < 1e-18 * abs(a.ntk).max()
