"""Kernels compiled: Gram matrices by generated code, block by block, on several threads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from hashlib import sha256
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.codegen.backends import ALL, Functions, backends
from ntksym.codegen.generate import module_of
from ntksym.codegen.scalars import COLUMNS, DEGREE
from ntksym.codegen.store import Kept
from ntksym.codegen.tables import POINTS, Table, tabulated
from ntksym.codegen.threads import for_each, processors, products_alone
from ntksym.errors import KernelError
from ntksym.kernels.data import DataValues, read_inputs, sizes_from
from ntksym.kernels.entries import block_size, given_at, positions_of
from ntksym.kernels.sides import ROWS, Block, Side, blocks, products, side_of, unit_side
from ntksym.kernels.structure import Structure
from ntksym.kernels.values import Graph
from ntksym.language.dims import Number
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.records.formula import Formula
from ntksym.records.gram import OUTPUTS, Kernels

derive = lazy("ntksym.kernels.derive")  # brings SymPy along
evaluated = lazy("ntksym.kernels.evaluated")

Array = Any
WHOLE = 1e-9
"""How far a number of copies may be from a whole one."""
TABLES_FROM = 20
"""How many more pairs than points of a table there must be for inputs of one norm to be worth a table."""


@dataclass(frozen=True)
class Plan:
    """How kernels are computed: ``one_number``, from a table over the cosine, or pair by pair; and ``why``.

    ``pieces`` and ``error`` are those of the table: polynomials on either side, and the largest relative error found.
    """

    one_number: bool
    why: str
    pieces: int | None = None
    error: float | None = None

    def __str__(self) -> str:
        if not self.one_number:
            return f"pair by pair: {self.why}"
        return (
            f"one number: {self.why}; a table of 2 x {self.pieces} polynomials of degree {DEGREE} in "
            f"sqrt(2 (1 - |c|)), relative error {self.error:.0e}"
        )


@dataclass(frozen=True)
class Compiled:
    """NNGP and NTK of a program at infinite width, compiled; see ``KernelRecursion.compile``.

    Called with inputs it gives the kernels of all pairs. ``values`` are the hyperparameters and sizes it is bound to.
    """

    program: Program
    parameterization: str = "ntk"
    rates: tuple[tuple[str, Any], ...] = ()
    sizes: tuple[tuple[str, Number], ...] = ()
    outputs: tuple[str, ...] = OUTPUTS
    backend: str = "numba"
    precision: str = "float64"
    values: Mapping[str, float] = field(default_factory=dict)
    threads: int | None = None

    # --- what it is ---

    @property
    def dtype(self) -> Any:
        return np.dtype(self.precision)

    @property
    def key(self) -> str:
        """A digest of program, options, values and version: equal keys give equal numbers."""
        parts = [self.module.key, self.backend, self.precision, sorted(self.numbers.items())]
        return sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def source(self) -> str:
        """The generated code."""
        return self.module.loops if self.backend == "numba" else self.module.arrays

    @property
    def stable(self) -> bool:
        """Whether nothing is lost near parallel and antiparallel inputs.

        It is not where a dual with a corner, as that of ReLU, follows one that is no function of an angle, as that of
        erf: half of the digits of its derivative may then be lost for inputs that are nearly parallel.
        """
        return self.module.stable

    def at(self, **values: float) -> Compiled:
        """The same kernel at other hyperparameters; compiled again only where one becomes zero, or stops being so."""
        return replace(self, values={**self.values, **_checked(self.program, self.rates, values)})

    @cached_property
    def numbers(self) -> dict[str, float]:
        """Every hyperparameter that has a value."""
        defaults = {n.attr("sigma"): float(n.attr("value")) for n in self.program.parameters if n.attr("sigma")}
        return {**defaults, **{name: float(value) for name, value in self.values.items()}}

    @property
    def hyperparameters(self) -> dict[str, float]:
        """All standard deviations that ``at`` can change, and what they are, set or not; no sizes."""
        known = {node.attr("sigma") for node in self.program.parameters}
        return {name: value for name, value in self.numbers.items() if name in known}

    @cached_property
    def module(self) -> Kept:
        identity = [
            self.program.digest,
            self.parameterization,
            [list(map(str, r)) for r in self.rates],
            [[name, str(size)] for name, size in self.sizes],
        ]
        zero = frozenset(name for name, value in self.numbers.items() if value == 0)
        title = f"{self.program.name}: {', '.join(self.outputs)}"
        return module_of(self._formula, title, identity, self.outputs, zero)

    def _formula(self) -> Formula:
        ntk = "ntk" in self.outputs
        found: tuple[Formula, Any] = derive.derived(
            self.program, self.parameterization, dict(self.rates), dict(self.sizes), ntk
        )
        return found[0]

    @cached_property
    def functions(self) -> Functions:
        return backends[self.backend](self.module)

    @property
    def plan(self) -> Plan:
        """How kernels are computed, as far as inputs do not decide."""
        if not self.module.homogeneous:
            return Plan(
                False, "nngp and ntk are functions of both norms and the cosine; of the cosine alone for equal norms"
            )
        table = self._homogeneous(*self._bound({}))
        if table is None:
            return Plan(False, "homogeneous, but no table of the cosine holds it to all digits")
        why = "homogeneous, so products of powers of both norms and a function of the cosine"
        return Plan(True, why, table.pieces, table.error)

    def __getstate__(self) -> dict[str, Any]:
        """Program and options: functions are found again where this is unpickled."""
        names = self.__dataclass_fields__
        return {name: value for name, value in self.__dict__.items() if name in names}

    # --- kernels ---

    def __call__(self, X1: Any, X2: Any = None, get: str | Sequence[str] = OUTPUTS) -> Any:
        """The kernels of all pairs of inputs.

        Args:
            X1, X2: inputs as for ``evaluate``, the first axis over inputs; without X2, X1 with itself.
            get: "nngp", "ntk", or several of them.

        Returns an array (N1, N2), or ``Kernels`` of such arrays. Raises KernelError for inputs that do not fit.
        """
        wanted = self._wanted(get)
        whole = self.backend != "numba"
        with nullcontext() if whole else products_alone():
            left = right = self._side(X1, "X1")
            if X2 is not None:
                right = self._side(X2, "X2")
                if right.sizes != left.sizes:
                    raise KernelError(f"X2 differs from X1 in its sizes: {right.sizes}, not {left.sizes}")
            results = {name: np.empty((len(left), len(right)), self.dtype) for name in wanted}
            threads = 1 if whole else self.threads or processors()
            size, outer, inner = (ROWS, COLUMNS), threads, 1
            if self.module.spaces:  # these blocks are large, and threads share the rows of each
                size, outer, inner = block_size(left.bound[2], whole), 1, threads
            run = self._run(left, right, inner)
            left_part, right_part = cache(left.part), cache(right.part)

            def work(block: Block) -> None:
                i, k, j, m = block
                found = run(left_part(i, k), right_part(j, m), i - j if X2 is None else ALL)
                for name, values in zip(self.outputs, found, strict=True):
                    if name not in wanted:
                        continue
                    if X2 is None:
                        self.functions.mirrored(values, results[name], i, j)
                        if self.module.spaces and k == m:
                            np.fill_diagonal(results[name][i:k, i:k], np.diagonal(values[:, i - j :]))
                    else:
                        self.functions.placed(values, results[name], i, j)

            for_each(work, blocks(len(left), len(right), X2 is None, *size), outer)
            if X2 is None and not self.module.spaces:
                for name, own in zip(self.outputs, left.own, strict=True):
                    if name in wanted:
                        np.fill_diagonal(results[name], own)
        return results[get] if isinstance(get, str) else Kernels(**results)

    def _run(self, left: Side, right: Side, threads: int) -> Callable[[Side, Side, int], Array]:
        """What gives the kernels of a block, from both sides and the reach of what is needed."""
        parameters, counts = left.bound[:2]
        table = None
        if self.module.homogeneous:
            table = self._homogeneous(parameters, counts)
        elif left.one_norm and right.one_norm and len(left) * len(right) > TABLES_FROM * POINTS:
            table = self._table(left.part(0, 1), right.part(0, 1), parameters, counts)

        def from_table(rows: Side, columns: Side, reach: int) -> Array:
            c, g = self._angles(0, products(rows, columns, reach)[0], rows, columns)
            assert table is not None
            return self.functions.interpolated(c, g, table.coefficients, rows.roots, columns.roots)

        def pair_by_pair(rows: Side, columns: Side, reach: int) -> Array:
            given: list[Array] = []
            for k, (found, needed) in enumerate(zip(products(rows, columns, reach), self.module.angles, strict=True)):
                given += [found, *(self._angles(k, found, rows, columns) if needed else ())]
            return self.functions.pairs(given, rows.kept, columns.kept, parameters, counts)

        def at_positions(rows: Side, columns: Side, reach: int) -> Array:
            given = given_at(self.module, self.functions, rows, columns)
            return self.functions.pairs(given, rows.kept, columns.kept, *left.bound, reach=reach, threads=threads)

        if self.module.spaces:
            return at_positions
        return pair_by_pair if table is None else from_table

    def _angles(self, k: int, found: Array, rows: Side, columns: Side) -> Any:
        return self.functions.angles(k, found, rows.vectors[k], columns.vectors[k], rows.inverse[k], columns.inverse[k])

    def _homogeneous(self, parameters: Any, counts: Any) -> Table | None:
        """The table for all norms, of a homogeneous kernel."""
        key = (parameters, tuple(counts))
        if key not in self._tables:
            unit = unit_side(self.functions, (parameters, counts, (), ()))
            self._tables[key] = self._table(unit, unit, parameters, counts)
        return self._tables[key]

    @cached_property
    def _tables(self) -> dict[Any, Table | None]:
        return {}

    def _table(self, one: Side, other: Side, parameters: Any, counts: Any) -> Table | None:
        """The table of kernels between inputs of two norms, divided by the roots of those with themselves."""
        scale = one.roots * other.roots
        if not (scale > 0).all():
            return None
        product = 1 / (one.inverse[0] * other.inverse[0])

        def kernel(c: Array, g: Array) -> Array:
            out = []
            for k in range(0, len(c), COLUMNS):
                part = slice(k, k + COLUMNS)
                size = len(c[part])
                lying = tuple(tuple(np.repeat(x, size, axis=-1) for x in arrays) for arrays in other.kept)
                given = [(c[part] * product)[None], *([c[part][None], g[part][None]] if self.module.angles[0] else ())]
                out.append(self.functions.pairs(given, one.kept, lying, parameters, counts)[:, 0] / scale)
            return np.concatenate(out, axis=1)

        return tabulated(kernel)

    def diagonal(self, X: Any, get: str | Sequence[str] = OUTPUTS) -> Any:
        """The kernels of each input with itself: an array (N,), or ``Kernels`` of such arrays."""
        wanted = self._wanted(get)
        own = self._own(self._side(X, "X"))
        results = {name: x.astype(self.dtype) for name, x in zip(self.outputs, own, strict=True) if name in wanted}
        return results[get] if isinstance(get, str) else Kernels(**results)

    def _own(self, side: Side) -> Array:
        """The kernels of each input with itself, (kernels, N): at positions those of a pair."""
        if not self.module.spaces:
            return side.own
        run, parts = self._run(side, side, 1), (side.part(i, i + 1) for i in range(len(side)))
        found = [run(part, part, 0)[:, 0, 0].copy() for part in parts]
        return np.array(found).reshape(-1, len(self.outputs)).T

    def _wanted(self, get: str | Sequence[str]) -> tuple[str, ...]:
        names = (get,) if isinstance(get, str) else tuple(get)
        for name in names:
            if name not in self.outputs:
                raise KernelError(f"get={name!r}: this kernel gives {' and '.join(self.outputs)}")
        return names

    def _bound(self, sizes: Mapping[str, Any]) -> tuple[Any, Any]:
        """The parameters of the generated functions, and the numbers of rounds, for inputs of these sizes."""
        dims = {dim.name: dim for dim in self.program.dims}
        known: dict[str, Any] = {name: dim.default for name, dim in dims.items() if dim.default is not None}
        known = {**known, **sizes, **dict(self.sizes), **self.numbers}
        missing = [name for name in self.module.parameters if name not in known]
        if missing:
            raise KernelError(f"a number is needed for {missing[0]}: add {missing[0]}=...")
        parameters = tuple(float(known[name]) for name in self.module.parameters)
        counts = self.functions.counts(parameters)
        for count in counts:
            if count < 0 or abs(count - round(count)) > WHOLE:
                raise KernelError(f"{count:g} is not a number of copies of a repeated block")
        return parameters, [round(count) for count in counts]

    def _structure(self, sizes: Mapping[str, int]) -> Structure:
        """What is known of the program's values at these sizes, found once."""
        key = tuple(sorted(sizes.items()))
        if key not in self._structures:
            self._structures[key] = Structure(Graph(self.program, {**sizes, **dict(self.sizes)}, frozenset()))
        return self._structures[key]

    @cached_property
    def _structures(self) -> dict[tuple[tuple[str, int], ...], Structure]:
        return {}

    def _side(self, X: Any, name: str) -> Side:
        inputs = read_inputs(self.program, X, name)
        sizes = sizes_from(self.program, inputs)
        values = DataValues(self._structure(sizes), inputs, lambda a: np.asarray(a, dtype=float), False)
        vectors = [values.array(node, steps) for node, steps in self.module.inputs]
        positions: Any = ((), ())
        if self.module.spaces:
            positions = positions_of(self.module, tuple(x.shape[1:-1] for x in vectors))
        return side_of(vectors, sizes, self.functions, (*self._bound(sizes), *positions))


