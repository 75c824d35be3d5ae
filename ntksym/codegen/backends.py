"""What runs generated source.

A backend makes functions of a module's text: ``point`` for single inputs, ``pairs`` for blocks of pairs. numba is the
fast one, numpy the reference, jax for accelerators. (``KernelRecursion.evaluate`` is the oracle.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ntksym._lazy import lazy
from ntksym.codegen import scalars
from ntksym.codegen.functions import jax_functions, numpy_functions
from ntksym.codegen.store import Kept, loaded

jax = lazy("jax")
jnp = lazy("jax.numpy")

Array = Any


@dataclass(frozen=True)
class Functions:
    """What a kernel is computed with.

    ``counts(parameters)`` gives the rounds of each loop, ``point(squares, parameters, counts)`` what pairs read of
    single inputs, ``pairs(products, left, right, parameters, counts)`` the kernels of a block: ``products`` are, for
    each input, inner products, followed by c and v where these are needed; ``sines`` finds them.
    """

    counts: Callable[..., Any]
    point: Callable[..., Any]
    pairs: Callable[..., Any]
    sines: Callable[..., Any]


def _arrays(kept: Kept, functions: Mapping[str, Any]) -> dict[str, Any]:
    names = dict(functions)
    exec(compile(kept.arrays, f"<{kept.title}>", "exec"), names)
    return names


def numpy_backend(kept: Kept) -> Functions:
    names = _arrays(kept, numpy_functions())

    def pairs(products: Sequence[Array], left: Any, right: Any, parameters: Any, counts: Any) -> list[Array]:
        found: list[Array] = names["pairs"](products, _standing(left), _lying(right), parameters, counts)
        return found

    return Functions(names["counts"], names["point"], pairs, scalars.sines)


def jax_backend(kept: Kept) -> Functions:
    own = numpy_backend(kept)
    compiled = jax.jit(_arrays(kept, jax_functions())["pairs"], static_argnums=4)

    def pairs(products: Sequence[Array], left: Any, right: Any, parameters: Any, counts: Any) -> list[Array]:
        with jax.enable_x64(True):
            found = compiled(list(products), _standing(left), _lying(right), tuple(parameters), tuple(counts))
            return [np.asarray(each) for each in found]

    return Functions(own.counts, own.point, pairs, scalars.sines)


def numba_backend(kept: Kept) -> Functions:
    own, module = numpy_backend(kept), loaded(kept)

    def pairs(products: Sequence[Array], left: Any, right: Any, parameters: Any, counts: Any) -> list[Array]:
        results = [np.empty_like(products[0]) for _ in kept.outputs]
        sides = [each for pair in zip(left, right, strict=True) for each in pair]
        module.pairs(*products, *sides, np.array(parameters, float), np.array(counts, np.int64), *results)
        return results

    return Functions(own.counts, own.point, pairs, module.sines)


def _standing(kept: Sequence[Array]) -> list[Any]:
    return [each[..., :, None] for each in kept]


def _lying(kept: Sequence[Array]) -> list[Any]:
    return [each[..., None, :] for each in kept]


backends: dict[str, Callable[[Kept], Functions]] = {
    "numba": numba_backend,
    "numpy": numpy_backend,
    "jax": jax_backend,
}
