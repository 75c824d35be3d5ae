"""What ntksym says when it cannot do what was asked: every message is one line that a person can act on."""


class NtksymError(Exception):
    """The base of every error that is shown to a person."""


class ExpressionError(NtksymError):
    """A text is not the mathematics that ntksym reads, or an expression lacks a property that is needed."""


class ProgramError(NtksymError):
    """An architecture that cannot be traced, or a Program that cannot be built or read."""


class ScalingError(NtksymError):
    """The scaling analysis cannot answer: the message says which assumption fails, and where."""


class KernelError(NtksymError):
    """A program has no kernel in the limit, or none that can be derived: the message says which rule fails, where."""


class SamplingError(NtksymError):
    """A finite network cannot be drawn, run, differentiated or trained as asked."""


class ValidationError(NtksymError):
    """A prediction that cannot be measured, or a validation that cannot be set up or read as asked."""


class DynamicsError(NtksymError):
    """Training that cannot be predicted as asked: the message says what to change."""


class PhaseError(NtksymError):
    """A block has no map of lengths that order and chaos can be read from, or a number for it is missing."""


class FiniteWidthError(NtksymError):
    """A program whose 1/n terms are not derived, or that cannot be evaluated as asked: the message says why."""


class FrameworkError(NtksymError):
    """A network of another framework that cannot be read, or that a table does not fit: the message says where."""
