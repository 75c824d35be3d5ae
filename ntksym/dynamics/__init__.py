"""Training at infinite width: regression with the kernels of a program, its dynamics, and learning curves.

``posterior`` holds the mathematics of a time, on kernel matrices alone; ``regressors`` and ``covariance`` give it the
forms of scikit-learn, and need the extra ``[sklearn]``. ``linear`` and ``softmax`` follow training, ``algorithms`` says
how weights follow the gradient. ``spectrum`` has the eigenvalues of a kernel (on spheres: ``zonal`` is the kernel of an
angle, ``angles`` its exact form, ``funk_hecke`` its integrals, ``decay`` their law), ``learning_curves`` what errors
follow from them.

Where features move: ``units`` takes programs with one wide layer apart, ``wide_limit`` trains them in steps and
``mean_field`` by gradient flow; ``dmft`` trains deep linear networks, ``taylor`` the Taylor models of a finite one.
``kernel_change`` has the 1/n change of the tangent kernel, ``sequence`` the mode that learns its own eigenvalue.
"""

from ntksym.dynamics.posterior import gaussian_process, gradient_flow

__all__ = ["gaussian_process", "gradient_flow"]
