"""Compiled kernels: against mpmath at the same inputs, on every backend, and with every kind of input."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ntksym as ns
from ntksym import zoo
from ntksym.codegen.backends import backends
from ntksym.codegen.tables import tabulated
from ntksym.errors import KernelError
from ntksym.kernels import compiled, compiled_kernel, kernel_recursion

mlp = zoo.load("mlp")
CASES: dict[str, tuple[Any, dict[str, float]]] = {
    "relu, no bias": (mlp(depth=3, bias=False), {}),
    "relu": (mlp(depth=3), {"sigma_w": 1.3, "sigma_b": 0.4}),
    "relu, deep": (mlp(depth=40), {"sigma_w": 1.4, "sigma_b": 0.1}),
    "leaky relu": (mlp(depth=2, phi=ns.activation("leaky_relu")), {"sigma_w": 1.2, "sigma_b": 0.3}),
    "step": (mlp(depth=2, phi=ns.activation("step")), {"sigma_w": 1.2, "sigma_b": 0.3}),
    "erf": (mlp(depth=3, phi=ns.activation("erf")), {"sigma_w": 1.3, "sigma_b": 0.2}),
    "gelu": (mlp(depth=2, phi=ns.activation("gelu")), {"sigma_w": 1.3, "sigma_b": 0.2}),
    "sin": (mlp(depth=2, phi=ns.activation("sin")), {"sigma_w": 1.1, "sigma_b": 0.2}),
    "resnet": (zoo.load("resnet")(), {"sigma_w": 1.2, "sigma_b": 0.1, "L": 4}),
}


def inputs() -> np.ndarray:
    """Some apart, some parallel or nearly so, of equal and other norms, in both directions, and zero."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 64))
    near = x[0] + np.array([1e-4, 1e-8, 1e-12])[:, None] * rng.standard_normal((3, 64))
    return np.concatenate([x, near, -near, 3 * near, 2 * x[:2], -x[:2], x[:1], np.zeros((1, 64))])


X = inputs()


