"""The map of one block: against the kernels it is part of, differences, and numbers known by hand."""

import mpmath
import numpy as np
import pytest

import ntksym as ns
from ntksym import zoo
from ntksym.errors import KernelError
from ntksym.kernels import kernel_recursion
from ntksym.kernels.blocks import BlockMap


def relu() -> BlockMap:
    return kernel_recursion(zoo.load("mlp")(depth=3)).blocks["layer"]


POINT = {"K2|11": 1.5, "K2|22": 0.75, "sigma_w": 1.25, "sigma_b": 0.5}


def test_relu_by_hand() -> None:
    """q' = sigma_w^2 q / 2 + sigma_b^2, and the slope of the correlation map at 1 is sigma_w^2 q / (2 q')."""
    q, c = relu().q_map, relu().c_map
    assert [s.name for s in q.state] == ["K2|11"]
    (found,) = q.evaluate({"K2|11": 2, "sigma_w": 1.5, "sigma_b": 0.5}).values()
    assert found == 2.5
    slope = c.derivative("cK2", {"K2|11": 2, "K2|22": 2, "cK2": 1, "sigma_w": 1.5, "sigma_b": 0.5})
    (name,) = (s for s in c.state if s.name == "cK2")
    assert abs(slope[name] - mpmath.mpf(9) / 10) < 1e-15
    answers = [definition.answer.strategy for definition in c.definitions if definition.answer]
    assert answers == ["rank-one"] * len(answers)
    assert answers


def test_iterated_it_is_the_recursion() -> None:
    """Three copies from the first kernel, then the readout, are what ``evaluate`` finds."""
    rec = kernel_recursion(zoo.load("mlp")(depth=4))
    x = np.array([[1.0, -0.5, 0.25], [0.5, 2.0, -1.0]])
    values = {"sigma_w": 1.25, "sigma_b": 0.5}
    block = rec.blocks["layer"]
    with mpmath.workdps(40):
        gram = x @ x.T / 3
        names = {"11": gram[0, 0], "12": gram[0, 1], "22": gram[1, 1]}
        first = {side: mpmath.mpf(1.25) ** 2 * _exact(x, side) + mpmath.mpf(0.25) for side in names}
        state = {s: first[s.name[-2:]] for s in block.state}
        for _ in range(4):  # three copies; the readout is as one more
            state = block.evaluate({**state, **values})
        found = {s.name: value for s, value in state.items()}
    expected = rec.evaluate(x, digits=25, **values)
    for letter, matrix in (("K2", expected.nngp), ("T1", expected.ntk)):
        for (i, j), side in {(0, 0): "11", (0, 1): "12", (1, 1): "22"}.items():
            assert abs(found[f"{letter}|{side}"] - matrix[i, j]) < 1e-24 * abs(matrix[i, j])


def _exact(x: np.ndarray, side: str) -> mpmath.mpf:
    a, b = (x[int(k) - 1] for k in side)
    return mpmath.fsum(mpmath.mpf(u) * mpmath.mpf(v) for u, v in zip(a, b, strict=True)) / 3


@pytest.mark.parametrize("phi", ["relu", "erf", "tanh"])
def test_jacobian_is_a_limit_of_differences(phi: str) -> None:
    """Without a closed form only the map of one input: two dimensions of quadrature take long."""
    block = kernel_recursion(zoo.load("mlp")(depth=3, phi=ns.activation(phi))).blocks["layer"]
    block = block.q_map if phi == "tanh" else block.two_inputs
    point = {**POINT, "K2|12": -0.5}
    known = {s.name for s in (*block.state, *block.parameters)}
    point = {name: value for name, value in point.items() if name in known}
    jacobian = block.jacobian(point, digits=20)
    with mpmath.workdps(40):
        step = mpmath.mpf(10) ** -8
        for j, symbol in enumerate(block.state):
            low, high = (
                block.evaluate({**point, symbol.name: mpmath.mpf(point[symbol.name]) + s}, digits=30)
                for s in (-step, step)
            )
            for i, row in enumerate(block.state):
                assert abs((high[row] - low[row]) / (2 * step) - jacobian[i, j]) < 1e-13


def test_what_is_missing_is_named() -> None:
    with pytest.raises(KernelError, match="a number is needed for"):
        relu().q_map.evaluate({"K2|11": 1})
    with pytest.raises(KernelError, match="layer has no sigma_x; it has: K2"):
        relu().evaluate({"sigma_x": 1})


def test_a_convolution_is_the_dense_layer_where_all_positions_are_alike() -> None:
    """One copy of a convolutional block, far from the edges, does to a kernel what the same layer does on vectors."""
    values = {"sigma_w": 1.25, "sigma_b": 0.5}
    block = kernel_recursion(zoo.load("cnn")(), ntk=False).blocks["layer"]
    assert block.uniform
    found = block.evaluate({"K2|11": 1.5, "K2|22": 0.75, "K2|12": -0.5, **values})
    dense = {name: 1.25**2 * value + 0.25 for name, value in {"K2|11": 1.5, "K2|22": 0.75, "K2|12": -0.5}.items()}
    after = relu().two_inputs.evaluate({**dense, **values})  # the zoo's perceptron ends each copy with the weights
    for state, value in found.items():
        (expected,) = (x for s, x in after.items() if s.name == state.name)
        with mpmath.workdps(40):
            assert abs(mpmath.mpf(1.25) ** 2 * value + 0.25 - expected) < 1e-25


def test_blocks_that_mix_positions_are_refused() -> None:
    with pytest.raises(KernelError, match="mixes positions"):
        _ = kernel_recursion(zoo.load("gcn")(), ntk=False).blocks
    with pytest.raises(KernelError, match="has positions; closed forms in depth are for plain vectors"):
        kernel_recursion(zoo.load("cnn")(), ntk=False).closed_forms()
