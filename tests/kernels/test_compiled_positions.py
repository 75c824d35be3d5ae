"""Compiled kernels of programs with positions: against mpmath at the same inputs, on every backend, block by block."""

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ntksym as ns
from ntksym import zoo
from ntksym.codegen.backends import AT_ONCE, backends
from ntksym.codegen.entries import Entries
from ntksym.errors import KernelError
from ntksym.kernels import Compiled, compiled_kernel, kernel_recursion
from ntksym.kernels.entries import block_size, positions_of
from ntksym.kernels.sides import blocks

ROOT = Path(__file__).parents[2]
n = ns.dim("n")


def network(kind: str, phi: str = "relu") -> ns.Program:
    """Small convolutional networks: layers by name, then a readout from all positions or from their mean."""
    first, *rest = kind.split()

    @ns.program
    def net(x: ns.Image(2, 3, 2)) -> ns.Value:
        h = ns.map(phi, ns.conv(x, n, 3, name="input"))
        for k, layer in enumerate(rest):
            if layer == "conv":
                h = ns.map(phi, ns.conv(h, n, 3, name=f"conv{k}"))
            elif layer == "linear":
                h = ns.map(phi, ns.conv(ns.conv(h, n, 1, name=f"linear{k}"), n, 3, name=f"conv{k}"))
            elif layer == "even":
                h = ns.map(phi, ns.conv(h, n, 2, name=f"conv{k}"))
            elif layer == "circular":
                h = ns.map(phi, ns.conv(h, n, 3, padding="circular", name=f"conv{k}"))
            elif layer == "strided":
                h = ns.map(phi, ns.conv(h, n, 2, stride=2, padding="valid", name=f"conv{k}"))
            elif layer == "residual":
                h = ns.conv(h, n, 1, name=f"one{k}")
                h = ns.map(phi, h + ns.conv(ns.map(phi, h), n, 3, name=f"conv{k}"))
            elif layer == "two":
                h = ns.map(phi, ns.conv(h, n, 3, name=f"one{k}")) + ns.map(phi, ns.conv(h, n, 1, name=f"other{k}"))
            elif layer == "repeated":
                h = ns.repeat(2, lambda h: ns.map(phi, ns.conv(h, n, 3, name="conv")), h)
            elif layer == "normed":
                h = ns.map(phi, ns.layernorm(ns.conv(h, n, 3, name=f"conv{k}")))
            elif layer == "small":
                h = ns.avg_pool(h, 2)
            elif layer == "dense":
                h = ns.map(phi, ns.dense(ns.flatten(h), n, name="dense"))
        return ns.readout(h if "dense" in rest else ns.flatten(h) if first == "flatten" else ns.global_avg_pool(h))

    return net()


@ns.program
def positional(x: ns.Sequence("T", "d")) -> ns.Value:
    h = ns.positional(ns.dense(x, n, name="embed"), "T", name="place")
    return ns.readout(ns.flatten(ns.relu(h)))


CASES: dict[str, tuple[ns.Program, dict[str, float]]] = {
    "flatten": (network("flatten conv"), {"sigma_b": 0.3}),
    "flatten, no bias": (network("flatten conv"), {"sigma_w": 1.4, "sigma_b": 0.0}),
    "flatten, then dense": (network("flatten conv dense"), {"sigma_b": 0.3}),
    "flatten, small": (network("flatten small"), {"sigma_b": 0.3}),
    "pool": (network("pool conv"), {"sigma_b": 0.3}),
    "pool, no bias": (network("pool conv"), {"sigma_w": 1.4, "sigma_b": 0.0}),
    "even and strided": (network("pool even strided"), {"sigma_b": 0.2}),
    "linear": (network("flatten linear"), {"sigma_b": 0.2}),
    "circular": (network("pool circular"), {"sigma_b": 0.2}),
    "repeated": (network("flatten repeated"), {"sigma_b": 0.2}),
    "residual": (network("pool residual"), {"sigma_b": 0.2}),
    "normed": (network("flatten normed"), {"sigma_b": 0.0}),
    "erf": (network("flatten conv", "erf"), {"sigma_b": 0.2}),
    "means": (network("flatten two"), {"sigma_b": 0.2}),
    "leaky": (network("pool conv", "leaky_relu"), {"sigma_b": 0.2}),
}


