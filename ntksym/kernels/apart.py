"""What does not depend on which of many heads is meant stands apart from the indicator that both heads are one.

Of an axis of large size only this indicator can be evaluated: there is no number for the length of the axis.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ntksym._lazy import lazy
from ntksym.kernels.book import Book, tidy
from ntksym.kernels.structure import is_large
from ntksym.records.formula import SAME, Layout, names_in, ref

sympy = lazy("sympy")


def apart(book: Book, expression: Any, layout: Layout, kept: Collection[str] = ()) -> tuple[Any, Any]:
    """Indicators 1[h = h'] and a rest without the axes h, the product of which is the expression.

    For large axes that both points have, all but those ``kept``, on which the lines of the rest do not depend.
    """
    marks, rest = sympy.S.One, expression
    right = {axis.name for axis in layout.right}
    for axis in layout.left:
        mark = ref(f"{SAME}:{axis.name}")
        if axis.name in right and axis.name not in kept and is_large(axis.size) and rest.has(mark):
            found = rest.xreplace({mark: sympy.S.One})
            if tidy(rest.xreplace({mark: sympy.S.Zero})) == 0 and not depends(book, found, {axis.name}):
                marks, rest = marks * mark, tidy(found)
    return marks, rest


def depends(book: Book, expression: Any, axes: Collection[str]) -> bool:
    """Whether an expression depends on where along some axes its points are."""
    for name in names_in(expression):
        if name == SAME or name.partition(":")[2] in axes:
            return True
        layout = book.layouts.get(name, Layout())
        if any(axis.name in axes for axis in (*layout.left, *layout.right, *layout.shared)):
            return True
    return False


def bare(layout: Layout, axes: Collection[str]) -> Layout:
    """A layout without some axes."""
    parts = (layout.left, layout.right, layout.shared)
    return Layout(*(tuple(axis for axis in part if axis.name not in axes) for part in parts))
