"""How the error of kernel regression falls with the number of training inputs, degree by degree.

Training inputs are independent and uniform on a sphere, where the eigenfunctions of degree k share lambda_k. With p of
them and a ridge, regression behaves as with an effective ridge K that solves

    K = ridge + sum_k N_k lambda_k K / (K + p lambda_k)

and learns the part L_k = p lambda_k / (K + p lambda_k) of each function of degree k. What it makes of one training set
or another, and of noise, adds to all degrees in proportion to the total error E on a noisy target:

    E_k = (1 - L_k)^2 P_k + N_k L_k^2 / p (E + noise^2),  P_k: the target's mean square in degree k

This is the limit of many inputs and many functions of each degree. It holds within a few per cent on spheres of five
and more dimensions; on the ordinary sphere, without ridge and noise, small errors are underestimated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.dynamics.funk_hecke import gegenbauer
from ntksym.dynamics.posterior import inverse_of
from ntksym.dynamics.spectrum import SPHERE, Spectrum
from ntksym.errors import DynamicsError
from ntksym.records.tables import Cell, Table, Tabular

optimize = lazy("scipy.optimize")

Array = Any


@dataclass(frozen=True, eq=False)
class LearningCurve(Tabular):
    """Mean squared errors on a target without noise, over training sets and their noise.

    Attributes: ``counts`` (p,) of training inputs; ``powers`` (k,), the target's mean square in every degree;
    ``effective_ridges`` (p,); ``errors`` (p, k), those in every degree; ``sampled`` and ``sampled_errors`` (p, k),
    means and standard errors over training sets that were drawn, None if none were.
    """

    title: str
    counts: tuple[int, ...]
    powers: Array
    ridge: float
    noise: float
    effective_ridges: Array
    errors: Array
    samples: int
    sampled: Array | None
    sampled_errors: Array | None

    @property
    def total(self) -> Array:
        """The errors of all degrees together, (p,)."""
        return self.errors.sum(1)

    def to_table(self) -> Table:
        """A row for each number of inputs, a column for each degree that the target has, predicted and drawn."""
        shown = [k for k, power in enumerate(self.powers) if power > 0]
        heads = [Cell("inputs", "p"), *(Cell(f"degree {k}") for k in shown), Cell("all degrees")]
        rows = []
        for i, count in enumerate(self.counts):
            numbers = [*self.errors[i, shown], self.total[i]]
            cells = (Cell(f"{x:.4g}{self._beside(i, k)}") for x, k in zip(numbers, [*shown, None], strict=True))
            rows.append((Cell(str(count)), *cells))
        drawn = f"; in brackets: means of {self.samples} training sets, ± standard errors" if self.samples else ""
        note = f"mean squared errors at ridge {self.ridge:g} and noise {self.noise:g}{drawn}"
        return Table(self.title, tuple(heads), tuple(rows), (note,))

    def _beside(self, i: int, k: int | None) -> str:
        if self.sampled is None or self.sampled_errors is None:
            return ""
        if k is None:
            return f" ({self.sampled[i].sum():.4g})"
        return f" ({self.sampled[i, k]:.4g} ± {self.sampled_errors[i, k]:.2g})"

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object."""
        return {
            "schema": "ntksym.learning_curve/1",
            "title": self.title,
            "counts": list(self.counts),
            "powers": self.powers.tolist(),
            "ridge": self.ridge,
            "noise": self.noise,
            "effective_ridges": self.effective_ridges.tolist(),
            "errors": self.errors.tolist(),
            "samples": self.samples,
            "sampled": None if self.sampled is None else self.sampled.tolist(),
            "sampled_errors": None if self.sampled_errors is None else self.sampled_errors.tolist(),
        }


