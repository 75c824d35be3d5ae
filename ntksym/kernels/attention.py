"""Attention with many heads and random logits (Hron et al. 2020, arXiv:2006.10540).

At scale d_head^-1/2 the logits of a head are Gaussian: a sum of many products of independent coordinates of queries and
keys. Heads are independent of each other, so once they are merged into the coordinates, sums over coordinates are
means over these logits. With A, A' the weights at two points and V the second moment of the values,

    second moment    E[sum_jj' A_j A'_j'] V_jj',
    tangent kernel   E[sum_jj' A_j A'_j'] T_jj' + E[sum_jj' sum_kk' dA_j/dL_k dA'_j'/dL'_k'] S_kk' V_jj',

where T and S are the tangent kernels of the values and of the logits.
"""

from __future__ import annotations

from typing import Any

from ntksym._lazy import lazy
from ntksym.kernels.apart import apart, bare
from ntksym.kernels.logits import Logits
from ntksym.kernels.rules import Rules
from ntksym.kernels.structure import size_expression
from ntksym.kernels.values import At, Value
from ntksym.kernels.views import Attended
from ntksym.records.formula import Algebra, HeadAverage, Layout

sympy = lazy("sympy")


def attended(rules: Rules, v: Value, w: Value, a: Attended, b: Attended, tangent: bool) -> Any:
    """The second moment (tangent kernel) of two values that random attention weights mix."""
    _check(rules, v, w, a, b)
    full = rules.layout(v, w)
    values = rules.second(a.inner, b.inner)
    mark, _ = apart(rules.book, values, full)
    heads = {str(symbol.name).partition("|")[0].partition(":")[2] for symbol in mark.free_symbols}
    layout = bare(full, heads)
    product = Layout(rules.graph.axes(a.logits.product), rules.graph.axes(b.logits.product))
    inner = Layout(rules.graph.axes(a.inner), rules.graph.axes(b.inner))

    def line(expression: Any, where: Layout, letter: str, meaning: str) -> str:
        """The name of a line for what is the same in every head."""
        found, rest = apart(rules.book, expression, where)
        if rest != 0 and found != mark:
            raise rules.structure.refusal(v, "shares queries, keys or values between heads, for which no rule is known")
        plain = bare(where, heads)
        made = rules.book.named(rest, letter, plain, meaning)
        if made == 0:
            made = rules.book.add(letter, ("zero",), plain, lambda name: Algebra(name, plain, meaning, sympy.S.Zero))
        return str(made.name.partition("|")[0])

    def mean(values: str, slopes: str = "") -> Any:
        key = (logits, values, slopes, a.logits.key, a.logits.query)
        meaning = "mean over heads, of changes of the weights" if slopes else "mean over heads"
        return rules.book.add(
            "T" if tangent else "K" if v == w else "C",
            key,
            layout,
            lambda name: HeadAverage(name, layout, meaning, logits, values, a.logits.key, a.logits.query, slopes),
        )

    def law(x: Logits, y: Logits) -> str:
        return line(_covariance(rules, x, y), product, "K" if x == y else "C", "covariance of attention logits")

    logits = (law(a.logits, a.logits), law(a.logits, b.logits), law(b.logits, b.logits))
    held = line(values, inner, "K" if v == w else "C", "second moment of attention values")
    if not tangent:
        return mark * mean(held)
    total = sympy.S.Zero
    passed = rules.pair(a.inner, b.inner, True)
    if passed != 0:
        total += mean(line(passed, inner, "T", "tangent kernel of attention values"))
    change = _tangent(rules, a.logits, b.logits)
    if change != 0:
        total += mean(held, line(change, product, "T", "tangent kernel of attention logits"))
    return mark * total


def _covariance(rules: Rules, x: Logits, y: Logits) -> Any:
    return size_expression(x.size) * rules.second(x.queries, y.queries) * rules.second(x.keys, y.keys)


def _tangent(rules: Rules, x: Logits, y: Logits) -> Any:
    """Queries and keys come from weights of their own, so gradients through the one and the other do not meet."""
    total = sympy.S.Zero
    for (u, v), (s, t) in (((x.queries, y.queries), (x.keys, y.keys)), ((x.keys, y.keys), (x.queries, y.queries))):
        change = rules.pair(u, v, True)
        total += change * rules.second(s, t) if change != 0 else 0
    return size_expression(x.size) * total


def _check(rules: Rules, v: Value, w: Value, a: Attended, b: Attended) -> None:
    """Queries, keys and values are independent of each other, with mean zero, and both points attend alike."""
    structure = rules.structure
    if a.op.node != b.op.node:
        raise structure.refusal(v, "meets other attention with the same weights, for which no rule is known")
    parts: list[tuple[str, At | Value]] = [("queries", a.logits.queries), ("keys", a.logits.keys), ("values", a.inner)]
    for k, (name, part) in enumerate(parts):
        if structure.hidden(part):
            raise structure.refusal(v, f"attends with {name} whose positions are merged into coordinates")
        if rules.mean(part) != 0:
            raise structure.refusal(v, f"has random logits at scale d_head^-1/2, and {name} whose mean is not zero")
        for other, another in parts[:k]:
            if structure.draws(part) & structure.draws(another):
                raise structure.refusal(
                    v, f"makes {other} and {name} with the same weights, so they are not independent"
                )
