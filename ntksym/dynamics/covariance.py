"""A compiled kernel as scikit-learn knows kernels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import DynamicsError
from ntksym.records.gram import CompiledKernel

kernels = lazy("sklearn.gaussian_process.kernels")
Kernel: Any = kernels.Kernel

Array = Any
Bounds = tuple[float, float] | str


class CovarianceFunction(Kernel):  # type: ignore[misc]
    """The NNGP or tangent kernel of a program as a covariance function: a ``sklearn.gaussian_process.kernels.Kernel``.

    It works in GaussianProcessRegressor, which fits the hyperparameters, in sums and products with other kernels, and
    as ``SVC(kernel=...)`` or ``KernelRidge(kernel=...)``. The standard deviations of the compiled kernel are parameters
    of this object, so a search can set ``kernel__sigma_w``; ``theta`` holds their logarithms, and one that is zero
    stays zero.

    Args:
        kernel: a compiled kernel, ``ntksym.kernel_recursion(program).compile(sigma_w=1.4)``.
        output: "nngp" or "ntk".
        value_bounds: the range in which hyperparameters are fitted, (low, high) or "fixed", for all of them or by name;
            those not named have (0.01, 100).

    Raises DynamicsError for what is no compiled kernel, has no such output or no such hyperparameter.
    """

    def __init__(
        self,
        kernel: CompiledKernel,
        output: str = "nngp",
        value_bounds: Bounds | Mapping[str, Bounds] = (1e-2, 1e2),
    ) -> None:
        if not (hasattr(kernel, "diagonal") and hasattr(kernel, "at")):
            raise DynamicsError(
                f"expected a compiled kernel, such as kernel_recursion(program).compile(), not {type(kernel).__name__}"
            )
        if output not in kernel.outputs:
            raise DynamicsError(f"output={output!r} is none of this kernel's: {', '.join(kernel.outputs)}")
        if isinstance(value_bounds, Mapping):
            unknown = next((name for name in value_bounds if name not in kernel.hyperparameters), None)
            if unknown is not None:
                raise DynamicsError(
                    f"bounds of {unknown!r}: the kernel has {', '.join(kernel.hyperparameters) or 'none'}"
                )
        self.kernel = kernel
        self.output = output
        self.value_bounds = value_bounds

    # --- values of the kernel ---

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        """The kernel matrix (n, m) of inputs (n, d) with themselves or with (m, d).

        With ``eval_gradient`` also its gradient in ``theta``, (n, n, p), by central differences in the logarithms: off
        by 1e-10 of the kernel's scale in double precision. Raises DynamicsError if ``Y`` is given, too.
        """
        if not eval_gradient:
            return self.kernel(X, Y, get=self.output)
        if Y is not None:
            raise DynamicsError("the gradient of a kernel matrix is that of inputs with themselves: leave Y out")
        return self.kernel(X, get=self.output), self._gradient(X)

    def diag(self, X: Any) -> Array:
        """The kernel of each input with itself, (n,)."""
        return self.kernel.diagonal(X, get=self.output)

    def is_stationary(self) -> bool:
        """It depends on more than x - x'."""
        return False

    def _gradient(self, X: Any) -> Array:
        # truncation (step^2) and rounding (eps / step) are alike there
        step = float(np.finfo(self.kernel.dtype).eps) ** (1 / 3)
        columns = []
        for name in self._fitted:
            value = self.kernel.hyperparameters[name]
            ahead, behind = (
                self.kernel.at(**{name: value * np.exp(sign * step)})(X, get=self.output) for sign in (1, -1)
            )
            columns.append((ahead - behind) / (2 * step))
        return np.stack(columns, axis=-1) if columns else np.empty((len(X), len(X), 0))

    # --- parameters, as scikit-learn asks for them ---

    @property
    def hyperparameters(self) -> list[Any]:
        """Specifications of all hyperparameters, in the order of ``theta``."""
        return [kernels.Hyperparameter(name, "numeric", self._bounds(name)) for name in self.kernel.hyperparameters]

    @property
    def _fitted(self) -> list[str]:
        return [hyperparameter.name for hyperparameter in self.hyperparameters if not hyperparameter.fixed]

    def _bounds(self, name: str) -> Bounds:
        given = self.value_bounds
        found = given.get(name, (1e-2, 1e2)) if isinstance(given, Mapping) else given
        return found if self.kernel.hyperparameters[name] > 0 else "fixed"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of the constructor and, if deep, the hyperparameters by name."""
        own = super().get_params(deep)
        return {**own, **self.kernel.hyperparameters} if deep else own

    def set_params(self, **params: Any) -> CovarianceFunction:
        """Set arguments of the constructor, hyperparameters, or both."""
        values = {name: value for name, value in params.items() if name in self.kernel.hyperparameters}
        super().set_params(**{name: value for name, value in params.items() if name not in values})
        if values:
            self.kernel = self.kernel.at(**values)
        return self

    def __sklearn_clone__(self) -> CovarianceFunction:
        # compiled kernels do not change, so clones share one; every step of an optimisation makes a clone
        return type(self)(self.kernel, self.output, self.value_bounds)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CovarianceFunction) and self._identity == other._identity

    @property
    def _identity(self) -> tuple[Any, ...]:
        return self.kernel.key, self.output, self.value_bounds

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:.3g}" for name, value in self.kernel.hyperparameters.items())
        return f"CovarianceFunction({self.output}; {values})"
