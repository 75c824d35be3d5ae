"""The tanh approximation of GELU (Hendrycks and Gimpel 2016)."""

from ntksym.language.activations._base import Activation, register

gelu_tanh = register(Activation("gelu_tanh", "z/2*(1 + tanh(sqrt(2/pi)*(z + 0.044715*z**3)))"))
