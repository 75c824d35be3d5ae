"""Writes inputs.json and plain/*.json: the kernels of the reference cases by plain recursions.

    python tests/references/kernels/make_plain.py [network ...]

Needs NumPy, SciPy and mpmath only; made with the versions that each file names. Closed forms are evaluated with 30
digits. Where there is none the quadrature is done at two resolutions; the finer answer is stored, and ``error`` is
the difference, but never less than 1e-14 (1e-15 with closed forms, the rounding of what is stored).
"""

import sys
from importlib.metadata import version

import duals
import networks_positions
import numpy as np
from cases import CASES
from common import INPUTS, NETWORKS, Answer, Case, write, write_inputs
from networks import NETWORKS as RECURSIONS
from networks import Stream

FINER = 1.4


def at_resolution(case: Case, fine: float) -> Stream:
    duals.RESOLUTION.append(fine)
    try:
        return RECURSIONS[case.net](case, INPUTS[case.inputs])
    finally:
        duals.RESOLUTION.pop()


def floats(array: np.ndarray) -> np.ndarray:
    return np.array(array, dtype=float)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """The largest difference, relative to the geometric mean of the two diagonal entries."""
    size = np.sqrt(np.outer(np.diag(b), np.diag(b)))
    return float(np.max(np.abs(a - b) / np.where(size > 0, size, 1)))


def answer(case: Case) -> Answer:
    """The kernels of a case and the error of the quadratures, if any."""
    used = duals.quadratures()
    fine = at_resolution(case, FINER)
    error = 1e-15
    if duals.quadratures() > used:
        coarse = at_resolution(case, 1.0)
        gaps = (apart(floats(a), floats(b)) for a, b in ((coarse.K, fine.K), (coarse.total, fine.total)))
        error = float(f"{max(1e-14, *gaps):.1e}")
    parts = {name: floats(part) for name, part in fine.T.items()} if case.parts else {}
    return Answer(floats(fine.K), floats(fine.total), error, parts)


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(NETWORKS)
    assert networks_positions.rows  # the import enters its networks
    header = {
        "source": "plain recursions",
        "versions": {
            "python": sys.version.split()[0],
            **{name: version(name) for name in ("numpy", "scipy", "mpmath")},
        },
    }
    write_inputs()
    write("plain", header, [case for case in CASES if case.net in chosen], answer)
