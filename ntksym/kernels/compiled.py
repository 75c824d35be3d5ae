"""Kernels compiled: Gram matrices by generated code, block by block, on several threads."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.codegen.backends import Functions, backends
from ntksym.codegen.generate import module_of
from ntksym.codegen.store import Kept
from ntksym.errors import KernelError
from ntksym.kernels.data import DataValues, read_inputs, sizes_from
from ntksym.kernels.values import Graph
from ntksym.language.dims import Number
from ntksym.language.program import Program
from ntksym.language.trace import Architecture
from ntksym.records.formula import Formula
from ntksym.records.gram import OUTPUTS, Kernels

derive = lazy("ntksym.kernels.derive")  # brings SymPy along

Array = Any
Block = tuple[int, int, int, int]
"""First row, end of rows, first column, end of columns."""
WHOLE = 1e-9
"""How far a number of copies may be from a whole one."""
TILE = 256
"""Rows and columns of a block: its vectors fit into the innermost cache."""


@dataclass(frozen=True)
class Side:
    """The inputs of one side of a Gram matrix: their vectors, norms, and what pairs read of each."""

    vectors: tuple[Array, ...]
    units: tuple[Array, ...]
    inverse: tuple[Array, ...]
    kept: tuple[Array, ...]
    own: dict[str, Array]

    def part(self, start: int, stop: int) -> Side:
        return Side(
            tuple(v[start:stop] for v in self.vectors),
            tuple(v[start:stop] for v in self.units),
            tuple(v[start:stop] for v in self.inverse),
            tuple(v[..., start:stop] for v in self.kept),
            {},
        )

    def __len__(self) -> int:
        return len(self.vectors[0])


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
        inputs = read_inputs(self.program, X1, "X1")
        others = None if X2 is None else read_inputs(self.program, X2, "X2")
        parameters, counts = self._bound(inputs, others)
        left = self._side(inputs, parameters, counts)
        right = left if others is None else self._side(others, parameters, counts)
        shape = len(left), len(right)
        results = {name: np.empty(shape, self.dtype) for name in wanted}

        def work(block: Block) -> None:
            i, k, j, m = block
            rows, columns = left.part(i, k), right.part(j, m)
            found = self.functions.pairs(self._products(rows, columns), rows.kept, columns.kept, parameters, counts)
            for name, values in zip(self.outputs, found, strict=True):
                if name in wanted:
                    self._placed(results[name], values, block, left.own[name] if others is None else None)

        self._all(work, _blocks(*shape, symmetric=others is None))
        return results[get] if isinstance(get, str) else Kernels(**results)

    def diagonal(self, X: Any, get: str | Sequence[str] = OUTPUTS) -> Any:
        """The kernels of each input with itself: an array (N,), or ``Kernels`` of such arrays."""
        wanted = self._wanted(get)
        inputs = read_inputs(self.program, X, "X")
        own = self._side(inputs, *self._bound(inputs, None)).own
        results = {name: own[name].astype(self.dtype) for name in wanted}
        return results[get] if isinstance(get, str) else Kernels(**results)

    def _wanted(self, get: str | Sequence[str]) -> tuple[str, ...]:
        names = (get,) if isinstance(get, str) else tuple(get)
        for name in names:
            if name not in self.outputs:
                raise KernelError(f"get={name!r}: this kernel gives {' and '.join(self.outputs)}")
        return names

    def _bound(self, inputs: Mapping[str, Array], others: Mapping[str, Array] | None) -> tuple[Any, Any]:
        """The parameters of the generated functions, and the numbers of rounds."""
        sizes = sizes_from(self.program, inputs)
        if others is not None and sizes_from(self.program, others) != sizes:
            raise KernelError(f"X2 differs from X1 in its sizes: {sizes_from(self.program, others)}, not {sizes}")
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

    def _side(self, inputs: Mapping[str, Array], parameters: Any, counts: Any) -> Side:
        graph = Graph(self.program, {**sizes_from(self.program, inputs), **dict(self.sizes)}, frozenset())
        values = DataValues(graph, inputs, lambda a: np.asarray(a, dtype=float), False)
        vectors, units, inverse, squares = [], [], [], []
        for node, steps in self.module.inputs:
            x: Array = np.ascontiguousarray(values.array(node, steps))
            square = np.einsum("ij,ij->i", x, x) / max(x.shape[1], 1)
            if not np.isfinite(square).all():
                raise KernelError("the squares of the inputs are too large for floating-point numbers")
            norm = np.sqrt(square)
            with np.errstate(divide="ignore"):
                one_over = np.where(norm > 0, 1 / norm, 0.0)
            vectors.append(x)
            inverse.append(one_over)
            units.append(x * (one_over / np.sqrt(max(x.shape[1], 1)))[:, None])
            squares.append(square)
        rows, own = self.functions.point(squares, parameters, counts)
        if any(np.isnan(each).any() for each in own):
            raise KernelError(
                "a zero input meets an activation that jumps at 0, where the formulas have no limit; use evaluate(), "
                "or set sigma_b"
            )
        count = len(vectors[0])
        kept = tuple(_stacked(part, count) for part in rows)
        diagonals = {name: np.broadcast_to(d, (count,)) for name, d in zip(self.outputs, own, strict=True)}
        return Side(tuple(vectors), tuple(units), tuple(inverse), kept, diagonals)

    def _products(self, rows: Side, columns: Side) -> list[Array]:
        """Inner products of a block, and c and v where they are needed."""
        out = []
        for k, needed in enumerate(self.module.sines):
            x, y = rows.vectors[k], columns.vectors[k]
            products = x @ y.T
            products /= max(x.shape[1], 1)
            out.append(products)
            if needed:
                c, v = np.empty_like(products), np.empty_like(products)
                self.functions.sines(
                    products, rows.units[k], columns.units[k], rows.inverse[k], columns.inverse[k], c, v
                )
                out += [c, v]
        return out

    def _placed(self, result: Array, values: Array, block: Block, own: Array | None) -> None:
        """Put a block where it belongs; of a symmetric matrix on both sides, and the diagonal as it is known."""
        i, k, j, m = block
        if own is None:
            result[i:k, j:m] = values
        elif i == j:
            lower = np.tril(values, -1)
            whole = lower + lower.T
            np.fill_diagonal(whole, own[i:k])
            result[i:k, j:m] = whole
        else:
            result[i:k, j:m] = values
            result[j:m, i:k] = values.T

    def _all(self, work: Callable[[Block], None], blocks: Iterator[Block]) -> None:
        threads = self.threads or _processors()
        tasks = list(blocks)
        if threads == 1 or len(tasks) < 2 or self.backend != "numba":
            for block in tasks:
                work(block)
            return
        work(tasks[0])  # the first one compiles
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(work, tasks[1:]):
                pass


def _processors() -> int:
    """How many threads can run at once: those that this process may use, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
        backend: "numba"; "numpy", a reference in arrays; "jax", for accelerators.
        dtype: of inputs and results, "float64" or "float32"; numbers in between are float64.
        threads: how many work on a Gram matrix; by default all that the process may use.
        values: hyperparameters and sizes of dimensions (``sigma_w=1.4``, ``L=3``).

    Raises KernelError for programs that have no kernel or none that can be compiled, and for unknown names.
    """
    program = program if isinstance(program, Program) else program()
    if backend not in backends:
        raise KernelError(f"no backend {backend!r}; there are: {', '.join(backends)}")
    precision = np.dtype(dtype).name
    if precision not in ("float64", "float32"):
        raise KernelError(f"dtype {precision}: kernels are float64 or float32")
    known = tuple(sorted((rates or {}).items()))
    return Compiled(
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


def _blocks(rows: int, columns: int, symmetric: bool) -> Iterator[Block]:
    """Blocks that cover a matrix; of a symmetric matrix those on and below the diagonal."""
    for i in range(0, rows, TILE):
        for j in range(0, min(i + 1, columns) if symmetric else columns, TILE):
            yield i, min(i + TILE, rows), j, min(j + TILE, columns)


def _stacked(part: Any, count: int) -> Array:
    """What ``point`` kept as an array (names, N), or (rounds, names, N)."""
    if part and isinstance(part[0], list):
        return np.stack([_stacked(each, count) for each in part])
    return np.stack([np.broadcast_to(each, (count,)) for each in part]) if part else np.zeros((0, count))


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