def apart(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, relative to the geometric mean of the diagonal entries (exact zeros apart)."""
    size = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    return float((np.abs(found - expected) / np.where(size > 0, size, 1)).max())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if "deep" in name else []) for name in CASES]
)
def test_all_digits_are_there(name: str) -> None:
    """mpmath takes float64 inputs as the binary fractions they are; parallel and antiparallel pairs are among them."""
    program, values = CASES[name]
    some = X[[0, 1, 12, 13, 14, 15, 17, 20, 21, 23, 25, 26]]
    expected = kernel_recursion(program).evaluate(some, digits=20, **values)
    found = compiled_kernel(program, **values)(some)
    for ours, theirs in ((found.nngp, expected.nngp), (found.ntk, expected.ntk)):
        assert apart(ours, theirs.astype(float)) < 1e-12
        assert (ours == ours.T).all()


def test_two_inputs_have_cosines_of_their_own() -> None:
    n = ns.dim("n")

    @ns.program
    def net(x: ns.Vector("d"), z: ns.Vector("e")):
        h = ns.relu(ns.dense(x, n, name="one") + ns.dense(z, n, name="other"))
        return ns.dense(h, 1, name="out")

    both = {"x": X[:5, :3], "z": X[5:10, :4]}
    expected = kernel_recursion(net).evaluate(both, digits=20, sigma_w=1.3)
    for backend in ("numba", "numpy"):
        found = compiled_kernel(net(), backend=backend, sigma_w=1.3)(both)
        for ours, theirs in zip(found, (expected.nngp, expected.ntk), strict=True):
            assert apart(ours, theirs.astype(float)) < 1e-12


def several(phi: str, L: int | None = None) -> ns.Program:
    """Activations of means that are not 0 are added: their means meet in products."""
    n = ns.dim("n")

    def both(h: ns.Value) -> ns.Value:
        return ns.map(phi, ns.dense(h, n, name="one")) + ns.map(phi, ns.dense(h, n, name="other"))

    @ns.program
    def net(x: ns.Vector("d")):
        return ns.dense(both(x) if L is None else ns.repeat(L, both, ns.dense(x, n, name="first")), 1, name="out")

    return net()


@pytest.mark.parametrize("L", [None, 2])
def test_means_meet_in_products(L: int | None) -> None:
    some = X[[0, 1, 2, 17, 23]]  # parallel ones lose digits after several layers, and the kernel says so
    expected = kernel_recursion(several("relu", L)).evaluate(some, digits=20, sigma_w=0.9)
    kernel = compiled_kernel(several("relu", L), sigma_w=0.9)
    for ours, theirs in zip(kernel(some), (expected.nngp, expected.ntk), strict=True):
        assert apart(ours, theirs.astype(float)) < (1e-12 if kernel.stable else 1e-7)
    assert kernel.stable == (L is None)


def test_means_without_a_closed_form_are_refused() -> None:
    with pytest.raises(KernelError, match=r"a mean without a closed form cannot be compiled yet; use evaluate\(\)"):
        compiled_kernel(several("softplus"))(X[:2])


@pytest.mark.parametrize("backend", [*backends, "mpmath"])
@pytest.mark.parametrize("name", ["relu", "gelu", "resnet"])
def test_backends_agree(name: str, backend: str) -> None:
    if backend == "jax":
        pytest.importorskip("jax", reason='needs the extra "networks"')
    program, values = CASES[name]
    reference = compiled_kernel(program, backend="numba", **values)(X, X[:5])
    found = compiled_kernel(program, backend=backend, **values)(X, X[:5])
    for ours, theirs in zip(found, reference, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


def test_blocks_and_threads_do_not_show() -> None:
    rng = np.random.default_rng(1)
    many = rng.standard_normal((600, 8))
    program = mlp(depth=2)
    one, two = (compiled_kernel(program, sigma_b=0.5, threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one(many).ntk, two(many).ntk)
    np.testing.assert_allclose(one(many, many[:7], get="ntk"), one(many, get="ntk")[:, :7], rtol=1e-12)
    np.testing.assert_array_equal(np.diag(one(many, get="nngp")), one.diagonal(many, get="nngp"))


def test_single_precision() -> None:
    program, values = CASES["relu"]
    double = compiled_kernel(program, **values)(X[:12])
    single = compiled_kernel(program, dtype="float32", **values)(X[:12].astype(np.float32))
    assert single.ntk.dtype == np.float32
    np.testing.assert_allclose(single.ntk, double.ntk, rtol=1e-5)
    np.testing.assert_allclose(single.nngp, double.nngp, rtol=1e-5)


def test_all_kinds_of_arrays() -> None:
    kernel = compiled_kernel(mlp(depth=2))
    whole = np.arange(24).reshape(4, 6)
    expected = kernel(whole.astype(float), get="ntk")
    for given in (whole, whole.tolist(), np.asfortranarray(whole), np.repeat(whole, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(kernel(given, get="ntk"), expected)
    assert kernel(np.zeros((0, 6)), whole, get="ntk").shape == (0, 4)
    assert kernel(np.zeros((0, 6))).nngp.shape == (0, 0)
    assert (kernel(np.zeros((1, 6)), whole, get="ntk") == 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.full((2, 6), np.nan),), "not finite"),
        ((np.full((2, 6), np.inf),), "not finite"),
        ((np.full((2, 6), 1e200),), "too large"),
        ((np.zeros((2, 6)), np.zeros((2, 5))), "differs from X1"),
        ((np.zeros((2, 3, 6)),), "needs 2 axes"),
        ((np.array([["a"]]),), "not real numbers"),
        ((np.eye(2) + 1j,), "holds complex128, not real numbers"),
    ],
)
def test_what_does_not_fit_is_said(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(KernelError, match=message):
        compiled_kernel(mlp(depth=2))(*arguments)


def test_wrong_options_are_said() -> None:
    with pytest.raises(KernelError, match="no backend 'fortran'; there are: numba"):
        compiled_kernel(mlp(), backend="fortran")
    with pytest.raises(KernelError, match="mlp has no sigma_v; it has: sigma_w, sigma_b"):
        compiled_kernel(mlp(), sigma_v=1)
    with pytest.raises(KernelError, match="kernels are float64 or float32"):
        compiled_kernel(mlp(), dtype="int64")
    with pytest.raises(KernelError, match="get='kernel': this kernel gives nngp and ntk"):
        compiled_kernel(mlp())(np.eye(2), get="kernel")
    with pytest.raises(KernelError, match="a number is needed for L: add L="):
        compiled_kernel(zoo.load("resnet")())(np.eye(2))
    with pytest.raises(KernelError, match="its function has a corner or a jump"):
        compiled_kernel(mlp(phi=ns.activation("Abs(tanh(z))")))(np.eye(2))
    with pytest.raises(KernelError, match="a derivative by sigma_w cannot be compiled yet"):
        kernel_recursion(mlp()).derivative("sigma_w").compile()


def test_deep_homogeneous_kernels_are_functions_of_one_number() -> None:
    """The same as pair by pair, at any norms; close pairs and zero inputs are among them."""
    program = mlp(depth=20, bias=False)
    kernel = compiled_kernel(program)
    assert kernel.plan.one_number
    assert kernel.plan.error is not None
    assert kernel.plan.error < 1e-13
    assert str(kernel.plan).startswith("one number: homogeneous")
    pairs = compiled_kernel(program)
    pairs.__dict__["module"] = replace(pairs.module, homogeneous=False)
    assert not pairs.plan.one_number
    found, expected = kernel(X), pairs(X)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-13)
    assert kernel.at(sigma_w=1.2).plan.one_number


def test_a_kernel_that_vanishes_at_an_end_has_no_table() -> None:
    """One hidden layer of ReLU: nngp ~ angle^3 for nearly antiparallel inputs, and all of its digits are there."""
    kernel = compiled_kernel(mlp(depth=1, bias=False))
    assert not kernel.plan.one_number
    step = 1e-5
    found = kernel([[1.0, 0.0]], [[-np.cos(step), np.sin(step)]], get="nngp")[0, 0]
    assert found == pytest.approx((np.sin(step) - step * np.cos(step)) / np.pi / 4, rel=1e-4)


@pytest.mark.parametrize("phi", ["relu", "erf", "tanh"])
def test_inputs_of_one_norm_are_one_number(phi: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = mlp(depth=4, phi=ns.activation(phi))
    kernel = compiled_kernel(program, sigma_w=1.3, sigma_b=0.3)
    assert not kernel.plan.one_number
    rng = np.random.default_rng(3)
    x = rng.standard_normal((400, 5))
    x /= np.sqrt((x * x).sum(1, keepdims=True))
    y = 3 * np.concatenate([x[:200], -x[:200]])
    tables = []
    monkeypatch.setattr(compiled, "tabulated", lambda f: tables.append(tabulated(f)) or tables[-1])
    for others in (None, y):
        found = kernel(x, others)
        assert tables.pop() is not None
        with monkeypatch.context() as context:
            context.setattr(compiled, "TABLES_FROM", np.inf)
            expected = kernel(x, others)
        assert not tables
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=4e-15)  # it may change its sign


def test_few_inputs_or_several_norms_need_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(compiled, "tabulated", unexpected)
    kernel = compiled_kernel(mlp(depth=1), sigma_b=0.1)
    kernel(np.eye(3))
    kernel(np.diag(1 + 1e-9 * np.arange(200.0)))


@pytest.mark.parametrize("phi", ["tanh", "silu"])
def test_duals_without_a_closed_form(phi: str) -> None:
    """Against quadrature at 18 digits; close pairs and a zero input are among them."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal((1, 8))
    x = np.concatenate([x, x + 1e-8 * rng.standard_normal((1, 8)), -2 * x, np.zeros((1, 8))])
    program = mlp(depth=1, phi=ns.activation(phi))
    expected = kernel_recursion(program).evaluate(x, digits=18, sigma_w=1.5, sigma_b=0.1)
    for backend in backends:
        found = compiled_kernel(program, backend=backend, sigma_w=1.5, sigma_b=0.1)(x)
        np.testing.assert_allclose(found.nngp, expected.nngp.astype(float), rtol=1e-11)
        np.testing.assert_allclose(found.ntk, expected.ntk.astype(float), rtol=1e-11)


def test_a_zero_input_at_a_jump_has_no_compiled_kernel() -> None:
    """evaluate() takes the value at 0; a formula that is constant in the variance does not know it."""
    program = mlp(depth=1, phi=ns.activation("sign"), bias=False)
    with pytest.raises(KernelError, match="a zero input meets an activation that jumps at 0"):
        compiled_kernel(program)(np.array([[0.0, 0], [1, 2]]))
    expected = kernel_recursion(program).evaluate([[3.0, 1], [1, 2]], digits=None).nngp
    np.testing.assert_allclose(compiled_kernel(program)([[3.0, 1], [1, 2]], get="nngp"), expected, rtol=1e-14)


def test_copies_are_counted_in_whole_numbers() -> None:
    kernel = compiled_kernel(zoo.load("resnet")(), L=2.5)
    with pytest.raises(KernelError, match=r"2\.5 is not a number of copies"):
        kernel(np.eye(2))
    with pytest.raises(KernelError, match="sigma_w=nan is not a finite number"):
        compiled_kernel(mlp(), sigma_w=float("nan"))


def test_values_are_bound_and_changed() -> None:
    kernel = kernel_recursion(mlp()).compile(sigma_w=1.5)
    other = kernel.at(sigma_w=1.5, sigma_b=0.3)
    assert other.values == {"sigma_w": 1.5, "sigma_b": 0.3}
    assert kernel.key != other.key
    assert kernel.key == kernel_recursion(mlp()).compile(sigma_w=1.5).key
    np.testing.assert_array_equal(other(X[:3]).ntk, compiled_kernel(mlp(), sigma_w=1.5, sigma_b=0.3)(X[:3]).ntk)
    assert "def pairs(" in kernel.source
    assert kernel.stable


def test_a_kernel_pickles_as_program_and_options() -> None:
    kernel = compiled_kernel(mlp(), sigma_w=1.5)
    expected = kernel(X[:3]).ntk
    data = pickle.dumps(kernel)
    assert b"def pairs" not in data
    np.testing.assert_array_equal(pickle.loads(data)(X[:3]).ntk, expected)
