"""The last strategy: randomised quasi-Monte Carlo in many variables, with a standard error.

Each of several scramblings of a Sobol sequence (Owen 1997, arXiv:math/9805097; Joe and Kuo 2008) gives an unbiased
mean; their spread is the standard error. The scramblings are numbered, so an answer is the same each time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.gaussian.expectation import GaussianError, name_of
from ntksym.language.expressions import Expr, mul, numpy_function

special = lazy("scipy.special")
qmc = lazy("scipy.stats.qmc")

MOST_VARIABLES = 32
SCRAMBLINGS = 16
LOG_POINTS = 13
STANDARD_ERRORS = 5
"""The bound is so many standard errors; with 15 degrees of freedom they fail once in 6000 times."""

Integrand = Callable[[Any, Any], Any]
"""A function of z (rows by variables by points), with values rows by points; its first argument counts the rows."""


def integrand(factors: tuple[Expr, ...], variables: int) -> Integrand:
    """The product of some factors of z1, z2, ..., the same in every row."""
    function = numpy_function(mul(*factors), tuple(map(name_of, range(variables))))
    return lambda rows, z: np.broadcast_to(function(*np.moveaxis(z, 1, 0)), (len(z), z.shape[2]))


def sampled(factors: tuple[Expr, ...], A: Any, mean: Any) -> tuple[Any, Any, int]:
    """(values, bounds, points) of E[prod factors] at z = mean + A x; ``A`` is rows by n by directions.

    Raises ``GaussianError`` for more than ``MOST_VARIABLES`` directions.
    """
    size = A.shape[2]
    if size > MOST_VARIABLES:
        raise GaussianError(
            f"an expectation over {size} Gaussian variables that depend on each other has no closed form, and at most "
            f"{MOST_VARIABLES} are sampled: take fewer steps, or measure it with finite networks"
        )
    return sampled_means(integrand(factors, A.shape[1]), A, mean)


def sampled_means(of: Integrand, A: Any, mean: Any) -> tuple[Any, Any, int]:
    """(values, bounds, points) of the means of an integrand at z = mean + A x."""
    means = np.empty((SCRAMBLINGS, len(A)))
    for k in range(SCRAMBLINGS):
        x = normals(A.shape[2], k)
        for row in range(len(A)):
            means[k, row] = np.mean(of(np.array([row]), (mean[row][:, None] + A[row] @ x)[None]))
    error = means.std(axis=0, ddof=1) / np.sqrt(SCRAMBLINGS)
    return means.mean(axis=0), STANDARD_ERRORS * error, SCRAMBLINGS << LOG_POINTS


@lru_cache(maxsize=2 * SCRAMBLINGS)
def normals(size: int, scrambling: int) -> Any:
    """Standard normal points, ``size`` by points."""
    points = qmc.Sobol(size, scramble=True, seed=scrambling).random_base2(LOG_POINTS).T
    # a coordinate is a multiple of 2**-30 and may be 0
    return special.ndtri(np.clip(points, 2.0**-31, 1 - 2.0**-31))