def images(size: tuple[int, ...] = (2, 3, 2)) -> np.ndarray:
    """Apart, nearly parallel, antiparallel, of another norm, dark in part, and zero."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, *size))
    dark = x[:1].copy()
    dark[:, :1] = 0
    return np.concatenate([x, x[:1] + 1e-7 * rng.standard_normal((1, *size)), -2 * x[:1], dark, 0 * dark])


X = images()


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, relative to the geometric mean of the diagonal entries (exact zeros apart)."""
    size = np.sqrt(np.outer(np.diag(theirs), np.diag(theirs)))
    return float((np.abs(ours - theirs) / np.where(size > 0, size, 1)).max())


QUICK = {"numpy": ("flatten, no bias", "pool", "even and strided", "leaky"), "numba": ("flatten, then dense", "linear")}
"""Others take some ten seconds each to compile."""


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        pytest.param(name, backend, marks=[] if name in quick else [pytest.mark.long])
        for backend, quick in QUICK.items()
        for name in CASES
    ],
)
def test_all_digits_are_there(name: str, backend: str) -> None:
    program, values = CASES[name]
    expected = kernel_recursion(program).evaluate(X, digits=20, **values)
    found = compiled_kernel(program, backend=backend, **values)(X)
    for ours, theirs in zip(found, (expected.nngp, expected.ntk), strict=True):
        assert apart(ours, theirs.astype(float)) < 1e-12
        assert (ours == ours.T).all()


@pytest.mark.parametrize("backend", list(backends))
@pytest.mark.parametrize(
    "name", ["flatten, then dense", "linear", "repeated", pytest.param("pool", marks=[pytest.mark.long])]
)
def test_backends_agree(name: str, backend: str) -> None:
    if backend == "jax":
        pytest.importorskip("jax", reason='needs the extra "networks"')
    program, values = CASES[name]
    expected = compiled_kernel(program, backend="numpy", **values)(X, X[:3])
    found = compiled_kernel(program, backend=backend, **values)(X, X[:3])
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)


@ns.program
def with_vectors(x: ns.Image(2, 3, 2), z: ns.Image(2, 3, 5), v: ns.Vector(5)) -> ns.Value:
    """Patches of 18 and 20 numbers, and inputs without positions."""
    h = ns.relu(ns.conv(x, n, 3, name="one") + ns.conv(z, n, 2, name="other"))
    return ns.readout(ns.relu(ns.dense(ns.flatten(h), n, name="images") + ns.dense(v, n, name="vector")))


def test_several_inputs() -> None:
    rng = np.random.default_rng(0)
    given = tuple(rng.standard_normal((4, *shape)) for shape in ((2, 3, 2), (2, 3, 5), (5,)))
    for each in given:
        each[1] = each[0] + 1e-7 * rng.standard_normal(each[0].shape)
        each[2] = -2 * each[0]
    program = with_vectors()
    expected = kernel_recursion(program).evaluate(given, digits=20, sigma_b=0.0)
    found = compiled_kernel(program, sigma_b=0.0)(given)
    for ours, theirs in zip(found, (expected.nngp, expected.ntk), strict=True):
        assert apart(ours, theirs.astype(float)) < 1e-12


def test_generated_code_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Whatever the order of Python's sets is there: other processes are to find the same numbers."""
    words = "from tests.kernels.test_compiled_positions import *; print(compiled_kernel(with_vectors()).source)"
    found = set()
    for seed in ("1", "2", "4"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "NTKSYM_CACHE": str(tmp_path / seed)}
        done = subprocess.run([sys.executable, "-c", words], cwd=ROOT, env=environment, capture_output=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1


@pytest.fixture(scope="module")
def kernel() -> Compiled:
    return compiled_kernel(zoo.load("cnn")(depth=2), sigma_b=0.3)


def test_blocks_and_threads_do_not_show(kernel: Compiled) -> None:
    """Sizes of blocks: several of them, and parts of one; one input with itself; both halves."""
    many = np.random.default_rng(1).standard_normal((11, 8, 8, 3))
    whole = kernel(many)
    np.testing.assert_array_equal(replace(kernel, threads=1)(many).ntk, whole.ntk)
    np.testing.assert_allclose(kernel(many, many[:3], get="ntk"), whole.ntk[:, :3], rtol=1e-13)
    np.testing.assert_allclose(kernel.diagonal(many).nngp, np.diag(whole.nngp), rtol=1e-14)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(kernel))(many).ntk, whole.ntk)
    assert kernel(many[:0], many, get="ntk").shape == (0, 11)
    assert not kernel.plan.one_number
    assert kernel.stable