def compiled_kernel(
    program: Program | Architecture,
    *,
    parameterization: str = "ntk",
    rates: Mapping[str, Any] | None = None,
    sizes: Mapping[str, Number] | None = None,
    outputs: Sequence[str] = OUTPUTS,
    backend: str = "numba",
    dtype: Any = "float64",
    threads: int | None = None,
    **values: float,
) -> Compiled:
    """NNGP and NTK of a program at infinite width as fast code, generated once and kept on disk.

    What ``kernel_recursion(program, ...).compile(...)`` gives, without a derivation where the code is already there.

    Args:
        parameterization, rates, sizes: as for ``kernel_recursion``.
        outputs: "nngp" alone where no NTK exists, or none is needed.
        backend: "numba"; "numpy", a reference in arrays; "jax", for accelerators; "mpmath", the oracle: 20 digits, few
            inputs; "double", the recursion line by line, for what cannot be compiled yet.
        dtype: of inputs and results, "float64" or "float32"; numbers in between are float64.
        threads: how many work on a Gram matrix; by default all that the process may use.
        values: hyperparameters and sizes of dimensions (``sigma_w=1.4``, ``L=3``).

    Raises KernelError for programs that have no kernel or none that can be compiled, and for unknown names.

    Example:
        >>> import numpy as np
        >>> import ntksym as ns
        >>> kernel = ns.compiled_kernel(ns.zoo.load("mlp"), sigma_w=2**0.5)
        >>> kernel(np.eye(2)).ntk.round(4)
        array([[3.    , 0.6857],
               [0.6857, 3.    ]])
    """
    program = program if isinstance(program, Program) else program()
    if backend not in backends and backend not in evaluated.DIGITS:
        raise KernelError(f"no backend {backend!r}; there are: {', '.join((*backends, *evaluated.DIGITS))}")
    precision = np.dtype(dtype).name
    if precision not in ("float64", "float32"):
        raise KernelError(f"dtype {precision}: kernels are float64 or float32")
    known = tuple(sorted((rates or {}).items()))
    kind: type[Compiled] = Compiled if backend in backends else evaluated.Evaluated
    return kind(
        program,
        parameterization,
        known,
        tuple(sorted((sizes or {}).items())),
        tuple(outputs),
        backend,
        precision,
        _checked(program, known, values),
        threads,
    )


def _checked(program: Program, rates: tuple[tuple[str, Any], ...], values: Mapping[str, float]) -> dict[str, float]:
    """Values by names that the program has."""
    known = [n.attr("sigma") for n in program.parameters if n.attr("sigma")]
    known += [str(rate) for _, rate in rates if isinstance(rate, str)] + [dim.name for dim in program.dims]
    for name in values:
        if name not in known:
            raise KernelError(f"{program.name} has no {name}; it has: {', '.join(dict.fromkeys(known))}")
        if not np.isfinite(float(values[name])):
            raise KernelError(f"{name}={values[name]} is not a finite number")
    return {name: float(value) for name, value in values.items()}
