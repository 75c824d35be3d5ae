"""Vectors of the full width of the processor, in compiled loops.

Where a processor has vectors of 512 bits, LLVM takes 256 of them unless it is told otherwise: the first such ones ran
at a lower frequency with more. For the long sums of kernels the full width pays.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ntksym._lazy import lazy

extending, types = lazy("numba.extending"), lazy("numba.core.types")

ATTRIBUTE = '"prefer-vector-width"="512"'
"""Of LLVM functions; other processors do not look at it."""


def widening() -> Any:
    """What lets the compiled function that calls it have the widest vectors."""

    def full_width(_: Any) -> Any:
        def generate(context: Any, builder: Any, *_: Any) -> Any:
            with suppress(AttributeError, TypeError):  # llvmlite knows no attributes with a value: as it stands
                set.add(builder.function.attributes, ATTRIBUTE)
            return context.get_dummy_value()

        return types.void(), generate

    return extending.intrinsic(full_width)