def test_all_kinds_of_arrays(kernel: Compiled) -> None:
    """Whole numbers, other orders in memory, lists, one image, none, and black ones."""
    whole = np.random.default_rng(1).integers(-3, 4, (5, 8, 8, 3))
    expected = kernel(whole.astype(float)).ntk
    for same in (whole, np.asfortranarray(whole), whole.astype(float).tolist()):
        np.testing.assert_array_equal(kernel(same, get="ntk"), expected)
    np.testing.assert_allclose(kernel(whole[::-1], get="ntk"), expected[::-1, ::-1], rtol=1e-14)
    np.testing.assert_allclose(kernel(whole[0], get="ntk"), expected[:1, :1], rtol=1e-14)
    assert kernel(whole, whole[:0], get="ntk").shape == (5, 0)
    black = kernel(0 * whole, get="ntk")
    assert np.ptp(black) < 1e-15


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("count", [1, 64, 4096, 20_000, 30_000, 1 << 20, 1 << 21])
def test_blocks_reach_their_diagonal(count: int, whole: bool) -> None:
    """Their own pairs are all in the last block of the same rows, and few enough at a time."""
    place = np.zeros(count, np.uint32)
    height, width = block_size((Entries(place, place),), whole)
    assert (height if whole else 1) * width * count <= max(AT_ONCE, count)
    for rows in (1, 65, 200):
        last = {i: (k, j, m) for i, k, j, m in blocks(rows, rows, True, height, width)}
        assert all(j <= i and m == k for i, (k, j, m) in last.items())


def test_single_precision(kernel: Compiled) -> None:
    many = np.random.default_rng(1).standard_normal((4, 8, 8, 3))
    single = replace(kernel, precision="float32")(many.astype(np.float32), get="ntk")
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, kernel(many, get="ntk"), rtol=1e-5)


def test_flattening_needs_diagonal_entries_alone(kernel: Compiled) -> None:
    flat = compiled_kernel(zoo.load("cnn")(pool=False, depth=2))
    for own, count in ((kernel, 64 * 64), (flat, 64)):
        entries, _ = positions_of(own.module, ((8, 8),))
        assert max(len(each.left) for each in entries) == count


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (network("pool small conv"), "a nonlinear function of a mean over positions cannot be compiled yet"),
        (network("pool conv", "tanh"), "a dual without a closed form cannot be compiled at positions yet"),
        (positional(), "terms of equal positions alone cannot be compiled yet"),
        (zoo.load("gcn")(), "cannot be compiled yet; use evaluate"),
        (zoo.load("transformer")(), "cannot be compiled yet; use evaluate"),
    ],
)
def test_what_cannot_be_compiled_is_said(program: ns.Program, message: str) -> None:
    with pytest.raises(KernelError, match=message):
        kernel_recursion(program).compile()


def test_images_of_another_size_are_refused(kernel: Compiled) -> None:
    with pytest.raises(KernelError, match="has 7 entries where 8 are expected"):
        kernel(np.zeros((2, 7, 8, 3)))


@pytest.mark.parametrize(("moved", "directly"), [("zeros added", "same"), ("edges cut", "valid")])
def test_shifts_onto_other_lengths_are_what_padding_does(moved: str, directly: str) -> None:
    @ns.program
    def net(x: ns.Sequence(4, 2, name="T"), *, way: str = directly) -> ns.Value:
        wider = ns.shift(x, "T", 1, length=6) if way == "zeros added" else x
        h = ns.conv(wider, n, 3, name="first", padding="same" if way in ("same", "edges cut") else "valid")
        h = ns.shift(h, "T", -1, length=2) if way == "edges cut" else h
        return ns.readout(ns.global_avg_pool(ns.relu(h)))

    x = np.random.default_rng(0).normal(size=(2, 4, 2))
    one, other = (kernel_recursion(net(way=way)) for way in (moved, directly))
    assert "outside of the positions everything is zero" in str(one)
    left, right = one.evaluate(x), other.evaluate(x)
    assert np.abs(left.nngp - right.nngp).max() < 1e-14
    assert np.abs(left.ntk - right.ntk).max() < 1e-14


@pytest.mark.long
def test_shifts_onto_other_lengths_compile() -> None:
    @ns.program
    def net(x: ns.Sequence(4, 2, name="T")) -> ns.Value:
        h = ns.shift(ns.dense(x, n, name="first"), "T", 1, length=6)
        return ns.readout(ns.flatten(ns.relu(ns.conv(h, n, 3, name="second"))))

    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    recursion = kernel_recursion(net())
    assert np.abs(recursion.compile()(x).ntk - recursion.evaluate(x).ntk.astype(float)).max() < 1e-12
