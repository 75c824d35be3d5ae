"""Kernels computed line by line, called as compiled ones."""

import pickle

import numpy as np
import pytest

import ntksym as ns
from ntksym import zoo
from ntksym.errors import KernelError
from ntksym.kernels import compiled_kernel, kernel_recursion
from ntksym.kernels.evaluated import DIGITS

n = ns.dim("n")


@ns.program
def softplus_twice(x: ns.Vector("d")) -> ns.Value:
    h = ns.map("softplus", ns.dense(x, n, name="one")) + ns.map("softplus", ns.dense(x, n, name="other"))
    return ns.dense(h, 1, name="readout")


X = np.random.default_rng(0).standard_normal((4, 5))


@pytest.mark.parametrize("backend", DIGITS)
def test_what_compiled_kernels_have(backend: str) -> None:
    kernel = compiled_kernel(zoo.load("mlp")(), backend=backend, sigma_w=1.3)
    expected = kernel_recursion(zoo.load("mlp")()).evaluate(X, digits=20, sigma_w=1.3)
    for name, theirs in (("nngp", expected.nngp), ("ntk", expected.ntk)):
        ours = kernel(X, get=name)
        np.testing.assert_allclose(ours, theirs.astype(float), rtol=1e-14)
        np.testing.assert_allclose(kernel(X, X[:2], get=name), ours[:, :2], rtol=1e-14)
        np.testing.assert_allclose(kernel.diagonal(X, get=name), np.diag(ours), rtol=1e-14)
    np.testing.assert_array_equal(ns.gram(kernel, X, get="ntk"), kernel(X, get="ntk"))
    again = pickle.loads(pickle.dumps(kernel))
    assert again.key == kernel.key != kernel.at(sigma_w=1.4).key
    assert "Theta" in kernel.source
    assert "line by line" in str(kernel.plan)
    with pytest.raises(KernelError, match="has no sigma_x"):
        kernel.at(sigma_x=1)


def test_what_cannot_be_compiled_is_evaluated() -> None:
    pytest.importorskip("sklearn", reason='needs the extra "sklearn"')
    with pytest.raises(KernelError, match="cannot be compiled"):
        compiled_kernel(softplus_twice())(X)
    y = np.arange(4.0)
    model = ns.NTKRegressor(compiled_kernel(softplus_twice(), backend="double"), ridge=0.0).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-9)
