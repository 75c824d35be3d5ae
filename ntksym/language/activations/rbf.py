"""sin + cos, a random Fourier feature: its dual is the Gaussian (radial basis function) kernel."""

from ntksym.language.activations._base import Activation, register

rbf = register(Activation("rbf", "sin(z) + cos(z)"))
