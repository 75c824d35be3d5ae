"""Training at infinite width: regression with the kernels of a program.

``posterior`` holds the mathematics, on kernel matrices alone; ``regressors`` and ``covariance`` give it the forms of
scikit-learn, and need the extra ``[sklearn]``.
"""

from ntksym.dynamics.posterior import gaussian_process, gradient_flow

__all__ = ["gaussian_process", "gradient_flow"]
