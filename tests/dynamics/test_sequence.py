"""The adaptive-kernel sequence model: its closed form against an integration of both factors."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import ntksym as ns
from ntksym.errors import DynamicsError

Z = np.array([1.0, -0.3, 0.01, 0.0, 5.0])
EIGENVALUES = np.array([0.5, 0.1, 0.02, 0.3, 1e-6])
TIMES = (0.0, 0.3, 1.0, 5.0, 20.0)


def test_the_closed_form_is_the_flow_of_both_factors() -> None:
    def flow(t: float, state: np.ndarray) -> np.ndarray:
        a, b = state[:5], state[5:]
        return np.concatenate([-b * (a * b - Z), -a * (a * b - Z)])

    start = np.concatenate([np.sqrt(EIGENVALUES), np.zeros(5)])
    a, b = np.split(solve_ivp(flow, (0, 20), start, "DOP853", t_eval=TIMES, rtol=1e-12, atol=1e-14).y.T, 2, axis=1)
    found = ns.sequence_model(Z, EIGENVALUES, TIMES)
    assert np.allclose(found.adaptive, a * b, rtol=1e-9, atol=1e-12)
    assert np.allclose(found.eigenvalues, a**2 + b**2, rtol=1e-9)
    options = {"t_eval": TIMES, "rtol": 1e-12, "atol": 1e-14}
    fixed = solve_ivp(lambda t, f: -EIGENVALUES * (f - Z), (0, 20), np.zeros(5), "DOP853", **options)
    assert np.allclose(found.fixed, fixed.y.T, rtol=1e-7, atol=1e-10)


def test_eigenvalues_grow_where_there_is_signal() -> None:
    found = ns.sequence_model(Z, EIGENVALUES, [0.0, 1e3])
    assert np.allclose(found.eigenvalues[0], EIGENVALUES)
    assert np.allclose(found.eigenvalues[1], np.hypot(EIGENVALUES, 2 * Z))
    # a mode that the fixed kernel has almost no eigenvalue for is learned all the same
    assert found.adaptive[1, 4] == pytest.approx(5.0)
    assert found.fixed[1, 4] < 0.01


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(DynamicsError, match=r"observed \(5,\), eigenvalues \(2,\)"):
        ns.sequence_model(Z, [1.0, 1.0], TIMES)
    with pytest.raises(DynamicsError, match="eigenvalues positive"):
        ns.sequence_model([1.0], [0.0], TIMES)
    with pytest.raises(DynamicsError, match="times must be"):
        ns.sequence_model([1.0], [1.0], [-1.0])
