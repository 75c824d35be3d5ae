"""The functions that generated loops call, for single numbers: plain Python that numba compiles and LLVM vectorises.

No branches and no calls of the mathematical library stand in the way of vectors: what depends on a condition is chosen.
"""

import math
from typing import Any

import numpy as np

Array = Any

HALF_PI = math.pi / 2
EIGHTH = math.sqrt(2) - 1
"""The tangent of pi / 8."""
CLOSE = 5e-4
"""Below this 1 - |c| the products of inputs have lost digits that matter."""
EDGE = 16
"""Edge of the squares in which a block is transposed."""
COLUMNS = 256
"""The most columns that a block may have, or the most pairs where there are positions."""
ROOM = 9
"""Rows that inner products need for themselves."""
TERMS = 3
"""What the number of terms of windows is a multiple of, for several are added at once."""
DEGREE = 9
"""Of the polynomials of a table."""
NOTHING = 1e-16
"""What may be left out of a power series, as a part of its first term."""


def less(x: float, y: float, then: float, otherwise: float) -> float:
    """``then`` where x < y."""
    return then if x < y else otherwise


def positive(x: float) -> float:
    """x, or 0 if it is negative."""
    return x if x > 0 else 0.0


def inverse(x: float) -> float:
    """1 / x, and 0 for 0."""
    return 1 / x if x > 0 else 0.0


def angle(y: float, x: float) -> float:
    """The arc tangent of y / x for x, y >= 0, 0 where both are: to the last digit or two.

    Above pi / 8 as pi / 4 + atan((t - 1) / (t + 1)); the polynomial is a Chebyshev fit of atan(t) / t in t^2, with an
    error of 1e-18.
    """
    small, large = min(x, y), max(x, y)
    turned = small > EIGHTH * large
    up = small - large if turned else small
    down = small + large if turned else large
    t = up / (down if down > 0 else 1.0)
    u = t * t
    p = -0.017805397205419446
    p = p * u + 0.03796525745386593
    p = p * u - 0.05035102456601552
    p = p * u + 0.05846878297330872
    p = p * u - 0.06662951813629191
    p = p * u + 0.07692045330902225
    p = p * u - 0.09090896809064027
    p = p * u + 0.11111110744919658
    p = p * u - 0.14285714279250245
    p = p * u + 0.19999999999940893
    p = p * u - 0.3333333333333312
    found = t + t * (u * p) + (HALF_PI / 2 if turned else 0.0)
    return HALF_PI - found if y > x else found


def asin(x: float) -> float:
    """The arc sine; beyond +-1, where rounding leads, that of +-1."""
    size = min(abs(x), 1.0)
    found = angle(size, math.sqrt((1 - size) * (1 + size)))
    return found if x > 0 else -found


def acos(x: float) -> float:
    """The arc cosine; beyond +-1, where rounding leads, that of +-1."""
    size = min(abs(x), 1.0)
    found = angle(math.sqrt((1 - size) * (1 + size)), size)
    return found if x > 0 else math.pi - found


def cosine(x: float) -> float:
    """x, or the end of -1 to 1 beyond which rounding led it."""
    return min(max(x, -1.0), 1.0)


def needed(z: float, left: Array, right: Array) -> int:
    """How many terms, a multiple of 4, a power series in z needs, from the rests of ``hermite.coefficients``."""
    power, k, most = 1.0, 0, min(len(left), len(right))
    while k < most and power * left[k] * right[k] > NOTHING:
        power *= z * z * z * z
        k += 1
    return 4 * k


def sign(x: float) -> float:
    """-1, 0 or 1."""
    return float(x > 0) - float(x < 0)


def NormalCDF(x: float) -> float:
    """The distribution function of a standard normal number."""
    return 0.5 * math.erfc(-x * math.sqrt(0.5))


def angles(G: Array, left: Array, right: Array, rows: Array, columns: Array, c: Array, g: Array) -> None:
    """Cosines c and g = 1 - |c| of inputs ``left`` and ``right`` (one to a row), from their mean products G.

    ``rows`` and ``columns`` are the inverse norms. Close to +-1, g comes from the difference of the unit vectors.
    """
    for i in range(G.shape[0]):
        near = 0
        for j in range(G.shape[1]):
            c[i, j] = G[i, j] * rows[i] * columns[j]
            g[i, j] = 1 - abs(c[i, j])
            near += g[i, j] < CLOSE
        if near == 0:
            continue
        for j in range(G.shape[1]):
            if g[i, j] < CLOSE:
                way = 1.0 if c[i, j] > 0 else -1.0
                gap = 0.0
                for k in range(left.shape[1]):
                    step = left[i, k] * rows[i] - way * (right[j, k] * columns[j])
                    gap += step * step
                g[i, j] = gap / (2 * left.shape[1])
                c[i, j] = way * (1 - g[i, j])


