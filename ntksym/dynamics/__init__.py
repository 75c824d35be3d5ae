"""Training at infinite width: regression with the kernels of a program, its dynamics, and learning curves.

``posterior`` holds the mathematics of a time, on kernel matrices alone; ``regressors`` and ``covariance`` give it the
forms of scikit-learn, and need the extra ``[sklearn]``. ``linear`` and ``softmax`` follow training, ``algorithms`` says
how weights follow the gradient. ``spectrum`` has the eigenvalues of a kernel (on spheres: ``zonal`` is the kernel of an
angle, ``angles`` its exact form, ``funk_hecke`` its integrals, ``decay`` their law), ``learning_curves`` what errors
follow from them.
"""

from ntksym.dynamics.posterior import gaussian_process, gradient_flow

__all__ = ["gaussian_process", "gradient_flow"]
