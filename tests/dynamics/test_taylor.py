"""Taylor models of networks under gradient descent: exact where they must be, else as near as their order says.

In the tangent parametrization training moves each weight by n^(-1/2). Terms of order two add up over units with random
signs, those of order three coherently, both to n^(-1): so the linear and the quadratic model are off by n^(-1). Targets
are counted from the outputs at the start, so that networks differ little.
"""

from typing import Any

import numpy as np
import pytest

import ntksym as ns
from ntksym.errors import DynamicsError

pytest.importorskip("jax", reason='needs the extra "networks"')

X = np.array([[1.0, -0.5], [0.5, 1.0], [-0.3, -0.8]])
Y = np.array([[0.8], [-0.5], [0.4]])


def network(phi: str, n: int, **options: Any) -> Any:
    program = ns.zoo.load("mlp")(**{"phi": ns.activation(phi), "depth": 1, "bias": False, **options})
    sizes = {"n": n, "d_in": 2}
    table = ns.scaling_table(program, optimizer="sgd", parametrization="ntp")
    return ns.network(program, sizes, settings=table.at(lr=0.5, **sizes), dtype="float64")


def test_the_quadratic_model_of_a_bilinear_network_is_the_network() -> None:
    net = network("identity", 6)
    found = ns.taylor_dynamics(net, net.init(1), (X, Y), 12)
    assert found.distance(2).max() < 1e-12
    assert found.distance(1)[-1] > 1e-3
    assert np.allclose(found.losses[2], found.network_losses, rtol=1e-10)


def test_the_network_is_trained_as_by_train_and_the_linear_model_by_its_kernel() -> None:
    net = network("tanh", 8)
    weights = net.init(2)
    found = ns.taylor_dynamics(net, weights, (X, Y), 10)
    assert np.allclose(found.network_losses, ns.train(net, weights, [(X, Y)], steps=10, labels=()).losses)
    kernel = 0.5 * np.asarray(ns.tangent_kernel(net, weights, X))[:, 0, :, 0]
    f = found.network[0, :, 0]
    for step in range(11):
        assert np.allclose(found.models[1][step, :, 0], f, rtol=1e-9, atol=1e-11)
        f = f - kernel @ (f - Y[:, 0]) / 3


def test_after_one_step_a_model_is_off_by_the_next_power_of_the_rate() -> None:
    net = network("tanh", 8)
    rates = (0.002, 0.001)
    plain = ns.network(net.program, net.sizes, dtype="float64")
    runs = [ns.taylor_dynamics(plain, net.init(3), (X, Y), 1, orders=(1, 2, 3), lr=rate) for rate in rates]
    for order in (1, 2, 3):
        far, near = (run.distance(order)[1] for run in runs)
        assert np.log2(far / near) == pytest.approx(order + 1, abs=0.05)


@pytest.mark.long
def test_linear_and_quadratic_models_are_off_by_one_over_n() -> None:
    widths = (64, 256, 1024)
    sizes = []
    for n in widths:
        net = network("tanh", n)
        off = []
        for seed in range(12):
            weights = net.init(seed)
            data = X, Y + np.asarray(net.apply(weights, X))
            run = ns.taylor_dynamics(net, weights, data, 4)
            off.append([np.log(run.distance(k)[-1]) for k in (1, 2)])
        sizes.append(np.mean(off, axis=0))
    slopes = np.polyfit(np.log(widths), sizes, 1)[0]
    assert slopes == pytest.approx([-1.0, -1.0], abs=0.25)


def test_what_does_not_fit_is_named() -> None:
    net = network("tanh", 4)
    with pytest.raises(DynamicsError, match=r"orders=\[0\]"):
        ns.taylor_dynamics(net, net.init(0), (X, Y), 3, orders=[0])
    plain = ns.network(net.program, net.sizes)
    with pytest.raises(DynamicsError, match=r"input\.w has no settings"):
        ns.taylor_dynamics(plain, plain.init(0), (X, Y), 3)