def apart(
    e: int,
    top: int,
    columns: int,
    pairs: int,
    reach: int,
    c: Array,
    g: Array,
    left: Array,
    right: Array,
    lefts: Array,
    rights: Array,
    row: Array,
    column: Array,
) -> None:
    """g = 1 - |c| of inputs at one entry e from the difference of their unit vectors, where it is small.

    ``left`` and ``right`` are the inputs, (positions, coordinates, inputs), ``row`` and ``column`` their inverse norms,
    (positions, inputs); all else is as for ``gaps``.
    """
    x, y = lefts[e], rights[e]
    for p in range(pairs):
        i, j = top + p // columns, p % columns
        if g[p] < CLOSE and (x != y or j != reach + i):
            way = 1.0 if c[p] > 0 else -1.0
            gap = 0.0
            for k in range(left.shape[1]):
                step = left[x, k, i] * row[x, i] - way * (right[y, k, j] * column[y, j])
                gap += step * step
            g[p] = gap / (2 * left.shape[1])


def gaps(
    e: int,
    top: int,
    columns: int,
    pairs: int,
    reach: int,
    c: Array,
    g: Array,
    signs: Array,
    others: Array,
    index: Array,
    place: Array,
    factor: Array,
    lefts: Array,
    rights: Array,
    left: Array,
    right: Array,
    row: Array,
    column: Array,
) -> None:
    """g = 1 - |c| of covariances of one entry e, means of others, from the ``signs`` of those and their g, where small.

    c and g are those of the pairs of the rows from ``top`` on, g to some digits, and 0 for an input beside itself, that
    is left as it is. ``signs`` and ``others``, the g of the others, are those of all entries. The input of row i is
    that of column ``reach`` + i. ``index``, ``place`` and ``factor`` are those of ``entries.Table``, ``lefts`` and
    ``rights`` the positions of entries. ``left`` and ``right`` are the roots of the diagonals of the others, ``row``
    and ``column`` the inverse ones of the means', (positions, inputs). With vectors of length one,
    u_t = factor_t left_t row and v_t likewise, c = sum_t u_t v_t c_t, so that
    1 -+ c = sum_t u_t v_t (1 -+ c_t) + sum_t (u_t - v_t)^2 / 2: no digits are lost.
    """
    x, y = lefts[e], rights[e]
    for p in range(pairs):
        i, j = top + p // columns, p % columns
        if g[p] < CLOSE and (x != y or j != reach + i):
            total = 0.0
            for t in range(place.shape[1]):
                u = factor[x, t] * left[place[x, t], i] * row[x, i]
                v = factor[y, t] * right[place[y, t], j] * column[y, j]
                source = index[e, t]
                lack = others[source, p] if (signs[source, p] < 0) == (c[p] < 0) else 2 - others[source, p]
                total += u * v * lack + (u - v) * (u - v) / 2
            g[p] = total


def products(
    e: int,
    top: int,
    rows: int,
    columns: int,
    result: Array,
    some: Array,
    free: int,
    left: Array,
    right: Array,
    lefts: Array,
    rights: Array,
) -> None:
    """Mean inner products of inputs (positions, coordinates, inputs) at entry e, as ``sums``.

    ``result`` is a row of ``some``, of which the ``ROOM`` rows from ``free`` on are written over: of two rows of one
    array the compiler knows that they do not overlap.
    """
    x, y = lefts[e], rights[e]
    length = left.shape[1]
    for p in range(rows * columns):
        result[p] = 0.0
    for k in range(0, length - 8, 9):
        for n in range(9):
            for j in range(columns):
                some[free + n, j] = right[y, k + n, j]
        for i in range(rows):
            first, own = i * columns, top + i
            a0, a1, a2 = left[x, k, own], left[x, k + 1, own], left[x, k + 2, own]
            b0, b1, b2 = left[x, k + 3, own], left[x, k + 4, own], left[x, k + 5, own]
            c0, c1, c2 = left[x, k + 6, own], left[x, k + 7, own], left[x, k + 8, own]
            for j in range(columns):
                result[first + j] += (
                    (a0 * some[free, j] + a1 * some[free + 1, j] + a2 * some[free + 2, j])
                    + (b0 * some[free + 3, j] + b1 * some[free + 4, j] + b2 * some[free + 5, j])
                    + (c0 * some[free + 6, j] + c1 * some[free + 7, j] + c2 * some[free + 8, j])
                )
    for k in range(length - length % 9, length):
        for i in range(rows):
            first, a = i * columns, left[x, k, top + i]
            for j in range(columns):
                result[first + j] += a * right[y, k, j]
    for p in range(rows * columns):
        result[p] /= max(length, 1)