def learning_curve(
    spectrum: Spectrum,
    target: Mapping[int, float],
    counts: Sequence[int],
    *,
    ridge: float = 0.0,
    noise: float = 0.0,
    samples: int = 0,
    seed: int = 0,
) -> LearningCurve:
    """The errors of kernel regression with this many training inputs, predicted, and drawn beside it.

    Args:
        spectrum: of a kernel on the sphere; degrees beyond those listed count as too high to be learned.
        target: the mean square of the target in each degree that it has, as in ``{1: 1.0, 3: 0.2}``.
        counts: numbers of training inputs.
        ridge: as for ``ntksym.NTKRegressor``, at least 0.
        noise: the standard deviation of noise on the training targets.
        samples: training sets to draw for each count, for means and standard errors beside the prediction; none if 0.

    Raises DynamicsError for other spectra and numbers out of range.
    Source: Bordelon, Canatar and Pehlevan 2020; the error in each degree: Simon, Dickens, Karkada and DeWeese 2021.

    Example:
        >>> import ntksym as ns
        >>> spectrum = ns.spectrum(ns.zoo.load("mlp")(depth=1), d=3, degrees=8, sigma_w="sqrt(2)")
        >>> curve = ns.learning_curve(spectrum, {1: 1.0, 2: 0.5}, counts=[4, 16, 64])
        >>> print(curve)
        mlp: ntk on S^2: learning curve
        <BLANKLINE>
        inputs  degree 1   degree 2   all degrees
        ------  ---------  ---------  -----------
        4       0.3866     0.3491     0.8285
        16      0.004909   0.01375    0.02128
        64      1.572e-05  9.309e-05  0.000139
        <BLANKLINE>
        mean squared errors at ridge 0 and noise 0
    """
    if spectrum.on != SPHERE:
        raise DynamicsError(f"a learning curve is of inputs on a sphere; this is a spectrum on: {spectrum.on}")
    if not (0 <= ridge < np.inf and 0 <= noise < np.inf):
        raise DynamicsError(f"ridge={ridge}, noise={noise}: both must be numbers of at least 0")
    if not counts or any(count < 1 for count in counts):
        raise DynamicsError(f"counts={list(counts)}: expected numbers of training inputs, 1 or more")
    if samples < 0 or samples == 1:
        raise DynamicsError(f"samples={samples}: draw two training sets at least, or none")
    values, _ = spectrum.numbers()
    unknown = next((k for k in target if not 0 <= k < len(values)), None)
    if unknown is not None or any(power < 0 for power in target.values()):
        raise DynamicsError(f"target={dict(target)}: expected mean squares of degrees from 0 to {len(values) - 1}")
    powers = np.array([float(target.get(k, 0.0)) for k in range(len(values))])
    found = [_predicted(spectrum, powers, count, ridge, noise) for count in counts]
    drawn = [drawn_errors(spectrum, powers, count, ridge, noise, samples, seed) for count in counts] if samples else []
    return LearningCurve(
        f"{spectrum.title}: learning curve",
        tuple(counts),
        powers,
        ridge,
        noise,
        np.array([effective for effective, _ in found]),
        np.stack([errors for _, errors in found]),
        samples,
        np.stack([each.mean(0) for each in drawn]) if drawn else None,
        np.stack([each.std(0, ddof=1) / np.sqrt(samples) for each in drawn]) if drawn else None,
    )


# --- prediction ---------------------------------------------------------------------------------------------------


def effective_ridge(spectrum: Spectrum, count: int, ridge: float) -> float:
    """The root K of K = ridge + sum_k N_k lambda_k K / (K + p lambda_k).

    Degrees that are not listed have p lambda_k far below K, so their eigenvalues, which sum to what is left of the
    trace, add to the ridge. It is 0 where more inputs than functions can be learned leave nothing to chance.
    """
    values, multiplicities = spectrum.numbers()
    left = ridge + max(float(spectrum.remaining), 0.0)
    known = values > 0
    if left == 0 and multiplicities[known].sum() < count:
        return 0.0

    def excess(log: float) -> float:
        # divided by K, it falls as K grows
        K = np.exp(log)
        return float(left / K + (multiplicities * values / (K + count * values)).sum() - 1)

    top = np.log(left + float(spectrum.trace))
    bottom = top - 1
    while excess(bottom) < 0:
        bottom -= 10
    return float(np.exp(optimize.brentq(excess, bottom, top + 1e-9, xtol=1e-13)))


def _predicted(spectrum: Spectrum, powers: Array, count: int, ridge: float, noise: float) -> tuple[float, Array]:
    values, multiplicities = spectrum.numbers()
    effective = effective_ridge(spectrum, count, ridge)
    with np.errstate(invalid="ignore"):
        learned = np.where(values > 0, count * values / (effective + count * values), 0.0)
    shares = multiplicities * learned**2 / count
    bias = (1 - learned) ** 2 * powers
    total = (bias.sum() + shares.sum() * noise**2) / (1 - shares.sum())
    return effective, bias + shares * (total + noise**2)


# --- regression with drawn training sets --------------------------------------------------------------------------


def drawn_errors(
    spectrum: Spectrum, powers: Array, count: int, ridge: float, noise: float, samples: int, seed: int
) -> Array:
    """Errors in every degree for each training set, (samples, k), without any test inputs.

    The target is sum_k sqrt(N_k P_k) P_k(x.z) for a point z. Regression answers with sum_i a_i kappa(x.x_i), whose part
    of degree k is sum_i a_i N_k lambda_k P_k(x.x_i); and the average of P_k(x.u) P_k(x.v) over x is P_k(u.v) / N_k.
    """
    values, multiplicities = spectrum.numbers()
    rng = np.random.default_rng([seed, count])
    kernel = spectrum.kernel.sampled
    sizes = np.sqrt(multiplicities * powers)
    out = []
    for _ in range(samples):
        points = rng.standard_normal((count + 1, spectrum.d or 0))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        cosines = np.clip(points @ points.T, -1, 1)
        polynomials = np.stack([p for p, _ in zip(gegenbauer(spectrum.d or 0, cosines), values, strict=False)])
        here, anchor = polynomials[:, 1:, 1:], polynomials[:, 1:, 0]
        targets = sizes @ anchor + noise * rng.standard_normal(count)
        weights = inverse_of(kernel(cosines[1:, 1:]), ridge).apply(targets)
        square = multiplicities * values**2 * (here @ weights @ weights)
        out.append(square - 2 * sizes * values * (anchor @ weights) + powers)
    return np.stack(out)
