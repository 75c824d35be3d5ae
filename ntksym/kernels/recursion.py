"""The record of a kernel recursion: a formula for NNGP and NTK, and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.errors import KernelError
from ntksym.kernels.arithmetic import FLOAT_DIGITS, Double, Precise
from ntksym.kernels.blocks import BlockMap, block_maps
from ntksym.kernels.compiled import Compiled, compiled_kernel
from ntksym.kernels.data import DataValues, read_inputs, sizes_from
from ntksym.kernels.depth import ClosedForm, closed_forms
from ntksym.kernels.derivatives import derivative_of, linear_parts, marked, symbols_of
from ntksym.kernels.derive import derived, rate_expressions
from ntksym.kernels.evaluate import Evaluation, Pairs
from ntksym.kernels.predictions import limits
from ntksym.kernels.sphere import SphereKernel, on_sphere
from ntksym.kernels.structure import Structure
from ntksym.kernels.values import Graph
from ntksym.language.dims import Number, dim_value
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.records.evidence import Evidence, weakest
from ntksym.records.formula import Expected, Formula, walk
from ntksym.records.predictions import Experiment, Prediction
from ntksym.records.tables import Shown

mpmath = lazy("mpmath")
sympy = lazy("sympy")

OUTPUTS = ("nngp", "ntk")


@dataclass(frozen=True)
class KernelValues:
    """Kernel matrices: rows are the first inputs, columns the second; then the positions of both outputs, if any.

    ``nngp`` and ``ntk`` (None where it was not derived) hold mpmath numbers, or floats where no digits were asked for.
    """

    nngp: Any
    ntk: Any
    evidence: Evidence


@dataclass(frozen=True)
class KernelRecursion(Shown):
    """NNGP and NTK of a program at infinite width, as definitions in static single assignment.

    ``formula`` runs from the inputs' inner products to the lines ``nngp`` and ``ntk``; a ``repeat`` of the program is
    a loop of it, the recursion in depth.
    """

    program: Program
    formula: Formula
    parameterization: str
    sizes: tuple[tuple[str, Number], ...]
    unrolled: frozenset[int]
    rates: tuple[tuple[str, Any], ...] = ()
    by: str = ""
    """The hyperparameter that this is a derivative by, if it is one."""

    @property
    def evidence(self) -> Evidence:
        """How the formula is known: as its weakest line."""
        return weakest(*(line.evidence for line in walk(self.formula.lines)))

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Standard deviations that can be set, and what they are if they are not."""
        found = {}
        for node in self.program.parameters:
            if node.attr("sigma"):
                found[node.attr("sigma")] = float(node.attr("value"))
        return found

    def evaluate(self, x: Any, x2: Any = None, *, digits: int | None = 15, **values: Any) -> KernelValues:
        """The kernel matrices of inputs x with themselves, or with x2.

        Args:
            x, x2: as for ``ntksym.run``, the first axis over inputs; floats count as the binary fractions they are.
            digits: significant digits, in mpmath; None computes in double precision, which is much faster.
            values: hyperparameters (``sigma_w=1.5``, exact numbers or floats) and sizes of dimensions (``L=10``).

        Raises KernelError for inputs of wrong shapes, unknown or missing numbers.
        """
        found, evidence = self._evaluated(x, x2, digits, values)
        return KernelValues(found["nngp"], found.get("ntk"), evidence)

    def _evaluated(
        self, x: Any, x2: Any, digits: int | None, values: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Evidence]:
        """The matrices of all outputs of the formula."""
        first = read_inputs(self.program, x, "x")
        second = None if x2 is None else read_inputs(self.program, x2, "x2")
        count = len(next(iter(first.values())))
        inputs = first if second is None else {k: np.concatenate([first[k], second[k]]) for k in first}
        total = len(next(iter(inputs.values())))
        sizes, numbers = self._numbers(inputs, values)
        graph = Graph(self.program, sizes, self.unrolled)
        with mpmath.workdps(2 * (digits or FLOAT_DIGITS) + 30):
            arithmetic = Double() if digits is None else Precise(digits + 5)
            hyperparameters = {name: arithmetic.array(_exact(value))[()] for name, value in numbers.items()}
            pairs = Pairs.of(total, None if second is None else count)
            data = DataValues(Structure(graph), inputs, arithmetic.array, digits is not None)
            run = Evaluation(
                pairs, data, arithmetic, hyperparameters, lambda axis: graph.numbers.length(axis.size, axis.name)
            )
            run.run(self.formula)
            found = {
                name: _matrix(run.arrays[name].data, pairs, count, None if second is None else total - count)
                for name in run.arrays
                if name.endswith(OUTPUTS)
            }
        return found, weakest(self.evidence, *arithmetic.evidence)

    def _numbers(self, inputs: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The sizes of dimensions, and all numbers that symbols stand for."""
        dims = {dim.name: dim for dim in self.program.dims}
        known = {**self.hyperparameters, **{s.name: None for s in self._rates()}}
        unknown = next((name for name in values if name not in known and name not in dims), None)
        if unknown is not None:
            raise KernelError(f"{self.program.name} has no {unknown}; it has: {', '.join((*known, *dims))}")
        sizes: dict[str, Any] = {**dict(self.sizes), **sizes_from(self.program, inputs)}
        for name, value in self.sizes:
            if sizes[name] != value:
                raise KernelError(f"the recursion was derived for {name} = {value}, and the inputs have {sizes[name]}")
        sizes.update({name: value for name, value in values.items() if name in dims})
        numbers = {name: values.get(name, default) for name, default in known.items()}
        for name, dim in dims.items():
            if name in sizes or dim.default is not None or dim.equals is not None:
                try:
                    numbers[name] = dim_value(dim, sizes)
                except Exception:
                    continue
        return sizes, {name: value for name, value in numbers.items() if value is not None}

    # --- forms ---

    def to_text(self) -> str:
        """The definitions in order, one to a line, then what they assume and how they are known."""
        return str(renderers["text"](self))

    def to_markdown(self) -> str:
        """A title, the recursion as one display, and notes; mathematics between dollar signs."""
        return str(renderers["markdown"](self))

    def to_latex(self, symbols: Mapping[str, str] | None = None, document: bool = False) -> str:
        """An ``aligned`` environment, or a document that needs amsmath, amssymb and geometry only.

        ``symbols`` holds LaTeX of one's own for hyperparameters and dimensions (``{"sigma_w": r"\\sigma_W"}``), for
        the letters of the definitions (K, E, dE, Theta, G, C, m, a, nngp, ntk) and for the inputs (x, x').
        Raises KernelError for other names.
        """
        return str(renderers["latex"](self, symbols, document))

    def bibtex(self) -> str:
        """BibTeX entries of the sources of the rules that were used."""
        return str(renderers["bibtex"](self))

    def to_json(self) -> dict[str, Any]:
        """A plain JSON object with ``"schema": "ntksym.kernel_recursion/1"``; ``from_json`` inverts it."""
        return dict(renderers["json"](self))

    @staticmethod
    def from_json(data: Any) -> KernelRecursion:
        """The recursion that ``to_json`` wrote. Raises KernelError for anything else."""
        return readers["json"](data)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.to_latex()}$"

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _rates(self) -> set[Any]:
        """Symbols that stand for learning-rate weights."""
        known = {*self.hyperparameters, *(dim.name for dim in self.program.dims)}
        return {symbol for symbol in symbols_of(self.formula) if symbol.name not in known}

    # --- what can be done with a recursion ---

    def derivative(self, name: str) -> KernelRecursion:
        """The recursion whose ``nngp`` and ``ntk`` are derivatives by a hyperparameter ("sigma_w") or a rate's symbol.

        Every line carries its derivative forward. Raises KernelError for names that are not in the formula.
        """
        known = {symbol.name: symbol for symbol in symbols_of(self.formula)}
        dims = {dim.name for dim in self.program.dims}
        if name not in known or name in dims:
            names = ", ".join(sorted(set(known) - dims)) or "none"
            raise KernelError(f"{self.program.name} has no number {name!r} to differentiate by; it has: {names}")
        outputs = tuple(line.name for line in self.formula if line.name in OUTPUTS)
        return replace(self, formula=derivative_of(self.formula, known[name], outputs), by=name)

    def compile(
        self, backend: str = "numba", dtype: Any = "float64", threads: int | None = None, **values: float
    ) -> Compiled:
        """Both kernels as fast code, called with inputs: ``compiled(X1, X2)``; see ``ntksym.compiled_kernel``.

        Raises KernelError for what cannot be compiled (yet), with the line.
        """
        if self.by:
            raise KernelError(f"a derivative by {self.by} cannot be compiled yet; use evaluate()")
        made = compiled_kernel(
            self.program,
            parameterization=self.parameterization,
            rates=dict(self.rates),
            sizes=dict(self.sizes),
            outputs=[line.name for line in self.formula if line.name in OUTPUTS],
            backend=backend,
            dtype=dtype,
            threads=threads,
            **values,
        )
        made.source  # what cannot be compiled is said here  # noqa: B018
        return made

    @property
    def blocks(self) -> dict[str, BlockMap]:
        """The map that one copy of each repeat makes of the kernels, by the repeat's name.

        Raises KernelError where a repeat mixes positions of one input, as attention and pooling do.
        """
        return block_maps(self.formula)

    def on_sphere(self, **values: Any) -> SphereKernel:
        """NNGP and NTK as functions of the cosine c, for inputs of one norm, x.x/d = q.

        ``values`` are exact numbers or floats for q, hyperparameters and numbers of copies (``L=10``); what is left
        out stays a symbol. Raises KernelError for programs with positions, and where a number of copies is missing.
        """
        return on_sphere(self.formula, values)

    def closed_forms(self) -> tuple[ClosedForm, ...]:
        """What the repeats carry as closed forms in the number of copies, where the recursion is affine.

        Raises KernelError where what a repeat carries has positions.
        """
        return closed_forms(self.formula)

    def contributions(self, x: Any, x2: Any = None, *, digits: int | None = 15, **values: Any) -> dict[str, Any]:
        """The part of the NTK that every trained parameter makes, by its name; they sum to the NTK.

        Copies of a repeated parameter are taken together. Arguments and shapes are those of ``evaluate``.
        """
        names = [node.name for node in self.program.parameters if node.attr("trainable")]
        symbols = {name: sympy.Symbol(f"part {name}", positive=True) for name in names}
        given = rate_expressions(self.program, dict(self.rates))
        rates = {name: symbol * given.get(name, 1) for name, symbol in symbols.items()}
        formula, _ = derived(self.program, self.parameterization, rates, dict(self.sizes), True)
        parts = linear_parts(formula, {str(k): symbols[name] for k, name in enumerate(names)}, "ntk")
        found, _ = replace(self, formula=parts)._evaluated(x, x2, digits, values)
        marks = {name: marked(str(k), "ntk") for k, name in enumerate(names)}
        return {name: found[mark] for name, mark in marks.items() if mark in found}

    def predictions(self, experiment: Experiment) -> Iterator[Prediction]:
        """What finite networks must show in an experiment: both kernels in the limit; see ``ntksym.validate``."""
        return limits(self, experiment)

    def __iter__(self) -> Any:
        return iter(self.formula)

    @property
    def expectations(self) -> tuple[Expected, ...]:
        """All Gaussian expectations of the recursion."""
        return tuple(line for line in walk(self.formula.lines) if isinstance(line, Expected))


def _exact(value: Any) -> Any:
    return float(value) if isinstance(value, np.floating) else value


def _matrix(data: Any, pairs: Pairs, rows: int, columns: int | None) -> Any:
    """Arrays over pairs as matrices; the other half of a symmetric one has its positions swapped."""
    half = (data.ndim - 1) // 2
    if columns is not None:
        own = len(pairs.alone)
        return np.array(data[own:].reshape(rows, columns, *data.shape[1:]))
    out = np.empty((rows, rows, *data.shape[1:]), dtype=data.dtype)
    out[pairs.first, pairs.second] = data
    swap = (0, *range(1 + half, 1 + 2 * half), *range(1, 1 + half))
    out[pairs.second, pairs.first] = data.transpose(swap)
    return out


def kernel_recursion(
    program: Program | Architecture,
    *,
    parameterization: str = "ntk",
    rates: Mapping[str, Any] | None = None,
    sizes: Mapping[str, Number] | None = None,
    ntk: bool = True,
) -> KernelRecursion:
    """NNGP and NTK of a program at infinite width, as a recursion of closed forms where these can be derived.

    By hand for a perceptron: derivation mlp_ntk; with positions: derivation cnn_kernel.

    The large dimensions of the program go to infinity; weights are N(0, sigma_w^2 / fan_in), biases N(0, sigma_b^2),
    all trained, the readout included. The NTK is that of one output (Jacot, Gabriel and Hongler 2018).

    Args:
        parameterization: "ntk" takes gradients of unit Gaussians (weights sigma_w / sqrt(fan_in) w); "standard"
            those of the weights themselves, which grow with the fan-in.
        rates: learning-rate weights by parameter name, numbers or names of symbols; 1 for all others.
        sizes: numbers for dimensions: lengths of time axes that a scan runs along are needed.
        ntk: False for programs of which only the NNGP kernel exists.

    Raises KernelError, with the rule that fails and the user's line, where the limit does not exist or is not known.

    Example:
        >>> import numpy as np
        >>> import ntksym as ns
        >>> recursion = ns.kernel_recursion(ns.zoo.load("mlp")(phi=ns.erf, depth=1))
        >>> for line in recursion.to_text().splitlines()[9:12]:
        ...     print(line)
        Theta(x, x') = K(x, x')
        nngp(x, x') = sigma_w**2*E(x, x') + sigma_b**2    # NNGP kernel
        ntk(x, x') = nngp(x, x') + sigma_w**2*dE(x, x')*Theta(x, x')    # neural tangent kernel
        >>> found = recursion.evaluate(np.eye(2), sigma_w=1.5)
        >>> print(found.ntk[0, 0])
        2.46957042559858
    """
    program = program if isinstance(program, Program) else program()
    rates, sizes = dict(rates or {}), dict(sizes or {})
    formula, unrolled = derived(program, parameterization, rates, sizes, ntk)
    return KernelRecursion(
        program=program,
        formula=formula,
        parameterization=parameterization,
        sizes=tuple(sorted(sizes.items())),
        unrolled=unrolled,
        rates=tuple(sorted(rates.items())),
    )


renderers: dict[str, Callable[..., Any]] = {}
"""The forms of a recursion, filled by ntksym.kernels.rendering and ntksym.kernels.serial."""
readers: dict[str, Callable[[Any], KernelRecursion]] = {}
"""What reads a recursion back from a form."""