def sums(e: int, pairs: int, line: Array, result: Array, index: Array, weight: Array) -> None:
    """Entry e of a line moved by a window: nine terms at a time, the last ones three at a time."""
    for p in range(pairs):
        result[p] = 0.0
    terms = index.shape[1]
    for t in range(0, terms - 8, 9):
        a0, a1, a2 = index[e, t], index[e, t + 1], index[e, t + 2]
        b0, b1, b2 = index[e, t + 3], index[e, t + 4], index[e, t + 5]
        c0, c1, c2 = index[e, t + 6], index[e, t + 7], index[e, t + 8]
        u0, u1, u2 = weight[e, t], weight[e, t + 1], weight[e, t + 2]
        v0, v1, v2 = weight[e, t + 3], weight[e, t + 4], weight[e, t + 5]
        w0, w1, w2 = weight[e, t + 6], weight[e, t + 7], weight[e, t + 8]
        for p in range(pairs):
            result[p] += (
                (u0 * line[a0, p] + u1 * line[a1, p] + u2 * line[a2, p])
                + (v0 * line[b0, p] + v1 * line[b1, p] + v2 * line[b2, p])
                + (w0 * line[c0, p] + w1 * line[c1, p] + w2 * line[c2, p])
            )
    for t in range(terms - terms % 9, terms, 3):
        a, b, c = index[e, t], index[e, t + 1], index[e, t + 2]
        u, v, w = weight[e, t], weight[e, t + 1], weight[e, t + 2]
        for p in range(pairs):
            result[p] += u * line[a, p] + v * line[b, p] + w * line[c, p]


def interpolated(c: Array, g: Array, table: Array, left: Array, right: Array, results: Array) -> None:
    """Kernels from a table of them as functions of c and g = 1 - |c|, times a number of either input.

    ``table`` has an axis for the kernels, one for the pieces of both sides, one for powers; ``left`` and ``right`` are
    (kernels, inputs), ``results`` is (kernels, rows, columns).
    """
    pieces = table.shape[1] // 2
    scale = pieces / math.sqrt(2.0)
    row, place = np.empty(COLUMNS, np.int64), np.empty(COLUMNS)
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            w = math.sqrt(2 * g[i, j]) * scale
            piece = min(int(w), pieces - 1)
            place[j] = 2 * (w - piece) - 1
            row[j] = piece + (pieces if c[i, j] < 0 else 0)
        for n in range(table.shape[0]):
            own = table[n]
            for j in range(c.shape[1]):
                p = own[row[j], DEGREE]
                for k in range(DEGREE - 1, -1, -1):
                    p = p * place[j] + own[row[j], k]
                results[n, i, j] = left[n, i] * right[n, j] * p


def placed(values: Array, result: Array, row: int, column: int) -> None:
    """Put a block where it belongs in a matrix."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            result[row + i, column + j] = values[i, j]


def mirrored(values: Array, result: Array, row: int, column: int) -> None:
    """Put a block where it belongs in a symmetric matrix: of what is left of the diagonal on both sides."""
    for i in range(values.shape[0]):
        for j in range(min(values.shape[1], row + i - column)):
            result[row + i, column + j] = values[i, j]
    for start in range(0, values.shape[1], EDGE):
        for top in range(0, values.shape[0], EDGE):
            for j in range(start, min(start + EDGE, values.shape[1])):
                for i in range(max(top, column + j - row + 1), min(top + EDGE, values.shape[0])):
                    result[column + j, row + i] = values[i, j]


def alone(lines: Array, source: int, target: int, place: Array, factor: Array, inputs: int) -> None:
    """The row ``target`` of ``lines``: diagonals moved and averaged, see ``entries.along_alone``."""
    for y in range(place.shape[0]):
        for j in range(inputs):
            lines[target, y * inputs + j] = 0.0
        for t in range(place.shape[1]):
            start, weight = place[y, t] * inputs, factor[y, t] * factor[y, t]
            for j in range(inputs):
                lines[target, y * inputs + j] += weight * lines[source, start + j]


def undefined() -> float:
    """What no formula gives."""
    return math.nan


INLINED = (products, sums, alone)
"""Functions of parts of a block, to be taken into their callers: a call with arrays costs as much as they do."""
FUNCTIONS = (less, positive, inverse, angle, asin, acos, cosine, sign, NormalCDF, undefined)
"""What statements call; arrays know the same."""
DIFFERENCES = (angles, apart, gaps)
"""Functions of blocks that take differences of products, to be 0 for equal ones: no product is fused there."""
BLOCKS = (interpolated, placed, mirrored)
"""Other functions of blocks that every module has."""
CONSTANTS = ("HALF_PI", "EIGHTH", "CLOSE", "EDGE", "COLUMNS", "DEGREE", "NOTHING")
FREEDOM = {"contract", "nsz"}
"""What LLVM may do with floating-point numbers: fuse products and sums, nothing that changes orders or limits."""
