"""The self-normalising ELU (Klambauer et al. 2017): its constants give q = 1 as a stable fixed point."""

from ntksym.language.activations._base import Activation, register

_SCALE = "1.0507009873554804934193349852946"
_ALPHA = "1.6732632423543772848170429916717"

selu = register(Activation("selu", f"{_SCALE}*Piecewise((z, z > 0), ({_ALPHA}*(exp(z) - 1), True))"))
