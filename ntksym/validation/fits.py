"""A law in the width, fitted to measured numbers: its coefficients with their errors, and whether it is the law at all.

The fit is weighted least squares with weights that are the same for all batches of networks, so each batch gives
coefficients of its own and their spread is the error: Student's t with one degree of freedom less than batches,
whatever the weights. What the law leaves over at the widths is tested in the same way by Hotelling's T^2, which is
chi^2 for covariances that are estimated (Mardia, Kent and Bibby 1979, section 5.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import ValidationError
from ntksym.records.predictions import Law

stats = lazy("scipy.stats")
optimize = lazy("scipy.optimize")

Array = Any


@dataclass(frozen=True)
class Fit:
    """The fitted law: the coefficients of its terms, the predicted one's error, and the p-value of what is left over.

    ``coefficients`` follow ``design``; ``p`` is None where there are as many coefficients as widths.
    """

    coefficients: tuple[float, ...]
    measured: float
    error: float
    p: float | None


def coefficients_of(law: Law, widths: int) -> int:
    """How many coefficients are fitted to so many widths: settled before anything is measured.

    All terms of the law as long as two widths are left over to test it, and at least those up to the predicted one
    with one correction, if the law has any. Raises ValidationError for fewer widths than that.
    """
    known, terms = (2, len(law.powers) + 2) if law.growth else (law.term + 1, len(law.powers))
    least = min(known + 1, terms)
    if widths < least:
        raise ValidationError(f"{widths} widths are too few for a {law}, which takes {least}; add some")
    return max(least, min(terms, widths - 2))


def design(law: Law, widths: Any) -> Array:
    """The terms of the law at these widths, an array (widths, coefficients); for a slope log n and 1 come first."""
    n = np.asarray(widths, float)
    head = [np.log(n), np.ones_like(n)] if law.growth else []
    return np.stack([*head, *(n ** float(power) for power in law.powers)], axis=-1)


def fit(law: Law, widths: Sequence[int], values: Array, uncertainty: float = 0.0) -> Fit:
    """The law fitted to an array (widths, batches) of measured numbers.

    Args:
        uncertainty: of a predicted slope; what is left over may be as large as such a slope makes between neighbours.
    """
    count = coefficients_of(law, len(widths))
    scale = smooth_errors(widths, values)
    matrix, whitened = design(law, widths)[:, :count] / scale[:, None], values / scale[:, None]
    found = np.linalg.lstsq(matrix, whitened, rcond=None)[0]
    own = found[0 if law.growth else law.term]
    p = None
    if count < len(widths):
        left_over = np.linalg.svd(matrix)[0][:, count:].T
        between = uncertainty * np.log(np.array(widths[1:]) / widths[:-1]).mean() / 2 if law.growth else 0.0
        p = _hotelling(left_over @ whitened, left_over * (between / scale) ** 2 @ left_over.T)
    error = float(own.std(ddof=1) / np.sqrt(values.shape[1]))
    return Fit(tuple(map(float, found.mean(1))), float(own.mean()), error, p)


def smooth_errors(widths: Sequence[int], values: Array) -> Array:
    """The spread over batches at each width, as a power of the width: a weight that hardly depends on the noise."""
    spread = values.std(1, ddof=1)
    if not (spread > 0).all():
        return np.full(len(widths), max(float(spread.max()), 1.0))
    slope, constant = np.polyfit(np.log(widths), np.log(spread), 1)
    return np.exp(constant + slope * np.log(widths))


def _hotelling(residuals: Array, extra: Array) -> float:
    """The p-value of an array (dimensions, batches) that has mean zero; ``extra`` is added to the mean's covariance."""
    q, m = residuals.shape
    mean, covariance = residuals.mean(1), np.atleast_2d(np.cov(residuals)) / m + extra
    if not np.any(residuals):
        return 1.0
    t2 = float(mean @ np.linalg.pinv(covariance) @ mean)
    return float(stats.f.sf(t2 * (m - q) / (q * (m - 1)), q, m - q))


# --- Student's t -----------------------------------------------------------------------------------------


def share(alpha: float, tests: int) -> float:
    """The level of each of several tests whose family has the level ``alpha``, however they depend (Bonferroni)."""
    return alpha / max(tests, 1)


def threshold(level: float, freedom: int) -> float:
    """The |t| that a two-sided test at this level allows."""
    return float(stats.t.isf(level / 2, freedom))


@lru_cache(maxsize=64)
def caught(limit: float, freedom: int, power: float = 0.9) -> float:
    """The deviation, in standard errors, that makes |t| exceed ``limit`` with this probability (noncentral t)."""
    return float(optimize.brentq(lambda shift: stats.nct.sf(limit, freedom, shift) - power, 0.0, limit + 50.0))
